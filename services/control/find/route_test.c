#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/find/route.h"

#include "services/common/count.h"

#define SEP "\x06\x16"

static void assert_text(struct kn_str got, const char *want)
{
    if (!kn_str_eq(got, kn_str_from(want)))
        fail_msg("\"%.*s\" is not \"%s\"", KN_STR_ARG(got), want);
}

static void bindings_lead_to_queues(void **state)
{
    (void)state;
    static const struct {
        const char *bindings[4];
        const char *key;
        const char *queues[3];
        enum kn_status status;
    } cases[] = {
        {{"a.b" SEP SEP "tq"}, "a.b", {"tq"}, KN_OK},
        {{"a.b" SEP SEP "tq"}, "a.c", {NULL}, KN_OK},
        {{"a.*" SEP "x" SEP "tq", "#" SEP "x" SEP "all"}, "a.b", {"tq", "all"}, KN_OK},
        {{"a.#" SEP "x" SEP "tq", "b.#" SEP "x" SEP "no"}, "a.b", {"tq"}, KN_OK},
        {{"*.b.#" SEP "x" SEP "tq"}, "a.b.c.d", {"tq"}, KN_OK},
        {{"a.#.d" SEP "x" SEP "tq", "#.c" SEP "x" SEP "no"}, "a.b.c.d", {"tq"}, KN_OK},
        {{"a.*" SEP "x" SEP "no"}, "a.b.c", {NULL}, KN_OK},
        {{"a.b" SEP SEP "tq", "a.b" SEP SEP "tq"}, "a.b", {"tq"}, KN_OK},
        /* a direct exchange takes a pattern at its word */
        {{"a.b" SEP SEP "one", "a.*" SEP SEP "two"}, "a.b", {"one"}, KN_OK},
        {{"nonsense", ""}, "a.b", {NULL}, KN_OK},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_arena arena;
        struct kn_str bindings[4];
        struct kn_strs got = {0};
        size_t count = 0, want = 0;
        kn_arena_init(&arena, 0);
        for (; count < 4 && cases[i].bindings[count]; count++)
            bindings[count] = kn_str_from(cases[i].bindings[count]);
        while (want < 3 && cases[i].queues[want])
            want++;
        assert_int_equal(control_route_match(bindings, count, KN_STR(SEP),
                                             kn_str_from(cases[i].key), &arena, &got),
                         cases[i].status);
        assert_int_equal(got.count, want);
        for (size_t n = 0; n < want; n++)
            assert_text(got.items[n], cases[i].queues[n]);
        kn_arena_fini(&arena);
    }
}

static void a_route_is_where_the_message_went(void **state)
{
    (void)state;
    /* Celery reports the default queue, whatever exchange was named */
    struct control_route route = control_route_of(KN_STR("celery"), KN_STR("tx"), KN_STR("a.b"));
    assert_text(route.exchange, "tx");
    assert_text(route.routing_key, "a.b");
    route = control_route_of(KN_STR("celery"), KN_STR(""), KN_STR("mail"));
    assert_text(route.queue, "mail");
    assert_int_equal(route.exchange.len, 0);
    route = control_route_of(KN_STR("celery"), KN_STR_ABSENT, KN_STR_ABSENT);
    assert_text(route.queue, "celery");
    route =
        control_route_of(KN_STR("q"), KN_STR("celery_delayed_27"),
                         KN_STR("0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.1.my.key"));
    assert_text(route.exchange, "celery_delayed_delivery");
    assert_text(route.routing_key, "my.key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bindings_lead_to_queues),
        cmocka_unit_test(a_route_is_where_the_message_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
