/* Writing the tasks of a commit, once they are merged: rows, the table by status, spans, and what
 * the feed tells of them. */
#include "services/storage/write/ingest.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

static enum sql_id statement_for(const struct task_work *work)
{
    if (!work->exists)
        return SQL_TASK_NEW;
    bool rest = work->name_before == work->row.name && work->queue_before == work->row.queue &&
                work->worker_before == work->row.worker;
    if (rest && work->advances)
        return SQL_TASK_ADVANCE;
    return rest ? SQL_TASK_UPDATE_REST : SQL_TASK_UPDATE;
}

/* Rows for one of the statements. */
static enum kn_status write_tasks_with(struct tx *tx, enum sql_id id,
                                       const struct task_bytes *bytes)
{
    size_t width = strlen(sql_statements[id].types), n = 0;
    struct db_value all[TASK_COLUMNS];
    for (size_t i = 0; i < tx->n_tasks; i++)
        n += tx->tasks[i].touched && statement_for(&tx->tasks[i]) == id;
    struct db_value *values = kn_arena_array(tx->arena, n * width, sizeof *values);
    if (!values)
        return KN_NOMEM;
    n = 0;
    for (size_t i = 0; i < tx->n_tasks; i++) {
        const struct task_work *work = &tx->tasks[i];
        if (!work->touched || statement_for(work) != id)
            continue;
        task_row_values(&work->row, &bytes[i], all);
        task_cache_put(&tx->store->tasks, all);
        task_row_values_of(id, all, values + n * width);
        n++;
    }
    return db_each(tx->store->db, id, values, n, NULL, NULL, NULL);
}

/* The tasks by status, in the table of their own. */
static enum kn_status write_states(struct tx *tx)
{
    enum { WIDTH = 2 };
    size_t dropped = 0, put = 0;
    struct db_value *drops = kn_arena_array(tx->arena, tx->n_tasks * WIDTH, sizeof *drops);
    struct db_value *puts = kn_arena_array(tx->arena, tx->n_tasks * WIDTH, sizeof *puts);
    if (!drops || !puts)
        return KN_NOMEM;
    for (size_t i = 0; i < tx->n_tasks; i++) {
        const struct task_work *work = &tx->tasks[i];
        if (!work->touched || (work->exists && work->status_before == work->row.status))
            continue;
        if (work->exists && store_has_state(work->status_before)) {
            drops[dropped++] = db_i64(work->status_before);
            drops[dropped++] = db_i64(work->row.no);
        }
        if (!store_has_state(work->row.status))
            continue;
        puts[put++] = db_i64(work->row.status);
        puts[put++] = db_i64(work->row.no);
    }
    enum kn_status status =
        db_each(tx->store->db, SQL_TASK_STATE_DROP, drops, dropped / WIDTH, NULL, NULL, NULL);
    return status == KN_OK
               ? db_each(tx->store->db, SQL_TASK_STATE_PUT, puts, put / WIDTH, NULL, NULL, NULL)
               : status;
}

static bool has_other_end(const struct task_work *work)
{
    const struct task_end *was = &work->end_was, *is = &work->row.end;
    return was->at != is->at || was->runtime != is->runtime || was->wait != is->wait;
}

static struct db_value known(int64_t us)
{
    return us < 0 ? db_null() : db_i64(us);
}

void task_end_values(int64_t no, const struct task_end *end, struct db_value ret[TASK_END_COLUMNS])
{
    ret[0] = db_i64(end->at);
    ret[1] = db_i64(no);
    ret[2] = db_i64(end->at / KN_MINUTE);
    ret[3] = known(end->runtime);
    ret[4] = known(end->wait);
}

/* The tasks by end. */
static enum kn_status write_ends(struct tx *tx)
{
    enum { KEY = 2 };
    size_t dropped = 0, put = 0;
    struct db_value *drops = kn_arena_array(tx->arena, tx->n_tasks * KEY, sizeof *drops);
    struct db_value *puts = kn_arena_array(tx->arena, tx->n_tasks * TASK_END_COLUMNS, sizeof *puts);
    if (!drops || !puts)
        return KN_NOMEM;
    for (size_t i = 0; i < tx->n_tasks; i++) {
        const struct task_work *work = &tx->tasks[i];
        if (!work->touched || !has_other_end(work))
            continue;
        if (work->end_was.at) {
            drops[dropped++] = db_i64(work->end_was.at);
            drops[dropped++] = db_i64(work->row.no);
        }
        if (work->row.end.at)
            task_end_values(work->row.no, &work->row.end, &puts[TASK_END_COLUMNS * put++]);
    }
    enum kn_status status =
        db_each(tx->store->db, SQL_TASK_END_DROP, drops, dropped / KEY, NULL, NULL, NULL);
    return status == KN_OK ? db_each(tx->store->db, SQL_TASK_END_PUT, puts, put, NULL, NULL, NULL)
                           : status;
}

static enum kn_status write_tasks(struct tx *tx)
{
    static const enum sql_id ids[] = {SQL_TASK_NEW, SQL_TASK_UPDATE, SQL_TASK_UPDATE_REST,
                                      SQL_TASK_ADVANCE};
    struct kn_buf *out = &tx->store->body;
    struct task_bytes *bytes = kn_arena_array(tx->arena, tx->n_tasks, sizeof *bytes);
    if (!bytes)
        return KN_NOMEM;
    kn_buf_clear(out);
    for (size_t i = 0; i < tx->n_tasks; i++)
        task_row_bytes(&tx->tasks[i].row, out, &bytes[i]);
    enum kn_status status = kn_buf_status(out);
    const char *at = out->data;
    for (size_t i = 0; status == KN_OK && i < tx->n_tasks; i++) {
        bytes[i].order.ptr = at;
        at += bytes[i].order.len;
        bytes[i].learned.ptr = bytes[i].learned.len ? at : NULL;
        at += bytes[i].learned.len;
    }
    for (size_t i = 0; status == KN_OK && i < KN_COUNT_OF(ids); i++)
        status = write_tasks_with(tx, ids[i], bytes);
    return status;
}

/* Which numbers the tasks have whose first event fell into the same minute, or second; a
 * few rows for a batch. */
struct span {
    int64_t source, at, first, last;
};

static void note_span(struct span *spans, size_t *count, int64_t at, const struct task_row *row)
{
    for (size_t i = *count; i-- > 0;) {
        struct span *span = &spans[i];
        if (span->at != at || span->source != row->source)
            continue;
        if (row->no < span->first)
            span->first = row->no;
        if (row->no > span->last)
            span->last = row->no;
        return;
    }
    spans[(*count)++] = (struct span){row->source, at, row->no, row->no};
}

/* Likewise of their ends, in one table: of seconds and of minutes. */
static enum kn_status write_end_spans(struct tx *tx)
{
    enum { ROOM = 256, WIDTH = 5, UNITS = 2 };
    static const int64_t units[UNITS] = {KN_SECOND, KN_MINUTE};
    struct span spans[UNITS][ROOM];
    struct db_value values[UNITS * ROOM * WIDTH];
    size_t counts[UNITS] = {0};
    for (size_t t = 0; t < tx->n_tasks;) {
        for (; t < tx->n_tasks && counts[0] < ROOM; t++) {
            const struct task_work *work = &tx->tasks[t];
            if (!work->touched || !work->row.end.at || work->row.end.at == work->end_was.at)
                continue;
            for (size_t u = 0; u < UNITS; u++)
                note_span(spans[u], &counts[u], work->row.end.at / units[u], &work->row);
        }
        size_t n = 0;
        for (size_t u = 0; u < UNITS; u++) {
            for (size_t i = 0; i < counts[u]; i++, n += WIDTH) {
                values[n] = db_i64(units[u] / KN_SECOND);
                values[n + 1] = db_i64(spans[u][i].at);
                values[n + 2] = db_i64(spans[u][i].source);
                values[n + 3] = db_i64(spans[u][i].first);
                values[n + 4] = db_i64(spans[u][i].last);
            }
            counts[u] = 0;
        }
        enum kn_status status =
            db_each(tx->store->db, SQL_END_SPAN_PUT, values, n / WIDTH, NULL, NULL, NULL);
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

static enum kn_status write_spans(struct tx *tx, int64_t unit, enum sql_id id)
{
    enum { ROOM = 256, WIDTH = 4 };
    struct span spans[ROOM];
    struct db_value values[ROOM * WIDTH];
    size_t count = 0;
    for (size_t t = 0; t < tx->n_tasks || count;) {
        for (; t < tx->n_tasks && count < ROOM; t++) {
            if (tx->tasks[t].touched)
                note_span(spans, &count, tx->tasks[t].row.task.first_at / unit, &tx->tasks[t].row);
        }
        for (size_t i = 0; i < count; i++) {
            values[i * WIDTH] = db_i64(spans[i].source);
            values[i * WIDTH + 1] = db_i64(spans[i].at);
            values[i * WIDTH + 2] = db_i64(spans[i].first);
            values[i * WIDTH + 3] = db_i64(spans[i].last);
        }
        enum kn_status status = db_each(tx->store->db, id, values, count, NULL, NULL, NULL);
        if (status != KN_OK)
            return status;
        count = 0;
    }
    return KN_OK;
}

/* ---- the feed's part ----------------------------------------------------------------- */

static enum kn_status tell_tasks(struct tx *tx)
{
    size_t n = 0;
    struct kn_msg_task_change *changes = kn_arena_array(tx->arena, tx->n_tasks, sizeof *changes);
    struct kn_msg_task *tasks = kn_arena_array(tx->arena, tx->n_tasks, sizeof *tasks);
    if (!changes || !tasks)
        return KN_NOMEM;
    for (size_t i = 0; i < tx->n_tasks; i++) {
        const struct task_work *work = &tx->tasks[i];
        struct kn_str source;
        if (!work->touched)
            continue;
        enum kn_status status =
            dict_text(tx->store->dict, tx->store->db, work->row.source, tx->arena, &source);
        if (status != KN_OK)
            return status;
        task_row_message(&work->row, source, KN_TASK_TEXT_FEED, &tasks[n]);
        tasks[n].resolved_at = work->resolved_at;
        tasks[n].resolved_by = work->resolved_by;
        changes[n] = (struct kn_msg_task_change){.task = &tasks[n],
                                                 .created = !work->exists,
                                                 .previous_status = (uint8_t)work->status_before};
        n++;
    }
    tx->feed.tasks.items = changes;
    tx->feed.tasks.count = n;
    return KN_OK;
}

enum kn_status tx_write_tasks(struct tx *tx)
{
    enum kn_status status = write_tasks(tx);
    if (status == KN_OK)
        status = write_states(tx);
    if (status == KN_OK)
        status = write_spans(tx, KN_MINUTE, SQL_TASK_MINUTE_PUT);
    if (status == KN_OK)
        status = write_spans(tx, KN_SECOND, SQL_TASK_SECOND_PUT);
    if (status == KN_OK)
        status = write_ends(tx);
    if (status == KN_OK)
        status = write_end_spans(tx);
    if (status == KN_OK)
        status = tx_marks_review(tx);
    return status == KN_OK ? tell_tasks(tx) : status;
}
