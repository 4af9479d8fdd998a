#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "proto/mp.h"
#include "services/common/count.h"

static struct kn_arena arena;
static struct kn_buf buf;

static int set_up(void **state)
{
    (void)state;
    kn_arena_init(&arena, 1 << 20);
    kn_buf_init(&buf, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kn_arena_fini(&arena);
    kn_buf_fini(&buf);
    return 0;
}

static struct kn_msg_ingest_batch sample_batch(void)
{
    static double load[] = {0.5, 1.25, 2};
    static struct kn_msg_event events[2];
    static struct kn_msg_queue_priority priorities[] = {{.priority = -3, .messages = 7}};
    static struct kn_msg_queue_depth queues[1];
    events[0] = (struct kn_msg_event){.type = KN_EVENT_TASK_SUCCEEDED,
                                      .uuid = KN_STR("a/b \xe6\xbc\xa2"),
                                      .timestamp = INT64_C(1795428000123456),
                                      .clock = UINT64_MAX,
                                      .utcoffset = -5,
                                      .result_repr = KN_STR(""),
                                      .retries = KN_SOME_I64(0),
                                      .runtime = KN_SOME_F64(0.25),
                                      .terminated = true,
                                      .extra = KN_STR("{\"x\":[1]}")};
    events[1] = (struct kn_msg_event){
        .type = KN_EVENT_WORKER_HEARTBEAT, .hostname = KN_STR("w@h"), .loadavg = {load, 3}};
    queues[0].name = KN_STR("q");
    queues[0].priorities.items = priorities;
    queues[0].priorities.count = 1;
    struct kn_msg_ingest_batch batch = {.source = KN_STR("s"), .epoch = 3, .seq = 4};
    batch.events.items = events;
    batch.events.count = 2;
    batch.queues.items = queues;
    batch.queues.count = 1;
    return batch;
}

static void a_message_reads_back_as_it_was_written(void **state)
{
    (void)state;
    struct kn_msg_ingest_batch in = sample_batch(), out;
    kn_msg_encode(&buf, KN_KIND_INGEST_BATCH, &in);
    assert_int_equal(kn_buf_status(&buf), KN_OK);
    assert_int_equal(kn_msg_decode(kn_buf_view(&buf), KN_KIND_INGEST_BATCH, &arena, &out), KN_OK);
    assert_int_equal(out.events.count, 2);
    struct kn_msg_event *e = &out.events.items[0];
    assert_true(kn_str_eq(e->uuid, KN_STR("a/b \xe6\xbc\xa2")));
    assert_int_equal(e->timestamp, INT64_C(1795428000123456));
    assert_true(e->clock == UINT64_MAX);
    assert_int_equal(e->utcoffset, -5);
    assert_non_null(e->result_repr.ptr);
    assert_int_equal(e->result_repr.len, 0);
    assert_null(e->args_repr.ptr);
    assert_true(e->retries.set && e->retries.value == 0);
    assert_true(e->runtime.set && e->runtime.value == 0.25);
    assert_false(e->eta != 0);
    assert_true(e->terminated);
    assert_int_equal(out.events.items[1].loadavg.count, 3);
    assert_true(out.events.items[1].loadavg.items[2] == 2.0);
    assert_int_equal(out.queues.items[0].priorities.items[0].priority, -3);
}

static void a_message_becomes_json_by_its_table(void **state)
{
    (void)state;
    static const char *const skip[] = {"source", "at", NULL};
    struct kn_msg_ingest_batch in = sample_batch();
    in.queues.items[0].consumers = KN_SOME_I64(2);
    kn_msg_json(&buf, KN_KIND_QUEUE_DEPTH, &in.queues.items[0]);
    kn_buf_char(&buf, '\n');
    kn_msg_json_members(&buf, KN_KIND_QUEUE_DEPTH, &in.queues.items[0], skip);
    kn_buf_char(&buf, '\0');
    assert_string_equal(
        kn_buf_view(&buf).ptr,
        "{\"name\":\"q\",\"at\":null,\"messages\":0,\"unacked\":null,\"consumers\":2,"
        "\"priorities\":[{\"priority\":-3,\"messages\":7}],\"source\":null}\n"
        "\"name\":\"q\",\"messages\":0,\"unacked\":null,\"consumers\":2,"
        "\"priorities\":[{\"priority\":-3,\"messages\":7}]");
}

static void a_copy_shares_nothing_with_its_original(void **state)
{
    (void)state;
    struct kn_msg_ingest_batch in = sample_batch();
    struct kn_msg_ingest_batch *copy = kn_msg_copy(&arena, KN_KIND_INGEST_BATCH, &in);
    assert_non_null(copy);
    assert_ptr_not_equal(copy->events.items, in.events.items);
    assert_ptr_not_equal(copy->events.items[0].uuid.ptr, in.events.items[0].uuid.ptr);
    assert_true(kn_str_eq(copy->events.items[0].uuid, in.events.items[0].uuid));
    assert_true(copy->events.items[1].loadavg.items[0] == 0.5);
}

static void fields_that_nobody_knows_are_skipped(void **state)
{
    (void)state;
    /* {99: {1: [nil, [2]]}, 1: "s", 2: 7} */
    struct kn_msg_ingest_batch out;
    struct kn_str data = KN_STR("\x83\x63\x81\x01\x92\xc0\x91\x02\x01\xa1s\x02\x07");
    assert_int_equal(kn_msg_decode(data, KN_KIND_INGEST_BATCH, &arena, &out), KN_OK);
    assert_true(kn_str_eq(out.source, KN_STR("s")));
    assert_int_equal(out.epoch, 7);
}

static void a_field_may_be_passed_over(void **state)
{
    (void)state;
    struct kn_msg_ingest_batch in = sample_batch(), out;
    kn_msg_encode(&buf, KN_KIND_INGEST_BATCH, &in);
    assert_int_equal(
        kn_msg_decode_without(kn_buf_view(&buf), KN_KIND_INGEST_BATCH, "events", &arena, &out),
        KN_OK);
    assert_int_equal(out.events.count, 0);
    assert_true(kn_str_eq(out.source, in.source));
    assert_int_equal(out.queues.count, in.queues.count);
}

static void malformed_messages_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct kn_str data;
        enum kn_status status;
    } cases[] = {
        {KN_STR(""), KN_TRUNCATED},
        {KN_STR("\xc1"), KN_INVALID},
        {KN_STR("\x91\x01"), KN_INVALID},   /* a list, not a map */
        {KN_STR("\x81\x01"), KN_TRUNCATED}, /* no value */
        {KN_STR("\x81\x01\xa5"
                "ab"),
         KN_TRUNCATED},                                         /* text ends early */
        {KN_STR("\x81\x01\x05"), KN_INVALID},                   /* number where text is due */
        {KN_STR("\x81\x02\xff"), KN_INVALID},                   /* negative epoch */
        {KN_STR("\x81\xa1x\x01"), KN_INVALID},                  /* key is text */
        {KN_STR("\x80\xc0"), KN_INVALID},                       /* more after the end */
        {KN_STR("\x81\x04\xdd\xff\xff\xff\xff"), KN_TRUNCATED}, /* 4 billion events */
        {KN_STR("\x81\x04\x91\x81\x01\x63"), KN_INVALID},       /* event type 99 */
        {KN_STR("\x81\x63\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01"), KN_TOO_DEEP},
    };
    struct kn_msg_ingest_batch out;
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        assert_int_equal(kn_msg_decode(cases[i].data, KN_KIND_INGEST_BATCH, &arena, &out),
                         cases[i].status);
}

static void a_list_that_does_not_fit_the_arena_is_refused(void **state)
{
    (void)state;
    struct kn_arena small;
    kn_arena_init(&small, 1000);
    struct kn_msg_ingest_batch out;
    struct kn_str data = KN_STR("\x81\x04\x99\x80\x80\x80\x80\x80\x80\x80\x80\x80");
    assert_int_equal(kn_msg_decode(data, KN_KIND_INGEST_BATCH, &small, &out), KN_TOO_BIG);
    kn_arena_fini(&small);
}

static void an_envelope_carries_kind_sender_and_number(void **state)
{
    (void)state;
    struct kn_msg_known_queues_get in = {.source = KN_STR("s")}, out;
    struct kn_envelope envelope;
    kn_envelope_encode(&buf, KN_STR("me"), 77, KN_KIND_KNOWN_QUEUES_GET, &in);
    assert_int_equal(kn_envelope_decode(kn_buf_view(&buf), &envelope), KN_OK);
    assert_int_equal(envelope.kind, KN_KIND_KNOWN_QUEUES_GET);
    assert_true(kn_str_eq(envelope.sender, KN_STR("me")));
    assert_int_equal(envelope.number, 77);
    assert_int_equal(kn_msg_decode(envelope.body, envelope.kind, &arena, &out), KN_OK);
    assert_true(kn_str_eq(out.source, KN_STR("s")));
}

static void strange_envelopes_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct kn_str data;
        enum kn_status status;
    } cases[] = {
        {KN_STR("\x95\x02\x01\xa1s\x00\x80"), KN_VERSION},
        {KN_STR("\x95\x01\xcd\xff\xff\xa1s\x00\x80"), KN_UNSUPPORTED},
        {KN_STR("\x95\x01\x00\xa1s\x00\x80"), KN_UNSUPPORTED},
        {KN_STR("\x94\x01\x01\xa1s\x00"), KN_INVALID},
        {KN_STR("\x95\x01\x01\x05\x00\x80"), KN_INVALID},
        {KN_STR("hello"), KN_INVALID},
        {KN_STR("\x95\x01"), KN_TRUNCATED},
    };
    struct kn_envelope envelope;
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        assert_int_equal(kn_envelope_decode(cases[i].data, &envelope), cases[i].status);
}

static void every_kind_survives_being_empty(void **state)
{
    (void)state;
    for (int kind = 1; kind < KN_KIND_COUNT; kind++) {
        if (!kn_schema_of((enum kn_kind)kind)) /* a number that is not taken */
            continue;
        char *msg = kn_arena_alloc(&arena, kn_msg_size((enum kn_kind)kind));
        assert_non_null(msg);
        kn_buf_clear(&buf);
        kn_msg_encode(&buf, (enum kn_kind)kind, msg);
        assert_int_equal(kn_buf_view(&buf).len, 1);
        assert_int_equal(kn_msg_decode(kn_buf_view(&buf), (enum kn_kind)kind, &arena, msg), KN_OK);
    }
}

static void every_msgpack_format_is_read(void **state)
{
    (void)state;
    static const struct {
        struct kn_str data;
        enum kn_mp_type type;
        int64_t number;
    } cases[] = {
        {KN_STR("\x7f"), KN_MP_UINT, 127},
        {KN_STR("\xff"), KN_MP_INT, -1},
        {KN_STR("\xe0"), KN_MP_INT, -32},
        {KN_STR("\xcc\xff"), KN_MP_UINT, 255},
        {KN_STR("\xcd\xff\xff"), KN_MP_UINT, 65535},
        {KN_STR("\xce\xff\xff\xff\xff"), KN_MP_UINT, INT64_C(4294967295)},
        {KN_STR("\xcf\x00\x00\x00\x01\x00\x00\x00\x00"), KN_MP_UINT, INT64_C(4294967296)},
        {KN_STR("\xd0\x80"), KN_MP_INT, -128},
        {KN_STR("\xd1\x80\x00"), KN_MP_INT, -32768},
        {KN_STR("\xd1\x00\x05"), KN_MP_UINT, 5},
        {KN_STR("\xd2\x80\x00\x00\x00"), KN_MP_INT, INT64_C(-2147483648)},
        {KN_STR("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), KN_MP_INT, INT64_MIN},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_mp_reader r = kn_mp_reader(cases[i].data);
        struct kn_mp_value v;
        assert_int_equal(kn_mp_next(&r, &v), KN_OK);
        assert_int_equal(v.type, cases[i].type);
        assert_int_equal(v.i64, cases[i].number);
        assert_true(kn_mp_at_end(&r));
    }
    struct kn_mp_reader r = kn_mp_reader(KN_STR("\xca\x3f\x80\x00\x00\xc4\x01x\xd4\x05y\xd9\x01z"
                                                "\xdc\x00\x01\xc0\xde\x00\x00\xc3\xc7\x00\x01"));
    static const enum kn_mp_type types[] = {KN_MP_F64, KN_MP_BIN,   KN_MP_EXT,
                                            KN_MP_STR, KN_MP_ARRAY, KN_MP_NIL,
                                            KN_MP_MAP, KN_MP_BOOL,  KN_MP_EXT};
    for (size_t i = 0; i < KN_COUNT_OF(types); i++) {
        struct kn_mp_value v;
        assert_int_equal(kn_mp_next(&r, &v), KN_OK);
        assert_int_equal(v.type, types[i]);
    }
    assert_true(kn_mp_at_end(&r));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_reads_back_as_it_was_written),
        TEST(a_message_becomes_json_by_its_table),
        TEST(a_copy_shares_nothing_with_its_original),
        TEST(fields_that_nobody_knows_are_skipped),
        TEST(a_field_may_be_passed_over),
        TEST(malformed_messages_are_refused),
        TEST(a_list_that_does_not_fit_the_arena_is_refused),
        TEST(an_envelope_carries_kind_sender_and_number),
        TEST(strange_envelopes_are_refused),
        TEST(every_kind_survives_being_empty),
        TEST(every_msgpack_format_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
