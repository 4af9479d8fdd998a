/* Workers and queues that are gone: pods that never return under their name, deleted queues. In
 * small steps, as in retain.c; each reads little more than what it changes. */
#include "services/storage/retain/retain.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

enum {
    WORKERS_A_STEP = 100,
    QUEUES_A_STEP = 300,
    UNMEASURED_US =
        5 * 60 * 1000000, /* a queue is gone if others were measured for this long without it */
};
#define POINTS_A_STEP (12 * KN_HOUR) /* of one queue, which is measured every few seconds */

static enum kn_status take_i64(void *arg, const struct db_value *columns)
{
    if (columns[0].kind == DB_I64)
        *(int64_t *)arg = columns[0].i64;
    return KN_OK;
}

/* ---- workers ------------------------------------------------------------------------- */

struct worker_keys {
    struct kn_arena *arena;
    struct db_value items[WORKERS_A_STEP][2]; /* source, host */
    bool online[WORKERS_A_STEP];              /* as the worker's message says */
    size_t count;
};

static enum kn_status take_worker(void *arg, const struct db_value *columns)
{
    struct worker_keys *keys = arg;
    struct worker_row row;
    enum kn_status status = worker_row_read(columns, keys->arena, &row);
    keys->items[keys->count][0] = columns[0];
    keys->items[keys->count][1] = columns[1];
    keys->online[keys->count++] = status != KN_OK || row.worker.status == KN_WORKER_ONLINE;
    return KN_OK;
}

static enum kn_status read_silent(struct store *store, int64_t source, enum kn_worker_status of,
                                  int64_t before, struct worker_keys *keys)
{
    const struct db_value values[] = {db_i64(source), db_i64(of), db_i64(before / KN_MINUTE),
                                      db_i64(WORKERS_A_STEP)};
    keys->count = 0;
    return db_run(store->db, SQL_WORKERS_SILENT, values, take_worker, keys);
}

/* Rows from before this column existed have all online. */
static enum kn_status correct_online(struct store *store, int64_t source, struct worker_keys *keys)
{
    enum kn_status status =
        read_silent(store, source, KN_WORKER_ONLINE, kn_time_now() - KN_HOUR, keys);
    for (size_t i = 0; status == KN_OK && i < keys->count; i++) {
        const struct db_value values[] = {keys->items[i][0], keys->items[i][1], db_i64(0)};
        if (!keys->online[i])
            status = db_run(store->db, SQL_WORKER_ONLINE_PUT, values, NULL, NULL);
    }
    return status;
}

static enum kn_status drop_worker(struct store *store, const struct db_value *key)
{
    enum kn_status status = db_run(store->db, SQL_LIFE_OF_DELETE, key, NULL, NULL);
    return status == KN_OK ? db_run(store->db, SQL_WORKER_DELETE, key, NULL, NULL) : status;
}

static enum kn_status drop_workers(struct store *store, int64_t source, enum kn_worker_status of,
                                   int64_t keep, struct worker_keys *keys, bool *ret_done)
{
    enum kn_status status = read_silent(store, source, of, kn_time_now() - keep, keys);
    for (size_t i = 0; status == KN_OK && i < keys->count; i++)
        status = drop_worker(store, keys->items[i]);
    *ret_done &= keys->count < WORKERS_A_STEP;
    return status;
}

enum kn_status expire_workers(struct store *store, bool *ret_done)
{
    static const enum kn_worker_status gone[] = {KN_WORKER_OFFLINE, KN_WORKER_UNKNOWN};
    int64_t keep = store->options.retention_workers_us;
    struct kn_arena arena;
    struct dict_sources sources;
    static struct worker_keys keys; /* of the writing thread */
    kn_arena_init(&arena, 0);
    keys.arena = &arena;
    *ret_done = true;
    enum kn_status status = dict_sources(store->db, &arena, &sources);
    for (size_t s = 0; status == KN_OK && s < sources.count; s++) {
        int64_t source = sources.items[s].number;
        status = correct_online(store, source, &keys);
        for (size_t o = 0; status == KN_OK && keep && o < KN_COUNT_OF(gone); o++)
            status = drop_workers(store, source, gone[o], keep, &keys, ret_done);
    }
    keys.arena = NULL;
    kn_arena_fini(&arena);
    return status;
}

/* ---- workers that nobody watches ------------------------------------------------------- */

enum { SILENT_MIN_US = 10 * 60 * 1000000, HEARTBEATS_MISSED = 4 };

struct silent_read {
    struct kn_arena *arena;
    int64_t newest; /* when a worker of the source last sent something */
    struct store_change *changes;
    size_t count, max;
};

static enum kn_status add_verdict(struct silent_read *read, const struct kn_msg_worker *worker,
                                  enum kn_worker_status status)
{
    struct kn_msg_worker_liveness *verdict = kn_arena_alloc(read->arena, sizeof *verdict);
    if (!verdict)
        return KN_NOMEM;
    *verdict = (struct kn_msg_worker_liveness){.source = worker->source,
                                               .hostname = worker->hostname,
                                               .status = (uint8_t)status,
                                               .last_seen = worker->last_seen};
    read->changes[read->count++] =
        (struct store_change){.kind = KN_KIND_WORKER_LIVENESS, .msg = verdict};
    return read->count == read->max ? (enum kn_status)DB_STOP : KN_OK;
}

/* For workers that were silent while others of the source were not. */
static enum kn_status take_silent(void *arg, const struct db_value *columns)
{
    struct silent_read *read = arg;
    struct worker_row row;
    enum kn_status status = worker_row_read(columns, read->arena, &row);
    if (status != KN_OK)
        return status;
    int64_t heard = row.worker.last_received_at > row.worker.inspected_at
                        ? row.worker.last_received_at
                        : row.worker.inspected_at;
    double freq = row.worker.freq.set && row.worker.freq.value > 0 ? row.worker.freq.value : 0;
    int64_t silence = (int64_t)((freq < 3600 ? freq : 3600) * 1e6) * HEARTBEATS_MISSED;
    if (silence < SILENT_MIN_US)
        silence = SILENT_MIN_US;
    if (row.worker.status == KN_WORKER_OFFLINE || read->newest - heard < silence)
        return KN_OK;
    return add_verdict(read, &row.worker, KN_WORKER_OFFLINE);
}

static enum kn_status take_unheard(void *arg, const struct db_value *columns)
{
    struct silent_read *read = arg;
    struct worker_row row;
    enum kn_status status = worker_row_read(columns, read->arena, &row);
    return status == KN_OK ? add_verdict(read, &row.worker, KN_WORKER_UNKNOWN) : status;
}

enum kn_status store_find_silent(struct store *store, struct kn_arena *arena,
                                 struct store_change *changes, size_t max, size_t *ret_count)
{
    struct dict_sources sources;
    struct silent_read read = {.arena = arena, .changes = changes, .max = max};
    enum kn_status status = dict_sources(store->db, arena, &sources);
    for (size_t s = 0; status == KN_OK && s < sources.count && read.count < max; s++) {
        int64_t minute = 0;
        const struct db_value source[] = {db_i64(sources.items[s].number)};
        status = db_run(store->db, SQL_WORKERS_NEWEST, source, take_i64, &minute);
        read.newest = minute * KN_MINUTE;
        for (unsigned of = KN_WORKER_ONLINE; of < KN_WORKER_STATUS_COUNT; of++) {
            const struct db_value values[] = {source[0], db_i64(of),
                                              db_i64(minute - SILENT_MIN_US / KN_MINUTE),
                                              db_i64((int64_t)(2 * max))};
            if (status == KN_OK && minute && read.count < max)
                status = db_run(store->db, SQL_WORKERS_SILENT, values, take_silent, &read);
        }
    }
    *ret_count = read.count;
    return status;
}

static bool is_heard(const struct kn_strs *heard, struct kn_str source)
{
    for (size_t i = 0; i < heard->count; i++)
        if (kn_str_eq(heard->items[i], source))
            return true;
    return false;
}

enum kn_status store_find_unheard(struct store *store, const struct kn_strs *heard,
                                  struct kn_arena *arena, struct store_change *changes, size_t max,
                                  size_t *ret_count)
{
    struct dict_sources sources;
    struct silent_read read = {.arena = arena, .changes = changes, .max = max};
    enum kn_status status = dict_sources(store->db, arena, &sources);
    for (size_t s = 0; status == KN_OK && s < sources.count && read.count < max; s++) {
        if (is_heard(heard, sources.items[s].name))
            continue;
        const struct db_value values[] = {db_i64(sources.items[s].number), db_i64(KN_WORKER_ONLINE),
                                          db_text(KN_STR("")), db_i64((int64_t)(max - read.count))};
        status = db_run(store->db, SQL_WORKERS_PAGE, values, take_unheard, &read);
    }
    *ret_count = read.count;
    return status;
}

/* ---- queues -------------------------------------------------------------------------- */

struct queue_keys {
    struct queue_key {
        int64_t source, queue, at;
        bool gone;
    } items[QUEUES_A_STEP];
    size_t count;
};

static enum kn_status take_queue(void *arg, const struct db_value *columns)
{
    struct queue_keys *keys = arg;
    keys->items[keys->count++] =
        (struct queue_key){db_as_i64(columns[0]), db_as_i64(columns[1]), db_as_i64(columns[2]),
                           db_as_i64(columns[3]) != 0};
    return KN_OK;
}

/* Points older than before, of half a day at most. Whether points are left. */
static enum kn_status drop_points(struct store *store, const struct queue_key *key, int64_t before,
                                  bool *ret_more)
{
    int64_t oldest = 0;
    struct db_value values[] = {db_i64(key->source), db_i64(key->queue), db_null()};
    enum kn_status status = db_run(store->db, SQL_POINTS_OLDEST, values, take_i64, &oldest);
    *ret_more = oldest != 0;
    if (status != KN_OK || !oldest || oldest >= before)
        return status;
    int64_t to = oldest + POINTS_A_STEP < before ? oldest + POINTS_A_STEP : before;
    values[2] = db_i64(to);
    return db_run(store->db, SQL_QUEUE_POINTS_DELETE, values, NULL, NULL);
}

/* It is no longer listed; its history is kept for a while, then deleted. */
static enum kn_status bury(struct store *store, const struct queue_key *key)
{
    int64_t keep = store->options.retention_queues_us;
    const struct db_value values[] = {db_i64(key->source), db_i64(key->queue)};
    bool more = true;
    if (!keep || key->at >= kn_time_now() - keep)
        return KN_OK;
    enum kn_status status = drop_points(store, key, INT64_MAX, &more);
    return status == KN_OK && !more ? db_run(store->db, SQL_QUEUE_DELETE, values, NULL, NULL)
                                    : status;
}

static enum kn_status look_after(struct store *store, const struct queue_key *key, int64_t newest)
{
    const struct db_value values[] = {db_i64(key->source), db_i64(key->queue)};
    int64_t used = 0, before = store_events_cutoff(store);
    bool more;
    if (key->gone)
        return bury(store, key);
    enum kn_status status = before ? drop_points(store, key, before, &more) : KN_OK;
    if (status != KN_OK || key->at >= newest - UNMEASURED_US)
        return status;
    status = db_run(store->db, SQL_QUEUE_IS_USED, values, take_i64, &used);
    return status == KN_OK && !used ? db_run(store->db, SQL_QUEUE_GONE, values, NULL, NULL)
                                    : status;
}

enum kn_status expire_queues(struct store *store, bool *ret_done)
{
    struct retain *retain = &store->retain;
    static struct queue_keys keys; /* of the writing thread */
    int64_t source = 0, newest = 0;
    const struct db_value after[] = {db_i64(retain->queue_source), db_i64(retain->queue),
                                     db_i64(QUEUES_A_STEP)};
    keys.count = 0;
    enum kn_status status = db_run(store->db, SQL_QUEUES_AFTER, after, take_queue, &keys);
    for (size_t i = 0; status == KN_OK && i < keys.count; i++) {
        const struct db_value of[] = {db_i64(keys.items[i].source)};
        if (keys.items[i].source != source)
            status = db_run(store->db, SQL_QUEUES_NEWEST, of, take_i64, &newest);
        source = keys.items[i].source;
        if (status == KN_OK)
            status = look_after(store, &keys.items[i], newest);
    }
    *ret_done = keys.count < QUEUES_A_STEP;
    if (status != KN_OK)
        return status;
    retain->queue_source = *ret_done ? 0 : keys.items[keys.count - 1].source;
    retain->queue = *ret_done ? 0 : keys.items[keys.count - 1].queue;
    return KN_OK;
}
