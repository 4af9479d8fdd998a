#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/celery/python/pyliteral.h"

#include "services/common/count.h"

#include <stdio.h>
#include <stdlib.h>

struct literal_case {
    struct kn_str python;
    enum kn_status status;
    const char *json;
};

#define SAYS(python, json)                                                                         \
    {                                                                                              \
        KN_STR(python), KN_OK, json                                                                \
    }
#define REFUSED(python, why)                                                                       \
    {                                                                                              \
        KN_STR(python), KN_##why, NULL                                                             \
    }

static void check(const struct literal_case *c)
{
    struct kn_buf json;
    kn_buf_init(&json, 0);
    enum kn_status status = celery_literal_to_json(c->python, NULL, &json, NULL);
    struct kn_str view = kn_buf_view(&json);
    if (status != c->status || (c->json && !kn_str_eq(view, kn_str_from(c->json))))
        fail_msg("%.*s: %s %.*s, expected %s %s", KN_STR_ARG(c->python), kn_status_name(status),
                 KN_STR_ARG(view), kn_status_name(c->status), c->json ? c->json : "");
    if (status != KN_OK)
        assert_int_equal(view.len, 0);
    kn_buf_fini(&json);
}

#define CHECK_ALL(cases)                                                                           \
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)                                                \
    check(&(cases)[i])

static void containers_become_arrays_and_objects(void **state)
{
    (void)state;
    static const struct literal_case cases[] = {
        SAYS("()", "[]"),
        SAYS("[]", "[]"),
        SAYS("{}", "{}"),
        SAYS("(1,)", "[1]"),
        SAYS("(1, 2)", "[1,2]"),
        SAYS("(1)", "1"),
        SAYS("((((1))))", "1"),
        SAYS("((1,),)", "[[1]]"),
        SAYS("1, 2", "[1,2]"),
        SAYS("'a',", "[\"a\"]"),
        SAYS("[1, [2, (3,)], {'a': []}, ]", "[1,[2,[3]],{\"a\":[]}]"),
        SAYS("{'a': 1, 'b': {'c': None, }}", "{\"a\":1,\"b\":{\"c\":null}}"),
        SAYS("{('a'): 1}", "{\"a\":1}"),
        SAYS(" \t(\n1,\n2\n)\n", "[1,2]"),
        SAYS("(True, False, None)", "[true,false,null]"),
        REFUSED("", INVALID),
        REFUSED("  ", INVALID),
        REFUSED("(", INVALID),
        REFUSED(")", INVALID),
        REFUSED("(1", INVALID),
        REFUSED("(1]", INVALID),
        REFUSED("[1,,2]", INVALID),
        REFUSED("[,]", INVALID),
        REFUSED("(,)", INVALID),
        REFUSED("[1 2]", INVALID),
        REFUSED("1 2", INVALID),
        REFUSED("1\n2", INVALID),
        REFUSED("{'a'}x", INVALID),
        REFUSED("{'a': }", INVALID),
        REFUSED("{'a': 1, 'b'}", INVALID),
        REFUSED("{'a', 'b': 1}", INVALID),
        REFUSED("{'a': 1: 2}", INVALID),
        REFUSED("['a': 1]", INVALID),
        REFUSED("{: 1}", INVALID),
        REFUSED("true", INVALID),
        REFUSED("null", INVALID),
        REFUSED("Nonesuch", INVALID),
        REFUSED("<Thing object at 0x7f>", INVALID),
        REFUSED("datetime.datetime(2026, 1, 1)", INVALID),
        REFUSED("Decimal('1.5')", INVALID),
        REFUSED("[x for x in y]", INVALID),
        REFUSED("-True", INVALID),
        REFUSED("'\xff'", INVALID),
        REFUSED("1\0", INVALID),
    };
    CHECK_ALL(cases);
}

static void texts_follow_pythons_rules(void **state)
{
    (void)state;
    static const struct literal_case cases[] = {
        SAYS("''", "\"\""),
        SAYS("\"it's\"", "\"it's\""),
        SAYS("'say \"hi\"'", "\"say \\\"hi\\\"\""),
        SAYS("'don\\'t'", "\"don't\""),
        SAYS("'a\\\\b'", "\"a\\\\b\""),
        SAYS("'\\a\\b\\f\\n\\r\\t\\v'", "\"\\u0007\\u0008\\u000c\\n\\r\\t\\u000b\""),
        SAYS("'\\x41\\u00e4\\U0001f600'", "\"A\xc3\xa4\xf0\x9f\x98\x80\""),
        SAYS("'\\0\\101\\1234'", "\"\\u0000AS4\""),
        SAYS("'\\d\\q'", "\"\\\\d\\\\q\""),
        SAYS("'a\\\nb'", "\"ab\""),
        SAYS("'tab\there'", "\"tab\\there\""),
        SAYS("'\x01'", "\"\\u0001\""),
        SAYS("'\x7f\xe6\xbc\xa2'", "\"\x7f\xe6\xbc\xa2\""),
        SAYS("r'a\\nb'", "\"a\\\\nb\""),
        SAYS("R'it\\'s'", "\"it\\\\'s\""),
        SAYS("r'\\\\'", "\"\\\\\\\\\""),
        SAYS("u'\xc3\xa4'", "\"\xc3\xa4\""),
        SAYS("U\"x\"", "\"x\""),
        SAYS("'a' 'b' \"c\"", "\"abc\""),
        SAYS("('a'\n r'\\n')", "\"a\\\\n\""),
        SAYS("('a' 'b',)", "[\"ab\"]"),
        SAYS("'''a\n'b' \"c\"\r\nd'''", "\"a\\n'b' \\\"c\\\"\\nd\""),
        SAYS("\"\"\"x\"\"\"", "\"x\""),
        SAYS("''''a'''", "\"'a\""),
        REFUSED("'a", INVALID),
        REFUSED("'a\\'", INVALID),
        REFUSED("'a\\", INVALID),
        REFUSED("'a\nb'", INVALID),
        REFUSED("'''a''", INVALID),
        REFUSED("'\\x4'", INVALID),
        REFUSED("'\\xg1'", INVALID),
        REFUSED("'\\u12'", INVALID),
        REFUSED("'\\U00110000'", INVALID),
        REFUSED("f'x'", INVALID),
        REFUSED("ur'x'", INVALID),
        REFUSED("bu'x'", INVALID),
        REFUSED("rr'x'", INVALID),
        REFUSED("'a\\N'", INVALID),
        REFUSED("'\\N{DASH'", INVALID),
        REFUSED("'a' b'b'", INVALID),
        REFUSED("r'\\'", INVALID),
        REFUSED("'\\N{EM DASH}'", UNSUPPORTED),
        REFUSED("'\\ud83d'", UNSUPPORTED),
        REFUSED("b'x'", UNSUPPORTED),
        REFUSED("(b'\\x00\\xff', 1)", UNSUPPORTED),
        REFUSED("rb'\\'' bR\"x\"", UNSUPPORTED),
        REFUSED("b'\\x0'", INVALID),
    };
    CHECK_ALL(cases);
}

static void numbers_keep_every_digit(void **state)
{
    (void)state;
    static const struct literal_case cases[] = {
        SAYS("0", "0"),
        SAYS("-0", "0"),
        SAYS("00", "0"),
        SAYS("0_0", "0"),
        SAYS("+7", "7"),
        SAYS("- 7", "-7"),
        SAYS("1_000_000", "1000000"),
        SAYS("123456789012345678901234567890", "123456789012345678901234567890"),
        SAYS("0xff", "255"),
        SAYS("-0XF_F", "-255"),
        SAYS("0b101", "5"),
        SAYS("0o17", "15"),
        SAYS("-0x0", "0"),
        SAYS("0xffffffffffffffffffffffffffffffff", "340282366920938463463374607431768211455"),
        SAYS("0x3b9aca00", "1000000000"),
        SAYS("1.5", "1.5"),
        SAYS("1.", "1.0"),
        SAYS(".5", "0.5"),
        SAYS("-.5", "-0.5"),
        SAYS("-0.0", "-0.0"),
        SAYS("00.5", "0.5"),
        SAYS("1e5", "1e5"),
        SAYS("1.E-5", "1.0e-5"),
        SAYS("1_0.2_5e1_0", "10.25e10"),
        SAYS("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        REFUSED("0777", INVALID),
        REFUSED("1_", INVALID),
        REFUSED("1__0", INVALID),
        REFUSED("_1", INVALID),
        REFUSED("1._5", INVALID),
        REFUSED("1e", INVALID),
        REFUSED("0x", INVALID),
        REFUSED("0xg", INVALID),
        REFUSED("0b2", INVALID),
        REFUSED("1abc", INVALID),
        REFUSED("1.2.3", INVALID),
        REFUSED(".", INVALID),
        REFUSED("-", INVALID),
        REFUSED("--1", INVALID),
        REFUSED("1 - 2", INVALID),
        REFUSED("1+2", INVALID),
        REFUSED("1/2", INVALID),
        REFUSED("1e400", UNSUPPORTED),
        REFUSED("nan", UNSUPPORTED),
        REFUSED("(-inf, 1)", UNSUPPORTED),
        REFUSED("inf", UNSUPPORTED),
        REFUSED("information", INVALID),
        REFUSED("3j", UNSUPPORTED),
        REFUSED("(1+2j)", UNSUPPORTED),
        REFUSED("(-0-1.5e3J)", UNSUPPORTED),
    };
    CHECK_ALL(cases);
}

static void what_json_cannot_say_is_told_from_what_is_wrong(void **state)
{
    (void)state;
    static const struct literal_case cases[] = {
        REFUSED("{1, 2}", UNSUPPORTED),
        REFUSED("{1}", UNSUPPORTED),
        REFUSED("{'a', }", UNSUPPORTED),
        REFUSED("set()", UNSUPPORTED),
        REFUSED("frozenset({1, 'a'})", UNSUPPORTED),
        REFUSED("frozenset()", UNSUPPORTED),
        REFUSED("{1: 2}", UNSUPPORTED),
        REFUSED("{None: 2}", UNSUPPORTED),
        REFUSED("{b'a': 2}", UNSUPPORTED),
        REFUSED("{('a', 'b'): 2}", UNSUPPORTED),
        REFUSED("[{1: 2}, oops]", INVALID),
        REFUSED("set", INVALID),
        REFUSED("set(1, 2)", INVALID),
        REFUSED("{1: 2, 3}", INVALID),
    };
    CHECK_ALL(cases);
}

static void what_saferepr_cut_is_never_data(void **state)
{
    (void)state;
    /* made with celery.utils.saferepr of Celery 5.6.3, 5.2.7 and 4.4.7 */
    static const char *const cut[] = {
        "('xxxx...', ...)",
        "['aaa', 'aa...', ...]",
        "('aaaaaaaa', ...",
        "[1, 2, , ...]",
        "{'a', ...}",
        "{'a': , ...}",
        "{'a': 'bb...', ...}",
        "{'a': [1, 2, ...]}",
        "[[1, 2, ...]]",
        "(1, ...])",
        "(1, ...,)",
        "frozenset({1, 2, ...})",
        "'xxxx...'",
        "b'xxxx...'",
        "b'deadbeef...'",
        "12345...",
        "<Thing with...",
        "[[[...], 1]]",
        "{'a': {'b': {...}}}",
        "((('x', (...)),),)",
        "((('x', (...,)),),)",
        "([[set({...})]],)",
        "(...)",
        "[...]",
        "...",
        /* ambiguous: a text that ends so */
        "('loading...', 1)",
        "\"it's loading...\"",
        "'...'",
        /* a text that ends in a backslash hides what is quoted */
        "('a\\', ...)",
        "('a\\', [[...]], 'b')",
        "('a\\', 'b\\', [[...]], 'c')",
        "('a\\', 'b...', 1)",
    };
    for (size_t i = 0; i < KN_COUNT_OF(cut); i++) {
        if (!celery_repr_is_cut(kn_str_from(cut[i])))
            fail_msg("%s is cut", cut[i]);
        struct literal_case c = {kn_str_from(cut[i]), KN_TRUNCATED, NULL};
        check(&c);
    }
    static const char *const whole[] = {
        "",
        "..",
        "'wait ... for it'",
        "('a...b', '... c')",
        "'(...) is not all'",
        "'[...],'",
        "('see [...] there',)",
        "('.', '..')",
        "1.",
        "(1., 2.)",
        "'a\\'s ... b'",
    };
    for (size_t i = 0; i < KN_COUNT_OF(whole); i++) {
        if (celery_repr_is_cut(kn_str_from(whole[i])))
            fail_msg("%s is whole", whole[i]);
    }
}

static void backslashes_that_saferepr_means_otherwise_are_ambiguous(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ambiguous;
    } cases[] = {
        {"('plain', 1)", false}, {"'don\\'t do'", false}, {"'\\d+'", false},   {"'C:\\\\x'", true},
        {"'C:\\new'", true},     {"'\\x41'", true},       {"'\\u00e4'", true}, {"'a\\101'", true},
        {"'ends so\\''", false}, {"'a\\', b'", true},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct celery_literal_info info;
        struct kn_buf json;
        kn_buf_init(&json, 0);
        enum kn_status status =
            celery_literal_to_json(kn_str_from(cases[i].text), NULL, &json, &info);
        if (status == KN_OK && info.ambiguous != cases[i].ambiguous)
            fail_msg("%s", cases[i].text);
        kn_buf_fini(&json);
    }
}

static char *repeat(const char *text, size_t count, size_t *ret_len)
{
    size_t n = strlen(text);
    char *out = malloc(n * count + 1);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++)
        memcpy(out + i * n, text, n);
    *ret_len = n * count;
    return out;
}

static void depth_and_size_have_limits(void **state)
{
    (void)state;
    static const struct {
        const char *part;
        size_t count;
        struct celery_literal_limits limits;
        enum kn_status status;
    } cases[] = {
        {"(", 100, {0}, KN_INVALID},
        {"(", 101, {0}, KN_TOO_DEEP},
        {"[", 10000, {0}, KN_TOO_DEEP},
        {"{'a': ", 10000, {0}, KN_TOO_DEEP},
        {"frozenset(", 10000, {0}, KN_TOO_DEEP},
        {"[", 10000, {.depth = 9999}, KN_TOO_DEEP},
        {"1,", 100, {.bytes = 199}, KN_TOO_BIG},
        {"1,", 100, {.bytes = 200}, KN_OK},
        {"1", 600000, {0}, KN_OK},
        {"1", 2000000, {0}, KN_TOO_BIG},
        {"0x1", 1, {0}, KN_OK},
        {"0.1e", 300, {0}, KN_INVALID},
        {"-", 100000, {0}, KN_INVALID},
        {"'", 100001, {0}, KN_INVALID},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_buf json;
        kn_buf_init(&json, 0);
        size_t len;
        char *text = repeat(cases[i].part, cases[i].count, &len);
        enum kn_status status =
            celery_literal_to_json((struct kn_str){text, len}, &cases[i].limits, &json, NULL);
        if (status != cases[i].status)
            fail_msg("%zu * %s: %s", cases[i].count, cases[i].part, kn_status_name(status));
        free(text);
        kn_buf_fini(&json);
    }
}

static void big_hexadecimal_numbers_have_a_limit(void **state)
{
    (void)state;
    size_t len;
    char *digits = repeat("f", 3571, &len);
    digits[0] = '0';
    digits[1] = 'x';
    struct kn_buf json;
    kn_buf_init(&json, 0);
    assert_int_equal(celery_literal_to_json((struct kn_str){digits, len}, NULL, &json, NULL),
                     KN_OK);
    assert_true(json.len > 4290 && json.len <= 4300);
    free(digits);
    kn_buf_clear(&json);
    digits = repeat("f", 5000, &len);
    digits[0] = '0';
    digits[1] = 'x';
    assert_int_equal(celery_literal_to_json((struct kn_str){digits, len}, NULL, &json, NULL),
                     KN_TOO_BIG);
    free(digits);
    kn_buf_fini(&json);
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    (void)state;
    struct kn_buf json;
    kn_buf_init(&json, 16);
    kn_buf_text(&json, "{\"args\":");
    assert_int_equal(celery_literal_to_json(KN_STR("('0123456789', (1,), 2)"), NULL, &json, NULL),
                     KN_TOO_BIG);
    assert_int_equal(json.len, 8);
    kn_buf_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers_become_arrays_and_objects),
        cmocka_unit_test(texts_follow_pythons_rules),
        cmocka_unit_test(numbers_keep_every_digit),
        cmocka_unit_test(what_json_cannot_say_is_told_from_what_is_wrong),
        cmocka_unit_test(what_saferepr_cut_is_never_data),
        cmocka_unit_test(backslashes_that_saferepr_means_otherwise_are_ambiguous),
        cmocka_unit_test(depth_and_size_have_limits),
        cmocka_unit_test(big_hexadecimal_numbers_have_a_limit),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
