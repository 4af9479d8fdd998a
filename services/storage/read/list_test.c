/* Tasks: merged over batches, in lists, and by period; on each database. */
#include "services/storage/store_rig_test.h"

#include "services/common/count.h"
#include "services/storage/db/migrate.h"

#include <stdio.h>

/* ---- tasks --------------------------------------------------------------------------- */

static void a_task_is_merged_over_several_batches(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event sent = event(KN_EVENT_TASK_SENT, "t1", 1),
                        received = event(KN_EVENT_TASK_RECEIVED, "t1", 2),
                        started = event(KN_EVENT_TASK_STARTED, "t1", 3000001),
                        done = event(KN_EVENT_TASK_SUCCEEDED, "t1", 4000000);
    sent.hostname = KN_STR("client@h");
    sent.name = received.name = KN_STR("app.add");
    sent.args_repr = received.args_repr = KN_STR("(1, 2)");
    sent.queue = KN_STR("celery");
    sent.retries = KN_SOME_I64(0);
    done.result_repr = KN_STR("3");
    done.runtime = KN_SOME_F64(0.5);
    assert_int_equal(rig_ingest(rig, &done, 1, NULL).stored, 1);
    assert_int_equal(rig_ingest(rig, &received, 1, NULL).stored, 1);
    assert_int_equal(rig_ingest(rig, &received, 1, NULL).duplicates, 1);
    rig_reopen(rig);
    struct kn_msg_event rest[] = {started, sent, started};
    struct kn_msg_ingest_ack ack = rig_ingest(rig, rest, 3, NULL);
    assert_int_equal(ack.stored, 2);
    assert_int_equal(ack.duplicates, 1);
    struct kn_msg_task task = task_of(rig, "t1");
    assert_int_equal(task.status, KN_TASK_SUCCESS);
    assert_text(task.name, "app.add");
    assert_text(task.args_repr, "(1, 2)");
    assert_text(task.result_repr, "3");
    assert_text(task.queue, "celery");
    assert_text(task.client, "client@h");
    assert_text(task.worker_id, "w1@h");
    assert_text(task.source, "default");
    assert_text(task.kwargs_repr, NULL);
    assert_int_equal(task.sent_at, AT + 1);
    assert_int_equal(task.completed_at, AT + 4000000);
    assert_true(task.runtime.set && task.runtime.value == 0.5);
    assert_true(task.queue_wait.set && task.queue_wait.value == 3.0);
    assert_true(task.retries.set && task.retries.value == 0);
    assert_false(task.eta);
}

static void ids_and_texts_may_be_anything(void **state)
{
    struct rig *rig = *state;
    static char big[200000];
    memset(big, 'x', sizeof big);
    struct kn_msg_event events[] = {
        event(KN_EVENT_TASK_RECEIVED, "\xe4\xbb\xbb\xe5\x8a\xa1 'quoted\" \\ %s", 1),
        event(KN_EVENT_TASK_RECEIVED, "", 2),
        event(KN_EVENT_TASK_FAILED, "bad", 3),
        event(KN_EVENT_TASK_FAILED, "bad", 4),
    };
    events[0].name = KN_STR("\xd0\xb7\xd0\xb0\xd0\xb4\xd0\xb0\xd1\x87\xd0\xb0");
    events[1].uuid = KN_STR("with\0nul");
    events[0].args_repr = KN_STR("('a\0b', '\xef\xbf\xbf', '\xef\xbf\xbf"
                                 "0')");
    events[2].exception = (struct kn_str){big, sizeof big};
    events[2].traceback = KN_STR("not \xff utf-8 \0 and a NUL");
    assert_int_equal(rig_ingest(rig, events, 4, NULL).stored, 4);
    assert_int_equal(rig_ingest(rig, events, 4, NULL).duplicates, 4);
    assert_text(task_of(rig, "\xe4\xbb\xbb\xe5\x8a\xa1 'quoted\" \\ %s").name,
                "\xd0\xb7\xd0\xb0\xd0\xb4\xd0\xb0\xd1\x87\xd0\xb0");
    assert_true(kn_str_eq(task_of(rig, "\xe4\xbb\xbb\xe5\x8a\xa1 'quoted\" \\ %s").args_repr,
                          events[0].args_repr));
    assert_int_equal(task_of(rig, "bad").error.len, sizeof big);
    struct kn_msg_task task;
    const struct kn_msg_task_get nul = {.id = KN_STR("with\0nul")};
    assert_int_equal(store_read_task(rig->reader, &nul, &rig->arena, &task), KN_OK);
    const struct kn_msg_task_get none = {.id = KN_STR("nobody")};
    assert_int_equal(store_read_task(rig->reader, &none, &rig->arena, &task), KN_NOT_FOUND);
}

static void events_come_back_in_order_and_page_by_page(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event events[7];
    for (int i = 0; i < 7; i++) {
        events[i] = event(KN_EVENT_CUSTOM, "t", 100 - i / 2);
        events[i].clock = (uint64_t)(i % 2);
        events[i].type_name = KN_STR("task-progress");
        events[i].extra = KN_STR("{\"n\":1}");
    }
    events[6].type = KN_EVENT_TASK_STARTED;
    rig_ingest(rig, events, 7, NULL);
    struct kn_msg_task_events_get get = {.id = KN_STR("t"), .limit = 3};
    struct kn_msg_task_event_list list;
    const char *why;
    size_t seen = 0, pages = 0;
    int64_t last = 0;
    do {
        assert_int_equal(store_read_events(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
        for (size_t i = 0; i < list.items.count; i++, seen++) {
            const struct kn_msg_event *e = &list.items.items[i];
            int64_t key = e->timestamp * 10 + (int64_t)e->clock;
            assert_true(key > last);
            last = key;
            assert_text(e->uuid, "t");
            assert_text(e->hostname, "w1@h");
            assert_text(e->type_name,
                        e->type == KN_EVENT_CUSTOM ? "task-progress" : "task-started");
            assert_int_equal(e->pid, 9);
        }
        get.cursor = list.next_cursor;
        pages++;
    } while (get.cursor.ptr);
    assert_int_equal(seen, 7);
    assert_int_equal(pages, 3);
    get.cursor = KN_STR("1,2,x");
    assert_int_equal(store_read_events(rig->reader, &get, &rig->arena, &list, &why), KN_INVALID);
}

/* ---- the list ----------------------------------------------------------------------- */

static void fill_list(struct rig *rig)
{
    static char ids[300][16];
    struct kn_msg_event events[300];
    for (int i = 0; i < 300; i++) {
        snprintf(ids[i], sizeof ids[i], "id-%d", i);
        events[i] = event(i % 3 ? KN_EVENT_TASK_RECEIVED : KN_EVENT_TASK_FAILED, ids[i],
                          (int64_t)i * KN_MINUTE);
        events[i].name = i % 2 ? KN_STR("odd") : KN_STR("even");
        events[i].hostname = i % 5 ? KN_STR("w1@h") : KN_STR("w5@h");
        events[i].args_repr = i % 100 == 7 ? KN_STR("('NEEDLE',)") : KN_STR("()");
        if (i % 3 == 0) { /* no message named it */
            events[i].exception = KN_STR("Oops");
            events[i].name = KN_STR_ABSENT;
        }
    }
    for (int i = 0; i < 300; i += 50)
        rig_ingest(rig, events + i, 50, NULL);
}

#define ONE(...)                                                                                   \
    {                                                                                              \
        (struct kn_str[]){__VA_ARGS__},                                                            \
            sizeof((struct kn_str[]){__VA_ARGS__}) / sizeof(struct kn_str)                         \
    }

static void the_list_filters_and_pages(void **state)
{
    struct rig *rig = *state;
    uint64_t first = 0;
    fill_list(rig);
    const struct {
        struct kn_msg_tasks_get get;
        size_t want;
    } cases[] = {
        {{.limit = 7}, 300},
        {{.limit = 500}, 300},
        {{.limit = 7, .sort = KN_STR("oldest")}, 300},
        {{.statuses = ONE(KN_STR("received")), .limit = 11}, 200},
        {{.statuses = ONE(KN_STR("failure")), .limit = 100}, 100},
        {{.statuses = ONE(KN_STR("failure"), KN_STR("received")), .limit = 13}, 300},
        {{.statuses = ONE(KN_STR("failure"), KN_STR("success")),
          .limit = 13,
          .sort = KN_STR("oldest")},
         100},
        {{.names = ONE(KN_STR("odd")), .limit = 9}, 100},
        {{.names = ONE(KN_STR("odd"), KN_STR("even")), .limit = 9}, 200},
        {{.names = ONE(KN_STR("odd"), KN_STR("nobody")), .limit = 9}, 100},
        {{.names = ONE(KN_STR("nobody"))}, 0},
        {{.workers = ONE(KN_STR("w5@h")), .limit = 3}, 60},
        {{.workers = ONE(KN_STR("w5@h")), .statuses = ONE(KN_STR("received")), .limit = 3}, 40},
        {{.sources = ONE(KN_STR("default")), .limit = 50}, 300},
        {{.sources = ONE(KN_STR("other"))}, 0},
        {{.q = KN_STR("needle"), .limit = 2}, 2},
        {{.q = KN_STR("ID-2"), .limit = 20}, 111},
        {{.q = KN_STR("id-29"), .statuses = ONE(KN_STR("received")), .limit = 50}, 8},
        {{.q = KN_STR("oops"), .limit = 50}, 100},
        {{.q = KN_STR("odd"), .limit = 50}, 100},
        {{.from = AT + 10 * KN_MINUTE, .to = AT + 20 * KN_MINUTE, .limit = 4}, 10},
        {{.from = AT + 290 * KN_MINUTE, .limit = 4}, 10},
        {{.to = AT + 10 * KN_MINUTE, .limit = 4}, 10},
        {{.from = AT + 1000 * KN_MINUTE}, 0},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_msg_tasks_get get = cases[i].get;
        size_t got = walk(rig, &get, &first);
        if (got != cases[i].want)
            fail_msg("case %zu: %zu, not %zu", i, got, cases[i].want);
        kn_arena_reset(&rig->arena);
    }
    struct kn_msg_tasks_get id = {.q = KN_STR("id-29")};
    assert_int_equal(walk(rig, &id, &first), 1);
}

/* ---- periods ------------------------------------------------------------------------- */

enum { PERIOD_TASKS = 400 };

static void expect_periods(struct rig *rig, const int64_t *began)
{
    for (int round = 0; round < 100; round++) {
        int64_t from = rig_below(240) * KN_SECOND + rig_below(2) * rig_below(1000000);
        int64_t to = from + 1 + rig_below(3) * KN_MINUTE + rig_below(60000000);
        struct kn_msg_tasks_get get = {.from = AT + from, .to = AT + to, .limit = 50};
        if (round % 5 == 0)
            get.from = 0;
        if (round % 5 == 1)
            get.to = 0;
        if (round % 2)
            get.sort = KN_STR("oldest");
        size_t want = 0;
        uint64_t first;
        for (size_t i = 0; i < PERIOD_TASKS; i++)
            want += began[i] >= get.from && (!get.to || began[i] < get.to);
        assert_int_equal(walk(rig, &get, &first), want);
        kn_arena_reset(&rig->arena);
    }
}

static void make_seconds_anew(struct rig *rig)
{
    const struct migration *step = rig->postgres ? migrations_postgres : migrations_sqlite;
    while (strcmp(step->name, "0008_task_seconds") != 0)
        step++;
    assert_int_equal(db_script(rig->store->db, "DROP TABLE task_seconds"), KN_OK);
    assert_int_equal(db_script(rig->store->db, step->sql), KN_OK);
}

/* Tasks that come out of order, and of some an earlier event last. */
static void a_period_has_the_tasks_that_began_in_it(void **state)
{
    struct rig *rig = *state;
    static char ids[PERIOD_TASKS][16];
    struct kn_msg_event events[PERIOD_TASKS];
    int64_t began[PERIOD_TASKS];
    for (size_t i = 0; i < PERIOD_TASKS; i++) {
        snprintf(ids[i], sizeof ids[i], "id-%zu", i);
        events[i] =
            event(KN_EVENT_TASK_STARTED, ids[i], (int64_t)i * KN_SECOND / 2 + rig_below(20000000));
        began[i] = events[i].timestamp;
    }
    for (size_t i = 0; i < PERIOD_TASKS; i += 50)
        rig_ingest(rig, events + i, 50, NULL);
    for (size_t i = 0; i < PERIOD_TASKS; i += 37) {
        events[i].type = KN_EVENT_TASK_RECEIVED;
        events[i].timestamp = began[i] = began[i] - rig_below(90000000);
        rig_ingest(rig, &events[i], 1, NULL);
    }
    expect_periods(rig, began);
    make_seconds_anew(rig);
    expect_periods(rig, began);
}

static void the_list_refuses_what_it_does_not_know(void **state)
{
    struct rig *rig = *state;
    const struct kn_msg_tasks_get cases[] = {
        {.limit = 501},          {.sort = KN_STR("name")}, {.statuses = ONE(KN_STR("lost"))},
        {.cursor = KN_STR("x")}, {.cursor = KN_STR("-5")},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_msg_task_list list;
        const char *why = NULL;
        assert_int_equal(store_read_tasks(rig->reader, &cases[i], &rig->arena, &list, &why),
                         KN_INVALID);
        assert_non_null(why);
    }
}

static void pages_stay_stable_while_tasks_arrive(void **state)
{
    struct rig *rig = *state;
    fill_list(rig);
    struct kn_msg_tasks_get get = {.limit = 100};
    struct kn_msg_task_list page = list_of(rig, &get);
    struct kn_msg_event fresh = event(KN_EVENT_TASK_SENT, "fresh", 1);
    rig_ingest(rig, &fresh, 1, NULL);
    get.cursor = page.next_cursor;
    assert_text(list_of(rig, &get).items.items[0].id, "id-199");
}

/* ---- the program --------------------------------------------------------------------- */

int main(void)
{
    kn_log_setup("store_test_list", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(a_task_is_merged_over_several_batches),
        CASE(ids_and_texts_may_be_anything),
        CASE(events_come_back_in_order_and_page_by_page),
        CASE(the_list_filters_and_pages),
        CASE(a_period_has_the_tasks_that_began_in_it),
        CASE(the_list_refuses_what_it_does_not_know),
        CASE(pages_stay_stable_while_tasks_arrive),
    };
    return RIG_RUN(tests, &on_postgres);
}
