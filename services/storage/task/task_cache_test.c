#include "services/storage/task/task_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct task_cache cache;
    struct kn_arena arena;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(task_cache_init(&f->cache), KN_OK);
    kn_arena_init(&f->arena, 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    task_cache_fini(&f->cache);
    kn_arena_fini(&f->arena);
    free(f);
    return 0;
}

static struct task_row row_of(struct fixture *f, unsigned number)
{
    char id[32];
    snprintf(id, sizeof id, "task-%u", number);
    struct task_row row = {.no = number, .source = 1};
    row.id = kn_arena_str(&f->arena, kn_str_from(id));
    row.hash = task_hash(7, row.source, row.id);
    return row;
}

static void put(struct fixture *f, const struct task_row *row)
{
    struct db_value columns[TASK_COLUMNS];
    const struct task_bytes bytes = {.order = KN_STR("\x01")};
    task_row_values(row, &bytes, columns);
    task_cache_put(&f->cache, columns);
}

static bool has(struct fixture *f, const struct task_row *key)
{
    struct db_value columns[TASK_COLUMNS];
    return task_cache_find(&f->cache, key, columns);
}

static void has_what_was_put_last(void **state)
{
    struct fixture *f = *state;
    struct task_row row = row_of(f, 1);
    struct db_value columns[TASK_COLUMNS], found[TASK_COLUMNS];
    const struct task_bytes bytes = {.order = KN_STR("\x01\x02"), .learned = KN_STR_ABSENT};
    assert_false(has(f, &row));
    put(f, &row);
    row.task.latest_at = 12;
    row.task.runtime = KN_SOME_F64(0.5);
    row.task.text[MERGE_ARGS] = KN_STR("(1, 2)");
    row.task.text[MERGE_KWARGS] = KN_STR("");
    task_row_values(&row, &bytes, columns);
    task_cache_put(&f->cache, columns);
    assert_true(task_cache_find(&f->cache, &row, found));
    for (size_t i = 0; i < TASK_COLUMNS; i++) {
        assert_int_equal(found[i].kind, columns[i].kind);
        if (columns[i].kind == DB_I64)
            assert_int_equal(found[i].i64, columns[i].i64);
        if (columns[i].kind == DB_F64)
            assert_true(found[i].f64 == columns[i].f64);
        if (columns[i].kind == DB_TEXT || columns[i].kind == DB_BLOB)
            assert_true(kn_str_eq(found[i].str, columns[i].str));
    }
    assert_int_equal(task_row_latest_at(found), 12);
}

static void another_task_with_this_hash_is_not_it(void **state)
{
    struct fixture *f = *state;
    struct task_row row = row_of(f, 1), other = row_of(f, 2), elsewhere = row;
    put(f, &row);
    other.hash = row.hash;
    elsewhere.source = 2;
    assert_false(has(f, &other));
    assert_false(has(f, &elsewhere));
    assert_true(has(f, &row));
}

static void nothing_is_left_after_clear(void **state)
{
    struct fixture *f = *state;
    struct task_row row = row_of(f, 1), later = row_of(f, 2);
    put(f, &row);
    task_cache_clear(&f->cache);
    put(f, &later);
    assert_false(has(f, &row));
    assert_true(has(f, &later));
}

static void the_newest_are_kept_when_it_is_full(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 200000, SURE = 5000 };
    unsigned kept = 0;
    for (unsigned i = 0; i < MANY; i++) {
        struct task_row row = row_of(f, i);
        put(f, &row);
        assert_true(has(f, &row));
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct task_row row = row_of(f, i);
        struct db_value columns[TASK_COLUMNS];
        if (!task_cache_find(&f->cache, &row, columns))
            continue;
        kept++;
        assert_int_equal(columns[0].i64, i);
    }
    struct task_row first = row_of(f, 0);
    assert_false(has(f, &first));
    assert_in_range(kept, SURE, MANY / 2);
}

static void a_row_that_is_too_large_leaves_no_older_one(void **state)
{
    struct fixture *f = *state;
    struct task_row row = row_of(f, 1);
    put(f, &row);
    row.task.text[MERGE_RESULT] = (struct kn_str){kn_arena_alloc(&f->arena, 1 << 20), 1 << 20};
    put(f, &row);
    assert_false(has(f, &row));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(has_what_was_put_last),
        TEST(another_task_with_this_hash_is_not_it),
        TEST(nothing_is_left_after_clear),
        TEST(the_newest_are_kept_when_it_is_full),
        TEST(a_row_that_is_too_large_leaves_no_older_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
