#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/common/count.h"
#include "services/common/data/arena.h"
#include "services/common/process/log.h"
#include "services/common/text/buf.h"
#include "services/common/text/time.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void utf8_is_checked_as_rfc_3629_has_it(void **state)
{
    (void)state;
    static const struct {
        struct kn_str text;
        bool valid;
    } cases[] = {
        {KN_STR(""), true},
        {KN_STR("plain text that is longer than a word"), true},
        {KN_STR("\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x8c\xbc"), true},
        {KN_STR("abcdefg\xc3\xa4"), true},
        {KN_STR("\xc0\x80"), false},
        {KN_STR("\xe0\x80\x80"), false},
        {KN_STR("\xed\xa0\x80"), false},
        {KN_STR("\xf4\x90\x80\x80"), false},
        {KN_STR("\xf0\x80\x80\x80"), false},
        {KN_STR("\xff"), false},
        {KN_STR("12345678\xc3"), false},
        {KN_STR("\xe6\xbc"), false},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        assert_int_equal(kn_utf8_valid(cases[i].text), cases[i].valid);
}

static void utf8_head_never_cuts_a_character(void **state)
{
    (void)state;
    struct kn_str text = KN_STR("a\xe6\xbc\xa2z");
    assert_int_equal(kn_utf8_head(text, 5).len, 5);
    assert_int_equal(kn_utf8_head(text, 4).len, 4);
    assert_int_equal(kn_utf8_head(text, 3).len, 1);
    assert_int_equal(kn_utf8_head(text, 2).len, 1);
    assert_int_equal(kn_utf8_head(text, 0).len, 0);
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    int64_t i;
    uint64_t u;
    double f;
    assert_true(kn_str_to_i64(KN_STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_false(kn_str_to_i64(KN_STR("9223372036854775808"), &i));
    assert_false(kn_str_to_i64(KN_STR("12x"), &i));
    assert_false(kn_str_to_i64(KN_STR(""), &i));
    assert_true(kn_str_to_u64(KN_STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(kn_str_to_u64(KN_STR("-1"), &u));
    assert_true(kn_str_to_f64(KN_STR("-2.5e3"), &f) && f < -2499.0 && f > -2501.0);
    assert_false(kn_str_to_f64(KN_STR("nan"), &f));
    assert_false(kn_str_to_f64(KN_STR("1e999"), &f));
    assert_false(kn_str_to_f64(KN_STR("0x10"), &f));
}

static void buffer_keeps_its_first_error(void **state)
{
    (void)state;
    struct kn_buf buf;
    kn_buf_init(&buf, 8);
    kn_buf_text(&buf, "12345678");
    assert_int_equal(kn_buf_status(&buf), KN_OK);
    kn_buf_char(&buf, '9');
    kn_buf_fail(&buf, KN_IO);
    assert_int_equal(kn_buf_status(&buf), KN_TOO_BIG);
    assert_int_equal(kn_buf_view(&buf).len, 8);
    assert_string_equal(kn_buf_cstr(&buf), "12345678");
    assert_null(kn_buf_take(&buf, NULL));
    kn_buf_clear(&buf);
    assert_null(kn_buf_cstr(&buf));
    kn_buf_printf(&buf, "%d-%s", 7, "x");
    size_t len;
    char *text = kn_buf_take(&buf, &len);
    assert_string_equal(text, "7-x");
    assert_int_equal(len, 3);
    free(text);
    kn_buf_fini(&buf);
}

static void what_shares_a_budget_takes_no_more_than_it_has(void **state)
{
    (void)state;
    struct kn_budget budget;
    struct kn_buf one, two;
    struct kn_arena arena;
    kn_budget_init(&budget, 1 << 20);
    kn_buf_init(&one, 0);
    kn_buf_init(&two, 0);
    kn_arena_init(&arena, 0);
    one.budget = two.budget = arena.budget = &budget;
    assert_non_null(kn_buf_reserve(&one, 600 << 10));
    assert_non_null(kn_buf_reserve(&two, 1000)); /* small: always granted */
    assert_null(kn_arena_alloc(&arena, 600 << 10));
    assert_null(kn_buf_reserve(&two, 600 << 10));
    assert_int_equal(kn_buf_status(&two), KN_FULL);
    assert_int_equal(atomic_load(&budget.refused), 2);
    kn_buf_leave_budget(&one);
    assert_non_null(kn_arena_alloc(&arena, 600 << 10));
    kn_arena_fini(&arena);
    kn_buf_clear(&two);
    kn_buf_text(&two, "text");
    free(kn_buf_take(&two, NULL));
    assert_int_equal(atomic_load(&budget.used), 0);
    kn_buf_fini(&one);
    kn_buf_fini(&two);
    assert_int_equal(atomic_load(&budget.used), 0);
}

static void texts_are_compared_whatever_the_case_of_ascii_letters(void **state)
{
    (void)state;
    static const struct {
        struct kn_str text, part;
        bool same, has;
    } cases[] = {
        {KN_STR("Abc"), KN_STR("aBC"), true, true},
        {KN_STR("xAbcx"), KN_STR("aBC"), false, true},
        {KN_STR("xAbc"), KN_STR("bcd"), false, false},
        {KN_STR("aaAb"), KN_STR("AAB"), false, true},
        {KN_STR("abc"), KN_STR(""), false, true},
        {KN_STR(""), KN_STR(""), true, true},
        {KN_STR(""), KN_STR("a"), false, false},
        {KN_STR("Ü"), KN_STR("ü"), false, false},
        {KN_STR("@["), KN_STR("`{"), false, false}, /* 32 apart, too */
        {KN_STR("a\0B"), KN_STR("A\0b"), true, true},
        {KN_STR_ABSENT, KN_STR(""), true, true},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        assert_int_equal(kn_str_eq_nocase(cases[i].text, cases[i].part), cases[i].same);
        assert_int_equal(kn_str_has_nocase(cases[i].text, cases[i].part), cases[i].has);
    }
}

static void hexadecimal_digits_have_a_value(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    for (int c = -128; c < 128; c++) {
        const char *at = c > 0 ? strchr(digits, c) : NULL;
        const char *up = c > 0 ? strchr(upper, c) : NULL;
        assert_int_equal(kn_hex_digit((char)c), at ? at - digits : up ? up - upper : -1);
    }
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    static const struct {
        struct kn_str in;
        const char *out;
    } cases[] = {
        {KN_STR("a\"b\\c\n\r\t\x01/"), "\"a\\\"b\\\\c\\n\\r\\t\\u0001/\""},
        {KN_STR("\xe6\xbc\xa2\xf0\x9f\x8c\xbc"), "\"\xe6\xbc\xa2\xf0\x9f\x8c\xbc\""},
        {KN_STR("a\xff"
                "b\xc3"),
         "\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\""},
        {KN_STR("\xff\xe6\xbc\xa2z"), "\"\xef\xbf\xbd\xe6\xbc\xa2z\""},
        {KN_STR("\xc3\xa9\"\n\xff"), "\"\xc3\xa9\\\"\\n\xef\xbf\xbd\""},
        {KN_STR(""), "\"\""},
        {KN_STR_ABSENT, "null"},
    };
    struct kn_buf buf;
    kn_buf_init(&buf, 0);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        kn_buf_clear(&buf);
        kn_buf_json_str(&buf, cases[i].in);
        kn_buf_char(&buf, '\0');
        assert_int_equal(kn_buf_status(&buf), KN_OK);
        assert_string_equal(kn_buf_view(&buf).ptr, cases[i].out);
    }
    kn_buf_fini(&buf);
}

static void json_numbers_read_back_the_same(void **state)
{
    (void)state;
    static const double values[] = {0.0, 0.1, -1.5, 1.0 / 3, 1e300, 123456789.123456};
    struct kn_buf buf;
    kn_buf_init(&buf, 0);
    for (size_t i = 0; i < KN_COUNT_OF(values); i++) {
        kn_buf_clear(&buf);
        kn_buf_json_f64(&buf, values[i]);
        kn_buf_char(&buf, '\0');
        assert_true(strtod(kn_buf_view(&buf).ptr, NULL) == values[i]);
    }
    kn_buf_clear(&buf);
    kn_buf_json_f64(&buf, NAN);
    assert_true(kn_str_eq(kn_buf_view(&buf), KN_STR("null")));
    kn_buf_fini(&buf);
}

/* What %g says with as few digits as read back. */
static void expect_shortest(struct kn_buf *buf, double value)
{
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    kn_buf_clear(buf);
    kn_buf_json_f64(buf, value);
    kn_buf_char(buf, '\0');
    assert_string_equal(kn_buf_view(buf).ptr, text);
}

static void json_numbers_are_short(void **state)
{
    (void)state;
    static const double values[] = {0.0001,    0.00009999, 0.0000001,   1,      10,  100.5,
                                    9999999.5, 9999999,    10000000.25, 0.3,    -20, 0.1234567,
                                    1.0 / 3,   0.12345678, 123456.7,    1e-300, 0};
    struct kn_buf buf;
    kn_buf_init(&buf, 0);
    for (size_t i = 0; i < KN_COUNT_OF(values); i++)
        expect_shortest(&buf, values[i]);
    for (uint64_t us = 1; us < UINT64_C(1) << 40; us = us * 9 / 8 + 1) {
        expect_shortest(&buf, (double)us / 1e6);
        expect_shortest(&buf, -((double)us / 2e6));
        expect_shortest(&buf, (double)us / 3e6);
    }
    kn_buf_fini(&buf);
}

static void whole_numbers_are_written_in_decimal(void **state)
{
    (void)state;
    struct kn_buf buf;
    kn_buf_init(&buf, 0);
    kn_buf_i64(&buf, INT64_MIN);
    kn_buf_char(&buf, ' ');
    kn_buf_i64(&buf, 0);
    kn_buf_char(&buf, ' ');
    kn_buf_u64(&buf, UINT64_MAX);
    assert_true(
        kn_str_eq(kn_buf_view(&buf), KN_STR("-9223372036854775808 0 18446744073709551615")));
    kn_buf_fini(&buf);
}

static void arena_gives_zeroed_memory_within_its_bound(void **state)
{
    (void)state;
    struct kn_arena arena;
    kn_arena_init(&arena, 100 * 1024);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++) {
            char *p = kn_arena_alloc(&arena, 1001);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            for (int k = 0; k < 1001; k++)
                assert_int_equal(p[k], 0);
            memset(p, 0xaa, 1001);
        }
        assert_false(arena.overflow);
        assert_null(kn_arena_alloc(&arena, 200 * 1024));
        assert_true(arena.overflow);
        kn_arena_reset(&arena);
        assert_false(arena.overflow);
    }
    assert_null(kn_arena_array(&arena, SIZE_MAX, 16));
    struct kn_str copy = kn_arena_str(&arena, KN_STR("abc"));
    assert_string_equal(copy.ptr, "abc");
    assert_null(kn_arena_str(&arena, KN_STR_ABSENT).ptr);
    kn_arena_fini(&arena);
}

static void times_are_read_as_python_and_rfc_3339_write_them(void **state)
{
    (void)state;
    static const struct {
        struct kn_str text;
        int64_t us;
    } good[] = {
        {KN_STR("1970-01-01T00:00:00Z"), 0},
        {KN_STR("2026-11-23T10:00:00.123456+00:00"), INT64_C(1795428000123456)},
        {KN_STR("2026-11-23T12:00:00.123456789+02:00"), INT64_C(1795428000123456)},
        {KN_STR("2026-11-23 10:00:00.1"), INT64_C(1795428000100000)},
        {KN_STR("2026-11-23T05:00-0500"), INT64_C(1795428000000000)},
        {KN_STR("2024-02-29T00:00:00Z"), INT64_C(1709164800000000)},
        {KN_STR("1969-12-31T23:59:59.999999Z"), -1},
    };
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-11-23",
                                      "2026-13-01T00:00:00Z",
                                      "2023-02-29T00:00:00Z",
                                      "2026-11-23T25:00:00Z",
                                      "2026-11-23T10:00:00.",
                                      "2026-11-23T10:00:00Zx",
                                      "2026-11-23T10:00:00+2",
                                      "0000-01-01T00:00:00Z",
                                      "2026-11-23T10:00:00.1234567890Z"};
    int64_t us;
    for (size_t i = 0; i < KN_COUNT_OF(good); i++) {
        assert_true(kn_time_parse(good[i].text, &us));
        assert_int_equal(us, good[i].us);
    }
    for (size_t i = 0; i < KN_COUNT_OF(bad); i++)
        assert_false(kn_time_parse(kn_str_from(bad[i]), &us));
    char text[KN_TIME_TEXT];
    kn_time_format(INT64_C(1795428000123456), text);
    assert_string_equal(text, "2026-11-23T10:00:00.123456Z");
    kn_time_format(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
    kn_time_format(INT64_C(-62135596800000000), text);
    assert_string_equal(text, "0001-01-01T00:00:00.000000Z");
    kn_time_format(INT64_C(253402300800000001), text);
    assert_string_equal(text, "10000-01-01T00:00:00.000001Z");
}

static void durations_have_units(void **state)
{
    (void)state;
    int64_t us;
    assert_true(kn_duration_parse(KN_STR("500ms"), &us) && us == 500000);
    assert_true(kn_duration_parse(KN_STR("1.5s"), &us) && us == 1500000);
    assert_true(kn_duration_parse(KN_STR("30d"), &us) && us == 30 * KN_DAY);
    assert_true(kn_duration_parse(KN_STR("90"), &us) && us == 90 * KN_SECOND);
    assert_false(kn_duration_parse(KN_STR("3y"), &us));
    assert_false(kn_duration_parse(KN_STR(""), &us));
    assert_false(kn_duration_parse(KN_STR("-1s"), &us));
    assert_false(kn_duration_parse(KN_STR("99999999999999w"), &us));
}

static void log_limit_lets_a_burst_through_and_counts_the_rest(void **state)
{
    (void)state;
    struct kn_log_limit limit = {0};
    uint64_t skipped;
    int allowed = 0;
    for (int i = 0; i < 1000; i++)
        allowed += kn_log_allow(&limit, &skipped);
    assert_in_range(allowed, 10, 20);
    assert_int_equal(limit.skipped, 1000 - allowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_checked_as_rfc_3629_has_it),
        cmocka_unit_test(utf8_head_never_cuts_a_character),
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(buffer_keeps_its_first_error),
        cmocka_unit_test(what_shares_a_budget_takes_no_more_than_it_has),
        cmocka_unit_test(texts_are_compared_whatever_the_case_of_ascii_letters),
        cmocka_unit_test(hexadecimal_digits_have_a_value),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(json_numbers_read_back_the_same),
        cmocka_unit_test(json_numbers_are_short),
        cmocka_unit_test(whole_numbers_are_written_in_decimal),
        cmocka_unit_test(arena_gives_zeroed_memory_within_its_bound),
        cmocka_unit_test(times_are_read_as_python_and_rfc_3339_write_them),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(log_limit_lets_a_burst_through_and_counts_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
