#include "services/aggregation/aggregation_impl.h"

#include "services/common/process/cond.h"
#include "services/common/text/time.h"

#include <stdlib.h>

static const int64_t LAST_FLUSH_US = 2 * KN_SECOND; /* how long a stop waits for it */

/* ---- what the threads share ---- */

bool aggr_stopping(struct aggregation *a)
{
    pthread_mutex_lock(&a->stop_lock);
    bool yes = a->stopping;
    pthread_mutex_unlock(&a->stop_lock);
    return yes;
}

bool aggr_sleep_until(struct aggregation *a, int64_t mono_us)
{
    return kn_cond_sleep_until(&a->stop_wake, &a->stop_lock, &a->stopping, mono_us);
}

void aggr_note_storage(struct aggregation *a, enum kn_status status)
{
    bool away = status == KN_TIMEOUT || status == KN_CLOSED;
    pthread_mutex_lock(&a->lock);
    a->away = away;
    a->refused = status != KN_OK && status != KN_CONFLICT && !away;
    pthread_mutex_unlock(&a->lock);
    uint64_t skipped;
    if (status != KN_OK && status != KN_CONFLICT && !aggr_stopping(a) &&
        kn_log_allow(&a->log_limit, &skipped))
        KN_WARN("storage.refused", KN_F_TEXT("reason", kn_status_text(status)),
                KN_F_I64("skipped", skipped));
}

/* ---- life -------------------------------------------------------------------------- */

static struct aggregation *make(struct kn_bus_client *storage, const struct kn_config *config)
{
    const struct kn_config_aggregation *c = &config->aggregation;
    struct aggregation *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->config = config;
    a->storage = storage;
    a->away = true;
    atomic_init(&a->request_us, config->bus.request_timeout);
    struct aggr_ledger_storage calls = {a, aggr_ask_position, aggr_put_rollups};
    a->ledger = aggr_ledger_new("rollups", &calls, (size_t)c->rows_max, (size_t)c->memory_max);
    a->window = aggr_window_new((unsigned)(c->window / KN_SECOND));
    a->gauges = aggr_gauges_new((size_t)c->queues_max);
    a->liveness = aggr_liveness_new(&(struct aggr_liveness_options){
        .missed_max = (unsigned)c->worker_missed,
        .silence_us = c->worker_timeout,
        .workers_max = (size_t)c->workers_max,
        .forget_us = config->storage.retention_workers,
    });
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->stop_lock, NULL);
    kn_cond_init(&a->stop_wake);
    if (a->ledger && a->window && a->gauges && a->liveness)
        return a;
    aggregation_stop(a);
    return NULL;
}

enum kn_status aggregation_start(struct kn_bus *bus, struct kn_bus_client *storage,
                                 const struct kn_config *config, struct aggregation **ret,
                                 struct kn_buf *error)
{
    struct aggregation *a = make(storage, config);
    if (!a)
        return KN_NOMEM;
    struct kn_feed_reader_options options = {
        .feed_url = config->bus.storage_feed, .storage = storage, .without = "tasks"};
    enum kn_status status = kn_bus_publisher_new(bus, config->bus.metrics, &a->publisher, error);
    if (status == KN_OK)
        status = kn_feed_reader_new(bus, &options, &a->reader, error);
    if (status == KN_OK && pthread_create(&a->reader_thread, NULL, aggr_read_feed, a) != 0)
        status = KN_NOMEM;
    a->threads += status == KN_OK;
    if (status == KN_OK && pthread_create(&a->publisher_thread, NULL, aggr_publish_figures, a) != 0)
        status = KN_NOMEM;
    a->threads += status == KN_OK;
    if (status != KN_OK) {
        aggregation_stop(a);
        return status;
    }
    *ret = a;
    return KN_OK;
}

/* Waits for the last flush, but not for a storage that is away. */
static void join_threads(struct aggregation *a)
{
    if (a->threads == 0)
        return;
    pthread_mutex_lock(&a->lock);
    bool away = a->away;
    pthread_mutex_unlock(&a->lock);
    int64_t deadline = kn_time_mono() + (away ? 0 : LAST_FLUSH_US);
    (void)kn_cond_sleep_until(&a->stop_wake, &a->stop_lock, &a->reader_ended, deadline);
    kn_bus_client_stop(a->storage);
    pthread_join(a->reader_thread, NULL);
    if (a->threads > 1)
        pthread_join(a->publisher_thread, NULL);
}

void aggregation_stop(struct aggregation *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->stop_lock);
    a->stopping = true;
    pthread_cond_broadcast(&a->stop_wake);
    pthread_mutex_unlock(&a->stop_lock);
    if (a->reader)
        kn_feed_reader_stop(a->reader);
    join_threads(a);
    kn_feed_reader_free(a->reader);
    kn_bus_publisher_free(a->publisher);
    aggr_ledger_free(a->ledger);
    aggr_window_free(a->window);
    aggr_gauges_free(a->gauges);
    aggr_liveness_free(a->liveness);
    pthread_cond_destroy(&a->stop_wake);
    pthread_mutex_destroy(&a->stop_lock);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static const struct kn_msg_finding finding_bound = {
    .severity = KN_SEVERITY_WARNING,
    .code = KN_STR("aggregation_bound"),
    .subject = KN_STR("aggregation"),
    .text = KN_STR("There are more workers or queues than aggregation may track, so the live "
                   "figures omit some."),
    .remedy = KN_STR("Raise aggregation.workers_max or aggregation.queues_max."),
};
void aggregation_report(void *arg, struct kn_arena *arena, struct kn_msg_service_status *status)
{
    struct aggregation *a = arg;
    pthread_mutex_lock(&a->lock);
    bool away = a->away, refused = a->refused;
    uint64_t left_out = aggr_gauges_left_out(a->gauges) + aggr_liveness_left_out(a->liveness);
    pthread_mutex_unlock(&a->lock);
    if (away || refused) {
        status->state = KN_SERVICE_DEGRADED;
        status->detail =
            away ? KN_STR("storage does not answer") : KN_STR("storage does not accept rollups");
    }
    struct kn_msg_finding *findings = left_out ? kn_arena_alloc(arena, sizeof *findings) : NULL;
    if (!findings)
        return;
    *findings = finding_bound;
    status->findings.items = findings;
    status->findings.count = 1;
}
