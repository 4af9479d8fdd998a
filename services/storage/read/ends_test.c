/* The task list by the time when tasks ended; on each database. */
#include "services/storage/store_rig_test.h"

#include "services/common/count.h"
#include "services/storage/db/migrate.h"

#include <stdio.h>

enum { TASKS = 200, EVENTS_MAX = 24, LIST_MAX = 500 };

/* ---- tasks that end in all ways --------------------------------------------------------- */

static struct kn_msg_event learned(enum kn_event_type type, const char *id, int64_t at)
{
    struct kn_msg_event e = event(type, id, at);
    e.origin = (uint8_t)(type == KN_EVENT_TASK_ORPHANED ? KN_ORIGIN_WORKER : KN_ORIGIN_BACKEND);
    e.received_at = AT + at + 2 * KN_SECOND;
    return e;
}

/* Half have a life of events; of some nobody but the backend, or a worker, tells the end. */
static void add_task(struct rig *rig, struct kn_arena *arena, unsigned i)
{
    struct kn_msg_event events[EVENTS_MAX];
    int64_t at = i * 3 * KN_SECOND + rig_below(5000000);
    char id[16];
    size_t n = 2;
    snprintf(id, sizeof id, "end-%u", i);
    if (i % 2) {
        n = rig_task_life(arena, i, AT + at, events, EVENTS_MAX);
    } else {
        static const enum kn_event_type ends[] = {KN_EVENT_TASK_SUCCEEDED, KN_EVENT_TASK_FAILED,
                                                  KN_EVENT_TASK_REVOKED, KN_EVENT_TASK_ORPHANED};
        events[0] = event(KN_EVENT_TASK_RECEIVED, id, at);
        events[1] =
            learned(ends[rig_below(4)], id, at + 5 * KN_SECOND + (int64_t)rig_below(90000000));
    }
    for (size_t k = n; k > 1; k--) { /* in any order */
        size_t other = rig_below((unsigned)k);
        struct kn_msg_event e = events[k - 1];
        events[k - 1] = events[other];
        events[other] = e;
    }
    for (size_t k = 0; k < n; k += 3)
        rig_ingest(rig, events + k, n - k < 3 ? n - k : 3, NULL);
}

static void fill(struct rig *rig)
{
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    for (unsigned i = 0; i < TASKS; i++) {
        kn_arena_reset(&arena);
        add_task(rig, &arena, i);
    }
    kn_arena_fini(&arena);
}

/* ---- what the list must say -------------------------------------------------------------- */

static int64_t ended_at(const struct kn_msg_task *task)
{
    return task->status == KN_TASK_ORPHANED ? task->orphaned_at : task->completed_at;
}

static void expect_period(struct rig *rig, const struct kn_msg_task_list *all,
                          struct kn_msg_tasks_get *get)
{
    size_t want = 0;
    uint64_t first;
    for (size_t i = 0; i < all->items.count; i++) {
        int64_t at = ended_at(&all->items.items[i]);
        want += at && (!get->from || at >= get->from) && (!get->to || at < get->to);
    }
    size_t got = walk(rig, get, &first);
    if (got != want)
        fail_msg("from %lld to %lld: %zu, not %zu", (long long)(get->from - AT),
                 (long long)(get->to - AT), got, want);
}

static void expect_periods(struct rig *rig)
{
    struct kn_arena kept = rig->arena;
    const struct kn_msg_tasks_get everything = {.limit = LIST_MAX};
    kn_arena_init(&rig->arena, 0);
    struct kn_msg_task_list all = list_of(rig, &everything);
    struct kn_arena of_all = rig->arena;
    rig->arena = kept;
    assert_int_equal(all.items.count, TASKS);
    for (int round = 0; round < 100; round++) {
        int64_t from = rig_below(700) * KN_SECOND + rig_below(2) * rig_below(1000000);
        int64_t to = from + 1 + rig_below(3) * KN_MINUTE + rig_below(60000000);
        struct kn_msg_tasks_get get = {
            .from = AT + from, .to = AT + to, .by_end = true, .limit = 20};
        if (round % 5 == 0)
            get.from = 0;
        if (round % 7 == 0)
            get.to = 0;
        if (round % 2)
            get.sort = KN_STR("oldest");
        expect_period(rig, &all, &get);
        kn_arena_reset(&rig->arena);
    }
    kn_arena_fini(&of_all);
}

static void a_period_has_the_tasks_that_ended_in_it(void **state)
{
    struct rig *rig = *state;
    fill(rig);
    expect_periods(rig);
}

/* ---- sorts ---------------------------------------------------------------------------------- */

static const struct sort {
    struct kn_str name;
    bool ascending;
} sorts[] = {{{"-ended_at", 9}, false},
             {{"ended_at", 8}, true},
             {{"-runtime", 8}, false},
             {{"-queue_wait", 11}, false},
             {{"-retries", 8}, false}};
enum { BY_RUNTIME = 2, BY_WAIT, BY_RETRIES };

/* What the list sorts by, in µs; -1: it does not list the task. */
static int64_t value_of(const struct kn_msg_task *task, size_t sort)
{
    if (sort == BY_RETRIES)
        return task->retries.set && task->retries.value > 0 ? task->retries.value : -1;
    if (!ended_at(task))
        return -1;
    if (sort < BY_RUNTIME)
        return ended_at(task);
    if (sort == BY_WAIT)
        return task->queue_wait.set ? (int64_t)(task->queue_wait.value * 1e6 + 0.5) : -1;
    if (task->runtime.set)
        return (int64_t)(task->runtime.value * 1e6 + 0.5);
    return task->started_at && task->started_at <= task->completed_at
               ? task->completed_at - task->started_at
               : -1;
}

static bool is_wanted(const struct kn_msg_tasks_get *get, const struct kn_msg_task *task)
{
    int64_t at = ended_at(task);
    return (!get->by_end || (at && at >= get->from && (!get->to || at < get->to))) &&
           (!get->workers.count || kn_str_eq(task->worker_id, get->workers.items[0]));
}

/* Every page in order, and each task once. */
static void expect_sorted(struct rig *rig, const struct kn_msg_task_list *all, size_t sort,
                          struct kn_msg_tasks_get *get)
{
    size_t want = 0, got = 0, pages = 0;
    int64_t last_value = 0;
    uint64_t last_no = 0;
    for (size_t i = 0; i < all->items.count; i++)
        want += value_of(&all->items.items[i], sort) >= 0 && is_wanted(get, &all->items.items[i]);
    get->sort = sorts[sort].name;
    do {
        struct kn_msg_task_list list = list_of(rig, get);
        for (size_t i = 0; i < list.items.count; i++, got++) {
            const struct kn_msg_task *task = &list.items.items[i];
            int64_t value = value_of(task, sort);
            bool later = value != last_value ? value > last_value : task->no > last_no;
            assert_true(value >= 0 && is_wanted(get, task));
            if (got && later != sorts[sort].ascending)
                fail_msg("%.*s: %lld after %lld", KN_STR_ARG(get->sort), (long long)value,
                         (long long)last_value);
            last_value = value;
            last_no = task->no;
        }
        get->cursor = list.next_cursor;
        assert_true(++pages < 1000);
    } while (get->cursor.ptr);
    if (got != want)
        fail_msg("%.*s: %zu, not %zu", KN_STR_ARG(get->sort), got, want);
}

static void expect_sorts(struct rig *rig)
{
    struct kn_arena kept = rig->arena;
    const struct kn_msg_tasks_get everything = {.limit = LIST_MAX};
    struct kn_str worker = KN_STR("worker1@b");
    kn_arena_init(&rig->arena, 0);
    struct kn_msg_task_list all = list_of(rig, &everything);
    struct kn_arena of_all = rig->arena;
    rig->arena = kept;
    for (unsigned round = 0; round < 30; round++) {
        int64_t from = rig_below(700) * KN_SECOND;
        struct kn_msg_tasks_get get = {.limit = 1 + rig_below(40)};
        if (round % 3) {
            get.by_end = true;
            get.from = AT + from;
            get.to = get.from + rig_below(900) * KN_SECOND;
        }
        if (round % 2)
            get.workers = (struct kn_strs){&worker, 1};
        expect_sorted(rig, &all, round % KN_COUNT_OF(sorts), &get);
        kn_arena_reset(&rig->arena);
    }
    kn_arena_fini(&of_all);
}

/* Runs again after its end, on another worker, or fails a second time. */
static void go_on(struct rig *rig, unsigned i)
{
    char id[16];
    int64_t at = 900 * KN_SECOND + i * KN_SECOND;
    snprintf(id, sizeof id, i % 2 ? "task-%u" : "end-%u", i);
    struct kn_msg_event events[] = {event(KN_EVENT_TASK_RECEIVED, id, at),
                                    event(KN_EVENT_TASK_STARTED, id, at + KN_SECOND),
                                    event(KN_EVENT_TASK_FAILED, id, at + 5 * KN_SECOND),
                                    event(KN_EVENT_TASK_FAILED, id, at + 90 * KN_SECOND)};
    for (size_t k = 0; k < KN_COUNT_OF(events); k++)
        events[k].hostname = KN_STR("worker1@b");
    rig_ingest(rig, events, 1 + rig_below(KN_COUNT_OF(events)), NULL);
}

static void tasks_are_listed_in_the_order_of_a_value(void **state)
{
    struct rig *rig = *state;
    fill(rig);
    for (unsigned i = 0; i < TASKS; i += 3)
        go_on(rig, i);
    expect_sorts(rig);
}

/* ---- databases from before ---------------------------------------------------------------- */

static void older_databases_know_the_ends_too(void **state)
{
    struct rig *rig = *state;
    const struct migration *step = rig->postgres ? migrations_postgres : migrations_sqlite;
    while (strcmp(step->name, "0018_ends") != 0)
        step++;
    fill(rig);
    assert_int_equal(
        db_script(rig->store->db,
                  "DROP TABLE task_end_spans; DROP TABLE task_ends; DROP INDEX tasks_retries; "
                  "ALTER TABLE tasks DROP COLUMN learned_end; "
                  "DELETE FROM meta WHERE key = 'learned_ends'"),
        KN_OK);
    assert_int_equal(db_script(rig->store->db, step->sql), KN_OK);
    assert_int_equal(db_script(rig->store->db, step[1].sql), KN_OK);
    rig_reopen(rig);
    expect_periods(rig);
    expect_sorts(rig);
}

/* ---- a task that goes on ------------------------------------------------------------------ */

static size_t failures_in(struct rig *rig, int64_t from, int64_t to)
{
    struct kn_str failure = KN_STR("failure");
    struct kn_msg_tasks_get get = {
        .statuses = {&failure, 1}, .from = AT + from, .to = AT + to, .by_end = true, .limit = 10};
    uint64_t first;
    size_t n = walk(rig, &get, &first);
    const struct kn_msg_failures_get groups = {.from = AT + from, .to = AT + to};
    struct kn_msg_failure_list list;
    const char *why;
    assert_int_equal(store_read_failures(rig->reader, &groups, &rig->arena, &list, &why), KN_OK);
    assert_true(list.complete);
    assert_int_equal(list.counted, n);
    return n;
}

static void only_the_latest_end_counts(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event events[] = {
        event(KN_EVENT_TASK_RECEIVED, "again", 0),
        event(KN_EVENT_TASK_FAILED, "again", KN_MINUTE),
        event(KN_EVENT_TASK_RECEIVED, "again", 10 * KN_MINUTE),
        event(KN_EVENT_TASK_FAILED, "again", 60 * 24 * 3 * KN_MINUTE),
    };
    struct kn_msg_event told = learned(KN_EVENT_TASK_FAILED, "told", 5 * KN_MINUTE);
    rig_ingest(rig, events, 2, NULL);
    assert_int_equal(failures_in(rig, 0, KN_MINUTE), 0);
    assert_int_equal(failures_in(rig, KN_MINUTE, 2 * KN_MINUTE), 1);
    rig_ingest(rig, events + 2, 1, NULL);
    assert_int_equal(failures_in(rig, KN_MINUTE, 2 * KN_MINUTE), 0);
    rig_ingest(rig, events + 3, 1, NULL);
    assert_int_equal(failures_in(rig, KN_MINUTE, 2 * KN_MINUTE), 0);
    assert_int_equal(failures_in(rig, 4319 * KN_MINUTE, 4321 * KN_MINUTE), 1);
    rig_ingest(rig, &told, 1, NULL);
    assert_int_equal(failures_in(rig, 5 * KN_MINUTE, 6 * KN_MINUTE), 1);
}

static void failures_are_grouped_by_their_own_exception(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event retried[] = {event(KN_EVENT_TASK_RETRIED, "told", 0),
                                     event(KN_EVENT_TASK_RETRIED, "untold", 0)};
    struct kn_msg_event told[] = {learned(KN_EVENT_TASK_FAILED, "told", KN_MINUTE),
                                  learned(KN_EVENT_TASK_FAILED, "untold", KN_MINUTE)};
    retried[0].exception = retried[1].exception = KN_STR("Retry(Busy())");
    told[0].exception = KN_STR("Gone('away')");
    rig_ingest(rig, retried, 2, NULL);
    rig_ingest(rig, told, 2, NULL);
    const struct kn_msg_failures_get get = {.from = AT, .to = AT + KN_HOUR};
    struct kn_msg_failure_list list;
    const char *why;
    assert_int_equal(store_read_failures(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    assert_int_equal(list.counted, 2);
    assert_int_equal(list.items.count, 2);
    for (size_t i = 0; i < 2; i++) {
        bool is_told = kn_str_eq(list.items.items[i].last_id, KN_STR("told"));
        assert_text(list.items.items[i].exception, is_told ? "Gone" : "");
    }
}

/* ---- the program -------------------------------------------------------------------------- */

int main(void)
{
    kn_log_setup("store_test_ends", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(a_period_has_the_tasks_that_ended_in_it),
        CASE(older_databases_know_the_ends_too),
        CASE(only_the_latest_end_counts),
        CASE(failures_are_grouped_by_their_own_exception),
        CASE(tasks_are_listed_in_the_order_of_a_value),
    };
    return RIG_RUN(tests, &on_postgres);
}
