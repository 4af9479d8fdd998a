#include "services/storage/rig_test.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- PostgreSQL ---------------------------------------------------------------------- */

static char server[64]; /* folder of the private server */

static bool shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool shell(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command) == 0;
}

/* The server refuses to run as root: the account of the package is used then. */
static const char *account(void)
{
    return geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups" : "";
}

bool rig_start_postgres(void)
{
    if (!shell("ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1"))
        return false;
    strcpy(server, "/tmp/kanchi-pg-XXXXXX");
    if (!mkdtemp(server))
        return false;
    bool ok = shell("chmod 777 %s && cd %s && "
                    "%s sh -c 'B=$(ls -d /usr/lib/postgresql/*/bin | tail -1); "
                    "$B/initdb -D %s/data -U kanchi -A trust --no-sync >%s/log 2>&1 && "
                    "$B/pg_ctl -D %s/data -w -l %s/server.log -o \"-k %s -h \\\"\\\" "
                    "-c fsync=off -c max_connections=40\" start >>%s/log 2>&1'",
                    server, server, account(), server, server, server, server, server, server);
    if (!ok)
        shell("tail -5 %s/log >&2", server);
    return ok;
}

void rig_stop_postgres(void)
{
    if (!*server)
        return;
    shell("cd / && %s sh -c 'B=$(ls -d /usr/lib/postgresql/*/bin | tail -1); "
          "$B/pg_ctl -D %s/data -m immediate stop >/dev/null 2>&1'",
          account(), server);
    shell("rm -rf %s", server);
}

int rig_run(const struct CMUnitTest *tests, size_t count, bool *on_postgres)
{
    int failed = _cmocka_run_group_tests("sqlite", tests, count, NULL, NULL);
    *on_postgres = true;
    if (rig_start_postgres())
        failed += _cmocka_run_group_tests("postgresql", tests, count, NULL, NULL);
    else
        printf("SKIPPED: a private PostgreSQL server can't be started\n");
    rig_stop_postgres();
    return failed;
}

/* ---- databases ----------------------------------------------------------------------- */

void rig_open(struct rig *rig)
{
    struct kn_buf error;
    kn_buf_init(&error, 0);
    const struct store_options options = {
        RIG_OPTIONS, .database = rig->database, .retention_tasks_us = rig->keep_tasks_us,
        .retention_events_us = rig->keep_events_us, .retention_rollups_us = rig->keep_tasks_us};
    if (store_open(&options, &rig->store, &error) != KN_OK)
        fail_msg("%.*s", KN_STR_ARG(kn_buf_view(&error)));
    if (store_reader_new(rig->store, &rig->reader, &error) != KN_OK)
        fail_msg("%.*s", KN_STR_ARG(kn_buf_view(&error)));
}

void rig_empty_database(struct rig *rig, char *ret, size_t size)
{
    static unsigned number;
    (void)rig;
    number++;
    assert_true(shell("psql -q -h %s -U kanchi postgres -c 'CREATE DATABASE t%u'", server, number));
    snprintf(ret, size, "postgresql://kanchi@/t%u?host=%s", number, server);
}

void rig_cut_connections(void)
{
    assert_true(shell("psql -q -h %s -U kanchi postgres -c \"SELECT pg_terminate_backend(pid) FROM "
                      "pg_stat_activity WHERE application_name LIKE 'kanchi-%%'\" >/dev/null",
                      server));
}

void rig_init(struct rig *rig, bool postgres)
{
    *rig = (struct rig){.postgres = postgres};
    strcpy(rig->folder, "/tmp/kanchi-store-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    if (postgres) {
        rig_empty_database(rig, rig->database, sizeof rig->database);
    } else {
        snprintf(rig->database, sizeof rig->database, "sqlite:%s/kanchi.db", rig->folder);
    }
    kn_arena_init(&rig->arena, 0);
    rig_open(rig);
}

void rig_close(struct rig *rig)
{
    store_reader_free(rig->reader);
    store_close(rig->store);
    rig->reader = NULL;
    rig->store = NULL;
}

void rig_fini(struct rig *rig)
{
    rig_close(rig);
    kn_arena_fini(&rig->arena);
    shell("rm -rf %s", rig->folder);
}

void rig_reopen(struct rig *rig)
{
    rig_close(rig);
    rig_open(rig);
}

struct kn_msg_ingest_ack rig_ingest(struct rig *rig, struct kn_msg_event *events, size_t count,
                                    const struct kn_msg_feed **ret_feed)
{
    struct kn_msg_ingest_batch batch = {
        .source = KN_STR("default"), .epoch = 1, .seq = ++rig->next_seq, .received = count};
    batch.events.items = events;
    batch.events.count = count;
    struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
    const struct kn_msg_feed *feed;
    if (store_commit(rig->store, &change, 1, &feed) != KN_OK)
        fail_msg("%s", store_error(rig->store));
    assert_int_equal(change.status, KN_OK);
    assert_false(change.ack.again);
    if (ret_feed)
        *ret_feed = feed;
    return change.ack;
}

/* ---- events -------------------------------------------------------------------------- */

static uint64_t state = 88172645463325252u;

void rig_seed(uint64_t seed)
{
    state = seed ? seed : 1;
}

uint64_t rig_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

unsigned rig_below(unsigned n)
{
    return (unsigned)(rig_random() >> 11) % n;
}

static struct kn_str text(struct kn_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct kn_str text(struct kn_arena *arena, const char *format, ...)
{
    char buffer[512];
    va_list args;
    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    return kn_arena_str(arena, kn_str_from(buffer));
}

static void message_fields(struct kn_arena *arena, unsigned number, unsigned retries,
                           struct kn_msg_event *e)
{
    e->name = text(arena, "app.task%u", number % 3);
    e->args_repr = text(arena, "(%u, 'x')", number);
    e->kwargs_repr = KN_STR("{'caf\xc3\xa9': None}");
    e->root_id = text(arena, "task-%u", number);
    e->retries = KN_SOME_I64(retries);
}

static void fields_of(struct kn_arena *arena, unsigned number, unsigned retries,
                      struct kn_msg_event *e)
{
    switch (e->type) {
    case KN_EVENT_TASK_SENT:
        message_fields(arena, number, retries, e);
        e->hostname = KN_STR("client@a");
        e->queue = text(arena, "queue%u", number % 2);
        e->routing_key = e->queue;
        e->exchange = KN_STR("");
        break;
    case KN_EVENT_TASK_RECEIVED:
        message_fields(arena, number, retries, e);
        break;
    case KN_EVENT_TASK_SUCCEEDED:
        e->result_repr = KN_STR("'done'");
        e->runtime = KN_SOME_F64((1 + rig_below(2000)) / 1024.0);
        break;
    case KN_EVENT_TASK_RETRIED:
    case KN_EVENT_TASK_FAILED:
        e->exception = KN_STR("ValueError('no')");
        e->traceback = KN_STR("Traceback (most recent call last):\n  no\n");
        break;
    default:
        break;
    }
}

size_t rig_task_life(struct kn_arena *arena, unsigned number, int64_t at, struct kn_msg_event *ret,
                     size_t max)
{
    static const uint8_t lives[][8] = {
        {1, 2, 3, 4}, {2, 3, 4}, {1, 2, 3, 5}, {1, 2, 3, 8, 2, 3, 4}, {1, 2, 7},
        {1},          {2, 3},    {2, 6},       {1, 2, 3, 0, 0, 4}, /* 0 after the first: a custom
                                                                      event */
    };
    const uint8_t *life = lives[rig_below(KN_COUNT_OF(lives))];
    unsigned retries = 0;
    size_t n = 0;
    for (; n < max && n < 8 && (life[n] || (n + 1 < 8 && n > 2 && life[n + 1])); n++) {
        ret[n] = (struct kn_msg_event){.type = life[n],
                                       .uuid = text(arena, "task-%u", number),
                                       .hostname = text(arena, "worker%u@b", rig_below(3)),
                                       .timestamp = at += 1 + rig_below(20000000),
                                       .clock = n + 1,
                                       .pid = 7,
                                       .received_at = at + 5};
        if (life[n] == KN_EVENT_CUSTOM) {
            ret[n].type_name = KN_STR("task-progress");
            ret[n].extra = KN_STR("{\"percent\":50}");
        }
        fields_of(arena, number, retries, &ret[n]);
        retries += life[n] == KN_EVENT_TASK_RETRIED;
    }
    return n;
}
