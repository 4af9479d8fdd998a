/* What of a batch concerns its source, not tasks: queues, gaps and counters. */
#include "services/storage/write/write.h"

#include "proto/codec.h"
#include "services/common/data/array.h"
#include "services/common/text/time.h"

#define CLOCKS_DIFFER (10 * KN_MINUTE)
#define SETTLE (3 * KN_SECOND)

static enum kn_status put_queue(struct tx *tx, int64_t source, const struct kn_msg_queue_depth *q)
{
    struct store *store = tx->store;
    int64_t queue;
    enum kn_status status = dict_number(store->dict, store->db, DICT_QUEUE, q->name, &queue);
    if (status != KN_OK)
        return status;
    kn_buf_clear(&store->body);
    kn_msg_encode(&store->body, KN_KIND_QUEUE_DEPTH, q);
    const struct db_value row[] = {db_i64(source), db_i64(queue), db_i64(q->at),
                                   db_blob(kn_buf_view(&store->body)), db_text(q->name)};
    const struct db_value point[] = {
        row[0],
        row[1],
        row[2],
        db_i64((int64_t)q->messages),
        q->unacked.set ? db_i64(q->unacked.value) : db_null(),
        q->consumers.set ? db_i64(q->consumers.value) : db_null(),
    };
    if ((status = kn_buf_status(&store->body)) != KN_OK ||
        (status = db_run(store->db, SQL_QUEUE_PUT, row, NULL, NULL)) != KN_OK)
        return status;
    return db_each(store->db, SQL_QUEUE_POINT_PUT, point, 1, NULL, NULL, NULL);
}

enum kn_status tx_queue_seen(struct tx *tx, int64_t source, int64_t queue, struct kn_str name)
{
    const struct kn_msg_queue_depth unmeasured = {.name = name};
    struct kn_buf body;
    kn_buf_init(&body, 0);
    kn_msg_encode(&body, KN_KIND_QUEUE_DEPTH, &unmeasured);
    const struct db_value row[] = {db_i64(source), db_i64(queue), db_blob(kn_buf_view(&body)),
                                   db_text(name)};
    enum kn_status status = kn_buf_status(&body);
    if (status == KN_OK)
        status = db_run(tx->store->db, SQL_QUEUE_SEEN, row, NULL, NULL);
    kn_buf_fini(&body);
    return status;
}

static enum kn_status put_queues(struct tx *tx, int64_t source,
                                 const struct kn_msg_ingest_batch *batch)
{
    for (size_t i = 0; i < batch->queues.count; i++) {
        if (!kn_array_grow(&tx->queues, &tx->cap_queues, tx->n_queues, sizeof *tx->queues))
            return KN_NOMEM;
        struct kn_msg_queue_depth *queue = &tx->queues[tx->n_queues++];
        *queue = batch->queues.items[i];
        queue->source = batch->source;
        enum kn_status status = put_queue(tx, source, queue);
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

static enum kn_status put_gap(struct tx *tx, int64_t source, struct kn_str name,
                              const struct kn_msg_gap *given)
{
    if (!kn_array_grow(&tx->gaps, &tx->cap_gaps, tx->n_gaps, sizeof *tx->gaps))
        return KN_NOMEM;
    struct kn_msg_gap *gap = &tx->gaps[tx->n_gaps++];
    *gap = *given;
    gap->source = name;
    const struct db_value values[] = {db_i64(source), db_i64(gap->from), db_i64(gap->to),
                                      db_text(gap->reason.ptr ? gap->reason : KN_STR(""))};
    return db_each(tx->store->db, SQL_GAP_PUT, values, 1, NULL, NULL, NULL);
}

static enum kn_status put_gaps(struct tx *tx, int64_t source,
                               const struct kn_msg_ingest_batch *batch)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < batch->gaps.count; i++)
        status = put_gap(tx, source, batch->source, &batch->gaps.items[i]);
    return status;
}

static enum kn_status read_i64(void *arg, const struct db_value *columns)
{
    *(int64_t *)arg = db_as_i64(columns[0]);
    return KN_OK;
}

/* How far the source is complete. A process that began later than that leaves a gap, which
 * nobody was there to see; but first another one has a moment to say that it was. After the
 * row of counters was made. */
static enum kn_status put_complete_to(struct tx *tx, int64_t source,
                                      const struct store_change *change)
{
    const struct kn_msg_ingest_batch *batch = change->msg;
    struct db_value values[] = {db_i64(source), db_null()};
    int64_t before = 0, begins_at = batch->begins_at;
    enum kn_status status = db_run(tx->store->db, SQL_COMPLETE_TO_GET, values, read_i64, &before);
    /* a clock went back: earlier values are meaningless */
    int64_t to = before > kn_time_now() + CLOCKS_DIFFER ? 0 : before;
    bool settled = batch->complete_to && batch->complete_to - begins_at >= SETTLE;
    if (status == KN_OK && to && to < begins_at && settled) {
        const struct kn_msg_gap gap = {
            .from = to, .to = begins_at, .reason = KN_STR("ingestion was not running")};
        status = put_gap(tx, source, batch->source, &gap);
    }
    if (to < begins_at && (!to || settled))
        to = begins_at;
    if (to >= begins_at && to < batch->complete_to && change->whole)
        to = batch->complete_to;
    values[1] = db_i64(to);
    return status == KN_OK && to != before
               ? db_run(tx->store->db, SQL_COMPLETE_TO_PUT, values, NULL, NULL)
               : status;
}

enum kn_status tx_source(struct tx *tx, const struct store_change *change)
{
    const struct kn_msg_ingest_batch *batch = change->msg;
    struct store *store = tx->store;
    int64_t source;
    enum kn_status status =
        dict_number(store->dict, store->db, DICT_SOURCE, batch->source, &source);
    if (status == KN_OK)
        status = put_queues(tx, source, batch);
    if (status == KN_OK)
        status = put_gaps(tx, source, batch);
    if (status != KN_OK)
        return status;
    const struct db_value values[] = {db_i64(source),
                                      db_i64((int64_t)batch->received),
                                      db_i64((int64_t)batch->invalid),
                                      db_i64((int64_t)batch->lost),
                                      db_i64((int64_t)change->ack.stored),
                                      db_i64((int64_t)change->ack.duplicates)};
    int64_t changes = 0;
    status = db_run(store->db, SQL_COUNTERS_ADD, values, read_i64, &changes);
    if (status == KN_OK)
        status = store_note_changes(store, source, changes);
    return status == KN_OK ? put_complete_to(tx, source, change) : status;
}
