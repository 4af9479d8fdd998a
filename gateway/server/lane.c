#include "gateway/server/server_internal.h"

#include <stdlib.h>

void request_free(struct request *request)
{
    if (!request)
        return;
    gw_exchange_fini(&request->x);
    kn_buf_fini(&request->answer);
    free(request->data);
    free(request);
}

static struct request *take(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    while (!lane->first && !lane->stopped)
        pthread_cond_wait(&lane->wake, &lane->lock);
    struct request *request = lane->stopped ? NULL : lane->first;
    if (request) {
        lane->first = request->next;
        if (!lane->first)
            lane->last = NULL;
        lane->waiting--;
    }
    pthread_mutex_unlock(&lane->lock);
    return request;
}

static void *work(void *arg)
{
    struct lane *lane = arg;
    struct request *request;
    while ((request = take(lane))) {
        if (!atomic_load(&request->abandoned)) {
            gw_app_answer(lane->server->options.app, &request->x);
            http_finish(request);
        }
        loop_done(request);
    }
    return NULL;
}

static enum kn_status start_threads(struct lane *lane, unsigned threads)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    while (lane->n_threads < threads &&
           pthread_create(&lane->threads[lane->n_threads], &attr, work, lane) == 0)
        lane->n_threads++;
    pthread_attr_destroy(&attr);
    return lane->n_threads == threads ? KN_OK : KN_NOMEM;
}

enum kn_status lane_start(struct lane *lane, struct gw_server *server, unsigned threads,
                          unsigned waiting_max)
{
    lane->server = server;
    lane->waiting_max = waiting_max;
    lane->threads = calloc(threads, sizeof *lane->threads);
    if (!lane->threads)
        return KN_NOMEM;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->wake, NULL);
    return start_threads(lane, threads);
}

void lane_stop(struct lane *lane)
{
    if (!lane->threads)
        return;
    pthread_mutex_lock(&lane->lock);
    lane->stopped = true;
    pthread_cond_broadcast(&lane->wake);
    pthread_mutex_unlock(&lane->lock);
    for (unsigned i = 0; i < lane->n_threads; i++)
        pthread_join(lane->threads[i], NULL);
    while (lane->first) {
        struct request *request = lane->first;
        lane->first = request->next;
        request_free(request);
    }
    pthread_cond_destroy(&lane->wake);
    pthread_mutex_destroy(&lane->lock);
    free(lane->threads);
}

bool lane_put(struct lane *lane, struct request *request)
{
    pthread_mutex_lock(&lane->lock);
    bool room = lane->waiting < lane->waiting_max;
    if (room) {
        request->next = NULL;
        if (lane->last)
            lane->last->next = request;
        else
            lane->first = request;
        lane->last = request;
        lane->waiting++;
        pthread_cond_signal(&lane->wake);
    }
    pthread_mutex_unlock(&lane->lock);
    return room;
}
