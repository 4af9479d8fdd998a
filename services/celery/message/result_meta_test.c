#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/celery/message/result_meta.h"

#include "services/celery/python/pyliteral.h"
#include "services/common/count.h"

#include <stdio.h>

static void assert_text(struct kn_str got, const char *want)
{
    if (!got.ptr != !want || !kn_str_eq(got, kn_str_from(want)))
        fail_msg("\"%.*s\" is not \"%s\"", KN_STR_ARG(got), want ? want : "(absent)");
}

#define DATE "\"traceback\":null,\"children\":[],\"date_done\":\"2026-11-23T10:00:00.5+00:00\""
#define AT INT64_C(1795428000500000)

static void final_states_become_the_event_that_would_have_told_them(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        enum kn_event_type type;
        const char *result, *exception;
        bool terminated, expired;
    } cases[] = {
        {"{\"status\":\"SUCCESS\",\"result\":3," DATE "}", KN_EVENT_TASK_SUCCEEDED, "3", NULL, 0,
         0},
        {"{\"result\":[1.5,null,true,\"a'b\",{\"k\":NaN}],\"status\":\"SUCCESS\"," DATE "}",
         KN_EVENT_TASK_SUCCEEDED, "[1.5, None, True, \"a'b\", {'k': nan}]", NULL, 0, 0},
        {"{\"status\":\"SUCCESS\",\"result\":null," DATE "}", KN_EVENT_TASK_SUCCEEDED, "None", NULL,
         0, 0},
        {"{\"status\":\"SUCCESS\",\"result\":{\"__type__\":\"datetime\",\"__value__\":\"x\"}," DATE
         "}",
         KN_EVENT_TASK_SUCCEEDED, NULL, NULL, 0, 0},
        {"{\"status\":\"FAILURE\",\"result\":{\"exc_type\":\"ValueError\",\"exc_message\":[\"why\"]"
         ","
         "\"exc_module\":\"builtins\"}," DATE "}",
         KN_EVENT_TASK_FAILED, NULL, "ValueError('why')", 0, 0},
        {"{\"status\":\"FAILURE\",\"result\":{\"exc_type\":\"E\",\"exc_message\":[\"a\",2]}," DATE
         "}",
         KN_EVENT_TASK_FAILED, NULL, "E('a', 2)", 0, 0},
        {"{\"status\":\"FAILURE\",\"result\":{\"exc_type\":\"E\",\"exc_message\":[]}," DATE "}",
         KN_EVENT_TASK_FAILED, NULL, "E()", 0, 0},
        {"{\"status\":\"FAILURE\",\"result\":{\"exc_type\":\"E\",\"exc_message\":\"why\"}," DATE
         "}",
         KN_EVENT_TASK_FAILED, NULL, "E('why')", 0, 0},
        {"{\"status\":\"FAILURE\",\"result\":{\"step\":2}," DATE "}", KN_EVENT_TASK_FAILED, NULL,
         "{'step': 2}", 0, 0},
        {"{\"status\":\"REVOKED\",\"result\":{\"exc_type\":\"TaskRevokedError\",\"exc_message\":["
         "\"terminated\"]}," DATE "}",
         KN_EVENT_TASK_REVOKED, NULL, "TaskRevokedError('terminated')", 1, 0},
        {"{\"status\":\"REVOKED\",\"result\":{\"exc_type\":\"TaskRevokedError\",\"exc_message\":["
         "\"expired\"]}," DATE "}",
         KN_EVENT_TASK_REVOKED, NULL, "TaskRevokedError('expired')", 0, 1},
        {"\x83\xa6status\xa7SUCCESS\xa6result\x93\x01\x02\xa1x\xa9"
         "date_done\xb8"
         "2026-11-23T10:00:00.5000",
         KN_EVENT_TASK_SUCCEEDED, "[1, 2, 'x']", NULL, 0, 0},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_arena arena;
        struct kn_msg_event e;
        kn_arena_init(&arena, 0);
        assert_int_equal(celery_result_meta(kn_str_from(cases[i].value), true, &arena, &e), KN_OK);
        assert_int_equal(e.type, cases[i].type);
        assert_int_equal(e.origin, KN_ORIGIN_BACKEND);
        assert_int_equal(e.timestamp, AT);
        assert_text(e.result_repr, cases[i].result);
        assert_text(e.exception, cases[i].exception);
        assert_int_equal(e.terminated, cases[i].terminated);
        assert_int_equal(e.expired, cases[i].expired);
        kn_arena_fini(&arena);
    }
}

static void a_state_that_is_not_final_is_named_and_no_more(void **state)
{
    (void)state;
    static const struct {
        struct kn_str value;
        const char *state;
    } cases[] = {
        {KN_STR("{\"status\":\"STARTED\",\"result\":{\"pid\":1}}"), "STARTED"},
        {KN_STR("{\"status\":\"RETRY\",\"result\":null,\"worker\":\"w\"}"), "RETRY"},
        {KN_STR("{\"status\":\"PROGRESS\",\"result\":{}}"), "PROGRESS"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_arena arena;
        struct kn_msg_event e;
        kn_arena_init(&arena, 0);
        assert_int_equal(celery_result_meta(cases[i].value, true, &arena, &e), KN_OK);
        assert_int_equal(e.type, KN_EVENT_CUSTOM);
        assert_text(e.type_name, cases[i].state);
        assert_null(e.hostname.ptr);
        kn_arena_fini(&arena);
    }
}

static void what_has_no_state_is_passed_over(void **state)
{
    (void)state;
    static const struct {
        struct kn_str value;
        enum kn_status want;
    } cases[] = {
        {KN_STR("{}"), KN_NOT_FOUND},
        {KN_STR("\x80\x04\x95\x10}q\x00(X\x06\x00\x00\x00status"), KN_UNSUPPORTED},
        {KN_STR("status: SUCCESS\nresult: 3\n"), KN_UNSUPPORTED},
        {KN_STR(""), KN_UNSUPPORTED},
        {KN_STR("{\"status\":\"SUCCESS\",\"result\":"), KN_INVALID},
        {KN_STR("{\"status\":\"SUCCESS\",\"result\":\"\xff\"}"), KN_INVALID},
        {KN_STR("\xde\x00\x05garbage"), KN_INVALID},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_arena arena;
        struct kn_msg_event e;
        kn_arena_init(&arena, 0);
        assert_int_equal(celery_result_meta(cases[i].value, true, &arena, &e), cases[i].want);
        kn_arena_fini(&arena);
    }
}

static void extended_results_tell_name_arguments_and_worker(void **state)
{
    (void)state;
    struct kn_arena arena;
    struct kn_msg_event e;
    kn_arena_init(&arena, 0);
    struct kn_str value =
        KN_STR("{\"status\":\"FAILURE\",\"result\":{\"exc_type\":\"E\",\"exc_message\":[\"x\"]},"
               "\"traceback\":\"Traceback\\n  E\",\"date_done\":\"2026-11-23T10:00:00.500000\","
               "\"name\":\"app.add\",\"args\":[1],\"kwargs\":{\"k\":\"v\"},\"worker\":\"w@h\","
               "\"retries\":2,"
               "\"queue\":\"celery\",\"task_id\":\"t\"}");
    assert_int_equal(celery_result_meta(value, true, &arena, &e), KN_OK);
    assert_text(e.name, "app.add");
    assert_text(e.args_repr, "(1,)");
    assert_text(e.kwargs_repr, "{'k': 'v'}");
    assert_text(e.hostname, "w@h");
    assert_text(e.traceback, "Traceback\n  E");
    assert_int_equal(e.retries.value, 2);
    assert_int_equal(e.timestamp, AT);
    kn_arena_fini(&arena);
}

static void long_results_are_cut_and_the_start_of_one_tells_its_state(void **state)
{
    (void)state;
    static char value[100000];
    struct kn_arena arena;
    struct kn_msg_event e;
    kn_arena_init(&arena, 0);
    int n = snprintf(value, sizeof value, "{\"status\":\"SUCCESS\",\"result\":\"");
    memset(value + n, 'x', 60000);
    static const char end[] = "\"," DATE "}";
    memcpy(value + n + 60000, end, sizeof end);
    assert_int_equal(celery_result_meta(kn_str_from(value), true, &arena, &e), KN_OK);
    assert_int_equal(e.result_repr.len, CELERY_RESULT_CUT + 3);
    assert_true(celery_repr_is_cut(e.result_repr));
    assert_int_equal(celery_result_meta((struct kn_str){value, 5000}, false, &arena, &e), KN_OK);
    assert_int_equal(e.type, KN_EVENT_TASK_SUCCEEDED);
    assert_int_equal(e.timestamp, 0);
    assert_null(e.result_repr.ptr);
    kn_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(final_states_become_the_event_that_would_have_told_them),
        cmocka_unit_test(a_state_that_is_not_final_is_named_and_no_more),
        cmocka_unit_test(what_has_no_state_is_passed_over),
        cmocka_unit_test(extended_results_tell_name_arguments_and_worker),
        cmocka_unit_test(long_results_are_cut_and_the_start_of_one_tells_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
