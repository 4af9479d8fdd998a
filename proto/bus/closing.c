/* A close that always ends. When a connection breaks while nng (seen with 1.5.2; the code is the
 * same up to 1.11) is between two pieces of a message, nng waits forever for the end of that
 * message: its only thread that cleans up connections ("nng:reap") hangs. From then on none of the
 * process's connections is cleaned up, no dialer dials again, and nng_close does not return. Over
 * TLS every message is sent in pieces: about one in 50 killed busy clients left its server in this
 * state. Over ipc, so did about one in 50 bursts of connections that broke during the handshake.
 * From outside we can only detect this and restart the process, which must survive restarts
 * anyway. */
#include "proto/bus/internal.h"
#include "services/common/process/cond.h"
#include "services/common/text/time.h"

#include <nng/protocol/pair0/pair.h>
#include <stdio.h>
#include <stdlib.h>

#define CLOSE_LIMIT (2 * KN_SECOND)
#define CLOSE_LIMIT_WHEN_STUCK (KN_SECOND / 10)

static atomic_bool stuck; /* of the process, as is nng's thread */

/* Of two threads; who is last frees it. */
struct closing {
    nng_socket socket;
    void (*fini)(void *arg);
    void *arg;
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
    if (closing->fini)
        closing->fini(closing->arg);
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

bool bus_close_within(nng_socket socket, int64_t limit_us, void (*fini)(void *arg), void *arg)
{
    struct closing *closing = calloc(1, sizeof *closing);
    pthread_t thread;
    if (closing) {
        *closing = (struct closing){.socket = socket, .fini = fini, .arg = arg};
        pthread_mutex_init(&closing->lock, NULL);
        kn_cond_init(&closing->wake);
    }
    if (!closing || pthread_create(&thread, NULL, close_it, closing) != 0) {
        if (closing)
            closing_free(closing);
        nng_close(socket);
        if (fini)
            fini(arg);
        return true;
    }
    pthread_mutex_lock(&closing->lock);
    /* in halves: of a process that was stopped meanwhile, one is over at once */
    for (int half = 0; half < 2; half++) {
        int64_t until = kn_time_mono() + limit_us / 2;
        while (!closing->done && kn_cond_wait_until(&closing->wake, &closing->lock, until))
            continue;
    }
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

int64_t bus_close_limit(void)
{
    return atomic_load(&stuck) ? CLOSE_LIMIT_WHEN_STUCK : CLOSE_LIMIT;
}

bool bus_clears_away(int64_t limit_us)
{
    static atomic_uint count;
    char url[64];
    nng_socket socket;
    snprintf(url, sizeof url, "inproc://kanchi-watch-%u", atomic_fetch_add(&count, 1));
    if (nng_pair0_open(&socket) != 0)
        return true; /* no memory: that is another's to say */
    /* closing waits until the listener was cleared away */
    (void)nng_listen(socket, url, NULL, 0);
    return bus_close_within(socket, limit_us, NULL, NULL);
}
