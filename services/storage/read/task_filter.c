#include "services/storage/read/task_filter.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

/* ---- reading it ---------------------------------------------------------------------- */

static enum kn_status choose_names(struct store_reader *reader, enum dict_kind kind,
                                   const struct kn_strs *texts, struct task_choice *ret)
{
    if (texts->count > TASK_VALUES_MAX)
        return KN_TOO_BIG;
    ret->set = texts->count > 0;
    for (size_t i = 0; i < texts->count; i++) {
        enum kn_status status = dict_find(reader->store->dict, reader->db, kind, texts->items[i],
                                          &ret->values[ret->count]);
        if (status == KN_OK)
            ret->count++;
        else if (status != KN_NOT_FOUND)
            return status;
    }
    return KN_OK;
}

static enum kn_status choose_statuses(const struct kn_strs *texts, struct task_choice *ret)
{
    if (texts->count > TASK_VALUES_MAX)
        return KN_TOO_BIG;
    ret->set = texts->count > 0;
    for (size_t i = 0; i < texts->count; i++) {
        unsigned number;
        if (!kn_enum_parse(&kn_enum_task_status, texts->items[i], &number))
            return KN_INVALID;
        ret->values[ret->count++] = number;
    }
    return KN_OK;
}

static bool read_sort(struct kn_str text, struct task_filter *f)
{
    static const char *const sorts[SORT_COUNT] = {
        [SORT_NEWEST] = "newest",         [SORT_OLDEST] = "oldest",    [SORT_ENDED] = "-ended_at",
        [SORT_RUNTIME] = "-runtime",      [SORT_WAIT] = "-queue_wait", [SORT_RETRIES] = "-retries",
        [SORT_ENDED_OLDEST] = "ended_at",
    };
    for (unsigned i = 0; i < SORT_COUNT; i++) {
        if (text.len ? !kn_str_eq(text, kn_str_from(sorts[i])) : i != SORT_NEWEST)
            continue;
        f->sort = (enum task_sort)i;
        f->oldest_first = i == SORT_OLDEST;
        return true;
    }
    return false;
}

enum kn_status store_read_filter(struct store_reader *reader, const struct kn_msg_tasks_get *get,
                                 struct kn_arena *arena, struct task_filter *f,
                                 const char **ret_why)
{
    enum kn_status status;
    f->limit = get->limit ? get->limit : LIMIT_DEFAULT;
    f->from = get->from;
    f->to = get->to;
    f->by_end = get->by_end;
    f->resolved = get->resolved;
    f->q = kn_arena_str(arena, get->q);
    *ret_why = "limit must be from 1 to 500";
    if (f->limit > LIMIT_MAX)
        return KN_INVALID;
    *ret_why = "sort must be one of newest, oldest, -ended_at, ended_at, -runtime, -queue_wait, "
               "-retries";
    if (!read_sort(get->sort, f))
        return KN_INVALID;
    *ret_why =
        "status must be one of pending, received, started, success, failure, retry, revoked, "
        "rejected, orphaned";
    if ((status = choose_statuses(&get->statuses, &f->status)) != KN_OK)
        return status;
    *ret_why = "at most 100 values of one filter";
    if ((status = choose_names(reader, DICT_SOURCE, &get->sources, &f->source)) != KN_OK ||
        (status = choose_names(reader, DICT_NAME, &get->names, &f->name)) != KN_OK ||
        (status = choose_names(reader, DICT_QUEUE, &get->queues, &f->queue)) != KN_OK)
        return status;
    return choose_names(reader, DICT_HOST, &get->workers, &f->worker);
}

/* ---- asking it ----------------------------------------------------------------------- */

bool store_filter_is_empty(const struct task_filter *f)
{
    const struct task_choice *choices[] = {&f->source, &f->status, &f->name, &f->queue, &f->worker};
    for (size_t i = 0; i < KN_COUNT_OF(choices); i++) {
        if (choices[i]->set && !choices[i]->count)
            return true;
    }
    return false;
}

bool store_filter_takes(const struct task_filter *f, const struct db_value *columns)
{
    struct db_value time = columns[f->by_end ? S_ENDED_AT : S_FIRST_AT];
    return is_chosen(&f->source, columns[S_SOURCE]) && is_chosen(&f->status, columns[S_STATUS]) &&
           is_chosen(&f->name, columns[S_NAME]) && is_chosen(&f->queue, columns[S_QUEUE]) &&
           is_chosen(&f->worker, columns[S_WORKER]) && time.kind == DB_I64 &&
           (!f->from || time.i64 >= f->from) && (!f->to || time.i64 < f->to);
}

enum kn_status store_filter_has_q(struct store_reader *reader, const struct task_filter *filter,
                                  const struct db_value *columns, size_t texts, bool *ret)
{
    struct kn_str name;
    *ret = false;
    for (size_t i = 0; i < S_TEXT_COUNT; i++) {
        if (kn_str_has_nocase(db_as_str(columns[texts + i]), filter->q)) {
            *ret = true;
            return KN_OK;
        }
    }
    struct kn_arena scratch;
    kn_arena_init(&scratch, 0);
    enum kn_status status =
        dict_text(reader->store->dict, reader->db, db_as_i64(columns[S_NAME]), &scratch, &name);
    if (status == KN_OK)
        *ret = kn_str_has_nocase(name, filter->q);
    kn_arena_fini(&scratch);
    return status;
}

/* ---- periods ------------------------------------------------------------------------- */

static enum kn_status take_span(void *arg, const struct db_value *columns)
{
    struct task_span *span = arg;
    span->first = columns[0].kind == DB_I64 ? columns[0].i64 : 1;
    span->last = columns[1].kind == DB_I64 ? columns[1].i64 : 0;
    return KN_OK;
}

/* Those of its whole minutes, and of the seconds before and after them. */
enum kn_status store_span_of(struct store_reader *reader, int64_t from, int64_t to, bool by_end,
                             struct task_span *ret)
{
    enum { SECONDS = KN_MINUTE / KN_SECOND };
    *ret = (struct task_span){1, INT64_MAX - 1};
    if (!from && !to)
        return KN_OK;
    int64_t first = from / KN_SECOND; /* seconds, the first and the one after the last */
    int64_t end = to ? (to + KN_SECOND - 1) / KN_SECOND : INT64_MAX;
    int64_t first_minute = (first + SECONDS - 1) / SECONDS, end_minute = end / SECONDS;
    int64_t before = first_minute * SECONDS, after = end_minute * SECONDS;
    if (first_minute > end_minute) /* all of it within a minute */
        before = end, after = end;
    const struct db_value values[] = {db_i64(first_minute), db_i64(end_minute), db_i64(first),
                                      db_i64(before),       db_i64(after),      db_i64(end)};
    return db_run(reader->db, by_end ? SQL_END_SPAN : SQL_TASK_SPAN, values, take_span, ret);
}
