/* Writing the events of a commit, and finding out which are new. */
#include "services/storage/write/ingest.h"

#include "services/common/count.h"
#include "services/common/text/time.h"
#include "services/storage/state/event_row.h"

enum { EVENT_COLUMNS = 7 };

static void event_values(const struct event_work *work, int64_t task_no, struct kn_str body,
                         struct db_value *ret)
{
    ret[0] = db_i64(task_no);
    ret[1] = db_i64((int64_t)work->ident);
    ret[2] = db_i64(work->event->timestamp);
    ret[3] = db_i64((int64_t)work->event->clock);
    ret[4] = db_i64(work->event->type);
    ret[5] = db_i64(work->host);
    ret[6] = db_blob(body);
}

/* If events are partitioned by day, a partition is created for its first event. */
static enum kn_status make_days(struct tx *tx)
{
    struct store *store = tx->store;
    bool by_day = db_traits(store->db)->events_by_day;
    for (size_t i = 0; by_day && i < tx->n_events; i++) {
        int64_t day = tx->events[i].event->timestamp / KN_DAY;
        int64_t *known = &store->days[(uint64_t)day % KN_COUNT_OF(store->days)];
        if (*known == day)
            continue;
        const struct db_value values[] = {db_i64(day)};
        enum kn_status status = db_run(store->db, SQL_EVENT_DAY, values, NULL, NULL);
        if (status != KN_OK)
            return status;
        *known = day;
    }
    return KN_OK;
}

static bool is_corrected(const struct tx *tx, const struct event_work *work)
{
    return work->event->skew || (work->task != NO_TASK && tx->tasks[work->task].row.task.skew);
}

/* Whether the event can't be stored already: its task is new, or has no event that is
 * so late. When it came before, its time may have been corrected in another way. */
static bool is_surely_new(const struct tx *tx, const struct event_work *work)
{
    if (work->task == NO_TASK || merge_is_learned(work->event) || tx->store->is_careful)
        return false;
    const struct task_work *task = &tx->tasks[work->task];
    return !task->exists ||
           (!is_corrected(tx, work) && work->event->timestamp > task->row.task.latest_at);
}

/* What a worker said of all its tasks, of one that is known to be received or started. */
static bool is_idle(const struct tx *tx, const struct event_work *work,
                    const struct kn_msg_ingest_batch *batch)
{
    const struct kn_msg_event *event = work->event;
    if (work->task == NO_TASK || !batch->sparing || !merge_is_learned(event) ||
        (event->type != KN_EVENT_TASK_RECEIVED && event->type != KN_EVENT_TASK_STARTED))
        return false;
    const struct task_work *task = &tx->tasks[work->task];
    unsigned type = (unsigned)event->type - KN_EVENT_TASK_SENT;
    return task->exists && (task->row.task.types & 1u << type || task->row.task.learned[type]);
}

/* Rows for one of the two statements, in the order of the events. */
static enum kn_status put_events(struct tx *tx, bool surely_new, const struct kn_str *event_bodies)
{
    size_t n = 0;
    for (size_t i = 0; i < tx->n_events; i++)
        n += !tx->events[i].is_idle && tx->events[i].is_new == surely_new;
    struct db_value *values = kn_arena_array(tx->arena, n * EVENT_COLUMNS, sizeof *values);
    bool *changed = kn_arena_array(tx->arena, n, sizeof *changed);
    uint32_t *which = kn_arena_array(tx->arena, n, sizeof *which);
    bool corrected = false;
    if (n && (!values || !changed || !which))
        return KN_NOMEM;
    n = 0;
    for (size_t i = 0; i < tx->n_events; i++) {
        const struct event_work *work = &tx->events[i];
        if (work->is_idle || work->is_new != surely_new)
            continue;
        which[n] = (uint32_t)i;
        corrected |= is_corrected(tx, work);
        event_values(work, work->task == NO_TASK ? 0 : tx->tasks[work->task].row.no,
                     event_bodies[i], values + n++ * EVENT_COLUMNS);
    }
    if (surely_new)
        return db_each(tx->store->db, SQL_EVENT_NEW, values, n, NULL, NULL, NULL);
    enum sql_id id = corrected ? SQL_EVENT_PUT_ONCE : SQL_EVENT_PUT;
    enum kn_status status = db_each(tx->store->db, id, values, n, NULL, NULL, changed);
    for (size_t i = 0; status == KN_OK && i < n; i++)
        tx->events[which[i]].is_new = changed[i];
    return status;
}

static enum kn_status encode_events(struct tx *tx, struct kn_str *ret)
{
    struct kn_buf *bodies = &tx->store->body;
    size_t start = 0;
    kn_buf_clear(bodies);
    for (size_t i = 0; i < tx->n_events; i++) {
        event_row_body(bodies, tx->events[i].event, tx->events[i].task != NO_TASK);
        ret[i].len = bodies->len - start;
        start = bodies->len;
    }
    enum kn_status status = kn_buf_status(bodies);
    start = 0;
    for (size_t i = 0; status == KN_OK && i < tx->n_events; start += ret[i++].len)
        ret[i].ptr = bodies->data + start;
    return status;
}

enum kn_status tx_write_events(struct tx *tx, struct store_change *changes)
{
    struct kn_str *bodies = kn_arena_array(tx->arena, tx->n_events, sizeof *bodies);
    if (tx->n_events && !bodies)
        return KN_NOMEM;
    enum kn_status status = make_days(tx);
    if (status == KN_OK)
        status = encode_events(tx, bodies);
    for (size_t i = 0; i < tx->n_events; i++) {
        tx->events[i].is_new = is_surely_new(tx, &tx->events[i]);
        tx->events[i].is_idle = is_idle(tx, &tx->events[i], changes[tx->events[i].change].msg);
    }
    if (status == KN_OK)
        status = put_events(tx, true, bodies);
    if (status == KN_OK)
        status = put_events(tx, false, bodies);
    for (size_t i = 0; status == KN_OK && i < tx->n_events; i++) {
        const struct event_work *work = &tx->events[i];
        if (merge_is_learned(work->event))
            continue;
        tx->feed.events += work->is_new;
        changes[work->change].ack.stored += work->is_new;
        changes[work->change].ack.duplicates += !work->is_new;
    }
    return status;
}
