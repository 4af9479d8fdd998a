#include "services/ingestion/outbox.h"

#include "proto/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct ingest_batch *batch_of(uint64_t seq, size_t events)
{
    struct kn_msg_event list[8] = {0};
    const struct kn_msg_ingest_batch message = {.events = {list, events}};
    struct ingest_batch *batch = calloc(1, sizeof(*batch));
    assert_non_null(batch);
    for (size_t i = 0; i < events; i++)
        list[i].uuid = KN_STR("0123456789012345678901234567890123456789");
    batch->source = KN_STR("default");
    batch->epoch = 7;
    batch->seq = seq;
    batch->events = events;
    batch->received = events + 1;
    batch->invalid = 1;
    batch->oldest_at = (int64_t)seq * 1000;
    batch->gaps[0] = (struct kn_msg_gap){.from = 1, .to = 2};
    batch->gap_count = 1;
    assert_int_equal(ingest_batch_encode(batch, &message), KN_OK);
    return batch;
}

static struct kn_msg_ingest_batch decode(const struct ingest_batch *batch, struct kn_arena *arena)
{
    struct kn_msg_ingest_batch message;
    assert_int_equal(kn_msg_decode((struct kn_str){batch->body, batch->size}, KN_KIND_INGEST_BATCH,
                                   arena, &message),
                     KN_OK);
    return message;
}

static void batches_come_out_in_order_and_again_after_a_rewind(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    struct ingest_backlog backlog;
    ingest_outbox_init(&outbox, 1 << 20);
    for (uint64_t seq = 1; seq <= 3; seq++)
        assert_int_equal(ingest_outbox_put(&outbox, batch_of(seq, 2)), 0);
    ingest_outbox_backlog(&outbox, &backlog);
    assert_int_equal(backlog.events, 6);
    assert_int_equal(backlog.oldest_at, 1000);
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 1);
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 2);
    ingest_outbox_answered(&outbox);
    ingest_outbox_rewind(&outbox);
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 2);
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 3);
    assert_null(ingest_outbox_next(&outbox, 1000));
    ingest_outbox_close(&outbox);
    assert_false(ingest_outbox_finished(&outbox));
    ingest_outbox_answered(&outbox);
    ingest_outbox_answered(&outbox);
    assert_true(ingest_outbox_finished(&outbox));
    ingest_outbox_backlog(&outbox, &backlog);
    assert_int_equal(backlog.bytes + backlog.events, 0);
    ingest_outbox_fini(&outbox);
}

static void
a_full_outbox_empties_the_oldest_that_were_not_started_and_keeps_their_numbers(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    struct kn_arena arena;
    size_t lost = 0;
    kn_arena_init(&arena, 0);
    ingest_outbox_init(&outbox, 8000);
    assert_int_equal(ingest_outbox_put(&outbox, batch_of(1, 8)), 0);
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 1);
    for (uint64_t seq = 2; seq <= 10; seq++)
        lost += ingest_outbox_put(&outbox, batch_of(seq, 8));
    assert_true(lost > 0 && lost % 8 == 0);
    ingest_outbox_rewind(&outbox);
    size_t events = 0;
    size_t told = 0;
    for (uint64_t seq = 1; seq <= 10; seq++) {
        const struct kn_msg_ingest_batch message = decode(ingest_outbox_next(&outbox, 0), &arena);
        assert_int_equal(message.seq, seq);
        assert_int_equal(message.received, 9);
        assert_int_equal(message.gaps.count, 1);
        assert_true(seq != 1 || message.events.count == 8);
        assert_true(seq != 2 || message.lost == 8);
        events += message.events.count;
        told += message.lost;
    }
    assert_int_equal(told, lost);
    assert_int_equal(events + lost, 80);
    kn_arena_fini(&arena);
    ingest_outbox_fini(&outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_out_in_order_and_again_after_a_rewind),
        cmocka_unit_test(
            a_full_outbox_empties_the_oldest_that_were_not_started_and_keeps_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
