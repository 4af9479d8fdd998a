#include "gateway/live/stale.h"

#include "services/common/text/time.h"

static const struct kn_msg_finding finding = {
    .severity = KN_SEVERITY_ERROR,
    .code = KN_STR("storage_away"),
    .subject = KN_STR("storage"),
    .text = KN_STR("Storage does not respond. Nothing newer is known, and no action is possible."),
    .remedy = KN_STR("Check that kanchi-storage is running, its log, and its database."),
};

static struct kn_msg_service_status *service_of(struct kn_msg_system *system, struct kn_str name)
{
    for (size_t i = 0; i < system->services.count; i++)
        if (kn_str_eq(system->services.items[i].name, name))
            return &system->services.items[i];
    return NULL;
}

static enum kn_status add_storage(struct kn_arena *arena, struct kn_msg_system *system)
{
    size_t count = system->services.count;
    struct kn_msg_service_status *items = kn_arena_array(arena, count + 1, sizeof *items);
    if (!items)
        return KN_NOMEM;
    if (count)
        memcpy(items, system->services.items, count * sizeof *items);
    items[count] =
        (struct kn_msg_service_status){.name = KN_STR("storage"), .id = KN_STR("storage")};
    system->services.items = items;
    system->services.count = count + 1;
    return KN_OK;
}

static enum kn_status set_finding(struct kn_arena *arena, struct kn_msg_system *system)
{
    struct kn_msg_finding *items = kn_arena_array(arena, 1, sizeof *items);
    if (!items)
        return KN_NOMEM;
    *items = finding;
    system->findings.items = items;
    system->findings.count = 1;
    return KN_OK;
}

enum kn_status gw_stale_system(const struct gw_stale *stale, struct kn_arena *arena,
                               struct kn_msg_system *ret)
{
    struct kn_msg_system system = {0};
    enum kn_status status = KN_OK;
    if (stale->last.len)
        status = kn_msg_decode(stale->last, KN_KIND_SYSTEM, arena, &system);
    if (status == KN_OK && !service_of(&system, KN_STR("storage")))
        status = add_storage(arena, &system);
    if (status == KN_OK)
        status = set_finding(arena, &system);
    if (status != KN_OK)
        return status;
    for (size_t i = 0; i < system.services.count; i++) {
        struct kn_msg_service_status *service = &system.services.items[i];
        if (!kn_str_eq(service->id, kn_str_from(stale->self)))
            service->state = KN_SERVICE_AWAY;
    }
    for (size_t i = 0; i < system.ingestion.count; i++)
        system.ingestion.items[i].state = KN_LINK_UNKNOWN;
    *ret = system;
    return KN_OK;
}
