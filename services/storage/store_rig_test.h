/* Shared by the store's tests, besides databases: an event, and queries. */
#ifndef KN_STORAGE_STORE_RIG_TEST_H
#define KN_STORAGE_STORE_RIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/storage/rig_test.h"
#include "services/storage/state/state.h"

#include <stdlib.h>

#define AT (INT64_C(1764000000) * KN_SECOND)

static inline struct kn_msg_event event(enum kn_event_type type, const char *id, int64_t at)
{
    return (struct kn_msg_event){.type = (uint8_t)type,
                                 .uuid = kn_str_from(id),
                                 .hostname = KN_STR("w1@h"),
                                 .timestamp = AT + at,
                                 .clock = (uint64_t)at,
                                 .pid = 9,
                                 .received_at = AT + at + 1};
}

static inline struct kn_msg_task task_of(struct rig *rig, const char *id)
{
    struct kn_msg_task task;
    const struct kn_msg_task_get get = {.id = kn_str_from(id)};
    assert_int_equal(store_read_task(rig->reader, &get, &rig->arena, &task), KN_OK);
    return task;
}

static inline struct kn_msg_task_list list_of(struct rig *rig, const struct kn_msg_tasks_get *get)
{
    struct kn_msg_task_list list;
    const char *why = "";
    if (store_read_tasks(rig->reader, get, &rig->arena, &list, &why) != KN_OK)
        fail_msg("%s", why);
    return list;
}

static inline struct kn_msg_system system_of(struct rig *rig)
{
    struct kn_msg_system system;
    assert_int_equal(store_read_system(rig->reader, &rig->arena, &system), KN_OK);
    return system;
}

static inline void assert_text(struct kn_str got, const char *want)
{
    if (!kn_str_eq(got, kn_str_from(want)) || (want && !got.ptr))
        fail_msg("\"%.*s\" is not \"%s\"", KN_STR_ARG(got), want ? want : "(absent)");
}

static inline struct kn_msg_worker worker_of(struct rig *rig, const char *id)
{
    struct kn_msg_worker_list list;
    const struct kn_msg_workers_get get = {.id = kn_str_from(id)};
    assert_int_equal(store_read_workers(rig->reader, &get, &rig->arena, &list), KN_OK);
    assert_int_equal(list.items.count, 1);
    return list.items.items[0];
}

static inline enum kn_status put_rollups(struct rig *rig, const struct kn_msg_rollup_put *put)
{
    struct store_change change = {.kind = KN_KIND_ROLLUP_PUT, .msg = put};
    const struct kn_msg_feed *feed;
    assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
    assert_null(feed);
    return change.status;
}

static inline size_t walk(struct rig *rig, struct kn_msg_tasks_get *get, uint64_t *ret_first)
{
    size_t n = 0, pages = 0;
    uint64_t last = 0;
    bool oldest = get->sort.len > 0;
    do {
        struct kn_msg_task_list list = list_of(rig, get);
        for (size_t i = 0; i < list.items.count; i++, n++) {
            uint64_t no = list.items.items[i].no;
            if (n == 0)
                *ret_first = no;
            else
                assert_true(oldest ? no > last : no < last);
            last = no;
        }
        get->cursor = list.next_cursor;
        assert_true(++pages < 1000);
    } while (get->cursor.ptr);
    return n;
}

static inline size_t events_of(struct rig *rig, const char *id)
{
    struct kn_msg_task_event_list list;
    const char *why;
    const struct kn_msg_task_events_get get = {.id = kn_str_from(id)};
    assert_int_equal(store_read_events(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    return list.items.count;
}

/* ---- tests with their own database ------------------------------------------- */

static bool on_postgres;

static inline int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig_init(rig, on_postgres);
    *state = rig;
    return 0;
}

static inline int tear_down(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
