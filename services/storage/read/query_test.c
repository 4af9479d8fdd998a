/* Workflows, failures, names and lives of workers, on both databases. */
#include "services/storage/rig_test.h"
#include "services/storage/state/state.h"

#include "services/common/count.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

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
    for (size_t i = 0; i < KN_COUNT_OF(ids); i++) {
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
    for (size_t i = 0; i < KN_COUNT_OF(failures); i++) {
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
    for (size_t i = 0; i < KN_COUNT_OF(names); i++) {
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
    for (size_t i = 0; i < KN_COUNT_OF(events); i++) {
        struct kn_msg_event said = event(events[i].type, NULL, events[i].at);
        rig_ingest(rig, &said, 1, NULL);
        rig_ingest(rig, &said, 1, NULL);
    }
    struct kn_msg_worker_life life = life_of(rig, 0, 100);
    assert_text(life.source, "default");
    assert_int_equal(life.items.count, KN_COUNT_OF(want));
    for (size_t i = 0; i < KN_COUNT_OF(want); i++) {
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

/* ---- many workers and queues ----------------------------------------------------------- */

static void commit(struct rig *rig, enum kn_kind kind, const void *msg)
{
    struct store_change change = {.kind = kind, .msg = msg, .arena = &rig->arena};
    const struct kn_msg_feed *feed = NULL;
    assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
    assert_int_equal(change.status, KN_OK);
}

static void beat(struct rig *rig, const char *hostname, enum kn_event_type type, int64_t at)
{
    struct kn_msg_event said = {.type = (uint8_t)type,
                                .hostname = kn_str_from(hostname),
                                .timestamp = at,
                                .received_at = at,
                                .freq = KN_SOME_F64(2)};
    rig_ingest(rig, &said, 1, NULL);
}

static void says_queues(struct rig *rig, const char *hostname, const char *queue)
{
    struct kn_str queues[] = {kn_str_from(queue)};
    const struct kn_msg_worker_inspect inspect = {.source = KN_STR("default"),
                                                  .hostname = kn_str_from(hostname),
                                                  .at = kn_time_now(),
                                                  .has_queues = true,
                                                  .queues = {queues, 1}};
    commit(rig, KN_KIND_WORKER_INSPECT, &inspect);
}

static void measure(struct rig *rig, const char *name, int64_t at)
{
    struct kn_msg_queue_depth depth = {.name = kn_str_from(name), .at = at, .messages = 3};
    struct kn_msg_ingest_batch batch = {
        .source = KN_STR("default"), .epoch = 9, .seq = ++rig->next_seq};
    batch.queues.items = &depth;
    batch.queues.count = 1;
    commit(rig, KN_KIND_INGEST_BATCH, &batch);
}

/* Hostnames, or names of queues, one after the other. */
static const char *workers_of(struct rig *rig, const struct kn_msg_workers_get *get)
{
    static char text[256];
    struct kn_msg_worker_list list;
    *text = '\0';
    assert_int_equal(store_read_workers(rig->reader, get, &rig->arena, &list), KN_OK);
    for (size_t i = 0; i < list.items.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s ",
                 KN_STR_ARG(list.items.items[i].hostname));
    return text;
}

static const char *queues_of(struct rig *rig, const struct kn_msg_queues_get *get)
{
    static char text[256];
    struct kn_msg_queue_list list;
    *text = '\0';
    assert_int_equal(store_read_queues(rig->reader, get, &rig->arena, &list), KN_OK);
    for (size_t i = 0; i < list.items.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s:%zu ",
                 KN_STR_ARG(list.items.items[i].name), list.items.items[i].workers.count);
    return text;
}

/* Clearing up, until it rests. */
static void clear_up(struct rig *rig)
{
    bool more = true;
    rig->store->retain.next_at = 0;
    while (more)
        assert_int_equal(store_retain(rig->store, &more), KN_OK);
}

static void workers_come_in_pages(void **state)
{
    struct rig *rig = *state;
    struct kn_str online[] = {KN_STR("online")}, offline[] = {KN_STR("offline")};
    int64_t now = kn_time_now();
    beat(rig, "d@h", KN_EVENT_WORKER_OFFLINE, now);
    beat(rig, "b@h", KN_EVENT_WORKER_ONLINE, now);
    beat(rig, "a@h", KN_EVENT_WORKER_OFFLINE, now);
    beat(rig, "c@h", KN_EVENT_WORKER_ONLINE, now);
    assert_string_equal(workers_of(rig, &(struct kn_msg_workers_get){.limit = 3}), "a@h b@h c@h ");
    assert_string_equal(
        workers_of(rig, &(struct kn_msg_workers_get){.limit = 3,
                                                     .after_source = KN_STR("default"),
                                                     .after = KN_STR("b@h")}),
        "c@h d@h ");
    assert_string_equal(
        workers_of(rig, &(struct kn_msg_workers_get){.limit = 9, .statuses = {online, 1}}),
        "b@h c@h ");
    assert_string_equal(workers_of(rig, &(struct kn_msg_workers_get){.statuses = {offline, 1}}),
                        "a@h d@h ");
    assert_string_equal(workers_of(rig, &(struct kn_msg_workers_get){0}), "b@h c@h a@h d@h ");
    assert_string_equal(workers_of(rig, &(struct kn_msg_workers_get){.id = KN_STR("d@h")}), "d@h ");
    assert_string_equal(workers_of(rig, &(struct kn_msg_workers_get){.id = KN_STR("e@h")}), "");
}

static void queues_come_in_pages_with_who_consumes_them(void **state)
{
    struct rig *rig = *state;
    int64_t now = kn_time_now();
    measure(rig, "b", now);
    measure(rig, "a", now);
    beat(rig, "w1@h", KN_EVENT_WORKER_ONLINE, now);
    beat(rig, "w2@h", KN_EVENT_WORKER_ONLINE, now);
    says_queues(rig, "w1@h", "b");
    says_queues(rig, "w2@h", "c");
    assert_string_equal(queues_of(rig, &(struct kn_msg_queues_get){0}), "a:0 b:1 c:1 ");
    assert_string_equal(queues_of(rig, &(struct kn_msg_queues_get){.limit = 1}), "a:0 ");
    assert_string_equal(
        queues_of(rig, &(struct kn_msg_queues_get){.limit = 5,
                                                   .after_source = KN_STR("default"),
                                                   .after = KN_STR("a")}),
        "b:1 c:1 ");
    beat(rig, "w1@h", KN_EVENT_WORKER_OFFLINE, kn_time_now() + KN_SECOND);
    says_queues(rig, "w2@h", "b");
    assert_string_equal(queues_of(rig, &(struct kn_msg_queues_get){.name = KN_STR("b")}), "b:1 ");
}

static void workers_that_are_gone_expire(void **state)
{
    struct rig *rig = *state;
    int64_t now = kn_time_now();
    rig->store->options.retention_workers_us = KN_HOUR;
    beat(rig, "gone@h", KN_EVENT_WORKER_OFFLINE, now - 2 * KN_HOUR);
    beat(rig, "late@h", KN_EVENT_WORKER_OFFLINE, now - KN_MINUTE);
    beat(rig, "lives@h", KN_EVENT_WORKER_ONLINE, now - 2 * KN_HOUR);
    clear_up(rig);
    assert_string_equal(workers_of(rig, &(struct kn_msg_workers_get){.limit = 9}),
                        "late@h lives@h ");
}

static void a_silent_worker_that_nobody_watches_is_found(void **state)
{
    struct rig *rig = *state;
    int64_t now = kn_time_now();
    struct store_change changes[4];
    size_t count = 9;
    beat(rig, "silent@h", KN_EVENT_WORKER_ONLINE, now - KN_HOUR);
    assert_int_equal(store_find_silent(rig->store, &rig->arena, changes, 4, &count), KN_OK);
    assert_int_equal(count, 0); /* nobody is heard: it may be us */
    beat(rig, "heard@h", KN_EVENT_WORKER_ONLINE, now);
    assert_int_equal(store_find_silent(rig->store, &rig->arena, changes, 4, &count), KN_OK);
    assert_int_equal(count, 1);
    commit(rig, changes[0].kind, changes[0].msg);
    struct kn_str online[] = {KN_STR("online")};
    assert_string_equal(workers_of(rig, &(struct kn_msg_workers_get){.statuses = {online, 1}}),
                        "heard@h ");
}

static void queues_that_the_broker_no_longer_has_vanish(void **state)
{
    struct rig *rig = *state;
    int64_t now = kn_time_now();
    struct kn_msg_known_queues known;
    beat(rig, "w@h", KN_EVENT_WORKER_ONLINE, now);
    says_queues(rig, "w@h", "consumed");
    measure(rig, "deleted", now - KN_HOUR);
    measure(rig, "there", now - KN_SECOND);
    clear_up(rig);
    assert_string_equal(queues_of(rig, &(struct kn_msg_queues_get){0}), "consumed:1 there:0 ");
    assert_int_equal(store_read_known_queues(rig->reader, KN_STR("default"), &rig->arena, &known),
                     KN_OK);
    assert_int_equal(known.names.count, 2);
    measure(rig, "deleted", now); /* it was made again */
    assert_string_equal(queues_of(rig, &(struct kn_msg_queues_get){0}),
                        "consumed:1 deleted:0 there:0 ");
}

static int64_t rows_in(struct rig *rig, enum sql_id id, const struct db_value *values);

static void the_history_of_a_queue_that_is_gone_goes_too(void **state)
{
    struct rig *rig = *state;
    int64_t now = kn_time_now();
    const struct db_value all[] = {db_i64(0), db_i64(0), db_i64(100)};
    rig->store->options.retention_queues_us = 2 * KN_HOUR;
    for (int i = 0; i < 5; i++)
        measure(rig, "deleted", now - 3 * KN_DAY + i * KN_HOUR * 9);
    measure(rig, "there", now);
    clear_up(rig);
    assert_int_equal(rows_in(rig, SQL_QUEUES_AFTER, all), 2);
    for (int i = 0; i < 6; i++) /* in steps of half a day */
        clear_up(rig);
    assert_int_equal(rows_in(rig, SQL_QUEUES_AFTER, all), 1);
}

static enum kn_status count_row(void *arg, const struct db_value *columns)
{
    (void)columns;
    ++*(int64_t *)arg;
    return KN_OK;
}

static int64_t rows_in(struct rig *rig, enum sql_id id, const struct db_value *values)
{
    int64_t count = 0;
    assert_int_equal(db_run(rig->store->db, id, values, count_row, &count), KN_OK);
    return count;
}

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
        CASE(workers_come_in_pages),
        CASE(queues_come_in_pages_with_who_consumes_them),
        CASE(workers_that_are_gone_expire),
        CASE(a_silent_worker_that_nobody_watches_is_found),
        CASE(queues_that_the_broker_no_longer_has_vanish),
        CASE(the_history_of_a_queue_that_is_gone_goes_too),
        CASE(a_query_ends_when_its_time_is_over),
        CASE(a_query_ends_when_the_process_stops),
        CASE(a_query_that_the_server_is_at_ends_too),
    };
    return RIG_RUN(tests, &on_postgres);
}
