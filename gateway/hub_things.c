#include "gateway/hub_internal.h"

#include <stdlib.h>

void things_fini(struct things *things)
{
    for (size_t i = 0; i < things->count; i++)
        kn_buf_fini(&things->items[i].json);
    free(things->items);
    hmap_fini(&things->index);
    things->items = NULL;
    things->count = 0;
}

static uint64_t hash_of(char kind, struct kn_str source, struct kn_str name)
{
    uint64_t hash = kn_hash64(0, &kind, 1);
    hash = kn_hash64(hash, source.ptr, source.len);
    hash = kn_hash64(hash, "", 1);
    return hmap_mix(kn_hash64(hash, name.ptr, name.len));
}

/* Room for one more. */
static bool grow(struct things *things)
{
    if ((things->count & (things->count - 1)) != 0)
        return true;
    size_t cap = things->count ? things->count * 2 : 1;
    struct thing *items = realloc(things->items, cap * sizeof *items);
    if (items)
        things->items = items;
    return items;
}

static struct thing *thing_of(struct things *things, uint64_t hash)
{
    size_t at = 0;
    uint32_t i;
    if (hmap_next(&things->index, hash, &at, &i))
        return &things->items[i];
    if (things->count == things->max || !grow(things) ||
        hmap_add(&things->index, hash, (uint32_t)things->count) != KN_OK) {
        things->dropped++;
        return NULL;
    }
    struct thing *thing = &things->items[things->count++];
    *thing = (struct thing){0};
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
