#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/settle/ask_schedule.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdio.h>

#define ID KN_STR("t")

static struct control_ask_schedule *fresh(size_t max, unsigned rate)
{
    struct control_ask_schedule *asked = control_ask_schedule_new(&(
        struct control_ask_schedule_options){
        .tasks_max = max, .rate = rate, .first_us = 4 * KN_SECOND, .confirm_us = 2 * KN_SECOND});
    assert_non_null(asked);
    return asked;
}

static void pauses_grow_and_news_shorten_them(void **state)
{
    (void)state;
    static const int64_t pauses[] = {4, 8, 15, 15, 15}; /* seconds */
    struct control_ask_schedule *asked = fresh(10, 100);
    int64_t now = 1000;
    for (int news = 0; news < 2; news++) {
        for (size_t i = 0; i < KN_COUNT_OF(pauses); i++) {
            assert_true(control_ask_schedule_due(asked, ID, 77 + news, now));
            control_ask_schedule_nothing(asked, ID, now);
            assert_false(
                control_ask_schedule_due(asked, ID, 77 + news, now + pauses[i] * KN_SECOND - 1));
            now += pauses[i] * KN_SECOND;
        }
    }
    control_ask_schedule_free(asked);
}

static void many_tasks_wait_longer_so_that_the_rate_is_kept(void **state)
{
    (void)state;
    struct control_ask_schedule *asked = fresh(1000, 10);
    char text[16];
    int64_t now = 1, asked_for = 0;
    for (int second = 0; second < 2000; second++, now += KN_SECOND) {
        for (int i = 0; i < 1000; i++) {
            snprintf(text, sizeof text, "%d", i);
            if (!control_ask_schedule_due(asked, kn_str_from(text), 5, now))
                continue;
            control_ask_schedule_nothing(asked, kn_str_from(text), now);
            asked_for += second >= 1000;
        }
    }
    assert_true(asked_for <= 1000 * 10);
    assert_true(asked_for >= 1000); /* each of them, in its turn */
    control_ask_schedule_free(asked);
}

static void a_worker_has_to_say_twice_that_it_has_not_got_a_task(void **state)
{
    (void)state;
    struct control_ask_schedule *asked = fresh(10, 100);
    int64_t now = KN_SECOND;
    assert_true(control_ask_schedule_due(asked, ID, 1, now));
    assert_int_equal(control_ask_schedule_missing_at(asked, ID), 0);
    assert_false(control_ask_schedule_missing(asked, ID, now));
    assert_int_equal(control_ask_schedule_missing_at(asked, ID), now);
    assert_false(control_ask_schedule_due(asked, ID, 1, now + KN_SECOND));
    assert_false(control_ask_schedule_missing(asked, ID, now + KN_SECOND));
    assert_true(control_ask_schedule_due(asked, ID, 1, now + 2 * KN_SECOND));
    assert_true(control_ask_schedule_missing(asked, ID, now + 2 * KN_SECOND));
    assert_int_equal(control_ask_schedule_missing_at(asked, ID), now);

    control_ask_schedule_nothing(asked, ID, now + 2 * KN_SECOND); /* it has it after all */
    assert_int_equal(control_ask_schedule_missing_at(asked, ID), 0);
    assert_false(control_ask_schedule_missing(asked, ID, now + 9 * KN_SECOND));
    assert_true(control_ask_schedule_due(asked, ID, 2, now + 9 * KN_SECOND)); /* news */
    assert_false(control_ask_schedule_missing(asked, ID, now + 20 * KN_SECOND));
    control_ask_schedule_free(asked);
}

static void while_its_messages_are_unknown_a_task_stays_missing(void **state)
{
    (void)state;
    struct control_ask_schedule *asked = fresh(10, 100);
    int64_t now = KN_SECOND;
    assert_true(control_ask_schedule_due(asked, ID, 1, now));
    assert_false(control_ask_schedule_missing(asked, ID, now));
    for (int64_t later = 3, pause = 4; later < 15; later += pause, pause *= 2) {
        assert_true(control_ask_schedule_due(asked, ID, 1, later * KN_SECOND));
        assert_true(control_ask_schedule_missing(asked, ID, later * KN_SECOND));
        control_ask_schedule_unknown(asked, ID, later * KN_SECOND);
        assert_int_equal(control_ask_schedule_missing_at(asked, ID), now);
        assert_false(control_ask_schedule_due(asked, ID, 1, (later + pause) * KN_SECOND - 1));
    }
    assert_true(control_ask_schedule_due(asked, ID, 2, 15 * KN_SECOND)); /* news */
    assert_int_equal(control_ask_schedule_missing_at(asked, ID), 0);
    control_ask_schedule_unknown(asked, KN_STR("other"), now);
    control_ask_schedule_free(asked);
}

static void what_is_listed_no_more_is_forgotten_and_the_table_is_bounded(void **state)
{
    (void)state;
    struct control_ask_schedule *asked = fresh(2, 100);
    assert_true(control_ask_schedule_due(asked, KN_STR("a"), 1, 1));
    assert_true(control_ask_schedule_due(asked, KN_STR("b"), 1, 1));
    assert_true(control_ask_schedule_due(asked, KN_STR("c"), 1, 1));
    control_ask_schedule_nothing(asked, KN_STR("c"), 1);
    assert_true(control_ask_schedule_due(asked, KN_STR("c"), 1, 2));
    assert_false(control_ask_schedule_missing(asked, KN_STR("c"), 1));
    assert_false(control_ask_schedule_missing(asked, KN_STR("c"), KN_HOUR));
    control_ask_schedule_lap(asked);
    (void)control_ask_schedule_due(asked, KN_STR("a"), 1, 3);
    control_ask_schedule_lap(asked);
    assert_int_equal(control_ask_schedule_count(asked), 1);
    control_ask_schedule_done(asked, KN_STR("a"));
    assert_int_equal(control_ask_schedule_count(asked), 0);
    control_ask_schedule_free(asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow_and_news_shorten_them),
        cmocka_unit_test(many_tasks_wait_longer_so_that_the_rate_is_kept),
        cmocka_unit_test(a_worker_has_to_say_twice_that_it_has_not_got_a_task),
        cmocka_unit_test(while_its_messages_are_unknown_a_task_stays_missing),
        cmocka_unit_test(what_is_listed_no_more_is_forgotten_and_the_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
