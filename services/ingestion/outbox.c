#include "services/ingestion/outbox.h"

#include "proto/codec.h"
#include "services/common/time.h"

#include <stdlib.h>
#include <time.h>

void ingest_outbox_init(struct ingest_outbox *outbox, size_t max)
{
    *outbox = (struct ingest_outbox){.max = max};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&outbox->lock, NULL);
    pthread_cond_init(&outbox->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void ingest_outbox_fini(struct ingest_outbox *outbox)
{
    while (outbox->first) {
        struct ingest_batch *next = outbox->first->next;
        ingest_batch_free(outbox->first);
        outbox->first = next;
    }
    pthread_cond_destroy(&outbox->changed);
    pthread_mutex_destroy(&outbox->lock);
}

void ingest_batch_free(struct ingest_batch *batch)
{
    if (!batch)
        return;
    free(batch->body);
    free(batch);
}

enum kn_status ingest_batch_encode(struct ingest_batch *batch,
                                   const struct kn_msg_ingest_batch *message)
{
    struct kn_msg_ingest_batch full = *message;
    struct kn_buf buf;
    size_t size = 0;
    kn_buf_init(&buf, 0);
    full.source = batch->source;
    full.epoch = batch->epoch;
    full.seq = batch->seq;
    full.received = batch->received;
    full.invalid = batch->invalid;
    full.lost = batch->lost;
    full.gaps.items = batch->gaps;
    full.gaps.count = batch->gap_count;
    kn_msg_encode(&buf, KN_KIND_INGEST_BATCH, &full);
    enum kn_status status = kn_buf_status(&buf);
    char *body = kn_buf_take(&buf, &size);
    if (status != KN_OK || !body)
        return status == KN_OK ? KN_NOMEM : status;
    char *tight = realloc(body, size ? size : 1); /* it may wait for long */
    free(batch->body);
    batch->body = tight ? tight : body;
    batch->size = size;
    return KN_OK;
}

static size_t weight(const struct ingest_batch *batch)
{
    return sizeof(*batch) + batch->size;
}

/* Takes the events out of a batch. Returns how many; 0 when memory is out. */
static size_t empty(struct ingest_batch *batch)
{
    const struct kn_msg_ingest_batch nothing = {0};
    size_t lost = batch->events;
    batch->lost += lost;
    if (ingest_batch_encode(batch, &nothing) != KN_OK) {
        batch->lost -= lost;
        return 0;
    }
    batch->events = 0;
    return lost;
}

static size_t drop_oldest(struct ingest_outbox *outbox)
{
    size_t lost = 0;
    for (struct ingest_batch *b = outbox->waiting; b && outbox->bytes > outbox->max; b = b->next) {
        if (b->events == 0 || b->started || b == outbox->last)
            continue;
        outbox->bytes -= weight(b);
        lost += empty(b);
        outbox->bytes += weight(b);
    }
    outbox->events -= lost;
    return lost;
}

size_t ingest_outbox_put(struct ingest_outbox *outbox, struct ingest_batch *batch)
{
    batch->next = NULL;
    pthread_mutex_lock(&outbox->lock);
    if (outbox->last)
        outbox->last->next = batch;
    else
        outbox->first = batch;
    outbox->last = batch;
    if (!outbox->waiting)
        outbox->waiting = batch;
    outbox->bytes += weight(batch);
    outbox->events += batch->events;
    size_t lost = drop_oldest(outbox);
    pthread_cond_broadcast(&outbox->changed);
    pthread_mutex_unlock(&outbox->lock);
    return lost;
}

/* Waits for a change. False when the deadline has passed. */
static bool await_change(struct ingest_outbox *outbox, int64_t deadline)
{
    struct timespec until = {.tv_sec = deadline / KN_SECOND,
                             .tv_nsec = deadline % KN_SECOND * 1000};
    return pthread_cond_timedwait(&outbox->changed, &outbox->lock, &until) == 0;
}

bool ingest_outbox_await_room(struct ingest_outbox *outbox, int64_t timeout_us)
{
    int64_t deadline = kn_time_mono() + timeout_us;
    pthread_mutex_lock(&outbox->lock);
    bool in_time = true;
    while (outbox->bytes >= outbox->max && in_time)
        in_time = await_change(outbox, deadline);
    bool room = outbox->bytes < outbox->max;
    pthread_mutex_unlock(&outbox->lock);
    return room;
}

struct ingest_batch *ingest_outbox_next(struct ingest_outbox *outbox, int64_t timeout_us)
{
    int64_t deadline = kn_time_mono() + timeout_us;
    pthread_mutex_lock(&outbox->lock);
    bool in_time = timeout_us > 0;
    while (!outbox->waiting && !outbox->closed && in_time)
        in_time = await_change(outbox, deadline);
    struct ingest_batch *batch = outbox->waiting;
    if (batch) {
        batch->started = true;
        outbox->waiting = batch->next;
    }
    pthread_mutex_unlock(&outbox->lock);
    return batch;
}

void ingest_outbox_answered(struct ingest_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    struct ingest_batch *batch = outbox->first;
    outbox->first = batch->next;
    if (!outbox->first)
        outbox->last = NULL;
    outbox->bytes -= weight(batch);
    outbox->events -= batch->events;
    pthread_cond_broadcast(&outbox->changed);
    pthread_mutex_unlock(&outbox->lock);
    ingest_batch_free(batch);
}

void ingest_outbox_rewind(struct ingest_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->waiting = outbox->first;
    pthread_mutex_unlock(&outbox->lock);
}

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
    bool finished = outbox->closed && !outbox->first;
    pthread_mutex_unlock(&outbox->lock);
    return finished;
}

void ingest_outbox_backlog(struct ingest_outbox *outbox, struct ingest_backlog *ret)
{
    pthread_mutex_lock(&outbox->lock);
    *ret = (struct ingest_backlog){outbox->bytes, outbox->events,
                                   outbox->first ? outbox->first->oldest_at : 0};
    pthread_mutex_unlock(&outbox->lock);
}
