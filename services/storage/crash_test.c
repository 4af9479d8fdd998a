/* Starting, being killed, and starting at once: for each backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/storage/db/migrate.h"
#include "services/storage/rig_test.h"
#include "services/storage/state/state.h"
#include "services/storage/writer.h"

#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- starting at once ---------------------------------------------------------------- */

#define START INT64_C(1764000000000000)
enum { STARTERS = 6 };

struct starter {
    const char *database;
    enum kn_status status;
    struct kn_buf error;
    pthread_t thread;
};

static void *start(void *arg)
{
    struct starter *starter = arg;
    struct store *store = NULL;
    const struct store_options options = {RIG_OPTIONS, .database = starter->database};
    starter->status = store_open(&options, &store, &starter->error);
    store_close(store);
    return NULL;
}

static void several_may_start_at_once_on_an_empty_database(void **state)
{
    struct rig *rig = *state;
    struct starter starters[STARTERS];
    char fresh[sizeof rig->database + 16];
    if (rig->postgres)
        rig_empty_database(rig, fresh, sizeof fresh);
    else
        snprintf(fresh, sizeof fresh, "%s.fresh", rig->database);
    for (int i = 0; i < STARTERS; i++) {
        starters[i] = (struct starter){.database = fresh};
        kn_buf_init(&starters[i].error, 0);
        assert_int_equal(pthread_create(&starters[i].thread, NULL, start, &starters[i]), 0);
    }
    for (int i = 0; i < STARTERS; i++) /* all before the first may fail: they use this stack */
        pthread_join(starters[i].thread, NULL);
    for (int i = 0; i < STARTERS; i++) {
        if (starters[i].status != KN_OK)
            fail_msg("%.*s", KN_STR_ARG(kn_buf_view(&starters[i].error)));
        kn_buf_fini(&starters[i].error);
    }
}

/* SQLite says "locked" to the first change to a write-ahead log at once, whatever its timeout. */
static void a_file_that_another_program_writes_is_awaited(void **state)
{
    struct rig *rig = *state;
    const struct timespec busy = {.tv_nsec = 200000000};
    char fresh[sizeof rig->database + 16];
    sqlite3 *other = NULL;
    if (rig->postgres)
        return;
    snprintf(fresh, sizeof fresh, "%s.busy", rig->database);
    struct starter starter = {.database = fresh};
    kn_buf_init(&starter.error, 0);
    assert_int_equal(sqlite3_open(fresh + strlen("sqlite:"), &other), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(other, "CREATE TABLE other (x); BEGIN IMMEDIATE", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(pthread_create(&starter.thread, NULL, start, &starter), 0);
    nanosleep(&busy, NULL);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    pthread_join(starter.thread, NULL);
    if (starter.status != KN_OK)
        fail_msg("%.*s", KN_STR_ARG(kn_buf_view(&starter.error)));
    kn_buf_fini(&starter.error);
}

static void a_newer_database_is_refused(void **state)
{
    struct rig *rig = *state;
    struct store *store = NULL;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    const struct db_value newer[] = {db_i64(999), db_text(KN_STR("0999_later")), db_i64(1),
                                     db_i64(1)};
    assert_int_equal(db_run(rig->store->db, SQL_MIGRATION_ADD, newer, NULL, NULL), KN_OK);
    const struct store_options options = {RIG_OPTIONS, .database = rig->database};
    assert_int_equal(store_open(&options, &store, &error), KN_VERSION);
    assert_non_null(strstr(kn_buf_cstr(&error), "999"));
    kn_buf_fini(&error);
}

static void a_migration_that_was_changed_is_refused(void **state)
{
    struct rig *rig = *state;
    static const struct migration changed[] = {
        {1, "0001_tables", "SELECT 1"}, {99, "0099", "SELECT 1"}, {0, NULL, NULL}};
    struct kn_buf error;
    int version = 0;
    kn_buf_init(&error, 0);
    assert_int_equal(migrate_with(rig->store->db, changed, &version, &error), KN_CONFLICT);
    kn_buf_fini(&error);
}

static void a_migration_that_fails_leaves_nothing_behind(void **state)
{
    struct rig *rig = *state;
    static const struct migration broken[] = {
        {1, "0001_tables", "SELECT 1"},
        {2, "0002", "CREATE TABLE half (a BIGINT); NONSENSE;"},
        {0, NULL, NULL}};
    static const struct migration whole[] = {{1, "0001_tables", "SELECT 1"},
                                             {2, "0002", "CREATE TABLE half (a BIGINT);"},
                                             {0, NULL, NULL}};
    struct kn_buf error;
    int version = 0;
    kn_buf_init(&error, 0);
    assert_int_equal(db_script(rig->store->db, "DELETE FROM migrations"), KN_OK);
    assert_int_not_equal(migrate_with(rig->store->db, broken, &version, &error), KN_OK);
    assert_non_null(kn_buf_cstr(&error));
    kn_buf_fini(&error);
    assert_int_equal(migrate_with(rig->store->db, whole, &version, &error), KN_OK);
    assert_int_equal(version, 2);
}

/* ---- being killed -------------------------------------------------------------------- */

enum { BATCHES = 300, BATCH_EVENTS = 40, KILLS = 6 };

static void make_batch(uint64_t seq, struct kn_msg_event *events, char (*ids)[24],
                       struct kn_msg_ingest_batch *batch)
{
    for (unsigned i = 0; i < BATCH_EVENTS; i++) {
        /* each task begins in one batch and ends in the next */
        uint64_t of = i % 2 ? seq : seq + 1;
        snprintf(ids[i], sizeof ids[i], "t%lu-%u", (unsigned long)of, i / 2);
        events[i] =
            (struct kn_msg_event){.type = i % 2 ? KN_EVENT_TASK_SUCCEEDED : KN_EVENT_TASK_RECEIVED,
                                  .uuid = kn_str_from(ids[i]),
                                  .hostname = KN_STR("w@h"),
                                  .timestamp = START + (int64_t)(seq * BATCH_EVENTS + i),
                                  .clock = seq};
    }
    *batch = (struct kn_msg_ingest_batch){
        .source = KN_STR("s"), .epoch = 7, .seq = seq, .received = BATCH_EVENTS};
    batch->events.items = events;
    batch->events.count = BATCH_EVENTS;
}

/* Commits from `seq` on, and writes the number of each batch that was answered. */
static void child(const char *database, uint64_t seq, int out)
{
    struct kn_msg_event events[BATCH_EVENTS];
    char ids[BATCH_EVENTS][24];
    struct kn_msg_ingest_batch batch;
    struct store *store;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    const struct kn_msg_feed *feed;
    const struct store_options options = {RIG_OPTIONS, .database = database};
    if (store_open(&options, &store, &error) != KN_OK)
        _exit(2);
    for (; seq <= BATCHES; seq++) {
        make_batch(seq, events, ids, &batch);
        struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
        if (store_commit(store, &change, 1, &feed) != KN_OK || change.status != KN_OK ||
            write(out, &seq, sizeof seq) != sizeof seq)
            _exit(3);
    }
    _exit(0);
}

/* Runs a child and kills it in the middle. Returns the last batch that was answered. */
static uint64_t run_and_kill(const char *database, uint64_t from)
{
    int ends[2];
    uint64_t seq, last = from - 1;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        child(database, from, ends[1]);
    }
    close(ends[1]);
    unsigned after = 5 + rig_below(60);
    while (read(ends[0], &seq, sizeof seq) == sizeof seq) {
        last = seq;
        if (seq - from == after)
            kill(pid, SIGKILL);
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return last;
}

static void what_was_answered_survives_kill_and_is_there_once(void **state)
{
    struct rig *rig = *state;
    uint64_t next = 1;
    rig_close(rig);
    rig_seed(20261123);
    for (int i = 0; i < KILLS; i++) {
        uint64_t last = run_and_kill(rig->database, next);
        /* the sender knows only what was answered: it sends the rest again */
        next = last + 1;
        rig_open(rig);
        struct kn_msg_system system;
        assert_int_equal(store_read_system(rig->reader, &rig->arena, &system), KN_OK);
        uint64_t stored = system.ingestion.items[0].events_stored;
        assert_true(stored == last * BATCH_EVENTS || stored == (last + 1) * BATCH_EVENTS);
        rig_close(rig);
    }
    struct kn_msg_event events[BATCH_EVENTS];
    char ids[BATCH_EVENTS][24];
    struct kn_msg_ingest_batch batch;
    const struct kn_msg_feed *feed;
    rig_open(rig);
    for (uint64_t seq = 1; seq <= BATCHES; seq++) {
        make_batch(seq, events, ids, &batch);
        struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
        assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
        assert_true(change.ack.again || seq >= next);
    }
    struct kn_msg_system system;
    struct kn_msg_feed_list list;
    assert_int_equal(store_read_system(rig->reader, &rig->arena, &system), KN_OK);
    assert_int_equal(system.ingestion.items[0].events_stored, BATCHES * BATCH_EVENTS);
    assert_int_equal(system.ingestion.items[0].events_received, BATCHES * BATCH_EVENTS);
    assert_int_equal(system.ingestion.items[0].events_duplicate, 0);
    assert_int_equal(system.storage->tasks, (BATCHES + 1) * BATCH_EVENTS / 2);
    const struct kn_msg_feed_get get = {.from = 1, .max = 1000};
    assert_int_equal(store_read_feed(rig->reader, &get, &rig->arena, &list), KN_OK);
    assert_int_equal(list.items.count, BATCHES);
    for (size_t i = 0; i < list.items.count; i++)
        assert_int_equal(list.items.items[i].number, i + 1);
}

/* ---- several that ask at once -------------------------------------------------------- */

enum { ASKERS = 6, ASKS = 20 };

struct asker {
    struct writer *writer;
    struct store *store;
    unsigned number;
    pthread_t thread;
    size_t failures;
};

static void *ask(void *arg)
{
    struct asker *asker = arg;
    struct kn_msg_event events[BATCH_EVENTS];
    char ids[BATCH_EVENTS][24], error[128];
    struct kn_msg_ingest_batch batch;
    struct store_reader *reader;
    struct kn_arena arena;
    struct kn_buf why;
    kn_buf_init(&why, 0);
    kn_arena_init(&arena, 0);
    if (store_reader_new(asker->store, &reader, &why) != KN_OK) {
        asker->failures++;
        kn_buf_fini(&why);
        return NULL;
    }
    for (unsigned i = 0; i < ASKS; i++) {
        struct kn_msg_task task;
        make_batch(1 + asker->number * 1000 + i, events, ids, &batch);
        batch.epoch = asker->number;
        batch.seq = i + 1;
        struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
        const struct kn_msg_task_get get = {.id = events[0].uuid};
        if (writer_commit(asker->writer, &change, error, sizeof error) != KN_OK ||
            change.ack.stored != BATCH_EVENTS ||
            store_read_task(reader, &get, &arena, &task) != KN_OK)
            asker->failures++;
        kn_arena_reset(&arena);
    }
    store_reader_free(reader);
    kn_arena_fini(&arena);
    return NULL;
}

static void count_commit(void *arg, const struct kn_msg_feed *feed)
{
    uint64_t *last = arg;
    if (feed->number == *last + 1)
        *last = feed->number;
}

static void many_may_ask_at_once_and_see_what_they_committed(void **state)
{
    struct rig *rig = *state;
    struct asker askers[ASKERS];
    struct writer *writer;
    uint64_t last = 0, number;
    char id[64], trouble[64];
    assert_int_equal(writer_new(rig->store, count_commit, &last, &writer), KN_OK);
    for (unsigned i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.writer = writer, .store = rig->store, .number = i + 1};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (unsigned i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].failures, 0);
    }
    writer_trouble(writer, trouble, sizeof trouble);
    assert_string_equal(trouble, "");
    writer_feed_position(writer, id, sizeof id, &number);
    writer_free(writer);
    assert_int_equal(number, last);
    assert_true(last >= ASKS && last <= ASKERS * ASKS);
}

static void the_writer_waits_for_a_database_that_is_away(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event events[BATCH_EVENTS];
    char ids[BATCH_EVENTS][24], error[128];
    struct kn_msg_ingest_batch batch;
    struct writer *writer;
    if (!rig->postgres)
        return;
    assert_int_equal(writer_new(rig->store, NULL, NULL, &writer), KN_OK);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        if (seq % 2 == 0)
            rig_cut_connections();
        make_batch(seq, events, ids, &batch);
        struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
        assert_int_equal(writer_commit(writer, &change, error, sizeof error), KN_OK);
        assert_int_equal(change.ack.stored, BATCH_EVENTS);
    }
    writer_free(writer);
    store_reader_revive(rig->reader);
    struct kn_msg_system system;
    while (store_read_system(rig->reader, &rig->arena, &system) != KN_OK)
        store_reader_revive(rig->reader);
    assert_int_equal(system.ingestion.items[0].events_stored, 4 * BATCH_EVENTS);
}

static void two_processes_may_share_a_database_but_not_a_feed(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event events[BATCH_EVENTS];
    char ids[BATCH_EVENTS][24];
    struct kn_buf error;
    struct kn_msg_ingest_batch batch;
    struct store *same = NULL, *other = NULL;
    const struct kn_msg_feed *feed;
    struct kn_msg_task_list list;
    const char *why;
    if (!rig->postgres)
        return;
    const struct store_options options = {RIG_OPTIONS, .database = rig->database};
    kn_buf_init(&error, 0);
    assert_int_equal(store_open(&options, &same, &error), KN_EXISTS);
    assert_non_null(strstr(kn_buf_cstr(&error), "main"));
    kn_buf_fini(&error);
    const struct store_options own = {RIG_OPTIONS, .database = rig->database, .feed = "second"};
    assert_int_equal(store_open(&own, &other, &error), KN_OK);
    struct store *stores[] = {rig->store, other, rig->store, other};
    for (int i = 0; i < 4; i++) {
        make_batch((uint64_t)i / 2 + 1, events, ids, &batch);
        batch.source = i % 2 ? KN_STR("s2") : KN_STR("s1");
        struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
        assert_int_equal(store_commit(stores[i], &change, 1, &feed), KN_OK);
        assert_int_equal(change.ack.stored, BATCH_EVENTS);
        assert_int_equal(feed->number, i / 2 + 1);
    }
    struct kn_msg_tasks_get get = {.limit = 500};
    size_t count = 0;
    do { /* a page may be short, for it ends when it has taken too long */
        assert_int_equal(store_read_tasks(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
        count += list.items.count;
        get.cursor = list.next_cursor;
    } while (get.cursor.ptr);
    assert_int_equal(count, 2 * 3 * BATCH_EVENTS / 2);
    store_close(other);
}

static void ingest_one(struct store *store, uint64_t epoch, uint64_t seq, enum kn_event_type type)
{
    struct kn_msg_event event = {.type = (uint8_t)type,
                                 .uuid = KN_STR("shared"),
                                 .hostname = KN_STR("w1@h"),
                                 .timestamp = START + type,
                                 .clock = 1};
    struct kn_msg_ingest_batch batch = {
        .source = KN_STR("s1"), .epoch = epoch, .seq = seq, .received = 1};
    struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
    const struct kn_msg_feed *feed;
    batch.events.items = &event;
    batch.events.count = 1;
    assert_int_equal(store_commit(store, &change, 1, &feed), KN_OK);
    assert_int_equal(change.ack.stored, 1);
}

static void what_another_process_wrote_is_not_overwritten_from_memory(void **state)
{
    struct rig *rig = *state;
    struct store *other = NULL;
    struct kn_msg_task task;
    struct kn_buf error;
    if (!rig->postgres)
        return;
    kn_buf_init(&error, 0);
    const struct store_options own = {RIG_OPTIONS, .database = rig->database, .feed = "second"};
    assert_int_equal(store_open(&own, &other, &error), KN_OK);
    ingest_one(rig->store, 1, 1, KN_EVENT_TASK_SENT);
    ingest_one(other, 2, 1, KN_EVENT_TASK_RECEIVED);
    ingest_one(rig->store, 1, 2, KN_EVENT_TASK_STARTED);
    ingest_one(other, 2, 2, KN_EVENT_TASK_SUCCEEDED);
    const struct kn_msg_task_get get = {.id = KN_STR("shared")};
    assert_int_equal(store_read_task(rig->reader, &get, &rig->arena, &task), KN_OK);
    assert_int_equal(task.sent_at, START + KN_EVENT_TASK_SENT);
    assert_int_equal(task.received_at, START + KN_EVENT_TASK_RECEIVED);
    assert_int_equal(task.started_at, START + KN_EVENT_TASK_STARTED);
    assert_int_equal(task.status, KN_TASK_SUCCESS);
    store_close(other);
}

/* ---- TimescaleDB --------------------------------------------------------------------- */

/* The extension is not at hand: functions with its names and signatures stand in. */
static const char fake_timescaledb[] =
    "CREATE TABLE calls (what TEXT);"
    "CREATE FUNCTION create_hypertable(relation REGCLASS, time_column_name NAME,"
    " chunk_time_interval ANYELEMENT) RETURNS VOID LANGUAGE sql AS"
    " $$ INSERT INTO calls VALUES ('create ' || relation || ' ' || time_column_name || ' ' ||"
    " chunk_time_interval) $$;"
    "CREATE FUNCTION drop_chunks(relation REGCLASS, older_than ANYELEMENT) RETURNS SETOF TEXT"
    " LANGUAGE sql AS $$ DELETE FROM events WHERE at < older_than; SELECT ''::TEXT $$;"
    "INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)"
    " VALUES (99999, 'timescaledb', 10, 2200, false, '2.15');";

static void events_are_a_hypertable_where_timescaledb_is(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event events[BATCH_EVENTS];
    char ids[BATCH_EVENTS][24];
    struct kn_buf error;
    struct kn_msg_ingest_batch batch;
    struct kn_msg_system system;
    struct db *db;
    const struct kn_msg_feed *feed;
    bool more = true;
    if (!rig->postgres)
        return;
    rig_close(rig);
    rig_empty_database(rig, rig->database, sizeof rig->database);
    const struct db_options options = {.postgres_url = rig->database};
    kn_buf_init(&error, 0);
    assert_int_equal(db_open(&options, &db, &error), KN_OK);
    if (db_script(db, fake_timescaledb) != KN_OK)
        fail_msg("%s", db_error(db));
    rig->keep_tasks_us = KN_DAY;
    rig_open(rig);
    assert_int_equal(db_script(db, "DO $$ BEGIN IF NOT EXISTS (SELECT FROM calls WHERE what ="
                                   " 'create events at 86400000000') THEN RAISE 'no'; END IF;"
                                   " END $$"),
                     KN_OK);
    make_batch(1, events, ids, &batch);
    for (int i = 0; i < 2; i++) {
        struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
        batch.seq = (uint64_t)i + 1;
        assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
        assert_int_equal(change.ack.stored, i ? 0 : BATCH_EVENTS);
        assert_int_equal(change.ack.duplicates, i ? BATCH_EVENTS : 0);
    }
    while (more)
        assert_int_equal(store_retain(rig->store, &more), KN_OK);
    assert_int_equal(store_read_system(rig->reader, &rig->arena, &system), KN_OK);
    assert_true(system.storage->timescaledb);
    assert_int_equal(system.storage->tasks, 0);
    assert_int_equal(db_script(db, "DO $$ BEGIN IF EXISTS (SELECT FROM events) THEN RAISE 'no';"
                                   " END IF; END $$"),
                     KN_OK);
    db_close(db);
}

/* ---- the program -------------------------------------------------------------------- */

static bool on_postgres;

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
    kn_log_setup("crash_test", KN_LOG_OFF, false);
    const struct CMUnitTest tests[] = {
        CASE(several_may_start_at_once_on_an_empty_database),
        CASE(a_file_that_another_program_writes_is_awaited),
        CASE(a_newer_database_is_refused),
        CASE(a_migration_that_was_changed_is_refused),
        CASE(a_migration_that_fails_leaves_nothing_behind),
        CASE(what_was_answered_survives_kill_and_is_there_once),
        CASE(many_may_ask_at_once_and_see_what_they_committed),
        CASE(the_writer_waits_for_a_database_that_is_away),
        CASE(two_processes_may_share_a_database_but_not_a_feed),
        CASE(what_another_process_wrote_is_not_overwritten_from_memory),
        CASE(events_are_a_hypertable_where_timescaledb_is),
    };
    return RIG_RUN(tests, &on_postgres);
}
