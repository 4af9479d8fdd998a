/* The task list. Each filter that has an index is an ordered stream of task
 * numbers; one of them is walked, newest first, and the other filters are checked
 * row by row. A request looks at a bounded number of rows, and its cursor says
 * where to go on, so none takes for ever. */
#include "services/storage/read/task_filter.h"
#include "services/storage/state/event_row.h"
#include "services/storage/write/write.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CHUNK = 1000,     /* rows asked for at once, at most */
    ROWS_MAX = 50000, /* looked at for one request */
    RARE = 20,        /* a status is rare if less than one in this many tasks has it */
};
#define TIME_MAX (30 * INT64_C(1000)) /* µs, for one request */

struct scan {
    struct store_reader *reader;
    struct kn_arena *arena;
    struct task_filter filter;
    int64_t *found; /* task numbers, limit + 1 at most */
    size_t n_found;
    size_t seen;      /* rows of this chunk */
    bool stopped;     /* it has enough, or took too long */
    int64_t last_no;  /* the last row looked at */
    size_t rows_left; /* that the request may look at */
    int64_t deadline;
};

/* ---- walking ------------------------------------------------------------------------- */

static enum kn_status matches(struct scan *scan, const struct db_value *columns, bool *ret)
{
    *ret = store_filter_takes(&scan->filter, columns);
    return *ret && scan->filter.q.len
               ? store_filter_has_q(scan->reader, &scan->filter, columns, S_TEXTS, ret)
               : KN_OK;
}

static enum kn_status see_row(void *arg, const struct db_value *columns)
{
    struct scan *scan = arg;
    bool match;
    enum kn_status status = matches(scan, columns, &match);
    if (status != KN_OK)
        return status;
    scan->seen++;
    scan->last_no = db_as_i64(columns[S_NO]);
    if (match)
        scan->found[scan->n_found++] = scan->last_no;
    scan->stopped = scan->n_found > scan->filter.limit ||
                    (scan->seen % 64 == 0 && kn_time_mono() > scan->deadline);
    return scan->stopped ? (enum kn_status)DB_STOP : KN_OK;
}

/* The statements of a stream stand together: newest first, oldest first; then the
 * same with texts. */
static const enum sql_id streams[][4] = {
    {SQL_SCAN_ALL, SQL_SCAN_ALL_OLDEST, SQL_SCAN_ALL_TEXT, SQL_SCAN_ALL_TEXT_OLDEST},
    {SQL_SCAN_NAME, SQL_SCAN_NAME_OLDEST, SQL_SCAN_NAME_TEXT, SQL_SCAN_NAME_TEXT_OLDEST},
    {SQL_SCAN_WORKER, SQL_SCAN_WORKER_OLDEST, SQL_SCAN_WORKER_TEXT, SQL_SCAN_WORKER_TEXT_OLDEST},
    {SQL_SCAN_QUEUE, SQL_SCAN_QUEUE_OLDEST, SQL_SCAN_QUEUE_TEXT, SQL_SCAN_QUEUE_TEXT_OLDEST},
    {SQL_SCAN_STATUS, SQL_SCAN_STATUS_OLDEST, SQL_SCAN_STATUS_TEXT, SQL_SCAN_STATUS_TEXT_OLDEST},
    {SQL_SCAN_RESOLVED, SQL_SCAN_RESOLVED_OLDEST, SQL_SCAN_RESOLVED_TEXT,
     SQL_SCAN_RESOLVED_TEXT_OLDEST},
};

struct tally {
    const struct task_filter *filter;
    int64_t all, chosen;
};

static enum kn_status tally_count(void *arg, const struct db_value *columns)
{
    struct tally *tally = arg;
    tally->all += db_as_i64(columns[2]);
    if (is_chosen(&tally->filter->status, columns[1]))
        tally->chosen += db_as_i64(columns[2]);
    return KN_OK;
}

static enum kn_status weigh_statuses(struct store_reader *reader, struct task_filter *f)
{
    struct tally tally = {.filter = f};
    enum kn_status status = db_run(reader->db, SQL_TASK_COUNTS, NULL, tally_count, &tally);
    f->status_is_rare = tally.chosen < tally.all / RARE;
    f->status_has_all = true;
    for (size_t i = 0; i < f->status.count; i++)
        f->status_has_all = f->status_has_all && store_has_state(f->status.values[i]);
    return status;
}

/* Which stream to walk: ALL, or the filter whose values are likely the rarest. */
static size_t choose_stream(const struct task_filter *f, const struct task_choice **ret)
{
    const struct task_choice *choices[] = {NULL, &f->name, &f->worker, &f->queue, &f->status};
    if (f->resolved.set && f->resolved.value) {
        *ret = NULL;
        return KN_COUNT_OF(choices);
    }
    if (f->status.set && f->status_is_rare && f->status_has_all) {
        *ret = &f->status;
        return KN_COUNT_OF(choices) - 1;
    }
    for (size_t i = 1; i < KN_COUNT_OF(choices); i++) {
        if (choices[i]->set && (choices[i] != &f->status || f->status_has_all)) {
            *ret = choices[i];
            return i;
        }
    }
    *ret = NULL;
    return 0;
}

struct marked {
    int64_t *found;
    size_t count;
};

/* The number is known to be marked: it becomes 0. */
static enum kn_status see_marked(void *arg, const struct db_value *columns)
{
    struct marked *marked = arg;
    for (size_t i = 0; i < marked->count; i++) {
        if (marked->found[i] == db_as_i64(columns[0]))
            marked->found[i] = 0;
    }
    return KN_OK;
}

/* Of those found from start on, leaves out the ones that are marked as resolved. */
static enum kn_status leave_out_resolved(struct scan *scan, size_t start)
{
    struct marked marked = {scan->found + start, scan->n_found - start};
    struct kn_arena scratch;
    kn_arena_init(&scratch, 0);
    struct db_value *values = kn_arena_array(&scratch, marked.count, sizeof *values);
    for (size_t i = 0; values && i < marked.count; i++)
        values[i] = db_i64(marked.found[i]);
    enum kn_status status = KN_NOMEM;
    if (values)
        status = db_each(scan->reader->db, SQL_RESOLVED_GET, values, marked.count, see_marked,
                         &marked, NULL);
    kn_arena_fini(&scratch);
    scan->n_found = start;
    for (size_t i = 0; i < marked.count; i++) {
        if (marked.found[i])
            scan->found[scan->n_found++] = marked.found[i];
    }
    return status;
}

/* Walks one stream from `from` (not included) to `to` (included). *ret_reached is the
 * last number up to which all matches were found. */
static enum kn_status walk(struct scan *scan, size_t stream, int64_t value, int64_t from,
                           int64_t to, int64_t *ret_reached)
{
    enum sql_id id = streams[stream][scan->filter.oldest_first + 2 * (scan->filter.q.len > 0)];
    /* as many as a page has, then more: PostgreSQL reads all that was asked for before the
     * first is seen, and before the time is looked at */
    size_t size = scan->filter.limit + 1;
    for (; scan->rows_left; size = size * 2 < CHUNK ? size * 2 : CHUNK) {
        size_t chunk = scan->rows_left < size ? scan->rows_left : size;
        const struct db_value values[] = {db_i64(from), db_i64(to), db_i64((int64_t)chunk),
                                          db_i64(value)};
        size_t start = scan->n_found;
        scan->seen = 0;
        scan->stopped = false;
        enum kn_status status = db_run(scan->reader->db, id, values, see_row, scan);
        if (status == KN_OK && scan->filter.resolved.set && !scan->filter.resolved.value &&
            scan->n_found > start)
            status = leave_out_resolved(scan, start);
        if (status != KN_OK)
            return status;
        scan->rows_left -= scan->seen;
        if (scan->seen)
            from = scan->last_no;
        if (scan->stopped &&
            (scan->n_found > scan->filter.limit || kn_time_mono() > scan->deadline))
            break;
        if (scan->stopped) /* by what was left out */
            continue;
        if (scan->seen < chunk) {
            from = to;
            break;
        }
    }
    *ret_reached = from;
    return KN_OK;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

static int oldest_first(const void *a, const void *b)
{
    return newest_first(b, a);
}

/* All matches between from and to, or the first of them: in order, at most limit. *ret_next is the
 * number after which to continue, `to` at the end. */
static enum kn_status collect(struct scan *scan, int64_t from, int64_t to, int64_t *ret_next)
{
    const struct task_choice *choice;
    size_t stream = choose_stream(&scan->filter, &choice), total = 0;
    size_t n = choice ? choice->count : 1, limit = scan->filter.limit;
    bool oldest = scan->filter.oldest_first;
    int64_t *all = kn_arena_array(scan->arena, n * (limit + 1) + 1, sizeof *all);
    int64_t reached = to;
    if (!all)
        return KN_NOMEM;
    size_t rows = scan->rows_left;
    int64_t start = kn_time_mono();
    for (size_t i = 0; i < n; i++) {
        int64_t here = to;
        scan->found = all + total;
        scan->n_found = 0;
        scan->rows_left = rows / n + 1;
        scan->deadline = start + TIME_MAX * (int64_t)(i + 1) / (int64_t)n;
        enum kn_status status = walk(scan, stream, choice ? choice->values[i] : 0, from, to, &here);
        if (status != KN_OK)
            return status;
        total += scan->n_found;
        if (oldest ? here < reached : here > reached)
            reached = here;
    }
    qsort(all, total, sizeof *all, oldest ? oldest_first : newest_first);
    size_t keep = 0;
    while (keep < total && (oldest ? all[keep] <= reached : all[keep] >= reached))
        keep++;
    scan->found = all;
    scan->n_found = keep < limit ? keep : limit;
    *ret_next = keep > limit ? all[limit - 1] : reached;
    return KN_OK;
}

/* ---- the request --------------------------------------------------------------------- */

/* A whole id typed into the search box: found at once, before the walk. */
static enum kn_status find_id(struct scan *scan, struct kn_str id, struct kn_msg_task_list *ret)
{
    struct kn_msg_task *task = kn_arena_alloc(scan->arena, sizeof *task);
    if (!task)
        return KN_NOMEM;
    enum kn_status status =
        store_read_task(scan->reader, &(struct kn_msg_task_get){.id = id}, scan->arena, task);
    if (status == KN_OK) {
        ret->items.items = task;
        ret->items.count = 1;
    }
    return status;
}

static bool filters_only_q(const struct kn_msg_tasks_get *get)
{
    return !get->statuses.count && !get->names.count && !get->workers.count && !get->queues.count &&
           !get->sources.count && !get->from && !get->to && !get->by_end && !get->resolved.set;
}

enum kn_status store_make_cursor(struct kn_arena *arena, int64_t no, struct kn_str *ret)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)no);
    *ret = kn_arena_str(arena, kn_str_from(text));
    return ret->ptr ? KN_OK : KN_NOMEM;
}

static enum kn_status take_time(void *arg, const struct db_value *columns)
{
    *(int64_t *)arg = db_as_i64(columns[0]);
    return KN_OK;
}

/* A task of this number may have been deleted: 0. */
static enum kn_status searched_to(struct store_reader *reader, int64_t no, int64_t *ret)
{
    const struct db_value values[] = {db_i64(no)};
    return db_run(reader->db, SQL_TASK_FIRST_AT, values, take_time, ret);
}

enum kn_status store_read_tasks(struct store_reader *reader, const struct kn_msg_tasks_get *get,
                                struct kn_arena *arena, struct kn_msg_task_list *ret,
                                const char **ret_why)
{
    struct scan *scan = kn_arena_alloc(arena, sizeof *scan);
    struct task_span span;
    int64_t after = 0, next;
    if (!scan)
        return KN_NOMEM;
    *scan = (struct scan){.reader = reader, .arena = arena, .rows_left = ROWS_MAX};
    enum kn_status status = store_read_filter(reader, get, arena, &scan->filter, ret_why);
    if (status != KN_OK)
        return status;
    if (scan->filter.sort > SORT_OLDEST)
        return store_filter_is_empty(&scan->filter)
                   ? (*ret = (struct kn_msg_task_list){0}, KN_OK)
                   : store_read_sorted(reader, &scan->filter, get->cursor, arena, ret, ret_why);
    *ret_why = "cursor: not issued by this list";
    if (get->cursor.len && (!kn_str_to_i64(get->cursor, &after) || after < 0))
        return KN_INVALID;
    *ret = (struct kn_msg_task_list){0};
    if (get->q.len && !get->cursor.len && filters_only_q(get) &&
        find_id(scan, get->q, ret) == KN_OK)
        return KN_OK;
    if (store_filter_is_empty(&scan->filter))
        return KN_OK;
    if ((status = weigh_statuses(reader, &scan->filter)) != KN_OK ||
        (status = store_span_of(reader, get->from, get->to, get->by_end, &span)) != KN_OK ||
        span.first > span.last)
        return status;
    bool oldest = scan->filter.oldest_first;
    int64_t from = oldest ? span.first - 1 : span.last + 1, to = oldest ? span.last : span.first;
    if (get->cursor.len && (oldest ? after > from : after < from))
        from = after;
    status = collect(scan, from, to, &next);
    if (status == KN_OK)
        status = store_tasks_by_no(reader, scan->found, scan->n_found, arena, ret);
    if (status == KN_OK && next != to)
        status = store_make_cursor(arena, next, &ret->next_cursor);
    if (status == KN_OK && next != to && ret->items.count < scan->filter.limit)
        status = searched_to(reader, next, &ret->searched_to);
    return status;
}
