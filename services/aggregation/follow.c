/* The reader: follows the feed, feeds the ledger and what the figures are made of. */
#include "services/aggregation/aggregation_impl.h"
#include "services/aggregation/pace.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdio.h>

static const int64_t READ_US = KN_SECOND / 5;  /* how long the feed is waited for */
static const int64_t PAUSE_US = KN_SECOND / 4; /* after storage said no */
static const int64_t LAST_FLUSH_US = 2 * KN_SECOND;
static const int64_t REBUILD_US = KN_HOUR; /* storage reads all that it has */
enum { REFILL_COMMITS = 3000 };            /* read again at the start, for the window alone */

/* ---- storage, as the ledger wants it ------------------------------------------- */

static enum kn_status ask_for(struct aggregation *a, int64_t timeout_us, enum kn_kind kind,
                              const void *msg, enum kn_kind answer_kind,
                              struct kn_bus_message **ret)
{
    enum kn_status status = kn_bus_ask(a->storage, kind, msg, timeout_us, answer_kind, ret, NULL);
    aggr_note_storage(a, status);
    return status;
}

static enum kn_status ask(struct aggregation *a, enum kn_kind kind, const void *msg,
                          enum kn_kind answer_kind, struct kn_bus_message **ret)
{
    return ask_for(a, atomic_load(&a->request_us), kind, msg, answer_kind, ret);
}

enum kn_status aggr_ask_position(void *arg, struct aggr_position *ret)
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

enum kn_status aggr_put_rollups(void *arg, const struct kn_msg_rollup_put *put)
{
    struct aggregation *a = arg;
    struct kn_bus_message *answer;
    int64_t timeout_us = put->rebuild ? REBUILD_US : atomic_load(&a->request_us);
    enum kn_status status = ask_for(a, timeout_us, KN_KIND_ROLLUP_PUT, put, KN_KIND_DONE, &answer);
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
    for (size_t i = 0; i < KN_COUNT_OF(questions); i++) {
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

/* Once, also when the ledger has to read it a second time. */
static void take_window(struct aggregation *a, const struct kn_msg_feed *commit, bool live)
{
    if (commit->number <= a->window_to)
        return;
    int64_t age = live ? 0 : kn_time_now() - commit->at;
    a->window_to = commit->number;
    pthread_mutex_lock(&a->lock);
    aggr_window_add(a->window, commit, kn_time_mono() - (age > 0 ? age : 0));
    pthread_mutex_unlock(&a->lock);
}

static void take_commit(struct aggregation *a, const struct kn_msg_feed *commit)
{
    pthread_mutex_lock(&a->lock);
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

static enum aggr_ledger_next rebuild(struct aggregation *a, const struct kn_feed_event *event)
{
    if (a->refilling) { /* so far back there is nothing: only the window has less */
        const struct aggr_position *position = aggr_ledger_position(a->ledger);
        a->refilling = false;
        kn_feed_reader_reset(a->reader, position->feed, position->number);
        return AGGR_LEDGER_READ;
    }
    a->window_to = 0;
    KN_WARN("rollups.rebuild", KN_F_TEXT("feed", event->feed), KN_F_I64("newest", event->newest),
            KN_F_I64("position", aggr_ledger_read_to(a->ledger)));
    return aggr_ledger_rebuild(a->ledger, event->feed, event->newest);
}

static enum aggr_ledger_next take_event(struct aggregation *a, const struct kn_feed_event *event)
{
    switch (event->item) {
    case KN_FEED_COMMIT:
        take_window(a, event->commit, event->live);
        if (event->commit->number <= aggr_ledger_read_to(a->ledger))
            return AGGR_LEDGER_READ;
        a->refilling = false;
        take_commit(a, event->commit);
        return aggr_ledger_add(a->ledger, event->commit);
    case KN_FEED_MARK:
        take_mark(a, event->mark);
        return AGGR_LEDGER_READ;
    case KN_FEED_REBUILD:
        return rebuild(a, event);
    case KN_FEED_NONE:
        break;
    }
    return AGGR_LEDGER_READ;
}

/* When the commit was made; 0 when storage does not say. */
static int64_t time_of(struct aggregation *a, uint64_t number)
{
    const struct kn_msg_feed_get get = {.from = number, .max = 1};
    struct kn_bus_message *answer;
    if (ask(a, KN_KIND_FEED_GET, &get, KN_KIND_FEED_LIST, &answer) != KN_OK)
        return 0;
    const struct kn_msg_feed_list *list = answer->msg;
    int64_t at = list->items.count ? list->items.items[0].at : 0;
    kn_bus_message_free(answer);
    return at;
}

/* After which commit the window begins: what is older is not read again. */
static uint64_t window_begin(struct aggregation *a, uint64_t newest)
{
    uint64_t low = newest > REFILL_COMMITS ? newest - REFILL_COMMITS : 0, high = newest;
    int64_t since = kn_time_now() - a->config->aggregation.window;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (time_of(a, middle + 1) < since)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* From the stored position on; the first time from before it, to fill the window. */
static void follow(struct aggregation *a)
{
    const struct aggr_position *position = aggr_ledger_position(a->ledger);
    uint64_t from = position->number;
    if (!a->refilled) {
        a->refilled = a->refilling = true;
        from = window_begin(a, from);
    }
    kn_feed_reader_reset(a->reader, position->feed, from);
    pthread_mutex_lock(&a->lock);
    aggr_liveness_position(a->liveness, position->number);
    pthread_mutex_unlock(&a->lock);
    KN_INFO("feed.follow", KN_F_TEXT("feed", position->feed), KN_F_I64("after", position->number));
}

/* Begins at the stored position. False when it is to stop. */
static bool begin(struct aggregation *a, bool ask_ledger)
{
    while (!aggr_stopping(a)) {
        bool known = !ask_ledger || aggr_ledger_start(a->ledger) == AGGR_LEDGER_RESET;
        if (known && load_state(a) == KN_OK) {
            follow(a);
            return true;
        }
        if (aggr_sleep_until(a, kn_time_mono() + PAUSE_US))
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
        if (aggr_sleep_until(a, kn_time_mono() + PAUSE_US))
            return false;
        if (!aggr_ledger_full(a->ledger))
            return true;
    }
}

/* Flushes, and tells when the next is due. False when it is to stop. */
static bool flush_paced(struct aggregation *a, struct aggr_pace *pace, int64_t *ret)
{
    int64_t began = kn_time_mono();
    uint64_t failures = aggr_ledger_counters(a->ledger).failures;
    if (!flush(a))
        return false;
    bool stored = aggr_ledger_counters(a->ledger).failures == failures;
    int64_t now = kn_time_mono();
    *ret = now + aggr_pace_pause(pace, stored, now - began);
    return true;
}

static void follow_feed(struct aggregation *a)
{
    if (!begin(a, true))
        return;
    struct aggr_pace pace = {.interval_us = a->config->aggregation.rollup_interval};
    int64_t flush_at = kn_time_mono() + pace.interval_us;
    while (!aggr_stopping(a)) {
        struct kn_feed_event event;
        enum kn_status status = kn_feed_reader_next(a->reader, READ_US, &event);
        if (status == KN_CLOSED)
            break;
        if (status != KN_OK) {
            aggr_note_storage(a, status);
            if (aggr_sleep_until(a, kn_time_mono() + PAUSE_US))
                break;
            continue;
        }
        enum aggr_ledger_next next = take_event(a, &event);
        if (next != AGGR_LEDGER_READ) {
            if (aggr_sleep_until(a, kn_time_mono() + PAUSE_US) ||
                !begin(a, next == AGGR_LEDGER_RETRY))
                break;
        }
        bool due = kn_time_mono() >= flush_at || aggr_ledger_full(a->ledger);
        if (due && !flush_paced(a, &pace, &flush_at))
            break;
    }
    atomic_store(&a->request_us, LAST_FLUSH_US);
    (void)aggr_ledger_flush(a->ledger);
}

void *aggr_read_feed(void *arg)
{
    struct aggregation *a = arg;
    follow_feed(a);
    pthread_mutex_lock(&a->stop_lock);
    a->reader_ended = true;
    pthread_cond_broadcast(&a->stop_wake);
    pthread_mutex_unlock(&a->stop_lock);
    return NULL;
}
