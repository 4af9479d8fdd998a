/* Rollups: adds aggregation's data to the stored rows, together with its position in the feed.
 *
 * A row has the cells (cells.h) of one source and one task name, in a minute, an hour or a day; one
 * more, of scope ALL_NAMES, has the sums over all names. Besides the cells each row has their
 * totals by status. So a query reads few and small rows, regardless of the number of workers and
 * names. */
#include "services/storage/write/rollups.h"

#include "services/common/data/array.h"
#include "services/common/data/sketch.h"
#include "services/common/text/time.h"
#include "services/storage/task/cells.h"
#include "services/storage/write/recount.h"
#include "services/storage/write/write.h"

#include <stdlib.h>

enum { KEY = 5, WIDTH = 7, GROUPS = 16, RECOUNT_TASKS = 10000 };

/* What is to be added. */
struct row {
    int64_t minute; /* since 1970; the first of its hour or day in those steps */
    int64_t source;
    int64_t name;
    struct cell cell;
};
struct rows {
    struct row *items;
    size_t count, cap;
};

/* A stored row and what is added to it: cells[from] to cells[to - 1]. */
struct group {
    struct row *first;
    size_t from, to;
    struct kn_str totals, cells; /* that are stored */
};

struct adding {
    struct tx *tx;
    struct kn_arena arena; /* of some groups */
    int64_t step, scope;
    struct cell *cells;  /* of the rows, in their order */
    struct cell *totals; /* the same without queue and worker */
    struct group groups[GROUPS];
    size_t n_groups;
};

static int key_cmp(const struct row *a, int64_t minute, int64_t source, int64_t name)
{
    if (a->minute != minute)
        return a->minute < minute ? -1 : 1;
    if (a->source != source)
        return a->source < source ? -1 : 1;
    return (a->name > name) - (a->name < name);
}

static int row_cmp(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = key_cmp(x, y->minute, y->source, y->name);
    return order ? order : cell_cmp(&x->cell, &y->cell);
}

static int status_cmp(const void *a, const void *b)
{
    return cell_cmp(a, b);
}

/* ---- some rows of the database ------------------------------------------------------------ */

static void key_of(const struct adding *a, const struct group *group, struct db_value *ret)
{
    ret[0] = db_i64(a->step);
    ret[1] = db_i64(a->scope);
    ret[2] = db_i64(group->first->minute);
    ret[3] = db_i64(group->first->source);
    ret[4] = db_i64(group->first->name);
}

static enum kn_status take_stored(void *arg, const struct db_value *columns)
{
    struct adding *a = arg;
    for (size_t i = 0; i < a->n_groups; i++) {
        struct group *group = &a->groups[i];
        if (key_cmp(group->first, db_as_i64(columns[0]), db_as_i64(columns[1]),
                    db_as_i64(columns[2])) != 0)
            continue;
        group->totals = kn_arena_str(&a->arena, db_as_str(columns[3]));
        group->cells = kn_arena_str(&a->arena, db_as_str(columns[4]));
    }
    return a->arena.overflow ? KN_NOMEM : KN_OK;
}

static enum kn_status sum_of(struct adding *a, struct kn_str stored, const struct cell *cells,
                             size_t count, struct db_value *ret)
{
    struct kn_buf *out = &a->tx->store->body;
    kn_buf_clear(out);
    enum kn_status status = cells_add(stored, cells, count, out);
    if (status == KN_OK) {
        *ret = db_blob(kn_arena_str(&a->arena, out->len ? kn_buf_view(out) : KN_STR("")));
        status = a->arena.overflow ? KN_NOMEM : KN_OK;
    }
    return status;
}

/* Reads the groups' rows, adds to them and writes them. */
static enum kn_status add_groups(struct adding *a)
{
    struct db *db = a->tx->store->db;
    struct db_value keys[GROUPS * KEY], values[GROUPS * WIDTH];
    for (size_t i = 0; i < a->n_groups; i++)
        key_of(a, &a->groups[i], keys + i * KEY);
    enum kn_status status = db_each(db, SQL_ROLLUP_GET, keys, a->n_groups, take_stored, a, NULL);
    for (size_t i = 0; status == KN_OK && i < a->n_groups; i++) {
        const struct group *group = &a->groups[i];
        struct db_value *value = values + i * WIDTH;
        size_t count = group->to - group->from;
        key_of(a, group, value);
        qsort(a->totals + group->from, count, sizeof *a->totals, status_cmp);
        status = sum_of(a, group->totals, a->totals + group->from, count, &value[KEY]);
        if (status == KN_OK)
            status = sum_of(a, group->cells, a->cells + group->from, count, &value[KEY + 1]);
    }
    if (status == KN_OK)
        status = db_each(db, SQL_ROLLUP_PUT, values, a->n_groups, NULL, NULL, NULL);
    kn_arena_reset(&a->arena);
    a->n_groups = 0;
    return status;
}

/* ---- a step ------------------------------------------------------------------------------- */

/* All rows, which are sorted, some groups at a time. */
static enum kn_status add_sorted(struct adding *a, struct rows *rows)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < rows->count;) {
        struct row *first = &rows->items[i];
        struct group *group = &a->groups[a->n_groups++];
        *group = (struct group){.first = first, .from = i};
        for (; i < rows->count &&
               key_cmp(&rows->items[i], first->minute, first->source, first->name) == 0;
             i++) {
            a->cells[i] = a->totals[i] = rows->items[i].cell;
            a->totals[i].queue = a->totals[i].worker = 0;
        }
        group->to = i;
        if (a->n_groups == GROUPS || i == rows->count)
            status = add_groups(a);
    }
    return status;
}

/* Adds the rows to those of each step: by name, and then of all names. */
static enum kn_status add_rows(struct tx *tx, const struct rows *rows)
{
    struct adding a = {.tx = tx};
    size_t size = rows->count ? rows->count : 1;
    a.cells = calloc(size, sizeof *a.cells);
    a.totals = calloc(size, sizeof *a.totals);
    enum kn_status status = a.cells && a.totals ? KN_OK : KN_NOMEM;
    kn_arena_init(&a.arena, 0);
    for (a.scope = ROLLUPS_BY_NAME; status == KN_OK && a.scope >= ROLLUPS_ALL_NAMES; a.scope--) {
        struct row *copy = malloc(size * sizeof *copy);
        struct rows scoped = {copy, rows->count, 0};
        if (!copy)
            status = KN_NOMEM;
        for (size_t step = 0; status == KN_OK && step < ROLLUP_STEPS; step++) {
            a.step = rollup_steps[step];
            for (size_t i = 0; i < rows->count; i++) {
                copy[i] = rows->items[i];
                copy[i].minute -= copy[i].minute % a.step;
                copy[i].name = a.scope == ROLLUPS_BY_NAME ? copy[i].name : 0;
            }
            qsort(copy, rows->count, sizeof *copy, row_cmp);
            status = add_sorted(&a, &scoped);
        }
        free(copy);
    }
    kn_arena_fini(&a.arena);
    free(a.cells);
    free(a.totals);
    return status == KN_INVALID ? KN_INTERNAL : status; /* what is stored is damaged */
}

static enum kn_status append(struct rows *rows, const struct row *row)
{
    if (!kn_array_grow(&rows->items, &rows->cap, rows->count, sizeof *rows->items))
        return KN_NOMEM;
    rows->items[rows->count++] = *row;
    return KN_OK;
}

/* ---- what aggregation sends ---------------------------------------------------------------- */

static bool is_sketch(struct kn_str bytes, struct kn_sketch *scratch)
{
    return !bytes.len || kn_sketch_decode(scratch, bytes) == KN_OK;
}

static enum kn_status take_row(struct store *store, const struct kn_msg_rollup *from,
                               struct kn_sketch *scratch, struct rows *rows)
{
    struct row row = {
        .minute = from->minute / KN_MINUTE,
        .cell = {0, 0, (uint8_t)from->status, from->count, from->runtime, from->wait}};
    enum kn_status status;
    if (from->minute % KN_MINUTE || from->minute < 0 ||
        from->status >= KN_TASK_STATUS_COUNT + EXTRA_TASKS || !is_sketch(from->runtime, scratch) ||
        !is_sketch(from->wait, scratch))
        return KN_INVALID;
    if ((status = dict_number(store->dict, store->db, DICT_SOURCE, from->source, &row.source)) ||
        (status = dict_number(store->dict, store->db, DICT_NAME, from->name, &row.name)) ||
        (status = dict_number(store->dict, store->db, DICT_QUEUE, from->queue, &row.cell.queue)) ||
        (status = dict_number(store->dict, store->db, DICT_HOST, from->worker, &row.cell.worker)))
        return status;
    return append(rows, &row);
}

/* INVALID when a row is none; nothing was changed then. */
static enum kn_status add_sent(struct tx *tx, const struct kn_msg_rollup_put *put)
{
    struct rows rows = {0};
    struct kn_sketch scratch;
    enum kn_status status = KN_OK;
    kn_sketch_init(&scratch);
    for (size_t i = 0; status == KN_OK && i < put->rows.count; i++)
        status = take_row(tx->store, &put->rows.items[i], &scratch, &rows);
    kn_sketch_fini(&scratch);
    if (status == KN_OK)
        status = add_rows(tx, &rows);
    free(rows.items);
    return status;
}

/* ---- recounting ------------------------------------------------------------------------- */

static enum kn_status encode_values(const struct delta_values values[2], struct kn_sketch *scratch,
                                    struct kn_arena *arena, struct kn_str *ret)
{
    enum kn_status status = KN_OK;
    struct kn_buf out;
    kn_sketch_clear(scratch);
    for (int removed = 0; removed < 2; removed++) {
        for (size_t i = 0; status == KN_OK && i < values[removed].count; i++)
            status = kn_sketch_add(scratch, values[removed].items[i], removed ? -1 : 1);
    }
    if (status != KN_OK || kn_sketch_is_zero(scratch))
        return status;
    kn_buf_init(&out, 0);
    kn_sketch_encode(scratch, &out);
    status = kn_buf_status(&out);
    if (status == KN_OK)
        *ret = kn_arena_str(arena, kn_buf_view(&out));
    kn_buf_fini(&out);
    return status == KN_OK && arena->overflow ? KN_NOMEM : status;
}

static enum kn_status take_delta(const struct delta *delta, struct kn_sketch *scratch,
                                 struct kn_arena *arena, struct rows *rows)
{
    const struct delta_key *d = &delta->key;
    if (d->minute < 0)
        return KN_OK; /* as aggregation has it: no clock says so */
    struct row row = {.minute = d->minute / KN_MINUTE,
                      .source = d->source,
                      .name = d->name,
                      .cell = {.queue = d->queue,
                               .worker = d->worker,
                               .status = (uint8_t)d->status,
                               .count = delta->count}};
    enum kn_status status = encode_values(delta->runtimes, scratch, arena, &row.cell.runtime);
    if (status == KN_OK)
        status = encode_values(delta->waits, scratch, arena, &row.cell.wait);
    return status == KN_OK ? append(rows, &row) : status;
}

static enum kn_status add_deltas(struct tx *tx, struct deltas *deltas)
{
    struct rows rows = {0};
    struct kn_sketch scratch;
    enum kn_status status = KN_OK;
    kn_sketch_init(&scratch);
    for (size_t i = 0; status == KN_OK && i < deltas->count; i++)
        status = take_delta(&deltas->items[i], &scratch, deltas->arena, &rows);
    kn_sketch_fini(&scratch);
    if (status == KN_OK)
        status = add_rows(tx, &rows);
    free(rows.items);
    return status;
}

static int64_t round_to_day(int64_t at)
{
    return (at + KN_DAY - 1) / KN_DAY * KN_DAY;
}

/* Events are kept for a limited time: older rollups can't be recounted and are left unchanged. A
 * day is counted completely or not at all. */
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

static enum kn_status add_recount(struct tx *tx)
{
    struct store *store = tx->store;
    struct deltas deltas;
    struct kn_arena arena;
    int64_t after = 0, last, since_at = recount_from(store);
    const struct db_value clear[] = {db_i64(since_at / KN_MINUTE)};
    enum kn_status status = db_run(store->db, SQL_ROLLUPS_CLEAR, clear, NULL, NULL);
    kn_arena_init(&arena, 0);
    deltas_init(&deltas, &arena);
    while (status == KN_OK) {
        status = recount(store->db, store->dict, after, RECOUNT_TASKS, since_at, &deltas, &last);
        if (status == KN_OK)
            status = add_deltas(tx, &deltas);
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

/* ---- the reader's position ----------------------------------------------------------------- */

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
static enum kn_status rebuild(struct tx *tx, const struct kn_msg_rollup_put *put)
{
    struct store *store = tx->store;
    enum kn_status status = add_recount(tx);
    const struct db_value values[] = {db_text(put->reader), db_text(kn_str_from(store->feed_id)),
                                      db_i64((int64_t)store->feed_number)};
    return status == KN_OK ? db_run(store->db, SQL_READER_PUT, values, NULL, NULL) : status;
}

static enum kn_status put_rollups(struct tx *tx, const struct kn_msg_rollup_put *put)
{
    struct store *store = tx->store;
    if (!put->reader.len || !put->feed.len || (put->to < put->from && !put->rebuild))
        return KN_INVALID;
    enum kn_status status = check_position(tx, put);
    if (status != KN_OK)
        return status;
    if (put->rebuild)
        return rebuild(tx, put);
    status = add_sent(tx, put);
    const struct db_value values[] = {db_text(put->reader), db_text(put->feed),
                                      db_i64((int64_t)put->to)};
    return status == KN_OK ? db_run(store->db, SQL_READER_PUT, values, NULL, NULL) : status;
}

enum kn_status tx_rollup_put(struct tx *tx, struct store_change *change)
{
    enum kn_status status = put_rollups(tx, change->msg);
    change->status = status;
    return status == KN_CONFLICT || status == KN_INVALID ? KN_OK : status;
}
