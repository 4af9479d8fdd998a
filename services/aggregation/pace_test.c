#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/aggregation/pace.h"
#include "services/common/text/time.h"

static void fast_flushes_come_at_the_interval(void **state)
{
    (void)state;
    struct aggr_pace pace = {.interval_us = 5 * KN_SECOND};
    for (int i = 0; i < 3; i++)
        assert_int_equal(aggr_pace_pause(&pace, true, KN_SECOND / 100), 5 * KN_SECOND);
}

static void slow_flushes_come_less_often_but_every_minute(void **state)
{
    (void)state;
    struct aggr_pace pace = {.interval_us = 5 * KN_SECOND};
    (void)aggr_pace_pause(&pace, true, KN_SECOND);
    assert_int_equal(aggr_pace_pause(&pace, true, KN_SECOND), 20 * KN_SECOND);
    (void)aggr_pace_pause(&pace, true, KN_HOUR);
    assert_int_equal(aggr_pace_pause(&pace, true, KN_HOUR), KN_MINUTE);
}

static void one_slow_flush_does_not_keep_figures_back(void **state)
{
    (void)state;
    struct aggr_pace pace = {.interval_us = 5 * KN_SECOND};
    assert_int_equal(aggr_pace_pause(&pace, true, 4 * KN_SECOND), 5 * KN_SECOND);
    assert_int_equal(aggr_pace_pause(&pace, true, KN_SECOND / 100), 5 * KN_SECOND);
    assert_int_equal(aggr_pace_pause(&pace, true, 4 * KN_SECOND), 5 * KN_SECOND);
}

static void a_storage_that_was_away_gets_the_figures_soon(void **state)
{
    (void)state;
    struct aggr_pace pace = {.interval_us = 5 * KN_SECOND};
    assert_int_equal(aggr_pace_pause(&pace, false, 10 * KN_SECOND), 5 * KN_SECOND);
    assert_int_equal(aggr_pace_pause(&pace, false, 10 * KN_SECOND), 5 * KN_SECOND);
    assert_int_equal(aggr_pace_pause(&pace, true, 10 * KN_SECOND), 5 * KN_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_flushes_come_at_the_interval),
        cmocka_unit_test(slow_flushes_come_less_often_but_every_minute),
        cmocka_unit_test(one_slow_flush_does_not_keep_figures_back),
        cmocka_unit_test(a_storage_that_was_away_gets_the_figures_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
