/* Rollups: what aggregation sends is added to the stored rows, together with the
 * position up to which it has read the feed. Kept in steps of a minute, an hour and
 * a day, so that a long period is a few rows. */
#include "services/storage/store_internal.h"

#include "services/common/sketch.h"
#include "services/common/time.h"
#include "services/storage/recount.h"

#include <stdlib.h>

enum { KEY = 7, WIDTH = 10, STEPS = 3, RECOUNT_TASKS = 10000 };
static const int64_t step_minutes[STEPS] = {1, 60, 1440};

struct sum {
    int64_t key[KEY]; /* step, minute, source, name, queue, worker, status */
    int64_t count;
    struct kn_sketch runtime;
    struct kn_sketch wait;
};

struct sums {
    struct tx *tx;
    struct sum *items;
    size_t count, cap;
    struct hmap map;
};

static void sums_fini(struct sums *sums)
{
    for (size_t i = 0; i < sums->count; i++) {
        kn_sketch_fini(&sums->items[i].runtime);
        kn_sketch_fini(&sums->items[i].wait);
    }
    free(sums->items);
    hmap_fini(&sums->map);
}

static uint64_t hash_of(const int64_t key[KEY])
{
    uint64_t hash = 0;
    for (size_t i = 0; i < KEY; i++)
        hash = hmap_mix(hash ^ (uint64_t)key[i]);
    return hash;
}

static struct sum *sum_find(struct sums *sums, const int64_t key[KEY], uint64_t hash)
{
    size_t at = 0;
    uint32_t i;
    while (hmap_next(&sums->map, hash, &at, &i)) {
        if (memcmp(sums->items[i].key, key, sizeof sums->items[i].key) == 0)
            return &sums->items[i];
    }
    return NULL;
}

static struct sum *sum_at(struct sums *sums, const int64_t key[KEY])
{
    uint64_t hash = hash_of(key);
    struct sum *sum = sum_find(sums, key, hash);
    if (sum)
        return sum;
    if (!grow_array(&sums->items, &sums->cap, sums->count, sizeof *sums->items) ||
        hmap_add(&sums->map, hash, (uint32_t)sums->count) != KN_OK)
        return NULL;
    sum = &sums->items[sums->count++];
    *sum = (struct sum){0};
    memcpy(sum->key, key, sizeof sum->key);
    kn_sketch_init(&sum->runtime);
    kn_sketch_init(&sum->wait);
    return sum;
}

static enum kn_status add_sketch(struct kn_sketch *to, struct kn_str bytes)
{
    struct kn_sketch sketch;
    if (!bytes.len)
        return KN_OK;
    kn_sketch_init(&sketch);
    enum kn_status status = kn_sketch_decode(&sketch, bytes);
    if (status == KN_OK)
        status = kn_sketch_merge(to, &sketch);
    kn_sketch_fini(&sketch);
    return status;
}

static enum kn_status add(struct sums *sums, const int64_t key[KEY], int64_t count,
                          struct kn_str runtime, struct kn_str wait)
{
    struct sum *sum = sum_at(sums, key);
    if (!sum)
        return KN_NOMEM;
    if (__builtin_add_overflow(sum->count, count, &sum->count))
        return KN_INVALID;
    enum kn_status status = add_sketch(&sum->runtime, runtime);
    return status == KN_OK ? add_sketch(&sum->wait, wait) : status;
}

static enum kn_status add_row(struct sums *sums, const struct kn_msg_rollup *row)
{
    struct store *store = sums->tx->store;
    int64_t minute = row->minute / KN_MINUTE;
    int64_t key[KEY] = {0};
    enum kn_status status;
    if (row->minute % KN_MINUTE || row->minute < 0)
        return KN_INVALID;
    if ((status = dict_number(store->dict, store->db, DICT_SOURCE, row->source, &key[2])) ||
        (status = dict_number(store->dict, store->db, DICT_NAME, row->name, &key[3])) ||
        (status = dict_number(store->dict, store->db, DICT_QUEUE, row->queue, &key[4])) ||
        (status = dict_number(store->dict, store->db, DICT_HOST, row->worker, &key[5])))
        return status;
    key[6] = row->status;
    for (size_t i = 0; status == KN_OK && i < STEPS; i++) {
        key[0] = step_minutes[i];
        key[1] = minute - minute % step_minutes[i];
        status = add(sums, key, row->count, row->runtime, row->wait);
    }
    return status;
}

/* ---- counting anew ------------------------------------------------------------------- */

static enum kn_status add_values(struct kn_sketch *to, const struct delta_values values[2])
{
    enum kn_status status = KN_OK;
    for (int removed = 0; removed < 2; removed++) {
        for (size_t i = 0; status == KN_OK && i < values[removed].count; i++)
            status = kn_sketch_add(to, values[removed].items[i], removed ? -1 : 1);
    }
    return status;
}

static enum kn_status add_delta(struct sums *sums, const struct delta *delta)
{
    const struct delta_key *d = &delta->key;
    int64_t minute = d->minute / KN_MINUTE;
    int64_t key[KEY] = {0, 0, d->source, d->name, d->queue, d->worker, d->status};
    for (size_t i = 0; i < STEPS; i++) {
        key[0] = step_minutes[i];
        key[1] = minute - minute % step_minutes[i];
        struct sum *sum = sum_at(sums, key);
        if (!sum)
            return KN_NOMEM;
        sum->count += delta->count;
        enum kn_status status = add_values(&sum->runtime, delta->runtimes);
        if (status == KN_OK)
            status = add_values(&sum->wait, delta->waits);
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

static int64_t round_to_day(int64_t at)
{
    return (at + KN_DAY - 1) / KN_DAY * KN_DAY;
}

/* Events are kept for a time only: what is older can't be counted anew, and stays.
 * A day is counted whole or not at all. */
static int64_t recount_from(const struct store *store)
{
    int64_t keep = store->options.retention_events_us;
    if (store->options.retention_tasks_us && (!keep || store->options.retention_tasks_us < keep))
        keep = store->options.retention_tasks_us;
    if (!keep)
        return 0;
    int64_t from = kn_time_now() - keep;
    return from > 0 ? round_to_day(from) : 0;
}

static enum kn_status add_recount(struct sums *sums)
{
    struct store *store = sums->tx->store;
    struct deltas deltas;
    struct kn_arena arena;
    int64_t after = 0, last, since_at = recount_from(store);
    const struct db_value clear[] = {db_i64(since_at / KN_MINUTE)};
    enum kn_status status = db_run(store->db, SQL_ROLLUPS_CLEAR, clear, NULL, NULL);
    kn_arena_init(&arena, 0);
    deltas_init(&deltas, &arena);
    while (status == KN_OK) {
        status = recount(store->db, store->dict, after, RECOUNT_TASKS, since_at, &deltas, &last);
        for (size_t i = 0; status == KN_OK && i < deltas.count; i++)
            status = add_delta(sums, &deltas.items[i]);
        if (status != KN_OK || !last)
            break;
        after = last;
        deltas_clear(&deltas);
        kn_arena_reset(&arena);
    }
    deltas_fini(&deltas);
    kn_arena_fini(&arena);
    return status;
}

/* A stored row, added to what is to be added. */
static enum kn_status add_stored(void *arg, const struct db_value *columns)
{
    struct sums *sums = arg;
    int64_t key[KEY];
    for (size_t i = 0; i < KEY; i++)
        key[i] = db_as_i64(columns[i]);
    return add(sums, key, db_as_i64(columns[KEY]), db_as_str(columns[KEY + 1]),
               db_as_str(columns[KEY + 2]));
}

static enum kn_status add_all_stored(struct sums *sums)
{
    struct db_value *keys = kn_arena_array(sums->tx->arena, sums->count * KEY, sizeof *keys);
    if (sums->count && !keys)
        return KN_NOMEM;
    size_t count = sums->count;
    for (size_t i = 0; i < count * KEY; i++)
        keys[i] = db_i64(sums->items[i / KEY].key[i % KEY]);
    return db_each(sums->tx->store->db, SQL_ROLLUP_GET, keys, count, add_stored, sums, NULL);
}

static struct kn_str sketch_bytes(struct tx *tx, const struct kn_sketch *sketch)
{
    struct kn_buf *out = &tx->store->body;
    if (kn_sketch_is_zero(sketch))
        return KN_STR_ABSENT;
    kn_buf_clear(out);
    kn_sketch_encode(sketch, out);
    return kn_buf_status(out) == KN_OK ? kn_arena_str(tx->arena, kn_buf_view(out)) : KN_STR_ABSENT;
}

static enum kn_status write_all(struct sums *sums)
{
    struct tx *tx = sums->tx;
    struct db_value *values = kn_arena_array(tx->arena, sums->count * WIDTH, sizeof *values);
    if (sums->count && !values)
        return KN_NOMEM;
    for (size_t i = 0; i < sums->count; i++) {
        const struct sum *sum = &sums->items[i];
        struct db_value *row = values + i * WIDTH;
        for (size_t k = 0; k < KEY; k++)
            row[k] = db_i64(sum->key[k]);
        row[KEY] = db_i64(sum->count);
        row[KEY + 1] = db_blob(sketch_bytes(tx, &sum->runtime));
        row[KEY + 2] = db_blob(sketch_bytes(tx, &sum->wait));
    }
    if (tx->arena->overflow)
        return KN_NOMEM;
    return db_each(tx->store->db, SQL_ROLLUP_PUT, values, sums->count, NULL, NULL, NULL);
}

struct position {
    struct kn_arena *arena;
    struct kn_str feed;
    uint64_t number;
};

static enum kn_status read_position(void *arg, const struct db_value *columns)
{
    struct position *position = arg;
    position->feed = kn_arena_str(position->arena, db_as_str(columns[0]));
    position->number = (uint64_t)db_as_i64(columns[1]);
    return KN_OK;
}

/* A rebuild may begin anywhere; otherwise the reader must stand where it says. */
static enum kn_status check_position(struct tx *tx, const struct kn_msg_rollup_put *put)
{
    struct store *store = tx->store;
    struct position position = {.arena = tx->arena};
    const struct db_value values[] = {db_text(put->reader)};
    enum kn_status status = db_run(store->db, SQL_READER_GET, values, read_position, &position);
    if (status != KN_OK || put->rebuild)
        return status;
    if (!position.feed.ptr)
        return put->from == 0 ? KN_OK : KN_CONFLICT;
    bool same = kn_str_eq(position.feed, put->feed) && position.number == put->from;
    return same ? KN_OK : KN_CONFLICT;
}

/* From the stored events, which are those of all commits so far. */
static enum kn_status rebuild(struct tx *tx, const struct kn_msg_rollup_put *put, struct sums *sums)
{
    struct store *store = tx->store;
    enum kn_status status = add_recount(sums);
    if (status == KN_OK)
        status = write_all(sums);
    sums_fini(sums);
    const struct db_value values[] = {db_text(put->reader), db_text(kn_str_from(store->feed_id)),
                                      db_i64((int64_t)store->feed_number)};
    return status == KN_OK ? db_run(store->db, SQL_READER_PUT, values, NULL, NULL) : status;
}

enum kn_status tx_rollup_put(struct tx *tx, const struct kn_msg_rollup_put *put)
{
    struct store *store = tx->store;
    if (!put->reader.len || !put->feed.len || (put->to < put->from && !put->rebuild))
        return KN_INVALID;
    enum kn_status status = check_position(tx, put);
    if (status != KN_OK)
        return status;
    struct sums sums = {.tx = tx};
    if (put->rebuild)
        return rebuild(tx, put, &sums);
    for (size_t i = 0; status == KN_OK && i < put->rows.count; i++)
        status = add_row(&sums, &put->rows.items[i]);
    if (status == KN_OK)
        status = add_all_stored(&sums);
    if (status == KN_OK)
        status = write_all(&sums);
    sums_fini(&sums);
    const struct db_value values[] = {db_text(put->reader), db_text(put->feed),
                                      db_i64((int64_t)put->to)};
    return status == KN_OK ? db_run(store->db, SQL_READER_PUT, values, NULL, NULL) : status;
}
