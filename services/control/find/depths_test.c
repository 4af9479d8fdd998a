#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/common/count.h"
#include "services/common/text/time.h"
#include "services/control/find/depths.h"

enum { NONE = -1 };
#define SAME CONTROL_DEPTHS_SAME
#define CHANGED CONTROL_DEPTHS_CHANGED
#define GREW CONTROL_DEPTHS_GREW

/* Depths at 10 s, 20 s, and so on; the task was sent again after 35 s. */
static const struct {
    const char *what;
    int depths[6];
    int now; /* NONE: not known */
    enum control_depths_say say;
} cases[] = {
    {"empty before and after", {0, 0, 0, 0, NONE}, 0, SAME},
    {"one came", {0, 0, 0, 1, NONE}, 1, GREW},
    {"one came since the last measurement", {0, 0, 0, 0, NONE}, 1, GREW},
    {"others were there before", {7, 7, 7, 7, 7, NONE}, 7, SAME},
    {"others went, and one may have come between two measurements",
     {7, 7, 7, 5, 3, NONE},
     3,
     CHANGED},
    {"others went before", {9, 7, 7, 7, 7, NONE}, 7, SAME},
    {"the others went, and it came", {7, 7, 7, 1, NONE}, 1, CHANGED},
    {"all went", {7, 7, 7, 5, 0, NONE}, 0, SAME},
    {"it came behind the others", {7, 7, 7, 8, 8, NONE}, 8, GREW},
    {"it came, and others went", {7, 7, 7, 8, 5, NONE}, 5, GREW},
    {"it came and went", {0, 0, 0, 1, 0, NONE}, 0, SAME},
    {"it went, and another came", {0, 0, 0, 1, 0, 1}, 1, GREW},
    {"it grew before", {0, 3, 7, 7, 7, NONE}, 7, SAME},
    {"the queue is new", {NONE}, 1, GREW},
    {"the queue is new and empty", {NONE}, 0, SAME},
    {"never measured", {NONE}, NONE, SAME},
};

static void a_queue_that_has_not_changed_has_no_new_message(void **state)
{
    (void)state;
    for (size_t c = 0; c < KN_COUNT_OF(cases); c++) {
        struct kn_msg_queue_point points[6];
        struct kn_msg_queue queue = {.history = {.items = points}};
        for (int i = 0; i < 6 && cases[c].depths[i] != NONE; i++)
            points[queue.history.count++] = (struct kn_msg_queue_point){
                .at = 10 * (i + 1) * KN_SECOND, .messages = (uint64_t)cases[c].depths[i]};
        if (cases[c].now != NONE)
            queue.messages = KN_SOME_I64(cases[c].now);
        if (control_depths_say(&queue, 35 * KN_SECOND) != cases[c].say)
            fail_msg("%s", cases[c].what);
    }
}

/* Storage thins a long history out: a point stands for several measurements. */
static void a_queue_that_changed_within_a_point_may_have_a_new_message(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int highest[3], lowest[3]; /* at 10 s, 30 s and 60 s */
        int now;
        enum control_depths_say say;
    } thinned[] = {
        {"it stayed as it was", {5, 5, 5}, {5, 5, 5}, 5, SAME},
        {"one went, and one came", {5, 5, 5}, {5, 4, 5}, 5, CHANGED},
        {"one went before, or came later", {5, 5, 5}, {3, 5, 5}, 5, CHANGED},
        {"it was purged", {5, 5, 5}, {5, 5, 0}, 0, SAME},
        {"it was purged, and one came", {5, 5, 5}, {5, 5, 0}, 5, CHANGED},
    };
    for (size_t c = 0; c < KN_COUNT_OF(thinned); c++) {
        struct kn_msg_queue_point points[3];
        struct kn_msg_queue queue = {.history = {.items = points, .count = 3},
                                     .messages = KN_SOME_I64(thinned[c].now)};
        for (int i = 0; i < 3; i++)
            points[i] = (struct kn_msg_queue_point){.at = (i == 0 ? 10 : 30 * i) * KN_SECOND,
                                                    .messages = (uint64_t)thinned[c].highest[i],
                                                    .lowest = KN_SOME_I64(thinned[c].lowest[i])};
        if (control_depths_say(&queue, 20 * KN_SECOND) != thinned[c].say)
            fail_msg("%s", thinned[c].what);
    }
}

static void a_queue_of_delayed_delivery_may_have_a_new_message(void **state)
{
    (void)state;
    struct kn_msg_queue_point point = {.at = KN_SECOND, .messages = 3};
    struct kn_msg_queue queue = {.name = KN_STR("celery_delayed_5"),
                                 .history = {.items = &point, .count = 1},
                                 .messages = KN_SOME_I64(3)};
    assert_int_equal(control_depths_say(&queue, 20 * KN_SECOND), CONTROL_DEPTHS_CHANGED);
    queue.messages = KN_SOME_I64(0);
    assert_int_equal(control_depths_say(&queue, 20 * KN_SECOND), CONTROL_DEPTHS_SAME);
    queue.messages = KN_SOME_I64(3);
    queue.name = KN_STR("parked");
    assert_int_equal(control_depths_say(&queue, 20 * KN_SECOND), CONTROL_DEPTHS_SAME);
}

static void a_consumed_queue_is_not_parked(void **state)
{
    (void)state;
    struct kn_str worker = KN_STR("w@h");
    struct kn_msg_queue queue = {.name = KN_STR("q")};
    assert_true(control_depths_parked(&queue));
    queue.consumers = KN_SOME_I64(0);
    assert_true(control_depths_parked(&queue));
    queue.consumers = KN_SOME_I64(1);
    assert_false(control_depths_parked(&queue));
    queue.consumers = KN_SOME_I64(0);
    queue.workers = (struct kn_strs){&worker, 1};
    assert_false(control_depths_parked(&queue));
}

static void only_a_measurement_after_a_worker_missed_the_task_counts(void **state)
{
    (void)state;
    int64_t now = 100 * KN_SECOND;
    struct kn_msg_queue queue = {.measured_at = 90 * KN_SECOND};
    assert_false(control_depths_counts(&queue, control_depths_fresh(now, 20 * KN_SECOND)));
    queue.messages = KN_SOME_I64(0);
    assert_true(control_depths_counts(&queue, control_depths_fresh(now, 20 * KN_SECOND)));
    assert_false(control_depths_counts(&queue, control_depths_fresh(now, 5 * KN_SECOND)));
    assert_false(control_depths_counts(&queue, control_depths_fresh(now, 11 * KN_SECOND)));
    queue.measured_at = 69 * KN_SECOND; /* too old, though it was missing before */
    assert_false(control_depths_counts(&queue, control_depths_fresh(now, KN_MINUTE)));
}

static void a_round_leaves_out_what_is_gone(void **state)
{
    (void)state;
    struct kn_msg_queue queues[] = {
        {.name = KN_STR("deleted"), .messages = KN_SOME_I64(0), .measured_at = 5 * KN_SECOND},
        {.name = KN_STR("there"), .messages = KN_SOME_I64(0), .measured_at = 6 * KN_SECOND},
        {.name = KN_STR("never measured")},
    };
    struct kn_msg_queue_list list = {.items = {queues, 3}};
    int64_t round = control_depths_round(&list);
    assert_int_equal(round, 6 * KN_SECOND);
    assert_true(control_depths_left_out(&queues[0], round));
    assert_false(control_depths_left_out(&queues[1], round));
    assert_false(control_depths_left_out(&queues[2], round));
    list.items.count = 0;
    assert_int_equal(control_depths_round(&list), 0);
}

static void only_a_queue_that_grew_may_have_a_message_of_a_task_that_is_done(void **state)
{
    (void)state;
    static const struct {
        enum kn_task_status status;
        bool changed; /* whether that is enough */
    } expected[] = {
        {KN_TASK_REVOKED, false}, {KN_TASK_SUCCESS, false}, {KN_TASK_FAILURE, false},
        {KN_TASK_ORPHANED, true}, {KN_TASK_REJECTED, true}, {KN_TASK_STARTED, true},
    };
    for (size_t i = 0; i < KN_COUNT_OF(expected); i++) {
        assert_false(control_depths_suspects(SAME, expected[i].status));
        assert_int_equal(control_depths_suspects(CHANGED, expected[i].status), expected[i].changed);
        assert_true(control_depths_suspects(GREW, expected[i].status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_that_has_not_changed_has_no_new_message),
        cmocka_unit_test(a_queue_that_changed_within_a_point_may_have_a_new_message),
        cmocka_unit_test(only_a_measurement_after_a_worker_missed_the_task_counts),
        cmocka_unit_test(a_queue_of_delayed_delivery_may_have_a_new_message),
        cmocka_unit_test(a_consumed_queue_is_not_parked),
        cmocka_unit_test(a_round_leaves_out_what_is_gone),
        cmocka_unit_test(only_a_queue_that_grew_may_have_a_message_of_a_task_that_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
