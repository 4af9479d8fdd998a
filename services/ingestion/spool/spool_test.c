/* The spool on a real folder. */
#include "services/ingestion/spool/spool.h"

#include "proto/codec.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/ingestion/spool/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define EVENTS 8 /* in each batch */

static char dir[64];

static struct ingest_spool_options options_of(uint64_t max)
{
    return (struct ingest_spool_options){
        .dir = dir, .source = KN_STR("default"), .max = max, .sync = INGEST_SYNC_ALWAYS};
}

static struct ingest_spool *open_spool(uint64_t max)
{
    struct ingest_spool *spool = NULL;
    const struct ingest_spool_options options = options_of(max);
    struct kn_buf error;
    kn_buf_init(&error, 0);
    assert_int_equal(ingest_spool_open(&options, &spool, &error), KN_OK);
    kn_buf_fini(&error);
    return spool;
}

/* A batch of 8 events whose encoding takes some 8 * size bytes. */
static struct ingest_batch *batch_of(uint64_t epoch, uint64_t seq, size_t size)
{
    static char text[1 << 20];
    struct kn_msg_event events[EVENTS] = {0};
    const struct kn_msg_ingest_batch message = {
        .events = {events, EVENTS}, .received = EVENTS + 1, .invalid = 1};
    struct ingest_batch *batch = calloc(1, sizeof(*batch));
    assert_non_null(batch);
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < EVENTS; i++)
        events[i].uuid = (struct kn_str){text, size};
    *batch = (struct ingest_batch){.source = KN_STR("default"),
                                   .epoch = epoch,
                                   .seq = seq,
                                   .events = EVENTS,
                                   .oldest_at = kn_time_now()};
    assert_int_equal(ingest_batch_encode(batch, &message), KN_OK);
    return batch;
}

static enum kn_status put(struct ingest_spool *spool, uint64_t epoch, uint64_t seq, size_t size)
{
    struct ingest_batch *batch = batch_of(epoch, seq, size);
    enum kn_status status = ingest_spool_append(spool, batch, false);
    ingest_batch_free(batch);
    return status;
}

struct contents {
    uint64_t batches, events, lost, received, invalid;
};

/* Reads the next batch, whose name must be this one. */
static struct ingest_batch *expect(struct ingest_spool *spool, uint64_t epoch, uint64_t seq,
                                   struct contents *contents)
{
    struct ingest_batch *batch = NULL;
    struct kn_msg_ingest_batch message;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    assert_int_equal(ingest_spool_read(spool, &batch), KN_OK);
    assert_int_equal(kn_msg_decode((struct kn_str){batch->body, batch->size}, KN_KIND_INGEST_BATCH,
                                   &arena, &message),
                     KN_OK);
    assert_int_equal(batch->epoch, epoch);
    assert_int_equal(batch->seq, seq);
    assert_int_equal(message.epoch, epoch);
    assert_int_equal(message.seq, seq);
    assert_true(kn_str_eq(message.source, KN_STR("default")));
    assert_int_equal(message.events.count, batch->events);
    if (contents) {
        contents->batches++;
        contents->events += message.events.count;
        contents->lost += message.lost;
        contents->received += message.received;
        contents->invalid += message.invalid;
    }
    kn_arena_fini(&arena);
    return batch;
}

static void expect_and_answer(struct ingest_spool *spool, uint64_t epoch, uint64_t seq,
                              struct contents *contents)
{
    struct ingest_batch *batch = expect(spool, epoch, seq, contents);
    ingest_spool_answered(spool, batch);
    ingest_batch_free(batch);
}

static void expect_nothing(struct ingest_spool *spool)
{
    struct ingest_batch *batch = NULL;
    assert_false(ingest_spool_unread(spool));
    assert_int_equal(ingest_spool_read(spool, &batch), KN_NOT_FOUND);
}

static struct ingest_spool_status status_of(const struct ingest_spool *spool)
{
    struct ingest_spool_status status;
    ingest_spool_status(spool, &status);
    return status;
}

/* Names in the folder that end so; the first (by name) in ret, if it is not NULL. */
static size_t files(const char *end, char *ret)
{
    size_t count = 0;
    DIR *folder = opendir(dir);
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        const char *dot = strchr(entry->d_name, '.');
        if (!dot || strcmp(dot + 1, end) != 0)
            continue;
        if (ret && (count == 0 || strcmp(entry->d_name, ret) < 0))
            snprintf(ret, 64, "%s", entry->d_name);
        count++;
    }
    closedir(folder);
    return count;
}

static void path_of_first(char ret[160])
{
    char name[64] = "";
    assert_true(files("spool", name) > 0);
    snprintf(ret, 160, "%s/%s", dir, name);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/kanchi-spool-XXXXXX");
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

/* ---- what holds ------------------------------------------------------------------- */

static void batches_come_out_in_order_and_files_go_when_all_is_answered(void **state)
{
    (void)state;
    struct ingest_spool *spool = open_spool(16 << 20);
    for (uint64_t seq = 1; seq <= 60; seq++)
        assert_int_equal(put(spool, 1, seq, 10000), KN_OK);
    assert_true(files("spool", NULL) > 3);
    assert_int_equal(status_of(spool).events, 60 * EVENTS);
    assert_true(status_of(spool).bytes > 60 * 80000);
    for (uint64_t seq = 1; seq <= 60; seq++)
        expect_and_answer(spool, 1, seq, NULL);
    expect_nothing(spool);
    assert_int_equal(status_of(spool).events, 0);
    assert_int_equal(status_of(spool).bytes, 0);
    assert_int_equal(files("spool", NULL), 0);
    ingest_spool_close(spool);
}

static void what_is_not_answered_comes_again_after_a_restart_and_before_what_is_new(void **state)
{
    (void)state;
    struct ingest_spool *spool = open_spool(16 << 20);
    for (uint64_t seq = 1; seq <= 40; seq++)
        assert_int_equal(put(spool, 1, seq, 10000), KN_OK);
    for (uint64_t seq = 1; seq <= 20; seq++)
        expect_and_answer(spool, 1, seq, NULL);
    ingest_batch_free(expect(spool, 1, 21, NULL));
    ingest_spool_close(spool);
    spool = open_spool(16 << 20);
    assert_int_equal(put(spool, 2, 1, 10), KN_OK);
    /* the file that 21 is in may begin with some that were answered */
    struct ingest_batch *first = NULL;
    assert_int_equal(ingest_spool_read(spool, &first), KN_OK);
    uint64_t seq = first->seq;
    assert_true(seq > 1 && seq <= 21);
    ingest_spool_answered(spool, first);
    ingest_batch_free(first);
    while (++seq <= 40)
        expect_and_answer(spool, 1, seq, NULL);
    expect_and_answer(spool, 2, 1, NULL);
    expect_nothing(spool);
    ingest_spool_close(spool);
    assert_int_equal(files("spool", NULL), 0);
}

static void what_is_under_way_is_not_read_again_but_after_a_restart(void **state)
{
    (void)state;
    struct ingest_spool *spool = open_spool(16 << 20);
    struct ingest_batch *started = batch_of(1, 1, 10);
    assert_int_equal(ingest_spool_append(spool, started, true), KN_OK);
    assert_int_equal(put(spool, 1, 2, 10), KN_OK);
    expect_and_answer(spool, 1, 2, NULL);
    expect_nothing(spool);
    ingest_spool_close(spool);
    spool = open_spool(16 << 20);
    expect_and_answer(spool, 1, 1, NULL);
    expect_and_answer(spool, 1, 2, NULL);
    expect_nothing(spool);
    ingest_batch_free(started);
    ingest_spool_close(spool);
}

static void a_killed_process_loses_nothing_of_what_was_written(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct ingest_spool *spool = open_spool(16 << 20);
        for (uint64_t seq = 1; seq <= 30; seq++)
            assert_int_equal(put(spool, 1, seq, 10000), KN_OK);
        kill(getpid(), SIGKILL);
    }
    int how = 0;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFSIGNALED(how));
    struct ingest_spool *spool = open_spool(16 << 20);
    for (uint64_t seq = 1; seq <= 30; seq++)
        expect_and_answer(spool, 1, seq, NULL);
    expect_nothing(spool);
    ingest_spool_close(spool);
}

static void a_full_spool_says_so_and_gives_up_the_oldest_with_their_count(void **state)
{
    (void)state;
    struct ingest_spool *spool = open_spool(4 << 20);
    struct contents contents = {0};
    uint64_t full = 0;
    for (uint64_t seq = 1; seq <= 200; seq++) {
        enum kn_status status = put(spool, 1, seq, 10000);
        while (status == KN_FULL) {
            full++;
            assert_true(status_of(spool).full);
            assert_true(ingest_spool_drop(spool));
            status = put(spool, 1, seq, 10000);
        }
        assert_int_equal(status, KN_OK);
        assert_true(status_of(spool).bytes <= 4 << 20);
    }
    assert_true(full > 5);
    assert_true(files("spool", NULL) < 20);
    uint64_t dropped = status_of(spool).dropped;
    for (uint64_t seq = 1; seq <= 200; seq++)
        expect_and_answer(spool, 1, seq, &contents);
    assert_int_equal(contents.events + contents.lost, 200 * EVENTS);
    assert_int_equal(contents.lost, dropped);
    assert_int_equal(contents.received, 200 * (EVENTS + 1));
    assert_int_equal(contents.invalid, 200);
    assert_int_equal(ingest_spool_take_lost(spool), 0);
    ingest_spool_close(spool);
}

static void what_was_given_up_is_still_told_after_a_restart(void **state)
{
    (void)state;
    struct ingest_spool *spool = open_spool(4 << 20);
    struct contents contents = {0};
    for (uint64_t seq = 1; seq <= 40; seq++)
        assert_int_equal(put(spool, 1, seq, 10000), KN_OK);
    assert_true(ingest_spool_drop(spool));
    assert_true(ingest_spool_drop(spool));
    assert_true(ingest_spool_drop(spool));
    uint64_t dropped = status_of(spool).dropped;
    ingest_spool_close(spool);
    spool = open_spool(4 << 20);
    for (uint64_t seq = 1; seq <= 40; seq++)
        expect_and_answer(spool, 1, seq, &contents);
    assert_int_equal(contents.lost, dropped);
    assert_int_equal(contents.events, 40 * EVENTS - dropped);
    ingest_spool_close(spool);
}

static void what_is_being_sent_is_not_given_up(void **state)
{
    (void)state;
    struct ingest_spool *spool = open_spool(1 << 20);
    assert_int_equal(put(spool, 1, 1, 10), KN_OK);
    assert_int_equal(put(spool, 1, 2, 10), KN_OK);
    expect_and_answer(spool, 1, 1, NULL);
    assert_false(ingest_spool_drop(spool));
    expect_and_answer(spool, 1, 2, NULL);
    ingest_spool_close(spool);
}

static void what_is_too_old_is_given_up(void **state)
{
    (void)state;
    struct contents contents = {0};
    struct ingest_spool *spool = open_spool(1 << 20);
    struct ingest_batch *old = batch_of(1, 1, 10);
    old->oldest_at = kn_time_now() - 2 * KN_HOUR;
    assert_int_equal(ingest_spool_append(spool, old, false), KN_OK);
    ingest_batch_free(old);
    ingest_spool_close(spool);
    struct ingest_spool_options options = options_of(1 << 20);
    options.age_us = KN_HOUR;
    assert_int_equal(ingest_spool_open(&options, &spool, NULL), KN_OK);
    assert_int_equal(put(spool, 2, 1, 10), KN_OK);
    expect_and_answer(spool, 1, 1, &contents);
    expect_and_answer(spool, 2, 1, &contents);
    assert_int_equal(contents.lost, EVENTS);
    assert_int_equal(contents.events, EVENTS);
    ingest_spool_close(spool);
}

static void a_torn_tail_is_cut_off_at_every_byte(void **state)
{
    (void)state;
    struct stat st;
    char path[160];
    uint64_t whole = 0;
    for (uint64_t cut = 1; whole == 0 || cut < whole; cut++) {
        struct ingest_spool *spool = open_spool(1 << 20);
        for (uint64_t seq = 1; seq <= 3; seq++)
            assert_int_equal(put(spool, cut, seq, 4), KN_OK);
        ingest_spool_close(spool);
        path_of_first(path);
        assert_int_equal(stat(path, &st), 0);
        whole = ((uint64_t)st.st_size - SEGMENT_START) / 3; /* of one record */
        assert_int_equal(truncate(path, st.st_size - (off_t)cut), 0);
        spool = open_spool(1 << 20);
        expect_and_answer(spool, cut, 1, NULL);
        expect_and_answer(spool, cut, 2, NULL);
        expect_nothing(spool);
        assert_int_equal(put(spool, cut, 3, 4), KN_OK);
        expect_and_answer(spool, cut, 3, NULL);
        ingest_spool_close(spool);
        assert_int_equal(files("spool", NULL), 0);
    }
}

static void flip(const char *path, off_t at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void a_damaged_body_is_told_as_lost_and_the_rest_is_read(void **state)
{
    (void)state;
    char path[160];
    struct contents contents = {0};
    struct ingest_spool *spool = open_spool(1 << 20);
    for (uint64_t seq = 1; seq <= 3; seq++)
        assert_int_equal(put(spool, 1, seq, 4), KN_OK);
    ingest_spool_close(spool);
    path_of_first(path);
    flip(path, SEGMENT_START + SEGMENT_HEADER + 5);
    spool = open_spool(1 << 20);
    for (uint64_t seq = 1; seq <= 3; seq++)
        expect_and_answer(spool, 1, seq, &contents);
    assert_int_equal(contents.lost, EVENTS);
    assert_int_equal(contents.events, 2 * EVENTS);
    assert_int_equal(status_of(spool).damaged, 1);
    assert_int_equal(status_of(spool).dropped, EVENTS);
    ingest_spool_close(spool);
}

/* The headers cannot be followed any further: the time is told as a gap. */
static void a_damaged_header_costs_the_rest_of_its_file_and_is_told(void **state)
{
    (void)state;
    char path[160];
    struct ingest_batch *batch = NULL;
    struct ingest_spool *spool = open_spool(1 << 20);
    for (uint64_t seq = 1; seq <= 20; seq++)
        assert_int_equal(put(spool, 1, seq, 2000), KN_OK);
    ingest_spool_close(spool);
    path_of_first(path);
    assert_true(files("spool", NULL) > 1);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    flip(path, SEGMENT_START + (st.st_size - SEGMENT_START) / 4); /* of the second record */
    spool = open_spool(1 << 20);
    assert_int_equal(status_of(spool).damaged, 1);
    int64_t from = 0;
    int64_t to = 0;
    assert_true(ingest_spool_take_gap(spool, &from, &to));
    assert_true(from > 0 && to > 0);
    assert_false(ingest_spool_take_gap(spool, &from, &to));
    expect_and_answer(spool, 1, 1, NULL);
    assert_int_equal(ingest_spool_read(spool, &batch), KN_OK);
    uint64_t seq = batch->seq;
    assert_true(seq > 2);
    ingest_spool_answered(spool, batch);
    ingest_batch_free(batch);
    while (++seq <= 20)
        expect_and_answer(spool, 1, seq, NULL);
    ingest_spool_close(spool);
}

static void a_header_that_is_damaged_meanwhile_is_counted(void **state)
{
    (void)state;
    char path[160];
    struct ingest_spool *spool = open_spool(1 << 20);
    for (uint64_t seq = 1; seq <= 4; seq++)
        assert_int_equal(put(spool, 1, seq, 4), KN_OK);
    expect_and_answer(spool, 1, 1, NULL);
    path_of_first(path);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    flip(path, SEGMENT_START + (st.st_size - SEGMENT_START) / 4);
    struct ingest_batch *none = NULL;
    assert_int_equal(ingest_spool_read(spool, &none), KN_NOT_FOUND);
    expect_nothing(spool);
    assert_int_equal(ingest_spool_take_lost(spool), 3 * EVENTS);
    assert_int_equal(put(spool, 1, 5, 4), KN_OK);
    expect_and_answer(spool, 1, 5, NULL);
    ingest_spool_close(spool);
}

static void a_file_that_is_no_segment_is_put_aside(void **state)
{
    (void)state;
    char path[160];
    struct ingest_spool *spool = open_spool(1 << 20);
    assert_int_equal(put(spool, 1, 1, 4), KN_OK);
    ingest_spool_close(spool);
    path_of_first(path);
    flip(path, 0);
    spool = open_spool(1 << 20);
    expect_nothing(spool);
    assert_int_equal(files("damaged", NULL), 1);
    assert_int_equal(put(spool, 2, 1, 4), KN_OK);
    expect_and_answer(spool, 2, 1, NULL);
    ingest_spool_close(spool);
}

static void only_one_process_may_have_it(void **state)
{
    (void)state;
    struct kn_buf error;
    struct ingest_spool *second = NULL;
    const struct ingest_spool_options options = options_of(1 << 20);
    kn_buf_init(&error, 0);
    struct ingest_spool *spool = open_spool(1 << 20);
    assert_int_equal(ingest_spool_open(&options, &second, &error), KN_EXISTS);
    kn_buf_char(&error, '\0');
    assert_non_null(strstr(error.data, dir));
    assert_non_null(strstr(error.data, "ingestion.spool"));
    kn_buf_fini(&error);
    ingest_spool_close(spool);
}

static void limit_files(rlim_t size)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_disk_that_refuses_is_told_and_used_again_when_it_takes_more(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct ingest_spool *spool = open_spool(1 << 20);
    assert_int_equal(put(spool, 1, 1, 4), KN_OK);
    limit_files(600);
    assert_int_equal(put(spool, 1, 2, 1000), KN_IO); /* a part of it was written */
    assert_int_equal(status_of(spool).error, EFBIG);
    assert_int_equal(status_of(spool).events, EVENTS);
    limit_files(RLIM_INFINITY);
    assert_int_equal(put(spool, 1, 2, 1000), KN_OK);
    assert_int_equal(status_of(spool).error, 0);
    ingest_spool_close(spool);
    spool = open_spool(1 << 20);
    assert_int_equal(status_of(spool).damaged, 0);
    expect_and_answer(spool, 1, 1, NULL);
    expect_and_answer(spool, 1, 2, NULL);
    expect_nothing(spool);
    ingest_spool_close(spool);
}

static void without_room_for_names_the_loss_is_handed_on(void **state)
{
    (void)state;
    struct ingest_spool *spool = open_spool(1 << 20);
    for (uint64_t seq = 1; seq <= 3; seq++)
        assert_int_equal(put(spool, 1, seq, 1000), KN_OK);
    limit_files(40);
    assert_true(ingest_spool_drop(spool));
    limit_files(RLIM_INFINITY);
    assert_int_equal(ingest_spool_take_lost(spool), 3 * EVENTS);
    assert_int_equal(status_of(spool).dropped, 3 * EVENTS);
    expect_nothing(spool);
    assert_int_equal(files("spool", NULL) + files("tmp", NULL), 0);
    ingest_spool_close(spool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    kn_log_setup("test", KN_LOG_OFF, false);
    const struct CMUnitTest tests[] = {
        TEST(batches_come_out_in_order_and_files_go_when_all_is_answered),
        TEST(what_is_not_answered_comes_again_after_a_restart_and_before_what_is_new),
        TEST(what_is_under_way_is_not_read_again_but_after_a_restart),
        TEST(a_killed_process_loses_nothing_of_what_was_written),
        TEST(a_full_spool_says_so_and_gives_up_the_oldest_with_their_count),
        TEST(what_was_given_up_is_still_told_after_a_restart),
        TEST(what_is_being_sent_is_not_given_up),
        TEST(what_is_too_old_is_given_up),
        TEST(a_torn_tail_is_cut_off_at_every_byte),
        TEST(a_damaged_body_is_told_as_lost_and_the_rest_is_read),
        TEST(a_damaged_header_costs_the_rest_of_its_file_and_is_told),
        TEST(a_header_that_is_damaged_meanwhile_is_counted),
        TEST(a_file_that_is_no_segment_is_put_aside),
        TEST(only_one_process_may_have_it),
        TEST(a_disk_that_refuses_is_told_and_used_again_when_it_takes_more),
        TEST(without_room_for_names_the_loss_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
