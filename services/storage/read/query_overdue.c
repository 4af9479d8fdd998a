/* Which unfinished tasks have been without news for longer than they should. Walks
 * the index by status, a bounded number of rows at a time; finished tasks are never
 * looked at. */
#include "services/common/data/sketch.h"
#include "services/common/text/time.h"
#include "services/storage/read/read.h"
#include "services/storage/task/cells.h"
#include "services/storage/write/rollups.h"

enum { ROWS_MAX = 500, DAY_MINUTES = 24 * 60 };
static const int64_t RUNTIMES_KEPT_US = KN_MINUTE;

enum column { C_NO, C_SOURCE, C_NAME, C_LATEST_AT, C_ETA, C_WORKER, C_ID, C_RECEIVED, C_STARTED };

struct walk {
    struct store_reader *reader;
    const struct kn_msg_overdue_get *get;
    struct kn_arena *arena;
    int64_t source;
    int64_t now;
    size_t limit;
    size_t rows;
    struct kn_msg_overdue_list list;
};

/* ---- how long tasks of a name take ----------------------------------------------------- */

struct runtimes {
    struct kn_sketch sum, scratch;
};

/* minute, source, name, totals */
static enum kn_status add_runtimes(void *arg, const struct db_value *columns)
{
    struct runtimes *runtimes = arg;
    struct cells_reader reader;
    struct cell cell;
    enum kn_status status = cells_open(db_as_str(columns[3]), &reader);
    while (status == KN_OK && (status = cells_next(&reader, &cell)) == KN_OK) {
        if (!cell.runtime.len)
            continue;
        status = kn_sketch_decode(&runtimes->scratch, cell.runtime);
        if (status == KN_OK)
            status = kn_sketch_merge(&runtimes->sum, &runtimes->scratch);
    }
    return status == KN_NOT_FOUND ? KN_OK : status;
}

/* Of today and yesterday; 0 when there were none. */
static enum kn_status slow_runtime(struct walk *walk, int64_t name, int64_t *ret)
{
    struct runtimes runtimes;
    double seconds = 0;
    int64_t today = walk->now / KN_DAY * DAY_MINUTES;
    const struct db_value keys[] = {db_i64(DAY_MINUTES),
                                    db_i64(ROLLUPS_BY_NAME),
                                    db_i64(today - DAY_MINUTES),
                                    db_i64(walk->source),
                                    db_i64(name), /* and the next day */
                                    db_i64(DAY_MINUTES),
                                    db_i64(ROLLUPS_BY_NAME),
                                    db_i64(today),
                                    db_i64(walk->source),
                                    db_i64(name)};
    kn_sketch_init(&runtimes.sum);
    kn_sketch_init(&runtimes.scratch);
    enum kn_status status =
        db_each(walk->reader->db, SQL_ROLLUP_TOTALS_AT, keys, 2, add_runtimes, &runtimes, NULL);
    if (status == KN_OK && kn_sketch_count(&runtimes.sum) > 0 &&
        kn_sketch_quantile(&runtimes.sum, 0.99, &seconds))
        *ret = (int64_t)(seconds * (double)KN_SECOND);
    else
        *ret = 0;
    kn_sketch_fini(&runtimes.sum);
    kn_sketch_fini(&runtimes.scratch);
    return status;
}

static enum kn_status known_runtime(struct walk *walk, int64_t name, int64_t *ret)
{
    struct known_runtime *slot = &walk->reader->runtimes[(uint64_t)name % KNOWN_RUNTIMES];
    int64_t now = kn_time_mono();
    *ret = 0;
    if (name == 0)
        return KN_OK;
    if (slot->name != name || slot->source != walk->source || slot->until <= now) {
        struct known_runtime fresh = {walk->source, name, 0, now + RUNTIMES_KEPT_US};
        enum kn_status status = slow_runtime(walk, name, &fresh.slow_us);
        if (status != KN_OK)
            return status;
        *slot = fresh;
    }
    *ret = slot->slow_us;
    return KN_OK;
}

/* ---- the walk -------------------------------------------------------------------------- */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Twice what 99 of 100 of its name need, and no less than after_us, since its latest
 * event; a task that is not to run yet has all the time until then. */
static enum kn_status is_overdue(struct walk *walk, const struct db_value *columns, bool *ret)
{
    int64_t since = later(db_as_i64(columns[C_LATEST_AT]), db_as_i64(columns[C_ETA])), slow = 0;
    *ret = false;
    if (db_as_i64(columns[C_SOURCE]) != walk->source || since > walk->now - walk->get->after_us)
        return KN_OK;
    enum kn_status status = known_runtime(walk, db_as_i64(columns[C_NAME]), &slow);
    *ret = since <= walk->now - later(walk->get->after_us, 2 * slow);
    return status;
}

static enum kn_status add_overdue(struct walk *walk, const struct db_value *columns)
{
    struct kn_msg_overdue_task *task = &walk->list.items.items[walk->list.items.count++];
    *task = (struct kn_msg_overdue_task){
        .id = kn_arena_str(walk->arena, db_as_str(columns[C_ID])),
        .no = (uint64_t)db_as_i64(columns[C_NO]),
        .taken_at = later(db_as_i64(columns[C_RECEIVED]), db_as_i64(columns[C_STARTED])),
        .updated_at = db_as_i64(columns[C_LATEST_AT]),
    };
    if (walk->arena->overflow)
        return KN_NOMEM;
    struct dict *dict = walk->reader->store->dict;
    struct db *db = walk->reader->db;
    enum kn_status status =
        dict_text(dict, db, db_as_i64(columns[C_WORKER]), walk->arena, &task->worker);
    return status == KN_OK
               ? dict_text(dict, db, db_as_i64(columns[C_NAME]), walk->arena, &task->name)
               : status;
}

static enum kn_status look_at(void *arg, const struct db_value *columns)
{
    struct walk *walk = arg;
    bool overdue;
    walk->rows++;
    walk->list.next = (uint64_t)db_as_i64(columns[C_NO]);
    enum kn_status status = is_overdue(walk, columns, &overdue);
    if (status == KN_OK && overdue)
        status = add_overdue(walk, columns);
    if (status == KN_OK && walk->list.items.count == walk->limit)
        return (enum kn_status)DB_STOP;
    return status;
}

enum kn_status store_read_overdue(struct store_reader *reader, const struct kn_msg_overdue_get *get,
                                  struct kn_arena *arena, struct kn_msg_overdue_list *ret)
{
    struct walk walk = {.reader = reader, .get = get, .arena = arena, .now = kn_time_now()};
    walk.limit = get->limit && get->limit < ROWS_MAX ? (size_t)get->limit : ROWS_MAX;
    walk.list.items.items = kn_arena_array(arena, walk.limit, sizeof *walk.list.items.items);
    if (!walk.list.items.items)
        return KN_NOMEM;
    if (get->status >= KN_TASK_STATUS_COUNT || get->after_us < 0 || get->after > INT64_MAX)
        return KN_INVALID;
    enum kn_status status =
        dict_find(reader->store->dict, reader->db, DICT_SOURCE, get->source, &walk.source);
    if (status == KN_NOT_FOUND) { /* nothing came from there yet */
        ret->items.count = 0;
        ret->next = 0;
        return KN_OK;
    }
    const struct db_value values[] = {db_i64(get->status), db_i64((int64_t)get->after),
                                      db_i64(ROWS_MAX)};
    if (status == KN_OK)
        status = db_run(reader->db, SQL_TASKS_UNFINISHED, values, look_at, &walk);
    if (status != KN_OK)
        return status;
    if (walk.rows < ROWS_MAX && walk.list.items.count < walk.limit)
        walk.list.next = 0;
    *ret = walk.list;
    return KN_OK;
}
