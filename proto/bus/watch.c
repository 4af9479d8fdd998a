/* The thread of a bus that sees to it that nng goes on: endpoint.c and closing.c say why. */
#include "proto/bus/internal.h"
#include "services/common/process/cond.h"
#include "services/common/text/time.h"

#include <stdlib.h>

#define ROUND KN_SECOND
enum { CLEARS_EVERY = 5 }; /* rounds: it costs a millisecond */

struct bus_watch {
    struct kn_bus *bus;
    int64_t limit_us;
    void (*on_stuck)(void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* stop */
    pthread_cond_t wake;
    bool stop;
};

static bool wait_round(struct bus_watch *w)
{
    int64_t until = kn_time_mono() + (w->limit_us / 2 < ROUND ? w->limit_us / 2 : ROUND);
    return !kn_cond_sleep_until(&w->wake, &w->lock, &w->stop, until);
}

static void *watch(void *arg)
{
    struct bus_watch *w = arg;
    bool well = true;
    for (unsigned round = 1; well && wait_round(w); round++)
        well = bus_endpoints_mend(w->bus, w->limit_us) &&
               (round % CLEARS_EVERY != 0 || bus_clears_away(w->limit_us));
    if (!well && w->on_stuck)
        w->on_stuck(w->arg);
    return NULL;
}

struct bus_watch *bus_watch_new(struct kn_bus *bus, int64_t limit_us, void (*on_stuck)(void *arg),
                                void *arg)
{
    struct bus_watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (struct bus_watch){.bus = bus, .limit_us = limit_us, .on_stuck = on_stuck, .arg = arg};
    pthread_mutex_init(&w->lock, NULL);
    kn_cond_init(&w->wake);
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
