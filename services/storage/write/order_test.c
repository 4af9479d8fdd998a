/* Whatever the order and the clocks, and whatever comes twice; on each database. */
#include "services/storage/store_rig_test.h"

#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/data/sketch.h"
#include "services/storage/write/recount.h"

#include <stdio.h>

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
            kn_buf_printf(&out, "%ld %.*s %.*s %.*s %.*s %u: %ld ", (long)s->key.minute,
                          KN_STR_ARG(s->key.source), KN_STR_ARG(s->key.name),
                          KN_STR_ARG(s->key.queue), KN_STR_ARG(s->key.worker),
                          (unsigned)s->key.status, (long)s->count);
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

/* ---- the program --------------------------------------------------------------------- */

int main(void)
{
    kn_log_setup("store_test_order", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(a_batch_seen_before_is_answered_and_not_applied),
        CASE(the_same_batch_twice_in_one_commit_counts_once),
        CASE(any_order_and_repetition_gives_the_same_tables),
        CASE(an_event_whose_time_was_corrected_in_another_way_is_the_same),
        CASE(a_worker_is_not_online_until_a_forged_time_comes),
        CASE(what_was_learned_counts_once_until_the_event_comes),
    };
    return RIG_RUN(tests, &on_postgres);
}
