/* Events on their way into the database: all of a commit are grouped by task in
 * memory, and each task is read, merged and written once. */
#include "services/storage/write/ingest.h"

#include "proto/codec.h"
#include "services/common/data/array.h"
#include "services/common/text/time.h"

/* ---- taking in ----------------------------------------------------------------------- */

/* What makes two events the same, but for their source. */
static uint64_t ident_of(const struct kn_msg_event *event)
{
    uint64_t hash = kn_hash64(0, event->uuid.ptr, event->uuid.len);
    hash = kn_hash64(hash, event->hostname.ptr, event->hostname.len);
    if (event->type == KN_EVENT_CUSTOM)
        hash = kn_hash64(hash, event->type_name.ptr, event->type_name.len);
    hash = hmap_mix(hash ^ ((uint64_t)event->timestamp + (uint64_t)event->skew));
    hash = hmap_mix(hash ^ event->clock);
    if (event->origin != KN_ORIGIN_EVENTS)
        hash = hmap_mix(hash ^ event->origin);
    return hmap_mix(hash ^ (event->pid << 8 | event->type));
}

/* The task of an event, found or made. */
static enum kn_status task_of(struct tx *tx, int64_t source, struct kn_str id, uint32_t *ret)
{
    uint64_t hash = task_hash(tx->store->hash_key, source, id);
    size_t at = 0;
    while (hmap_next(&tx->task_map, hash, &at, ret)) {
        const struct task_row *row = &tx->tasks[*ret].row;
        if (row->source == source && kn_str_eq(row->id, id))
            return KN_OK;
    }
    if (!kn_array_grow(&tx->tasks, &tx->cap_tasks, tx->n_tasks, sizeof *tx->tasks))
        return KN_NOMEM;
    *ret = (uint32_t)tx->n_tasks;
    tx->tasks[tx->n_tasks++] = (struct task_work){.row = {.hash = hash, .source = source, .id = id},
                                                  .first_event = NO_EVENT,
                                                  .last_event = NO_EVENT};
    return hmap_add(&tx->task_map, hash, *ret);
}

/* Whether this transaction has it already. */
static bool is_repeated(struct tx *tx, uint32_t task, uint64_t ident)
{
    size_t at = 0;
    uint32_t i;
    while (hmap_next(&tx->event_map, ident, &at, &i)) {
        if (tx->events[i].task == task)
            return true;
    }
    return false;
}

static enum kn_status add_event(struct tx *tx, uint32_t change, uint32_t task,
                                const struct kn_msg_event *event, int64_t host,
                                struct kn_msg_ingest_ack *ack)
{
    uint64_t ident = ident_of(event);
    if (is_repeated(tx, task, ident)) {
        ack->duplicates += !merge_is_learned(event);
        return KN_OK;
    }
    if (!kn_array_grow(&tx->events, &tx->cap_events, tx->n_events, sizeof *tx->events))
        return KN_NOMEM;
    uint32_t i = (uint32_t)tx->n_events++;
    tx->events[i] = (struct event_work){event, ident, host, task, change, NO_EVENT, false, false};
    if (task != NO_TASK) {
        struct task_work *work = &tx->tasks[task];
        if (work->first_event == NO_EVENT)
            work->first_event = i;
        else
            tx->events[work->last_event].next = i;
        work->last_event = i;
    }
    return hmap_add(&tx->event_map, ident, i);
}

/* A worker's own event: newer, the same again, or older. */
static enum kn_status worker_event(struct tx *tx, struct kn_str source,
                                   const struct kn_msg_event *event, struct kn_msg_ingest_ack *ack)
{
    struct worker_work *work;
    enum kn_status status = tx_worker(tx, source, event->hostname, &work);
    if (status != KN_OK)
        return status;
    if (work->row.beat.at == event->timestamp && work->row.beat.clock == event->clock)
        ack->duplicates++;
    else
        ack->stored++;
    work->tell |= worker_row_event(&work->row, event);
    work->dirty = true;
    return KN_OK;
}

static enum kn_status task_event(struct tx *tx, uint32_t change, struct kn_str source_name,
                                 int64_t source, const struct kn_msg_event *event,
                                 struct kn_msg_ingest_ack *ack)
{
    int64_t host;
    uint32_t task = NO_TASK;
    struct store *store = tx->store;
    enum kn_status status = dict_number(store->dict, store->db, DICT_HOST, event->hostname, &host);
    if (status == KN_OK && merge_is_task_event(event))
        status = task_of(tx, source, db_clean_text(tx->arena, event->uuid), &task);
    if (status == KN_OK)
        status = add_event(tx, change, task, event, host, ack);
    if (status != KN_OK || task == NO_TASK || !tx_is_of_worker(event))
        return status;
    struct worker_work *work;
    status = tx_worker(tx, source_name, event->hostname, &work);
    if (status == KN_OK) {
        work->tell |= worker_row_event(&work->row, event);
        work->dirty = true;
    }
    return status;
}

static bool is_worker_type(uint8_t type)
{
    return type >= KN_EVENT_WORKER_ONLINE && type <= KN_EVENT_WORKER_OFFLINE;
}

bool tx_is_of_worker(const struct kn_msg_event *event)
{
    if (!event->hostname.len)
        return false;
    return is_worker_type(event->type) ||
           (merge_is_task_event(event) && event->type != KN_EVENT_TASK_SENT &&
            !merge_is_learned(event));
}

enum kn_status tx_ingest(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_ingest_batch *batch = change->msg;
    struct kn_msg_ingest_ack *ack = &change->ack;
    uint32_t number = (uint32_t)(change - tx->changes);
    struct store *store = tx->store;
    int64_t source;
    bool again = false;
    enum kn_status status =
        dict_number(store->dict, store->db, DICT_SOURCE, batch->source, &source);
    if (status == KN_OK)
        status = tx_mark(tx, source, batch->epoch, batch->seq, &again, &change->whole);
    if (status != KN_OK || again) {
        ack->again = again;
        return status;
    }
    status = tx_workers_of(tx, batch);
    for (size_t i = 0; status == KN_OK && i < batch->events.count; i++) {
        const struct kn_msg_event *event = &batch->events.items[i];
        status = is_worker_type(event->type) && event->hostname.len
                     ? worker_event(tx, batch->source, event, ack)
                     : task_event(tx, number, batch->source, source, event, ack);
    }
    return status;
}

/* ---- reading what is there ----------------------------------------------------------- */

static enum kn_status read_task(struct tx *tx, struct task_work *work,
                                const struct db_value *columns)
{
    enum kn_status status =
        task_row_read(columns, tx->store->dict, tx->store->db, tx->arena, &work->row);
    work->exists = true;
    work->status_before = work->row.status;
    work->name_before = work->row.name;
    work->queue_before = work->row.queue;
    work->worker_before = work->row.worker;
    work->first_at_before = work->row.task.first_at;
    work->end_was = work->row.end;
    work->wait_before = deltas_wait_of(&work->row);
    work->ended_before = deltas_end_of(&work->row);
    if (may_be_resolved(work->status_before))
        work->end_before = resolved_end_of(&work->row);
    return status == KN_OK ? deltas_learned_of(&work->row, tx->arena, &work->learned_before)
                           : status;
}

static enum kn_status found_task(void *arg, const struct db_value *columns)
{
    struct tx *tx = arg;
    struct task_row peek;
    size_t at = 0;
    uint32_t i;
    task_row_peek(columns, &peek);
    while (hmap_next(&tx->task_map, peek.hash, &at, &i)) {
        struct task_work *work = &tx->tasks[i];
        if (work->row.source == peek.source && kn_str_eq(work->row.id, peek.id))
            return read_task(tx, work, columns);
    }
    return KN_OK;
}

/* What retention may have deleted is not to come back from memory. */
static bool is_remembered(const struct tx *tx, const struct task_work *work, int64_t deleted_to,
                          struct db_value *columns)
{
    return task_cache_find(&tx->store->tasks, &work->row, columns) &&
           task_row_latest_at(columns) > deleted_to;
}

static enum kn_status read_tasks(struct tx *tx)
{
    struct db_value columns[TASK_COLUMNS];
    struct db_value *values = kn_arena_array(tx->arena, tx->n_tasks, sizeof *values);
    int64_t deleted_to = store_deleted_to(tx->store);
    size_t n = 0;
    if (tx->n_tasks && !values)
        return KN_NOMEM;
    for (size_t i = 0; i < tx->n_tasks; i++) {
        struct task_work *work = &tx->tasks[i];
        if (!is_remembered(tx, work, deleted_to, columns)) {
            values[n++] = db_i64((int64_t)work->row.hash);
            continue;
        }
        enum kn_status status = read_task(tx, work, columns);
        if (status != KN_OK)
            return status;
    }
    return n ? db_each(tx->store->db, SQL_TASKS_BY_HASH, values, n, found_task, tx, NULL) : KN_OK;
}

static enum kn_status take_block(void *arg, const struct db_value *columns)
{
    struct store *store = arg;
    store->next_no = db_as_i64(columns[0]);
    store->end_no = store->next_no + SQL_BLOCK_SIZE;
    return KN_OK;
}

static enum kn_status number_new_tasks(struct tx *tx)
{
    struct store *store = tx->store;
    for (size_t i = 0; i < tx->n_tasks; i++) {
        if (tx->tasks[i].exists)
            continue;
        if (store->next_no == store->end_no) {
            enum kn_status status = db_run(store->db, SQL_TASK_BLOCK, NULL, take_block, store);
            if (status != KN_OK)
                return status;
        }
        tx->tasks[i].row.no = store->next_no++;
    }
    return KN_OK;
}

/* ---- rollups ------------------------------------------------------------------------- */

static struct delta_event delta_event_of(const struct kn_msg_event *event, int64_t host)
{
    return (struct delta_event){event->timestamp, (enum kn_event_type)event->type, host,
                                event->runtime};
}

struct correction {
    struct tx *tx;
    const struct task_work *work;
};

static bool is_new_here(const struct correction *c, uint64_t ident)
{
    for (uint32_t i = c->work->first_event; i != NO_EVENT; i = c->tx->events[i].next) {
        if (c->tx->events[i].ident == ident)
            return c->tx->events[i].is_new;
    }
    return false;
}

/* An event that was counted before under the old name and queue. */
static enum kn_status move_event(void *arg, const struct db_value *columns)
{
    struct correction *c = arg;
    const struct task_work *work = c->work;
    struct kn_msg_event event;
    if (is_new_here(c, (uint64_t)db_as_i64(columns[0])))
        return KN_OK;
    struct kn_str body = kn_arena_str(c->tx->arena, db_as_str(columns[5]));
    enum kn_status status = kn_msg_decode(body, KN_KIND_EVENT, c->tx->arena, &event);
    if (status != KN_OK || event.origin != KN_ORIGIN_EVENTS)
        return status;
    const struct delta_event delta = {db_as_i64(columns[1]),
                                      (enum kn_event_type)db_as_i64(columns[3]),
                                      db_as_i64(columns[4]), event.runtime};
    deltas_event(&c->tx->deltas, work->row.source, work->name_before, work->queue_before, &delta,
                 -1);
    deltas_event(&c->tx->deltas, work->row.source, work->row.name, work->row.queue, &delta, 1);
    return KN_OK;
}

static enum kn_status count_rollups(struct tx *tx, const struct task_work *work)
{
    const struct task_row *row = &work->row;
    for (uint32_t i = work->first_event; i != NO_EVENT; i = tx->events[i].next) {
        if (!tx->events[i].is_new || merge_is_learned(tx->events[i].event))
            continue;
        struct delta_event delta = delta_event_of(tx->events[i].event, tx->events[i].host);
        deltas_event(&tx->deltas, row->source, row->name, row->queue, &delta, 1);
    }
    struct delta_wait after = deltas_wait_of(row);
    deltas_wait(&tx->deltas, &work->wait_before, &after);
    struct delta_learned *learned;
    enum kn_status status = deltas_learned_of(row, tx->arena, &learned);
    if (status != KN_OK)
        return status;
    deltas_learned(&tx->deltas, work->learned_before, -1);
    deltas_learned(&tx->deltas, learned, 1);
    return KN_OK;
}

/* What was counted before, if the task has another name or queue now. */
static enum kn_status move_events(struct tx *tx, const struct task_work *work)
{
    const struct task_row *row = &work->row;
    if (!work->exists || (work->name_before == row->name && work->queue_before == row->queue))
        return KN_OK;
    struct correction correction = {tx, work};
    const struct db_value values[] = {db_i64(row->no), db_i64(row->task.first_at),
                                      db_i64(row->task.latest_at)};
    return db_run(tx->store->db, SQL_EVENTS_OF_TASK, values, move_event, &correction);
}

/* ---- tasks --------------------------------------------------------------------------- */

/* Joins the new events of a task. */
static void merge_events(struct tx *tx, struct task_work *work)
{
    unsigned types = 0;
    bool learned = work->learned_before != NULL;
    for (uint32_t i = work->first_event; i != NO_EVENT; i = tx->events[i].next) {
        const struct kn_msg_event *event = tx->events[i].event;
        if (!tx->events[i].is_new)
            continue;
        merge_event(&work->row.task, event);
        work->touched = true;
        learned |= merge_is_learned(event);
        types |= 1u << event->type;
    }
    work->advances = work->exists && !learned && !(types & ~(unsigned)TASK_ADVANCED_BY) &&
                     work->row.task.first_at == work->first_at_before;
}

static enum kn_status merge_tasks(struct tx *tx)
{
    struct store *store = tx->store;
    for (size_t t = 0; t < tx->n_tasks; t++) {
        struct task_work *work = &tx->tasks[t];
        merge_events(tx, work);
        if (!work->touched)
            continue;
        enum kn_status status = task_row_settle(&work->row, store->dict, store->db);
        if (status == KN_OK && work->exists && work->status_before != work->row.status)
            status = store_count(store, work->row.source, work->status_before, -1);
        if (status == KN_OK && (!work->exists || work->status_before != work->row.status))
            status = store_count(store, work->row.source, work->row.status, 1);
        if (status == KN_OK)
            status = count_rollups(tx, work);
        if (status == KN_OK)
            status = move_events(tx, work);
        if (status != KN_OK)
            return status;
        struct delta_end ended = deltas_end_of(&work->row);
        deltas_end(&tx->deltas, &work->ended_before, &ended);
    }
    return tx->deltas.status;
}

enum kn_status tx_ingest_finish(struct tx *tx, struct store_change *changes)
{
    enum kn_status status = KN_OK;
    if (tx->n_tasks)
        status = read_tasks(tx);
    if (status == KN_OK)
        status = number_new_tasks(tx);
    if (status == KN_OK)
        status = tx_write_events(tx, changes);
    if (status != KN_OK || !tx->n_tasks)
        return status;
    status = merge_tasks(tx);
    return status == KN_OK ? tx_write_tasks(tx) : status;
}
