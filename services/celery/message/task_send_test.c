#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/celery/message/task_message.h"
#include "services/celery/message/task_send.h"
#include "services/common/count.h"

static void assert_text(struct kn_str got, const char *want)
{
    if (!got.ptr != !want || !kn_str_eq(got, kn_str_from(want)))
        fail_msg("\"%.*s\" is not \"%s\"", KN_STR_ARG(got), want ? want : "(absent)");
}

static void what_is_sent_reads_back(void **state)
{
    (void)state;
    struct kn_arena arena;
    struct kn_buf headers, body, envelope;
    struct celery_task_message t;
    const char *error = NULL;
    kn_arena_init(&arena, 0);
    kn_buf_init(&headers, 0);
    kn_buf_init(&body, 0);
    kn_buf_init(&envelope, 0);
    const struct celery_task_call call = {
        .id = KN_STR("i"),
        .name = KN_STR("t.\"x\""),
        .parent_id = KN_STR("p"),
        .expires = KN_STR("2026-11-27T00:00:00Z"),
        .time_limit = KN_STR("30"),
        .args = KN_STR("[1]"),
        .kwargs = KN_STR("{\"k\":2}"),
    };
    celery_task_headers(&headers, &call);
    celery_task_body(&body, &call);
    celery_task_envelope(&envelope, &(struct celery_task_wrap){
                                        .headers = kn_buf_view(&headers),
                                        .body = kn_buf_view(&body),
                                        .content_type = KN_STR("application/json"),
                                        .content_encoding = KN_STR("utf-8"),
                                        .correlation_id = KN_STR("i"),
                                        .queue = KN_STR("q"),
                                        .delivery_tag = KN_STR("d"),
                                        .priority = 6,
                                    });
    assert_int_equal(
        celery_task_message_decode_envelope(kn_buf_view(&envelope), &arena, &t, &error), KN_OK);
    assert_text(t.name, "t.\"x\"");
    assert_text(t.root_id, "i");
    assert_text(t.parent_id, "p");
    assert_text(t.args, "[1]");
    assert_text(t.kwargs, "{\"k\":2}");
    assert_true(t.time_limit.value == 30 && !t.soft_time_limit.set);
    assert_int_equal(t.priority.value, 6);
    assert_true(t.expires_us > 0);
    kn_buf_fini(&headers);
    kn_buf_fini(&body);
    kn_buf_fini(&envelope);
    kn_arena_fini(&arena);
}

static void only_the_members_that_are_named_change(void **state)
{
    (void)state;
    static const struct {
        const char *object, *want;
    } cases[] = {
        {"{\"id\": \"a\", \"x\": [1, 2.50, NaN], \"r\": 3}",
         "{\"id\":\"b\",\"x\":[1, 2.50, NaN],\"r\":0}"},
        {"{}", "{\"id\":\"b\",\"r\":0}"},
        {"{\"id\": {}, \"id\": 1}", "{\"id\":\"b\",\"id\":\"b\",\"r\":0}"},
        {"[]", NULL},
        {"{\"a\":1", NULL},
        {"{} {}", NULL},
    };
    const struct celery_json_change changes[] = {{"id", KN_STR("\"b\"")}, {"r", KN_STR("0")}};
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_arena arena;
        struct kn_buf out;
        kn_arena_init(&arena, 0);
        kn_buf_init(&out, 0);
        enum kn_status status =
            celery_json_change(&out, kn_str_from(cases[i].object), changes, 2, &arena);
        if (cases[i].want)
            assert_text(kn_buf_view(&out), cases[i].want);
        assert_int_equal(status, cases[i].want ? KN_OK : KN_INVALID);
        kn_buf_fini(&out);
        kn_arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_reads_back),
        cmocka_unit_test(only_the_members_that_are_named_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
