#include "services/aggregation/aggregation.h"

#include "proto/bus/feed_reader.h"
#include "services/aggregation/gauges.h"
#include "services/aggregation/ledger.h"
#include "services/aggregation/liveness.h"
#include "services/aggregation/window.h"
#include "services/common/log.h"
#include "services/common/time.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t READ_US = 200 * 1000;  /* how long the feed is waited for */
static const int64_t PAUSE_US = 250 * 1000; /* after storage said no */
static const int64_t VERDICT_US = 2 * KN_SECOND;
static const int64_t LAST_FLUSH_US = 2 * KN_SECOND; /* and how long a stop waits for it */

struct aggregation {
    const struct kn_config *config;
    struct kn_bus_client *storage;
    struct kn_bus_publisher *publisher;
    struct kn_feed_reader *reader;
    struct aggr_ledger *ledger; /* the reader's */
    pthread_t reader_thread, publisher_thread;
    unsigned threads; /* started */

    pthread_mutex_t lock; /* what follows, up to stop_lock */
    struct aggr_window *window;
    struct aggr_gauges *gauges;
    struct aggr_liveness *liveness;
    bool away;        /* storage does not answer */
    bool refused;     /* it does, but does not take what it is sent */
    uint64_t skipped; /* commits that the rollups lack */

    pthread_mutex_t stop_lock; /* stopping, reader_ended */
    pthread_cond_t stop_wake;
    bool stopping, reader_ended;
    atomic_int_fast64_t request_us; /* longest wait for storage */
    struct kn_log_limit log_limit;
};

static bool stopping(struct aggregation *a)
{
    pthread_mutex_lock(&a->stop_lock);
    bool yes = a->stopping;
    pthread_mutex_unlock(&a->stop_lock);
    return yes;
}

/* Until then (monotonic), or until it is to stop. */
static bool sleep_until(struct aggregation *a, int64_t mono_us)
{
    struct timespec until = {.tv_sec = mono_us / KN_SECOND, .tv_nsec = mono_us % KN_SECOND * 1000};
    pthread_mutex_lock(&a->stop_lock);
    while (!a->stopping && kn_time_mono() < mono_us)
        pthread_cond_timedwait(&a->stop_wake, &a->stop_lock, &until);
    bool yes = a->stopping;
    pthread_mutex_unlock(&a->stop_lock);
    return yes;
}

static void note_storage(struct aggregation *a, enum kn_status status)
{
    bool away = status == KN_TIMEOUT || status == KN_CLOSED;
    pthread_mutex_lock(&a->lock);
    a->away = away;
    a->refused = status != KN_OK && status != KN_CONFLICT && !away;
    pthread_mutex_unlock(&a->lock);
    uint64_t skipped;
    if (status != KN_OK && status != KN_CONFLICT && !stopping(a) &&
        kn_log_allow(&a->log_limit, &skipped))
        KN_WARN("storage.refused", KN_F_TEXT("reason", kn_status_text(status)),
                KN_F_I64("skipped", skipped));
}

/* ---- storage, as the ledger wants it ------------------------------------------- */

static enum kn_status ask(struct aggregation *a, enum kn_kind kind, const void *msg,
                          enum kn_kind answer_kind, struct kn_bus_message **ret)
{
    struct kn_bus_message *answer;
    enum kn_status status =
        kn_bus_request(a->storage, kind, msg, atomic_load(&a->request_us), &answer, NULL);
    if (status == KN_OK && answer->kind != answer_kind) {
        kn_bus_message_free(answer);
        status = KN_INVALID;
    }
    if (status == KN_OK)
        *ret = answer;
    note_storage(a, status);
    return status;
}

static enum kn_status ask_position(void *arg, struct aggr_position *ret)
{
    struct kn_msg_reader_get get = {.reader = KN_STR("rollups")};
    struct kn_bus_message *answer;
    enum kn_status status = ask(arg, KN_KIND_READER_GET, &get, KN_KIND_READER_POSITION, &answer);
    if (status != KN_OK)
        return status;
    const struct kn_msg_reader_position *position = answer->msg;
    if (position->feed.len >= sizeof ret->feed) {
        status = KN_TOO_BIG;
    } else {
        snprintf(ret->feed, sizeof ret->feed, "%.*s", KN_STR_ARG(position->feed));
        ret->number = position->number;
    }
    kn_bus_message_free(answer);
    return status;
}

static enum kn_status put_rollups(void *arg, const struct kn_msg_rollup_put *put)
{
    struct kn_bus_message *answer;
    enum kn_status status = ask(arg, KN_KIND_ROLLUP_PUT, put, KN_KIND_DONE, &answer);
    if (status == KN_OK)
        kn_bus_message_free(answer);
    return status;
}

/* ---- the reader ------------------------------------------------------------------ */

static void take_system(struct aggregation *a, const struct kn_msg_system *system)
{
    for (size_t i = 0; i < system->counts.count; i++)
        aggr_gauges_count(a->gauges, system->counts.items + i);
}

static void take_workers(struct aggregation *a, const struct kn_msg_worker *workers, size_t count)
{
    int64_t wall = kn_time_now(), mono = kn_time_mono();
    for (size_t i = 0; i < count; i++)
        aggr_liveness_worker(a->liveness, workers + i, wall, mono);
}

static void take_queues(struct aggregation *a, const struct kn_msg_queue_list *queues)
{
    for (size_t i = 0; i < queues->items.count; i++) {
        const struct kn_msg_queue *queue = queues->items.items + i;
        if (queue->messages.set && queue->messages.value >= 0)
            aggr_gauges_depth(a->gauges,
                              &(struct kn_msg_queue_depth){
                                  .name = queue->name,
                                  .at = queue->measured_at,
                                  .messages = (uint64_t)queue->messages.value,
                              },
                              queue->source);
    }
}

/* What there is before the first commit that will be read. */
static enum kn_status load_state(struct aggregation *a)
{
    static const struct {
        enum kn_kind question, answer;
    } questions[] = {
        {KN_KIND_SYSTEM_GET, KN_KIND_SYSTEM},
        {KN_KIND_WORKERS_GET, KN_KIND_WORKER_LIST},
        {KN_KIND_QUEUES_GET, KN_KIND_QUEUE_LIST},
    };
    union {
        struct kn_msg_system_get system;
        struct kn_msg_workers_get workers;
        struct kn_msg_queues_get queues;
    } all;
    memset(&all, 0, sizeof all);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        struct kn_bus_message *answer;
        enum kn_status status = ask(a, questions[i].question, &all, questions[i].answer, &answer);
        if (status != KN_OK)
            return status;
        pthread_mutex_lock(&a->lock);
        if (answer->kind == KN_KIND_SYSTEM) {
            take_system(a, answer->msg);
        } else if (answer->kind == KN_KIND_WORKER_LIST) {
            const struct kn_msg_worker_list *list = answer->msg;
            take_workers(a, list->items.items, list->items.count);
        } else {
            take_queues(a, answer->msg);
        }
        pthread_mutex_unlock(&a->lock);
        kn_bus_message_free(answer);
    }
    return KN_OK;
}

static void take_commit(struct aggregation *a, const struct kn_msg_feed *commit, bool live)
{
    int64_t mono = kn_time_mono(), age = live ? 0 : kn_time_now() - commit->at;
    pthread_mutex_lock(&a->lock);
    aggr_window_add(a->window, commit, mono - (age > 0 ? age : 0));
    for (size_t i = 0; i < commit->counts.count; i++)
        aggr_gauges_count(a->gauges, commit->counts.items + i);
    for (size_t i = 0; i < commit->queues.count; i++)
        aggr_gauges_depth(a->gauges, commit->queues.items + i, commit->source);
    take_workers(a, commit->workers.items, commit->workers.count);
    aggr_liveness_position(a->liveness, commit->number);
    pthread_mutex_unlock(&a->lock);
}

static void take_mark(struct aggregation *a, const struct kn_msg_feed_mark *mark)
{
    pthread_mutex_lock(&a->lock);
    a->away = false;
    aggr_liveness_mark(a->liveness, mark, kn_time_now(), kn_time_mono());
    pthread_mutex_unlock(&a->lock);
}

static enum aggr_ledger_next skip(struct aggregation *a, const struct kn_feed_event *event)
{
    KN_WARN("feed.no_longer_kept", KN_F_TEXT("feed", event->feed),
            KN_F_I64("newest", event->newest),
            KN_F_I64("position", aggr_ledger_read_to(a->ledger)));
    enum aggr_ledger_next next = aggr_ledger_skip(a->ledger, event->feed, event->newest);
    pthread_mutex_lock(&a->lock);
    a->skipped = aggr_ledger_counters(a->ledger).skipped;
    pthread_mutex_unlock(&a->lock);
    return next;
}

static enum aggr_ledger_next take_event(struct aggregation *a, const struct kn_feed_event *event)
{
    switch (event->item) {
    case KN_FEED_COMMIT:
        if (event->commit->number > aggr_ledger_read_to(a->ledger))
            take_commit(a, event->commit, event->live);
        return aggr_ledger_add(a->ledger, event->commit);
    case KN_FEED_MARK:
        take_mark(a, event->mark);
        return AGGR_LEDGER_READ;
    case KN_FEED_REBUILD:
        return skip(a, event);
    case KN_FEED_NONE:
        break;
    }
    return AGGR_LEDGER_READ;
}

/* Begins at the stored position. False when it is to stop. */
static bool begin(struct aggregation *a, bool ask_ledger)
{
    while (!stopping(a)) {
        if (!ask_ledger || aggr_ledger_start(a->ledger) == AGGR_LEDGER_RESET) {
            const struct aggr_position *position = aggr_ledger_position(a->ledger);
            if (load_state(a) == KN_OK) {
                kn_feed_reader_reset(a->reader, position->feed, position->number);
                pthread_mutex_lock(&a->lock);
                aggr_liveness_position(a->liveness, position->number);
                pthread_mutex_unlock(&a->lock);
                KN_INFO("feed.follow", KN_F_TEXT("feed", position->feed),
                        KN_F_I64("after", position->number));
                return true;
            }
        }
        if (sleep_until(a, kn_time_mono() + PAUSE_US))
            break;
    }
    return false;
}

static bool flush(struct aggregation *a)
{
    for (;;) {
        enum aggr_ledger_next next = aggr_ledger_flush(a->ledger);
        if (next == AGGR_LEDGER_RESET)
            return begin(a, false);
        if (next == AGGR_LEDGER_READ)
            return true;
        if (sleep_until(a, kn_time_mono() + PAUSE_US))
            return false;
        if (!aggr_ledger_full(a->ledger))
            return true;
    }
}

static void follow_feed(struct aggregation *a)
{
    if (!begin(a, true))
        return;
    int64_t flush_at = kn_time_mono() + a->config->aggregation.rollup_interval;
    while (!stopping(a)) {
        struct kn_feed_event event;
        enum kn_status status = kn_feed_reader_next(a->reader, READ_US, &event);
        if (status == KN_CLOSED)
            break;
        if (status != KN_OK) {
            note_storage(a, status);
            if (sleep_until(a, kn_time_mono() + PAUSE_US))
                break;
            continue;
        }
        enum aggr_ledger_next next = take_event(a, &event);
        if (next != AGGR_LEDGER_READ) {
            if (sleep_until(a, kn_time_mono() + PAUSE_US) || !begin(a, next == AGGR_LEDGER_RETRY))
                break;
        }
        if (kn_time_mono() >= flush_at || aggr_ledger_full(a->ledger)) {
            if (!flush(a))
                break;
            flush_at = kn_time_mono() + a->config->aggregation.rollup_interval;
        }
    }
    atomic_store(&a->request_us, LAST_FLUSH_US);
    (void)aggr_ledger_flush(a->ledger);
}

static void *read_feed(void *arg)
{
    struct aggregation *a = arg;
    follow_feed(a);
    pthread_mutex_lock(&a->stop_lock);
    a->reader_ended = true;
    pthread_cond_broadcast(&a->stop_wake);
    pthread_mutex_unlock(&a->stop_lock);
    return NULL;
}

/* ---- the publisher --------------------------------------------------------------- */

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

static void *publish_figures(void *arg)
{
    struct aggregation *a = arg;
    struct kn_arena arena;
    kn_arena_init(&arena, 16 << 20);
    int64_t at = kn_time_mono();
    for (uint64_t number = 1; !sleep_until(a, at); number++) {
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
    struct aggr_ledger_storage calls = {a, ask_position, put_rollups};
    a->ledger = aggr_ledger_new("rollups", &calls, (size_t)c->rows_max, (size_t)c->memory_max);
    a->window = aggr_window_new((unsigned)(c->window / KN_SECOND));
    a->gauges = aggr_gauges_new((size_t)c->queues_max);
    a->liveness = aggr_liveness_new(&(struct aggr_liveness_options){
        .missed_max = (unsigned)c->worker_missed,
        .silence_us = c->worker_timeout,
        .workers_max = (size_t)c->workers_max,
    });
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->stop_lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&a->stop_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (a->ledger && a->window && a->gauges && a->liveness)
        return a;
    aggregation_stop(a);
    return NULL;
}

enum kn_status aggregation_start(struct kn_bus *bus, struct kn_bus_client *storage,
                                 const struct kn_config *config, struct aggregation **ret,
                                 char **ret_error)
{
    struct aggregation *a = make(storage, config);
    if (!a)
        return KN_NOMEM;
    struct kn_feed_reader_options options = {.feed_url = config->bus.storage_feed,
                                             .storage = storage};
    enum kn_status status =
        kn_bus_publisher_new(bus, config->bus.metrics, &a->publisher, ret_error);
    if (status == KN_OK)
        status = kn_feed_reader_new(bus, &options, &a->reader, ret_error);
    if (status == KN_OK && pthread_create(&a->reader_thread, NULL, read_feed, a) != 0)
        status = KN_NOMEM;
    a->threads += status == KN_OK;
    if (status == KN_OK && pthread_create(&a->publisher_thread, NULL, publish_figures, a) != 0)
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
    struct timespec until = {.tv_sec = deadline / KN_SECOND,
                             .tv_nsec = deadline % KN_SECOND * 1000};
    pthread_mutex_lock(&a->stop_lock);
    while (!a->reader_ended && kn_time_mono() < deadline)
        pthread_cond_timedwait(&a->stop_wake, &a->stop_lock, &until);
    pthread_mutex_unlock(&a->stop_lock);
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
    .text = KN_STR("There are more workers or queues than aggregation may watch; the live figures "
                   "leave some out."),
    .remedy = KN_STR("Raise aggregation.workers_max or aggregation.queues_max."),
};
static const struct kn_msg_finding finding_skipped = {
    .severity = KN_SEVERITY_WARNING,
    .code = KN_STR("rollups_incomplete"),
    .subject = KN_STR("aggregation"),
    .text = KN_STR("Aggregation was away for longer than storage keeps changes; counts and "
                   "percentiles of that time lack some tasks."),
    .remedy = KN_STR("Raise storage.feed_keep."),
};

void aggregation_report(void *arg, struct kn_arena *arena, struct kn_msg_service_status *status)
{
    struct aggregation *a = arg;
    pthread_mutex_lock(&a->lock);
    bool away = a->away, refused = a->refused, skipped = a->skipped > 0;
    uint64_t left_out = aggr_gauges_left_out(a->gauges) + aggr_liveness_left_out(a->liveness);
    pthread_mutex_unlock(&a->lock);
    if (away || refused) {
        status->state = KN_SERVICE_DEGRADED;
        status->detail = away ? KN_STR("storage does not answer")
                              : KN_STR("storage does not take what aggregation sends");
    }
    struct kn_msg_finding *findings = kn_arena_array(arena, 2, sizeof *findings);
    if (!findings)
        return;
    status->findings.items = findings;
    if (left_out > 0)
        findings[status->findings.count++] = finding_bound;
    if (skipped)
        findings[status->findings.count++] = finding_skipped;
}
