#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/celery/python/repr_match.h"

#include "services/common/count.h"

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void a_text_is_compared_with_json(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
        enum celery_match want;
    } cases[] = {
        {"()", "[]", CELERY_MATCH_SAME},
        {"{}", "{}", CELERY_MATCH_SAME},
        {"(1, 'a', None, True, -0.5, [1, 2], (3,))", "[1,\"a\",null,true,-0.5,[1,2],[3]]",
         CELERY_MATCH_SAME},
        {"{'a': {'b': ()}, 'c': 1e+16}", "{\"a\":{\"b\":[]},\"c\":1e16}", CELERY_MATCH_SAME},
        {"('it\\'s', 'C:\\new', 'a\\')", "[\"it's\",\"C:\\\\new\",\"a\\\\\"]", CELERY_MATCH_SAME},
        {"('a, b', '', '...')", "[\"a, b\",\"\",\"...\"]", CELERY_MATCH_SAME},
        /* changed by the task */
        {"({'id': 5, 'x': 1},)", "[{\"x\":1}]", CELERY_MATCH_DIFFERENT},
        {"([1],)", "[[1,2]]", CELERY_MATCH_DIFFERENT},
        {"([1, 2],)", "[[1]]", CELERY_MATCH_DIFFERENT},
        {"{'a': 1}", "{}", CELERY_MATCH_DIFFERENT},
        {"{}", "{\"a\":1}", CELERY_MATCH_DIFFERENT},
        {"('a',)", "[\"ab\"]", CELERY_MATCH_DIFFERENT},
        {"('ab',)", "[\"a\"]", CELERY_MATCH_DIFFERENT},
        {"(1,)", "[2]", CELERY_MATCH_DIFFERENT},
        /* another type */
        {"(3.0,)", "[3]", CELERY_MATCH_DIFFERENT},
        {"(3,)", "[3.0]", CELERY_MATCH_DIFFERENT},
        {"(1,)", "[true]", CELERY_MATCH_DIFFERENT},
        {"(None,)", "[false]", CELERY_MATCH_DIFFERENT},
        {"(3.14,)", "[3.14159]", CELERY_MATCH_DIFFERENT},
        {"(17,)", "[7]", CELERY_MATCH_DIFFERENT},
        {"('1',)", "[1]", CELERY_MATCH_DIFFERENT},
        {"(True,)", "[1]", CELERY_MATCH_DIFFERENT},
        {"({'a': False},)", "[{\"a\":0.0}]", CELERY_MATCH_DIFFERENT},
        {"(None, 1)", "[\"None\",1]", CELERY_MATCH_DIFFERENT},
        {"([None],)", "[[[]]]", CELERY_MATCH_DIFFERENT},
        {"(Nonesuch(1), 2)", "[null,2]", CELERY_MATCH_OPEN},
        {"(Color.RED,)", "[1]", CELERY_MATCH_OPEN},
        /* cut, and what is seen agrees or does not */
        {"('" X50 "...', ...)", "[\"" X50 "xxx\",{\"a\":1}]", CELERY_MATCH_OPEN},
        {"('" X50 "...', ...)", "[\"y\",1]", CELERY_MATCH_DIFFERENT},
        {"(1, 2, ...)", "[1,2,3,4]", CELERY_MATCH_OPEN},
        {"(1, 2, ...)", "[1,3,3,4]", CELERY_MATCH_DIFFERENT},
        {"({'a': [{...}]}, 1)", "[{\"a\":[{\"b\":2}]},1]", CELERY_MATCH_OPEN},
        {"({'a': [{...}]}, 1)", "[{\"a\":[{\"b\":2}]},2]", CELERY_MATCH_DIFFERENT},
        {"([[...]], 1)", "[[[1]],1]", CELERY_MATCH_OPEN},
        /* what JSON writes in another way */
        {"(datetime.datetime(2026, 11, 27, 1, 2), 5)",
         "[{\"__type__\":\"datetime\",\"__value__\":\"2026-11-27T01:02:00\"},5]",
         CELERY_MATCH_OPEN},
        {"(datetime.datetime(2026, 11, 27, 1, 2), 5)", "[\"2026-11-27T01:02:00\",6]",
         CELERY_MATCH_DIFFERENT},
        {"(UUID('1'), nan)", "[\"1\",NaN]", CELERY_MATCH_OPEN},
        {"(inf, -inf, 5)", "[Infinity,-Infinity,5]", CELERY_MATCH_OPEN},
        {"(-inf, 5)", "[-Infinity,6]", CELERY_MATCH_DIFFERENT},
        {"(<Thing object at 0x1>, 1)", "[{\"thing\":3},1]", CELERY_MATCH_OPEN},
        {"({1: 'a'},)", "[{\"1\":\"a\"}]", CELERY_MATCH_OPEN},
        /* hidden */
        {"('***', 1)", "[\"secret value\",1]", CELERY_MATCH_OPEN},
        {"('<redacted>',)", "[\"x\"]", CELERY_MATCH_OPEN},
        {"hidden", "[1]", CELERY_MATCH_NOTHING},
        {"", "[1]", CELERY_MATCH_NOTHING},
        {"(1", "[1]", CELERY_MATCH_DIFFERENT},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_arena arena;
        kn_arena_init(&arena, 0);
        enum celery_match got =
            celery_repr_match(kn_str_from(cases[i].text), kn_str_from(cases[i].json), &arena);
        if (got != cases[i].want)
            fail_msg("%s and %s: %d", cases[i].text, cases[i].json, (int)got);
        kn_arena_fini(&arena);
    }
}

static void json_is_compared_and_looked_at(void **state)
{
    (void)state;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
#define SAME(a, b) celery_json_same(KN_STR(a), KN_STR(b), &arena)
    assert_true(SAME("[1, {\"a\": [\"\\u00e9\", 1.50]}]", "[1,{\"a\":[\"\xc3\xa9\",1.5]}]"));
    assert_false(SAME("[1]", "[1.0]"));
    assert_false(SAME("[1]", "[1,2]"));
    assert_false(SAME("{\"a\":1}", "{\"b\":1}"));
    assert_false(SAME("[null]", "[false]"));
#define FLAT(a) celery_json_is_flat(KN_STR(a), &arena)
    assert_true(FLAT("[1,\"a\",null]"));
    assert_true(FLAT("{\"a\":{\"__type__\":\"uuid\",\"__value__\":\"1\"},\"b\":1}"));
    assert_false(FLAT("[[]]"));
    assert_false(FLAT("{\"a\":{}}"));
    assert_false(FLAT("{\"a\":{\"__type__\":\"uuid\",\"__value__\":\"1\"},\"b\":[1]}"));
    assert_true(celery_json_has_number(KN_STR("{\"a\":[{\"b\":1.5}]}"), &arena));
    assert_false(celery_json_has_number(KN_STR("{\"a\":[\"1\",true]}"), &arena));
    kn_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_compared_with_json),
        cmocka_unit_test(json_is_compared_and_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
