/* The publisher: the figures, and who is dead. */
#include "services/aggregation/aggregation_impl.h"

#include "services/common/text/time.h"

static const int64_t VERDICT_US = 2 * KN_SECOND;

static void publish(struct aggregation *a, struct kn_arena *arena, uint64_t number)
{
    struct kn_msg_metrics metrics = {.at = kn_time_now()};
    pthread_mutex_lock(&a->lock);
    aggr_window_read(a->window, kn_time_mono(), arena, &metrics);
    aggr_gauges_read(a->gauges, &metrics);
    aggr_liveness_read(a->liveness, &metrics);
    pthread_mutex_unlock(&a->lock);
    uint64_t skipped;
    if (kn_bus_publish(a->publisher, number, KN_KIND_METRICS, &metrics) != KN_OK &&
        kn_log_allow(&a->log_limit, &skipped))
        KN_WARN("metrics.not_published", KN_F_I64("skipped", skipped));
}

static bool next_verdict(struct aggregation *a, struct kn_arena *arena,
                         struct kn_msg_worker_liveness *ret)
{
    pthread_mutex_lock(&a->lock);
    bool found = aggr_liveness_next(a->liveness, kn_time_mono(), ret);
    if (found) {
        ret->source = kn_arena_str(arena, ret->source);
        ret->hostname = kn_arena_str(arena, ret->hostname);
    }
    pthread_mutex_unlock(&a->lock);
    return found && !arena->overflow;
}

static void send_verdicts(struct aggregation *a, struct kn_arena *arena, int64_t until)
{
    struct kn_msg_worker_liveness verdict;
    while (kn_time_mono() < until && next_verdict(a, arena, &verdict)) {
        struct kn_bus_message *answer;
        enum kn_status status = kn_bus_request(a->storage, KN_KIND_WORKER_LIVENESS, &verdict,
                                               VERDICT_US, &answer, NULL);
        if (status == KN_OK)
            kn_bus_message_free(answer);
        else if (status != KN_CONFLICT)
            return;
        KN_INFO("worker.offline", KN_F_STR("source", verdict.source),
                KN_F_STR("worker", verdict.hostname), KN_F_TEXT("storage", kn_status_text(status)));
    }
}

void *aggr_publish_figures(void *arg)
{
    struct aggregation *a = arg;
    struct kn_arena arena;
    kn_arena_init(&arena, 16 << 20);
    int64_t at = kn_time_mono();
    for (uint64_t number = 1; !aggr_sleep_until(a, at); number++) {
        kn_arena_reset(&arena);
        publish(a, &arena, number);
        at += a->config->aggregation.interval;
        send_verdicts(a, &arena, at);
        if (at < kn_time_mono())
            at = kn_time_mono();
    }
    kn_arena_fini(&arena);
    return NULL;
}
