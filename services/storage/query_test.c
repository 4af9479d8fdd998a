/* Workflows, failures, names and lives of workers, on both databases. */
#include "services/storage/rig_test.h"
#include "services/storage/store_internal.h"

#include "services/common/log.h"
#include "services/common/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define AT (INT64_C(1790000000) * KN_SECOND)

static struct kn_msg_event event(enum kn_event_type type, const char *id, int64_t at)
{
    return (struct kn_msg_event){.type = (uint8_t)type,
                                 .hostname = KN_STR("w1@h"),
                                 .uuid = kn_str_from(id),
                                 .timestamp = AT + at,
                                 .clock = (uint64_t)at + 1,
                                 .received_at = AT + at + 1};
}

static void assert_text(struct kn_str got, const char *want)
{
    if (!kn_str_eq(got, kn_str_from(want)))
        fail_msg("\"%.*s\" is not \"%s\"", KN_STR_ARG(got), want);
}

/* ---- workflows ----------------------------------------------------------------------- */

static struct kn_msg_task_list family_of(struct rig *rig, const char *id, uint64_t limit,
                                         struct kn_str cursor)
{
    struct kn_msg_task_list list;
    const char *why = "";
    const struct kn_msg_family_get get = {.id = kn_str_from(id), .limit = limit, .cursor = cursor};
    if (store_read_family(rig->reader, &get, &rig->arena, &list, &why) != KN_OK)
        fail_msg("%s", why ? why : "not found");
    return list;
}

static void ingest_member(struct rig *rig, const char *id, const char *root, const char *parent,
                          int64_t at)
{
    struct kn_msg_event received = event(KN_EVENT_TASK_RECEIVED, id, at);
    received.root_id = kn_str_from(root);
    received.parent_id = parent ? kn_str_from(parent) : KN_STR_ABSENT;
    rig_ingest(rig, &received, 1, NULL);
}

static void a_workflow_is_found_from_any_of_its_tasks(void **state)
{
    struct rig *rig = *state;
    ingest_member(rig, "child-1", "root", "root", 1);
    ingest_member(rig, "other", "other", NULL, 2);
    ingest_member(rig, "root", "root", NULL, 3);
    ingest_member(rig, "grandchild", "root", "child-1", 4);
    const char *const ids[] = {"root", "child-1", "grandchild"};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct kn_msg_task_list list = family_of(rig, ids[i], 10, KN_STR_ABSENT);
        assert_int_equal(list.items.count, 3);
        assert_text(list.items.items[0].id, "root");
        assert_text(list.items.items[1].id, "child-1");
        assert_text(list.items.items[2].id, "grandchild");
        assert_null(list.next_cursor.ptr);
    }
    assert_int_equal(family_of(rig, "other", 10, KN_STR_ABSENT).items.count, 1);
}

static void a_workflow_comes_in_pages(void **state)
{
    struct rig *rig = *state;
    ingest_member(rig, "root", "root", NULL, 0);
    for (int i = 0; i < 7; i++) {
        char id[16];
        snprintf(id, sizeof id, "child-%d", i);
        ingest_member(rig, id, "root", "root", i + 1);
    }
    for (uint64_t limit = 1; limit <= 9; limit++) {
        struct kn_str cursor = KN_STR_ABSENT;
        size_t seen = 0;
        do {
            struct kn_msg_task_list list = family_of(rig, "child-3", limit, cursor);
            assert_true(list.items.count <= limit);
            assert_text(list.items.items[0].id,
                        seen ? (char[]){'c', 'h', 'i', 'l', 'd', '-', (char)('0' + seen - 1), 0}
                             : "root");
            seen += list.items.count;
            cursor = list.next_cursor;
        } while (cursor.ptr);
        assert_int_equal(seen, 8);
    }
}

static void a_workflow_without_its_root_is_shown_without_it(void **state)
{
    struct rig *rig = *state;
    ingest_member(rig, "orphan", "gone", "gone", 1);
    struct kn_msg_task_list list = family_of(rig, "orphan", 10, KN_STR_ABSENT);
    assert_int_equal(list.items.count, 1);
    assert_text(list.items.items[0].id, "orphan");
}

/* ---- failures ------------------------------------------------------------------------ */

static void failures_are_grouped_by_name_and_exception(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *name, *error;
        int64_t at; /* seconds */
    } failures[] = {
        {"shop.charge", "ValueError('first')", 10},
        {"shop.charge", "ValueError('second')", 30},
        {"shop.charge", "ValueError('between')", 20},
        {"shop.charge", "requests.Timeout: late", 15},
        {"shop.mail", "ValueError()", 12},
        {"shop.mail", "ValueError('too old')", -5},
        {"shop.mail", "ValueError('too new')", 100},
        {"shop.mail", NULL, 16},
    };
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        char id[16];
        snprintf(id, sizeof id, "t%zu", i);
        struct kn_msg_event lived[] = {
            event(KN_EVENT_TASK_RECEIVED, id, failures[i].at * (int64_t)KN_SECOND - 1),
            event(KN_EVENT_TASK_FAILED, id, failures[i].at * (int64_t)KN_SECOND)};
        lived[0].name = kn_str_from(failures[i].name);
        lived[1].exception = kn_str_from(failures[i].error);
        rig_ingest(rig, lived, 2, NULL);
    }
    struct kn_msg_event good = event(KN_EVENT_TASK_SUCCEEDED, "good", 17 * KN_SECOND);
    rig_ingest(rig, &good, 1, NULL);
    struct kn_msg_failure_list list;
    const char *why;
    struct kn_msg_failures_get get = {.from = AT, .to = AT + KN_MINUTE};
    assert_int_equal(store_read_failures(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    assert_int_equal(list.items.count, 4);
    assert_int_equal(list.counted, 6);
    assert_true(list.complete);
    const struct kn_msg_failure_group *most = &list.items.items[0];
    assert_text(most->name, "shop.charge");
    assert_text(most->exception, "ValueError");
    assert_int_equal(most->count, 3);
    assert_int_equal(most->first_at, AT + 10 * KN_SECOND);
    assert_int_equal(most->last_at, AT + 30 * KN_SECOND);
    assert_text(most->last_id, "t1");
    assert_text(most->last_error, "ValueError('second')");
    assert_text(list.items.items[1].exception, "");
    assert_text(list.items.items[2].exception, "requests.Timeout");
    get.limit = 1;
    assert_int_equal(store_read_failures(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    assert_int_equal(list.items.count, 1);
    assert_int_equal(list.counted, 6);
    struct kn_str nowhere[] = {KN_STR("nowhere")};
    get.sources = (struct kn_strs){nowhere, 1};
    assert_int_equal(store_read_failures(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    assert_int_equal(list.counted, 0);
    get.limit = 101;
    assert_int_equal(store_read_failures(rig->reader, &get, &rig->arena, &list, &why), KN_INVALID);
}

/* ---- names --------------------------------------------------------------------------- */

static void names_are_found_by_a_part_in_any_case(void **state)
{
    struct rig *rig = *state;
    const char *const names[] = {"shop.Mail.send", "shop.charge", "reports.mail", "other"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct kn_msg_event received = event(KN_EVENT_TASK_RECEIVED, names[i], (int64_t)i);
        received.name = kn_str_from(names[i]);
        rig_ingest(rig, &received, 1, NULL);
    }
    struct kn_msg_task_names found;
    struct kn_msg_task_names_get get = {.q = KN_STR("MAIL")};
    assert_int_equal(store_read_task_names(rig->reader, &get, &rig->arena, &found), KN_OK);
    assert_int_equal(found.items.count, 2);
    assert_text(found.items.items[0], "reports.mail");
    assert_text(found.items.items[1], "shop.Mail.send");
    get = (struct kn_msg_task_names_get){.limit = 3};
    assert_int_equal(store_read_task_names(rig->reader, &get, &rig->arena, &found), KN_OK);
    assert_int_equal(found.items.count, 3);
}

/* ---- lives of workers ------------------------------------------------------------------ */

static struct kn_msg_worker_life life_of(struct rig *rig, int64_t from, int64_t to)
{
    struct kn_msg_worker_life life;
    const struct kn_msg_worker_life_get get = {
        .id = KN_STR("w1@h"), .from = AT + from, .to = AT + to};
    assert_int_equal(store_read_worker_life(rig->reader, &get, &rig->arena, &life), KN_OK);
    return life;
}

static void a_worker_comes_goes_and_is_started_anew(void **state)
{
    struct rig *rig = *state;
    static const struct {
        enum kn_event_type type;
        int64_t at;
    } events[] = {{KN_EVENT_WORKER_ONLINE, 10},    {KN_EVENT_WORKER_HEARTBEAT, 12},
                  {KN_EVENT_WORKER_ONLINE, 20},    {KN_EVENT_WORKER_OFFLINE, 30},
                  {KN_EVENT_WORKER_HEARTBEAT, 29}, {KN_EVENT_WORKER_ONLINE, 40}};
    static const struct kn_msg_worker_moment want[] = {{AT + 10, KN_WORKER_CHANGE_ONLINE},
                                                       {AT + 20, KN_WORKER_CHANGE_RESTART},
                                                       {AT + 30, KN_WORKER_CHANGE_OFFLINE},
                                                       {AT + 40, KN_WORKER_CHANGE_ONLINE}};
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        struct kn_msg_event said = event(events[i].type, NULL, events[i].at);
        rig_ingest(rig, &said, 1, NULL);
        rig_ingest(rig, &said, 1, NULL);
    }
    struct kn_msg_worker_life life = life_of(rig, 0, 100);
    assert_text(life.source, "default");
    assert_int_equal(life.items.count, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_int_equal(life.items.items[i].at, want[i].at);
        assert_int_equal(life.items.items[i].change, want[i].change);
    }
    life = life_of(rig, 25, 35);
    assert_int_equal(life.items.count, 2); /* what it was before, and what happened */
    assert_int_equal(life.items.items[0].change, KN_WORKER_CHANGE_RESTART);
    assert_int_equal(life.items.items[1].change, KN_WORKER_CHANGE_OFFLINE);
    const struct kn_msg_worker_life_get unknown = {.id = KN_STR("nobody@h"), .to = AT};
    assert_int_equal(store_read_worker_life(rig->reader, &unknown, &rig->arena, &life),
                     KN_NOT_FOUND);
}

/* ---- the program --------------------------------------------------------------------- */

static bool on_postgres;

/* ---- queries that nobody waits for ----------------------------------------------------- */

enum { MANY_TASKS = 4000 };

static void ingest_many(struct rig *rig)
{
    static struct kn_msg_event events[MANY_TASKS];
    static char ids[MANY_TASKS][16];
    for (int i = 0; i < MANY_TASKS; i++) {
        snprintf(ids[i], sizeof ids[i], "t%d", i);
        events[i] = event(KN_EVENT_TASK_RECEIVED, ids[i], i);
    }
    rig_ingest(rig, events, MANY_TASKS, NULL);
}

/* Looks at all tasks, and finds none. */
static enum kn_status search(struct rig *rig)
{
    const struct kn_msg_tasks_get get = {.q = KN_STR("nowhere"), .limit = 10};
    struct kn_msg_task_list list;
    const char *why = NULL;
    return store_read_tasks(rig->reader, &get, &rig->arena, &list, &why);
}

static void a_query_ends_when_its_time_is_over(void **state)
{
    struct rig *rig = *state;
    ingest_many(rig);
    store_reader_limit(rig->reader, kn_time_mono() - 1, NULL);
    assert_int_equal(search(rig), KN_TIMEOUT);
    store_reader_limit(rig->reader, kn_time_mono() + KN_MINUTE, NULL);
    assert_int_equal(search(rig), KN_OK);
}

static void a_query_ends_when_the_process_stops(void **state)
{
    struct rig *rig = *state;
    atomic_bool ending = true;
    ingest_many(rig);
    store_reader_limit(rig->reader, 0, &ending);
    assert_int_equal(search(rig), KN_TIMEOUT);
    atomic_store(&ending, false);
    assert_int_equal(search(rig), KN_OK);
}

/* The server is at work on it then, and is told; the connection goes on. */
static void a_query_that_the_server_is_at_ends_too(void **state)
{
    struct rig *rig = *state;
    if (!rig->postgres)
        return;
    ingest_many(rig);
    assert_int_equal(db_begin(rig->store->db), KN_OK);
    assert_int_equal(db_script(rig->store->db, "LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE"), KN_OK);
    store_reader_limit(rig->reader, kn_time_mono() + KN_SECOND / 5, NULL);
    assert_int_equal(search(rig), KN_TIMEOUT);
    assert_false(db_is_lost(rig->reader->db));
    db_rollback(rig->store->db);
    store_reader_limit(rig->reader, 0, NULL);
    assert_int_equal(search(rig), KN_OK);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig_init(rig, on_postgres);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    kn_log_setup("query_test", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(a_workflow_is_found_from_any_of_its_tasks),
        CASE(a_workflow_comes_in_pages),
        CASE(a_workflow_without_its_root_is_shown_without_it),
        CASE(failures_are_grouped_by_name_and_exception),
        CASE(names_are_found_by_a_part_in_any_case),
        CASE(a_worker_comes_goes_and_is_started_anew),
        CASE(a_query_ends_when_its_time_is_over),
        CASE(a_query_ends_when_the_process_stops),
        CASE(a_query_that_the_server_is_at_ends_too),
    };
    return RIG_RUN(tests, &on_postgres);
}
