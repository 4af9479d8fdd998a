#include "services/storage/task/deltas.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <math.h>
#include <stdlib.h>

void deltas_init(struct deltas *deltas, struct kn_arena *arena)
{
    *deltas = (struct deltas){.arena = arena};
}

void deltas_fini(struct deltas *deltas)
{
    hmap_fini(&deltas->map);
    free(deltas->items);
    deltas->items = NULL;
}

void deltas_clear(struct deltas *deltas)
{
    hmap_clear(&deltas->map);
    deltas->count = 0;
}

static bool same_key(const struct delta_key *a, const struct delta_key *b)
{
    return a->minute == b->minute && a->source == b->source && a->name == b->name &&
           a->queue == b->queue && a->worker == b->worker && a->status == b->status;
}

static uint64_t key_hash(const struct delta_key *key)
{
    const int64_t parts[] = {key->minute, key->source, key->name,
                             key->queue,  key->worker, key->status};
    uint64_t hash = 0;
    for (size_t i = 0; i < KN_COUNT_OF(parts); i++)
        hash = hmap_mix(hash ^ (uint64_t)parts[i]);
    return hash;
}

static void fail(struct deltas *deltas, enum kn_status status)
{
    if (deltas->status == KN_OK)
        deltas->status = status;
}

static struct delta *new_item(struct deltas *deltas, const struct delta_key *key, uint64_t hash)
{
    if (deltas->count == deltas->cap) {
        size_t cap = deltas->cap ? deltas->cap * 2 : 256;
        struct delta *items = realloc(deltas->items, cap * sizeof *items);
        if (!items)
            return NULL;
        deltas->items = items;
        deltas->cap = cap;
    }
    if (hmap_add(&deltas->map, hash, (uint32_t)deltas->count) != KN_OK)
        return NULL;
    struct delta *delta = &deltas->items[deltas->count++];
    *delta = (struct delta){.key = *key};
    return delta;
}

static struct delta *item(struct deltas *deltas, const struct delta_key *key)
{
    uint64_t hash = key_hash(key);
    size_t at = 0;
    uint32_t i;
    while (hmap_next(&deltas->map, hash, &at, &i)) {
        if (same_key(&deltas->items[i].key, key))
            return &deltas->items[i];
    }
    struct delta *delta = new_item(deltas, key, hash);
    if (!delta)
        fail(deltas, KN_NOMEM);
    return delta;
}

static void add_value(struct deltas *deltas, struct delta_values *values, double value)
{
    if (values->count == values->cap) {
        size_t cap = values->cap ? values->cap * 2 : 4;
        double *items = kn_arena_array(deltas->arena, cap, sizeof *items);
        if (!items) {
            fail(deltas, KN_NOMEM);
            return;
        }
        if (values->count)
            memcpy(items, values->items, values->count * sizeof *items);
        values->items = items;
        values->cap = cap;
    }
    values->items[values->count++] = value;
}

static int64_t minute_of(int64_t at)
{
    int64_t rest = at % KN_MINUTE;
    return at - (rest < 0 ? rest + KN_MINUTE : rest);
}

static void add_extra_item(struct deltas *deltas, const struct delta_key *of, int64_t count)
{
    struct delta_key key = *of;
    key.status += EXTRA_TASKS;
    struct delta *delta = count ? item(deltas, &key) : NULL;
    if (delta)
        delta->count += count;
}

static void add_extra(struct deltas *deltas, const struct delta_key *key, int64_t count)
{
    struct delta_extras *extras = &deltas->extras;
    for (size_t i = 0; i < extras->count; i++) {
        if (same_key(&extras->items[i].key, key)) {
            extras->items[i].count += count;
            return;
        }
    }
    if (extras->count == DELTA_EXTRAS) {
        add_extra_item(deltas, key, count);
        return;
    }
    extras->items[extras->count].key = *key;
    extras->items[extras->count++].count = count;
}

static void count(struct deltas *deltas, const struct delta_key *key, struct kn_opt_f64 runtime,
                  int sign)
{
    struct delta *delta = item(deltas, key);
    if (!delta)
        return;
    delta->count += sign;
    if (kn_task_is_over((enum kn_task_status)key->status))
        add_extra(deltas, key, -sign);
    if (key->status == KN_TASK_SUCCESS && runtime.set && isfinite(runtime.value))
        add_value(deltas, &delta->runtimes[sign < 0], runtime.value);
}

void deltas_event(struct deltas *deltas, int64_t source, int64_t name, int64_t queue,
                  const struct delta_event *event, int sign)
{
    if (event->type < KN_EVENT_TASK_SENT || event->type > KN_EVENT_TASK_RETRIED)
        return;
    const struct delta_key key = {
        .minute = minute_of(event->at),
        .source = source,
        .name = name,
        .queue = queue,
        .worker = event->type == KN_EVENT_TASK_SENT ? 0 : event->host,
        .status = merge_status_of_type((enum merge_type)(event->type - KN_EVENT_TASK_SENT)),
    };
    count(deltas, &key, event->runtime, sign);
}

enum kn_status deltas_learned_of(const struct task_row *row, struct kn_arena *arena,
                                 struct delta_learned **ret)
{
    struct delta_learned *learned = NULL;
    for (unsigned t = 0; t < MERGE_LEARNED_COUNT; t++) {
        if (!merge_learned_counts(&row->task, (enum merge_type)t))
            continue;
        if (!learned && !(learned = kn_arena_alloc(arena, sizeof *learned)))
            return KN_NOMEM;
        const struct kn_msg_event *event = row->task.learned[t];
        learned->items[learned->count].runtime = event->runtime;
        learned->items[learned->count++].key = (struct delta_key){
            .minute = minute_of(merge_learned_at(&row->task, (enum merge_type)t)),
            .source = row->source,
            .name = row->name,
            .queue = row->queue,
            .worker = t == MERGE_SENT ? 0 : row->worker,
            .status = merge_status_of_type((enum merge_type)t),
        };
    }
    *ret = learned;
    return KN_OK;
}

void deltas_learned(struct deltas *deltas, const struct delta_learned *learned, int sign)
{
    for (size_t i = 0; learned && i < learned->count; i++)
        count(deltas, &learned->items[i].key, learned->items[i].runtime, sign);
}

struct delta_wait deltas_wait_of(const struct task_row *row)
{
    struct delta_wait wait = {0};
    wait.set = merge_queue_wait(&row->task, &wait.value);
    if (wait.set)
        wait.key = (struct delta_key){
            .minute = minute_of(merge_time(&row->task, MERGE_STARTED)),
            .source = row->source,
            .name = row->name,
            .queue = row->queue,
            .worker = row->started_by,
            .status = KN_TASK_STARTED,
        };
    return wait;
}

void deltas_wait(struct deltas *deltas, const struct delta_wait *before,
                 const struct delta_wait *after)
{
    if (before->set && after->set && before->value == after->value &&
        same_key(&before->key, &after->key))
        return;
    struct delta *delta;
    if (before->set && (delta = item(deltas, &before->key)))
        add_value(deltas, &delta->waits[1], before->value);
    if (after->set && (delta = item(deltas, &after->key)))
        add_value(deltas, &delta->waits[0], after->value);
}

struct delta_end deltas_end_of(const struct task_row *row)
{
    struct delta_end end = {.set = row->end.at != 0};
    if (end.set)
        end.key = (struct delta_key){
            .minute = minute_of(row->end.at),
            .source = row->source,
            .name = row->name,
            .queue = row->queue,
            .worker = row->worker,
            .status = row->status,
        };
    return end;
}

void deltas_end(struct deltas *deltas, const struct delta_end *before,
                const struct delta_end *after)
{
    struct delta_extras *extras = &deltas->extras;
    if (before->set)
        add_extra(deltas, &before->key, -1);
    if (after->set)
        add_extra(deltas, &after->key, 1);
    for (size_t i = 0; i < extras->count; i++)
        add_extra_item(deltas, &extras->items[i].key, extras->items[i].count);
    extras->count = 0;
}

static bool is_nothing(const struct delta *delta)
{
    return delta->count == 0 && !delta->runtimes[0].count && !delta->runtimes[1].count &&
           !delta->waits[0].count && !delta->waits[1].count;
}

static struct kn_f64s list(const struct delta_values *values)
{
    return (struct kn_f64s){values->items, values->count};
}

static enum kn_status message(const struct delta *delta, struct dict *dict, struct db *db,
                              struct kn_arena *arena, struct kn_msg_rollup_delta *ret)
{
    const struct delta_key *key = &delta->key;
    enum kn_status status;
    *ret = (struct kn_msg_rollup_delta){
        .minute = key->minute,
        .status = (uint64_t)key->status,
        .count = delta->count,
        .runtimes = list(&delta->runtimes[0]),
        .runtimes_removed = list(&delta->runtimes[1]),
        .waits = list(&delta->waits[0]),
        .waits_removed = list(&delta->waits[1]),
    };
    if ((status = dict_text(dict, db, key->source, arena, &ret->source)) != KN_OK ||
        (status = dict_text(dict, db, key->name, arena, &ret->name)) != KN_OK ||
        (status = dict_text(dict, db, key->queue, arena, &ret->queue)) != KN_OK)
        return status;
    return dict_text(dict, db, key->worker, arena, &ret->worker);
}

enum kn_status deltas_messages(struct deltas *deltas, struct dict *dict, struct db *db,
                               struct kn_msg_rollup_delta **ret, size_t *ret_count)
{
    size_t n = 0;
    struct kn_msg_rollup_delta *items = kn_arena_array(deltas->arena, deltas->count, sizeof *items);
    if (deltas->status != KN_OK || (deltas->count && !items))
        return deltas->status != KN_OK ? deltas->status : KN_NOMEM;
    for (size_t i = 0; i < deltas->count; i++) {
        if (is_nothing(&deltas->items[i]))
            continue;
        enum kn_status status = message(&deltas->items[i], dict, db, deltas->arena, &items[n]);
        if (status != KN_OK)
            return status;
        n++;
    }
    *ret = items;
    *ret_count = n;
    return KN_OK;
}
