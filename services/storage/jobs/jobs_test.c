/* Bulk jobs and marks as resolved, on both databases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/storage/rig_test.h"
#include "services/storage/state/state.h"

#include "services/common/count.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <stdio.h>

#define AT (INT64_C(1764000000) * KN_SECOND)

static struct rig rig;
static bool on_postgres;
static const struct kn_msg_feed *feed; /* of the last commit */
static const char *why;
static unsigned resolves; /* in this test */

static int setup(void **state)
{
    (void)state;
    rig_init(&rig, on_postgres);
    resolves = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_fini(&rig);
    return 0;
}

/* ---- tasks --------------------------------------------------------------------------- */

static struct kn_msg_event event(enum kn_event_type type, const char *id, int64_t at)
{
    return (struct kn_msg_event){.type = (uint8_t)type,
                                 .uuid = kn_str_from(id),
                                 .hostname = KN_STR("w1@h"),
                                 .name = KN_STR("shop.pay"),
                                 .timestamp = AT + at,
                                 .clock = (uint64_t)at};
}

static void happen(enum kn_event_type type, const char *id, int64_t at)
{
    struct kn_msg_event one = event(type, id, at);
    rig_ingest(&rig, &one, 1, &feed);
}

/* t0 to t<count - 1>, each of which failed. */
static void make_failures(size_t count)
{
    struct kn_msg_event *events = kn_arena_array(&rig.arena, 2 * count, sizeof *events);
    for (size_t i = 0; i < count; i++) {
        char *id = kn_arena_alloc(&rig.arena, 16);
        snprintf(id, 16, "t%zu", i);
        events[2 * i] = event(KN_EVENT_TASK_RECEIVED, id, (int64_t)(2 * i + 1));
        events[2 * i + 1] = event(KN_EVENT_TASK_FAILED, id, (int64_t)(2 * i + 2));
    }
    rig_ingest(&rig, events, 2 * count, &feed);
}

static struct kn_msg_task task_of(const char *id)
{
    struct kn_msg_task task;
    const struct kn_msg_task_get get = {.id = kn_str_from(id)};
    assert_int_equal(store_read_task(rig.reader, &get, &rig.arena, &task), KN_OK);
    return task;
}

static size_t count_listed(const struct kn_msg_tasks_get *filter)
{
    struct kn_msg_tasks_get get = *filter;
    struct kn_msg_task_list list;
    size_t n = 0;
    do {
        assert_int_equal(store_read_tasks(rig.reader, &get, &rig.arena, &list, &why), KN_OK);
        for (size_t i = 0; i < list.items.count; i++)
            assert_int_equal(list.items.items[i].resolved_at != 0,
                             get.resolved.set && get.resolved.value);
        n += list.items.count;
        get.cursor = list.next_cursor;
    } while (get.cursor.ptr);
    return n;
}

static size_t count_resolved(bool yes)
{
    const struct kn_msg_tasks_get all = {.resolved = KN_SOME_I64(yes)};
    struct kn_str names[] = {KN_STR("shop.pay")};
    const struct kn_msg_tasks_get named = {
        .resolved = KN_SOME_I64(yes), .names = {names, 1}, .sort = KN_STR("oldest"), .limit = 3};
    const struct kn_msg_tasks_get text = {.resolved = KN_SOME_I64(yes), .q = KN_STR("PAY")};
    size_t n = count_listed(&all);
    assert_int_equal(count_listed(&named), n);
    assert_int_equal(count_listed(&text), n);
    return n;
}

/* ---- changes ------------------------------------------------------------------------- */

static struct kn_msg_action action(const char *id)
{
    return (struct kn_msg_action){
        .id = kn_str_from(id), .actor = KN_STR("ana"), .remote = KN_STR("127.0.0.1"), .at = AT};
}

static enum kn_status commit(enum kn_kind kind, const void *msg, const void **ret_answer)
{
    struct store_change change = {.kind = kind, .msg = msg, .arena = &rig.arena};
    if (kind == KN_KIND_JOB_CREATE)
        change.job = msg;
    if (store_commit(rig.store, &change, 1, &feed) != KN_OK)
        fail_msg("%s", store_error(rig.store));
    if (ret_answer)
        *ret_answer = change.answer;
    why = change.why;
    return change.status;
}

static enum kn_status resolve(const char *id, bool undo)
{
    char name[32];
    snprintf(name, sizeof name, "r-%u", resolves++);
    struct kn_msg_action by = action(name);
    const struct kn_msg_resolve msg = {
        .action = &by, .id = kn_str_from(id), .source = KN_STR("default"), .undo = undo};
    return commit(KN_KIND_RESOLVE, &msg, NULL);
}

static struct kn_msg_job job_of(const char *id)
{
    struct kn_msg_job_list list;
    const struct kn_msg_jobs_get get = {.id = kn_str_from(id)};
    assert_int_equal(store_read_jobs(rig.reader, &get, &rig.arena, &list), KN_OK);
    return list.items.items[0];
}

static enum kn_status plan(struct kn_msg_job_create create, struct store_job *draft,
                           struct kn_msg_job *job)
{
    struct kn_msg_job_create *copy = kn_arena_alloc(&rig.arena, sizeof *copy);
    *copy = create;
    return store_plan_job(rig.reader, copy, &rig.arena, draft, job, &why);
}

/* A job over all failures, at 100 a second. */
static void make_job(const char *id, enum kn_job_action what, size_t expected)
{
    static struct kn_str failure[] = {{"failure", 7}};
    struct kn_msg_tasks_get *filter = kn_arena_alloc(&rig.arena, sizeof *filter);
    struct kn_msg_action *by = kn_arena_alloc(&rig.arena, sizeof *by);
    struct store_job draft;
    struct kn_msg_job job;
    *filter = (struct kn_msg_tasks_get){.statuses = {failure, 1}};
    *by = action(id);
    const struct kn_msg_job_create create = {.action = by,
                                             .what = (uint8_t)what,
                                             .filter = filter,
                                             .rate = 100,
                                             .expected = KN_SOME_I64((int64_t)expected)};
    if (plan(create, &draft, &job) != KN_OK)
        fail_msg("%s", why);
    assert_int_equal(commit(KN_KIND_JOB_CREATE, &draft, NULL), KN_OK);
    assert_int_equal(commit(KN_KIND_JOB_CREATE, &draft, NULL), KN_OK); /* it came twice */
}

static struct kn_msg_job_items take(const char *taker, uint64_t limit)
{
    const struct kn_msg_job_take msg = {
        .source = KN_STR("default"), .taker = kn_str_from(taker), .limit = limit};
    const void *answer;
    assert_int_equal(commit(KN_KIND_JOB_TAKE, &msg, &answer), KN_OK);
    return *(const struct kn_msg_job_items *)answer;
}

static void report(const char *taker, const char *job, struct kn_msg_job_items items,
                   enum kn_item_state state)
{
    struct kn_msg_job_take msg = {
        .source = KN_STR("default"), .taker = kn_str_from(taker), .job = kn_str_from(job)};
    for (size_t i = 0; i < items.items.count; i++)
        items.items.items[i].state = (uint8_t)state;
    msg.results.items = items.items.items;
    msg.results.count = items.items.count;
    assert_int_equal(commit(KN_KIND_JOB_TAKE, &msg, NULL), KN_OK);
}

static int64_t step(void)
{
    int64_t wait;
    assert_int_equal(store_do_jobs(rig.store, &wait, &feed), KN_OK);
    return wait;
}

static void sql(const char *text)
{
    if (db_script(rig.store->db, text) != KN_OK)
        fail_msg("%s", db_error(rig.store->db));
}

/* As if nobody had heard of what was begun for a long time. */
static void let_time_pass(void)
{
    sql("UPDATE job_items SET at = 1 WHERE state = 1; UPDATE jobs SET due_at = 0");
}

static struct kn_msg_audit_entry audit_of(const char *id)
{
    struct kn_msg_audit_list list;
    const struct kn_msg_audit_get get = {.id = kn_str_from(id)};
    assert_int_equal(store_read_audit(rig.reader, &get, &rig.arena, &list), KN_OK);
    assert_int_equal(list.items.count, 1);
    return list.items.items[0];
}

/* ---- marks --------------------------------------------------------------------------- */

static void a_mark_is_shown_told_and_taken_away(void **state)
{
    (void)state;
    make_failures(10);
    assert_int_equal(resolve("t4", false), KN_OK);
    assert_int_equal(feed->tasks.count, 1);
    assert_true(kn_str_eq(feed->tasks.items[0].task->id, KN_STR("t4")));
    assert_true(feed->tasks.items[0].task->resolved_at != 0);
    assert_true(task_of("t4").resolved_at != 0);
    assert_true(kn_str_eq(task_of("t4").resolved_by, KN_STR("ana")));
    assert_int_equal(count_resolved(true), 1);
    assert_int_equal(count_resolved(false), 9);
    assert_int_equal(resolve("t4", true), KN_OK);
    assert_int_equal(feed->tasks.items[0].task->resolved_at, 0);
    assert_int_equal(count_resolved(true), 0);
    assert_int_equal(resolve("nobody", false), KN_NOT_FOUND);
    assert_int_equal(audit_of("r-0").verb, KN_VERB_RESOLVE);
    assert_int_equal(audit_of("r-0").outcome, KN_OUTCOME_DONE);
}

static void what_has_not_failed_is_not_resolved(void **state)
{
    (void)state;
    happen(KN_EVENT_TASK_RECEIVED, "t", 1);
    assert_int_equal(resolve("t", false), KN_CONFLICT);
    happen(KN_EVENT_TASK_SUCCEEDED, "t", 2);
    assert_int_equal(resolve("t", false), KN_CONFLICT);
    assert_int_equal(resolve("t", true), KN_OK);
    happen(KN_EVENT_TASK_REVOKED, "u", 3);
    assert_int_equal(resolve("u", false), KN_OK);
}

static void a_mark_goes_when_the_task_fails_again(void **state)
{
    (void)state;
    make_failures(1);
    assert_int_equal(resolve("t0", false), KN_OK);
    happen(KN_EVENT_TASK_STARTED, "t0", 1); /* an event that was late */
    assert_true(task_of("t0").resolved_at != 0);
    assert_true(feed->tasks.items[0].task->resolved_at != 0);
    happen(KN_EVENT_TASK_FAILED, "t0", 100);
    assert_int_equal(task_of("t0").resolved_at, 0);
    assert_int_equal(feed->tasks.items[0].task->resolved_at, 0);
    assert_int_equal(resolve("t0", false), KN_OK);
    happen(KN_EVENT_TASK_SUCCEEDED, "t0", 200);
    assert_int_equal(task_of("t0").resolved_at, 0);
    assert_int_equal(count_resolved(true), 0);
}

static void retention_takes_marks_and_jobs_along(void **state)
{
    (void)state;
    make_failures(3);
    make_job("j", KN_JOB_RESOLVE, 3);
    step();
    assert_int_equal(count_resolved(true), 3);
    sql("UPDATE jobs SET ended_at = 1");
    rig.keep_tasks_us = KN_HOUR;
    rig_reopen(&rig);
    for (bool more = true; more;)
        assert_int_equal(store_retain(rig.store, &more), KN_OK);
    rig.keep_tasks_us = 0;
    assert_int_equal(count_resolved(true), 0);
    struct kn_msg_job_list list;
    const struct kn_msg_jobs_get get = {0};
    assert_int_equal(store_read_jobs(rig.reader, &get, &rig.arena, &list), KN_OK);
    assert_int_equal(list.items.count, 0);
}

/* ---- making jobs --------------------------------------------------------------------- */

static void a_job_is_what_the_dry_run_counted(void **state)
{
    (void)state;
    struct kn_str failure[] = {KN_STR("failure")},
                  ids[] = {KN_STR("t3"), KN_STR("t1"), KN_STR("t3")};
    struct kn_str strange[] = {KN_STR("t3"), KN_STR("nobody")};
    struct kn_msg_tasks_get failures = {.statuses = {failure, 1}};
    struct kn_msg_action by = action("j");
    struct store_job draft;
    struct kn_msg_job job;
    make_failures(1200);
    happen(KN_EVENT_TASK_RECEIVED, "other", 1);
    struct kn_msg_job_create create = {.action = &by, .filter = &failures, .dry_run = true};
    assert_int_equal(plan(create, &draft, &job), KN_OK);
    assert_int_equal(job.total, 1200);
    assert_int_equal(job.by_status.count, 1);
    assert_int_equal(job.by_status.items[0].count, 1200);
    assert_true(kn_str_eq(job.by_name.items[0].name, KN_STR("shop.pay")));

    const struct {
        bool by_filter;
        struct kn_strs ids;
        struct kn_opt_i64 expected;
        double rate;
        enum kn_status status;
        size_t count;
    } cases[] = {
        {true, {0}, KN_SOME_I64(1200), 0, KN_OK, 1200},
        {true, {0}, KN_SOME_I64(1150), 0, KN_OK, 1200},
        {true, {0}, KN_SOME_I64(1100), 0, KN_CONFLICT, 0},
        {true, {0}, KN_SOME_I64(0), 0, KN_CONFLICT, 0},
        {true, {0}, {0}, 0, KN_INVALID, 0},
        {true, {0}, KN_SOME_I64(1200), 1001, KN_INVALID, 0},
        {true, {0}, KN_SOME_I64(1200), -1, KN_INVALID, 0},
        {false, {ids, 3}, {0}, 0, KN_OK, 2},
        {false, {strange, 2}, {0}, 0, KN_NOT_FOUND, 0},
        {false, {0}, {0}, 0, KN_INVALID, 0},
        {true, {ids, 3}, KN_SOME_I64(3), 0, KN_INVALID, 0},
    };
    create.dry_run = false;
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        create.filter = cases[i].by_filter ? &failures : NULL;
        create.ids = cases[i].ids;
        create.expected = cases[i].expected;
        create.rate = cases[i].rate;
        enum kn_status status = plan(create, &draft, &job);
        if (status != cases[i].status)
            fail_msg("case %zu: %s, %s", i, kn_status_name(status), why);
        if (status == KN_OK)
            assert_int_equal(draft.count, cases[i].count);
    }
    rig.store->options.jobs_tasks_max = 1000;
    create = (struct kn_msg_job_create){.action = &by, .filter = &failures, .dry_run = true};
    assert_int_equal(plan(create, &draft, &job), KN_INVALID);
    assert_non_null(strstr(why, "more than 1000 tasks"));
}

static void tasks_that_come_later_are_not_in_it(void **state)
{
    (void)state;
    make_failures(5);
    make_job("j", KN_JOB_RETRY, 5);
    happen(KN_EVENT_TASK_FAILED, "late", 1000);
    struct kn_msg_job_items items;
    const struct kn_msg_jobs_get get = {.id = KN_STR("j"), .limit = 3};
    assert_int_equal(store_read_job_items(rig.reader, &get, &rig.arena, &items, &why), KN_OK);
    assert_int_equal(items.items.count, 3);
    assert_true(kn_str_eq(items.items.items[0].id, KN_STR("t0")));
    assert_true(kn_str_eq(items.items.items[0].source, KN_STR("default")));
    const struct kn_msg_jobs_get rest = {.id = KN_STR("j"), .after = items.next};
    assert_int_equal(store_read_job_items(rig.reader, &rest, &rig.arena, &items, &why), KN_OK);
    assert_int_equal(items.items.count, 2);
    assert_int_equal(items.next, 0);
    assert_int_equal(items.job->total, 5);
}

/* ---- doing them ---------------------------------------------------------------------- */

static void marks_are_made_by_storage_itself(void **state)
{
    (void)state;
    make_failures(150);
    make_job("j", KN_JOB_RESOLVE, 150);
    happen(KN_EVENT_TASK_SUCCEEDED, "t7", 10000); /* after all */
    assert_true(step() > 0);
    assert_int_equal(feed->jobs.count, 1);
    assert_int_equal(feed->tasks.count, 99);
    assert_int_equal(job_of("j").waiting, 50);
    step(); /* it is not due: the rate is 100 a second */
    assert_int_equal(job_of("j").waiting, 50);
    let_time_pass();
    step();
    struct kn_msg_job job = job_of("j");
    assert_int_equal(job.state, KN_JOB_IS_DONE);
    assert_int_equal(job.done, 149);
    assert_int_equal(job.refused, 1);
    assert_true(job.ended_at != 0);
    assert_int_equal(count_resolved(true), 149);
    assert_int_equal(audit_of("j").outcome, KN_OUTCOME_PARTLY);
    assert_true(kn_str_eq(audit_of("j").text, KN_STR("149 of 150 tasks done, 1 refused")));
    make_job("k", KN_JOB_UNRESOLVE, 149);
    let_time_pass();
    step();
    let_time_pass();
    step();
    assert_int_equal(count_resolved(true), 0);
    assert_int_equal(audit_of("k").outcome, KN_OUTCOME_DONE);
}

static void each_task_is_taken_once(void **state)
{
    (void)state;
    make_failures(30);
    make_job("j", KN_JOB_RETRY, 30);
    struct kn_msg_job_items first = take("one", 20);
    assert_int_equal(first.items.count, 20);
    assert_true(kn_str_eq(first.job->id, KN_STR("j")));
    assert_int_equal(first.job->action, KN_JOB_RETRY);
    assert_int_equal(take("two", 20).items.count, 0);  /* the rate */
    assert_int_equal(take("one", 20).items.count, 20); /* the answer was lost: the same ones */
    let_time_pass();
    sql("UPDATE job_items SET at = 9000000000000000 WHERE state = 1");
    struct kn_msg_job_items second = take("two", 20);
    assert_int_equal(second.items.count, 10);
    assert_int_equal(job_of("j").begun, 30);
    report("one", "j", first, KN_ITEM_DONE);
    report("one", "j", first, KN_ITEM_DONE);  /* twice */
    report("one", "j", second, KN_ITEM_DONE); /* not its own */
    assert_int_equal(job_of("j").done, 20);
    assert_int_equal(job_of("j").state, KN_JOB_IS_RUNNING);
    report("two", "j", second, KN_ITEM_REFUSED);
    assert_int_equal(job_of("j").refused, 10);
    assert_int_equal(job_of("j").state, KN_JOB_IS_DONE);
    assert_int_equal(take("one", 20).items.count, 0);
}

static void what_was_begun_by_somebody_who_is_gone_is_uncertain(void **state)
{
    (void)state;
    make_failures(5);
    make_job("j", KN_JOB_RETRY, 5);
    struct kn_msg_job_items items = take("one", 3);
    assert_int_equal(items.items.count, 3);
    rig_reopen(&rig);
    step();
    assert_int_equal(job_of("j").begun, 3);
    let_time_pass();
    step();
    assert_int_equal(job_of("j").uncertain, 3);
    items = take("two", 100);
    assert_int_equal(items.items.count, 2);
    report("two", "j", items, KN_ITEM_DONE);
    assert_int_equal(job_of("j").state, KN_JOB_IS_DONE);
    assert_int_equal(audit_of("j").outcome, KN_OUTCOME_PARTLY);
    struct kn_str uncertain[] = {KN_STR("uncertain")};
    const struct kn_msg_jobs_get get = {.id = KN_STR("j"), .states = {uncertain, 1}};
    assert_int_equal(store_read_job_items(rig.reader, &get, &rig.arena, &items, &why), KN_OK);
    assert_int_equal(items.items.count, 3);
    assert_true(items.items.items[0].text.len > 0);
    report("one", "j", items, KN_ITEM_DONE); /* it was there after all */
    assert_int_equal(job_of("j").done, 5);
    assert_int_equal(job_of("j").uncertain, 0);
}

static void a_retry_whose_task_is_known_was_sent(void **state)
{
    (void)state;
    static const char job[] = "5b0c7e0e-0d3c-4e0c-8b60-ffffffffffff";
    make_failures(3);
    make_job(job, KN_JOB_RETRY, 3);
    struct kn_msg_job_items items = take("one", 3);
    assert_true(
        kn_str_eq(items.items.items[1].new_id, KN_STR("5b0c7e0e-0d3c-4e0c-8b60-000000000001")));
    happen(KN_EVENT_TASK_RECEIVED, "5b0c7e0e-0d3c-4e0c-8b60-000000000001", 5000);
    let_time_pass();
    step();
    assert_int_equal(job_of(job).done, 1);
    assert_int_equal(job_of(job).uncertain, 2);
}

static void a_revoke_that_was_begun_is_begun_again(void **state)
{
    (void)state;
    make_failures(5);
    make_job("j", KN_JOB_REVOKE, 5);
    struct kn_msg_job_items items = take("one", 3);
    assert_int_equal(items.items.count, 3);
    assert_null(items.items.items[2].text.ptr);
    let_time_pass();
    step();
    assert_int_equal(job_of("j").waiting, 5);
    items = take("two", 5);
    assert_int_equal(items.items.count, 5);
    for (size_t i = 0; i < 5; i++) /* only what may have been done before says so */
        assert_int_equal(items.items.items[i].text.ptr != NULL, items.items.items[i].no <= 3);
}

static enum kn_status cancel(const char *id, const char *job)
{
    struct kn_msg_action by = action(id);
    const struct kn_msg_job_cancel msg = {.action = &by, .id = kn_str_from(job)};
    return commit(KN_KIND_JOB_CANCEL, &msg, NULL);
}

static void a_cancelled_job_begins_nothing_more(void **state)
{
    (void)state;
    make_failures(10);
    make_job("j", KN_JOB_RETRY, 10);
    struct kn_msg_job_items items = take("one", 4);
    assert_int_equal(cancel("c", "j"), KN_OK);
    assert_int_equal(job_of("j").state, KN_JOB_IS_CANCELLING);
    assert_int_equal(job_of("j").cancelled, 6);
    let_time_pass();
    assert_int_equal(take("two", 4).items.count, 0);
    struct kn_msg_job_items last = items;
    items.items.count = 3;
    report("one", "j", items, KN_ITEM_DONE);
    last.items.items += 3;
    last.items.count = 1;
    report("one", "j", last, KN_ITEM_WAITING); /* not touched */
    assert_int_equal(job_of("j").state, KN_JOB_IS_CANCELLED);
    assert_int_equal(job_of("j").cancelled, 7);
    assert_int_equal(cancel("d", "j"), KN_CONFLICT);
    assert_int_equal(cancel("e", "k"), KN_NOT_FOUND);
    assert_int_equal(audit_of("c").verb, KN_VERB_CANCEL);
    assert_true(kn_str_eq(audit_of("c").text, KN_STR("6 tasks will not be started")));
    assert_int_equal(audit_of("j").outcome, KN_OUTCOME_PARTLY);
}

static void a_task_that_is_given_back_waits_again(void **state)
{
    (void)state;
    int64_t wait;
    make_failures(2);
    assert_int_equal(store_read_work(rig.reader, KN_STR("default"), &rig.arena, &wait), KN_OK);
    assert_true(wait == INT64_MAX);
    make_job("j", KN_JOB_RETRY, 2);
    assert_int_equal(store_read_work(rig.reader, KN_STR("default"), &rig.arena, &wait), KN_OK);
    assert_true(wait == 0);
    assert_int_equal(store_read_work(rig.reader, KN_STR("other"), &rig.arena, &wait), KN_OK);
    assert_true(wait == INT64_MAX);
    report("one", "j", take("one", 1), KN_ITEM_WAITING);
    assert_int_equal(job_of("j").waiting, 2);
    let_time_pass();
    assert_int_equal(take("two", 2).items.count, 2);
}

/* ---- the audit ----------------------------------------------------------------------- */

static void the_audit_can_not_be_changed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "UPDATE audit_ends SET text = 'nothing'",
        "DELETE FROM audit_ends",
    };
    make_failures(1);
    assert_int_equal(resolve("t0", false), KN_OK);
    for (size_t i = 0; i < KN_COUNT_OF(texts); i++) {
        assert_int_not_equal(db_script(rig.store->db, texts[i]), KN_OK);
        assert_non_null(strstr(db_error(rig.store->db), "append-only"));
    }
}

/* ---- what became of it ----------------------------------------------------------------- */

static uint64_t count_in(const struct kn_msg_job_count *items, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (kn_str_eq(items[i].name, kn_str_from(name)))
            return items[i].count;
    }
    return 0;
}

static uint64_t fares(const char *job, const char *status)
{
    const struct kn_msg_job now = job_of(job);
    assert_true(now.counted);
    return count_in(now.new_tasks.items, now.new_tasks.count, status);
}

static size_t count_items(const char *job, const char *new_status, uint64_t limit)
{
    struct kn_str wanted = kn_str_from(new_status);
    struct kn_msg_jobs_get get = {
        .id = kn_str_from(job), .limit = limit, .new_statuses = {&wanted, 1}};
    struct kn_msg_job_items items;
    size_t n = 0;
    do {
        assert_int_equal(store_read_job_items(rig.reader, &get, &rig.arena, &items, &why), KN_OK);
        assert_true(items.items.count <= limit);
        n += items.items.count;
        get.after = items.next;
    } while (items.next);
    return n;
}

static void a_retry_says_how_the_new_tasks_fare(void **state)
{
    (void)state;
    static const char job[] = "5b0c7e0e-0d3c-4e0c-8b60-000000000000";
    char id[64];
    make_failures(20);
    make_job(job, KN_JOB_RETRY, 20);
    struct kn_msg_job_items sent = take("one", 20);
    report("one", job, sent, KN_ITEM_DONE);
    assert_int_equal(fares(job, "unseen"), 20);
    for (unsigned i = 1; i <= 19; i++) {
        snprintf(id, sizeof id, "5b0c7e0e-0d3c-4e0c-8b60-0000000000%02x", i);
        happen(i <= 15   ? KN_EVENT_TASK_SUCCEEDED
               : i <= 18 ? KN_EVENT_TASK_FAILED
                         : KN_EVENT_TASK_STARTED,
               id, 5000 + i);
    }
    assert_int_equal(fares(job, "success"), 15);
    assert_int_equal(fares(job, "failure"), 3);
    assert_int_equal(fares(job, "started"), 1);
    assert_int_equal(fares(job, "unseen"), 1);
    for (uint64_t limit = 1; limit < 20; limit += 6) {
        assert_int_equal(count_items(job, "success", limit), 15);
        assert_int_equal(count_items(job, "failure", limit), 3);
        assert_int_equal(count_items(job, "unseen", limit), 1);
        assert_int_equal(count_items(job, "revoked", limit), 0);
    }
    happen(KN_EVENT_TASK_SUCCEEDED, id, 6000);
    assert_int_equal(fares(job, "success"), 16);
    assert_int_equal(fares(job, "started"), 0);

    struct kn_msg_job_items items;
    const struct kn_msg_jobs_get get = {.id = kn_str_from(job), .limit = 16};
    assert_int_equal(store_read_job_items(rig.reader, &get, &rig.arena, &items, &why), KN_OK);
    assert_true(kn_str_eq(items.items.items[15].name, KN_STR("shop.pay")));
    assert_true(kn_str_eq(items.items.items[14].new_status, KN_STR("success")));
    assert_true(kn_str_eq(items.items.items[15].new_status, KN_STR("failure")));
}

static void what_was_not_sent_for_certain_is_not_awaited(void **state)
{
    (void)state;
    make_failures(3);
    make_job("j", KN_JOB_RETRY, 3);
    report("one", "j", take("one", 3), KN_ITEM_UNCERTAIN);
    assert_int_equal(job_of("j").uncertain, 3);
    assert_int_equal(fares("j", "unseen"), 0);
}

static void other_jobs_have_no_new_tasks(void **state)
{
    (void)state;
    make_failures(3);
    make_job("j", KN_JOB_RESOLVE, 3);
    assert_false(job_of("j").counted);
}

static void link_tasks(const char *task, const char *new)
{
    const struct kn_msg_task_link msg = {.source = KN_STR("default"),
                                         .task_id = kn_str_from(task),
                                         .new_id = kn_str_from(new),
                                         .at = AT};
    assert_int_equal(commit(KN_KIND_TASK_LINK, &msg, NULL), KN_OK);
}

static void what_was_retried_already_is_left_out(void **state)
{
    (void)state;
    struct kn_str failure[] = {KN_STR("failure")}, ids[] = {KN_STR("t0"), KN_STR("t5")};
    struct kn_msg_tasks_get failures = {.statuses = {failure, 1}};
    struct kn_msg_action by = action("j2");
    struct store_job draft;
    struct kn_msg_job job;
    struct kn_msg_job_create create = {
        .action = &by, .what = KN_JOB_RETRY, .filter = &failures, .dry_run = true};
    make_failures(6);
    link_tasks("t0", "new-0");
    link_tasks("t1", "new-1");
    assert_int_equal(plan(create, &draft, &job), KN_OK);
    assert_int_equal(job.total, 4);
    assert_int_equal(job.retried, 2);
    create.again = true;
    assert_int_equal(plan(create, &draft, &job), KN_OK);
    assert_int_equal(job.total, 6);
    assert_int_equal(job.retried, 0);

    make_job("j", KN_JOB_RETRY, 4); /* none of which is sent yet */
    create.again = false;
    assert_int_equal(plan(create, &draft, &job), KN_OK);
    assert_int_equal(job.total, 0);
    assert_int_equal(job.retried, 6);
    create.dry_run = false;
    create.filter = NULL;
    create.ids = (struct kn_strs){ids, 2};
    assert_int_equal(plan(create, &draft, &job), KN_CONFLICT);
    assert_non_null(strstr(why, "(2) were retried already"));
    create.what = KN_JOB_RESOLVE; /* which may be done to them */
    assert_int_equal(plan(create, &draft, &job), KN_OK);
    assert_int_equal(job.total, 2);
}

static void a_dry_run_says_what_will_be_refused(void **state)
{
    (void)state;
    struct kn_str sources[] = {KN_STR("default")};
    struct kn_msg_tasks_get all = {.sources = {sources, 1}};
    struct kn_msg_action by = action("j");
    struct store_job draft;
    struct kn_msg_job job;
    const struct {
        enum kn_job_action what;
        const char *reason;
        uint64_t refused;
        size_t sample;
    } cases[] = {
        {KN_JOB_RETRY, "the task has not finished", 2, 5},
        {KN_JOB_REVOKE, "the task has already finished", 5, 0},
        {KN_JOB_RESOLVE, "the task has not failed", 3, 0},
        {KN_JOB_UNRESOLVE, "", 0, 0},
    };
    make_failures(4);
    happen(KN_EVENT_TASK_RECEIVED, "waits", 900);
    happen(KN_EVENT_TASK_STARTED, "runs", 901);
    happen(KN_EVENT_TASK_SUCCEEDED, "ran", 902);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        const struct kn_msg_job_create create = {
            .action = &by, .what = (uint8_t)cases[i].what, .filter = &all, .dry_run = true};
        assert_int_equal(plan(create, &draft, &job), KN_OK);
        assert_int_equal(job.total, 7);
        assert_int_equal(count_in(job.reasons.items, job.reasons.count, cases[i].reason),
                         cases[i].refused);
        assert_int_equal(job.sample.count, cases[i].sample);
    }
}

static void a_list_shows_which_tasks_were_retried(void **state)
{
    (void)state;
    struct kn_msg_task_list list;
    const struct kn_msg_tasks_get get = {.sort = KN_STR("oldest")};
    make_failures(3);
    link_tasks("t0", "t1");
    assert_int_equal(feed->tasks.count, 2);
    assert_int_equal(feed->tasks.items[0].task->retried_as.count, 1);
    assert_true(kn_str_eq(feed->tasks.items[1].task->retry_of, KN_STR("t0")));
    link_tasks("t0", "gone");
    assert_int_equal(store_read_tasks(rig.reader, &get, &rig.arena, &list, &why), KN_OK);
    assert_int_equal(list.items.items[0].retried_as.count, 2);
    assert_true(kn_str_eq(list.items.items[1].retry_of, KN_STR("t0")));
    assert_false(list.items.items[2].retry_of.ptr);
    assert_int_equal(list.items.items[2].retried_as.count, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    kn_log_setup("jobs_test", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(a_mark_is_shown_told_and_taken_away),
        CASE(what_has_not_failed_is_not_resolved),
        CASE(a_mark_goes_when_the_task_fails_again),
        CASE(retention_takes_marks_and_jobs_along),
        CASE(a_job_is_what_the_dry_run_counted),
        CASE(tasks_that_come_later_are_not_in_it),
        CASE(marks_are_made_by_storage_itself),
        CASE(each_task_is_taken_once),
        CASE(what_was_begun_by_somebody_who_is_gone_is_uncertain),
        CASE(a_retry_whose_task_is_known_was_sent),
        CASE(a_revoke_that_was_begun_is_begun_again),
        CASE(a_cancelled_job_begins_nothing_more),
        CASE(a_task_that_is_given_back_waits_again),
        CASE(the_audit_can_not_be_changed),
        CASE(a_retry_says_how_the_new_tasks_fare),
        CASE(what_was_not_sent_for_certain_is_not_awaited),
        CASE(other_jobs_have_no_new_tasks),
        CASE(what_was_retried_already_is_left_out),
        CASE(a_dry_run_says_what_will_be_refused),
        CASE(a_list_shows_which_tasks_were_retried),
    };
    return RIG_RUN(tests, &on_postgres);
}
