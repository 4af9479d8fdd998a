#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/celery/message/task_message.h"

#include "services/common/count.h"

#define HEADERS(more) "{\"lang\":\"py\",\"task\":\"t.add\",\"id\":\"i1\"" more "}"
#define EMBED "{\"callbacks\": null, \"chord\": null}"

static void assert_text(struct kn_str got, const char *want)
{
    if (!got.ptr != !want || !kn_str_eq(got, kn_str_from(want)))
        fail_msg("\"%.*s\" is not \"%s\"", KN_STR_ARG(got), want ? want : "(absent)");
}

static void a_message_of_protocol_2_is_in_its_headers_and_body(void **state)
{
    (void)state;
    struct kn_arena arena;
    struct celery_task_message t;
    kn_arena_init(&arena, 0);
    const struct celery_message m = {
        .headers = KN_STR(HEADERS(
            ",\"shadow\":null,\"eta\":\"2026-11-27T00:30:00+00:00\",\"expires\":null,"
            "\"group\":\"g\",\"retries\":3,\"timelimit\":[30,1.5,{}],\"root_id\":\"r\","
            "\"parent_id\":\"p\",\"argsrepr\":\"[1]\",\"stamps\":{\"a\":[1]},\"origin\":\"o\"")),
        .properties = KN_STR("{\"delivery_info\":{\"priority\":1},\"priority\":6}"),
        .content_type = KN_STR("application/json"),
        .body = KN_STR("[ [1, \"a\\u00e9\"] , {\"k\": [1.50]}, " EMBED "]"),
        .reply_to = KN_STR("q"),
    };
    assert_int_equal(celery_task_message_decode(&m, &arena, &t), KN_OK);
    assert_int_equal(t.protocol, 2);
    assert_text(t.id, "i1");
    assert_text(t.name, "t.add");
    assert_text(t.shadow, NULL);
    assert_text(t.root_id, "r");
    assert_text(t.parent_id, "p");
    assert_text(t.group, "g");
    assert_text(t.origin, "o");
    assert_text(t.reply_to, "q");
    assert_int_equal(t.retries.value, 3);
    assert_int_equal(t.priority.value, 6);
    assert_int_equal(t.eta_us, INT64_C(1795739400000000));
    assert_int_equal(t.expires_us, 0);
    assert_true(t.time_limit.value == 30 && t.soft_time_limit.value == 1.5);
    assert_text(t.argsrepr, "[1]");
    assert_text(t.args, "[1, \"a\\u00e9\"]");
    assert_text(t.kwargs, "{\"k\": [1.50]}");
    assert_text(t.embed, EMBED);
    assert_null(t.unreadable);
    kn_arena_fini(&arena);
}

static void a_message_of_protocol_1_is_in_its_body(void **state)
{
    (void)state;
    struct kn_arena arena;
    struct celery_task_message t;
    kn_arena_init(&arena, 0);
    const struct celery_message m = {
        .headers = KN_STR("{}"),
        .body = KN_STR("{\"task\":\"t\",\"id\":\"i\",\"args\":[[1], 2],\"kwargs\": {},"
                       "\"retries\":1,\"taskset\":\"g\",\"utc\":true,\"timelimit\":[null,null]}"),
    };
    assert_int_equal(celery_task_message_decode(&m, &arena, &t), KN_OK);
    assert_int_equal(t.protocol, 1);
    assert_text(t.id, "i");
    assert_text(t.group, "g");
    assert_text(t.args, "[[1], 2]");
    assert_text(t.kwargs, "{}");
    assert_int_equal(t.retries.value, 1);
    assert_false(t.time_limit.set);
    kn_arena_fini(&arena);
}

static void a_body_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *type, *compression;
        struct kn_str body;
        const char *args, *why;
    } cases[] = {
        {"application/x-msgpack", NULL, {"\x93\x91\x01\x80\x80", 5}, "[1]", NULL},
        {"application/json; x=y", NULL, {"[[1],{},{}]", 11}, "[1]", NULL},
        {"application/x-msgpack",
         NULL,
         {"\x93\x91\xc4\x01\x41\x80\x80", 7},
         NULL,
         "it has a value that JSON can't represent"},
        {"application/json",
         NULL,
         {"[[NaN],{},{}]", 13},
         NULL,
         "it has a value that JSON can't represent"},
        {"application/json",
         NULL,
         {"[[1e999],{},{}]", 15},
         NULL,
         "it has a value that JSON can't represent"},
        {"application/json",
         NULL,
         {"[[\"\\ud800\"],{},{}]", 18},
         NULL,
         "it has a value that JSON can't represent"},
        {"application/json",
         NULL,
         {"[[\"\\ud83d\\ude00\\\\ud800\"],{},{}]", 31},
         "[\"\\ud83d\\ude00\\\\ud800\"]",
         NULL},
        {"application/json", "application/x-gzip", {"x", 1}, NULL, "the message is compressed"},
        {"application/x-python-serialize",
         NULL,
         {"[[1],{},{}]", 11},
         NULL,
         "the body is a pickle, which is never read"},
        {"application/x-yaml",
         NULL,
         {"[[1],{},{}]", 11},
         NULL,
         "the body is YAML, which is not read"},
        {"application/data", NULL, {"[[1],{},{}]", 11}, NULL, "the serializer is unknown"},
        {"application/json", NULL, {"\xff", 1}, NULL, "the body is not UTF-8"},
        {"application/json", NULL, {"[[1],{}]", 8}, NULL, "the body is not that of a task"},
        {"application/json", NULL, {"[[1],{},{},1]", 13}, NULL, "the body is not that of a task"},
        {"application/json", NULL, {"[[1],[],{}]", 11}, NULL, "the body is not that of a task"},
        {"application/json", NULL, {"{}", 2}, NULL, "the body is not that of a task"},
        {"application/json", NULL, {"[[1],{},{}] 2", 13}, NULL, "the body is not that of a task"},
        {"application/json", NULL, {"", 0}, NULL, "the body is not that of a task"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_arena arena;
        struct celery_task_message t;
        kn_arena_init(&arena, 0);
        const struct celery_message m = {
            .headers = KN_STR(HEADERS("")),
            .content_type = kn_str_from(cases[i].type),
            .compression = kn_str_from(cases[i].compression),
            .body = cases[i].body,
        };
        assert_int_equal(celery_task_message_decode(&m, &arena, &t), KN_OK);
        assert_text(t.args, cases[i].args);
        assert_text(kn_str_from(t.unreadable), cases[i].why);
        assert_true(kn_str_eq(t.body, cases[i].body));
        kn_arena_fini(&arena);
    }
}

static void what_is_no_task_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *body;
    } cases[] = {
        {"{\"task\":\"t\"}", "[[],{},{}]"},
        {"{\"id\":\"t\"}", "[[],{},{}]"},
        {"{\"task\":1,\"id\":\"i\"}", "[[],{},{}]"},
        {"[]", "[[],{},{}]"},
        {"{\"task\":\"t\",\"id\":\"i\"", "[[],{},{}]"},
        {"{\"task\":\"t\",\"id\":\"i\"} {}", "[[],{},{}]"},
        {NULL, "{\"task\":\"t\"}"},
        {NULL, ""},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_arena arena;
        struct celery_task_message t;
        kn_arena_init(&arena, 0);
        const struct celery_message m = {.headers = kn_str_from(cases[i].headers),
                                         .body = kn_str_from(cases[i].body)};
        assert_int_equal(celery_task_message_decode(&m, &arena, &t), KN_INVALID);
        kn_arena_fini(&arena);
    }
}

static void a_value_of_redis_is_an_envelope(void **state)
{
    (void)state;
    struct kn_arena arena;
    struct celery_task_message t;
    const char *error = NULL;
    kn_arena_init(&arena, 0);
    struct kn_str value = KN_STR(
        "{\"body\": \"W1sxXSwge30sIHt9XQ==\", \"content-encoding\": \"utf-8\", "
        "\"content-type\": \"application/json\", \"headers\": {\"task\": \"t\", \"id\": \"i\"}, "
        "\"properties\": {\"priority\": 3, \"body_encoding\": \"base64\", "
        "\"delivery_info\": {\"exchange\": \"\", \"routing_key\": \"q\"}}}");
    assert_int_equal(celery_task_message_decode_envelope(value, &arena, &t, &error), KN_OK);
    assert_text(t.args, "[1]");
    assert_text(t.headers, "{\"task\": \"t\", \"id\": \"i\"}");
    assert_int_equal(t.priority.value, 3);
    assert_int_equal(celery_task_message_decode_envelope(KN_STR("{}"), &arena, &t, &error),
                     KN_INVALID);
    assert_string_equal(error, "no body");
    struct kn_str payload, exchange, key;
    assert_int_equal(celery_unacked_decode(KN_STR("[ {\"body\": NaN}, \"\", \"q\"]"), &arena,
                                           &payload, &exchange, &key),
                     KN_OK);
    assert_text(payload, "{\"body\": NaN}");
    assert_text(exchange, "");
    assert_text(key, "q");
    assert_int_equal(
        celery_unacked_decode(KN_STR("[1, \"\", \"q\"]"), &arena, &payload, &exchange, &key),
        KN_INVALID);
    assert_int_equal(celery_unacked_decode(KN_STR("[{}"), &arena, &payload, &exchange, &key),
                     KN_INVALID);
    kn_arena_fini(&arena);
}

static void queues_of_delayed_delivery_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool delay;
    } cases[] = {{"celery_delayed_0", true},
                 {"celery_delayed_27", true},
                 {"celery_delayed_28", false},
                 {"celery_delayed_", false},
                 {"celery_delayed_1x", false},
                 {"celery_delayed_delivery", false},
                 {"my_celery_delayed_1", true},
                 {"mycelery_delayed_1", false},
                 {"celery_delayed_-1", false},
                 {"_celery_delayed_5", true},
                 {"delayed_1", false},
                 {"_", false},
                 {"", false},
                 {"7", false}};
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        assert_int_equal(celery_is_delay_queue(kn_str_from(cases[i].name)), cases[i].delay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_of_protocol_2_is_in_its_headers_and_body),
        cmocka_unit_test(a_message_of_protocol_1_is_in_its_body),
        cmocka_unit_test(a_body_that_cannot_be_read_says_why),
        cmocka_unit_test(queues_of_delayed_delivery_are_known),
        cmocka_unit_test(what_is_no_task_is_refused),
        cmocka_unit_test(a_value_of_redis_is_an_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
