#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/celery/message/result_parts.h"
#include "services/celery/python/vouch.h"
#include "services/common/count.h"

static void assert_text(struct kn_str got, const char *want)
{
    if (!got.ptr != !want || !kn_str_eq(got, kn_str_from(want)))
        fail_msg("\"%.*s\" is not \"%s\"", KN_STR_ARG(got), want ? want : "(absent)");
}

struct sample {
    const char *text;
    bool kwargs;
    enum celery_accepts accepts;
    const char *json; /* NULL: refused */
};

static void check(const struct sample *s)
{
    struct kn_arena arena;
    struct kn_buf out;
    struct kn_str reason = KN_STR_ABSENT;
    kn_arena_init(&arena, 0);
    kn_buf_init(&out, 0);
    kn_buf_text(&out, ">");
    enum kn_status status =
        celery_vouch_repr(kn_str_from(s->text), s->kwargs, s->accepts, &arena, &out, &reason);
    struct kn_str got = kn_buf_view(&out);
    if (status == KN_OK)
        assert_text((struct kn_str){got.ptr + 1, got.len - 1}, s->json);
    else if (s->json || status != KN_UNSUPPORTED || reason.len == 0 || got.len != 1)
        fail_msg("%s: %d \"%.*s\"", s->text ? s->text : "(absent)", (int)status,
                 KN_STR_ARG(reason));
    kn_buf_fini(&out);
    kn_arena_fini(&arena);
}

static void what_can_be_read_in_one_way_is_vouched_for(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"()", 0, CELERY_ACCEPTS_UNKNOWN, "[]"},
        {"[]", 0, CELERY_ACCEPTS_ANY, "[]"},
        {"{}", 1, CELERY_ACCEPTS_ANY, "{}"},
        {"(1,)", 0, CELERY_ACCEPTS_PLAIN, "[1]"},
        {"[1]", 0, CELERY_ACCEPTS_JSON, "[1]"},
        {"(1, -2, 0, 0.1, -0.0, 1e+16, 1.5e-07)", 0, CELERY_ACCEPTS_JSON,
         "[1,-2,0,0.1,-0.0,1e+16,1.5e-07]"},
        {"(123456789012345678901234567890,)", 0, CELERY_ACCEPTS_JSON,
         "[123456789012345678901234567890]"},
        {"(None, True, False)", 0, CELERY_ACCEPTS_JSON, "[null,true,false]"},
        {"('it\\'s', '\"', '', 'a\nb\t\x01')", 0, CELERY_ACCEPTS_JSON,
         "[\"it's\",\"\\\"\",\"\",\"a\\nb\\t\\u0001\"]"},
        {"('\xc3\xa9 \xf0\x9f\x98\x80',)", 0, CELERY_ACCEPTS_JSON,
         "[\"\xc3\xa9 \xf0\x9f\x98\x80\"]"},
        {"([(1, 2), [3], (4,)],)", 0, CELERY_ACCEPTS_JSON, "[[[1,2],[3],[4]]]"},
        {"{'a': {'b': []}, 'c d': 'x'}", 1, CELERY_ACCEPTS_JSON,
         "{\"a\":{\"b\":[]},\"c d\":\"x\"}"},
        {"('a... b', 'c')", 0, CELERY_ACCEPTS_JSON, "[\"a... b\",\"c\"]"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(samples); i++)
        check(&samples[i]);
}

static void what_may_be_something_else_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        NULL,
        "",
        "1",
        "(1, 2",
        "(1, 2))",
        "(1,2)",
        "(1, 2,)",
        "(1)",
        "(1, )",
        "( 1,)",
        "(01,)",
        "(1.,)",
        "(.5,)",
        "(+1,)",
        "(-0,)",
        "(1_0,)",
        "(1e999,)",
        "(0x1,)",
        "(1j,)",
        "(1/2,)",
        "(inf,)",
        "(nan,)",
        "(-inf,)",
        "(b'x',)",
        "(\"x\",)",
        "('a' 'b',)",
        "(u'x',)",
        "('back\\\\slash',)",
        "('new\\nline',)",
        "('end\\',)",
        "('end\\', 'x')",
        "('\\\\'',)",
        "('x\\', ', ', ', ')",
        "({1, 2},)",
        "(set(),)",
        "(frozenset({1}),)",
        "({1: 2},)",
        "({None: 2},)",
        "({(1, 2): 3},)",
        "({'a': 1, },)",
        "({'a':1},)",
        "({'a'},)",
        "(datetime.datetime(2026, 1, 1, 0, 0),)",
        "(Decimal('1'),)",
        "(UUID('x'),)",
        "(<object at 0x7f>,)",
        "(Color.RED,)",
        "(Nonesuch,)",
        "(...,)",
        "(1, ...)",
        "('aaa...', ...)",
        "('aaa...',)",
        "([[...]],)",
        "(\xff,)",
        "('lost \xef\xbf\xbd',)",
        "('***',)",
        "('key=********',)",
        "('<redacted>',)",
        "('[FILTERED]',)",
        "({'__type__': 1},)",
        "{}",
        "(1,) # x",
        "((((((((((((((((((((1,),),),),),),),),),),),),),),),),),),),)",
        "(True1,)",
        "range(3)",
        "('a', 'b'",
    };
    for (size_t i = 0; i < KN_COUNT_OF(texts); i++)
        check(&(struct sample){texts[i], false, CELERY_ACCEPTS_JSON, NULL});
    check(&(struct sample){"[]", true, CELERY_ACCEPTS_JSON, NULL});
    check(&(struct sample){"(1,)", false, CELERY_ACCEPTS_UNKNOWN, NULL});
    check(&(struct sample){"(None,)", false, CELERY_ACCEPTS_ANY, NULL});
    check(&(struct sample){"{'a': 'b'}", true, CELERY_ACCEPTS_ANY, NULL});
}

static void check_conf(const char *conf, enum celery_accepts accepts, bool json)
{
    bool takes_json = true;
    assert_int_equal(celery_conf_accepts(kn_str_from(conf), &takes_json), accepts);
    if (!json)
        assert_false(takes_json);
}

static void a_configuration_says_what_a_worker_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *conf;
        enum celery_accepts accepts;
    } cases[] = {
        {NULL, CELERY_ACCEPTS_UNKNOWN},
        {"", CELERY_ACCEPTS_UNKNOWN},
        {"[]", CELERY_ACCEPTS_UNKNOWN},
        {"{\"error\": \"x\"}", CELERY_ACCEPTS_UNKNOWN},
        {"{}", CELERY_ACCEPTS_JSON},
        {"{\"accept_content\": [\"json\"]}", CELERY_ACCEPTS_JSON},
        {"{\"accept_content\": [\"application/json\", \"msgpack\"]}", CELERY_ACCEPTS_PLAIN},
        {"{\"accept_content\": [\"json\", \"pickle\"]}", CELERY_ACCEPTS_ANY},
        {"{\"accept_content\": [\"json\", \"yaml\"]}", CELERY_ACCEPTS_ANY},
        {"{\"accept_content\": [\"mine\"]}", CELERY_ACCEPTS_ANY},
        {"{\"accept_content\": [1]}", CELERY_ACCEPTS_ANY},
        {"{\"accept_content\": null}", CELERY_ACCEPTS_ANY},
        {"{\"accept_content\": \"json\"}", CELERY_ACCEPTS_ANY},
        {"{\"CELERY_ACCEPT_CONTENT\": [\"pickle\"]}", CELERY_ACCEPTS_ANY},
        {"{\"SHOP_accept_content\": [\"pickle\"], \"x\": 1}", CELERY_ACCEPTS_ANY},
        {"{\"result_accept_content\": [\"pickle\"]}", CELERY_ACCEPTS_JSON},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        check_conf(cases[i].conf, cases[i].accepts, true);
    check_conf("{\"accept_content\": [\"pickle\"]}", CELERY_ACCEPTS_ANY, false);
    check_conf("{\"accept_content\": [\"msgpack\"]}", CELERY_ACCEPTS_PLAIN, false);
}

static void what_the_backend_has_is_certain_when_only_json_was_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum celery_accepts accepts;
        enum kn_status status;
    } cases[] = {
        {"[{\"__type__\":\"uuid\"}]", CELERY_ACCEPTS_JSON, KN_OK},
        {"[{\"__type__\":\"uuid\"}]", CELERY_ACCEPTS_PLAIN, KN_UNSUPPORTED},
        {"[1]", CELERY_ACCEPTS_PLAIN, KN_OK},
        {"[1]", CELERY_ACCEPTS_ANY, KN_UNSUPPORTED},
        {"[1]", CELERY_ACCEPTS_UNKNOWN, KN_UNSUPPORTED},
        {"[]", CELERY_ACCEPTS_ANY, KN_OK},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_str reason;
        assert_int_equal(celery_vouch_stored(kn_str_from(cases[i].json), cases[i].accepts, &reason),
                         cases[i].status);
    }
}

static void a_result_is_taken_apart(void **state)
{
    (void)state;
    struct kn_arena arena;
    struct celery_result_parts p;
    kn_arena_init(&arena, 0);
    assert_int_equal(
        celery_result_parts(KN_STR("{\"status\": \"SUCCESS\", \"result\": {\"a\": [1.50]}, "
                                   "\"traceback\": null, \"args\": [ 1, NaN], \"kwargs\": {}, "
                                   "\"name\": \"t\", \"queue\": \"q\", \"worker\": \"w\"}"),
                            &arena, &p),
        KN_OK);
    assert_text(p.status, "SUCCESS");
    assert_text(p.result, "{\"a\": [1.50]}");
    assert_text(p.traceback, NULL);
    assert_text(p.args, NULL);
    assert_text(p.kwargs, "{}");
    assert_text(p.queue, "q");
    assert_true(p.arguments_unsayable && !p.unsayable);
    assert_int_equal(celery_result_parts(KN_STR("\x80\x04."), &arena, &p), KN_UNSUPPORTED);
    assert_int_equal(celery_result_parts(KN_STR("{\"a\":"), &arena, &p), KN_INVALID);
    kn_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_read_in_one_way_is_vouched_for),
        cmocka_unit_test(what_may_be_something_else_is_refused),
        cmocka_unit_test(a_configuration_says_what_a_worker_accepts),
        cmocka_unit_test(what_the_backend_has_is_certain_when_only_json_was_accepted),
        cmocka_unit_test(a_result_is_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
