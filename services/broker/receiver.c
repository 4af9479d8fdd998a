#include "services/broker/driver.h"

#include "services/common/text/time.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKOFF_FIRST (100 * KN_SECOND / 1000)
#define GAPS_MAX (sizeof(((struct broker_receiver *)0)->gaps) / sizeof(struct broker_gap))

static void set_state(struct broker_receiver *r, enum broker_state state, struct kn_str error)
{
    pthread_mutex_lock(&r->lock);
    if (r->status.state != state)
        r->status.since = kn_time_now();
    r->status.state = state;
    if (state == BROKER_CONNECTED)
        r->status.connects++;
    if (error.ptr)
        snprintf(r->status.error, sizeof(r->status.error), "%.*s", KN_STR_ARG(error));
    if (state == BROKER_AWAY)
        memcpy(r->status.lost, r->status.error, sizeof(r->status.lost));
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_connected(struct broker_receiver *r)
{
    set_state(r, BROKER_CONNECTED, KN_STR(""));
}

void broker_receiver_note(struct broker_receiver *r, const char *note)
{
    pthread_mutex_lock(&r->lock);
    snprintf(r->status.note, sizeof(r->status.note), "%s", note);
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_gap(struct broker_receiver *r)
{
    struct broker_gap gap = {r->alive_at, kn_time_now()};
    pthread_mutex_lock(&r->lock);
    if (gap.from == 0) {
        r->status.begins_at = gap.to;
    } else if (r->gap_count == GAPS_MAX) {
        r->gaps[(r->gap_first + r->gap_count - 1) % GAPS_MAX].to = gap.to;
    } else {
        r->gaps[(r->gap_first + r->gap_count) % GAPS_MAX] = gap;
        r->gap_count++;
    }
    pthread_mutex_unlock(&r->lock);
}

bool broker_receiver_next_gap(struct broker_receiver *receiver, struct broker_gap *ret)
{
    pthread_mutex_lock(&receiver->lock);
    bool any = receiver->gap_count > 0;
    if (any) {
        *ret = receiver->gaps[receiver->gap_first];
        receiver->gap_first = (receiver->gap_first + 1) % GAPS_MAX;
        receiver->gap_count--;
    }
    pthread_mutex_unlock(&receiver->lock);
    return any;
}

void broker_receiver_count(struct broker_receiver *r, uint64_t messages, uint64_t bytes,
                           uint64_t too_big)
{
    pthread_mutex_lock(&r->lock);
    r->status.messages += messages;
    r->status.bytes += bytes;
    r->status.too_big += too_big;
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_complete(struct broker_receiver *r)
{
    if (r->chunk && r->chunk->count > 0)
        return; /* its flush will say so */
    pthread_mutex_lock(&r->lock);
    r->status.complete_to = r->alive_at;
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_flush(struct broker_receiver *r)
{
    if (!r->chunk || r->chunk->count == 0)
        return;
    r->chunk->complete_to = r->alive_at;
    size_t lost =
        broker_chunks_push(&r->chunks, r->chunk, !broker_traits(r->options.url)->keeps_events);
    r->chunk = NULL;
    broker_receiver_complete(r);
    if (lost == 0)
        return;
    pthread_mutex_lock(&r->lock);
    r->status.dropped += lost;
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_status(struct broker_receiver *receiver, struct broker_receiver_status *ret)
{
    pthread_mutex_lock(&receiver->lock);
    *ret = receiver->status;
    pthread_mutex_unlock(&receiver->lock);
    ret->buffered = broker_chunks_bytes(&receiver->chunks);
}

/* Half of the pause to all of it, so that many of us do not come at once. */
static int64_t jitter(struct broker_receiver *r, int64_t pause)
{
    return pause / 2 + (int64_t)(rand_r(&r->seed) % 1000) * pause / 2000;
}

static void sleep_until_woken(struct broker_receiver *r, int64_t pause)
{
    int64_t deadline = kn_time_mono() + pause;
    for (int64_t left = pause; left > 0 && !r->stopping; left = deadline - kn_time_mono()) {
        struct pollfd fd = {.fd = r->wake_fd, .events = POLLIN};
        if (poll(&fd, 1, (int)(left / 1000) + 1) > 0)
            broker_wake_drain(r->wake_fd);
    }
}

static void *receive(void *arg)
{
    struct broker_receiver *r = arg;
    struct kn_buf error;
    sigset_t set;
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    kn_buf_init(&error, 4096);
    int64_t pause = BACKOFF_FIRST;
    while (!r->stopping) {
        uint64_t before = r->status.connects;
        kn_buf_clear(&error);
        set_state(r, BROKER_CONNECTING, KN_STR_ABSENT);
        enum kn_status status = r->options.url->driver->receive(r, &error);
        broker_receiver_flush(r);
        if (error.len == 0)
            kn_buf_text(&error, kn_status_text(status));
        set_state(r, BROKER_AWAY, kn_buf_view(&error));
        pause = r->status.connects != before ? BACKOFF_FIRST : pause;
        if (!r->stopping)
            sleep_until_woken(r, jitter(r, pause));
        pause = 2 * pause < r->options.backoff_max_us ? 2 * pause : r->options.backoff_max_us;
    }
    broker_chunks_close(&r->chunks);
    kn_buf_fini(&error);
    return NULL;
}

static void destroy(struct broker_receiver *r)
{
    broker_chunk_put(&r->chunks, r->chunk);
    broker_chunks_fini(&r->chunks);
    pthread_mutex_destroy(&r->lock);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    free(r);
}

enum kn_status broker_receiver_start(const struct broker_options *options,
                                     struct broker_receiver **ret)
{
    struct broker_receiver *r = calloc(1, sizeof(*r));
    if (!r)
        return KN_NOMEM;
    r->options = *options;
    r->seed = (unsigned)kn_time_mono() ^ (unsigned)(uintptr_t)r;
    r->status.since = kn_time_now();
    broker_chunks_init(&r->chunks, options->buffer_max);
    pthread_mutex_init(&r->lock, NULL);
    r->wake_fd = broker_wake_new();
    if (r->wake_fd < 0 || pthread_create(&r->thread, NULL, receive, r) != 0) {
        destroy(r);
        return KN_IO;
    }
    *ret = r;
    return KN_OK;
}

/* Wakes the thread when it reads: while it connects, being woken means to give up. */
static void wake_reader(struct broker_receiver *r)
{
    pthread_mutex_lock(&r->lock);
    bool reads = r->status.state == BROKER_CONNECTED;
    pthread_mutex_unlock(&r->lock);
    if (reads)
        broker_wake(r->wake_fd);
}

enum kn_status broker_receiver_take(struct broker_receiver *receiver, int64_t timeout_us,
                                    struct broker_chunk **ret)
{
    if (broker_chunks_idle(&receiver->chunks))
        wake_reader(receiver); /* hand over what you have */
    return broker_chunks_take(&receiver->chunks, timeout_us, ret);
}

void broker_receiver_release(struct broker_receiver *receiver, struct broker_chunk *chunk)
{
    broker_chunk_put(&receiver->chunks, chunk);
    if (broker_traits(receiver->options.url)->keeps_events)
        wake_reader(receiver); /* there may be room again */
}

void broker_receiver_ack(struct broker_receiver *receiver, uint64_t tag)
{
    uint64_t before = receiver->ack_to;
    while (before < tag && !atomic_compare_exchange_weak(&receiver->ack_to, &before, tag)) {
    }
    if (broker_traits(receiver->options.url)->keeps_events)
        wake_reader(receiver);
}

void broker_receiver_queue(const struct broker_options *options, char *ret, size_t size)
{
    snprintf(ret, size, "%s.%s", options->queue_prefix, options->instance);
}

void broker_receiver_limit(struct broker_receiver *receiver, size_t buffer_max)
{
    broker_chunks_limit(&receiver->chunks, buffer_max);
}

void broker_receiver_stop(struct broker_receiver *receiver)
{
    receiver->stopping = true;
    broker_wake(receiver->wake_fd);
}

void broker_receiver_free(struct broker_receiver *receiver)
{
    if (!receiver)
        return;
    receiver->ending = true;
    receiver->stopping = true;
    broker_wake(receiver->wake_fd);
    pthread_join(receiver->thread, NULL);
    destroy(receiver);
}
