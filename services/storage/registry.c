#include "services/storage/registry.h"

#include "services/common/text/time.h"

#include <pthread.h>
#include <stdlib.h>

enum { SERVICES_MAX = 1000 };
#define AWAY_US (3 * KN_SECOND)
#define GONE_US (60 * KN_SECOND)

struct entry {
    struct kn_arena arena; /* what the message points to */
    struct kn_msg_service_status *status;
    int64_t seen_mono;
};

struct registry {
    pthread_mutex_t lock; /* all below */
    struct entry *entries[SERVICES_MAX];
    size_t count;
};

struct registry *registry_new(void)
{
    struct registry *registry = calloc(1, sizeof *registry);
    if (registry)
        pthread_mutex_init(&registry->lock, NULL);
    return registry;
}

static void free_entry(struct entry *entry)
{
    if (!entry)
        return;
    kn_arena_fini(&entry->arena);
    free(entry);
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    for (size_t i = 0; i < registry->count; i++)
        free_entry(registry->entries[i]);
    pthread_mutex_destroy(&registry->lock);
    free(registry);
}

static struct entry *new_entry(const struct kn_msg_service_status *status)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    kn_arena_init(&entry->arena, 1 << 20);
    entry->status = kn_msg_copy(&entry->arena, KN_KIND_SERVICE_STATUS, status);
    if (!entry->status) {
        free_entry(entry);
        return NULL;
    }
    entry->status->seen_at = kn_time_now();
    entry->seen_mono = kn_time_mono();
    return entry;
}

/* Where the service stands, or the place for a new one. */
static size_t place_of(const struct registry *registry, struct kn_str id)
{
    size_t i = 0;
    while (i < registry->count && !kn_str_eq(registry->entries[i]->status->id, id))
        i++;
    return i;
}

static void drop_gone(struct registry *registry)
{
    int64_t now = kn_time_mono();
    for (size_t i = registry->count; i-- > 0;) {
        if (now - registry->entries[i]->seen_mono <= GONE_US)
            continue;
        free_entry(registry->entries[i]);
        registry->entries[i] = registry->entries[--registry->count];
    }
}

enum kn_status registry_put(struct registry *registry, const struct kn_msg_service_status *status)
{
    struct entry *entry = status->id.len ? new_entry(status) : NULL;
    if (!entry)
        return status->id.len ? KN_TOO_BIG : KN_INVALID;
    pthread_mutex_lock(&registry->lock);
    drop_gone(registry);
    size_t i = place_of(registry, status->id);
    bool room = i < SERVICES_MAX;
    if (room) {
        if (i == registry->count)
            registry->count++;
        else
            free_entry(registry->entries[i]);
        registry->entries[i] = entry;
    }
    pthread_mutex_unlock(&registry->lock);
    if (!room)
        free_entry(entry);
    return room ? KN_OK : KN_FULL;
}

enum kn_status registry_list(struct registry *registry, struct kn_arena *arena,
                             struct kn_msg_service_status **ret, size_t *ret_count)
{
    enum kn_status status = KN_OK;
    size_t n = 0;
    pthread_mutex_lock(&registry->lock);
    drop_gone(registry);
    struct kn_msg_service_status *items = kn_arena_array(arena, registry->count, sizeof *items);
    int64_t now = kn_time_mono();
    for (; items && n < registry->count; n++) {
        const struct entry *entry = registry->entries[n];
        const struct kn_msg_service_status *copy =
            kn_msg_copy(arena, KN_KIND_SERVICE_STATUS, entry->status);
        if (!copy)
            break;
        items[n] = *copy;
        if (now - entry->seen_mono > AWAY_US)
            items[n].state = KN_SERVICE_AWAY;
    }
    if (n < registry->count)
        status = KN_NOMEM;
    pthread_mutex_unlock(&registry->lock);
    if (status == KN_OK) {
        *ret = items;
        *ret_count = n;
    }
    return status;
}
