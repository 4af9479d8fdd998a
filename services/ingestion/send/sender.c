#include "services/ingestion/send/sender.h"

#include "services/common/process/cond.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_FIRST (KN_SECOND / 10)
#define BACKOFF_MAX (5 * KN_SECOND)
#define IDLE (KN_SECOND / 5)

struct ingest_sender {
    struct ingest_outbox *outbox;
    struct kn_bus_client *storage;
    struct broker_receiver *receiver;
    unsigned inflight;
    int64_t timeout_us;
    pthread_t thread;
    atomic_bool ending;

    pthread_mutex_t lock; /* status, ended */
    pthread_cond_t changed;
    struct ingest_sender_status status;
    bool ended;

    /* the thread's own: calls under way, oldest first */
    struct kn_bus_call *calls[INGEST_INFLIGHT_MAX];
    struct ingest_batch *batches[INGEST_INFLIGHT_MAX];
    unsigned first, count;
    int64_t pause;
    unsigned seed;
};

static void stored(struct ingest_sender *s, const struct kn_bus_message *answer)
{
    pthread_mutex_lock(&s->lock);
    s->status.away = false;
    s->status.error[0] = '\0';
    s->status.batches++;
    if (answer->kind == KN_KIND_INGEST_ACK) {
        const struct kn_msg_ingest_ack *ack = answer->msg;
        s->status.stored += ack->stored;
        s->status.duplicates += ack->duplicates;
    }
    pthread_mutex_unlock(&s->lock);
}

/* Storage will never take it, however often it is asked. */
static bool hopeless(enum kn_status status)
{
    return status == KN_INVALID || status == KN_TOO_BIG || status == KN_TOO_DEEP ||
           status == KN_TRUNCATED;
}

static void failed(struct ingest_sender *s, enum kn_status status, const char *text, uint64_t lost)
{
    pthread_mutex_lock(&s->lock);
    bool news = !s->status.away;
    s->status.away = !hopeless(status);
    s->status.lost += lost;
    snprintf(s->status.error, sizeof(s->status.error), "%s", text ? text : kn_status_text(status));
    pthread_mutex_unlock(&s->lock);
    if (hopeless(status))
        KN_ERROR("batch.refused", KN_F_TEXT("error", text ? text : kn_status_text(status)),
                 KN_F_I64("events_lost", lost));
    else if (news)
        KN_WARN("storage.away", KN_F_TEXT("error", text ? text : kn_status_text(status)));
}

static void pop(struct ingest_sender *s)
{
    s->first = (s->first + 1) % INGEST_INFLIGHT_MAX;
    s->count--;
}

/* The oldest batch is done with: the broker may forget it. */
static void done(struct ingest_sender *s, const struct ingest_batch *batch)
{
    if (batch->tag)
        broker_receiver_ack(s->receiver, batch->tag);
    ingest_outbox_answered(s->outbox);
}

static void start_over(struct ingest_sender *s)
{
    for (; s->count > 0; pop(s))
        kn_bus_call_drop(s->calls[s->first]);
    ingest_outbox_rewind(s->outbox);
}

/* The oldest batch goes once more without its events, so that storage counts them as
 * lost. Not a second time. */
static void refused(struct ingest_sender *s, const struct ingest_batch *batch,
                    enum kn_status status, const char *text)
{
    size_t lost = ingest_outbox_refused(s->outbox);
    failed(s, status, text, lost);
    if (lost == 0)
        done(s, batch);
    start_over(s);
}

/* Starts what there is room for. wait: when nothing is under way, for so long. */
static enum kn_status fill(struct ingest_sender *s, int64_t wait)
{
    while (s->count < s->inflight) {
        struct ingest_batch *batch = ingest_outbox_next(s->outbox, s->count ? 0 : wait);
        if (!batch)
            return KN_OK;
        unsigned slot = (s->first + s->count) % INGEST_INFLIGHT_MAX;
        struct kn_str body = {batch->body, batch->size};
        enum kn_status status = kn_bus_call_start_encoded(s->storage, KN_KIND_INGEST_BATCH, body,
                                                          s->timeout_us, &s->calls[slot]);
        if (status == KN_TOO_BIG && s->count == 0) {
            refused(s, batch, status, "a batch is larger than bus.message_max");
            continue;
        }
        if (status != KN_OK)
            return status;
        s->batches[slot] = batch;
        s->count++;
    }
    return KN_OK;
}

static enum kn_status finish_oldest(struct ingest_sender *s, struct kn_buf *error)
{
    struct kn_bus_message *answer = NULL;
    struct kn_bus_call *call = s->calls[s->first];
    struct ingest_batch *batch = s->batches[s->first];
    pop(s);
    enum kn_status status = kn_bus_call_finish(call, &answer, error);
    if (status == KN_OK) {
        stored(s, answer);
        kn_bus_message_free(answer);
        done(s, batch);
    } else if (hopeless(status)) {
        refused(s, batch, status, kn_buf_cstr(error));
        status = KN_OK;
    }
    return status;
}

static void back_off(struct ingest_sender *s)
{
    int64_t pause = s->pause / 2 + (int64_t)(rand_r(&s->seed) % 1000) * s->pause / 2000;
    int64_t deadline = kn_time_mono() + pause;
    pthread_mutex_lock(&s->lock);
    while (!s->ending && kn_cond_wait_until(&s->changed, &s->lock, deadline))
        continue;
    pthread_mutex_unlock(&s->lock);
    s->pause = 2 * s->pause < BACKOFF_MAX ? 2 * s->pause : BACKOFF_MAX;
}

static void step(struct ingest_sender *s)
{
    struct kn_buf error;
    kn_buf_init(&error, 0);
    enum kn_status status = fill(s, IDLE);
    if (status == KN_OK && s->count > 0) {
        status = finish_oldest(s, &error);
        if (status == KN_OK)
            s->pause = BACKOFF_FIRST;
    }
    if (status != KN_OK) {
        start_over(s);
        if (!s->ending) {
            failed(s, status, kn_buf_cstr(&error), 0);
            back_off(s);
        }
    }
    kn_buf_fini(&error);
}

static void *sender_run(void *arg)
{
    struct ingest_sender *s = arg;
    while (!s->ending && !ingest_outbox_finished(s->outbox))
        step(s);
    start_over(s);
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

enum kn_status ingest_sender_start(struct ingest_outbox *outbox, struct kn_bus_client *storage,
                                   struct broker_receiver *receiver, unsigned inflight,
                                   int64_t timeout_us, struct ingest_sender **ret)
{
    struct ingest_sender *s = calloc(1, sizeof(*s));
    if (!s)
        return KN_NOMEM;
    s->outbox = outbox;
    s->storage = storage;
    s->receiver = receiver;
    s->inflight = inflight < 1                     ? 1
                  : inflight > INGEST_INFLIGHT_MAX ? INGEST_INFLIGHT_MAX
                                                   : inflight;
    s->timeout_us = timeout_us;
    s->pause = BACKOFF_FIRST;
    s->seed = (unsigned)kn_time_mono();
    pthread_mutex_init(&s->lock, NULL);
    kn_cond_init(&s->changed);
    if (pthread_create(&s->thread, NULL, sender_run, s) != 0) {
        free(s);
        return KN_IO;
    }
    *ret = s;
    return KN_OK;
}

void ingest_sender_status(struct ingest_sender *sender, struct ingest_sender_status *ret)
{
    pthread_mutex_lock(&sender->lock);
    *ret = sender->status;
    pthread_mutex_unlock(&sender->lock);
}

bool ingest_sender_await(struct ingest_sender *sender, int64_t timeout_us)
{
    int64_t deadline = kn_time_mono() + timeout_us;
    return kn_cond_sleep_until(&sender->changed, &sender->lock, &sender->ended, deadline);
}

void ingest_sender_free(struct ingest_sender *sender)
{
    if (!sender)
        return;
    pthread_mutex_lock(&sender->lock);
    sender->ending = true;
    pthread_cond_broadcast(&sender->changed);
    pthread_mutex_unlock(&sender->lock);
    kn_bus_client_stop(sender->storage); /* ends a call that waits */
    pthread_join(sender->thread, NULL);
    pthread_cond_destroy(&sender->changed);
    pthread_mutex_destroy(&sender->lock);
    free(sender);
}
