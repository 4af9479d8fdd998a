#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/common/time.h"
#include "services/control/depths.h"

enum { NONE = -1 };

/* Depths at 10 s, 20 s, and so on; the task was sent again after 35 s. */
static const struct {
    const char *what;
    int depths[6];
    int now; /* NONE: not known */
    bool may_hold;
} cases[] = {
    {"empty before and after", {0, 0, 0, 0, NONE}, 0, false},
    {"one came", {0, 0, 0, 1, NONE}, 1, true},
    {"one came since the last measurement", {0, 0, 0, 0, NONE}, 1, true},
    {"others were there before", {7, 7, 7, 7, 7, NONE}, 7, false},
    {"others went", {7, 7, 7, 5, 3, NONE}, 3, false},
    {"it came behind the others", {7, 7, 7, 8, 8, NONE}, 8, true},
    {"it came, and others went", {7, 7, 7, 8, 5, NONE}, 5, true},
    {"it came and went", {0, 0, 0, 1, 0, NONE}, 0, false},
    {"it went, and another came", {0, 0, 0, 1, 0, 1}, 1, true},
    {"it grew before", {0, 3, 7, 7, 7, NONE}, 7, false},
    {"the queue is new", {NONE}, 1, true},
    {"the queue is new and empty", {NONE}, 0, false},
    {"never measured", {NONE}, NONE, false},
};

static void a_queue_that_has_not_grown_has_no_new_message(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct kn_msg_queue_point points[6];
        struct kn_msg_queue queue = {.history = {.items = points}};
        for (int i = 0; i < 6 && cases[c].depths[i] != NONE; i++)
            points[queue.history.count++] = (struct kn_msg_queue_point){
                .at = 10 * (i + 1) * KN_SECOND, .messages = (uint64_t)cases[c].depths[i]};
        if (cases[c].now != NONE)
            queue.messages = KN_SOME_I64(cases[c].now);
        if (control_depths_may_hold(&queue, 35 * KN_SECOND) != cases[c].may_hold)
            fail_msg("%s", cases[c].what);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_that_has_not_grown_has_no_new_message),
        cmocka_unit_test(a_consumed_queue_is_not_parked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
