/* Tasks that a user has marked as resolved. A mark refers to the task's end at that time: it is
 * removed when the task ends in another way, or fails again. */
#include "services/storage/write/write.h"

#include "services/common/data/array.h"
#include "services/common/text/time.h"

bool may_be_resolved(enum kn_task_status status)
{
    return kn_task_is_over(status) && status != KN_TASK_SUCCESS;
}

enum kn_status tx_mark_changed(struct tx *tx, int64_t no)
{
    if (!kn_array_grow(&tx->marked, &tx->cap_marked, tx->n_marked, sizeof *tx->marked))
        return KN_NOMEM;
    tx->marked[tx->n_marked++] = no;
    return KN_OK;
}

enum kn_status tx_resolve(struct tx *tx, int64_t task, bool undo, struct kn_str actor)
{
    const struct db_value values[] = {db_i64(task), db_i64(kn_time_now()), db_text(actor)};
    enum kn_status status =
        undo ? db_each(tx->store->db, SQL_RESOLVED_DELETE, values, 1, NULL, NULL, NULL)
             : db_run(tx->store->db, SQL_RESOLVED_PUT, values, NULL, NULL);
    return status == KN_OK ? tx_mark_changed(tx, task) : status;
}

/* ---- a task that goes on ------------------------------------------------------------- */

static enum kn_status see_mark(void *arg, const struct db_value *columns)
{
    struct tx *tx = arg;
    for (size_t i = 0; i < tx->n_tasks; i++) {
        struct task_work *work = &tx->tasks[i];
        if (!work->exists || work->row.no != db_as_i64(columns[0]))
            continue;
        work->resolved_at = db_as_i64(columns[1]);
        work->resolved_by = kn_arena_str(tx->arena, db_as_str(columns[2]));
        return work->resolved_by.ptr || columns[2].kind == DB_NULL ? KN_OK : KN_NOMEM;
    }
    return KN_OK;
}

int64_t resolved_end_of(const struct task_row *row)
{
    struct merge_task room;
    return merge_completed_at(merge_view(&row->task, &room));
}

static bool is_another_end(const struct task_work *work)
{
    return work->status_before != work->row.status ||
           work->end_before < resolved_end_of(&work->row);
}

enum kn_status tx_marks_review(struct tx *tx)
{
    struct db_value *values = kn_arena_array(tx->arena, tx->n_tasks, sizeof *values);
    size_t n = 0;
    if (!values)
        return KN_NOMEM;
    for (size_t i = 0; i < tx->n_tasks; i++) {
        const struct task_work *work = &tx->tasks[i];
        if (work->touched && work->exists && may_be_resolved(work->status_before))
            values[n++] = db_i64(work->row.no);
    }
    enum kn_status status =
        n ? db_each(tx->store->db, SQL_RESOLVED_GET, values, n, see_mark, tx, NULL) : KN_OK;
    n = 0;
    for (size_t i = 0; status == KN_OK && i < tx->n_tasks; i++) {
        struct task_work *work = &tx->tasks[i];
        if (!work->resolved_at || !is_another_end(work))
            continue;
        values[n++] = db_i64(work->row.no);
        work->resolved_at = 0;
        work->resolved_by = KN_STR_ABSENT;
    }
    return status == KN_OK && n
               ? db_each(tx->store->db, SQL_RESOLVED_DELETE, values, n, NULL, NULL, NULL)
               : status;
}

/* ---- the feed ------------------------------------------------------------------------ */

struct telling {
    struct tx *tx;
    struct kn_msg_task *tasks;
    struct kn_msg_task_change *changes;
    size_t count;
};

static enum kn_status take_task(void *arg, const struct db_value *columns)
{
    struct telling *telling = arg;
    struct store *store = telling->tx->store;
    struct task_row row;
    struct kn_str source;
    enum kn_status status =
        task_row_read(columns, store->dict, store->db, telling->tx->arena, &row);
    if (status == KN_OK)
        status = dict_text(store->dict, store->db, row.source, telling->tx->arena, &source);
    if (status != KN_OK)
        return status;
    struct kn_msg_task *task = &telling->tasks[telling->count];
    task_row_message(&row, source, KN_TASK_TEXT_FEED, task);
    telling->changes[telling->count++] =
        (struct kn_msg_task_change){.task = task, .previous_status = task->status};
    return KN_OK;
}

struct marks {
    struct kn_msg_task *tasks;
    size_t count;
    struct kn_arena *arena;
};

static enum kn_status take_mark(void *arg, const struct db_value *columns)
{
    struct marks *marks = arg;
    for (size_t i = 0; i < marks->count; i++) {
        struct kn_msg_task *task = &marks->tasks[i];
        if (task->no != (uint64_t)db_as_i64(columns[0]))
            continue;
        task->resolved_at = db_as_i64(columns[1]);
        task->resolved_by = kn_arena_str(marks->arena, db_as_str(columns[2]));
    }
    return marks->arena->overflow ? KN_NOMEM : KN_OK;
}

enum kn_status resolved_fill(struct db *db, struct kn_arena *arena, struct kn_msg_task *tasks,
                             size_t count)
{
    struct marks marks = {.tasks = tasks, .count = count, .arena = arena};
    struct db_value *values = kn_arena_array(arena, count, sizeof *values);
    if (count && !values)
        return KN_NOMEM;
    for (size_t i = 0; i < count; i++)
        values[i] = db_i64((int64_t)tasks[i].no);
    return count ? db_each(db, SQL_RESOLVED_GET, values, count, take_mark, &marks, NULL) : KN_OK;
}

enum kn_status tx_marks_finish(struct tx *tx)
{
    if (!tx->n_marked)
        return KN_OK;
    struct kn_msg_feed *feed = &tx->feed;
    size_t before = feed->tasks.count, n = tx->n_marked;
    struct telling telling = {.tx = tx};
    struct db_value *values = kn_arena_array(tx->arena, n, sizeof *values);
    telling.tasks = kn_arena_array(tx->arena, n, sizeof *telling.tasks);
    struct kn_msg_task_change *all = kn_arena_array(tx->arena, before + n, sizeof *all);
    if (!values || !telling.tasks || !all)
        return KN_NOMEM;
    if (before)
        memcpy(all, feed->tasks.items, before * sizeof *all);
    telling.changes = all + before;
    for (size_t i = 0; i < n; i++)
        values[i] = db_i64(tx->marked[i]);
    enum kn_status status =
        db_each(tx->store->db, SQL_TASKS_BY_NO, values, n, take_task, &telling, NULL);
    if (status == KN_OK)
        status = resolved_fill(tx->store->db, tx->arena, telling.tasks, telling.count);
    if (status == KN_OK)
        status = links_fill(tx->store->db, tx->arena, telling.tasks, telling.count);
    feed->tasks.items = all;
    feed->tasks.count = before + telling.count;
    return status;
}
