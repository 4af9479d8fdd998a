/* One transaction of the writer: all changes, and the commit's number in the feed. */
#include "services/storage/jobs/jobs.h"
#include "services/storage/requests.h"
#include "services/storage/write/write.h"

#include "proto/codec.h"
#include "services/common/text/time.h"

/* ---- the feed ------------------------------------------------------------------------ */

static enum kn_status tell_counts(struct tx *tx)
{
    struct store *store = tx->store;
    struct kn_msg_status_count *told = kn_arena_array(tx->arena, store->n_counts, sizeof *told);
    size_t n = 0;
    if (store->n_counts && !told)
        return KN_NOMEM;
    for (size_t i = 0; i < store->n_counts; i++) {
        const struct status_count *count = &store->counts[i];
        if (!count->delta)
            continue;
        enum kn_status status =
            dict_text(store->dict, store->db, count->source, tx->arena, &told[n].source);
        if (status != KN_OK)
            return status;
        told[n].status = count->status;
        told[n++].count = count->count + count->delta;
    }
    tx->feed.counts.items = told;
    tx->feed.counts.count = n;
    return KN_OK;
}

static bool is_worth_telling(const struct kn_msg_feed *feed)
{
    return feed->events || feed->tasks.count || feed->workers.count || feed->queues.count ||
           feed->deltas.count || feed->gaps.count || feed->counts.count || feed->jobs.count;
}

static enum kn_status fill_feed(struct tx *tx)
{
    struct kn_msg_feed *feed = &tx->feed;
    feed->queues.items = tx->queues;
    feed->queues.count = tx->n_queues;
    feed->gaps.items = tx->gaps;
    feed->gaps.count = tx->n_gaps;
    enum kn_status status = store_write_counts(tx->store);
    if (status == KN_OK)
        status = tell_counts(tx);
    if (status == KN_OK)
        status = deltas_messages(&tx->deltas, tx->store->dict, tx->store->db, &feed->deltas.items,
                                 &feed->deltas.count);
    return status;
}

/* The commit's number, and its compact copy for readers that miss it. */
static enum kn_status put_feed(struct tx *tx)
{
    struct store *store = tx->store;
    enum kn_status status = fill_feed(tx);
    if (status != KN_OK || !is_worth_telling(&tx->feed))
        return status;
    tx->feed.feed = kn_str_from(store->feed_id);
    tx->feed.number = store->feed_number + 1;
    tx->feed.at = kn_time_now();
    struct kn_msg_feed compact = tx->feed;
    compact.tasks.items = NULL;
    compact.tasks.count = 0;
    kn_buf_clear(&store->body);
    kn_msg_encode(&store->body, KN_KIND_FEED, &compact);
    if ((status = kn_buf_status(&store->body)) != KN_OK)
        return status;
    const struct db_value row[] = {db_i64(store->feed_no), db_i64((int64_t)tx->feed.number),
                                   db_i64(tx->feed.at), db_blob(kn_buf_view(&store->body))};
    const struct db_value number[] = {row[0], row[1]};
    const struct db_value trim[] = {row[0],
                                    db_i64((int64_t)tx->feed.number - store->options.feed_keep)};
    if ((status = db_run(store->db, SQL_FEED_PUT, row, NULL, NULL)) != KN_OK ||
        (status = db_run(store->db, SQL_FEED_NUMBER_PUT, number, NULL, NULL)) != KN_OK)
        return status;
    return trim[1].i64 > 0 ? db_run(store->db, SQL_FEED_TRIM, trim, NULL, NULL) : KN_OK;
}

/* ---- the transaction ----------------------------------------------------------------- */

static enum kn_status apply(struct tx *tx, struct store_change *change)
{
    const struct request *row = request_of(change->kind);
    change->ack = (struct kn_msg_ingest_ack){0};
    change->why = NULL;
    change->answer = NULL;
    change->status = KN_OK;
    if (!row || !row->apply)
        change->status = KN_UNSUPPORTED;
    else if (row->check && !row->check(change->msg))
        change->status = KN_INVALID;
    return change->status == KN_OK ? row->apply(tx, change) : KN_OK;
}

/* The feed's source, when all that changed is of one. */
static struct kn_str common_source(const struct store_change *changes, size_t count)
{
    struct kn_str source = KN_STR_ABSENT;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].kind != KN_KIND_INGEST_BATCH || changes[i].status != KN_OK)
            continue;
        const struct kn_msg_ingest_batch *batch = changes[i].msg;
        if (source.ptr && !kn_str_eq(source, batch->source))
            return KN_STR_ABSENT;
        source = batch->source;
    }
    return source;
}

/* What is committed together: changes, or (jobs_wait) a step of storage's own jobs. */
struct work {
    struct store_change *changes;
    size_t count;
    int64_t *jobs_wait;
};

static enum kn_status in_transaction(struct tx *tx, const struct work *work)
{
    struct store_change *changes = work->changes;
    size_t count = work->count;
    enum kn_status status = work->jobs_wait ? tx_jobs_step(tx, work->jobs_wait) : KN_OK;
    tx->changes = changes;
    for (size_t i = 0; status == KN_OK && i < count; i++)
        status = apply(tx, &changes[i]);
    if (status == KN_OK)
        status = tx_ingest_finish(tx, changes);
    for (size_t i = 0; status == KN_OK && i < count; i++) {
        if (changes[i].kind == KN_KIND_INGEST_BATCH && changes[i].status == KN_OK &&
            !changes[i].ack.again)
            status = tx_source(tx, &changes[i]);
    }
    if (status == KN_OK)
        status = tx_workers_finish(tx);
    if (status == KN_OK)
        status = tx_marks_finish(tx);
    if (status == KN_OK)
        status = tx_jobs_finish(tx);
    if (status == KN_OK) {
        tx->feed.source = common_source(changes, count);
        status = put_feed(tx);
    }
    if (status == KN_OK && tx->arena->overflow)
        status = KN_NOMEM;
    return status;
}

static enum kn_status commit_once(struct store *store, const struct work *work)
{
    tx_begin(store->tx);
    enum kn_status status = db_begin(store->db);
    if (status == KN_OK && db_is_pooled(store->db))
        status = store_hold_feed(store);
    if (status == KN_OK)
        status = in_transaction(store->tx, work);
    if (status == KN_OK)
        status = db_commit(store->db);
    if (status == KN_OK)
        store_settle(store);
    else
        store_abandon(store);
    return status;
}

static enum kn_status commit(struct store *store, const struct work *work,
                             const struct kn_msg_feed **ret_feed)
{
    enum kn_status status = commit_once(store, work);
    if (status == KN_CONFLICT) { /* the database has what memory says it can't have */
        store->is_careful = true;
        status = commit_once(store, work);
        store->is_careful = false;
    }
    if (status != KN_OK)
        return status;
    if (store->tx->feed.number)
        store->feed_number = store->tx->feed.number;
    *ret_feed = store->tx->feed.number ? &store->tx->feed : NULL;
    return KN_OK;
}

enum kn_status store_commit(struct store *store, struct store_change *changes, size_t count,
                            const struct kn_msg_feed **ret_feed)
{
    return commit(store, &(struct work){.changes = changes, .count = count}, ret_feed);
}

enum kn_status store_do_jobs(struct store *store, int64_t *ret_wait,
                             const struct kn_msg_feed **ret_feed)
{
    return commit(store, &(struct work){.jobs_wait = ret_wait}, ret_feed);
}

const char *store_error(const struct store *store)
{
    return store->error ? store->error : "";
}

bool store_is_lost(const struct store *store)
{
    return store->unread || db_is_lost(store->db);
}
