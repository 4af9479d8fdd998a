#include "gateway/hub_internal.h"

#include <stdlib.h>

void things_fini(struct things *things)
{
    for (size_t i = 0; i < things->count; i++)
        kn_buf_fini(&things->items[i].json);
    free(things->items);
    free(things->index);
    things->items = NULL;
    things->index = NULL;
    things->count = 0;
}

static uint64_t hash_of(char kind, struct kn_str source, struct kn_str name)
{
    uint64_t hash = kn_hash64(0, &kind, 1);
    hash = kn_hash64(hash, source.ptr, source.len);
    hash = kn_hash64(hash, "", 1);
    return kn_hash64(hash, name.ptr, name.len);
}

/* Where the number of the item is, plus 1, or 0 where it would be. */
static uint32_t *slot_of(uint32_t *index, size_t slots, const struct thing *items, uint64_t hash)
{
    size_t at = (size_t)(hash ^ hash >> 32) & (slots - 1);
    while (index[at] && items[index[at] - 1].hash != hash)
        at = (at + 1) & (slots - 1);
    return &index[at];
}

static size_t slots_of(size_t count)
{
    size_t slots = 4;
    while (slots < 2 * count + 2)
        slots *= 2;
    return slots;
}

/* Room for as many again; their places are found anew. */
static bool grow(struct things *things)
{
    size_t cap = things->count ? things->count * 2 : 1, slots = slots_of(cap);
    struct thing *items = realloc(things->items, cap * sizeof *items);
    uint32_t *index = calloc(slots, sizeof *index);
    if (items)
        things->items = items;
    if (!items || !index) {
        free(index);
        return false;
    }
    free(things->index);
    things->index = index;
    things->slots = slots;
    for (size_t i = 0; i < things->count; i++)
        *slot_of(index, slots, items, items[i].hash) = (uint32_t)i + 1;
    return true;
}

static struct thing *thing_of(struct things *things, uint64_t hash)
{
    uint32_t *slot =
        things->index ? slot_of(things->index, things->slots, things->items, hash) : NULL;
    if (slot && *slot)
        return &things->items[*slot - 1];
    bool full = things->count == things->max;
    if (full || ((things->count & (things->count - 1)) == 0 && !grow(things))) {
        things->dropped++;
        return NULL;
    }
    *slot_of(things->index, things->slots, things->items, hash) = (uint32_t)things->count + 1;
    struct thing *thing = &things->items[things->count++];
    *thing = (struct thing){.hash = hash};
    kn_buf_init(&thing->json, 1 << 20);
    return thing;
}

/* online beats updated within one tick; the last of online and offline counts. */
static const char *worker_frame(const struct things *things, const struct thing *thing,
                                uint8_t state)
{
    bool came = thing->known ? thing->state != state : things->primed;
    if (came)
        return state == KN_WORKER_ONLINE ? "worker:online" : "worker:offline";
    return thing->frame ? thing->frame : "worker:updated";
}

void things_worker(struct things *things, const struct kn_msg_worker *worker, bool announce)
{
    struct thing *thing = thing_of(things, hash_of('w', worker->source, worker->hostname));
    if (!thing)
        return;
    if (announce) {
        thing->frame = worker_frame(things, thing, worker->status);
        kn_buf_clear(&thing->json);
        gw_view_worker(&thing->json, worker, GW_VIEW_LIVE);
    }
    thing->state = worker->status;
    thing->known = true;
}

void things_queue(struct things *things, const struct kn_msg_queue_depth *depth)
{
    struct thing *thing = thing_of(things, hash_of('q', depth->source, depth->name));
    if (!thing)
        return;
    thing->frame = "queue:updated";
    kn_buf_clear(&thing->json);
    gw_view_queue_depth(&thing->json, depth);
}

void things_job(struct things *things, const struct kn_msg_job *job)
{
    struct thing *thing = thing_of(things, hash_of('j', job->id, KN_STR("")));
    if (!thing)
        return;
    thing->frame = "job:updated";
    kn_buf_clear(&thing->json);
    gw_view_job(&thing->json, job);
}

void things_sent(struct things *things)
{
    for (size_t i = 0; i < things->count; i++)
        things->items[i].frame = NULL;
}
