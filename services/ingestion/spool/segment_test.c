#include "services/ingestion/spool/segment.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#define RECORDS 3

static const char *const bodies[RECORDS] = {"first", "", "the third and last"};

/* A file of three records; where each begins, and where the last one ends. */
static int file_of_three(uint64_t ret_at[RECORDS + 1])
{
    int fd = memfd_create("segment", 0);
    assert_true(fd >= 0);
    assert_int_equal(segment_begin(fd), KN_OK);
    ret_at[0] = SEGMENT_START;
    for (size_t i = 0; i < RECORDS; i++) {
        uint64_t size = 0;
        const struct ingest_batch batch = {.epoch = 7,
                                           .seq = i + 1,
                                           .body = (char *)bodies[i],
                                           .size = strlen(bodies[i]),
                                           .events = 10 * (i + 1),
                                           .oldest_at = (int64_t)(1000 + i)};
        assert_int_equal(segment_write(fd, ret_at[i], &batch, &size), KN_OK);
        ret_at[i + 1] = ret_at[i] + size;
    }
    return fd;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    uint64_t at[RECORDS + 1];
    struct segment_extent extent;
    int fd = file_of_three(at);
    assert_int_equal(segment_scan(fd, &extent), KN_OK);
    assert_int_equal(extent.size, at[RECORDS]);
    assert_int_equal(extent.torn, 0);
    assert_int_equal(extent.records, RECORDS);
    assert_int_equal(extent.events, 60);
    assert_int_equal(extent.first_at, 1000);
    assert_int_equal(extent.last_at, 1002);
    for (size_t i = 0; i < RECORDS; i++) {
        struct ingest_batch *batch = NULL;
        uint64_t size = 0;
        assert_int_equal(segment_read(fd, at[i], extent.size, &batch, &size), KN_OK);
        assert_int_equal(size, at[i + 1] - at[i]);
        assert_int_equal(batch->epoch, 7);
        assert_int_equal(batch->seq, i + 1);
        assert_int_equal(batch->events, 10 * (i + 1));
        assert_int_equal(batch->oldest_at, 1000 + i);
        assert_int_equal(batch->size, strlen(bodies[i]));
        assert_memory_equal(batch->body, bodies[i], batch->size);
        ingest_batch_free(batch);
    }
    close(fd);
}

static void a_tail_that_is_cut_anywhere_takes_only_the_last_record(void **state)
{
    (void)state;
    uint64_t at[RECORDS + 1];
    int whole = file_of_three(at);
    for (uint64_t end = at[RECORDS - 1]; end < at[RECORDS]; end++) {
        struct segment_extent extent;
        assert_int_equal(ftruncate(whole, (off_t)end), 0);
        assert_int_equal(segment_scan(whole, &extent), KN_OK);
        assert_int_equal(extent.records, RECORDS - 1);
        assert_int_equal(extent.events, 30);
        assert_int_equal(extent.size, at[RECORDS - 1]);
        assert_int_equal(extent.torn, end - at[RECORDS - 1]);
        assert_int_equal(extent.last_at, 1001);
        close(whole);
        whole = file_of_three(at);
    }
    close(whole);
}

/* As after a power cut: the length is there, the bytes are not. */
static void a_tail_of_zeros_is_cut_off(void **state)
{
    (void)state;
    uint64_t at[RECORDS + 1];
    struct segment_extent extent;
    static const char zeros[SEGMENT_HEADER + 64];
    int fd = file_of_three(at);
    uint64_t body = at[RECORDS - 1] + SEGMENT_HEADER;
    assert_true(pwrite(fd, zeros, at[RECORDS] - body, (off_t)body) > 0);
    assert_int_equal(segment_scan(fd, &extent), KN_OK);
    assert_int_equal(extent.records, RECORDS - 1);
    assert_int_equal(extent.torn, at[RECORDS] - at[RECORDS - 1]);
    assert_true(pwrite(fd, zeros, sizeof(zeros), (off_t)at[RECORDS - 1]) > 0);
    assert_int_equal(segment_scan(fd, &extent), KN_OK);
    assert_int_equal(extent.records, RECORDS - 1);
    close(fd);
}

/* Reads all records as the spool does; how many came whole. */
static size_t read_whole(int fd)
{
    struct segment_extent extent;
    size_t whole = 0;
    if (segment_scan(fd, &extent) != KN_OK)
        return 0;
    uint64_t at = SEGMENT_START;
    for (uint64_t i = 0; i < extent.records; i++) {
        struct ingest_batch *batch = NULL;
        uint64_t size = 0;
        assert_int_equal(segment_read(fd, at, extent.size, &batch, &size), KN_OK);
        whole += batch->body != NULL;
        at += size;
        ingest_batch_free(batch);
    }
    assert_int_equal(at, extent.size);
    return whole;
}

static void a_flipped_bit_is_never_taken_for_data(void **state)
{
    (void)state;
    uint64_t at[RECORDS + 1];
    int fd = file_of_three(at);
    for (uint64_t i = 0; i < at[RECORDS]; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            unsigned char byte;
            assert_int_equal(pread(fd, &byte, 1, (off_t)i), 1);
            byte ^= (unsigned char)(1U << bit);
            assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
            assert_true(read_whole(fd) < RECORDS);
            byte ^= (unsigned char)(1U << bit);
            assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
        }
    }
    assert_int_equal(read_whole(fd), RECORDS);
    close(fd);
}

static void a_damaged_body_hides_no_other_record(void **state)
{
    (void)state;
    uint64_t at[RECORDS + 1];
    int fd = file_of_three(at);
    assert_int_equal(pwrite(fd, "X", 1, (off_t)at[0] + SEGMENT_HEADER), 1);
    assert_int_equal(read_whole(fd), RECORDS - 1);
    close(fd);
}

static void what_is_no_segment_is_told(void **state)
{
    (void)state;
    struct segment_extent extent;
    int fd = memfd_create("segment", 0);
    assert_int_equal(segment_scan(fd, &extent), KN_INVALID);
    assert_true(write(fd, "something else altogether", 25) == 25);
    assert_int_equal(segment_scan(fd, &extent), KN_INVALID);
    close(fd);
}

static void another_version_is_left_alone(void **state)
{
    (void)state;
    struct segment_extent extent;
    unsigned char start[SEGMENT_START] = "kanchisp\2";
    uint32_t sum = htole32((uint32_t)XXH64(start, 12, 0));
    int fd = memfd_create("segment", 0);
    memcpy(start + 12, &sum, sizeof(sum));
    assert_true(write(fd, start, sizeof(start)) == sizeof(start));
    assert_int_equal(segment_scan(fd, &extent), KN_VERSION);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_tail_that_is_cut_anywhere_takes_only_the_last_record),
        cmocka_unit_test(a_tail_of_zeros_is_cut_off),
        cmocka_unit_test(a_flipped_bit_is_never_taken_for_data),
        cmocka_unit_test(a_damaged_body_hides_no_other_record),
        cmocka_unit_test(what_is_no_segment_is_told),
        cmocka_unit_test(another_version_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
