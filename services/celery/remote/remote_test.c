#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/celery/remote/remote.h"

#include "services/common/count.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static struct kn_arena arena;

static int arena_open(void **state)
{
    (void)state;
    kn_arena_init(&arena, 0);
    return 0;
}

static int arena_close(void **state)
{
    (void)state;
    kn_arena_fini(&arena);
    return 0;
}

static void assert_text(struct kn_str s, const char *expected)
{
    if (!kn_str_eq(s, kn_str_from(expected)) || !s.ptr != !expected)
        fail_msg("'%.*s' instead of '%s'", KN_STR_ARG(s), expected ? expected : "(absent)");
}

static void assert_buf(struct kn_buf *buf, const char *expected)
{
    assert_int_equal(kn_buf_status(buf), KN_OK);
    assert_text(kn_buf_view(buf), expected);
    kn_buf_clear(buf);
}

/* as a MONITOR of Redis showed them, with kombu 5.7.0 and 4.6.11 */
static void names_are_those_of_kombu(void **state)
{
    (void)state;
    struct kn_buf out;
    kn_buf_init(&out, 0);
    celery_remote_exchange(&out, KN_STR_ABSENT);
    assert_buf(&out, "celery.pidbox");
    celery_remote_exchange(&out, KN_STR("other"));
    assert_buf(&out, "other.pidbox");
    celery_remote_reply_exchange(&out, KN_STR_ABSENT);
    assert_buf(&out, "reply.celery.pidbox");
    celery_remote_reply_queue(&out, KN_STR_ABSENT, KN_STR("01284155"));
    assert_buf(&out, "01284155.reply.celery.pidbox");
    kn_buf_fini(&out);
}

static void commands_have_the_members_that_kombu_sends(void **state)
{
    (void)state;
    const struct kn_str destinations[] = {KN_STR("w1@h"), KN_STR("w\"2")};
    const struct {
        struct celery_command command;
        const char *body, *headers;
    } cases[] = {
        {{.method = KN_STR("stats")},
         "{\"method\":\"stats\",\"arguments\":{},\"destination\":null,\"pattern\":null,"
         "\"matcher\":null}",
         "{\"clock\":0,\"expires\":0}"},
        {{.method = KN_STR("stats"),
          .ticket = KN_STR("t"),
          .oid = KN_STR("o"),
          .clock = 7,
          .expires_us = INT64_C(1795473461000050)},
         "{\"method\":\"stats\",\"arguments\":{},\"destination\":null,\"pattern\":null,"
         "\"matcher\":null,\"ticket\":\"t\",\"reply_to\":{\"exchange\":\"reply.celery.pidbox\","
         "\"routing_key\":\"o\"}}",
         "{\"clock\":7,\"expires\":1795473461.000050}"},
        {{.method = KN_STR("revoke"),
          .arguments = KN_STR("{\"task_id\":\"x\"}"),
          .destinations = destinations,
          .destination_count = 2,
          .pattern = KN_STR("w*"),
          .matcher = KN_STR("glob")},
         "{\"method\":\"revoke\",\"arguments\":{\"task_id\":\"x\"},"
         "\"destination\":[\"w1@h\",\"w\\\"2\"],\"pattern\":\"w*\",\"matcher\":\"glob\"}",
         "{\"clock\":0,\"expires\":0}"},
    };
    struct kn_buf out;
    kn_buf_init(&out, 0);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        celery_command_body(&out, &cases[i].command);
        assert_buf(&out, cases[i].body);
        celery_command_headers(&out, &cases[i].command);
        assert_buf(&out, cases[i].headers);
    }
    kn_buf_fini(&out);
}

static void a_command_for_redis_is_an_envelope_that_opens_again(void **state)
{
    (void)state;
    static const struct kn_str methods[] = {KN_STR("ping"), KN_STR("pings"), KN_STR("stats!")};
    for (size_t i = 0; i < KN_COUNT_OF(methods); i++) {
        const struct celery_command command = {.method = methods[i], .ns = KN_STR("x")};
        struct celery_message message;
        const char *error;
        struct kn_buf out, body;
        kn_buf_init(&out, 0);
        kn_buf_init(&body, 0);
        celery_command_envelope(&out, &command, KN_STR("tag-1"));
        celery_command_body(&body, &command);
        assert_int_equal(celery_envelope_decode(kn_buf_view(&out), &arena, &message, &error),
                         KN_OK);
        assert_true(kn_str_eq(message.body, kn_buf_view(&body)));
        assert_text(message.content_type, "application/json");
        assert_text(message.content_encoding, "utf-8");
        assert_text(message.exchange, "x.pidbox");
        assert_text(message.routing_key, "");
        kn_buf_fini(&out);
        kn_buf_fini(&body);
    }
}

static void replies_name_their_worker(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum kn_status status;
        const char *hostname, *value;
        bool failed;
    } cases[] = {
        {"{\"w@h\": {\"ok\": \"pong\"}}", KN_OK, "w@h", "{\"ok\":\"pong\"}", false},
        {"{\"w\": {\"error\": \"KeyError('x')\"}}", KN_OK, "w", "{\"error\":\"KeyError('x')\"}",
         true},
        {"{\"w\": [1, NaN, \"\\u00e4\"]}", KN_OK, "w", "[1,null,\"\xc3\xa4\"]", false},
        {"{\"w\": null}", KN_OK, "w", "null", false},
        {"{}", KN_INVALID, NULL, NULL, false},
        {"[]", KN_INVALID, NULL, NULL, false},
        {"", KN_INVALID, NULL, NULL, false},
        {"{\"w\": 1, \"v\": 2}", KN_INVALID, NULL, NULL, false},
        {"{\"w\": 1} x", KN_INVALID, NULL, NULL, false},
        {"{\"w\": \"\xff\"}", KN_INVALID, NULL, NULL, false},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct celery_reply reply = {.hostname = KN_STR("before")};
        const struct celery_message message = {.body = kn_str_from(cases[i].body),
                                               .ticket = KN_STR("t")};
        enum kn_status status = celery_reply_decode(&message, &arena, &reply);
        if (status != cases[i].status)
            fail_msg("%s: %s", cases[i].body, kn_status_name(status));
        assert_text(reply.ticket, "t");
        assert_text(reply.hostname, status == KN_OK ? cases[i].hostname : NULL);
        if (status != KN_OK)
            continue;
        assert_text(reply.value, cases[i].value);
        assert_int_equal(reply.failed, cases[i].failed);
    }
}

static void replies_in_pickle_are_not_supported(void **state)
{
    (void)state;
    struct celery_reply reply;
    const struct celery_message message = {
        .body = KN_STR("\x80\x04."), .content_type = KN_STR("application/x-python-serialize")};
    assert_int_equal(celery_reply_decode(&message, &arena, &reply), KN_UNSUPPORTED);
    const struct celery_message msgpack = {.body = KN_STR("\x81\xa1w\x81\xa2ok\xa4pong"),
                                           .content_type = KN_STR("application/x-msgpack")};
    assert_int_equal(celery_reply_decode(&msgpack, &arena, &reply), KN_OK);
    assert_text(reply.value, "{\"ok\":\"pong\"}");
}

static void stats_of_any_pool_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *pool; /* NULL: not known */
        int64_t concurrency;
    } cases[] = {
        {"{\"pid\":1,\"pool\":{\"implementation\":\"celery.concurrency.prefork:TaskPool\","
         "\"max-concurrency\":4}}",
         "prefork", 4},
        {"{\"pid\":1,\"pool\":{\"implementation\":\"celery.concurrency.thread:TaskPool\","
         "\"max-concurrency\":8}}",
         "threads", 8},
        {"{\"pid\":1,\"pool\":{\"implementation\":\"celery_aio_pool.pool:AsyncIOPool\"}}",
         "celery_aio_pool.pool:AsyncIOPool", 0},
        {"{\"pid\":1,\"pool\":{\"processes\":[1],\"max-concurrency\":1}}", "solo", 1},
        {"{\"pid\":1,\"pool\":{\"processes\":[2],\"max-concurrency\":1}}", "prefork", 1},
        {"{\"pid\":1,\"pool\":{\"processes\":[2,3,4],\"max-concurrency\":1}}", "prefork", 3},
        {"{\"pid\":1,\"pool\":{\"threads\":2,\"max-concurrency\":2}}", "threads", 2},
        {"{\"pid\":1,\"pool\":{\"max-concurrency\":9}}", NULL, 9},
        {"{\"pid\":1,\"pool\":\"N/A\",\"rusage\":\"N/A\",\"uptime\":null}", NULL, 0},
        {"{\"pid\":\"x\"}", NULL, 0},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_msg_worker_inspect inspect = {0};
        assert_int_equal(celery_inspect_stats(kn_str_from(cases[i].value), &arena, &inspect),
                         KN_OK);
        assert_text(inspect.pool, cases[i].pool);
        assert_true(inspect.concurrency.value == cases[i].concurrency);
        assert_false(inspect.cpu_seconds.set || inspect.memory_mb.set);
    }
}

static void answers_that_are_no_answers_change_nothing(void **state)
{
    (void)state;
    static const char *const values[] = {"", "null", "7", "\"x\"", "{\"error\":\"no\"}", "{", "[["};
    for (size_t i = 0; i < KN_COUNT_OF(values); i++) {
        struct kn_msg_worker_inspect inspect = {0}, before = {0};
        struct kn_str value = kn_str_from(values[i]);
        assert_int_equal(celery_inspect_stats(value, &arena, &inspect), KN_INVALID);
        assert_int_equal(celery_inspect_active_queues(value, &arena, &inspect), KN_INVALID);
        assert_int_equal(celery_inspect_registered(value, &arena, &inspect), KN_INVALID);
        assert_int_equal(celery_inspect_conf(value, &arena, &inspect), KN_INVALID);
        assert_memory_equal(&inspect, &before, sizeof inspect);
    }
}

static void queues_and_tasks_are_listed_by_name(void **state)
{
    (void)state;
    struct kn_msg_worker_inspect inspect = {0};
    assert_int_equal(
        celery_inspect_registered(
            KN_STR("[\"a.b\",\"c [rate_limit=10/m]\",7,\"d [x] [rate_limit=1/s]\",\"e[f]\"]"),
            &arena, &inspect),
        KN_OK);
    assert_true(inspect.has_registered && inspect.registered.count == 4);
    assert_text(inspect.registered.items[0], "a.b");
    assert_text(inspect.registered.items[1], "c");
    assert_text(inspect.registered.items[2], "d [x]");
    assert_text(inspect.registered.items[3], "e[f]");
    assert_int_equal(
        celery_inspect_active_queues(KN_STR("[{\"name\":\"q\"},{},7,{\"name\":\"\xc3\xa4\"}]"),
                                     &arena, &inspect),
        KN_OK);
    assert_true(inspect.has_queues && inspect.queues.count == 2);
    assert_text(inspect.queues.items[1], "\xc3\xa4");
    assert_int_equal(celery_inspect_active_queues(KN_STR("[]"), &arena, &inspect), KN_OK);
    assert_true(inspect.has_queues && inspect.queues.count == 0);
    assert_text(inspect.active_queues, "[]");
}

static void tasks_that_wait_in_a_worker_are_told_with_their_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *args, *kwargs, *want, *want_kwargs;
    } cases[] = {
        {"[1,\"x\"]", "{\"k\":null}", "(1, 'x')", "{'k': None}"},
        {"[[1]]", "{}", "([1],)", "{}"},
        {"[]", "{}", "()", "{}"},
        {"\"(1, 'x')\"", "\"{'k': None}\"", "(1, 'x')", "{'k': None}"}, /* active, safe */
        {"7", "null", NULL, NULL},
    };
    struct celery_held_tasks held;
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "[{\"eta\":\"2026-11-30T10:00:00+00:00\",\"priority\":6,\"request\":{\"id\":\"a\","
                 "\"name\":\"n\",\"args\":%s,\"kwargs\":%s,\"time_start\":null}}]",
                 cases[i].args, cases[i].kwargs);
        assert_int_equal(celery_inspect_tasks(kn_str_from(text), &arena, &held), KN_OK);
        assert_int_equal(held.count, 1);
        assert_text(held.items[0].id, "a");
        assert_text(held.items[0].name, "n");
        assert_text(held.items[0].args_repr, cases[i].want);
        assert_text(held.items[0].kwargs_repr, cases[i].want_kwargs);
        assert_int_equal(held.items[0].eta, INT64_C(1796032800000000));
        assert_false(held.items[0].active);
    }
}

/* ---- what real workers answered ------------------------------------------- */

static void tasks_that_a_worker_holds_are_told(void **state)
{
    (void)state;
    struct celery_held_tasks held;
    struct kn_strs names;
    assert_int_equal(celery_inspect_query_task(
                         KN_STR("{\"a\":[\"active\",{\"id\":\"a\",\"time_start\":1764000000.5}],"
                                "\"b\":[\"reserved\",{\"time_start\":null}],\"c\":7}"),
                         &arena, &held),
                     KN_OK);
    assert_int_equal(held.count, 3);
    assert_text(held.items[0].id, "a");
    assert_true(held.items[0].active && !held.items[1].active && !held.items[2].active);
    assert_int_equal(held.items[0].started_at, INT64_C(1764000000500000));
    assert_int_equal(held.items[1].started_at, 0);
    assert_int_equal(celery_inspect_query_task(KN_STR("{}"), &arena, &held), KN_OK);
    assert_int_equal(held.count, 0);
    assert_int_equal(celery_inspect_query_task(KN_STR("{\"error\":\"x\"}"), &arena, &held),
                     KN_INVALID);
    assert_int_equal(celery_inspect_tasks(KN_STR("[{\"id\":\"a\"},{},3]"), &arena, &held), KN_OK);
    assert_int_equal(held.count, 3);
    assert_text(held.items[0].id, "a");
    assert_text(held.items[1].id, NULL);
    assert_int_equal(celery_inspect_tasks(KN_STR("{}"), &arena, &held), KN_INVALID);
    assert_int_equal(
        celery_inspect_rate_limited(KN_STR("[\"a\",\"b [rate_limit=10/m]\",null]"), &arena, &names),
        KN_OK);
    assert_int_equal(names.count, 1);
    assert_text(names.items[0], "b");
}

static void check_stats(const json_t *value, const struct kn_msg_worker_inspect *inspect)
{
    const json_t *rusage = json_object_get(value, "rusage");
    assert_true(inspect->pid == (uint64_t)json_integer_value(json_object_get(value, "pid")));
    assert_true(inspect->concurrency.set && inspect->concurrency.value == 2);
    assert_true(inspect->prefetch.set && inspect->prefetch.value > 0);
    assert_true(inspect->uptime.set && inspect->uptime.value > 0);
    assert_true(inspect->memory_mb.value ==
                json_number_value(json_object_get(rusage, "maxrss")) / 1024);
    assert_true(inspect->cpu_seconds.value ==
                json_number_value(json_object_get(rusage, "utime")) +
                    json_number_value(json_object_get(rusage, "stime")));
}

static void check_answer(const char *question, const json_t *line, const struct celery_reply *reply)
{
    struct kn_msg_worker_inspect inspect = {0};
    const json_t *value = json_object_get(json_object_get(line, "body"), "w1@test.example");
    if (strcmp(question, "stats") == 0) {
        assert_int_equal(celery_inspect_stats(reply->value, &arena, &inspect), KN_OK);
        assert_text(inspect.pool, json_string_value(json_object_get(line, "pool")));
        check_stats(value, &inspect);
    } else if (strcmp(question, "active_queues") == 0) {
        assert_int_equal(celery_inspect_active_queues(reply->value, &arena, &inspect), KN_OK);
        assert_int_equal(inspect.queues.count, 1);
        assert_text(inspect.queues.items[0], "celery");
    } else if (strcmp(question, "registered") == 0) {
        assert_int_equal(celery_inspect_registered(reply->value, &arena, &inspect), KN_OK);
        assert_int_equal(inspect.registered.count, 5);
        assert_text(inspect.registered.items[0], "demo.add");
    } else {
        assert_int_equal(celery_inspect_conf(reply->value, &arena, &inspect), KN_OK);
        assert_true(inspect.events_enabled.value == 1 && inspect.conf.len > 10);
    }
}

static void what_real_workers_answer_is_understood(void **state)
{
    (void)state;
    char *text = NULL;
    size_t room = 0, lines = 0;
    FILE *f = fopen("tests/data/celery/replies.jsonl", "r");
    assert_non_null(f);
    for (; getline(&text, &room, f) > 0; lines++) {
        struct celery_reply reply;
        json_t *line = json_loads(text, 0, NULL);
        assert_non_null(line);
        struct kn_str payload = kn_str_from(json_string_value(json_object_get(line, "payload")));
        struct celery_message message;
        const char *error;
        assert_int_equal(celery_envelope_decode(payload, &arena, &message, &error), KN_OK);
        assert_int_equal(celery_reply_decode(&message, &arena, &reply), KN_OK);
        assert_text(reply.hostname, "w1@test.example");
        assert_true(reply.ticket.len == 36 && !reply.failed);
        json_t *value = json_loadb(reply.value.ptr, reply.value.len, JSON_DECODE_ANY, NULL);
        json_t *theirs = json_object_get(json_object_get(line, "body"), "w1@test.example");
        assert_true(json_equal(value, theirs));
        check_answer(json_string_value(json_object_get(line, "question")), line, &reply);
        json_decref(value);
        json_decref(line);
    }
    assert_int_equal(lines, 12);
    fclose(f);
    free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, arena_open, arena_close)
    const struct CMUnitTest tests[] = {
        TEST(names_are_those_of_kombu),
        TEST(commands_have_the_members_that_kombu_sends),
        TEST(a_command_for_redis_is_an_envelope_that_opens_again),
        TEST(replies_name_their_worker),
        TEST(replies_in_pickle_are_not_supported),
        TEST(stats_of_any_pool_are_understood),
        TEST(answers_that_are_no_answers_change_nothing),
        TEST(queues_and_tasks_are_listed_by_name),
        TEST(tasks_that_a_worker_holds_are_told),
        TEST(tasks_that_wait_in_a_worker_are_told_with_their_arguments),
        TEST(what_real_workers_answer_is_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
