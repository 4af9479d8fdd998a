#include "gateway/live/hub_internal.h"

#include <stdlib.h>

void entities_fini(struct entities *entities)
{
    for (size_t i = 0; i < entities->count; i++)
        kn_buf_fini(&entities->items[i].json);
    free(entities->items);
    hmap_fini(&entities->index);
    entities->items = NULL;
    entities->count = 0;
}

static uint64_t hash_of(char kind, struct kn_str source, struct kn_str name)
{
    uint64_t hash = kn_hash64(0, &kind, 1);
    hash = kn_hash64(hash, source.ptr, source.len);
    hash = kn_hash64(hash, "", 1);
    return hmap_mix(kn_hash64(hash, name.ptr, name.len));
}

/* Room for one more. */
static bool grow(struct entities *entities)
{
    if ((entities->count & (entities->count - 1)) != 0)
        return true;
    size_t cap = entities->count ? entities->count * 2 : 1;
    struct entity *items = realloc(entities->items, cap * sizeof *items);
    if (items)
        entities->items = items;
    return items;
}

static struct entity *entity_of(struct entities *entities, uint64_t hash)
{
    size_t at = 0;
    uint32_t i;
    if (hmap_next(&entities->index, hash, &at, &i))
        return &entities->items[i];
    if (entities->count == entities->max || !grow(entities) ||
        hmap_add(&entities->index, hash, (uint32_t)entities->count) != KN_OK) {
        entities->dropped++;
        return NULL;
    }
    struct entity *entity = &entities->items[entities->count++];
    *entity = (struct entity){0};
    kn_buf_init(&entity->json, 1 << 20);
    return entity;
}

/* online beats updated within one tick; the last of online and offline counts. */
static const char *worker_frame(const struct entities *entities, const struct entity *entity,
                                uint8_t state)
{
    bool is_offline = state == KN_WORKER_OFFLINE;
    bool came = entity->known ? (entity->state == KN_WORKER_OFFLINE) != is_offline
                              : entities->primed && state != KN_WORKER_UNKNOWN;
    if (came)
        return is_offline ? "worker:offline" : "worker:online";
    return entity->frame ? entity->frame : "worker:updated";
}

void entities_worker(struct entities *entities, const struct kn_msg_worker *worker, bool announce)
{
    struct entity *entity = entity_of(entities, hash_of('w', worker->source, worker->hostname));
    if (!entity)
        return;
    if (announce) {
        entity->frame = worker_frame(entities, entity, worker->status);
        kn_buf_clear(&entity->json);
        gw_view_worker(&entity->json, worker, GW_VIEW_LIVE);
    }
    entity->state = worker->status;
    entity->known = true;
}

void entities_queue(struct entities *entities, const struct kn_msg_queue_depth *depth)
{
    struct entity *entity = entity_of(entities, hash_of('q', depth->source, depth->name));
    if (!entity)
        return;
    entity->frame = "queue:updated";
    kn_buf_clear(&entity->json);
    gw_view_queue_depth(&entity->json, depth);
}

void entities_job(struct entities *entities, const struct kn_msg_job *job)
{
    struct entity *entity = entity_of(entities, hash_of('j', job->id, KN_STR("")));
    if (!entity)
        return;
    entity->frame = "job:updated";
    kn_buf_clear(&entity->json);
    gw_view_job(&entity->json, job, GW_VIEW_LIVE);
}

void entities_sent(struct entities *entities)
{
    for (size_t i = 0; i < entities->count; i++)
        entities->items[i].frame = NULL;
}
