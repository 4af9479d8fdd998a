#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/aggregation/rollups.h"
#include "services/common/count.h"
#include "services/common/data/sketch.h"

#include <math.h>

#define VALUES(...)                                                                                \
    {                                                                                              \
        .items = (double[]){__VA_ARGS__}, .count = sizeof((double[]){__VA_ARGS__}) / 8             \
    }

static void add(struct aggr_rollups *rollups, struct kn_msg_rollup_delta delta)
{
    assert_int_equal(aggr_rollups_add(rollups, &delta), KN_OK);
}

static void deltas_of_one_key_are_summed_up(void **state)
{
    (void)state;
    struct aggr_rollups *rollups = aggr_rollups_new();
    struct kn_msg_rollup_delta delta = {.minute = 60,
                                        .source = KN_STR("a"),
                                        .name = KN_STR("t"),
                                        .worker = KN_STR("w"),
                                        .status = KN_TASK_SUCCESS,
                                        .count = 2,
                                        .runtimes = VALUES(0.5, (double)NAN, 1.5)};
    add(rollups, delta);
    delta.count = 3;
    delta.runtimes = (struct kn_f64s){0};
    delta.runtimes_removed = (struct kn_f64s)VALUES(0.5);
    delta.waits = (struct kn_f64s)VALUES(2);
    add(rollups, delta);
    assert_int_equal(aggr_rollups_rows(rollups), 1);

    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct kn_msg_rollup_put put = {0};
    assert_int_equal(aggr_rollups_rows_get(rollups, &arena, &put), KN_OK);
    assert_int_equal(put.rows.count, 1);
    const struct kn_msg_rollup *row = put.rows.items;
    assert_int_equal(row->count, 5);
    assert_int_equal(row->minute, 60);
    assert_int_equal(row->status, KN_TASK_SUCCESS);
    assert_true(kn_str_eq(row->name, KN_STR("t")) && kn_str_eq(row->worker, KN_STR("w")));
    assert_null(row->queue.ptr);
    struct kn_sketch sketch;
    kn_sketch_init(&sketch);
    assert_int_equal(kn_sketch_decode(&sketch, row->runtime), KN_OK);
    assert_int_equal(kn_sketch_count(&sketch), 1);
    assert_true(kn_sketch_sum(&sketch) == 1.5);
    assert_int_equal(kn_sketch_decode(&sketch, row->wait), KN_OK);
    assert_true(kn_sketch_sum(&sketch) == 2);
    kn_sketch_fini(&sketch);
    kn_arena_fini(&arena);
    aggr_rollups_free(rollups);
}

static void keys_that_differ_in_anything_are_kept_apart(void **state)
{
    (void)state;
    struct aggr_rollups *rollups = aggr_rollups_new();
    static const struct kn_msg_rollup_delta cases[] = {
        {.minute = 0, .source = {"a", 1}, .name = {"b", 1}, .count = 1},
        {.minute = 60, .source = {"a", 1}, .name = {"b", 1}, .count = 1},
        {.minute = 0, .source = {"ab", 2}, .name = {"", 0}, .count = 1},
        {.minute = 0, .source = {"ab", 2}, .count = 1},
        {.minute = 0, .source = {"a", 1}, .queue = {"b", 1}, .count = 1},
        {.minute = 0, .source = {"a", 1}, .name = {"b", 1}, .status = 3, .count = 1},
    };
    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
            add(rollups, cases[i]);
    assert_int_equal(aggr_rollups_rows(rollups), KN_COUNT_OF(cases));
    assert_true(aggr_rollups_bytes(rollups) > 0);
    aggr_rollups_clear(rollups);
    assert_int_equal(aggr_rollups_rows(rollups), 0);
    assert_int_equal(aggr_rollups_bytes(rollups), 0);
    aggr_rollups_free(rollups);
}

static void rows_that_add_nothing_are_left_out(void **state)
{
    (void)state;
    struct aggr_rollups *rollups = aggr_rollups_new();
    add(rollups, (struct kn_msg_rollup_delta){.count = 1, .waits = VALUES(3)});
    add(rollups, (struct kn_msg_rollup_delta){.count = -1, .waits_removed = VALUES(3)});
    add(rollups, (struct kn_msg_rollup_delta){.minute = 60, .waits = VALUES(3)});
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct kn_msg_rollup_put put = {0};
    assert_int_equal(aggr_rollups_rows_get(rollups, &arena, &put), KN_OK);
    assert_int_equal(put.rows.count, 1);
    assert_int_equal(put.rows.items[0].minute, 60);
    kn_arena_fini(&arena);
    aggr_rollups_free(rollups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deltas_of_one_key_are_summed_up),
        cmocka_unit_test(keys_that_differ_in_anything_are_kept_apart),
        cmocka_unit_test(rows_that_add_nothing_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
