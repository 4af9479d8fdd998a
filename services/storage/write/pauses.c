/* Queues that are paused: what control must know after a restart. */
#include "services/storage/write/write.h"

/* A paused queue is listed even if nothing measures or consumes it. */
static enum kn_status list_queue(struct tx *tx, const struct kn_msg_pause *pause)
{
    struct store *store = tx->store;
    int64_t source, queue;
    enum kn_status status =
        dict_number(store->dict, store->db, DICT_SOURCE, pause->source, &source);
    if (status == KN_OK)
        status = dict_number(store->dict, store->db, DICT_QUEUE, pause->queue, &queue);
    if (status != KN_OK)
        return status;
    const struct db_value key[] = {db_i64(source), db_i64(queue)};
    return pause->over || pause->resuming ? db_run(store->db, SQL_QUEUE_UNSEEN, key, NULL, NULL)
                                          : tx_queue_seen(tx, source, queue, pause->queue);
}

enum kn_status tx_pause(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_pause *pause = change->msg;
    if (!pause->source.len || !pause->queue.len || (!pause->over && !pause->since))
        return tx_refuse(change, KN_INVALID, "a pause requires a source, a queue and a time");
    const struct db_value values[] = {
        tx_text(tx, pause->source), tx_text(tx, pause->queue),     db_i64(pause->since),
        tx_text(tx, pause->by),     tx_text(tx, pause->consumers), db_i64(pause->resuming),
    };
    enum kn_status status =
        db_run(tx->store->db, pause->over ? SQL_PAUSE_DELETE : SQL_PAUSE_PUT, values, NULL, NULL);
    return status == KN_OK ? list_queue(tx, pause) : status;
}
