#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/ask/conf.h"

#include "services/common/count.h"

static void settings_are_read_under_their_new_and_old_names(void **state)
{
    (void)state;
    static const struct {
        struct kn_str conf;
        enum kn_status status;
        bool events, sent, extended, backend;
    } cases[] = {
        {KN_STR("{}"), KN_OK, false, false, false, false},
        {KN_STR("{\"worker_send_task_events\": true, \"task_send_sent_event\": true}"), KN_OK, true,
         true, false, false},
        {KN_STR("{\"result_extended\": true, \"result_backend\": \"redis://h/1\"}"), KN_OK, false,
         false, true, true},
        {KN_STR("{\"CELERY_SEND_TASK_SENT_EVENT\": true, \"CELERY_RESULT_BACKEND\": \"rpc\"}"),
         KN_OK, false, true, false, true},
        {KN_STR("{\"result_backend\": null, \"result_extended\": 7}"), KN_OK, false, false, false,
         false},
        {KN_STR("[]"), KN_INVALID, false, false, false, false},
        {KN_STR("{"), KN_INVALID, false, false, false, false},
        {{NULL, 0}, KN_INVALID, false, false, false, false},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct control_conf conf = {0};
        assert_int_equal(control_conf_read(cases[i].conf, &conf), cases[i].status);
        assert_int_equal(conf.known, cases[i].status == KN_OK);
        assert_int_equal(conf.send_task_events, cases[i].events);
        assert_int_equal(conf.send_sent_event, cases[i].sent);
        assert_int_equal(conf.result_extended, cases[i].extended);
        assert_int_equal(conf.has_backend, cases[i].backend);
    }
}

static void secrets_are_masked_wherever_they_are(void **state)
{
    (void)state;
    static const struct {
        struct kn_str in, out;
    } cases[] = {
        {KN_STR("{\"broker_url\":\"redis://:pw@h:1/0\"}"),
         KN_STR("{\"broker_url\":\"redis://:********@h:1/0\"}")},
        {KN_STR("\"amqp://u:p@a//;amqp://u:p:q@b//x\""),
         KN_STR("\"amqp://u:********@a//;amqp://u:********@b//x\"")},
        {KN_STR("\"amqp://u:p@ss@host/v\""), KN_STR("\"amqp://u:********@host/v\"")},
        {KN_STR("\"see http://h/a:b@c and x://u:p@h\""),
         KN_STR("\"see http://h/a:b@c and x://u:********@h\"")},
        {KN_STR("{\"redis_password\":\"x\",\"a\":{\"aws_secret_access_key\":[1]}}"),
         KN_STR("{\"redis_password\":\"********\",\"a\":{\"aws_secret_access_key\":"
                "\"********\"}}")},
        {KN_STR("{\"password\":null,\"token\":false}"),
         KN_STR("{\"password\":null,\"token\":false}")},
        {KN_STR("{\"task_default_routing_key\":\"celery\",\"n\":[1,2.5,\"\"]}"),
         KN_STR("{\"task_default_routing_key\":\"celery\",\"n\":[1,2.5,\"\"]}")},
        {KN_STR("\"://\""), KN_STR("\"://\"")},
        {KN_STR("\"://:@\""), KN_STR("\"://:********@\"")},
        {KN_STR("\"\\u0000://a:b@c\""), KN_STR("\"\\u0000://a:********@c\"")},
    };
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_str out = control_masked(cases[i].in, &arena);
        assert_non_null(out.ptr);
        assert_string_equal(out.ptr, cases[i].out.ptr);
    }
    assert_null(control_masked(KN_STR("{"), &arena).ptr);
    assert_null(control_masked(KN_STR_ABSENT, &arena).ptr);
    kn_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_read_under_their_new_and_old_names),
        cmocka_unit_test(secrets_are_masked_wherever_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
