/* Events on their way into the database: all of a commit are grouped by task in
 * memory, and each task is read, merged and written once. */
#include "services/storage/store_internal.h"

#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdlib.h>

bool grow_array(void *items, size_t *cap, size_t count, size_t size)
{
    if (count < *cap)
        return true;
    size_t bigger = *cap ? *cap * 2 : 256;
    void *memory = realloc(*(void **)items, bigger * size);
    if (!memory)
        return false;
    *(void **)items = memory;
    *cap = bigger;
    return true;
}

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
    if (!grow_array(&tx->tasks, &tx->cap_tasks, tx->n_tasks, sizeof *tx->tasks))
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
    if (!grow_array(&tx->events, &tx->cap_events, tx->n_events, sizeof *tx->events))
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

enum kn_status tx_ingest(struct tx *tx, uint32_t number, struct store_change *change)
{
    const struct kn_msg_ingest_batch *batch = change->msg;
    struct kn_msg_ingest_ack *ack = &change->ack;
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
    work->wait_before = deltas_wait_of(&work->row);
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
    store->end_no = store->next_no + TASK_BLOCK;
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

/* ---- events -------------------------------------------------------------------------- */

/* The fields that are not columns, as msgpack. */
static void event_body(struct kn_buf *out, const struct kn_msg_event *event, bool of_task)
{
    struct kn_msg_event rest = *event;
    rest.type = 0;
    rest.timestamp = 0; /* the sender's own is with skew */
    rest.clock = 0;
    rest.hostname = KN_STR_ABSENT;
    if (of_task)
        rest.uuid = KN_STR_ABSENT;
    if (event->type != KN_EVENT_CUSTOM)
        rest.type_name = KN_STR_ABSENT;
    kn_msg_encode(out, KN_KIND_EVENT, &rest);
}

enum kn_status event_from_row(const struct db_value *columns, struct dict *dict, struct db *db,
                              struct kn_arena *arena, struct kn_msg_event *ret)
{
    struct kn_str body = kn_arena_str(arena, db_as_str(columns[5]));
    if (!body.ptr)
        return KN_NOMEM;
    enum kn_status status = kn_msg_decode(body, KN_KIND_EVENT, arena, ret);
    if (status != KN_OK)
        return status;
    ret->timestamp = db_as_i64(columns[1]);
    ret->clock = (uint64_t)db_as_i64(columns[2]);
    ret->type = (uint8_t)db_as_i64(columns[3]);
    if (ret->type != KN_EVENT_CUSTOM)
        ret->type_name = kn_str_from(kn_enum_text(&kn_enum_event_type, ret->type));
    return dict_text(dict, db, db_as_i64(columns[4]), arena, &ret->hostname);
}

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

/* On PostgreSQL events lie in a partition for each day, made when the first comes. */
static enum kn_status make_days(struct tx *tx)
{
    struct store *store = tx->store;
    for (size_t i = 0; db_is_postgres(store->db) && i < tx->n_events; i++) {
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
        event_body(bodies, tx->events[i].event, tx->events[i].task != NO_TASK);
        ret[i].len = bodies->len - start;
        start = bodies->len;
    }
    enum kn_status status = kn_buf_status(bodies);
    start = 0;
    for (size_t i = 0; status == KN_OK && i < tx->n_events; start += ret[i++].len)
        ret[i].ptr = bodies->data + start;
    return status;
}

/* Writes the events, and finds out which are new. */
static enum kn_status write_events(struct tx *tx, struct store_change *changes)
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
        if (status != KN_OK)
            return status;
    }
    return tx->deltas.status;
}

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
        if (id == SQL_TASK_NEW)
            memcpy(values + n * width, all, sizeof all);
        else if (id == SQL_TASK_ADVANCE)
            task_row_advance_values(all, values + n * width);
        else
            task_row_update_values(all, id == SQL_TASK_UPDATE_REST, values + n * width);
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

static void note_span(struct span *spans, size_t *count, int64_t unit, const struct task_row *row)
{
    int64_t at = row->task.first_at / unit;
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

static enum kn_status write_spans(struct tx *tx, int64_t unit, enum sql_id id)
{
    enum { ROOM = 256, WIDTH = 4 };
    struct span spans[ROOM];
    struct db_value values[ROOM * WIDTH];
    size_t count = 0;
    for (size_t t = 0; t < tx->n_tasks || count;) {
        for (; t < tx->n_tasks && count < ROOM; t++) {
            if (tx->tasks[t].touched)
                note_span(spans, &count, unit, &tx->tasks[t].row);
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
        task_row_message(&work->row, source, TASK_TEXT_FEED, &tasks[n]);
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

enum kn_status tx_ingest_finish(struct tx *tx, struct store_change *changes)
{
    enum kn_status status = KN_OK;
    if (tx->n_tasks)
        status = read_tasks(tx);
    if (status == KN_OK)
        status = number_new_tasks(tx);
    if (status == KN_OK)
        status = write_events(tx, changes);
    if (status != KN_OK || !tx->n_tasks)
        return status;
    if ((status = merge_tasks(tx)) != KN_OK || (status = write_tasks(tx)) != KN_OK ||
        (status = write_states(tx)) != KN_OK ||
        (status = write_spans(tx, KN_MINUTE, SQL_TASK_MINUTE_PUT)) != KN_OK ||
        (status = write_spans(tx, KN_SECOND, SQL_TASK_SECOND_PUT)) != KN_OK ||
        (status = tx_marks_review(tx)) != KN_OK)
        return status;
    return tell_tasks(tx);
}
