/* What every backend must do: the same cases for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/storage/db/migrate.h"
#include "services/storage/rig_test.h"
#include "services/storage/state/state.h"
#include "services/storage/write/recount.h"

#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/data/sketch.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

#define AT (INT64_C(1764000000) * KN_SECOND)

static struct kn_msg_event event(enum kn_event_type type, const char *id, int64_t at)
{
    return (struct kn_msg_event){.type = (uint8_t)type,
                                 .uuid = kn_str_from(id),
                                 .hostname = KN_STR("w1@h"),
                                 .timestamp = AT + at,
                                 .clock = (uint64_t)at,
                                 .pid = 9,
                                 .received_at = AT + at + 1};
}

static struct kn_msg_task task_of(struct rig *rig, const char *id)
{
    struct kn_msg_task task;
    const struct kn_msg_task_get get = {.id = kn_str_from(id)};
    assert_int_equal(store_read_task(rig->reader, &get, &rig->arena, &task), KN_OK);
    return task;
}

static struct kn_msg_task_list list_of(struct rig *rig, const struct kn_msg_tasks_get *get)
{
    struct kn_msg_task_list list;
    const char *why = "";
    if (store_read_tasks(rig->reader, get, &rig->arena, &list, &why) != KN_OK)
        fail_msg("%s", why);
    return list;
}

static struct kn_msg_system system_of(struct rig *rig)
{
    struct kn_msg_system system;
    assert_int_equal(store_read_system(rig->reader, &rig->arena, &system), KN_OK);
    return system;
}

static void assert_text(struct kn_str got, const char *want)
{
    if (!kn_str_eq(got, kn_str_from(want)) || (want && !got.ptr))
        fail_msg("\"%.*s\" is not \"%s\"", KN_STR_ARG(got), want ? want : "(absent)");
}

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

/* ---- batches ------------------------------------------------------------------------- */

static void a_batch_seen_before_is_answered_and_not_applied(void **state)
{
    struct rig *rig = *state;
    static const struct {
        uint64_t epoch, seq;
        bool again;
    } cases[] = {{1, 1, false}, {1, 1, true}, {1, 3, false}, {1, 4, false}, {1, 3, true},
                 {1, 2, false}, {1, 2, true}, {1, 4, true},  {2, 1, false}, {1, 5, false}};
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_msg_event e = event(KN_EVENT_TASK_SENT, "t", (int64_t)i);
        struct kn_msg_ingest_batch batch = {
            .source = KN_STR("s"), .epoch = cases[i].epoch, .seq = cases[i].seq, .received = 1};
        batch.events.items = &e;
        batch.events.count = 1;
        struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
        const struct kn_msg_feed *feed;
        assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
        assert_int_equal(change.ack.again, cases[i].again);
        assert_int_equal(change.ack.stored, !cases[i].again);
        assert_int_equal(feed == NULL, cases[i].again);
        if (i == 4)
            rig_reopen(rig);
    }
    struct kn_msg_system system = system_of(rig);
    assert_int_equal(system.ingestion.items[0].events_received, 6);
    assert_int_equal(system.ingestion.items[0].events_stored, 6);
}

static void the_same_batch_twice_in_one_commit_counts_once(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event e = event(KN_EVENT_TASK_SENT, "t", 1);
    struct kn_msg_ingest_batch batch = {.source = KN_STR("s"), .epoch = 1, .seq = 1};
    batch.events.items = &e;
    batch.events.count = 1;
    struct store_change changes[] = {
        {.kind = KN_KIND_INGEST_BATCH, .msg = &batch},
        {.kind = KN_KIND_INGEST_BATCH, .msg = &batch},
        {.kind = KN_KIND_INGEST_BATCH, .msg = &(struct kn_msg_ingest_batch){.seq = 1}}};
    const struct kn_msg_feed *feed;
    assert_int_equal(store_commit(rig->store, changes, 3, &feed), KN_OK);
    assert_int_equal(changes[0].ack.stored, 1);
    assert_true(changes[1].ack.again);
    assert_int_equal(changes[2].status, KN_INVALID);
}

/* ---- order of arrival ---------------------------------------------------------------- */

enum { TASKS = 60, EVENTS_MAX = TASKS * 11 };

/* What control may learn of the task that an event is from: up to three things. */
static size_t make_learned(const struct kn_msg_event *of, struct kn_msg_event *ret)
{
    static const uint8_t types[] = {KN_EVENT_TASK_STARTED, KN_EVENT_TASK_SUCCEEDED,
                                    KN_EVENT_TASK_FAILED, KN_EVENT_TASK_ORPHANED};
    size_t n = rig_below(4);
    for (size_t i = 0; i < n; i++) {
        ret[i] = (struct kn_msg_event){
            .type = types[rig_below(KN_COUNT_OF(types))],
            .origin = (uint8_t)(1 + rig_below(2)),
            .uuid = of->uuid,
            .timestamp = of->timestamp - 30 * KN_SECOND + rig_below(60000000),
            .hostname = rig_below(2) ? KN_STR("learned@b") : KN_STR_ABSENT,
            .name = rig_below(2) ? KN_STR("app.learned") : KN_STR_ABSENT,
        };
        if (ret[i].type == KN_EVENT_TASK_SUCCEEDED)
            ret[i].runtime = KN_SOME_F64(rig_below(100));
    }
    return n;
}

static size_t make_events(struct kn_arena *arena, struct kn_msg_event *events)
{
    size_t n = 0;
    rig_seed(4711);
    for (unsigned i = 0; i < TASKS; i++) {
        n += rig_task_life(arena, i, AT + (int64_t)i * KN_SECOND, events + n, 8);
        n += make_learned(&events[n - 1], events + n);
    }
    return n;
}

static size_t from_celery(const struct kn_msg_event *events, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += events[i].origin == KN_ORIGIN_EVENTS;
    return count;
}

static void shuffle(struct kn_msg_event *events, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = rig_below((unsigned)i);
        struct kn_msg_event swap = events[i - 1];
        events[i - 1] = events[j];
        events[j] = swap;
    }
}

/* Rollups as a reader of the feed adds them up. */
struct rollup_sums {
    struct kn_arena arena;
    struct sum {
        struct kn_msg_rollup_delta key;
        int64_t count;
        struct kn_sketch runtime, wait;
    } items[2000];
    size_t count;
};

static void add_values(struct kn_sketch *sketch, const struct kn_f64s *values, int sign)
{
    for (size_t i = 0; i < values->count; i++)
        assert_int_equal(kn_sketch_add(sketch, values->items[i], sign), KN_OK);
}

static void add_delta(struct rollup_sums *sums, const struct kn_msg_rollup_delta *d)
{
    struct sum *sum = NULL;
    for (size_t i = 0; !sum && i < sums->count; i++) {
        const struct kn_msg_rollup_delta *k = &sums->items[i].key;
        if (k->minute == d->minute && k->status == d->status && kn_str_eq(k->source, d->source) &&
            kn_str_eq(k->name, d->name) && kn_str_eq(k->queue, d->queue) &&
            kn_str_eq(k->worker, d->worker))
            sum = &sums->items[i];
    }
    if (!sum) {
        assert_true(sums->count < KN_COUNT_OF(sums->items));
        sum = &sums->items[sums->count++];
        *sum = (struct sum){.key = {.minute = d->minute,
                                    .status = d->status,
                                    .source = kn_arena_str(&sums->arena, d->source),
                                    .name = kn_arena_str(&sums->arena, d->name),
                                    .queue = kn_arena_str(&sums->arena, d->queue),
                                    .worker = kn_arena_str(&sums->arena, d->worker)}};
        kn_sketch_init(&sum->runtime);
        kn_sketch_init(&sum->wait);
    }
    sum->count += d->count;
    add_values(&sum->runtime, &d->runtimes, 1);
    add_values(&sum->runtime, &d->runtimes_removed, -1);
    add_values(&sum->wait, &d->waits, 1);
    add_values(&sum->wait, &d->waits_removed, -1);
}

static void add_feed(struct rollup_sums *sums, const struct kn_msg_feed *feed)
{
    for (size_t i = 0; feed && i < feed->deltas.count; i++)
        add_delta(sums, &feed->deltas.items[i]);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One line for each row that is not zero, in order. */
static char *sums_text(struct rollup_sums *sums)
{
    char *lines[KN_COUNT_OF(sums->items)];
    size_t n = 0;
    struct kn_buf out;
    kn_buf_init(&out, 0);
    for (size_t i = 0; i < sums->count; i++) {
        struct sum *s = &sums->items[i];
        if (s->count || !kn_sketch_is_zero(&s->runtime) || !kn_sketch_is_zero(&s->wait)) {
            kn_buf_clear(&out);
            kn_buf_printf(&out, "%ld %.*s %.*s %.*s %.*s %d: %ld ", (long)s->key.minute,
                          KN_STR_ARG(s->key.source), KN_STR_ARG(s->key.name),
                          KN_STR_ARG(s->key.queue), KN_STR_ARG(s->key.worker), s->key.status,
                          (long)s->count);
            kn_buf_printf(&out, "%ld %.6f %ld %.6f\n", (long)kn_sketch_count(&s->runtime),
                          kn_sketch_sum(&s->runtime), (long)kn_sketch_count(&s->wait),
                          kn_sketch_sum(&s->wait));
            lines[n++] = kn_buf_take(&out, NULL);
        }
        kn_sketch_fini(&s->runtime);
        kn_sketch_fini(&s->wait);
    }
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 0; i < n; i++) {
        kn_buf_text(&out, lines[i]);
        free(lines[i]);
    }
    kn_arena_fini(&sums->arena);
    free(sums);
    return kn_buf_take(&out, NULL);
}

static struct rollup_sums *new_sums(void)
{
    struct rollup_sums *sums = calloc(1, sizeof *sums);
    assert_non_null(sums);
    kn_arena_init(&sums->arena, 0);
    return sums;
}

static char *recounted(struct rig *rig)
{
    struct rollup_sums *sums = new_sums();
    struct deltas deltas;
    struct kn_arena arena;
    struct kn_msg_rollup_delta *items;
    size_t count;
    int64_t last = 0;
    kn_arena_init(&arena, 0);
    deltas_init(&deltas, &arena);
    do
        assert_int_equal(recount(rig->reader->db, rig->store->dict, last, 7, 0, &deltas, &last),
                         KN_OK);
    while (last);
    assert_int_equal(deltas_messages(&deltas, rig->store->dict, rig->reader->db, &items, &count),
                     KN_OK);
    for (size_t i = 0; i < count; i++)
        add_delta(sums, &items[i]);
    deltas_fini(&deltas);
    kn_arena_fini(&arena);
    return sums_text(sums);
}

/* All tasks as text, without storage's own numbers, by id. */
static char *tasks_text(struct rig *rig)
{
    struct kn_buf out;
    static const char *const skip[] = {"no", NULL};
    kn_buf_init(&out, 0);
    for (unsigned i = 0; i < TASKS; i++) {
        char id[32];
        snprintf(id, sizeof id, "task-%u", i);
        struct kn_msg_task task = task_of(rig, id);
        kn_msg_json_members(&out, KN_KIND_TASK, &task, skip);
        kn_buf_char(&out, '\n');
    }
    return kn_buf_take(&out, NULL);
}

static char *counts_text(struct rig *rig)
{
    struct kn_msg_system system = system_of(rig);
    long counts[KN_TASK_STATUS_COUNT] = {0};
    struct kn_buf out;
    kn_buf_init(&out, 0);
    for (size_t i = 0; i < system.counts.count; i++)
        counts[system.counts.items[i].status] += (long)system.counts.items[i].count;
    for (size_t i = 0; i < KN_COUNT_OF(counts); i++)
        kn_buf_printf(&out, "%ld ", counts[i]);
    return kn_buf_take(&out, NULL);
}

static void any_order_and_repetition_gives_the_same_tables(void **state)
{
    struct rig *rig = *state;
    struct kn_arena arena;
    struct kn_msg_event *events = calloc(EVENTS_MAX * 2, sizeof *events);
    struct rollup_sums *sums = new_sums();
    const struct kn_msg_feed *feed;
    kn_arena_init(&arena, 0);
    size_t n = make_events(&arena, events);
    rig_ingest(rig, events, n, &feed);
    add_feed(sums, feed);
    char *tasks = tasks_text(rig), *counts = counts_text(rig), *rollups = sums_text(sums),
         *again = recounted(rig);
    assert_string_equal(rollups, again);
    free(again);
    for (unsigned round = 0; round < 4; round++) {
        struct rig other;
        rig_init(&other, rig->postgres);
        sums = new_sums();
        n = make_events(&arena, events);
        size_t real = from_celery(events, n);
        memcpy(events + n, events, n * sizeof *events);
        rig_seed(round + 1);
        shuffle(events, n * 2);
        for (size_t i = 0, len; i < n * 2; i += len) {
            len = 1 + rig_below(round < 2 ? 3 : 60);
            len = i + len > n * 2 ? n * 2 - i : len;
            rig_ingest(&other, events + i, len, &feed);
            add_feed(sums, feed);
            if (rig_below(100) == 0)
                rig_reopen(&other);
        }
        char *other_tasks = tasks_text(&other), *other_counts = counts_text(&other),
             *other_rollups = sums_text(sums), *other_recount = recounted(&other);
        assert_string_equal(tasks, other_tasks);
        assert_string_equal(counts, other_counts);
        assert_string_equal(other_recount, other_rollups);
        assert_string_equal(rollups, other_rollups);
        assert_int_equal(system_of(&other).ingestion.items[0].events_stored, real);
        free(other_tasks);
        free(other_counts);
        free(other_rollups);
        free(other_recount);
        rig_fini(&other);
    }
    free(tasks);
    free(counts);
    free(rollups);
    free(events);
    kn_arena_fini(&arena);
}

/* ---- clocks -------------------------------------------------------------------------- */

static void an_event_whose_time_was_corrected_in_another_way_is_the_same(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event events[3];
    struct kn_msg_ingest_ack ack;
    for (size_t i = 0; i < KN_COUNT_OF(events); i++) {
        events[i] = event(KN_EVENT_TASK_RECEIVED + (uint8_t)i, "skewed", (int64_t)i * KN_SECOND);
        events[i].skew = 2 * KN_HOUR;
    }
    ack = rig_ingest(rig, events, KN_COUNT_OF(events), NULL);
    assert_int_equal(ack.stored, 3);
    for (size_t i = 0; i < KN_COUNT_OF(events);
         i++) { /* by an ingestion that measured another skew */
        events[i].timestamp += KN_HOUR;
        events[i].skew -= KN_HOUR;
    }
    ack = rig_ingest(rig, events, KN_COUNT_OF(events), NULL);
    assert_int_equal(ack.stored, 0);
    assert_int_equal(ack.duplicates, 3);
    for (size_t i = 0; i < KN_COUNT_OF(events); i++) { /* and by one that did not know of it yet */
        events[i].timestamp += events[i].skew;
        events[i].skew = 0;
    }
    ack = rig_ingest(rig, events, KN_COUNT_OF(events), NULL);
    assert_int_equal(ack.stored, 0);
    struct kn_msg_task task = task_of(rig, "skewed");
    assert_int_equal(task.status, KN_TASK_SUCCESS);
    assert_int_equal(task.completed_at, AT + 2 * KN_SECOND);
    assert_true(task.clock_skew.set && task.clock_skew.value == 7200);
}

static void a_worker_is_not_online_until_a_forged_time_comes(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event said[] = {event(KN_EVENT_WORKER_ONLINE, NULL, 0),
                                  event(KN_EVENT_WORKER_OFFLINE, NULL, KN_MINUTE)};
    said[0].timestamp += KN_DAY; /* stored before clocks were measured */
    rig_ingest(rig, said, 1, NULL);
    rig_ingest(rig, said + 1, 1, NULL);
    struct kn_msg_worker_list list;
    const struct kn_msg_workers_get get = {0};
    assert_int_equal(store_read_workers(rig->reader, &get, &rig->arena, &list), KN_OK);
    assert_int_equal(list.items.items[0].status, KN_WORKER_OFFLINE);
    assert_int_equal(list.items.items[0].last_seen, AT + KN_MINUTE);
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

static size_t walk(struct rig *rig, struct kn_msg_tasks_get *get, uint64_t *ret_first)
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

/* ---- workers, queues, system --------------------------------------------------------- */

static struct kn_msg_worker worker_of(struct rig *rig, const char *id)
{
    struct kn_msg_worker_list list;
    const struct kn_msg_workers_get get = {.id = kn_str_from(id)};
    assert_int_equal(store_read_workers(rig->reader, &get, &rig->arena, &list), KN_OK);
    assert_int_equal(list.items.count, 1);
    return list.items.items[0];
}

static void commit_one(struct rig *rig, enum kn_kind kind, const void *msg)
{
    struct store_change change = {.kind = kind, .msg = msg};
    const struct kn_msg_feed *feed;
    assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
    assert_int_equal(change.status, KN_OK);
}

static void whether_events_are_on_is_open_again_when_a_worker_was_started_anew(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event online = event(KN_EVENT_WORKER_ONLINE, NULL, 1),
                        beat = event(KN_EVENT_WORKER_HEARTBEAT, NULL, KN_SECOND);
    const struct kn_msg_worker_inspect off = {.source = KN_STR("default"),
                                              .hostname = KN_STR("w1@h"),
                                              .at = AT + 2 * KN_SECOND,
                                              .events_enabled = KN_SOME_I64(0)};
    rig_ingest(rig, (struct kn_msg_event[]){online, beat}, 2, NULL);
    commit_one(rig, KN_KIND_WORKER_INSPECT, &off);
    assert_true(worker_of(rig, "w1@h").events_enabled.set);
    beat.timestamp = AT + 3 * KN_SECOND;
    online.timestamp = AT; /* late, and older */
    rig_ingest(rig, (struct kn_msg_event[]){beat, online}, 2, NULL);
    assert_true(worker_of(rig, "w1@h").events_enabled.set);
    online.timestamp = AT + 4 * KN_SECOND;
    rig_ingest(rig, &online, 1, NULL);
    assert_false(worker_of(rig, "w1@h").events_enabled.set);
}

static void a_worker_is_what_it_says_unless_it_is_silent(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event online = event(KN_EVENT_WORKER_ONLINE, NULL, 1),
                        beat = event(KN_EVENT_WORKER_HEARTBEAT, NULL, KN_SECOND),
                        offline = event(KN_EVENT_WORKER_OFFLINE, NULL, 2 * KN_SECOND),
                        late = event(KN_EVENT_TASK_SUCCEEDED, "t", 3 * KN_SECOND);
    double load[] = {0.5, 0.25, 0.125};
    beat.loadavg = (struct kn_f64s){load, 3};
    beat.active = KN_SOME_I64(2);
    beat.freq = online.freq = KN_SOME_F64(2.0);
    struct kn_msg_event both[] = {beat, online};
    assert_int_equal(rig_ingest(rig, both, 2, NULL).stored, 2);
    assert_int_equal(rig_ingest(rig, &beat, 1, NULL).duplicates, 1);
    struct kn_msg_worker worker = worker_of(rig, "w1@h");
    assert_int_equal(worker.status, KN_WORKER_ONLINE);
    assert_int_equal(worker.started_at, AT + 1);
    assert_int_equal(worker.active.value, 2);
    assert_int_equal(worker.load.count, 3);
    struct kn_msg_worker_liveness verdict = {.source = KN_STR("default"),
                                             .hostname = KN_STR("w1@h"),
                                             .status = KN_WORKER_OFFLINE,
                                             .last_seen = AT};
    commit_one(rig, KN_KIND_WORKER_LIVENESS, &verdict);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_ONLINE);
    verdict.last_seen = worker.last_seen;
    commit_one(rig, KN_KIND_WORKER_LIVENESS, &verdict);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_OFFLINE);
    rig_ingest(rig, &late, 1, NULL);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_ONLINE);
    rig_ingest(rig, &offline, 1, NULL);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_OFFLINE);
    assert_int_equal(worker_of(rig, "w1@h").last_seen, AT + 3 * KN_SECOND);
    /* events that follow another one closely are not told to who gives the verdict */
    struct kn_msg_event started = event(KN_EVENT_TASK_STARTED, "u", 9 * KN_SECOND),
                        last = event(KN_EVENT_TASK_SUCCEEDED, "u", 9 * KN_SECOND + 5);
    const struct kn_msg_feed *feed;
    online.timestamp = beat.timestamp = AT + 8 * KN_SECOND;
    rig_ingest(rig, (struct kn_msg_event[]){online, started}, 2, &feed);
    verdict.last_seen = feed->workers.items[0].last_seen;
    rig_ingest(rig, &last, 1, &feed);
    assert_int_equal(feed->workers.count, 0);
    commit_one(rig, KN_KIND_WORKER_LIVENESS, &verdict);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_OFFLINE);
}

static void a_worker_starts_with_its_process_and_not_with_its_connection(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *what;
        enum kn_event_type type; /* CUSTOM: an answer */
        int64_t at;              /* seconds */
        uint64_t pid;
        int64_t processed;
        double uptime;
        int64_t want;
    } cases[] = {
        {"it starts", KN_EVENT_WORKER_ONLINE, 0, 7, 0, 0, 0},
        {"it works", KN_EVENT_WORKER_HEARTBEAT, 50, 7, 5, 0, 0},
        {"it has lost its broker, and found it again", KN_EVENT_WORKER_ONLINE, 60, 7, 5, 0, 0},
        {"its answer agrees", KN_EVENT_CUSTOM, 100, 7, 0, 100, 0},
        {"another process, whose start was missed", KN_EVENT_WORKER_HEARTBEAT, 200, 8, 1, 0, 0},
        {"it tells how long it has been up", KN_EVENT_CUSTOM, 205, 8, 0, 15, 190},
        {"in a container, with the same pid", KN_EVENT_WORKER_ONLINE, 300, 8, 0, 0, 300},
        {"a clean stop", KN_EVENT_WORKER_OFFLINE, 400, 8, 0, 0, 300},
        {"and a start with the same pid", KN_EVENT_WORKER_ONLINE, 410, 8, 0, 0, 410},
        {"another worker of this name, which is older", KN_EVENT_CUSTOM, 420, 9, 0, 419, 410},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        int64_t at = AT + cases[i].at * KN_SECOND;
        struct kn_msg_event one = event(cases[i].type, NULL, cases[i].at * KN_SECOND);
        struct kn_msg_worker_inspect answer = {.source = KN_STR("default"),
                                               .hostname = KN_STR("w1@h"),
                                               .at = at,
                                               .pid = cases[i].pid,
                                               .uptime = KN_SOME_F64(cases[i].uptime)};
        one.pid = cases[i].pid;
        one.received_at = one.timestamp;
        one.processed = KN_SOME_I64(cases[i].processed);
        if (cases[i].type == KN_EVENT_CUSTOM)
            commit_one(rig, KN_KIND_WORKER_INSPECT, &answer);
        else
            rig_ingest(rig, &one, 1, NULL);
        if (worker_of(rig, "w1@h").started_at != AT + cases[i].want * KN_SECOND)
            fail_msg("%s", cases[i].what);
    }
    /* a connection that was lost and found is no restart, and a start that was missed is one */
    static const struct kn_msg_worker_moment want[] = {
        {AT, KN_WORKER_CHANGE_ONLINE},
        {AT + 190 * KN_SECOND, KN_WORKER_CHANGE_RESTART},
        {AT + 300 * KN_SECOND, KN_WORKER_CHANGE_RESTART},
        {AT + 400 * KN_SECOND, KN_WORKER_CHANGE_OFFLINE},
        {AT + 410 * KN_SECOND, KN_WORKER_CHANGE_ONLINE},
    };
    struct kn_msg_worker_life life;
    const struct kn_msg_worker_life_get get = {
        .id = KN_STR("w1@h"), .from = AT, .to = AT + 500 * KN_SECOND};
    assert_int_equal(store_read_worker_life(rig->reader, &get, &rig->arena, &life), KN_OK);
    assert_int_equal(life.items.count, KN_COUNT_OF(want));
    for (size_t i = 0; i < KN_COUNT_OF(want); i++) {
        assert_int_equal(life.items.items[i].at, want[i].at);
        assert_int_equal(life.items.items[i].change, want[i].change);
    }
}

static void two_workers_that_take_turns_are_noticed(void **state)
{
    struct rig *rig = *state;
    static const struct {
        enum kn_event_type type;
        int64_t at; /* seconds */
        uint64_t pid;
        int64_t twins_at; /* seconds; 0: none */
    } cases[] = {
        {KN_EVENT_WORKER_ONLINE, 1, 7, 0},       {KN_EVENT_WORKER_HEARTBEAT, 2, 7, 0},
        {KN_EVENT_WORKER_ONLINE, 3, 8, 0}, /* restarted, and the old process says that it goes */
        {KN_EVENT_WORKER_OFFLINE, 4, 7, 0},      {KN_EVENT_WORKER_ONLINE, 5, 9, 0},
        {KN_EVENT_WORKER_HEARTBEAT, 6, 9, 0},    {KN_EVENT_WORKER_ONLINE, 7, 10, 0},
        {KN_EVENT_WORKER_HEARTBEAT, 8, 9, 8},    {KN_EVENT_WORKER_HEARTBEAT, 9, 9, 8},
        {KN_EVENT_WORKER_HEARTBEAT, 10, 10, 10},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_msg_event one = event(cases[i].type, NULL, cases[i].at * KN_SECOND);
        one.pid = cases[i].pid;
        one.received_at = one.timestamp;
        rig_ingest(rig, &one, 1, NULL);
        assert_int_equal(worker_of(rig, "w1@h").twins_at,
                         cases[i].twins_at ? AT + cases[i].twins_at * KN_SECOND : 0);
    }
}

static void events_come_with_their_task_and_its_workers(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event sent = event(KN_EVENT_TASK_SENT, "t", 100);
    struct kn_msg_task_events_get get = {.id = KN_STR("t")};
    struct kn_msg_task_event_list list;
    const char *why;
    const struct kn_msg_worker_inspect inspect = {.source = KN_STR("default"),
                                                  .hostname = KN_STR("w1@h"),
                                                  .at = 100,
                                                  .conf = KN_STR("{\"a\":1}"),
                                                  .stats = KN_STR("{\"b\":2}")};
    rig_ingest(rig, &sent, 1, NULL);
    commit_one(rig, KN_KIND_WORKER_INSPECT, &inspect);
    assert_int_equal(store_read_events(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    assert_true(!list.task && !list.workers);
    get.with_task = get.with_workers = true;
    assert_int_equal(store_read_events(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    assert_int_equal(list.items.count, 1);
    assert_text(list.task->id, "t");
    assert_text(list.task->source, "default");
    assert_int_equal(list.workers->items.count, 1);
    assert_text(list.workers->items.items[0].conf, "{\"a\":1}");
    assert_false(list.workers->items.items[0].stats.ptr);
    get.id = KN_STR("nobody");
    assert_int_equal(store_read_events(rig->reader, &get, &rig->arena, &list, &why), KN_NOT_FOUND);
    assert_null(why);
}

static void answers_of_a_worker_leave_what_they_do_not_say(void **state)
{
    struct rig *rig = *state;
    struct kn_str queues[] = {KN_STR("celery"), KN_STR("fast")};
    struct kn_msg_worker_inspect answer = {.source = KN_STR("default"),
                                           .hostname = KN_STR("w1@h"),
                                           .at = AT + 5 * KN_SECOND,
                                           .pool = KN_STR("prefork"),
                                           .concurrency = KN_SOME_I64(4),
                                           .uptime = KN_SOME_F64(5),
                                           .conf = KN_STR("{}"),
                                           .queues = {queues, 2},
                                           .has_queues = true};
    commit_one(rig, KN_KIND_WORKER_INSPECT, &answer);
    answer = (struct kn_msg_worker_inspect){.source = KN_STR("default"),
                                            .hostname = KN_STR("w1@h"),
                                            .at = AT + 6 * KN_SECOND,
                                            .cpu_percent = KN_SOME_F64(12.5)};
    commit_one(rig, KN_KIND_WORKER_INSPECT, &answer);
    rig_reopen(rig);
    struct kn_msg_worker worker = worker_of(rig, "w1@h");
    assert_text(worker.pool, "prefork");
    assert_text(worker.conf, "{}");
    assert_int_equal(worker.concurrency.value, 4);
    assert_true(worker.cpu_percent.value == 12.5);
    assert_int_equal(worker.queues.count, 2);
    assert_int_equal(worker.started_at, AT);
    assert_int_equal(worker.status, KN_WORKER_ONLINE);
    struct kn_msg_known_queues known;
    assert_int_equal(store_read_known_queues(rig->reader, KN_STR("default"), &rig->arena, &known),
                     KN_OK);
    assert_int_equal(known.names.count, 2);
    assert_text(known.names.items[1], "fast");
    struct kn_msg_queue_list list;
    const struct kn_msg_queues_get get = {0};
    assert_int_equal(store_read_queues(rig->reader, &get, &rig->arena, &list), KN_OK);
    assert_int_equal(list.items.count, 2);
    assert_text(list.items.items[0].workers.items[0], "w1@h");
}

static void queues_keep_their_latest_depth_and_a_history(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_queue_priority priorities[] = {{0, 3}, {9, 2}};
    struct kn_msg_queue_depth depths[] = {
        {.name = KN_STR("celery"), .at = AT + 2, .messages = 5, .unacked = KN_SOME_I64(1)},
        {.name = KN_STR("celery"), .at = AT + 1, .messages = 9},
        {.name = KN_STR("other"), .at = AT + 1, .messages = 1}};
    depths[0].priorities.items = priorities;
    depths[0].priorities.count = 2;
    struct kn_msg_gap gap = {.from = AT, .to = AT + 5, .reason = KN_STR("connection lost")};
    struct kn_msg_ingest_batch batch = {
        .source = KN_STR("s"), .epoch = 1, .seq = 1, .received = 10, .invalid = 2, .lost = 3};
    batch.queues.items = depths;
    batch.queues.count = 3;
    batch.gaps.items = &gap;
    batch.gaps.count = 1;
    commit_one(rig, KN_KIND_INGEST_BATCH, &batch);
    struct kn_msg_queue_list list;
    const struct kn_msg_queues_get get = {
        .name = KN_STR("celery"), .from = AT, .to = AT + KN_MINUTE};
    assert_int_equal(store_read_queues(rig->reader, &get, &rig->arena, &list), KN_OK);
    assert_int_equal(list.items.count, 1);
    const struct kn_msg_queue *queue = &list.items.items[0];
    assert_int_equal(queue->messages.value, 5);
    assert_int_equal(queue->unacked.value, 1);
    assert_int_equal(queue->priorities.count, 2);
    assert_int_equal(queue->history.count, 1);
    assert_int_equal(queue->history.items[0].messages, 9);
    assert_int_equal(queue->history.items[0].lowest.value, 5);
    struct kn_msg_system system = system_of(rig);
    assert_int_equal(system.ingestion.count, 1);
    assert_int_equal(system.ingestion.items[0].events_lost, 3);
    assert_int_equal(system.ingestion.items[0].gaps.count, 1);
    assert_text(system.ingestion.items[0].gaps.items[0].reason, "connection lost");
}

/* What nobody was there to receive: from where the source was complete to where the next
 * process began. */
static void an_ingestion_that_begins_late_leaves_a_gap(void **state)
{
    struct rig *rig = *state;
    const int64_t t = kn_time_now() - KN_HOUR;
    static const struct {
        uint64_t epoch, seq;
        int64_t begins, to; /* seconds after t; 0: not said */
        size_t gaps;
        int64_t from;
    } cases[] = {
        {1, 1, 10, 20, 0, 0},  /* the first of all */
        {11, 1, 11, 19, 0, 0}, /* one that began beside it, and says so late */
        {1, 2, 10, 30, 0, 0},
        {1, 4, 10, 50, 0, 0}, /* batch 3 is missing: complete to 30 only */
        {2, 1, 60, 0, 0, 0},  /* the next process */
        {2, 2, 60, 64, 1, 30},
        {2, 3, 60, 65, 1, 30},
        {1, 3, 10, 40, 1, 30}, /* from a spool, late */
        {3, 1, 63, 70, 1, 30}, /* another one, while the second goes on */
        {2, 4, 60, 72, 1, 30},
        {4, 1, 80, 90, 2, 72},   /* after both have ended */
        {5, 1, 0, 95, 2, 72},    /* RabbitMQ: it has missed nothing */
        {6, 1, 0, 90000, 2, 72}, /* a clock that is wrong by a day */
        {7, 1, 96, 100, 2, 72},  /* and was put right: nobody knows */
        {8, 1, 110, 120, 3, 100},
        {9, 1, 130, 0, 3, 100},   /* killed before it said more */
        {9, 2, 130, 132, 3, 100}, /* another one may have been there */
        {10, 1, 140, 143, 4, 120},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        const struct kn_msg_ingest_batch batch = {
            .source = KN_STR("s"),
            .epoch = cases[i].epoch,
            .seq = cases[i].seq,
            .begins_at = cases[i].begins ? t + cases[i].begins * KN_SECOND : 0,
            .complete_to = cases[i].to ? t + cases[i].to * KN_SECOND : 0};
        commit_one(rig, KN_KIND_INGEST_BATCH, &batch);
        struct kn_msg_system system = system_of(rig);
        const struct kn_msg_source_status *source = &system.ingestion.items[0];
        assert_int_equal(source->gaps.count, cases[i].gaps);
        if (cases[i].gaps)
            assert_int_equal(source->gaps.items[0].from, t + cases[i].from * KN_SECOND);
        if (cases[i].gaps == 1)
            assert_int_equal(source->gaps.items[0].to, t + 60 * KN_SECOND);
    }
}

/* The one that is given up is the one that never came; those behind it still count. */
static void a_batch_that_never_comes_takes_no_other_with_it(void **state)
{
    struct rig *rig = *state;
    enum { LAST = 1030 };
    for (uint64_t seq = 1; seq <= LAST; seq++) {
        if (seq <= 3 || seq == 6)
            continue; /* 1 and 2 come late, 3 never does */
        struct kn_msg_ingest_batch batch = {.source = KN_STR("s"), .epoch = 1, .seq = seq};
        commit_one(rig, KN_KIND_INGEST_BATCH, &batch);
        if (seq == 5 + 1023) { /* now it holds as many as it can */
            for (uint64_t late = 1; late <= 2; late++) {
                batch.seq = late;
                struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
                const struct kn_msg_feed *feed;
                assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
                assert_false(change.ack.again);
            }
        }
    }
    struct kn_msg_ingest_batch batch = {.source = KN_STR("s"), .epoch = 1, .seq = 6};
    struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
    const struct kn_msg_feed *feed;
    assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
    assert_false(change.ack.again);
}

/* ---- feed and rollups ---------------------------------------------------------------- */

static struct kn_msg_feed_list feed_from(struct rig *rig, uint64_t from, uint64_t max)
{
    struct kn_msg_feed_list list;
    const struct kn_msg_feed_get get = {.from = from, .max = max};
    assert_int_equal(store_read_feed(rig->reader, &get, &rig->arena, &list), KN_OK);
    return list;
}

static void the_feed_has_no_holes_and_survives_restarts(void **state)
{
    struct rig *rig = *state;
    char id[64];
    const struct kn_msg_feed *feed;
    for (int i = 0; i < 5; i++) {
        struct kn_msg_event e = event(KN_EVENT_TASK_STARTED, "t", i);
        rig_ingest(rig, &e, 1, &feed);
        assert_int_equal(feed->number, i + 1);
        assert_int_equal(feed->tasks.count, 1);
        assert_int_equal(feed->tasks.items[0].created, i == 0);
        assert_int_equal(feed->events, 1);
        assert_text(feed->source, "default");
        if (i == 2) {
            snprintf(id, sizeof id, "%.*s", KN_STR_ARG(feed->feed));
            rig_reopen(rig);
        }
    }
    assert_text(feed->feed, id);
    struct kn_msg_feed_list list = feed_from(rig, 2, 3);
    assert_int_equal(list.oldest, 1);
    assert_int_equal(list.newest, 5);
    assert_text(list.feed, id);
    assert_int_equal(list.items.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(list.items.items[i].number, i + 2);
        assert_int_equal(list.items.items[i].tasks.count, 0);
        assert_int_equal(list.items.items[i].deltas.count, 1);
    }
    assert_int_equal(feed_from(rig, UINT64_MAX, 10).items.count, 0);
}

/* What a reader has missed must not be held in memory at once, on either side. */
static void large_commits_are_read_back_a_few_at_a_time(void **state)
{
    struct rig *rig = *state;
    enum { COMMITS = 12, SIZE = 300 * 1024 };
    char *text = kn_arena_alloc(&rig->arena, SIZE);
    assert_non_null(text);
    memset(text, 'x', SIZE);
    for (int i = 1; i <= COMMITS; i++) {
        struct kn_msg_event online = event(KN_EVENT_WORKER_ONLINE, NULL, i * KN_MINUTE);
        online.sw_sys = (struct kn_str){text, SIZE};
        rig_ingest(rig, &online, 1, NULL);
    }
    for (uint64_t from = 1; from <= COMMITS;) {
        struct kn_msg_feed_list list = feed_from(rig, from, 100);
        assert_int_equal(list.newest, COMMITS);
        assert_int_equal(list.items.count, 4);
        for (size_t i = 0; i < list.items.count; i++)
            assert_int_equal(list.items.items[i].number, from++);
        kn_arena_reset(&rig->arena);
    }
}

static struct kn_msg_series_list series_of(struct rig *rig, const struct kn_msg_rollups_get *get)
{
    struct kn_msg_series_list list;
    const char *why = "";
    if (store_read_rollups(rig->reader, get, &rig->arena, &list, &why) != KN_OK)
        fail_msg("%s", why);
    return list;
}

static struct kn_str sketch(struct rig *rig, double value, int64_t n)
{
    struct kn_sketch s;
    struct kn_buf out;
    kn_sketch_init(&s);
    kn_buf_init(&out, 0);
    assert_int_equal(kn_sketch_add(&s, value, n), KN_OK);
    kn_sketch_encode(&s, &out);
    struct kn_str bytes = kn_arena_str(&rig->arena, kn_buf_view(&out));
    kn_sketch_fini(&s);
    kn_buf_fini(&out);
    return bytes;
}

static enum kn_status put_rollups(struct rig *rig, const struct kn_msg_rollup_put *put)
{
    struct store_change change = {.kind = KN_KIND_ROLLUP_PUT, .msg = put};
    const struct kn_msg_feed *feed;
    assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
    assert_null(feed);
    return change.status;
}

static void rollups_add_up_and_move_the_reader_once(void **state)
{
    struct rig *rig = *state;
    int64_t hour = AT / KN_HOUR * KN_HOUR;
    struct kn_msg_rollup rows[] = {
        {.minute = hour,
         .source = KN_STR("s"),
         .name = KN_STR("a"),
         .status = KN_TASK_SUCCESS,
         .count = 2,
         .runtime = sketch(rig, 0.5, 2)},
        {.minute = hour + 61 * KN_MINUTE,
         .source = KN_STR("s"),
         .name = KN_STR("b"),
         .status = KN_TASK_FAILURE,
         .count = 5,
         .wait = sketch(rig, 2.0, 1)},
    };
    struct kn_msg_rollup_put put = {
        .reader = KN_STR("aggregation"), .feed = KN_STR("f"), .from = 0, .to = 3};
    put.rows.items = rows;
    put.rows.count = 2;
    assert_int_equal(put_rollups(rig, &put), KN_OK);
    assert_int_equal(put_rollups(rig, &put), KN_CONFLICT);
    put.from = 3;
    put.to = 4;
    put.rows.count = 1;
    assert_int_equal(put_rollups(rig, &put), KN_OK);
    struct kn_msg_reader_position position;
    assert_int_equal(
        store_read_position(rig->reader, KN_STR("aggregation"), &rig->arena, &position), KN_OK);
    assert_int_equal(position.number, 4);
    static const uint64_t steps[] = {0, 60, 3600, 86400};
    for (size_t i = 0; i < KN_COUNT_OF(steps); i++) {
        struct kn_msg_rollups_get get = {.from = hour, .to = hour + 3 * KN_HOUR, .step = steps[i]};
        struct kn_msg_series_list list = series_of(rig, &get);
        assert_int_equal(list.series.count, 1);
        int64_t success = 0, failure = 0;
        uint64_t runtimes = 0, waits = 0;
        for (size_t p = 0; p < list.series.items[0].points.count; p++) {
            const struct kn_msg_point *point = &list.series.items[0].points.items[p];
            success += point->counts->success;
            failure += point->counts->failure;
            runtimes += point->runtime->count;
            waits += point->queue_wait->count;
            if (point->runtime->count)
                assert_true(point->runtime->p50.value > 0.49 && point->runtime->p50.value < 0.51);
        }
        assert_int_equal(success, 4);
        assert_int_equal(failure, 5);
        assert_int_equal(runtimes, 4);
        assert_int_equal(waits, 1);
    }
    struct kn_msg_rollups_get by_name = {
        .from = hour, .to = hour + 5 * KN_DAY, .limit = 1, .group_by = KN_STR("name")};
    struct kn_msg_series_list list = series_of(rig, &by_name);
    assert_int_equal(list.series.count, 1);
    assert_int_equal(list.groups_left_out, 1);
    assert_text(list.series.items[0].key, "b");
    struct kn_str only_a[] = {KN_STR("a")};
    by_name.names = (struct kn_strs){only_a, 1};
    list = series_of(rig, &by_name);
    assert_text(list.series.items[0].key, "a");
    assert_int_equal(list.series.items[0].points.items[0].counts->success, 4);
}

enum { FLOOD = 3000 };

/* "known" twice in each of two minutes, and as many others as a flood has, once each. */
static void put_flood(struct rig *rig, bool of_names, int64_t hour, uint64_t position)
{
    static struct kn_msg_rollup rows[FLOOD];
    struct kn_msg_rollup_put put = {
        .reader = KN_STR("aggregation"), .feed = KN_STR("f"), .from = position, .to = position + 1};
    for (size_t i = 0; i < FLOOD; i++) {
        char text[16];
        snprintf(text, sizeof text, "flood%zu", i);
        struct kn_str other = kn_arena_str(&rig->arena, kn_str_from(text));
        struct kn_str one = i < 2 ? KN_STR("known") : other;
        rows[i] = (struct kn_msg_rollup){.minute = hour + (i == 1 ? KN_MINUTE : 0),
                                         .source = KN_STR("s"),
                                         .name = of_names ? one : KN_STR("a"),
                                         .queue = of_names ? KN_STR("q") : one,
                                         .status = KN_TASK_SUCCESS,
                                         .count = i < 2 ? 2 : 1,
                                         .runtime = i < 2 ? sketch(rig, 0.5, 2) : KN_STR("")};
    }
    put.rows.items = rows;
    put.rows.count = 2;
    assert_int_equal(put_rollups(rig, &put), KN_OK);
    put.from++;
    put.to++;
    put.rows.items = rows + 2;
    put.rows.count = FLOOD - 2;
    assert_int_equal(put_rollups(rig, &put), KN_OK);
}

/* Figures by name, by queue: memory for the groups that are answered alone, and those exact. */
static void a_flood_of_groups_leaves_the_largest_exact(void **state)
{
    struct rig *rig = *state;
    int64_t hour = AT / KN_HOUR * KN_HOUR;
    static const char *const by[] = {"name", "queue"};
    static const uint64_t steps[] = {60, 0};
    for (size_t i = 0; i < KN_COUNT_OF(by); i++) {
        put_flood(rig, i == 0, hour + (int64_t)i * KN_DAY, 2 * i);
        for (size_t s = 0; s < KN_COUNT_OF(steps); s++) {
            struct kn_msg_rollups_get get = {.from = hour + (int64_t)i * KN_DAY,
                                             .to = hour + (int64_t)i * KN_DAY + 23 * KN_HOUR,
                                             .step = steps[s],
                                             .limit = 3,
                                             .group_by = kn_str_from(by[i])};
            struct kn_msg_series_list list = series_of(rig, &get);
            assert_int_equal(list.series.count, 3);
            assert_true(list.groups_left_out >= 900);
            assert_text(list.series.items[0].key, "known");
            const struct kn_msg_point *points = list.series.items[0].points.items;
            assert_int_equal(points[0].counts->success, steps[s] ? 2 : 4);
            assert_int_equal(points[0].runtime->count, steps[s] ? 2 : 4);
            if (steps[s])
                assert_int_equal(points[1].runtime->count, 2);
            kn_arena_reset(&rig->arena);
        }
    }
}

static void a_rebuild_counts_the_stored_events(void **state)
{
    struct rig *rig = *state;
    struct kn_arena arena;
    struct kn_msg_event *events = calloc(EVENTS_MAX, sizeof *events);
    kn_arena_init(&arena, 0);
    size_t n = 0;
    rig_seed(4711);
    for (unsigned i = 0; i < TASKS; i++)
        n += rig_task_life(&arena, i, AT + (int64_t)i * KN_SECOND, events + n, 8);
    rig_ingest(rig, events, n, NULL);
    struct kn_msg_rollup_put put = {.reader = KN_STR("aggregation"),
                                    .feed = KN_STR("elsewhere"),
                                    .from = 77,
                                    .to = 80,
                                    .rebuild = true};
    assert_int_equal(put_rollups(rig, &put), KN_OK);
    assert_int_equal(put_rollups(rig, &put), KN_OK);
    struct kn_msg_reader_position position;
    assert_int_equal(
        store_read_position(rig->reader, KN_STR("aggregation"), &rig->arena, &position), KN_OK);
    assert_int_equal(position.number, 1);
    struct kn_msg_rollups_get get = {.from = AT, .to = AT + KN_DAY};
    const struct kn_msg_event_counts *c =
        series_of(rig, &get).series.items[0].points.items[0].counts;
    size_t custom = 0;
    for (size_t i = 0; i < n; i++)
        custom += events[i].type == KN_EVENT_CUSTOM;
    assert_int_equal(c->pending + c->received + c->started + c->success + c->failure + c->retry +
                         c->revoked + c->rejected,
                     n - custom);
    free(events);
    kn_arena_fini(&arena);
}

static size_t events_of(struct rig *rig, const char *id)
{
    struct kn_msg_task_event_list list;
    const char *why;
    const struct kn_msg_task_events_get get = {.id = kn_str_from(id)};
    assert_int_equal(store_read_events(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    return list.items.count;
}

/* ---- what control learned ----------------------------------------------------------------- */

static int64_t counted(struct rollup_sums *sums, enum kn_task_status status)
{
    int64_t count = 0;
    for (size_t i = 0; i < sums->count; i++)
        count += sums->items[i].key.status == status ? sums->items[i].count : 0;
    return count;
}

static struct kn_msg_event learned(enum kn_event_type type, enum kn_origin origin, const char *id,
                                   int64_t at)
{
    struct kn_msg_event e = event(type, id, at);
    e.origin = (uint8_t)origin;
    e.clock = e.pid = 0;
    return e;
}

static void what_was_learned_counts_once_until_the_event_comes(void **state)
{
    struct rig *rig = *state;
    struct rollup_sums *sums = new_sums();
    const struct kn_msg_feed *feed;
    struct kn_msg_event received = event(KN_EVENT_TASK_RECEIVED, "t", 1),
                        lost = learned(KN_EVENT_TASK_ORPHANED, KN_ORIGIN_WORKER, "t", 50),
                        told = learned(KN_EVENT_TASK_SUCCEEDED, KN_ORIGIN_BACKEND, "t", 40),
                        real = event(KN_EVENT_TASK_SUCCEEDED, "t", 39);
    told.result_repr = KN_STR("'from the backend'");
    real.result_repr = KN_STR("'from the event'");
    real.runtime = KN_SOME_F64(2);
    rig_ingest(rig, &received, 1, &feed);
    add_feed(sums, feed);
    struct kn_msg_event *steps[] = {&lost, &told, &told, &real};
    static const struct {
        enum kn_task_status status;
        enum kn_origin from;
        const char *result;
    } wants[] = {{KN_TASK_ORPHANED, KN_ORIGIN_WORKER, NULL},
                 {KN_TASK_SUCCESS, KN_ORIGIN_BACKEND, "'from the backend'"},
                 {KN_TASK_SUCCESS, KN_ORIGIN_BACKEND, "'from the backend'"},
                 {KN_TASK_SUCCESS, KN_ORIGIN_EVENTS, "'from the event'"}};
    for (size_t i = 0; i < KN_COUNT_OF(steps); i++) {
        assert_int_equal(rig_ingest(rig, steps[i], 1, &feed).stored, i == 3);
        add_feed(sums, feed);
        rig_reopen(rig);
        struct kn_msg_task task = task_of(rig, "t");
        assert_int_equal(task.status, wants[i].status);
        assert_int_equal(task.status_from, wants[i].from);
        assert_text(task.result_repr, wants[i].result);
        assert_int_equal(counted(sums, KN_TASK_ORPHANED), 1);
        assert_int_equal(counted(sums, KN_TASK_SUCCESS), i > 0);
        assert_int_equal(events_of(rig, "t"), i < 2 ? i + 2 : i + 1);
    }
    char *all = sums_text(sums), *again = recounted(rig);
    assert_string_equal(all, again);
    free(all);
    free(again);
    assert_int_equal(worker_of(rig, "w1@h").last_seen, AT + 39);
}

static struct kn_msg_overdue_list overdue_of(struct rig *rig, enum kn_task_status status,
                                             uint64_t after, uint64_t limit)
{
    struct kn_msg_overdue_list list;
    const struct kn_msg_overdue_get get = {.source = KN_STR("default"),
                                           .status = (uint8_t)status,
                                           .after = after,
                                           .limit = limit,
                                           .after_us = 10 * KN_SECOND};
    assert_int_equal(store_read_overdue(rig->reader, &get, &rig->arena, &list), KN_OK);
    return list;
}

static void overdue_tasks_are_those_that_take_longer_than_their_name_does(void **state)
{
    struct rig *rig = *state;
    int64_t now = kn_time_now(), today = now / KN_DAY * KN_DAY;
    struct kn_msg_rollup row = {.minute = today,
                                .source = KN_STR("default"),
                                .name = KN_STR("slow"),
                                .status = KN_TASK_SUCCESS,
                                .count = 9,
                                .runtime = sketch(rig, 60, 9)};
    struct kn_msg_rollup_put put = {.reader = KN_STR("r"), .feed = KN_STR("f"), .to = 1};
    put.rows.items = &row;
    put.rows.count = 1;
    const struct {
        const char *id;
        enum kn_event_type type;
        const char *name;
        int64_t age, eta; /* seconds ago, and from now */
        bool want;
    } tasks[] = {
        {"young", KN_EVENT_TASK_STARTED, "fast", 9, 0, false},
        {"old", KN_EVENT_TASK_STARTED, "fast", 15, 0, true},
        {"slow", KN_EVENT_TASK_STARTED, "slow", 90, 0, false},
        {"slower", KN_EVENT_TASK_STARTED, "slow", 150, 0, true},
        {"done", KN_EVENT_TASK_SUCCEEDED, "fast", 15, 0, false},
        {"waiting", KN_EVENT_TASK_RECEIVED, "fast", 15, 5, false},
        {"reserved", KN_EVENT_TASK_RECEIVED, "fast", 15, -12, true},
    };
    struct kn_msg_event events[KN_COUNT_OF(tasks)];
    for (size_t i = 0; i < KN_COUNT_OF(tasks); i++) {
        events[i] = event(tasks[i].type, tasks[i].id, 0);
        events[i].timestamp = now - tasks[i].age * KN_SECOND;
        events[i].name = kn_str_from(tasks[i].name);
        events[i].eta = tasks[i].eta ? now + tasks[i].eta * KN_SECOND : 0;
        struct kn_msg_event known = events[i];
        known.type = KN_EVENT_TASK_RECEIVED; /* it alone brings the name */
        known.timestamp -= 1;
        rig_ingest(rig, (struct kn_msg_event[]){known, events[i]}, 2, NULL);
    }
    assert_int_equal(put_rollups(rig, &put), KN_OK);
    size_t wanted = 0, found = 0;
    for (unsigned s = 0; s < KN_TASK_STATUS_COUNT; s++) {
        uint64_t after = 0;
        do { /* one by one: the walk goes on where it was */
            struct kn_msg_overdue_list list = overdue_of(rig, (enum kn_task_status)s, after, 1);
            for (size_t i = 0; i < list.items.count; i++, found++) {
                bool known = false;
                for (size_t t = 0; t < KN_COUNT_OF(tasks); t++)
                    known |= tasks[t].want &&
                             merge_status_of_type(
                                 (enum merge_type)(tasks[t].type - KN_EVENT_TASK_SENT)) == s &&
                             kn_str_eq(list.items.items[i].id, kn_str_from(tasks[t].id));
                assert_true(known || s == KN_TASK_SUCCESS); /* control asks for unfinished ones */
                found -= s == KN_TASK_SUCCESS;
                assert_text(list.items.items[i].worker, "w1@h");
            }
            after = list.next;
        } while (after);
    }
    for (size_t t = 0; t < KN_COUNT_OF(tasks); t++)
        wanted += tasks[t].want;
    assert_int_equal(found, wanted);
    struct kn_msg_overdue_list list = overdue_of(rig, KN_TASK_STARTED, 0, 0);
    assert_int_equal(list.next, 0);
    assert_int_equal(list.items.items[0].taken_at, now - 15 * KN_SECOND);
}

/* ---- retention ----------------------------------------------------------------------- */

enum { DAYS = 6, A_DAY = 150 };

/* Tasks of several days, each received and done a day later; the last day is today. */
static void fill_days(struct rig *rig)
{
    static char ids[A_DAY][16];
    struct kn_msg_event events[A_DAY * 2];
    int64_t now = kn_time_now() - KN_HOUR;
    for (int day = 0; day < DAYS; day++) {
        for (int i = 0; i < A_DAY; i++) {
            snprintf(ids[i], sizeof ids[i], "d%d-%d", day, i);
            events[2 * i] = event(KN_EVENT_TASK_RECEIVED, ids[i], i);
            events[2 * i].timestamp = now - (DAYS - day) * KN_DAY + i;
            events[2 * i + 1] = event(KN_EVENT_TASK_SUCCEEDED, ids[i], i);
            events[2 * i + 1].timestamp = events[2 * i].timestamp + KN_DAY;
        }
        rig_ingest(rig, events, A_DAY * 2, NULL);
    }
}

static void retain_all(struct rig *rig)
{
    bool more = true;
    for (size_t steps = 0; more; steps++) {
        assert_true(steps < 1000);
        if (store_retain(rig->store, &more) != KN_OK)
            fail_msg("%s", store_error(rig->store));
    }
}

static void retention_keeps_what_is_young(void **state)
{
    struct rig *rig = *state;
    uint64_t first;
    rig->keep_tasks_us = 3 * KN_DAY;
    rig_reopen(rig);
    fill_days(rig);
    retain_all(rig);
    /* done an hour, or one, two, three, four, five days and an hour ago */
    struct kn_msg_tasks_get all = {.limit = 100};
    assert_int_equal(walk(rig, &all, &first), 3 * A_DAY);
    assert_int_equal(system_of(rig).storage->tasks, 3 * A_DAY);
    assert_int_equal(events_of(rig, "d5-0"), 2);
    struct kn_msg_tasks_get from = {.from = kn_time_now() - 40 * KN_DAY, .limit = 100};
    assert_int_equal(walk(rig, &from, &first), 3 * A_DAY);
    struct kn_msg_event fresh = event(KN_EVENT_TASK_SENT, "fresh", 0);
    fresh.timestamp = kn_time_now();
    rig_ingest(rig, &fresh, 1, NULL);
    assert_int_equal(system_of(rig).storage->tasks, 3 * A_DAY + 1);
    /* one that went is nothing but what comes of it now */
    struct kn_msg_event late = event(KN_EVENT_TASK_STARTED, "d0-0", 1);
    late.timestamp = kn_time_now();
    rig_ingest(rig, &late, 1, NULL);
    assert_int_equal(system_of(rig).storage->tasks, 3 * A_DAY + 2);
    assert_int_equal(task_of(rig, "d0-0").status, KN_TASK_STARTED);
    assert_int_equal(task_of(rig, "d0-0").received_at, 0);
}

static void events_may_go_before_their_tasks(void **state)
{
    struct rig *rig = *state;
    uint64_t first;
    rig->keep_tasks_us = 10 * KN_DAY;
    rig->keep_events_us = 2 * KN_DAY;
    rig_reopen(rig);
    fill_days(rig);
    retain_all(rig);
    struct kn_msg_tasks_get all = {.limit = 100};
    assert_int_equal(walk(rig, &all, &first), DAYS * A_DAY);
    assert_int_equal(events_of(rig, "d0-0"), 0);
    assert_int_equal(events_of(rig, "d5-0"), 2);
    assert_int_equal(task_of(rig, "d0-0").status, KN_TASK_SUCCESS);
}

/* ---- the program --------------------------------------------------------------------- */

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
    kn_log_setup("store_test", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(a_task_is_merged_over_several_batches),
        CASE(ids_and_texts_may_be_anything),
        CASE(events_come_back_in_order_and_page_by_page),
        CASE(events_come_with_their_task_and_its_workers),
        CASE(a_batch_seen_before_is_answered_and_not_applied),
        CASE(the_same_batch_twice_in_one_commit_counts_once),
        CASE(any_order_and_repetition_gives_the_same_tables),
        CASE(an_event_whose_time_was_corrected_in_another_way_is_the_same),
        CASE(a_worker_is_not_online_until_a_forged_time_comes),
        CASE(the_list_filters_and_pages),
        CASE(a_period_has_the_tasks_that_began_in_it),
        CASE(the_list_refuses_what_it_does_not_know),
        CASE(pages_stay_stable_while_tasks_arrive),
        CASE(a_worker_is_what_it_says_unless_it_is_silent),
        CASE(a_worker_starts_with_its_process_and_not_with_its_connection),
        CASE(whether_events_are_on_is_open_again_when_a_worker_was_started_anew),
        CASE(two_workers_that_take_turns_are_noticed),
        CASE(answers_of_a_worker_leave_what_they_do_not_say),
        CASE(queues_keep_their_latest_depth_and_a_history),
        CASE(an_ingestion_that_begins_late_leaves_a_gap),
        CASE(a_batch_that_never_comes_takes_no_other_with_it),
        CASE(the_feed_has_no_holes_and_survives_restarts),
        CASE(large_commits_are_read_back_a_few_at_a_time),
        CASE(rollups_add_up_and_move_the_reader_once),
        CASE(a_flood_of_groups_leaves_the_largest_exact),
        CASE(a_rebuild_counts_the_stored_events),
        CASE(what_was_learned_counts_once_until_the_event_comes),
        CASE(overdue_tasks_are_those_that_take_longer_than_their_name_does),
        CASE(retention_keeps_what_is_young),
        CASE(events_may_go_before_their_tasks),
    };
    return RIG_RUN(tests, &on_postgres);
}
