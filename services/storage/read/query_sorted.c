/* The task list in the order of a value: the end, the runtime, the queue wait or the number of
 * retries. Only tasks that have the value are listed.
 *
 * Runtimes and waits are indexed within each minute of the end, so that writing stays local. Each
 * minute is a lane, in order; the lanes are merged. Of most of them only the greatest value is ever
 * looked at. A request looks at a bounded number of rows, and its cursor is the last one of them.
 */
#include "services/storage/read/task_filter.h"

#include "services/common/data/array.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS_MAX = 50000, CHUNK_MAX = 1000, LANE_CHUNK = 16 };
#define TIME_MAX (30 * INT64_C(1000)) /* µs, for one request */

/* Columns after those of a scan; texts follow. */
enum { S_VALUE = S_TEXTS, S_MARK, S_SORTED_TEXTS };

struct place {
    int64_t value, no;
};

struct lane {
    int64_t minute;
    struct place head; /* no row is beyond it */
    struct place from; /* rows before this place are still to come; not included */
};

struct sorted {
    struct store_reader *reader;
    const struct task_filter *filter;
    enum sql_id statement;
    struct lane *lanes; /* a heap: the greatest head first */
    size_t n_lanes, cap_lanes;
    struct place start;
    int64_t bound; /* the statement's last value, of lists without minutes */

    struct lane *lane;  /* being read */
    struct place until; /* the next lane's head: from there on it is that one's turn */
    size_t seen;        /* rows of this statement */
    bool crossed;

    size_t rows;
    int64_t deadline;
    bool stopped;
    struct place last;    /* looked at */
    struct place *places; /* of the tasks found; limit + 1 at most */
    size_t n_found;
};

static bool is_before(struct place a, struct place b)
{
    return a.value != b.value ? a.value < b.value : a.no < b.no;
}

/* ---- the heap of lanes -------------------------------------------------------------------- */

static void sift_down(struct sorted *s, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < s->n_lanes; i = child) {
        if (child + 1 < s->n_lanes && is_before(s->lanes[child].head, s->lanes[child + 1].head))
            child++;
        if (!is_before(s->lanes[i].head, s->lanes[child].head))
            return;
        struct lane lane = s->lanes[i];
        s->lanes[i] = s->lanes[child];
        s->lanes[child] = lane;
    }
}

static struct place second_head(const struct sorted *s)
{
    struct place second = {INT64_MIN, 0};
    for (size_t i = 1; i < 3 && i < s->n_lanes; i++)
        if (is_before(second, s->lanes[i].head))
            second = s->lanes[i].head;
    return second;
}

static enum kn_status take_head(void *arg, const struct db_value *columns)
{
    struct sorted *s = arg;
    if (columns[1].kind != DB_I64)
        return KN_OK;
    if (!kn_array_grow(&s->lanes, &s->cap_lanes, s->n_lanes, sizeof *s->lanes))
        return KN_NOMEM;
    s->lanes[s->n_lanes++] =
        (struct lane){db_as_i64(columns[0]), {db_as_i64(columns[1]), INT64_MAX}, s->start};
    return KN_OK;
}

/* ---- reading a lane -------------------------------------------------------------------- */

static enum kn_status matches(const struct sorted *s, const struct db_value *columns, bool *ret)
{
    const struct task_filter *f = s->filter;
    *ret = store_filter_takes(f, columns) &&
           (!f->resolved.set || (columns[S_MARK].kind == DB_I64) == (f->resolved.value != 0));
    return *ret && f->q.len ? store_filter_has_q(s->reader, f, columns, S_SORTED_TEXTS, ret)
                            : KN_OK;
}

static enum kn_status see_row(void *arg, const struct db_value *columns)
{
    struct sorted *s = arg;
    struct place place = {db_as_i64(columns[S_VALUE]), db_as_i64(columns[S_NO])};
    bool match;
    if (s->filter->sort != SORT_ENDED_OLDEST && is_before(place, s->until)) {
        s->lane->head = place;
        s->lane->from = (struct place){place.value, place.no + 1};
        s->crossed = true;
        return (enum kn_status)DB_STOP;
    }
    enum kn_status status = matches(s, columns, &match);
    if (status != KN_OK)
        return status;
    s->seen++;
    s->rows++;
    s->last = s->lane->from = place;
    if (match)
        s->places[s->n_found++] = place;
    s->stopped = s->n_found > s->filter->limit || s->rows == ROWS_MAX ||
                 (s->rows % 16 == 0 && kn_time_mono() > s->deadline);
    return s->stopped ? (enum kn_status)DB_STOP : KN_OK;
}

/* Until it is over, or another lane's turn. */
static enum kn_status read_lane(struct sorted *s, size_t chunk)
{
    struct lane *lane = s->lane;
    enum kn_status status;
    s->crossed = false;
    do {
        const struct db_value values[] = {db_i64(lane->from.value), db_i64(lane->from.no),
                                          db_i64((int64_t)chunk), db_i64(s->filter->resolved.set),
                                          db_i64(s->n_lanes ? lane->minute : s->bound)};
        s->seen = 0;
        status = db_run(s->reader->db, s->statement, values, see_row, s);
        if (s->crossed || s->seen < chunk)
            break;
        chunk = chunk * 2 < CHUNK_MAX ? chunk * 2 : CHUNK_MAX;
    } while (status == KN_OK && !s->stopped);
    return status;
}

static enum kn_status merge_lanes(struct sorted *s)
{
    enum kn_status status = KN_OK;
    for (size_t i = s->n_lanes / 2; i-- > 0;)
        sift_down(s, i);
    while (status == KN_OK && s->n_lanes && !s->stopped) {
        s->lane = &s->lanes[0];
        s->until = second_head(s);
        status = read_lane(s, LANE_CHUNK);
        if (!s->crossed)
            s->lanes[0] = s->lanes[--s->n_lanes];
        sift_down(s, 0);
        s->stopped = s->stopped || (s->rows && kn_time_mono() > s->deadline);
    }
    return status;
}

/* ---- the request ------------------------------------------------------------------------ */

static enum kn_status read_by_minutes(struct sorted *s, enum sql_id heads)
{
    const struct task_filter *f = s->filter;
    int64_t end = f->by_end && f->to ? (f->to + KN_MINUTE - 1) / KN_MINUTE : INT64_MAX;
    const struct db_value values[] = {db_i64(f->from / KN_MINUTE), db_i64(end),
                                      db_i64(s->start.value), db_i64(s->start.no)};
    enum kn_status status = db_run(s->reader->db, heads, values, take_head, s);
    return status == KN_OK ? merge_lanes(s) : status;
}

static enum kn_status read_whole(struct sorted *s)
{
    struct lane only = {.from = s->start};
    s->lane = &only;
    s->until = (struct place){INT64_MIN, 0};
    return read_lane(s, s->filter->limit + 1);
}

/* Where the list begins, and the bound at its other end. */
static struct place first_place(const struct task_filter *f, int64_t *ret_bound)
{
    bool oldest = f->sort == SORT_ENDED_OLDEST, ends = f->by_end && f->to;
    *ret_bound = 0;
    if (oldest) {
        *ret_bound = ends ? f->to : INT64_MAX;
        return (struct place){f->from, 0};
    }
    if (f->sort == SORT_ENDED) {
        *ret_bound = f->from;
        if (ends)
            return (struct place){f->to, 0};
    }
    return (struct place){INT64_MAX, INT64_MAX};
}

static bool read_cursor(struct kn_str text, struct place *ret)
{
    const char *comma = text.len ? memchr(text.ptr, ',', text.len) : NULL;
    if (!comma)
        return false;
    size_t n = (size_t)(comma - text.ptr);
    return kn_str_to_i64((struct kn_str){text.ptr, n}, &ret->value) &&
           kn_str_to_i64((struct kn_str){comma + 1, text.len - n - 1}, &ret->no);
}

static enum kn_status read_rows(struct sorted *s)
{
    static const enum sql_id statements[SORT_COUNT][2] = {
        [SORT_ENDED] = {SQL_SORTED_ENDED, SQL_SORTED_ENDED_TEXT},
        [SORT_ENDED_OLDEST] = {SQL_SORTED_ENDED_OLDEST, SQL_SORTED_ENDED_OLDEST_TEXT},
        [SORT_RUNTIME] = {SQL_SORTED_RUNTIME, SQL_SORTED_RUNTIME_TEXT},
        [SORT_WAIT] = {SQL_SORTED_WAIT, SQL_SORTED_WAIT_TEXT},
        [SORT_RETRIES] = {SQL_SORTED_RETRIES, SQL_SORTED_RETRIES_TEXT},
    };
    s->statement = statements[s->filter->sort][s->filter->q.len > 0];
    if (s->filter->sort == SORT_RUNTIME)
        return read_by_minutes(s, SQL_RUNTIME_HEADS);
    return s->filter->sort == SORT_WAIT ? read_by_minutes(s, SQL_WAIT_HEADS) : read_whole(s);
}

static enum kn_status answer(const struct sorted *s, struct kn_arena *arena,
                             struct kn_msg_task_list *ret)
{
    size_t limit = s->filter->limit, n = s->n_found < limit ? s->n_found : limit;
    int64_t *numbers = kn_arena_array(arena, limit + 1, sizeof *numbers);
    bool by_end = s->filter->sort == SORT_ENDED || s->filter->sort == SORT_ENDED_OLDEST;
    char text[48];
    if (!numbers)
        return KN_NOMEM;
    for (size_t i = 0; i < n; i++)
        numbers[i] = s->places[i].no;
    enum kn_status status = store_tasks_by_no(s->reader, numbers, n, arena, ret);
    if (status != KN_OK || !s->stopped)
        return status;
    struct place last = s->n_found > limit ? s->places[limit - 1] : s->last;
    snprintf(text, sizeof text, "%lld,%lld", (long long)last.value, (long long)last.no);
    ret->next_cursor = kn_arena_str(arena, kn_str_from(text));
    if (by_end && s->n_found <= limit)
        ret->searched_to = last.value;
    return ret->next_cursor.ptr ? KN_OK : KN_NOMEM;
}

enum kn_status store_read_sorted(struct store_reader *reader, const struct task_filter *filter,
                                 struct kn_str cursor, struct kn_arena *arena,
                                 struct kn_msg_task_list *ret, const char **ret_why)
{
    struct sorted *s = kn_arena_alloc(arena, sizeof *s);
    if (!s)
        return KN_NOMEM;
    *s = (struct sorted){.reader = reader, .filter = filter};
    s->start = first_place(filter, &s->bound);
    s->deadline = kn_time_mono() + TIME_MAX;
    s->places = kn_arena_array(arena, filter->limit + 1, sizeof *s->places);
    if (!s->places)
        return KN_NOMEM;
    *ret_why = "cursor: not issued by this list";
    if (cursor.len && !read_cursor(cursor, &s->start))
        return KN_INVALID;
    *ret = (struct kn_msg_task_list){0};
    enum kn_status status = read_rows(s);
    free(s->lanes);
    return status == KN_OK ? answer(s, arena, ret) : status;
}
