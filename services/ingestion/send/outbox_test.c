#include "services/ingestion/send/outbox.h"

#include "proto/codec.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static struct ingest_batch *batch_of(uint64_t seq, size_t events)
{
    struct kn_msg_event list[8] = {0};
    struct kn_msg_gap gap = {.from = 1, .to = 2};
    const struct kn_msg_ingest_batch message = {
        .events = {list, events}, .gaps = {&gap, 1}, .received = events + 1, .invalid = 1};
    struct ingest_batch *batch = calloc(1, sizeof(*batch));
    assert_non_null(batch);
    for (size_t i = 0; i < events; i++)
        list[i].uuid = KN_STR("0123456789012345678901234567890123456789");
    batch->source = KN_STR("default");
    batch->epoch = 7;
    batch->seq = seq;
    batch->tag = 100 + seq;
    batch->events = events;
    batch->oldest_at = (int64_t)seq * 1000;
    assert_int_equal(ingest_batch_encode(batch, &message), KN_OK);
    return batch;
}

static struct kn_msg_ingest_batch decode(const struct ingest_batch *batch, struct kn_arena *arena)
{
    struct kn_msg_ingest_batch message;
    assert_non_null(batch);
    assert_int_equal(kn_msg_decode((struct kn_str){batch->body, batch->size}, KN_KIND_INGEST_BATCH,
                                   arena, &message),
                     KN_OK);
    return message;
}

static struct ingest_spool *open_spool(uint64_t max)
{
    struct ingest_spool *spool = NULL;
    const struct ingest_spool_options options = {
        .dir = dir, .source = KN_STR("default"), .max = max, .sync = INGEST_SYNC_NEVER};
    assert_int_equal(ingest_spool_open(&options, &spool, NULL), KN_OK);
    return spool;
}

static struct ingest_backlog backlog_of(struct ingest_outbox *outbox)
{
    struct ingest_backlog backlog;
    ingest_outbox_backlog(outbox, &backlog);
    return backlog;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/kanchi-outbox-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    DIR *folder = opendir(dir);
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    return rmdir(dir);
}

/* ---- in memory -------------------------------------------------------------------- */

static void batches_come_out_in_order_and_again_after_a_rewind(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    ingest_outbox_init(&outbox, &(struct ingest_outbox_options){.max = 1 << 20});
    for (uint64_t seq = 1; seq <= 3; seq++)
        assert_int_equal(ingest_outbox_put(&outbox, batch_of(seq, 2)).lost, 0);
    assert_int_equal(backlog_of(&outbox).events, 6);
    assert_int_equal(backlog_of(&outbox).oldest_at, 1000);
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
    assert_int_equal(backlog_of(&outbox).bytes + backlog_of(&outbox).events, 0);
    ingest_outbox_fini(&outbox);
}

static void
a_full_outbox_empties_the_oldest_that_were_not_started_and_keeps_their_numbers(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    struct kn_arena arena;
    uint64_t lost = 0;
    kn_arena_init(&arena, 0);
    ingest_outbox_init(&outbox, &(struct ingest_outbox_options){.max = 4000, .drop_oldest = true});
    assert_int_equal(ingest_outbox_put(&outbox, batch_of(1, 8)).lost, 0);
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 1);
    for (uint64_t seq = 2; seq <= 10; seq++)
        lost += ingest_outbox_put(&outbox, batch_of(seq, 8)).lost;
    assert_true(lost > 0 && lost % 8 == 0);
    ingest_outbox_rewind(&outbox);
    uint64_t events = 0;
    uint64_t told = 0;
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

static void who_puts_waits_when_nothing_may_be_dropped(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    ingest_outbox_init(&outbox, &(struct ingest_outbox_options){.max = 1});
    assert_true(ingest_outbox_await_room(&outbox, 0));
    assert_int_equal(ingest_outbox_put(&outbox, batch_of(1, 8)).lost, 0);
    assert_false(ingest_outbox_await_room(&outbox, 1000));
    assert_int_equal(ingest_outbox_next(&outbox, 0)->events, 8);
    assert_true(ingest_outbox_await_room(&outbox, 0));
    ingest_outbox_fini(&outbox);
}

static void what_storage_refuses_goes_once_more_as_a_loss(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    ingest_outbox_init(&outbox, &(struct ingest_outbox_options){.max = 1 << 20});
    (void)ingest_outbox_put(&outbox, batch_of(1, 8));
    assert_non_null(ingest_outbox_next(&outbox, 0));
    assert_int_equal(ingest_outbox_refused(&outbox), 8);
    ingest_outbox_rewind(&outbox);
    const struct kn_msg_ingest_batch message = decode(ingest_outbox_next(&outbox, 0), &arena);
    assert_int_equal(message.seq, 1);
    assert_int_equal(message.events.count, 0);
    assert_int_equal(message.lost, 8);
    assert_int_equal(ingest_outbox_refused(&outbox), 0);
    ingest_outbox_answered(&outbox);
    assert_int_equal(backlog_of(&outbox).events + backlog_of(&outbox).bytes, 0);
    kn_arena_fini(&arena);
    ingest_outbox_fini(&outbox);
}

/* ---- with a spool ----------------------------------------------------------------- */

static void what_is_answered_soon_is_never_written(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    struct ingest_spool_status spool = {0};
    ingest_outbox_init(&outbox, &(struct ingest_outbox_options){.spool = open_spool(1 << 20),
                                                                .spool_after_us = KN_HOUR,
                                                                .max = 1 << 20});
    for (uint64_t seq = 1; seq <= 100; seq++) {
        assert_int_equal(ingest_outbox_put(&outbox, batch_of(seq, 8)).safe, 0);
        assert_int_equal(ingest_outbox_tend(&outbox).safe, 0);
        assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, seq);
        assert_true(ingest_outbox_spool(&outbox, &spool));
        assert_int_equal(spool.bytes, 0);
        ingest_outbox_answered(&outbox);
    }
    ingest_spool_close(outbox.options.spool);
    ingest_outbox_fini(&outbox);
}

static void what_waits_is_written_and_comes_back_in_order(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    struct ingest_spool_status spool = {0};
    ingest_outbox_init(
        &outbox, &(struct ingest_outbox_options){.spool = open_spool(1 << 20), .max = 1 << 20});
    outbox.options.spool_after_us = KN_HOUR;
    for (uint64_t seq = 1; seq <= 4; seq++)
        (void)ingest_outbox_put(&outbox, batch_of(seq, 8));
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 1);
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 2);
    outbox.options.spool_after_us = 0;
    assert_int_equal(ingest_outbox_tend(&outbox).safe, 104);
    outbox.options.spool_after_us = KN_HOUR;
    /* behind the others, as long as there is something to read */
    assert_int_equal(ingest_outbox_put(&outbox, batch_of(5, 8)).safe, 105);
    assert_true(ingest_outbox_spool(&outbox, &spool));
    assert_int_equal(spool.events, 40);
    assert_int_equal(backlog_of(&outbox).events, 40);
    assert_true(backlog_of(&outbox).bytes < 2000); /* only what is under way */
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 3);
    ingest_outbox_rewind(&outbox);
    for (uint64_t seq = 1; seq <= 5; seq++)
        assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, seq);
    assert_int_equal(ingest_outbox_put(&outbox, batch_of(6, 8)).safe, 0);
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 6);
    for (uint64_t seq = 1; seq <= 6; seq++)
        ingest_outbox_answered(&outbox);
    assert_int_equal(backlog_of(&outbox).events + backlog_of(&outbox).bytes, 0);
    assert_true(ingest_outbox_spool(&outbox, &spool));
    assert_int_equal(spool.events + spool.bytes, 0);
    ingest_spool_close(outbox.options.spool);
    ingest_outbox_fini(&outbox);
}

static void what_is_left_at_the_end_is_there_at_the_next_start(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    ingest_outbox_init(&outbox, &(struct ingest_outbox_options){.spool = open_spool(1 << 20),
                                                                .spool_after_us = KN_HOUR,
                                                                .max = 1 << 20});
    for (uint64_t seq = 1; seq <= 3; seq++)
        (void)ingest_outbox_put(&outbox, batch_of(seq, 8));
    assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, 1);
    ingest_outbox_close(&outbox);
    assert_int_equal(ingest_outbox_keep(&outbox).safe, 103);
    ingest_spool_close(outbox.options.spool);
    ingest_outbox_fini(&outbox);
    ingest_outbox_init(&outbox, &(struct ingest_outbox_options){.spool = open_spool(1 << 20),
                                                                .spool_after_us = KN_HOUR,
                                                                .max = 1 << 20});
    assert_int_equal(backlog_of(&outbox).events, 24);
    assert_int_equal(backlog_of(&outbox).oldest_at, 1000);
    for (uint64_t seq = 1; seq <= 3; seq++)
        assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, seq);
    ingest_spool_close(outbox.options.spool);
    ingest_outbox_fini(&outbox);
}

/* Puts 2,000 batches without an answer. */
static uint64_t flood(struct ingest_outbox *outbox)
{
    uint64_t lost = 0;
    for (uint64_t seq = 1; seq <= 2000; seq++)
        lost += ingest_outbox_put(outbox, batch_of(seq, 8)).lost;
    return lost;
}

static void a_full_spool_loses_the_oldest_and_the_counts_agree(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    struct kn_arena arena;
    ingest_outbox_init(&outbox, &(struct ingest_outbox_options){.spool = open_spool(400000),
                                                                .max = 10000,
                                                                .drop_oldest = true});
    uint64_t lost = flood(&outbox);
    assert_true(lost > 0);
    assert_true(backlog_of(&outbox).bytes < 20000);
    uint64_t events = 0;
    uint64_t told = 0;
    for (uint64_t seq = 1; seq <= 2000; seq++) {
        kn_arena_init(&arena, 0);
        const struct kn_msg_ingest_batch message = decode(ingest_outbox_next(&outbox, 0), &arena);
        assert_int_equal(message.seq, seq);
        events += message.events.count;
        told += message.lost;
        kn_arena_fini(&arena);
        ingest_outbox_answered(&outbox);
    }
    assert_int_equal(events + told, 16000);
    assert_int_equal(told, lost);
    assert_null(ingest_outbox_next(&outbox, 0));
    ingest_spool_close(outbox.options.spool);
    ingest_outbox_fini(&outbox);
}

static void a_full_spool_makes_the_broker_wait_and_nothing_is_lost(void **state)
{
    (void)state;
    struct ingest_outbox outbox;
    uint64_t safe = 0;
    uint64_t put = 0;
    ingest_outbox_init(&outbox,
                       &(struct ingest_outbox_options){.spool = open_spool(400000), .max = 10000});
    while (ingest_outbox_await_room(&outbox, 0)) {
        struct ingest_kept kept = ingest_outbox_put(&outbox, batch_of(++put, 8));
        assert_int_equal(kept.lost, 0);
        safe = kept.safe ? kept.safe : safe;
    }
    assert_true(safe > 100 && safe < 100 + put);
    for (uint64_t seq = 1; seq <= put; seq++) {
        assert_int_equal(ingest_outbox_next(&outbox, 0)->seq, seq);
        ingest_outbox_answered(&outbox);
    }
    assert_int_equal(backlog_of(&outbox).events, 0);
    ingest_spool_close(outbox.options.spool);
    ingest_outbox_fini(&outbox);
}

int main(void)
{
    kn_log_setup("test", KN_LOG_OFF, false);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_out_in_order_and_again_after_a_rewind),
        cmocka_unit_test(
            a_full_outbox_empties_the_oldest_that_were_not_started_and_keeps_their_numbers),
        cmocka_unit_test(who_puts_waits_when_nothing_may_be_dropped),
        cmocka_unit_test(what_storage_refuses_goes_once_more_as_a_loss),
        TEST(what_is_answered_soon_is_never_written),
        TEST(what_waits_is_written_and_comes_back_in_order),
        TEST(what_is_left_at_the_end_is_there_at_the_next_start),
        TEST(a_full_spool_loses_the_oldest_and_the_counts_agree),
        TEST(a_full_spool_makes_the_broker_wait_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
