#include "services/broker/port/driver.h"

#include "services/common/text/time.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKOFF_FIRST (100 * KN_SECOND / 1000)

bool broker_receiver_next_gap(struct broker_receiver *receiver, struct broker_gap *ret)
{
    pthread_mutex_lock(&receiver->lock);
    bool any = receiver->gap_count > 0;
    if (any) {
        *ret = receiver->gaps[receiver->gap_first];
        receiver->gap_first = (receiver->gap_first + 1) % BROKER_GAPS_MAX;
        receiver->gap_count--;
    }
    pthread_mutex_unlock(&receiver->lock);
    return any;
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
        broker_receiver_state(r, BROKER_CONNECTING, KN_STR_ABSENT);
        enum kn_status status = r->options.url->driver->receive(r, &error);
        broker_receiver_flush(r);
        if (error.len == 0)
            kn_buf_text(&error, kn_status_text(status));
        broker_receiver_state(r, BROKER_AWAY, kn_buf_view(&error));
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
