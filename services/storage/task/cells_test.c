#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/common/data/arena.h"
#include "services/common/data/sketch.h"
#include "services/storage/task/cells.h"

#include <stdlib.h>

enum { ADDS = 400, ROUNDS = 300, STATUSES = 9 };

static uint64_t seed = 88172645463325252u;

static unsigned below(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 11) % n;
}

static struct kn_str sketch_of(struct kn_arena *arena, double value, int64_t n)
{
    struct kn_sketch sketch;
    struct kn_buf out;
    kn_sketch_init(&sketch);
    kn_buf_init(&out, 0);
    assert_int_equal(kn_sketch_add(&sketch, value, n), KN_OK);
    kn_sketch_encode(&sketch, &out);
    struct kn_str bytes = kn_arena_str(arena, kn_buf_view(&out));
    kn_sketch_fini(&sketch);
    kn_buf_fini(&out);
    return bytes;
}

static struct cell random_cell(struct kn_arena *arena)
{
    int64_t sign = below(3) ? 1 : -1;
    struct cell cell = {.queue = below(3),
                        .worker = below(4) * INT64_C(1000000007),
                        .status = (uint8_t)below(STATUSES),
                        .count = sign * below(300)};
    if (below(2))
        cell.runtime = sketch_of(arena, below(4) * 0.1, sign);
    if (below(3) == 0)
        cell.wait = sketch_of(arena, below(4) * 7.0, sign);
    return cell;
}

static int by_key(const void *a, const void *b)
{
    return cell_cmp(a, b);
}

static struct kn_str added(struct kn_arena *arena, struct kn_str stored, const struct cell *cells,
                           size_t count)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    assert_int_equal(cells_add(stored, cells, count, &out), KN_OK);
    struct kn_str bytes = out.len ? kn_arena_str(arena, kn_buf_view(&out)) : KN_STR_ABSENT;
    kn_buf_fini(&out);
    return bytes;
}

static void however_the_cells_are_cut_into_parts_the_bytes_are_the_same(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct kn_arena arena;
        struct cell cells[ADDS];
        struct kn_str parts = KN_STR_ABSENT;
        size_t count = below(ADDS);
        kn_arena_init(&arena, 0);
        for (size_t i = 0; i < count; i++)
            cells[i] = random_cell(&arena);
        for (size_t i = 0, n; i < count; i += n) {
            n = 1 + below((unsigned)(count - i));
            qsort(cells + i, n, sizeof *cells, by_key);
            parts = added(&arena, parts, cells + i, n);
        }
        qsort(cells, count, sizeof *cells, by_key);
        struct kn_str whole = added(&arena, KN_STR_ABSENT, cells, count);
        assert_int_equal(parts.len, whole.len);
        assert_true(kn_str_eq(parts, whole));
        kn_arena_fini(&arena);
    }
}

static void what_is_read_is_what_was_added(void **state)
{
    (void)state;
    struct kn_arena arena;
    struct cells_reader reader;
    struct cell cell;
    kn_arena_init(&arena, 0);
    const struct cell cells[] = {
        {.queue = 0, .worker = 7, .status = 3, .count = 5, .runtime = sketch_of(&arena, 0.5, 5)},
        {.queue = 300, .worker = INT64_MAX, .status = 8, .count = INT64_MIN},
        {.queue = 300, .worker = INT64_MAX, .status = 8, .wait = sketch_of(&arena, 1, 1)},
    };
    struct kn_str bytes = added(&arena, KN_STR_ABSENT, cells, 3);
    assert_int_equal(cells_open(bytes, &reader), KN_OK);
    assert_int_equal(cells_next(&reader, &cell), KN_OK);
    assert_int_equal(cell_cmp(&cell, &cells[0]), 0);
    assert_int_equal(cell.count, 5);
    assert_true(kn_str_eq(cell.runtime, cells[0].runtime));
    assert_int_equal(cells_next(&reader, &cell), KN_OK);
    assert_int_equal(cell_cmp(&cell, &cells[1]), 0);
    assert_int_equal(cell.count, INT64_MIN);
    assert_int_equal(cell.runtime.len, 0);
    assert_true(kn_str_eq(cell.wait, cells[2].wait));
    assert_int_equal(cells_next(&reader, &cell), KN_NOT_FOUND);
    kn_arena_fini(&arena);
}

static void what_is_taken_out_again_leaves_nothing(void **state)
{
    (void)state;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct cell cell = {.queue = 1, .status = 2, .count = 3, .runtime = sketch_of(&arena, 0.5, 3)};
    struct kn_str bytes = added(&arena, KN_STR_ABSENT, &cell, 1);
    cell.count = -3;
    cell.runtime = sketch_of(&arena, 0.5, -3);
    assert_int_equal(added(&arena, bytes, &cell, 1).len, 0);
    kn_arena_fini(&arena);
}

static void damaged_bytes_are_refused(void **state)
{
    (void)state;
    struct kn_arena arena;
    struct cell cells[ADDS];
    struct kn_buf out;
    kn_arena_init(&arena, 0);
    kn_buf_init(&out, 0);
    for (size_t i = 0; i < ADDS; i++)
        cells[i] = random_cell(&arena);
    qsort(cells, ADDS, sizeof *cells, by_key);
    struct kn_str bytes = added(&arena, KN_STR_ABSENT, cells, ADDS);
    for (unsigned round = 0; round < 20000; round++) {
        /* a copy of its own, so that the sanitizer sees what lies beyond it */
        size_t len = below(4) ? bytes.len : below((unsigned)bytes.len);
        char *copy = malloc(len ? len : 1);
        memcpy(copy, bytes.ptr, len);
        if (len && below(2))
            copy[below((unsigned)len)] = (char)below(256);
        kn_buf_clear(&out);
        enum kn_status status = cells_add((struct kn_str){copy, len}, cells, 1, &out);
        assert_true(status == KN_OK || status == KN_INVALID || status == KN_VERSION ||
                    status == KN_TRUNCATED || status == KN_TOO_BIG);
        free(copy);
    }
    struct cells_reader reader;
    assert_int_equal(cells_open(KN_STR("\2"), &reader), KN_VERSION);
    kn_buf_fini(&out);
    kn_arena_fini(&arena);
}

static void counts_that_overflow_are_refused(void **state)
{
    (void)state;
    struct kn_buf out;
    const struct cell cells[] = {{.count = INT64_MAX}, {.count = 1}};
    kn_buf_init(&out, 0);
    assert_int_equal(cells_add(KN_STR_ABSENT, cells, 2, &out), KN_INVALID);
    kn_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(however_the_cells_are_cut_into_parts_the_bytes_are_the_same),
        cmocka_unit_test(what_is_read_is_what_was_added),
        cmocka_unit_test(what_is_taken_out_again_leaves_nothing),
        cmocka_unit_test(damaged_bytes_are_refused),
        cmocka_unit_test(counts_that_overflow_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
