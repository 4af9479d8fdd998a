#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "services/celery/event/event.h"
#include "services/celery/read/base64.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t now_us = INT64_C(1795473465000000); /* 2026-11-23 */
#define NOW "\"timestamp\":1795473465.25"

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

/* body is copied to memory of exactly its size, so that reading too far shows. */
static struct celery_events decode_as(struct kn_str type, struct kn_str body)
{
    struct celery_events events;
    char *copy = malloc(body.len ? body.len : 1);
    assert_non_null(copy);
    memcpy(copy, body.ptr, body.len);
    struct celery_message message = {.body = {copy, body.len}, .content_type = type};
    assert_int_equal(celery_event_decode_message(&message, NULL, now_us, &arena, &events), KN_OK);
    /* texts point into the body: move what the tests look at to the arena */
    for (size_t i = 0; i < events.count; i++) {
        struct kn_msg_event *e = kn_msg_copy(&arena, KN_KIND_EVENT, &events.items[i]);
        assert_non_null(e);
        events.items[i] = *e;
    }
    free(copy);
    return events;
}

static struct celery_events decode(const char *json)
{
    return decode_as(KN_STR("application/json"), kn_str_from(json));
}

static struct kn_msg_event decode_one(const char *json)
{
    struct celery_events events = decode(json);
    if (events.count != 1 || events.invalid != 0)
        fail_msg("%s: %zu events, %zu invalid: %s", json, events.count, events.invalid,
                 celery_cause_text(events.first[0].cause));
    return events.items[0];
}

static void assert_text(struct kn_str s, const char *expected)
{
    if (!kn_str_eq(s, kn_str_from(expected)) || !s.ptr != !expected)
        fail_msg("'%.*s' instead of '%s'", KN_STR_ARG(s), expected ? expected : "(absent)");
}

static void every_field_has_its_place(void **state)
{
    (void)state;
    struct kn_msg_event e = decode_one(
        "{\"hostname\": \"w@h\", \"utcoffset\": -2, \"pid\": 17, \"clock\": 18446744073709551615,"
        "\"uuid\": \"u\", \"name\": \"n\", \"args\": \"(1,)\", \"kwargs\": \"{}\", "
        "\"result\": \"'r'\", \"exception\": \"E()\", \"traceback\": \"T\", \"root_id\": \"r\","
        "\"parent_id\": \"p\", \"retries\": 3, \"eta\": \"2026-11-23T10:00:00+01:00\", "
        "\"expires\": \"2026-11-23T10:00:00.5\", \"queue\": \"q\", \"exchange\": \"\", "
        "\"routing_key\": \"k\", \"runtime\": 0.25, \"signum\": \"SIGTERM\", "
        "\"terminated\": true, \"expired\": true, \"requeue\": true, \"freq\": 2.0, "
        "\"sw_ident\": \"py-celery\", \"sw_ver\": \"5.6.3\", \"sw_sys\": \"Linux\", "
        "\"active\": 4, \"processed\": 5, \"loadavg\": [0.1, 2, 3.5], "
        "\"type\": \"task-sent\", " NOW "}");
    assert_int_equal(e.type, KN_EVENT_TASK_SENT);
    assert_text(e.type_name, NULL);
    assert_text(e.hostname, "w@h");
    assert_int_equal(e.utcoffset, -2);
    assert_int_equal(e.pid, 17);
    assert_true(e.clock == UINT64_MAX);
    assert_text(e.uuid, "u");
    assert_text(e.name, "n");
    assert_text(e.args_repr, "(1,)");
    assert_text(e.kwargs_repr, "{}");
    assert_text(e.result_repr, "'r'");
    assert_text(e.exception, "E()");
    assert_text(e.traceback, "T");
    assert_text(e.root_id, "r");
    assert_text(e.parent_id, "p");
    assert_true(e.retries.set && e.retries.value == 3);
    assert_true(e.eta == INT64_C(1795424400000000));
    assert_true(e.expires == INT64_C(1795428000500000));
    assert_text(e.queue, "q");
    assert_text(e.exchange, "");
    assert_text(e.routing_key, "k");
    assert_true(e.runtime.set && e.runtime.value == 0.25);
    assert_text(e.signum, "SIGTERM");
    assert_true(e.terminated && e.expired && e.requeue);
    assert_true(e.freq.set && e.freq.value == 2);
    assert_text(e.sw_ident, "py-celery");
    assert_text(e.sw_ver, "5.6.3");
    assert_text(e.sw_sys, "Linux");
    assert_true(e.active.set && e.active.value == 4);
    assert_true(e.processed.set && e.processed.value == 5);
    assert_int_equal(e.loadavg.count, 3);
    assert_true(e.loadavg.items[0] == 0.1 && e.loadavg.items[2] == 3.5);
    assert_true(e.timestamp == INT64_C(1795473465250000));
    assert_true(e.received_at == now_us);
    assert_text(e.extra, NULL);
}

static void what_is_null_is_absent(void **state)
{
    (void)state;
    struct kn_msg_event e = decode_one(
        "{\"type\":\"task-sent\",\"uuid\":\"u\",\"clock\":null,\"retries\":null,\"eta\":null,"
        "\"args\":null,\"parent_id\":null,\"runtime\":null,\"loadavg\":null," NOW "}");
    assert_true(e.clock == 0 && !e.retries.set && e.eta == 0 && !e.runtime.set);
    assert_text(e.args_repr, NULL);
    assert_text(e.parent_id, NULL);
    assert_text(e.extra, NULL);
}

static void every_type_of_celery_is_known_and_others_keep_their_name(void **state)
{
    (void)state;
    for (unsigned i = KN_EVENT_CUSTOM + 1; i <= KN_EVENT_WORKER_OFFLINE; i++) {
        char json[200];
        snprintf(json, sizeof json, "{\"type\":\"%s\",\"uuid\":\"u\",\"hostname\":\"h\"," NOW "}",
                 kn_enum_text(&kn_enum_event_type, i));
        struct kn_msg_event e = decode_one(json);
        assert_int_equal(e.type, i);
        assert_text(e.type_name, NULL);
    }
    static const char *const custom[] = {"custom", "task-progress", "task-orphaned", "my.event",
                                         "\xc3\xa4"};
    for (size_t i = 0; i < KN_COUNT_OF(custom); i++) {
        char json[200];
        snprintf(json, sizeof json, "{\"type\":\"%s\"," NOW "}", custom[i]);
        struct kn_msg_event e = decode_one(json);
        assert_int_equal(e.type, KN_EVENT_CUSTOM);
        assert_text(e.type_name, custom[i]);
    }
}

static void values_of_other_types_find_their_place_or_go_to_extra(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        const char *args, *uuid, *extra;
    } cases[] = {
        {"\"uuid\":\"u\",\"args\":[1,\"it's\",null,true,1.5,NaN,{\"k\":[]}]",
         "[1, \"it's\", None, True, 1.5, nan, {'k': []}]", "u", NULL},
        {"\"uuid\":\"u\",\"args\":{\"a\\nb\":\"\\u0001\\\\'\\\"\"}", "{'a\\nb': '\\x01\\\\\\'\"'}",
         "u", NULL},
        {"\"uuid\":\"u\",\"args\":true", "True", "u", NULL},
        {"\"uuid\":12345678901234567890", NULL, "12345678901234567890", NULL},
        {"\"uuid\":1.5", NULL, "1.5", NULL},
        {"\"uuid\":{\"__type__\":\"uuid\",\"__value__\":\"abc\"}", NULL, "abc", NULL},
        {"\"uuid\":{\"__type__\":\"uuid\",\"x\":\"abc\"}", NULL, "{'__type__': 'uuid', 'x': 'abc'}",
         NULL},
        {"\"uuid\":\"u\",\"eta\":\"tomorrow\"", NULL, "u", "{\"eta\":\"tomorrow\"}"},
        {"\"uuid\":\"u\",\"retries\":\"many\"", NULL, "u", "{\"retries\":\"many\"}"},
        {"\"uuid\":\"u\",\"pid\":-1", NULL, "u", "{\"pid\":-1}"},
        {"\"uuid\":\"u\",\"clock\":1e30", NULL, "u", "{\"clock\":1e30}"},
        {"\"uuid\":\"u\",\"runtime\":NaN", NULL, "u", "{\"runtime\":null}"},
        {"\"uuid\":\"u\",\"runtime\":[1]", NULL, "u", "{\"runtime\":[1]}"},
        {"\"uuid\":\"u\",\"loadavg\":[1,2,3,4]", NULL, "u", "{\"loadavg\":[1,2,3,4]}"},
        {"\"uuid\":\"u\",\"loadavg\":[1,\"x\"]", NULL, "u", "{\"loadavg\":[1,\"x\"]}"},
        {"\"uuid\":\"u\",\"requeue\":\"no\"", NULL, "u", "{\"requeue\":\"no\"}"},
        {"\"uuid\":\"u\", \"x\" : { \"a\" : [ 1 , NaN , -Infinity , {} , [] ] } , \"y\" : null",
         NULL, "u", "{\"x\":{\"a\":[1,null,null,{},[]]},\"y\":null}"},
        {"\"uuid\":\"u\",\"\\u00e4\":\"\\ud83d\"", NULL, "u", "{\"\xc3\xa4\":\"\xef\xbf\xbd\"}"},
        {"\"uuid\":\"u\",\"uui\":1,\"uuidd\":2,\"\":3,\"routing_keys\":4", NULL, "u",
         "{\"uui\":1,\"uuidd\":2,\"\":3,\"routing_keys\":4}"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char json[400];
        snprintf(json, sizeof json, "{\"type\":\"task-sent\",%s," NOW "}", cases[i].members);
        struct kn_msg_event e = decode_one(json);
        assert_text(e.uuid, cases[i].uuid);
        assert_text(e.args_repr, cases[i].args);
        assert_text(e.extra, cases[i].extra);
    }
}

static void texts_are_unescaped(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"", ""},
        {"a long text without anything in it", "a long text without anything in it"},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
        {"\\u00e4\\u6f22\\ud83d\\ude00", "\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x98\x80"},
        {"\\ud83d", "\xef\xbf\xbd"},
        {"\\ude00", "\xef\xbf\xbd"},
        {"\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"\\ud83d\\u0041", "\xef\xbf\xbd"
                           "A"},
        {"sixteen bytes ..\\n and more of them to come",
         "sixteen bytes ..\n and more of them to come"},
        {"\xf0\x9f\x98\x80 \x7f", "\xf0\x9f\x98\x80 \x7f"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char json[400];
        snprintf(json, sizeof json, "{\"type\":\"x\",\"name\":\"%s\"," NOW "}", cases[i].json);
        assert_text(decode_one(json).name, cases[i].text);
    }
}

static void timestamps_are_microseconds(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int64_t us;
    } cases[] = {
        {"1795473465", INT64_C(1795473465000000)},
        {"1795473465.2532225", INT64_C(1795473465253223)},
        {"1795473465.2532224", INT64_C(1795473465253222)},
        {"1795473465.999999949", INT64_C(1795473466000000) - 0},
        {"1795473465.00000049999", INT64_C(1795473465000000)},
        {"1.795473465e9", INT64_C(1795473465000000)},
        {"946684800", INT64_C(946684800000000)},
        {"1795559865", INT64_C(1795559865000000)},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char json[200];
        snprintf(json, sizeof json, "{\"type\":\"x\",\"timestamp\":%s}", cases[i].json);
        struct kn_msg_event e = decode_one(json);
        if (e.timestamp != cases[i].us)
            fail_msg("%s: %lld", cases[i].json, (long long)e.timestamp);
    }
}

#define X1000(s) X100(s) X100(s) X100(s) X100(s) X100(s) X100(s) X100(s) X100(s) X100(s) X100(s)
#define X100(s) X10(s) X10(s) X10(s) X10(s) X10(s) X10(s) X10(s) X10(s) X10(s) X10(s)
#define X10(s) s s s s s s s s s s

static void what_is_wrong_has_a_cause(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum celery_cause cause;
    } cases[] = {
        {"", CELERY_CAUSE_SYNTAX},
        {"garbage", CELERY_CAUSE_SYNTAX},
        {"\x80\x04\x95garbage", CELERY_CAUSE_UTF8},
        {"{\"type\":\"x\",\"a\":\"\xff\"," NOW "}", CELERY_CAUSE_UTF8},
        {"{\"type\":\"x\"," NOW, CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW "} x", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW "}{}", CELERY_CAUSE_SYNTAX},
        {"{type:\"x\"," NOW "}", CELERY_CAUSE_SYNTAX},
        {"{\"type\" \"x\"," NOW "}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",\"a\":01}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",\"a\":1.}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",\"a\":1e}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",\"a\":-}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",\"a\":nul}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",\"a\":\"\n\"}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",\"a\":\"\\x\"}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",\"a\":\"\\u12\"}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",\"a\":[1,]}", CELERY_CAUSE_SYNTAX},
        {"{\"type\":\"x\"," NOW ",\"a\":[1}}", CELERY_CAUSE_SYNTAX},
        {"1", CELERY_CAUSE_NO_OBJECT},
        {"\"text\"", CELERY_CAUSE_NO_OBJECT},
        {"null", CELERY_CAUSE_NO_OBJECT},
        {"{}", CELERY_CAUSE_NO_TYPE},
        {"{\"type\":null," NOW "}", CELERY_CAUSE_NO_TYPE},
        {"{\"type\":\"\"," NOW "}", CELERY_CAUSE_NO_TYPE},
        {"{\"type\":7," NOW "}", CELERY_CAUSE_NO_TYPE},
        {"{\"type\":\"task-sent\"," NOW "}", CELERY_CAUSE_NO_UUID},
        {"{\"type\":\"task-sent\",\"uuid\":null," NOW "}", CELERY_CAUSE_NO_UUID},
        {"{\"type\":\"task-started\",\"uuid\":\"\"," NOW "}", CELERY_CAUSE_NO_UUID},
        {"{\"type\":\"worker-heartbeat\"," NOW "}", CELERY_CAUSE_NO_HOSTNAME},
        {"{\"type\":\"x\"}", CELERY_CAUSE_TIMESTAMP},
        {"{\"type\":\"x\",\"timestamp\":null}", CELERY_CAUSE_TIMESTAMP},
        {"{\"type\":\"x\",\"timestamp\":\"now\"}", CELERY_CAUSE_TIMESTAMP},
        {"{\"type\":\"x\",\"timestamp\":NaN}", CELERY_CAUSE_TIMESTAMP},
        {"{\"type\":\"x\",\"timestamp\":1e300}", CELERY_CAUSE_TIMESTAMP},
        {"{\"type\":\"x\",\"timestamp\":-1}", CELERY_CAUSE_TIMESTAMP},
        {"{\"type\":\"x\",\"timestamp\":4102444801}", CELERY_CAUSE_TIMESTAMP},
        {"{\"type\":\"x\",\"timestamp\":253370764800}", CELERY_CAUSE_TIMESTAMP},
        {"{\"type\":\"x\"," NOW ",\"a\":" X1000("[") X1000("]") "}", CELERY_CAUSE_TOO_DEEP},
        {"{\"type\":\"x\"," NOW ",\"args\":" X1000("{\"a\":") "1" X1000("}") "}",
         CELERY_CAUSE_TOO_DEEP},
        {X1000("["), CELERY_CAUSE_TOO_DEEP},
        {"{\"type\":\"x\"," NOW ",\"hostname\":\"" X1000("hello") "\"}", CELERY_CAUSE_TOO_BIG},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct celery_events events = decode(cases[i].json);
        if (events.count != 0 || events.invalid == 0 || events.first[0].cause != cases[i].cause)
            fail_msg("%.60s: %zu events, %zu invalid: %s", cases[i].json, events.count,
                     events.invalid, celery_cause_name(events.first[0].cause));
        assert_int_equal(events.causes[cases[i].cause], 1);
    }
}

static void a_clock_that_is_off_by_days_is_noted_beside_our_own_time(void **state)
{
    (void)state;
    static const struct {
        const char *timestamp;
        int64_t at, skew; /* seconds; at 0: ours */
    } cases[] = {
        {"1795473465", 1795473465, 0}, {"1795559865", 1795559865, 0}, {"1795559866", 0, 86401},
        {"946684800", 946684800, 0},   {"946684799", 0, -848788666},  {"0", 0, -1795473465},
        {"4102444800", 0, 2306971335},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"type\":\"x\",\"timestamp\":%s}", cases[i].timestamp);
        struct kn_msg_event e = decode_one(json);
        assert_true(e.timestamp == (cases[i].at ? cases[i].at * KN_SECOND : now_us));
        int64_t sent = 0;
        assert_true(kn_str_to_i64(kn_str_from(cases[i].timestamp), &sent));
        assert_true(e.timestamp + e.skew == sent * KN_SECOND);
        assert_true(e.skew / KN_SECOND == cases[i].skew);
    }
}

static void failures_say_what_and_of_whom(void **state)
{
    (void)state;
#define WRAPPED "\"exception\":\"ExceptionWithTraceback()\""
#define FRAMES "Traceback (most recent call last):\\n  File \\\"a.py\\\", line 3, in f\\n    g()\\n"
    static const struct {
        const char *fields, *name, *exception;
    } cases[] = {
        {"\"exception\":\"NotRegistered('no.such')\"", "no.such", "NotRegistered('no.such')"},
        {"\"exception\":\"NotRegistered(\\\"it's\\\")\"", "it's", "NotRegistered(\"it's\")"},
        {"\"exception\":\"NotRegistered('a')\",\"name\":\"b\"", "b", "NotRegistered('a')"},
        {"\"exception\":\"NotRegistered()\"", NULL, "NotRegistered()"},
        {"\"exception\":\"NotRegistered('\"", NULL, "NotRegistered('"},
        {"\"exception\":\"NotRegistered('a\\\\x')\"", NULL, "NotRegistered('a\\x')"},
        {WRAPPED, NULL, "ExceptionWithTraceback()"},
        {WRAPPED ",\"traceback\":\"odd\"", NULL, "ExceptionWithTraceback()"},
        {WRAPPED ",\"traceback\":\"" FRAMES "billiard.exceptions.WorkerLostError: Worker exited"
                 " prematurely: signal 9 (SIGKILL) Job: 1.\\n\"",
         NULL, "WorkerLostError('Worker exited prematurely: signal 9 (SIGKILL) Job: 1.')"},
        {WRAPPED ",\"traceback\":\"" FRAMES "a.b.TimeLimitExceeded: (5,)\"", NULL,
         "TimeLimitExceeded('(5,)')"},
        {WRAPPED ",\"traceback\":\"" FRAMES "Plain\\n\"", NULL, "Plain()"},
        {WRAPPED ",\"traceback\":\"" FRAMES "Gone: it's\\nmore\\n\"", NULL, "Gone(\"it's\")"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char json[1024];
        snprintf(json, sizeof json, "{\"type\":\"task-failed\",\"uuid\":\"u\",%s," NOW "}",
                 cases[i].fields);
        struct kn_msg_event e = decode_one(json);
        assert_text(e.name, cases[i].name);
        assert_text(e.exception, cases[i].exception);
    }
}

static void each_event_of_a_list_is_judged_alone(void **state)
{
    (void)state;
#define GOOD(name) "{\"type\":\"" name "\"," NOW "}"
    static const char *const bad[] = {
        "{}",
        "7",
        "\"x\"",
        "[" GOOD("inner") "]",
        "{\"type\":\"task-sent\"," NOW "}",
        "{\"type\":\"x\",\"timestamp\":253370764800}",
        "{\"type\":\"x\"," NOW ",\"a\":\"\xff\"}",
        "{\"type\":\"x\"," NOW ",\"a\":\"\\x ] } \"}",
        "{\"type\":\"x\"," NOW ",\"a\":tru}",
        "{\"type\":\"x\"," NOW ",\"a\":" X1000("[") X1000("]") "}",
        X100("{\"]\":") "\"}{][,\"" X100("}"),
    };
    for (size_t i = 0; i < KN_COUNT_OF(bad); i++) {
        struct kn_buf json;
        kn_buf_init(&json, 0);
        kn_buf_printf(&json, "[%s, %s ,%s]", GOOD("one"), bad[i], GOOD("two"));
        struct celery_events events = decode_as(KN_STR("application/json"), kn_buf_view(&json));
        if (events.count != 2 || events.invalid != 1 || events.first[0].index != 1)
            fail_msg("%.60s: %zu events, %zu invalid", bad[i], events.count, events.invalid);
        assert_text(events.items[0].type_name, "one");
        assert_text(events.items[1].type_name, "two");
        kn_buf_fini(&json);
    }
}

static void lists_of_any_length_are_read(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 7, 8, 9, 24, 1000, 10000};
    for (size_t c = 0; c < KN_COUNT_OF(counts); c++) {
        struct kn_buf json;
        kn_buf_init(&json, 0);
        for (size_t i = 0; i < counts[c]; i++)
            kn_buf_printf(&json, "%c{\"type\":\"x\",\"clock\":%zu," NOW "}", i ? ',' : '[', i);
        kn_buf_text(&json, counts[c] ? "]" : "[]");
        struct celery_events events = decode_as(KN_STR("application/json"), kn_buf_view(&json));
        assert_int_equal(events.count, counts[c]);
        assert_int_equal(events.invalid, 0);
        for (size_t i = 0; i < counts[c]; i++)
            assert_int_equal(events.items[i].clock, i);
        kn_buf_fini(&json);
    }
}

static void limits_are_kept_and_counted(void **state)
{
    (void)state;
    struct celery_events events;
    struct celery_message message = {.body = KN_STR("[" GOOD("a") "," GOOD("b") "," GOOD("c") "]")};
    struct celery_event_limits limits = {.events = 2};
    assert_int_equal(celery_event_decode_message(&message, &limits, now_us, &arena, &events),
                     KN_OK);
    assert_int_equal(events.count, 2);
    assert_int_equal(events.causes[CELERY_CAUSE_TOO_BIG], 1);
    limits = (struct celery_event_limits){.event_bytes = 20};
    assert_int_equal(celery_event_decode_message(&message, &limits, now_us, &arena, &events),
                     KN_OK);
    assert_int_equal(events.causes[CELERY_CAUSE_TOO_BIG], 3);
    limits = (struct celery_event_limits){.body_bytes = 20};
    assert_int_equal(celery_event_decode_message(&message, &limits, now_us, &arena, &events),
                     KN_OK);
    assert_int_equal(events.causes[CELERY_CAUSE_TOO_BIG], 1);
}

static void a_full_arena_is_told_and_nothing_else_changes(void **state)
{
    (void)state;
    struct kn_arena small;
    struct celery_events events = {.count = 77};
    struct celery_message message = {.body = KN_STR("[" GOOD("a") "," GOOD("b") "]")};
    kn_arena_init(&small, 1000);
    assert_int_equal(celery_event_decode_message(&message, NULL, now_us, &small, &events),
                     KN_NOMEM);
    assert_int_equal(events.count, 77);
    kn_arena_fini(&small);
}

static void serializers_are_json_and_msgpack(void **state)
{
    (void)state;
    static const struct {
        const char *type, *encoding, *compression;
        bool good;
        enum celery_cause cause;
    } cases[] = {
        {NULL, NULL, NULL, true, 0},
        {"application/json", "utf-8", NULL, true, 0},
        {"Application/JSON; charset=utf-8", "UTF-8", NULL, true, 0},
        {"application/json", "us-ascii", NULL, true, 0},
        {"application/json", "latin-1", NULL, false, CELERY_CAUSE_SERIALIZER},
        {"application/x-python-serialize", "binary", NULL, false, CELERY_CAUSE_SERIALIZER},
        {"application/x-yaml", "utf-8", NULL, false, CELERY_CAUSE_SERIALIZER},
        {"application/jsonx", NULL, NULL, false, CELERY_CAUSE_SERIALIZER},
        {"application/json", "utf-8", "application/x-gzip", false, CELERY_CAUSE_COMPRESSION},
        {"application/x-msgpack", "binary", NULL, false, CELERY_CAUSE_NO_OBJECT},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct celery_events events;
        struct celery_message message = {.body = KN_STR(GOOD("a")),
                                         .content_type = kn_str_from(cases[i].type),
                                         .content_encoding = kn_str_from(cases[i].encoding),
                                         .compression = kn_str_from(cases[i].compression)};
        assert_int_equal(celery_event_decode_message(&message, NULL, now_us, &arena, &events),
                         KN_OK);
        if (events.count != cases[i].good || events.invalid != !cases[i].good ||
            (!cases[i].good && events.first[0].cause != cases[i].cause))
            fail_msg("case %zu: %zu events, %s", i, events.count,
                     celery_cause_name(events.first[0].cause));
    }
}

/* {"type": "x", "timestamp": 1795473465.25, "a": …} with one value behind */
#define PACKED(n) "\x83\xa4type\xa1x\xa9timestamp\xcb\x41\xda\xc1\x30\x0e\x50\x00\x00\xa1" n

static void msgpack_values_become_json(void **state)
{
    (void)state;
    static const struct {
        struct kn_str value;
        const char *extra; /* NULL: invalid */
    } cases[] = {
        {KN_STR("a\x07"), "{\"a\":7}"},
        {KN_STR("a\xff"), "{\"a\":-1}"},
        {KN_STR("a\xcc\xff"), "{\"a\":255}"},
        {KN_STR("a\xcd\x01\x00"), "{\"a\":256}"},
        {KN_STR("a\xce\xff\xff\xff\xff"), "{\"a\":4294967295}"},
        {KN_STR("a\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "{\"a\":18446744073709551615}"},
        {KN_STR("a\xd0\x80"), "{\"a\":-128}"},
        {KN_STR("a\xd1\xff\x00"), "{\"a\":-256}"},
        {KN_STR("a\xd2\xff\xff\xff\xfe"), "{\"a\":-2}"},
        {KN_STR("a\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), "{\"a\":-9223372036854775808}"},
        {KN_STR("a\xca\x3f\xc0\x00\x00"), "{\"a\":1.5}"},
        {KN_STR("a\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), "{\"a\":null}"},
        {KN_STR("a\xc0"), "{\"a\":null}"},
        {KN_STR("a\xc2"), "{\"a\":false}"},
        {KN_STR("a\xc3"), "{\"a\":true}"},
        {KN_STR("a\xa2hi"), "{\"a\":\"hi\"}"},
        {KN_STR("a\xd9\x02hi"), "{\"a\":\"hi\"}"},
        {KN_STR("a\xda\x00\x02hi"), "{\"a\":\"hi\"}"},
        {KN_STR("a\xdb\x00\x00\x00\x02hi"), "{\"a\":\"hi\"}"},
        {KN_STR("a\xc4\x02hi"), "{\"a\":\"hi\"}"},
        {KN_STR("a\xc5\x00\x01\xff"), "{\"a\":null}"},
        {KN_STR("a\xd4\x05z"), "{\"a\":\"z\"}"},
        {KN_STR("a\xc7\x02\x05zz"), "{\"a\":\"zz\"}"},
        {KN_STR("a\x92\x01\x90"), "{\"a\":[1,[]]}"},
        {KN_STR("a\xdc\x00\x01\x80"), "{\"a\":[{}]}"},
        {KN_STR("a\x81\xa1k\x91\x02"), "{\"a\":{\"k\":[2]}}"},
        {KN_STR("a\xdf\x00\x00\x00\x01\xa1k\x02"), "{\"a\":{\"k\":2}}"},
        {KN_STR("a"), NULL},
        {KN_STR("a\xc1"), NULL},
        {KN_STR("a\xa2h"), NULL},
        {KN_STR("a\xa1\xff"), NULL},
        {KN_STR("a\xdb\xff\xff\xff\xffhi"), NULL},
        {KN_STR("a\xdd\xff\xff\xff\xff"), NULL},
        {KN_STR("a\x81\x01\x02"), NULL},
        {KN_STR("a\x07\x07"), NULL},
        {KN_STR("a" X100("\x91") "\x01"), NULL},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_buf body;
        kn_buf_init(&body, 0);
        kn_buf_append(&body, PACKED(""), sizeof PACKED("") - 1);
        kn_buf_str(&body, cases[i].value);
        struct celery_events events =
            decode_as(KN_STR("application/x-msgpack"), kn_buf_view(&body));
        if (events.count != (cases[i].extra != NULL) || events.invalid != (cases[i].extra == NULL))
            fail_msg("case %zu: %zu events, %zu invalid", i, events.count, events.invalid);
        if (cases[i].extra) {
            assert_text(events.items[0].extra, cases[i].extra);
            assert_true(events.items[0].timestamp == INT64_C(1795473465250000));
        }
        kn_buf_fini(&body);
    }
}

static void msgpack_lists_survive_a_bad_event(void **state)
{
    (void)state;
    struct kn_buf body;
    kn_buf_init(&body, 0);
    kn_buf_char(&body, (char)0x94);
    for (int i = 0; i < 4; i++) {
        kn_buf_append(&body, PACKED("a"), sizeof PACKED("a") - 1);
        static const struct kn_str values[] = {KN_STR("\x01"), KN_STR("\xa1\xff"),
                                               KN_STR(X100("\x91") "\x01"), KN_STR("\x02")};
        kn_buf_str(&body, values[i]);
    }
    struct celery_events events = decode_as(KN_STR("application/x-msgpack"), kn_buf_view(&body));
    assert_int_equal(events.count, 2);
    assert_int_equal(events.causes[CELERY_CAUSE_UTF8], 1);
    assert_int_equal(events.causes[CELERY_CAUSE_TOO_DEEP], 1);
    assert_text(events.items[1].extra, "{\"a\":2}");
    kn_buf_fini(&body);
}

static void base64_is_read_as_python_reads_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *bytes; /* NULL: refused */
    } cases[] = {
        {"", ""},
        {"YQ==", "a"},
        {"YWI=", "ab"},
        {"YWJj", "abc"},
        {"YWJjZA==", "abcd"},
        {"Y W\nJ-j", "abc"},
        {"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk=",
         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"},
        {"QUJDREVGR0hJ SktMTU5PUFFSU1RV*VldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk=",
         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"},
        {"fn5+fn5+fn5+fn5+fn5+fn5+fn5+fz8/Pz8/Pz8/Pz8/Pz8/Pz8/",
         "~~~~~~~~~~~~~~~~~~~~~\x7f?????????????????"},
        {"a", NULL},
        {"YW", NULL},
        {"YWJ", NULL},
        {"YWJjZ", NULL},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char out[100];
        size_t len;
        bool good = celery_base64_decode(kn_str_from(cases[i].text), out, &len);
        if (good != (cases[i].bytes != NULL))
            fail_msg("%s", cases[i].text);
        if (good)
            assert_text((struct kn_str){out, len}, cases[i].bytes);
    }
}

static void envelopes_are_opened_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        enum kn_status status;
        const char *body;
    } cases[] = {
        {"{\"body\":\"YWJj\",\"properties\":{\"body_encoding\":\"base64\"}}", KN_OK, "abc"},
        {"{\"properties\":{\"body_encoding\":\"base64\",\"delivery_info\":{\"exchange\":\"x\"}},"
         "\"body\":\"YWJj\"}",
         KN_OK, "abc"},
        {"{\"body\":\"{\\\"a\\\":1}\",\"headers\":null}", KN_OK, "{\"a\":1}"},
        {"{\"body\":\"a\",\"properties\":{\"body_encoding\":\"UTF-8\"}}", KN_OK, "a"},
        {"{\"body\":\"a\",\"properties\":{\"body_encoding\":\"rot13\"}}", KN_UNSUPPORTED, NULL},
        {"{\"body\":\"a\",\"properties\":{\"body_encoding\":\"base64\"}}", KN_INVALID, NULL},
        {"{\"body\":{\"a\":1}}", KN_INVALID, NULL},
        {"{\"headers\":{}}", KN_INVALID, NULL},
        {"[]", KN_INVALID, NULL},
        {"", KN_INVALID, NULL},
        {"garbage", KN_INVALID, NULL},
        {"{\"body\":\"a\"}}", KN_INVALID, NULL},
        {"{\"body\":\"a\",\"content-type\":\"\xff\"}", KN_INVALID, NULL},
        {X1000("{\"headers\":"), KN_TOO_DEEP, NULL},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct celery_message message;
        const char *error = NULL;
        enum kn_status status =
            celery_envelope_decode(kn_str_from(cases[i].payload), &arena, &message, &error);
        if (status != cases[i].status || !error != (status == KN_OK))
            fail_msg("%.60s: %s, %s", cases[i].payload, kn_status_name(status), error);
        if (status == KN_OK)
            assert_text(message.body, cases[i].body);
        else {
            struct celery_events events;
            assert_int_equal(celery_event_decode_envelope(kn_str_from(cases[i].payload), NULL,
                                                          now_us, &arena, &events),
                             KN_OK);
            assert_int_equal(events.causes[CELERY_CAUSE_ENVELOPE], 1);
            assert_non_null(events.first[0].detail.ptr);
        }
    }
}

/* ---- what real workers sent, beside what Python made of it ---------------- */

static void check_text(const json_t *event, const char *key, struct kn_str ours)
{
    const json_t *value = json_object_get(event, key);
    if (!value || json_is_null(value)) {
        assert_text(ours, NULL);
    } else {
        assert_true(json_is_string(value));
        struct kn_str theirs = {json_string_value(value), json_string_length(value)};
        if (!kn_str_eq(ours, theirs))
            fail_msg("%s: '%.*s' instead of '%.*s'", key, KN_STR_ARG(ours), KN_STR_ARG(theirs));
    }
}

static void check_time(const json_t *event, const char *key, int64_t ours)
{
    const json_t *value = json_object_get(event, key);
    int64_t theirs = 0;
    if (json_is_string(value))
        assert_true(kn_time_parse(kn_str_from(json_string_value(value)), &theirs));
    else if (json_is_number(value))
        theirs = llround(json_number_value(value) * 1e6);
    assert_true(ours >= theirs - 1 && ours <= theirs + 1);
}

static void check_number(const json_t *event, const char *key, double ours, bool set)
{
    const json_t *value = json_object_get(event, key);
    assert_int_equal(set, json_is_number(value));
    if (set)
        assert_true(json_number_value(value) == ours);
}

static void check_event(const json_t *event, const struct kn_msg_event *e)
{
    if (e->type == KN_EVENT_CUSTOM)
        check_text(event, "type", e->type_name);
    else
        check_text(event, "type", kn_str_from(kn_enum_text(&kn_enum_event_type, e->type)));
    check_text(event, "hostname", e->hostname);
    check_text(event, "uuid", e->uuid);
    check_text(event, "name", e->name);
    check_text(event, "args", e->args_repr);
    check_text(event, "kwargs", e->kwargs_repr);
    check_text(event, "result", e->result_repr);
    check_text(event, "exception", e->exception);
    check_text(event, "traceback", e->traceback);
    check_text(event, "root_id", e->root_id);
    check_text(event, "parent_id", e->parent_id);
    check_text(event, "queue", e->queue);
    check_text(event, "exchange", e->exchange);
    check_text(event, "routing_key", e->routing_key);
    check_text(event, "sw_ver", e->sw_ver);
    check_time(event, "timestamp", e->timestamp);
    check_time(event, "eta", e->eta);
    check_time(event, "expires", e->expires);
    check_number(event, "retries", (double)e->retries.value, e->retries.set);
    check_number(event, "runtime", e->runtime.value, e->runtime.set);
    check_number(event, "freq", e->freq.value, e->freq.set);
    check_number(event, "processed", (double)e->processed.value, e->processed.set);
    check_number(event, "clock", (double)e->clock, true);
    check_number(event, "pid", (double)e->pid, true);
    assert_true(e->extra.ptr == NULL || e->type == KN_EVENT_CUSTOM);
}

static void check_line(const char *line)
{
    struct celery_events events;
    json_error_t error;
    json_t *object = json_loads(line, JSON_ALLOW_NUL, &error);
    if (!object)
        fail_msg("%s", error.text);
    const json_t *payload = json_object_get(object, "payload");
    const json_t *theirs = json_object_get(object, "events");
    struct kn_str text = {json_string_value(payload), json_string_length(payload)};
    assert_int_equal(celery_event_decode_envelope(text, NULL, kn_time_now() + 100 * 365 * KN_DAY,
                                                  &arena, &events),
                     KN_OK);
    assert_int_equal(events.invalid, 0);
    assert_int_equal(events.count, json_array_size(theirs));
    for (size_t i = 0; i < events.count; i++)
        check_event(json_array_get(theirs, i), &events.items[i]);
    json_decref(object);
}

static void what_real_workers_send_is_read_as_python_reads_it(void **state)
{
    (void)state;
    static const char *const files[] = {
        "tests/data/celery/redis-4.4-json-prefork.jsonl",
        "tests/data/celery/redis-5.2-json-threads.jsonl",
        "tests/data/celery/redis-5.2-msgpack-prefork.jsonl",
        "tests/data/celery/redis-5.6-json-prefork.jsonl",
        "tests/data/celery/redis-5.6-msgpack-threads.jsonl",
    };
    char *line = NULL;
    size_t room = 0, lines = 0;
    for (size_t i = 0; i < KN_COUNT_OF(files); i++) {
        FILE *f = fopen(files[i], "r");
        if (!f)
            fail_msg("%s is missing", files[i]);
        for (; getline(&line, &room, f) > 0; lines++)
            check_line(line);
        fclose(f);
    }
    free(line);
    assert_true(lines > 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, arena_open, arena_close)
    const struct CMUnitTest tests[] = {
        TEST(every_field_has_its_place),
        TEST(what_is_null_is_absent),
        TEST(every_type_of_celery_is_known_and_others_keep_their_name),
        TEST(values_of_other_types_find_their_place_or_go_to_extra),
        TEST(texts_are_unescaped),
        TEST(timestamps_are_microseconds),
        TEST(what_is_wrong_has_a_cause),
        TEST(a_clock_that_is_off_by_days_is_noted_beside_our_own_time),
        TEST(failures_say_what_and_of_whom),
        TEST(each_event_of_a_list_is_judged_alone),
        TEST(lists_of_any_length_are_read),
        TEST(limits_are_kept_and_counted),
        TEST(a_full_arena_is_told_and_nothing_else_changes),
        TEST(serializers_are_json_and_msgpack),
        TEST(msgpack_values_become_json),
        TEST(msgpack_lists_survive_a_bad_event),
        TEST(base64_is_read_as_python_reads_it),
        TEST(envelopes_are_opened_or_refused),
        TEST(what_real_workers_send_is_read_as_python_reads_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
