/* The workers of a transaction: all that a batch names are read at once, and written
 * at once at its end. */
#include "services/storage/write/write.h"

#include "services/common/data/array.h"

enum { CONSUMED_MAX = 1000 /* queues of one worker */ };

struct worker_read {
    struct tx *tx;
    struct worker_row *row;
};

static uint64_t worker_hash(int64_t source, int64_t host)
{
    return hmap_mix((uint64_t)host ^ hmap_mix((uint64_t)source));
}

static struct worker_work *find(struct tx *tx, int64_t source, int64_t host)
{
    size_t at = 0;
    uint32_t i;
    while (hmap_next(&tx->worker_map, worker_hash(source, host), &at, &i)) {
        struct worker_row *row = &tx->workers[i].row;
        if (row->source == source && row->host == host)
            return &tx->workers[i];
    }
    return NULL;
}

/* Found, or made and not read yet. */
static enum kn_status worker_of(struct tx *tx, struct kn_str source, struct kn_str hostname,
                                struct worker_work **ret)
{
    struct store *store = tx->store;
    int64_t source_no, host;
    enum kn_status status = dict_number(store->dict, store->db, DICT_SOURCE, source, &source_no);
    if (status == KN_OK)
        status = dict_number(store->dict, store->db, DICT_HOST, hostname, &host);
    if (status != KN_OK)
        return status;
    if ((*ret = find(tx, source_no, host)))
        return KN_OK;
    if (!kn_array_grow(&tx->workers, &tx->cap_workers, tx->n_workers, sizeof *tx->workers))
        return KN_NOMEM;
    status = hmap_add(&tx->worker_map, worker_hash(source_no, host), (uint32_t)tx->n_workers);
    if (status != KN_OK)
        return status;
    *ret = &tx->workers[tx->n_workers++];
    **ret = (struct worker_work){
        .row = {.source = source_no,
                .host = host,
                .worker = {.id = hostname, .hostname = hostname, .source = source}}};
    return KN_OK;
}

static enum kn_status read_worker(void *arg, const struct db_value *columns)
{
    struct tx *tx = arg;
    struct worker_work *work = find(tx, db_as_i64(columns[0]), db_as_i64(columns[1]));
    if (!work)
        return KN_OK;
    struct kn_msg_worker names = work->row.worker;
    enum kn_status status = worker_row_read(columns, tx->arena, &work->row);
    work->row.worker.id = work->row.worker.hostname = names.hostname;
    work->row.worker.source = names.source;
    work->known = work->row.word != WORKER_NOBODY;
    work->status_before = work->row.worker.status;
    work->started_before = work->row.worker.started_at;
    return status;
}

/* Those that were made since the last time. */
static enum kn_status read_workers(struct tx *tx)
{
    enum { WIDTH = 2 };
    size_t first = tx->n_workers_read, count = tx->n_workers - first;
    if (!count)
        return KN_OK;
    struct db_value *keys = kn_arena_array(tx->arena, count * WIDTH, sizeof *keys);
    if (!keys)
        return KN_NOMEM;
    for (size_t i = 0; i < count; i++) {
        keys[i * WIDTH] = db_i64(tx->workers[first + i].row.source);
        keys[i * WIDTH + 1] = db_i64(tx->workers[first + i].row.host);
    }
    tx->n_workers_read = tx->n_workers;
    return db_each(tx->store->db, SQL_WORKER_GET, keys, count, read_worker, tx, NULL);
}

enum kn_status tx_worker(struct tx *tx, struct kn_str source, struct kn_str hostname,
                         struct worker_work **ret)
{
    enum kn_status status = worker_of(tx, source, hostname, ret);
    return status == KN_OK ? read_workers(tx) : status;
}

enum kn_status tx_workers_of(struct tx *tx, const struct kn_msg_ingest_batch *batch)
{
    struct kn_str last = KN_STR_ABSENT;
    struct worker_work *work;
    for (size_t i = 0; i < batch->events.count; i++) {
        const struct kn_msg_event *event = &batch->events.items[i];
        if (!tx_is_of_worker(event) || (last.ptr && kn_str_eq(last, event->hostname)))
            continue;
        last = event->hostname;
        enum kn_status status = worker_of(tx, batch->source, last, &work);
        if (status != KN_OK)
            return status;
    }
    return read_workers(tx);
}

static enum kn_status read_answers(void *arg, const struct db_value *columns)
{
    struct worker_read *read = arg;
    return worker_row_read_answers(db_as_str(columns[0]), read->tx->arena, read->row);
}

static enum kn_status fetch_answers(struct tx *tx, struct worker_work *work)
{
    const struct db_value key[] = {db_i64(work->row.source), db_i64(work->row.host)};
    if (work->answered)
        return KN_OK;
    work->answered = true;
    return db_run(tx->store->db, SQL_WORKER_ANSWERS_GET, key, read_answers,
                  &(struct worker_read){tx, &work->row});
}

static enum kn_status put_answers(struct tx *tx, const struct worker_work *work)
{
    struct kn_buf *out = &tx->store->body;
    kn_buf_clear(out);
    worker_row_answers(&work->row, out);
    const struct db_value values[] = {db_i64(work->row.source), db_i64(work->row.host),
                                      db_blob(kn_buf_view(out))};
    enum kn_status status = kn_buf_status(out);
    return status == KN_OK ? db_run(tx->store->db, SQL_WORKER_ANSWERS_PUT, values, NULL, NULL)
                           : status;
}

static enum kn_status put_moment(struct tx *tx, const struct worker_row *row, int64_t at,
                                 enum kn_worker_change change)
{
    const struct db_value values[] = {db_i64(row->source), db_i64(row->host), db_i64(at),
                                      db_i64(change)};
    return db_run(tx->store->db, SQL_LIFE_PUT, values, NULL, NULL);
}

/* A worker that was unknown is offline since its last heartbeat: the same moment. */
static enum kn_status replace_moment(struct tx *tx, const struct worker_row *row)
{
    const struct db_value values[] = {db_i64(row->source), db_i64(row->host),
                                      db_i64(row->status.at), db_i64(KN_WORKER_CHANGE_UNKNOWN)};
    return db_run(tx->store->db, SQL_LIFE_MOMENT_DELETE, values, NULL, NULL);
}

static enum kn_status put_change(struct tx *tx, const struct worker_work *work)
{
    static const enum kn_worker_change changes[KN_WORKER_STATUS_COUNT] = {
        [KN_WORKER_OFFLINE] = KN_WORKER_CHANGE_OFFLINE,
        [KN_WORKER_ONLINE] = KN_WORKER_CHANGE_ONLINE,
        [KN_WORKER_UNKNOWN] = KN_WORKER_CHANGE_UNKNOWN,
    };
    const struct worker_row *row = &work->row;
    enum kn_status status = KN_OK;
    if (row->worker.status == KN_WORKER_OFFLINE && work->status_before == KN_WORKER_UNKNOWN)
        status = replace_moment(tx, row);
    return status == KN_OK ? put_moment(tx, row, row->status.at, changes[row->worker.status])
                           : status;
}

static enum kn_status put_lapse(struct tx *tx, const struct worker_row *row)
{
    if (!row->lapse_to)
        return KN_OK;
    enum kn_status status = put_moment(tx, row, row->lapse_from, KN_WORKER_CHANGE_UNKNOWN);
    return status == KN_OK ? put_moment(tx, row, row->lapse_to, KN_WORKER_CHANGE_ONLINE) : status;
}

/* The change made by this transaction: the worker appeared, disappeared or restarted. */
static enum kn_status put_life(struct tx *tx, const struct worker_work *work)
{
    const struct worker_row *row = &work->row;
    bool online = row->worker.status == KN_WORKER_ONLINE;
    if (row->word == WORKER_NOBODY)
        return KN_OK;
    enum kn_status status = put_lapse(tx, row);
    if (status != KN_OK)
        return status;
    if (!work->known || row->worker.status != work->status_before) {
        status = put_change(tx, work);
        if (status != KN_OK || !work->known || work->status_before != KN_WORKER_UNKNOWN)
            return status;
    }
    if (online && work->started_before && row->worker.started_at > work->started_before)
        return put_moment(tx, row, row->worker.started_at, KN_WORKER_CHANGE_RESTART);
    return KN_OK;
}

/* ---- which queues it consumes ---------------------------------------------------------- */

struct consumed {
    struct kn_arena *arena;
    int64_t *items;
    size_t count;
};

static enum kn_status take_consumed(void *arg, const struct db_value *columns)
{
    struct consumed *consumed = arg;
    int64_t *items = kn_arena_array(consumed->arena, consumed->count + 1, sizeof *items);
    if (!items)
        return KN_NOMEM;
    if (consumed->count)
        memcpy(items, consumed->items, consumed->count * sizeof *items);
    items[consumed->count++] = db_as_i64(columns[0]);
    consumed->items = items;
    return KN_OK;
}

/* Whether it was among them; it is not any more then. */
static bool take_out(struct consumed *consumed, int64_t queue)
{
    for (size_t i = 0; i < consumed->count; i++) {
        if (consumed->items[i] != queue)
            continue;
        consumed->items[i] = consumed->items[--consumed->count];
        return true;
    }
    return false;
}

static enum kn_status put_consumer(struct tx *tx, const struct worker_row *row, int64_t queue,
                                   struct kn_str name)
{
    const struct db_value values[] = {db_i64(row->source), db_i64(queue), db_i64(row->host)};
    enum kn_status status = tx_queue_seen(tx, row->source, queue, name);
    return status == KN_OK ? db_run(tx->store->db, SQL_CONSUMER_PUT, values, NULL, NULL) : status;
}

/* Brings the table of consumers up to what the worker is and says now. */
static enum kn_status put_consumed(struct tx *tx, const struct worker_row *row)
{
    struct store *store = tx->store;
    struct consumed before = {.arena = tx->arena};
    const struct db_value key[] = {db_i64(row->source), db_i64(row->host)};
    size_t now = row->worker.status != KN_WORKER_OFFLINE ? row->worker.queues.count : 0;
    enum kn_status status = db_run(store->db, SQL_CONSUMES, key, take_consumed, &before);
    for (size_t i = 0; status == KN_OK && i < now && i < CONSUMED_MAX; i++) {
        int64_t queue;
        struct kn_str name = row->worker.queues.items[i];
        status = dict_number(store->dict, store->db, DICT_QUEUE, name, &queue);
        if (status == KN_OK && !take_out(&before, queue))
            status = put_consumer(tx, row, queue, name);
    }
    for (size_t i = 0; status == KN_OK && i < before.count; i++) {
        const struct db_value values[] = {key[0], db_i64(before.items[i]), key[1]};
        status = db_run(store->db, SQL_CONSUMER_DELETE, values, NULL, NULL);
    }
    return status;
}

static enum kn_status put_workers(struct tx *tx)
{
    struct kn_buf *bodies = &tx->store->body;
    struct db_value *values =
        kn_arena_array(tx->arena, tx->n_workers * WORKER_VALUES, sizeof *values);
    size_t n = 0, start = 0;
    if (tx->n_workers && !values)
        return KN_NOMEM;
    kn_buf_clear(bodies);
    for (size_t i = 0; i < tx->n_workers; i++) {
        if (tx->workers[i].dirty)
            worker_row_values(&tx->workers[i].row, bodies, values + n++ * WORKER_VALUES);
    }
    enum kn_status status = kn_buf_status(bodies);
    for (size_t i = 0; status == KN_OK && i < n; i++) {
        struct kn_str *body = &values[i * WORKER_VALUES + WORKER_BODY].str;
        body->ptr = bodies->data + start;
        start += body->len;
    }
    return status == KN_OK ? db_each(tx->store->db, SQL_WORKER_PUT, values, n, NULL, NULL, NULL)
                           : status;
}

static bool came_or_went(const struct worker_work *work)
{
    return (work->row.worker.status == KN_WORKER_OFFLINE) !=
           (work->status_before == KN_WORKER_OFFLINE);
}

enum kn_status tx_workers_finish(struct tx *tx)
{
    struct kn_msg_worker *told = kn_arena_array(tx->arena, tx->n_workers, sizeof *told);
    size_t n = 0;
    if (tx->n_workers && !told)
        return KN_NOMEM;
    enum kn_status status = put_workers(tx);
    for (size_t i = 0; status == KN_OK && i < tx->n_workers; i++) {
        const struct worker_work *work = &tx->workers[i];
        if (work->dirty && work->answered)
            status = put_answers(tx, work);
        if (status == KN_OK && work->dirty)
            status = put_life(tx, work);
        if (status == KN_OK && work->dirty && (work->answered || came_or_went(work)))
            status = put_consumed(tx, &work->row);
        if (!work->dirty || !work->tell)
            continue;
        told[n] = work->row.worker;
        told[n].conf = told[n].stats = told[n].active_queues = KN_STR_ABSENT;
        told[n++].registered = (struct kn_strs){0};
    }
    tx->feed.workers.items = told;
    tx->feed.workers.count = n;
    return status;
}

/* ---- what control and aggregation say of one ----------------------------------------- */

enum kn_status tx_worker_inspect(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_worker_inspect *inspect = change->msg;
    struct worker_work *work;
    enum kn_status status = tx_worker(tx, inspect->source, inspect->hostname, &work);
    if (status == KN_OK)
        status = fetch_answers(tx, work);
    if (status == KN_OK && worker_row_inspect(&work->row, inspect))
        work->dirty = work->tell = true;
    return status;
}

enum kn_status tx_worker_liveness(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_worker_liveness *liveness = change->msg;
    struct worker_work *work;
    enum kn_status status = tx_worker(tx, liveness->source, liveness->hostname, &work);
    if (status == KN_OK && worker_row_liveness(&work->row, liveness))
        work->dirty = work->tell = true;
    return status;
}
