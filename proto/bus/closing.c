/* Closing, and what nng leaves behind.
 *
 * When a connection breaks while nng (seen with 1.5.2, the code is the same up to 1.11)
 * is between two pieces of a message that it sends or receives, it waits for ever for that
 * message to end: its one thread that clears connections away ("nng:reap") hangs. From then
 * on no connection of the process is cleared away, no dialer dials again, and nng_close does
 * not return. Over TLS every message is sent in pieces: of busy clients that were killed, one
 * in some 50 left its server so. Nothing can be done about it from outside but to notice it,
 * and to start the process anew: it must bear that anyway. */
#include "proto/bus/internal.h"
#include "services/common/time.h"

#include <nng/protocol/pair0/pair.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CLOSE_LIMIT (2 * KN_SECOND)
#define CLOSE_LIMIT_WHEN_STUCK (KN_SECOND / 10)

static atomic_bool stuck; /* of the process, as is nng's thread */

static void init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* Waits for *flag, which lock guards, until then. */
static void wait_for(const bool *flag, pthread_cond_t *wake, pthread_mutex_t *lock, int64_t mono)
{
    struct timespec until = {.tv_sec = mono / KN_SECOND, .tv_nsec = mono % KN_SECOND * 1000};
    while (!*flag && kn_time_mono() < mono)
        pthread_cond_timedwait(wake, lock, &until);
}

/* ---- a close that ends ---------------------------------------------------------------- */

/* Of two threads; who is last frees it. */
struct closing {
    nng_socket socket;
    pthread_mutex_t lock; /* done, left */
    pthread_cond_t wake;
    bool done, left;
};

static void closing_free(struct closing *closing)
{
    pthread_mutex_destroy(&closing->lock);
    pthread_cond_destroy(&closing->wake);
    free(closing);
}

static void *close_it(void *arg)
{
    struct closing *closing = arg;
    nng_close(closing->socket);
    pthread_mutex_lock(&closing->lock);
    closing->done = true;
    bool left = closing->left;
    pthread_cond_signal(&closing->wake);
    pthread_mutex_unlock(&closing->lock);
    if (left) {
        atomic_store(&stuck, false); /* it was slow, no more */
        closing_free(closing);
    }
    return NULL;
}

static bool close_within(nng_socket socket, int64_t limit_us)
{
    struct closing *closing = calloc(1, sizeof *closing);
    pthread_t thread;
    if (closing) {
        closing->socket = socket;
        pthread_mutex_init(&closing->lock, NULL);
        init_monotonic(&closing->wake);
    }
    if (!closing || pthread_create(&thread, NULL, close_it, closing) != 0) {
        if (closing)
            closing_free(closing);
        nng_close(socket);
        return true;
    }
    pthread_mutex_lock(&closing->lock);
    /* in halves: of a process that was stopped meanwhile, one is over at once */
    for (int half = 0; half < 2; half++)
        wait_for(&closing->done, &closing->wake, &closing->lock, kn_time_mono() + limit_us / 2);
    bool done = closing->done;
    closing->left = !done;
    pthread_mutex_unlock(&closing->lock);
    if (!done) {
        pthread_detach(thread);
        atomic_store(&stuck, true);
        return false;
    }
    pthread_join(thread, NULL);
    closing_free(closing);
    return true;
}

void bus_close(nng_socket socket)
{
    (void)close_within(socket, atomic_load(&stuck) ? CLOSE_LIMIT_WHEN_STUCK : CLOSE_LIMIT);
}

/* ---- the watch -------------------------------------------------------------------------- */

struct bus_watch {
    int64_t limit_us;
    void (*on_stuck)(void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* stop */
    pthread_cond_t wake;
    bool stop;
};

/* Whether nng still clears away: closing a socket waits until its listener was. */
static bool clears_away(int64_t limit_us)
{
    static atomic_uint count;
    char url[64];
    nng_socket socket;
    snprintf(url, sizeof url, "inproc://kanchi-watch-%u", atomic_fetch_add(&count, 1));
    if (nng_pair0_open(&socket) != 0)
        return true; /* no memory: that is another's to say */
    (void)nng_listen(socket, url, NULL, 0);
    return close_within(socket, limit_us);
}

static bool wait_round(struct bus_watch *w)
{
    pthread_mutex_lock(&w->lock);
    wait_for(&w->stop, &w->wake, &w->lock, kn_time_mono() + w->limit_us);
    bool go_on = !w->stop;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

static void *watch(void *arg)
{
    struct bus_watch *w = arg;
    while (wait_round(w)) {
        if (clears_away(w->limit_us))
            continue;
        w->on_stuck(w->arg);
        break;
    }
    return NULL;
}

struct bus_watch *bus_watch_new(int64_t limit_us, void (*on_stuck)(void *arg), void *arg)
{
    struct bus_watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->limit_us = limit_us;
    w->on_stuck = on_stuck;
    w->arg = arg;
    pthread_mutex_init(&w->lock, NULL);
    init_monotonic(&w->wake);
    if (pthread_create(&w->thread, NULL, watch, w) == 0)
        return w;
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return NULL;
}

void bus_watch_free(struct bus_watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
