#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/aggregation/gauges.h"
#include "services/aggregation/window.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <math.h>

static struct kn_msg_metrics read_at(struct aggr_window *window, int64_t second,
                                     struct kn_arena *arena)
{
    struct kn_msg_metrics metrics = {0};
    aggr_window_read(window, second * KN_SECOND, arena, &metrics);
    return metrics;
}

static void rates_are_those_of_the_last_five_whole_seconds(void **state)
{
    (void)state;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct aggr_window *window = aggr_window_new(300);
    struct kn_msg_rollup_delta deltas[] = {{.status = KN_TASK_SUCCESS, .count = 10},
                                           {.status = KN_TASK_STARTED, .count = 20}};
    struct kn_msg_feed commit = {.events = 30, .deltas = {.items = deltas, .count = 2}};
    for (int64_t second = 1000; second < 1010; second++)
        aggr_window_add(window, &commit, second * KN_SECOND + 5);
    struct kn_msg_metrics metrics = read_at(window, 1010, &arena);
    assert_true(metrics.events_per_second == 30);
    assert_true(metrics.tasks_per_second == 10);
    metrics = read_at(window, 1012, &arena);
    assert_true(metrics.events_per_second == 18);
    metrics = read_at(window, 1020, &arena);
    assert_true(metrics.events_per_second == 0);
    aggr_window_free(window);
    kn_arena_fini(&arena);
}

static void what_is_older_than_the_window_is_forgotten(void **state)
{
    (void)state;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct aggr_window *window = aggr_window_new(300);
    double old[] = {9, 9, 9}, new[] = {1};
    struct kn_msg_rollup_delta first = {
        .status = KN_TASK_FAILURE, .count = 3, .runtimes = {old, 3}, .waits = {old, 3}};
    struct kn_msg_rollup_delta second = {
        .status = KN_TASK_SUCCESS, .count = 1, .runtimes = {new, 1}};
    aggr_window_add(window, &(struct kn_msg_feed){.deltas = {.items = &first, .count = 1}},
                    1000 * KN_SECOND);
    aggr_window_add(window, &(struct kn_msg_feed){.deltas = {.items = &second, .count = 1}},
                    1200 * KN_SECOND);
    struct kn_msg_metrics metrics = read_at(window, 1200, &arena);
    assert_int_equal(metrics.window_seconds, 300);
    assert_int_equal(metrics.counts->failure, 3);
    assert_true(metrics.success_rate.set && metrics.success_rate.value == 0.25);
    assert_int_equal(metrics.runtime->count, 4);
    assert_true(fabs(metrics.runtime->p50.value - 9) < 0.09);
    assert_int_equal(metrics.queue_wait->count, 3);

    metrics = read_at(window, 1310, &arena);
    assert_int_equal(metrics.counts->failure, 0);
    assert_true(metrics.success_rate.value == 1);
    assert_int_equal(metrics.runtime->count, 1);
    assert_true(fabs(metrics.runtime->max.value - 1) < 0.01);
    assert_false(metrics.queue_wait->p99.set);

    metrics = read_at(window, 1000000, &arena);
    assert_int_equal(metrics.counts->success, 0);
    assert_false(metrics.success_rate.set);
    assert_false(metrics.runtime->mean.set);
    aggr_window_free(window);
    kn_arena_fini(&arena);
}

static void a_commit_that_comes_late_counts_where_it_belongs(void **state)
{
    (void)state;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct aggr_window *window = aggr_window_new(60);
    struct kn_msg_rollup_delta delta = {.status = KN_TASK_SUCCESS, .count = 1};
    struct kn_msg_feed commit = {.events = 5, .deltas = {.items = &delta, .count = 1}};
    static const int64_t seconds[] = {1000, 970, 945, 930, 1, -5, 998};
    for (size_t i = 0; i < KN_COUNT_OF(seconds); i++)
        aggr_window_add(window, &commit, seconds[i] * KN_SECOND);
    struct kn_msg_metrics metrics = read_at(window, 1001, &arena);
    assert_int_equal(metrics.counts->success, 3);
    assert_true(metrics.events_per_second == 2);
    metrics = read_at(window, 1035, &arena);
    assert_int_equal(metrics.counts->success, 2);
    metrics = read_at(window, 1060, &arena);
    assert_int_equal(metrics.counts->success, 0);
    aggr_window_free(window);
    kn_arena_fini(&arena);
}

static void corrections_move_counts_without_changing_the_sum(void **state)
{
    (void)state;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct aggr_window *window = aggr_window_new(60);
    double wait[] = {2}, longer[] = {4};
    struct kn_msg_rollup_delta deltas[] = {
        {.status = KN_TASK_STARTED, .count = 1, .waits = {wait, 1}},
        {.status = KN_TASK_STARTED, .count = -1, .waits_removed = {wait, 1}},
        {.name = KN_STR("t"), .status = KN_TASK_STARTED, .count = 1, .waits = {longer, 1}},
        {.status = 77, .count = 5},
    };
    aggr_window_add(window, &(struct kn_msg_feed){.deltas = {.items = deltas, .count = 4}}, 0);
    struct kn_msg_metrics metrics = read_at(window, 1, &arena);
    assert_int_equal(metrics.counts->started, 1);
    assert_int_equal(metrics.queue_wait->count, 1);
    assert_true(fabs(metrics.queue_wait->min.value - 4) < 0.04);
    aggr_window_free(window);
    kn_arena_fini(&arena);
}

static void gauges_show_what_was_said_last(void **state)
{
    (void)state;
    struct aggr_gauges *gauges = aggr_gauges_new(10);
    static const struct kn_msg_status_count counts[] = {
        {.source = {"a", 1}, .status = KN_TASK_STARTED, .count = 7},
        {.source = {"b", 1}, .status = KN_TASK_STARTED, .count = 1},
        {.source = {"a", 1}, .status = KN_TASK_STARTED, .count = 3},
        {.source = {"a", 1}, .status = KN_TASK_PENDING, .count = 5},
        {.source = {"a", 1}, .status = KN_TASK_RETRY, .count = 1},
        {.source = {"a", 1}, .status = KN_TASK_SUCCESS, .count = 100},
        {.source = {"a", 1}, .status = 200, .count = 100},
    };
    for (size_t i = 0; i < KN_COUNT_OF(counts); i++)
        aggr_gauges_count(gauges, counts + i);
    static const struct kn_msg_queue_depth depths[] = {
        {.name = {"q", 1}, .at = 100 * KN_SECOND, .messages = 10},
        {.name = {"q", 1}, .at = 105 * KN_SECOND, .messages = 20},
        {.name = {"q", 1}, .at = 101 * KN_SECOND, .messages = 99}, /* comes late */
        {.name = {"gone", 4}, .at = 100 * KN_SECOND, .messages = 50},
        {.name = {"r", 1}, .at = 300 * KN_SECOND, .messages = 4},
        {.name = {"q", 1}, .source = {"b", 1}, .at = 100 * KN_SECOND, .messages = 1},
        {.name = {"q", 1}, .at = 300 * KN_SECOND, .messages = 21},
    };
    for (size_t i = 0; i < KN_COUNT_OF(depths); i++)
        aggr_gauges_depth(gauges, depths + i, KN_STR("a"));
    struct kn_msg_metrics metrics = {0};
    aggr_gauges_read(gauges, &metrics);
    assert_int_equal(metrics.running, 4);
    assert_int_equal(metrics.waiting, 6);
    assert_int_equal(metrics.queued_messages, 26);
    assert_int_equal(aggr_gauges_left_out(gauges), 0);
    aggr_gauges_free(gauges);
}

static void gauges_have_a_bound(void **state)
{
    (void)state;
    struct aggr_gauges *gauges = aggr_gauges_new(3);
    char name[2] = "a";
    for (int i = 0; i < 5; i++, name[0]++)
        aggr_gauges_depth(
            gauges, &(struct kn_msg_queue_depth){.name = kn_str_from(name), .at = 1, .messages = 1},
            KN_STR("s"));
    struct kn_msg_metrics metrics = {0};
    aggr_gauges_read(gauges, &metrics);
    assert_int_equal(metrics.queued_messages, 3);
    assert_int_equal(aggr_gauges_left_out(gauges), 2);
    aggr_gauges_free(gauges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_those_of_the_last_five_whole_seconds),
        cmocka_unit_test(what_is_older_than_the_window_is_forgotten),
        cmocka_unit_test(a_commit_that_comes_late_counts_where_it_belongs),
        cmocka_unit_test(corrections_move_counts_without_changing_the_sum),
        cmocka_unit_test(gauges_show_what_was_said_last),
        cmocka_unit_test(gauges_have_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
