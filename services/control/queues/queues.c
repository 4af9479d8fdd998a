#include "services/control/queues/queues.h"

#include "services/common/process/cond.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/control/ask/pidbox.h"
#include "services/control/queues/queue_scan.h"

#include <pthread.h>
#include <stdlib.h>

static const int64_t TICK_US = KN_SECOND;
static const int64_t AGAIN_US = 15 * KN_SECOND; /* pauses are seen to, whatever is known */
enum { ARENA_MAX = 64 << 20 };

struct control_queues {
    struct control_call_options options;
    struct kn_bus_client *storage;
    struct control_learned_sender *learned;
    struct control_queue_scan *scan; /* NULL: not wanted */
    struct control_hand hand;
    struct kn_arena arena; /* of a tick */
    uint64_t seen;         /* what the last good pass was about */
    int64_t pass_at;
    struct kn_log_limit log_limit;

    atomic_int purging; /* requests */

    pthread_mutex_t pauses; /* see control_queues_lock */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* of wake */
    pthread_cond_t wake;
    atomic_bool stopping;
};

struct control_learned_sender *control_queues_learned(struct control_queues *queues)
{
    return queues->learned;
}

void control_queues_lock(struct control_queues *queues)
{
    pthread_mutex_lock(&queues->pauses);
}

void control_queues_unlock(struct control_queues *queues)
{
    pthread_mutex_unlock(&queues->pauses);
}

void control_queues_purging(struct control_queues *queues, bool begins)
{
    atomic_fetch_add(&queues->purging, begins ? 1 : -1);
}

static bool sleep_for(struct control_queues *q, int64_t us)
{
    int64_t at = kn_time_mono() + us;
    pthread_mutex_lock(&q->lock);
    while (!atomic_load(&q->stopping) && kn_cond_wait_until(&q->wake, &q->lock, at))
        continue;
    pthread_mutex_unlock(&q->lock);
    return atomic_load(&q->stopping);
}

/* ---- pauses ------------------------------------------------------------------------------ */

/* A number that changes when a worker appears, disappears or restarts, or when a pause changes. */
static uint64_t number_of(const struct kn_msg_pause_list *pauses,
                          const struct kn_msg_worker_list *workers)
{
    uint64_t hash = 1;
    for (size_t i = 0; i < pauses->items.count; i++) {
        const struct kn_msg_pause *pause = &pauses->items.items[i];
        hash = kn_hash64(hash, pause->queue.ptr, pause->queue.len);
        hash = kn_hash64(hash, &pause->since, sizeof pause->since);
        hash = kn_hash64(hash, &pause->resuming, sizeof pause->resuming);
    }
    for (size_t i = 0; i < workers->items.count; i++) {
        const struct kn_msg_worker *worker = &workers->items.items[i];
        hash = kn_hash64(hash, worker->hostname.ptr, worker->hostname.len);
        hash = kn_hash64(hash, &worker->pid, sizeof worker->pid);
        hash = kn_hash64(hash, &worker->started_at, sizeof worker->started_at);
    }
    return hash;
}

static void warn(struct control_queues *q, struct kn_str queue, struct kn_str why)
{
    uint64_t skipped;
    if (kn_log_allow(&q->log_limit, &skipped))
        KN_WARN("pause.not_kept", KN_F_TEXT("source", q->options.source), KN_F_STR("queue", queue),
                KN_F_STR("reason", why), KN_F_I64("skipped", skipped));
}

static void keep_pauses(struct control_queues *q, struct control_call *call)
{
    struct kn_str source = kn_str_from(q->options.source), online = KN_STR("online");
    const struct kn_msg_pauses_get get = {.source = source};
    const struct kn_msg_workers_get get_workers = {.sources = {&source, 1},
                                                   .statuses = {&online, 1}};
    const void *pauses, *workers;
    if (control_call_ask(call, KN_KIND_PAUSES_GET, &get, KN_KIND_PAUSE_LIST, &pauses) != KN_OK)
        return;
    struct kn_msg_pause_list list = *(const struct kn_msg_pause_list *)pauses;
    if (list.items.count == 0 || control_call_ask(call, KN_KIND_WORKERS_GET, &get_workers,
                                                  KN_KIND_WORKER_LIST, &workers) != KN_OK)
        return;
    uint64_t seen = number_of(&list, workers);
    if (seen == q->seen && kn_time_mono() < q->pass_at + AGAIN_US)
        return;
    bool good = true;
    for (size_t i = 0; i < list.items.count && !atomic_load(&q->stopping); i++) {
        struct kn_msg_queue_changed changed = {0};
        struct kn_msg_pause *pause = &list.items.items[i];
        enum kn_status status = control_pause_apply(call, pause, &changed);
        if (status != KN_OK)
            warn(q, pause->queue,
                 call->text.ptr ? call->text : kn_str_from(kn_status_text(status)));
        good = good && status == KN_OK && changed.complete;
    }
    q->seen = good ? seen : 0; /* else it is seen to again at once */
    q->pass_at = kn_time_mono();
}

/* ---- the thread -------------------------------------------------------------------------- */

static void *run(void *arg)
{
    struct control_queues *q = arg;
    while (!sleep_for(q, TICK_US)) {
        kn_arena_reset(&q->arena);
        struct control_call call = {
            .options = &q->options,
            .storage = q->storage,
            .queues = q,
            .learned = q->learned,
            .hand = &q->hand,
            .arena = &q->arena,
            .stopping = &q->stopping,
        };
        control_queues_lock(q);
        keep_pauses(q, &call);
        control_queues_unlock(q);
        if (atomic_load(&q->purging) == 0)
            control_purges_finish(&call);
        control_queue_scan_tick(q->scan, &call);
    }
    return NULL;
}

static enum kn_status make_parts(struct control_queues *q)
{
    q->learned =
        control_learned_sender_new(q->options.source, q->storage, q->options.request_timeout_us);
    if (!q->learned)
        return KN_NOMEM;
    enum kn_status status = control_pidbox_new(q->options.broker, &q->hand.pidbox);
    if (status == KN_OK)
        status = broker_session_new(q->options.broker, &q->hand.session);
    if (status == KN_OK && q->options.look)
        status = control_queue_scan_new(q->learned, &q->scan);
    return status;
}

enum kn_status control_queues_start(const struct control_call_options *options,
                                    struct kn_bus_client *storage, struct control_queues **ret)
{
    struct control_queues *q = calloc(1, sizeof *q);
    if (!q)
        return KN_NOMEM;
    q->options = *options;
    q->storage = storage;
    kn_arena_init(&q->arena, ARENA_MAX);
    pthread_mutex_init(&q->pauses, NULL);
    pthread_mutex_init(&q->lock, NULL);
    kn_cond_init(&q->wake);
    enum kn_status status = make_parts(q);
    q->started = status == KN_OK && pthread_create(&q->thread, NULL, run, q) == 0;
    if (!q->started) {
        control_queues_stop(q);
        return status == KN_OK ? KN_NOMEM : status;
    }
    *ret = q;
    return KN_OK;
}

void control_queues_stop(struct control_queues *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    atomic_store(&q->stopping, true);
    pthread_cond_broadcast(&q->wake);
    pthread_mutex_unlock(&q->lock);
    if (q->started)
        pthread_join(q->thread, NULL);
    control_queue_scan_free(q->scan);
    control_learned_sender_free(q->learned);
    control_pidbox_free(q->hand.pidbox);
    broker_session_free(q->hand.session);
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->lock);
    pthread_mutex_destroy(&q->pauses);
    kn_arena_fini(&q->arena);
    free(q);
}
