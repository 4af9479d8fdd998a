/* One transaction of the writer: marks, events, workers, queues, rollups, and the
 * commit's number in the feed. */
#include "services/storage/store_internal.h"

#include "proto/codec.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <stdlib.h>

enum { AHEAD_MAX = 1024 };
#define CLOCKS_DIFFER (10 * KN_MINUTE)
#define SETTLE (3 * KN_SECOND)

struct tx *tx_new(struct store *store)
{
    struct tx *tx = calloc(1, sizeof *tx);
    if (tx) {
        tx->store = store;
        tx->arena = &store->arena;
    }
    return tx;
}

void tx_free(struct tx *tx)
{
    if (!tx)
        return;
    deltas_fini(&tx->deltas);
    hmap_fini(&tx->task_map);
    hmap_fini(&tx->event_map);
    hmap_fini(&tx->worker_map);
    free(tx->tasks);
    free(tx->events);
    free(tx->workers);
    free(tx->queues);
    free(tx->gaps);
    free(tx->marked);
    free(tx);
}

void tx_begin(struct tx *tx)
{
    kn_arena_reset(tx->arena);
    deltas_fini(&tx->deltas);
    deltas_init(&tx->deltas, tx->arena);
    hmap_clear(&tx->task_map);
    hmap_clear(&tx->event_map);
    hmap_clear(&tx->worker_map);
    tx->n_tasks = tx->n_events = tx->n_queues = tx->n_gaps = 0;
    tx->n_workers = tx->n_workers_read = 0;
    tx->n_marked = 0;
    tx->jobs = NULL;
    tx->jobs_changed = false;
    tx->feed = (struct kn_msg_feed){0};
}

/* ---- batch marks --------------------------------------------------------------------- */

struct mark {
    uint64_t done; /* all up to here */
    uint64_t ahead[AHEAD_MAX];
    size_t n_ahead;
};

static enum kn_status read_mark(void *arg, const struct db_value *columns)
{
    struct mark *mark = arg;
    struct kn_str ahead = db_as_str(columns[1]);
    mark->done = (uint64_t)db_as_i64(columns[0]);
    mark->n_ahead = ahead.len / sizeof *mark->ahead;
    if (mark->n_ahead > AHEAD_MAX)
        return KN_INVALID;
    if (mark->n_ahead)
        memcpy(mark->ahead, ahead.ptr, mark->n_ahead * sizeof *mark->ahead);
    return KN_OK;
}

static bool take_out(struct mark *mark, uint64_t seq)
{
    for (size_t i = 0; i < mark->n_ahead; i++) {
        if (mark->ahead[i] == seq) {
            mark->ahead[i] = mark->ahead[--mark->n_ahead];
            return true;
        }
    }
    return false;
}

static bool is_marked(const struct mark *mark, uint64_t seq)
{
    for (size_t i = 0; i < mark->n_ahead; i++) {
        if (mark->ahead[i] == seq)
            return true;
    }
    return seq <= mark->done;
}

static void fill_up(struct mark *mark)
{
    while (take_out(mark, mark->done + 1))
        mark->done++;
}

/* The hole before the first that waits: its batches will not come. */
static void give_up_hole(struct mark *mark)
{
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < mark->n_ahead; i++)
        lowest = mark->ahead[i] < lowest ? mark->ahead[i] : lowest;
    mark->done = lowest - 1;
    fill_up(mark);
}

/* When too many wait behind a hole, the hole is given up, but not while it is being filled. */
static void set_mark(struct mark *mark, uint64_t seq)
{
    if (seq == mark->done + 1) {
        mark->done = seq;
    } else {
        if (mark->n_ahead == AHEAD_MAX)
            give_up_hole(mark);
        if (seq > mark->done)
            mark->ahead[mark->n_ahead++] = seq;
    }
    fill_up(mark);
}

enum kn_status tx_mark(struct tx *tx, int64_t source, uint64_t epoch, uint64_t seq, bool *ret_again,
                       bool *ret_whole)
{
    struct mark mark = {0};
    const struct db_value key[] = {db_i64(source), db_i64((int64_t)epoch)};
    enum kn_status status = db_run(tx->store->db, SQL_MARK_GET, key, read_mark, &mark);
    if (status != KN_OK)
        return status;
    *ret_again = is_marked(&mark, seq);
    if (*ret_again)
        return KN_OK;
    set_mark(&mark, seq);
    *ret_whole = mark.n_ahead == 0;
    struct kn_str ahead = {(const char *)mark.ahead, mark.n_ahead * sizeof *mark.ahead};
    const struct db_value values[] = {key[0], key[1], db_i64((int64_t)mark.done), db_blob(ahead),
                                      db_i64(kn_time_now())};
    return db_run(tx->store->db, SQL_MARK_PUT, values, NULL, NULL);
}

/* ---- queues, gaps, counters ---------------------------------------------------------- */

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
        if (!grow_array(&tx->queues, &tx->cap_queues, tx->n_queues, sizeof *tx->queues))
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
    if (!grow_array(&tx->gaps, &tx->cap_gaps, tx->n_gaps, sizeof *tx->gaps))
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
    /* a clock went back: what was said before means nothing any more */
    int64_t to = before > kn_time_now() + CLOCKS_DIFFER ? 0 : before;
    bool settled = batch->complete_to && batch->complete_to - begins_at >= SETTLE;
    if (status == KN_OK && to && to < begins_at && settled) {
        const struct kn_msg_gap gap = {
            .from = to, .to = begins_at, .reason = KN_STR("ingestion did not run")};
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

/* What of a batch does not concern tasks; after its events were counted. */
static enum kn_status put_rest(struct tx *tx, const struct store_change *change)
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

/* ---- the feed ------------------------------------------------------------------------ */

static enum kn_status put_counts(struct tx *tx)
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
        const struct db_value values[] = {db_i64(count->source), db_i64(count->status),
                                          db_i64(count->delta)};
        enum kn_status status = db_each(store->db, SQL_TASK_COUNT_ADD, values, 1, NULL, NULL, NULL);
        if (status == KN_OK)
            status = dict_text(store->dict, store->db, count->source, tx->arena, &told[n].source);
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
    enum kn_status status = put_counts(tx);
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

/* ---- the transaction ---------------------------------------------------------------------------
 */

/* What the caller did wrong, with the change alone refused. */
static enum kn_status check(const struct store_change *change)
{
    if (change->kind == KN_KIND_INGEST_BATCH) {
        const struct kn_msg_ingest_batch *batch = change->msg;
        return batch->source.len && batch->seq ? KN_OK : KN_INVALID;
    }
    if (change->kind == KN_KIND_WORKER_INSPECT) {
        const struct kn_msg_worker_inspect *inspect = change->msg;
        return inspect->source.len && inspect->hostname.len ? KN_OK : KN_INVALID;
    }
    if (change->kind == KN_KIND_WORKER_LIVENESS) {
        const struct kn_msg_worker_liveness *liveness = change->msg;
        return liveness->source.len && liveness->hostname.len ? KN_OK : KN_INVALID;
    }
    return store_is_change(change->kind) ? KN_OK : KN_UNSUPPORTED;
}

bool store_is_change(enum kn_kind kind)
{
    return kind == KN_KIND_INGEST_BATCH || kind == KN_KIND_WORKER_INSPECT ||
           kind == KN_KIND_WORKER_LIVENESS || kind == KN_KIND_ROLLUP_PUT || is_action_change(kind);
}

static enum kn_status apply_worker(struct tx *tx, const struct store_change *change)
{
    struct worker_work *work;
    enum kn_status status;
    if (change->kind == KN_KIND_WORKER_INSPECT) {
        const struct kn_msg_worker_inspect *inspect = change->msg;
        status = tx_worker(tx, inspect->source, inspect->hostname, &work);
        if (status == KN_OK)
            status = tx_worker_answers(tx, work);
        if (status == KN_OK && worker_row_inspect(&work->row, inspect))
            work->dirty = work->tell = true;
        return status;
    }
    const struct kn_msg_worker_liveness *liveness = change->msg;
    status = tx_worker(tx, liveness->source, liveness->hostname, &work);
    if (status == KN_OK && worker_row_liveness(&work->row, liveness))
        work->dirty = work->tell = true;
    return status;
}

static enum kn_status apply(struct tx *tx, struct store_change *changes, uint32_t i)
{
    struct store_change *change = &changes[i];
    change->ack = (struct kn_msg_ingest_ack){0};
    change->why = NULL;
    change->answer_kind = KN_KIND_NONE;
    change->status = check(change);
    if (change->status != KN_OK)
        return KN_OK;
    switch (change->kind) {
    case KN_KIND_INGEST_BATCH:
        return tx_ingest(tx, i, change);
    case KN_KIND_ROLLUP_PUT:
        change->status = tx_rollup_put(tx, change->msg);
        if (change->status == KN_CONFLICT || change->status == KN_INVALID)
            return KN_OK;
        return change->status;
    case KN_KIND_WORKER_INSPECT:
    case KN_KIND_WORKER_LIVENESS:
        return apply_worker(tx, change);
    default:
        return tx_action(tx, change);
    }
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

static enum kn_status in_transaction(struct tx *tx, struct store_change *changes, size_t count)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < count; i++)
        status = apply(tx, changes, (uint32_t)i);
    if (status == KN_OK)
        status = tx_ingest_finish(tx, changes);
    for (size_t i = 0; status == KN_OK && i < count; i++) {
        if (changes[i].kind == KN_KIND_INGEST_BATCH && changes[i].status == KN_OK &&
            !changes[i].ack.again)
            status = put_rest(tx, &changes[i]);
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

static void keep_error(struct store *store, const char *text)
{
    free(store->error);
    store->error = strdup(text);
}

void store_abandon(struct store *store)
{
    keep_error(store, db_error(store->db));
    db_rollback(store->db);
    for (size_t i = 0; i < store->n_counts; i++)
        store->counts[i].delta = 0;
    store->next_no = store->end_no = 0;
    store->n_sources = 0;
    task_cache_clear(&store->tasks);
    memset(store->days, 0, sizeof store->days);
    dict_forget(store->dict);
}

void store_settle(struct store *store)
{
    for (size_t i = 0; i < store->n_counts; i++) {
        store->counts[i].count += store->counts[i].delta;
        store->counts[i].delta = 0;
    }
}

static enum kn_status commit_once(struct store *store, struct store_change *changes, size_t count)
{
    tx_begin(store->tx);
    enum kn_status status = db_begin(store->db);
    if (status == KN_OK && db_is_pooled(store->db))
        status = store_hold_feed(store);
    if (status == KN_OK)
        status = in_transaction(store->tx, changes, count);
    if (status == KN_OK)
        status = db_commit(store->db);
    if (status == KN_OK)
        store_settle(store);
    else
        store_abandon(store);
    return status;
}

enum kn_status store_commit(struct store *store, struct store_change *changes, size_t count,
                            const struct kn_msg_feed **ret_feed)
{
    enum kn_status status = commit_once(store, changes, count);
    if (status == KN_CONFLICT) { /* the database has what memory says it can't have */
        store->is_careful = true;
        status = commit_once(store, changes, count);
        store->is_careful = false;
    }
    if (status != KN_OK)
        return status;
    if (store->tx->feed.number)
        store->feed_number = store->tx->feed.number;
    *ret_feed = store->tx->feed.number ? &store->tx->feed : NULL;
    return KN_OK;
}

const char *store_error(const struct store *store)
{
    return store->error ? store->error : "";
}

bool store_is_lost(const struct store *store)
{
    return store->unread || db_is_lost(store->db);
}

enum kn_status store_note_changes(struct store *store, int64_t source, int64_t changes)
{
    for (size_t i = 0; i < store->n_sources; i++) {
        struct source_changes *known = &store->sources[i];
        if (known->source == source)
            return ++known->changes == changes ? KN_OK : KN_CONFLICT;
    }
    if (!grow_array(&store->sources, &store->cap_sources, store->n_sources, sizeof *store->sources))
        return KN_NOMEM;
    store->sources[store->n_sources++] = (struct source_changes){source, changes};
    return KN_OK;
}

enum kn_status store_count(struct store *store, int64_t source, enum kn_task_status status,
                           int64_t add)
{
    for (size_t i = 0; i < store->n_counts; i++) {
        struct status_count *count = &store->counts[i];
        if (count->source == source && count->status == status) {
            count->delta += add;
            return KN_OK;
        }
    }
    if (!grow_array(&store->counts, &store->cap_counts, store->n_counts, sizeof *store->counts))
        return KN_NOMEM;
    store->counts[store->n_counts++] = (struct status_count){source, (uint8_t)status, 0, add};
    return KN_OK;
}
