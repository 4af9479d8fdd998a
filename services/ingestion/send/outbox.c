#include "services/ingestion/send/outbox.h"

#include "services/common/process/cond.h"
#include "services/common/text/time.h"

#include <errno.h>
#include <stdlib.h>

#define RETRY_AFTER KN_SECOND
#define EXPIRE_EVERY KN_MINUTE

void ingest_outbox_init(struct ingest_outbox *outbox, const struct ingest_outbox_options *options)
{
    *outbox = (struct ingest_outbox){.options = *options};
    pthread_mutex_init(&outbox->lock, NULL);
    kn_cond_init(&outbox->changed);
}

/* ---- lists ------------------------------------------------------------------------ */

static void append(struct ingest_list *list, struct ingest_batch *batch)
{
    batch->next = NULL;
    if (list->last)
        list->last->next = batch;
    else
        list->first = batch;
    list->last = batch;
}

static struct ingest_batch *unlink_first(struct ingest_list *list)
{
    struct ingest_batch *batch = list->first;
    list->first = batch->next;
    if (!list->first)
        list->last = NULL;
    return batch;
}

static void free_all(struct ingest_list *list)
{
    while (list->first)
        ingest_batch_free(unlink_first(list));
}

void ingest_outbox_fini(struct ingest_outbox *outbox)
{
    free_all(&outbox->under_way);
    free_all(&outbox->waiting);
    pthread_cond_destroy(&outbox->changed);
    pthread_mutex_destroy(&outbox->lock);
}

static struct ingest_batch *take_waiting(struct ingest_outbox *outbox)
{
    struct ingest_batch *batch = unlink_first(&outbox->waiting);
    outbox->waiting_bytes -= ingest_batch_weight(batch);
    return batch;
}

/* ---- the spool -------------------------------------------------------------------- */

static uint64_t dropped_so_far(const struct ingest_spool *spool)
{
    struct ingest_spool_status status;
    ingest_spool_status(spool, &status);
    return status.dropped;
}

static bool no_space(const struct ingest_spool *spool)
{
    struct ingest_spool_status status;
    ingest_spool_status(spool, &status);
    return status.error == ENOSPC || status.error == EDQUOT;
}

static bool too_much(const struct ingest_outbox *outbox)
{
    return outbox->waiting_bytes > outbox->options.max;
}

static bool unread(const struct ingest_outbox *outbox)
{
    return outbox->options.spool && ingest_spool_unread(outbox->options.spool);
}

/* True when it was written. A full spool gives up its oldest, if we may; a full disk only
 * when the memory is full too, for others may make room there. */
static bool write_one(struct ingest_outbox *outbox, struct ingest_batch *batch, bool started)
{
    struct ingest_spool *spool = outbox->options.spool;
    enum kn_status status = KN_FULL;
    bool more = true;
    while (more) {
        status = ingest_spool_append(spool, batch, started);
        bool full = status == KN_FULL || (status == KN_IO && too_much(outbox) && no_space(spool));
        more = full && outbox->options.drop_oldest && ingest_spool_drop(spool);
    }
    if (status == KN_IO)
        outbox->retry_at = kn_time_mono() + RETRY_AFTER;
    if (status == KN_OK)
        outbox->events -= batch->events;
    return status == KN_OK;
}

/* Writes what is in memory alone, the oldest first, as far as there is room. */
static void write_all(struct ingest_outbox *outbox, struct ingest_kept *kept)
{
    uint64_t dropped = dropped_so_far(outbox->options.spool);
    bool room = true;
    for (struct ingest_batch *b = outbox->under_way.first; b && room; b = b->next) {
        if (b->segment)
            continue;
        room = write_one(outbox, b, true);
        if (room && b->tag)
            kept->safe = b->tag;
    }
    while (outbox->waiting.first && room) {
        struct ingest_batch *b = outbox->waiting.first;
        room = write_one(outbox, b, false);
        if (!room)
            break;
        kept->safe = b->tag ? b->tag : kept->safe;
        outbox->bytes -= ingest_batch_weight(b);
        ingest_batch_free(take_waiting(outbox));
    }
    kept->lost += dropped_so_far(outbox->options.spool) - dropped;
    pthread_cond_broadcast(&outbox->changed);
}

/* When the oldest batch that is in memory alone came; INT64_MAX: there is none. */
static int64_t oldest_put(const struct ingest_outbox *outbox)
{
    for (const struct ingest_batch *b = outbox->under_way.first; b; b = b->next) {
        if (b->segment == 0)
            return b->put_at;
    }
    return outbox->waiting.first ? outbox->waiting.first->put_at : INT64_MAX;
}

static bool is_due(const struct ingest_outbox *outbox)
{
    int64_t now = kn_time_mono();
    if (too_much(outbox))
        return true;
    if (now < outbox->retry_at)
        return false;
    return unread(outbox) || oldest_put(outbox) <= now - outbox->options.spool_after_us;
}

static void expire(struct ingest_outbox *outbox, struct ingest_kept *kept)
{
    int64_t now = kn_time_mono();
    if (now - outbox->expired_at < EXPIRE_EVERY)
        return;
    outbox->expired_at = now;
    uint64_t dropped = dropped_so_far(outbox->options.spool);
    ingest_spool_expire(outbox->options.spool);
    kept->lost += dropped_so_far(outbox->options.spool) - dropped;
}

/* Leaves the lock, with what it guards written and on the disk as the policy says. */
static void write_and_unlock(struct ingest_outbox *outbox, bool due, struct ingest_kept *kept)
{
    struct ingest_spool *spool = outbox->options.spool;
    if (!spool) {
        pthread_mutex_unlock(&outbox->lock);
        return;
    }
    if (due && oldest_put(outbox) != INT64_MAX)
        write_all(outbox, kept);
    expire(outbox, kept);
    kept->untold = ingest_spool_take_lost(spool);
    struct ingest_spool_dirty dirty = ingest_spool_take_dirty(spool);
    pthread_mutex_unlock(&outbox->lock);
    ingest_spool_sync(&dirty);
}

/* ---- putting ---------------------------------------------------------------------- */

/* Without room on disk: takes the events out of the oldest that wait. */
static size_t empty_oldest(struct ingest_outbox *outbox)
{
    size_t lost = 0;
    struct ingest_batch *last = outbox->waiting.last;
    for (struct ingest_batch *b = outbox->waiting.first; b && too_much(outbox); b = b->next) {
        size_t events = b->events;
        size_t weight = ingest_batch_weight(b);
        if (events == 0 || b == last || ingest_batch_empty(b) != KN_OK)
            continue;
        lost += events;
        outbox->waiting_bytes -= weight - ingest_batch_weight(b);
        outbox->bytes -= weight - ingest_batch_weight(b);
    }
    outbox->events -= lost;
    return lost;
}

struct ingest_kept ingest_outbox_put(struct ingest_outbox *outbox, struct ingest_batch *batch)
{
    struct ingest_kept kept = {0};
    batch->put_at = kn_time_mono();
    pthread_mutex_lock(&outbox->lock);
    append(&outbox->waiting, batch);
    outbox->waiting_bytes += ingest_batch_weight(batch);
    outbox->bytes += ingest_batch_weight(batch);
    outbox->events += batch->events;
    pthread_cond_broadcast(&outbox->changed);
    if (outbox->options.spool && is_due(outbox))
        write_all(outbox, &kept);
    if (outbox->options.drop_oldest)
        kept.lost += empty_oldest(outbox);
    write_and_unlock(outbox, false, &kept);
    return kept;
}

struct ingest_kept ingest_outbox_tend(struct ingest_outbox *outbox)
{
    struct ingest_kept kept = {0};
    pthread_mutex_lock(&outbox->lock);
    write_and_unlock(outbox, is_due(outbox), &kept);
    return kept;
}

struct ingest_kept ingest_outbox_keep(struct ingest_outbox *outbox)
{
    struct ingest_kept kept = {0};
    pthread_mutex_lock(&outbox->lock);
    write_and_unlock(outbox, true, &kept);
    return kept;
}

bool ingest_outbox_await_room(struct ingest_outbox *outbox, int64_t timeout_us)
{
    int64_t deadline = kn_time_mono() + timeout_us;
    bool in_time = true;
    pthread_mutex_lock(&outbox->lock);
    while (too_much(outbox) && in_time)
        in_time = kn_cond_wait_until(&outbox->changed, &outbox->lock, deadline);
    bool room = !too_much(outbox);
    pthread_mutex_unlock(&outbox->lock);
    return room;
}

/* ---- sending ---------------------------------------------------------------------- */

/* NULL: there is nothing to send. */
static struct ingest_batch *next_now(struct ingest_outbox *outbox)
{
    struct ingest_batch *batch = outbox->again;
    if (batch) {
        outbox->again = batch->next;
        return batch;
    }
    if (unread(outbox)) {
        /* once closed, only what stands before something that is in memory alone */
        if (outbox->closed && !outbox->waiting.first)
            return NULL;
        if (ingest_spool_read(outbox->options.spool, &batch) == KN_OK)
            outbox->bytes += ingest_batch_weight(batch);
        else if (unread(outbox))
            return NULL; /* out of memory for now */
    }
    if (!batch && outbox->waiting.first)
        batch = take_waiting(outbox);
    if (batch)
        append(&outbox->under_way, batch);
    return batch;
}

struct ingest_batch *ingest_outbox_next(struct ingest_outbox *outbox, int64_t timeout_us)
{
    int64_t deadline = kn_time_mono() + timeout_us;
    pthread_mutex_lock(&outbox->lock);
    bool in_time = timeout_us > 0;
    struct ingest_batch *batch = next_now(outbox);
    while (!batch && !outbox->closed && in_time) {
        in_time = kn_cond_wait_until(&outbox->changed, &outbox->lock, deadline);
        batch = next_now(outbox);
    }
    pthread_mutex_unlock(&outbox->lock);
    return batch;
}

void ingest_outbox_answered(struct ingest_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    struct ingest_batch *batch = unlink_first(&outbox->under_way);
    outbox->bytes -= ingest_batch_weight(batch);
    if (batch->segment)
        ingest_spool_answered(outbox->options.spool, batch);
    else
        outbox->events -= batch->events;
    pthread_cond_broadcast(&outbox->changed);
    pthread_mutex_unlock(&outbox->lock);
    ingest_batch_free(batch);
}

size_t ingest_outbox_refused(struct ingest_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    struct ingest_batch *batch = outbox->under_way.first;
    size_t lost = batch->events;
    outbox->bytes -= ingest_batch_weight(batch);
    if (lost && ingest_batch_empty(batch) != KN_OK)
        lost = 0;
    outbox->bytes += ingest_batch_weight(batch);
    if (batch->segment == 0)
        outbox->events -= lost;
    pthread_mutex_unlock(&outbox->lock);
    return lost;
}

void ingest_outbox_rewind(struct ingest_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->again = outbox->under_way.first;
    pthread_mutex_unlock(&outbox->lock);
}

/* ---- the end, and what is known --------------------------------------------------- */

void ingest_outbox_close(struct ingest_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->closed = true;
    pthread_cond_broadcast(&outbox->changed);
    pthread_mutex_unlock(&outbox->lock);
}

bool ingest_outbox_finished(struct ingest_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    bool finished = outbox->closed && !outbox->under_way.first && !outbox->waiting.first;
    pthread_mutex_unlock(&outbox->lock);
    return finished;
}

void ingest_outbox_backlog(struct ingest_outbox *outbox, struct ingest_backlog *ret)
{
    struct ingest_spool_status spool = {0};
    pthread_mutex_lock(&outbox->lock);
    const struct ingest_batch *oldest =
        outbox->under_way.first ? outbox->under_way.first : outbox->waiting.first;
    if (outbox->options.spool)
        ingest_spool_status(outbox->options.spool, &spool);
    *ret = (struct ingest_backlog){outbox->bytes, outbox->events + spool.events,
                                   oldest ? oldest->oldest_at : 0};
    if (spool.oldest_at && (!oldest || spool.oldest_at < oldest->oldest_at) && unread(outbox) &&
        !outbox->under_way.first)
        ret->oldest_at = spool.oldest_at;
    pthread_mutex_unlock(&outbox->lock);
}

bool ingest_outbox_gap(struct ingest_outbox *outbox, int64_t *ret_from, int64_t *ret_to)
{
    pthread_mutex_lock(&outbox->lock);
    bool any =
        outbox->options.spool && ingest_spool_take_gap(outbox->options.spool, ret_from, ret_to);
    pthread_mutex_unlock(&outbox->lock);
    return any;
}

bool ingest_outbox_lags(struct ingest_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    bool lags = unread(outbox);
    pthread_mutex_unlock(&outbox->lock);
    return lags;
}

bool ingest_outbox_spool(struct ingest_outbox *outbox, struct ingest_spool_status *ret)
{
    pthread_mutex_lock(&outbox->lock);
    if (outbox->options.spool)
        ingest_spool_status(outbox->options.spool, ret);
    pthread_mutex_unlock(&outbox->lock);
    return outbox->options.spool != NULL;
}
