#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/common/data/sketch.h"

#include "services/common/count.h"

#include <math.h>
#include <stdlib.h>

enum { VALUES = 20000 };

static uint64_t seed = 88172645463325252u;

static double uniform(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) / 9007199254740992.0;
}

static double exponential(void)
{
    return -log(1 - uniform()) * 0.2;
}

static double pareto(void)
{
    return 0.001 / pow(1 - uniform(), 1.2);
}

static double bimodal(void)
{
    return uniform() < 0.7 ? 0.01 + uniform() * 0.002 : 30 + uniform() * 5;
}

static double constant(void)
{
    return 0.25;
}

static double tiny(void)
{
    return uniform() * 90e-6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void expect_bytes_equal(const struct kn_sketch *a, const struct kn_sketch *b)
{
    struct kn_buf x, y;
    kn_buf_init(&x, 0);
    kn_buf_init(&y, 0);
    kn_sketch_encode(a, &x);
    kn_sketch_encode(b, &y);
    assert_int_equal(kn_buf_status(&x), KN_OK);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    kn_buf_fini(&x);
    kn_buf_fini(&y);
}

static void fill(struct kn_sketch *sketch, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kn_sketch_add(sketch, values[i], 1), KN_OK);
}

static void quantiles_are_within_one_percent(void **state)
{
    (void)state;
    static double (*const distributions[])(void) = {uniform, exponential, pareto,
                                                    bimodal, constant,    tiny};
    static const double quantiles[] = {0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    double *values = malloc(VALUES * sizeof *values);
    for (size_t d = 0; d < KN_COUNT_OF(distributions); d++) {
        struct kn_sketch sketch;
        kn_sketch_init(&sketch);
        double sum = 0;
        for (size_t i = 0; i < VALUES; i++)
            sum += values[i] = distributions[d]();
        fill(&sketch, values, VALUES);
        qsort(values, VALUES, sizeof *values, by_value);
        for (size_t q = 0; q < KN_COUNT_OF(quantiles); q++) {
            double exact = values[(size_t)(quantiles[q] * (VALUES - 1))], got;
            assert_true(kn_sketch_quantile(&sketch, quantiles[q], &got));
            assert_true(fabs(got - exact) <= exact * 0.01 + 1e-6);
        }
        double all[KN_COUNT_OF(quantiles)], alone, mean;
        assert_true(kn_sketch_quantiles(&sketch, quantiles, KN_COUNT_OF(all), all));
        for (size_t q = 0; q < KN_COUNT_OF(all); q++) {
            assert_true(kn_sketch_quantile(&sketch, quantiles[q], &alone));
            assert_true(alone == all[q]);
        }
        assert_true(kn_sketch_mean(&sketch, &mean));
        assert_true(fabs(mean - sum / VALUES) <= 1e-6);
        assert_int_equal(kn_sketch_count(&sketch), VALUES);
        kn_sketch_fini(&sketch);
    }
    free(values);
}

static void same_values_give_same_bytes_in_any_order_and_grouping(void **state)
{
    (void)state;
    double values[3000];
    for (size_t i = 0; i < 3000; i++)
        values[i] = i % 3 ? exponential() : pareto();
    struct kn_sketch all, part[3], left, right;
    kn_sketch_init(&all);
    kn_sketch_init(&left);
    kn_sketch_init(&right);
    fill(&all, values, 3000);
    for (size_t p = 0; p < 3; p++) {
        kn_sketch_init(&part[p]);
        for (size_t i = 1000; i-- > 0;)
            assert_int_equal(kn_sketch_add(&part[p], values[p * 1000 + i], 1), KN_OK);
    }
    for (size_t p = 0; p < 3; p++) {
        assert_int_equal(kn_sketch_merge(&left, &part[p]), KN_OK);
        assert_int_equal(kn_sketch_merge(&right, &part[2 - p]), KN_OK);
    }
    expect_bytes_equal(&all, &left);
    expect_bytes_equal(&all, &right);

    assert_int_equal(kn_sketch_subtract(&left, &part[1]), KN_OK);
    kn_sketch_clear(&right);
    assert_int_equal(kn_sketch_merge(&right, &part[2]), KN_OK);
    assert_int_equal(kn_sketch_merge(&right, &part[0]), KN_OK);
    expect_bytes_equal(&left, &right);

    for (size_t p = 0; p < 3; p++)
        kn_sketch_fini(&part[p]);
    kn_sketch_fini(&all);
    kn_sketch_fini(&left);
    kn_sketch_fini(&right);
}

static void what_was_added_can_be_taken_out_before_or_after(void **state)
{
    (void)state;
    struct kn_sketch sketch, empty;
    kn_sketch_init(&sketch);
    kn_sketch_init(&empty);
    assert_int_equal(kn_sketch_add(&sketch, 2.5, -1), KN_OK);
    assert_int_equal(kn_sketch_add(&sketch, 0.1, 3), KN_OK);
    assert_int_equal(kn_sketch_count(&sketch), 2);
    assert_int_equal(kn_sketch_add(&sketch, 2.5, 1), KN_OK);
    double value;
    assert_true(kn_sketch_max(&sketch, &value) && fabs(value - 0.1) < 0.001);
    assert_int_equal(kn_sketch_add(&sketch, 0.1, -3), KN_OK);
    assert_true(kn_sketch_is_zero(&sketch));
    expect_bytes_equal(&sketch, &empty);
    assert_false(kn_sketch_mean(&sketch, &value));
    assert_false(kn_sketch_quantile(&sketch, 0.5, &value));
    kn_sketch_fini(&sketch);
    kn_sketch_fini(&empty);
}

static void values_at_the_edges_are_taken_in(void **state)
{
    (void)state;
    struct kn_sketch sketch;
    kn_sketch_init(&sketch);
    double value;
    assert_int_equal(kn_sketch_add(&sketch, (double)NAN, 1), KN_INVALID);
    assert_int_equal(kn_sketch_add(&sketch, -5, 1), KN_OK);
    assert_true(kn_sketch_max(&sketch, &value) && value == 0);
    assert_int_equal(kn_sketch_add(&sketch, (double)INFINITY, 1), KN_OK);
    assert_true(kn_sketch_max(&sketch, &value) && value > 1.1e9);
    assert_int_equal(kn_sketch_add(&sketch, 1, INT64_MAX), KN_TOO_BIG);
    assert_int_equal(kn_sketch_add(&sketch, 1, INT64_C(1) << 56), KN_TOO_BIG);
    assert_int_equal(kn_sketch_count(&sketch), 2);
    assert_int_equal(kn_sketch_add(&sketch, 7, 1), KN_OK);
    assert_int_equal(kn_sketch_merge(&sketch, &sketch), KN_OK);
    assert_int_equal(kn_sketch_count(&sketch), 6);
    kn_sketch_fini(&sketch);
}

static void bytes_read_back_as_the_same_sketch(void **state)
{
    (void)state;
    struct kn_sketch a, b;
    struct kn_buf bytes;
    kn_sketch_init(&a);
    kn_sketch_init(&b);
    kn_buf_init(&bytes, 0);
    for (int i = 0; i < 500; i++)
        assert_int_equal(kn_sketch_add(&a, pareto(), i % 5 ? i : -i), KN_OK);
    kn_sketch_encode(&a, &bytes);
    assert_int_equal(kn_sketch_decode(&b, kn_buf_view(&bytes)), KN_OK);
    assert_int_equal(kn_sketch_count(&a), kn_sketch_count(&b));
    assert_true(kn_sketch_sum(&a) == kn_sketch_sum(&b));
    expect_bytes_equal(&a, &b);
    for (size_t len = 1; len < bytes.len; len++) {
        assert_int_equal(kn_sketch_decode(&b, (struct kn_str){bytes.data, len}), KN_TRUNCATED);
        assert_true(kn_sketch_is_zero(&b));
    }
    assert_int_equal(kn_sketch_decode(&b, KN_STR("")), KN_OK);
    assert_true(kn_sketch_is_zero(&b));
    kn_buf_fini(&bytes);
    kn_sketch_fini(&a);
    kn_sketch_fini(&b);
}

static void hostile_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct kn_str bytes;
        enum kn_status status;
    } cases[] = {
        {KN_STR("\x02\x00\x00"), KN_VERSION},
        {KN_STR("\x01\xff\xff\xff\xff\x0f"), KN_INVALID}, /* too many buckets */
        {KN_STR("\x01\x01\x05\x00\x00"), KN_INVALID},     /* a count of 0 */
        {KN_STR("\x01\x01\xc0\x16\x02\x00"), KN_INVALID}, /* index 2880 */
        {KN_STR("\x01\x01\xbf\x16\x02\x00"), KN_OK},      /* index 2879 */
        {KN_STR("\x01\x01\x85\x00\x02\x00"), KN_INVALID}, /* longer than needed */
        {KN_STR("\x01\x00\x00\x00"), KN_INVALID},         /* something after it */
        {KN_STR("\x01\x01\x05\x80\x80\x80\x80\x80\x80\x80\x80\x08\x00"), KN_INVALID}, /* 2^58 */
        {KN_STR("\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                "\xff\x04"),
         KN_INVALID},
        {KN_STR("\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                "\xff\x03"),
         KN_INVALID}, /* a sum beyond every set of values */
        {KN_STR("\x01"), KN_TRUNCATED},
    };
    struct kn_sketch sketch;
    kn_sketch_init(&sketch);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        assert_int_equal(kn_sketch_decode(&sketch, cases[i].bytes), cases[i].status);
    kn_sketch_fini(&sketch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_within_one_percent),
        cmocka_unit_test(same_values_give_same_bytes_in_any_order_and_grouping),
        cmocka_unit_test(what_was_added_can_be_taken_out_before_or_after),
        cmocka_unit_test(values_at_the_edges_are_taken_in),
        cmocka_unit_test(bytes_read_back_as_the_same_sketch),
        cmocka_unit_test(hostile_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
