#include "services/ingestion/batch/batcher.h"

#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define EVENT                                                                                      \
    "{\"type\": \"task-sent\", \"uuid\": \"u\", \"hostname\": \"h\", \"timestamp\": 1700000000.0}"

static struct ingest_batcher *batcher_of(bool enveloped)
{
    struct ingest_batcher *batcher = NULL;
    const struct ingest_batcher_options options = {.source = KN_STR("default"),
                                                   .epoch = 3,
                                                   .enveloped = enveloped,
                                                   .batch_events = 4,
                                                   .batch_age_us = 20000,
                                                   .event_max = 4096};
    assert_int_equal(ingest_batcher_new(&options, &batcher), KN_OK);
    return batcher;
}

static struct ingest_batch *close_it(struct ingest_batcher *batcher, struct kn_arena *arena,
                                     struct kn_msg_ingest_batch *ret)
{
    struct ingest_batch *batch = NULL;
    assert_int_equal(ingest_batcher_close(batcher, NULL, 0, &batch), KN_OK);
    assert_int_equal(
        kn_msg_decode((struct kn_str){batch->body, batch->size}, KN_KIND_INGEST_BATCH, arena, ret),
        KN_OK);
    return batch;
}

static struct broker_message amqp(const char *body, const char *content_type, uint64_t tag)
{
    return (struct broker_message){.body = kn_str_from(body),
                                   .content_type = kn_str_from(content_type),
                                   .content_encoding = KN_STR("utf-8"),
                                   .tag = tag,
                                   .received_at = 1700000001000000};
}

static const struct {
    bool enveloped;
    const char *body, *content_type;
    size_t events, invalid;
} messages[] = {
    {false, EVENT, "application/json", 1, 0},
    {false, "[" EVENT ", " EVENT "]", "application/json", 2, 0},
    {false, "[" EVENT ", {}, 7]", "application/json", 1, 2},
    {false, "[]", "application/json", 0, 0},
    {false, "gASV", "application/x-python-serialize", 0, 1},
    {false, "", "application/json", 0, 1},
    {true,
     "{\"body\": \"e30=\", \"content-type\": \"application/json\", "
     "\"content-encoding\": \"utf-8\", \"properties\": {\"body_encoding\": "
     "\"base64\"}}",
     NULL, 0, 1},
    {true, EVENT, NULL, 0, 1},
    {true, "\xff", NULL, 0, 1},
};

static void messages_become_events_or_are_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(messages); i++) {
        struct ingest_batcher *batcher = batcher_of(messages[i].enveloped);
        struct kn_msg_ingest_batch message;
        struct kn_arena arena;
        kn_arena_init(&arena, 0);
        char *text = strdup(messages[i].body); /* gone when the batch is closed */
        struct broker_message raw = amqp(text, messages[i].content_type, 9);
        assert_false(ingest_batcher_any(batcher));
        ingest_batcher_add(batcher, &raw);
        free(text);
        assert_true(ingest_batcher_any(batcher));
        struct ingest_batch *batch = close_it(batcher, &arena, &message);
        assert_int_equal(message.events.count, messages[i].events);
        assert_int_equal(message.invalid, messages[i].invalid);
        assert_int_equal(message.received, messages[i].events + messages[i].invalid);
        assert_int_equal(batch->tag, 9);
        assert_true(kn_str_eq(message.source, KN_STR("default")));
        for (size_t e = 0; e < message.events.count; e++) {
            assert_true(kn_str_eq(message.events.items[e].uuid, KN_STR("u")));
            assert_int_equal(message.events.items[e].received_at, raw.received_at);
        }
        ingest_batch_free(batch);
        ingest_batcher_free(batcher);
        kn_arena_fini(&arena);
    }
}

static void batches_are_numbered_without_holes_and_full_by_events_or_age(void **state)
{
    (void)state;
    struct ingest_batcher *batcher = batcher_of(false);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        struct kn_msg_ingest_batch message;
        struct kn_arena arena;
        kn_arena_init(&arena, 0);
        struct broker_message raw = amqp("[" EVENT "," EVENT "]", "application/json", seq);
        ingest_batcher_add(batcher, &raw);
        assert_false(ingest_batcher_full(batcher));
        assert_true(ingest_batcher_time_left(batcher) <= 20000);
        ingest_batcher_add(batcher, &raw);
        assert_true(ingest_batcher_full(batcher));
        struct ingest_batch *batch = close_it(batcher, &arena, &message);
        assert_int_equal(message.seq, seq);
        assert_int_equal(message.epoch, 3);
        assert_int_equal(message.events.count, 4);
        ingest_batch_free(batch);
        kn_arena_fini(&arena);
    }
    ingest_batcher_free(batcher);
}

static void losses_and_gaps_travel_with_a_batch(void **state)
{
    (void)state;
    struct ingest_batcher *batcher = batcher_of(true);
    struct kn_msg_ingest_batch message;
    struct kn_arena arena;
    const struct broker_gap gap = {10, 20};
    kn_arena_init(&arena, 0);
    ingest_batcher_lost(batcher, 0);
    assert_false(ingest_batcher_any(batcher));
    ingest_batcher_lost(batcher, 5);
    ingest_batcher_too_big(batcher, 2);
    for (int i = 0; i < INGEST_GAPS_MAX; i++)
        assert_true(ingest_batcher_gap(batcher, &gap, KN_STR("cut")));
    assert_false(ingest_batcher_gap(batcher, &gap, KN_STR("cut")));
    struct ingest_batch *batch = close_it(batcher, &arena, &message);
    assert_int_equal(message.lost, 5);
    assert_int_equal(message.invalid, 2);
    assert_int_equal(message.gaps.count, INGEST_GAPS_MAX);
    assert_int_equal(message.gaps.items[0].from, 10);
    assert_int_equal(message.gaps.items[0].to, 20);
    ingest_batch_free(batch);
    assert_true(ingest_batcher_gap(batcher, &gap, KN_STR("cut")));
    batch = close_it(batcher, &arena, &message);
    assert_int_equal(message.lost + message.invalid, 0);
    assert_int_equal(message.gaps.count, 1);
    ingest_batch_free(batch);
    ingest_batcher_free(batcher);
    kn_arena_fini(&arena);
}

static void what_is_not_read_is_remembered_with_its_serializer(void **state)
{
    (void)state;
    struct ingest_batcher *batcher = batcher_of(false);
    const struct ingest_unread *unread = ingest_batcher_unread(batcher);
    char long_name[200];
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    const struct {
        const char *body, *content_type, *serializer;
        uint64_t messages;
    } cases[] = {
        {EVENT, "application/json", "", 0},
        {"garbage", "application/json", "", 0},
        {"gASV", "application/x-python-serialize", "application/x-python-serialize", 1},
        {"a: b", "application/x-yaml", "application/x-yaml", 2},
        {"", "\xff\xfe", "?", 3},
        {"", long_name, long_name + 199 - 63, 4},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct broker_message raw = amqp(cases[i].body, cases[i].content_type, i + 1);
        ingest_batcher_add(batcher, &raw);
        assert_string_equal(unread->serializer, cases[i].serializer);
        assert_int_equal(unread->messages, cases[i].messages);
        assert_int_equal(unread->last_at > 0, unread->messages > 0);
    }
    ingest_batcher_free(batcher);
}

int main(void)
{
    kn_log_setup("test", KN_LOG_OFF, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_become_events_or_are_counted),
        cmocka_unit_test(batches_are_numbered_without_holes_and_full_by_events_or_age),
        cmocka_unit_test(losses_and_gaps_travel_with_a_batch),
        cmocka_unit_test(what_is_not_read_is_remembered_with_its_serializer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
