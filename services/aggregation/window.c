#include "services/aggregation/window.h"

#include "services/common/data/sketch.h"
#include "services/common/text/time.h"

#include <stdlib.h>

enum { SLOT_SECONDS = 10, RATE_SLOTS = AGGR_RATE_SECONDS + 1 };

struct slot {
    int64_t counts[KN_TASK_STATUS_COUNT];
    struct kn_sketch runtime, wait;
};

struct rate_slot {
    int64_t second;
    uint64_t events;
    int64_t finished;
};

struct aggr_window {
    unsigned slots;
    int64_t current; /* number of the newest slot: seconds / SLOT_SECONDS */
    bool begun;
    struct slot total; /* sum of the ring */
    struct rate_slot rates[RATE_SLOTS];
    struct slot ring[];
};

static void slot_init(struct slot *slot)
{
    *slot = (struct slot){0};
    kn_sketch_init(&slot->runtime);
    kn_sketch_init(&slot->wait);
}

static void slot_fini(struct slot *slot)
{
    kn_sketch_fini(&slot->runtime);
    kn_sketch_fini(&slot->wait);
}

struct aggr_window *aggr_window_new(unsigned seconds)
{
    unsigned slots = seconds / SLOT_SECONDS;
    slots = slots < 1 ? 1 : slots > 360 ? 360 : slots;
    struct aggr_window *window = calloc(1, sizeof *window + slots * sizeof *window->ring);
    if (!window)
        return NULL;
    window->slots = slots;
    slot_init(&window->total);
    for (unsigned i = 0; i < slots; i++)
        slot_init(window->ring + i);
    return window;
}

void aggr_window_free(struct aggr_window *window)
{
    if (!window)
        return;
    for (unsigned i = 0; i < window->slots; i++)
        slot_fini(window->ring + i);
    slot_fini(&window->total);
    free(window);
}

/* ---- moving on ----------------------------------------------------------------- */

static void forget(struct aggr_window *window, struct slot *slot)
{
    for (unsigned i = 0; i < KN_TASK_STATUS_COUNT; i++) {
        window->total.counts[i] -= slot->counts[i];
        slot->counts[i] = 0;
    }
    if (kn_sketch_subtract(&window->total.runtime, &slot->runtime) != KN_OK)
        kn_sketch_clear(&window->total.runtime);
    if (kn_sketch_subtract(&window->total.wait, &slot->wait) != KN_OK)
        kn_sketch_clear(&window->total.wait);
    kn_sketch_clear(&slot->runtime);
    kn_sketch_clear(&slot->wait);
}

static void move_to(struct aggr_window *window, int64_t number)
{
    if (!window->begun)
        window->current = number;
    window->begun = true;
    for (int64_t i = 1; i <= window->slots && window->current + i <= number; i++)
        forget(window, window->ring + (window->current + i) % window->slots);
    if (number > window->current)
        window->current = number;
}

/* NULL for what is older than the window. */
static struct slot *slot_at(struct aggr_window *window, int64_t at_us)
{
    int64_t number = at_us / (SLOT_SECONDS * KN_SECOND);
    move_to(window, number);
    return number > window->current - window->slots ? window->ring + number % window->slots : NULL;
}

static struct rate_slot *rate_at(struct aggr_window *window, int64_t at_us)
{
    int64_t second = at_us / KN_SECOND;
    struct rate_slot *rate = window->rates + second % RATE_SLOTS;
    if (rate->second > second)
        return NULL;
    if (rate->second < second)
        *rate = (struct rate_slot){.second = second};
    return rate;
}

/* ---- adding -------------------------------------------------------------------- */

/* To the slot and to the total, or to neither: one is taken from the other later. */
static void add_values(struct kn_sketch *slot, struct kn_sketch *total,
                       const struct kn_f64s *values, int64_t n)
{
    for (size_t i = 0; i < values->count; i++) {
        if (kn_sketch_add(slot, values->items[i], n) != KN_OK)
            continue;
        if (kn_sketch_add(total, values->items[i], n) != KN_OK &&
            kn_sketch_add(slot, values->items[i], -n) != KN_OK)
            kn_sketch_clear(slot);
    }
}

static void add_delta(struct slot *slot, struct slot *total,
                      const struct kn_msg_rollup_delta *delta)
{
    slot->counts[delta->status] += delta->count;
    total->counts[delta->status] += delta->count;
    add_values(&slot->runtime, &total->runtime, &delta->runtimes, 1);
    add_values(&slot->runtime, &total->runtime, &delta->runtimes_removed, -1);
    add_values(&slot->wait, &total->wait, &delta->waits, 1);
    add_values(&slot->wait, &total->wait, &delta->waits_removed, -1);
}

void aggr_window_add(struct aggr_window *window, const struct kn_msg_feed *commit, int64_t at_us)
{
    if (at_us < 0)
        return;
    struct slot *slot = slot_at(window, at_us);
    struct rate_slot *rate = rate_at(window, at_us);
    if (rate)
        rate->events += commit->events;
    for (size_t i = 0; i < commit->deltas.count; i++) {
        const struct kn_msg_rollup_delta *delta = commit->deltas.items + i;
        if (delta->status >= KN_TASK_STATUS_COUNT)
            continue;
        if (slot)
            add_delta(slot, &window->total, delta);
        if (rate && kn_task_has_ended((enum kn_task_status)delta->status))
            rate->finished += delta->count;
    }
}

/* ---- reading ------------------------------------------------------------------- */

static int64_t at_least_0(int64_t value)
{
    return value > 0 ? value : 0;
}

static struct kn_opt_f64 quantile(const struct kn_sketch *sketch, double q)
{
    double value;
    return kn_sketch_quantile(sketch, q, &value) ? KN_SOME_F64(value) : (struct kn_opt_f64){0};
}

static struct kn_msg_quantiles *quantiles(const struct kn_sketch *sketch, struct kn_arena *arena)
{
    struct kn_msg_quantiles *ret = kn_arena_alloc(arena, sizeof *ret);
    if (!ret)
        return NULL;
    double mean;
    if (kn_sketch_mean(sketch, &mean))
        ret->mean = KN_SOME_F64(mean);
    ret->count = (uint64_t)at_least_0(kn_sketch_count(sketch));
    ret->p50 = quantile(sketch, 0.50);
    ret->p95 = quantile(sketch, 0.95);
    ret->p99 = quantile(sketch, 0.99);
    ret->min = quantile(sketch, 0);
    ret->max = quantile(sketch, 1);
    return ret;
}

static struct kn_msg_event_counts *counts(const int64_t *from, struct kn_arena *arena)
{
    struct kn_msg_event_counts *ret = kn_arena_alloc(arena, sizeof *ret);
    if (!ret)
        return NULL;
    ret->pending = at_least_0(from[KN_TASK_PENDING]);
    ret->received = at_least_0(from[KN_TASK_RECEIVED]);
    ret->started = at_least_0(from[KN_TASK_STARTED]);
    ret->success = at_least_0(from[KN_TASK_SUCCESS]);
    ret->failure = at_least_0(from[KN_TASK_FAILURE]);
    ret->retry = at_least_0(from[KN_TASK_RETRY]);
    ret->revoked = at_least_0(from[KN_TASK_REVOKED]);
    ret->rejected = at_least_0(from[KN_TASK_REJECTED]);
    ret->orphaned = at_least_0(from[KN_TASK_ORPHANED]);
    return ret;
}

/* Over the last whole seconds: the one that is under way is not counted. */
static void read_rates(const struct aggr_window *window, int64_t now_us,
                       struct kn_msg_metrics *metrics)
{
    int64_t second = now_us / KN_SECOND, finished = 0;
    uint64_t events = 0;
    for (unsigned i = 0; i < RATE_SLOTS; i++) {
        const struct rate_slot *rate = window->rates + i;
        if (rate->second >= second - AGGR_RATE_SECONDS && rate->second < second) {
            events += rate->events;
            finished += rate->finished;
        }
    }
    metrics->events_per_second = (double)events / AGGR_RATE_SECONDS;
    metrics->tasks_per_second = (double)at_least_0(finished) / AGGR_RATE_SECONDS;
}

void aggr_window_read(struct aggr_window *window, int64_t now_us, struct kn_arena *arena,
                      struct kn_msg_metrics *metrics)
{
    move_to(window, now_us / (SLOT_SECONDS * KN_SECOND));
    read_rates(window, now_us, metrics);
    metrics->window_seconds = (uint64_t)window->slots * SLOT_SECONDS;
    metrics->counts = counts(window->total.counts, arena);
    int64_t success = at_least_0(window->total.counts[KN_TASK_SUCCESS]);
    int64_t failure = at_least_0(window->total.counts[KN_TASK_FAILURE]);
    if (success + failure > 0)
        metrics->success_rate = KN_SOME_F64((double)success / (double)(success + failure));
    metrics->runtime = quantiles(&window->total.runtime, arena);
    metrics->queue_wait = quantiles(&window->total.wait, arena);
}
