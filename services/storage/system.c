#include "services/storage/system.h"

/* What an ingestion says of its source goes over what the database knows. */
static void join_ingestion(struct kn_msg_system *system, const struct kn_msg_ingestion_status *says)
{
    for (size_t i = 0; i < system->ingestion.count; i++) {
        struct kn_msg_source_status *source = &system->ingestion.items[i];
        if (!kn_str_eq(source->source, says->source))
            continue;
        source->state = says->state;
        source->broker = says->broker;
        source->error = says->error;
        source->since = says->since;
        source->backlog_events += says->backlog_events;
        source->spool_bytes += says->spool_bytes;
        source->spool_max += says->spool_max;
        source->spool_events += says->spool_events;
        source->spool_dropped += says->spool_dropped;
        if (says->queue_messages.set) /* of each its own, or the same one */
            source->queue_messages = says->queue_messages;
        source->queue_bytes_max = says->queue_bytes_max;
        if (says->lag_seconds > source->lag_seconds)
            source->lag_seconds = says->lag_seconds;
        if (says->events_received > source->events_received)
            source->events_received = says->events_received;
    }
}

/* A source that has an ingestion but no batch yet. */
static enum kn_status add_source(struct kn_msg_system *system, struct kn_arena *arena,
                                 struct kn_str name)
{
    for (size_t i = 0; i < system->ingestion.count; i++) {
        if (kn_str_eq(system->ingestion.items[i].source, name))
            return KN_OK;
    }
    size_t n = system->ingestion.count;
    struct kn_msg_source_status *items = kn_arena_array(arena, n + 1, sizeof *items);
    if (!items)
        return KN_NOMEM;
    if (n)
        memcpy(items, system->ingestion.items, n * sizeof *items);
    items[n] = (struct kn_msg_source_status){.source = name, .state = KN_LINK_CONNECTING};
    system->ingestion.items = items;
    system->ingestion.count = n + 1;
    return KN_OK;
}

static enum kn_status join_services(struct kn_msg_system *system, struct kn_arena *arena)
{
    size_t findings = 0, n = 0;
    for (size_t i = 0; i < system->services.count; i++) {
        const struct kn_msg_service_status *service = &system->services.items[i];
        findings += service->findings.count;
        if (!service->ingestion || service->state == KN_SERVICE_AWAY)
            continue;
        enum kn_status status = add_source(system, arena, service->ingestion->source);
        if (status != KN_OK)
            return status;
        join_ingestion(system, service->ingestion);
    }
    system->findings.items = kn_arena_array(arena, findings, sizeof *system->findings.items);
    if (findings && !system->findings.items)
        return KN_NOMEM;
    for (size_t i = 0; i < system->services.count; i++) {
        const struct kn_msg_service_status *service = &system->services.items[i];
        for (size_t f = 0; f < service->findings.count; f++)
            system->findings.items[n++] = service->findings.items[f];
    }
    system->findings.count = n;
    return KN_OK;
}

enum kn_status system_read(struct store_reader *reader, struct registry *registry,
                           struct kn_arena *arena, struct kn_msg_system *ret)
{
    enum kn_status status = store_read_system(reader, arena, ret);
    if (status == KN_OK)
        status = registry_list(registry, arena, &ret->services.items, &ret->services.count);
    return status == KN_OK ? join_services(ret, arena) : status;
}
