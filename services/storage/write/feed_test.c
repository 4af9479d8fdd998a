/* The feed and the rollups that are made from it; on each database. */
#include "services/storage/store_rig_test.h"
#include "services/storage/task/deltas.h"

#include "services/common/count.h"
#include "services/common/data/sketch.h"

#include <stdio.h>

enum { TASKS = 60, EVENTS_MAX = TASKS * 11 };

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

/* The end that no longer counts as one reaches those who read the feed. */
static void the_feed_takes_an_end_back(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event ends[] = {event(KN_EVENT_TASK_FAILED, "t", 0),
                                        event(KN_EVENT_TASK_SUCCEEDED, "t", KN_MINUTE)};
    for (size_t i = 0; i < KN_COUNT_OF(ends); i++)
        rig_ingest(rig, &ends[i], 1, NULL);
    struct kn_msg_feed_list list = feed_from(rig, 1, 10);
    assert_int_equal(list.items.count, 2);
    int64_t failures = 0, failed_tasks = 0;
    for (size_t i = 0; i < list.items.count; i++) {
        for (size_t j = 0; j < list.items.items[i].deltas.count; j++) {
            const struct kn_msg_rollup_delta *delta = &list.items.items[i].deltas.items[j];
            failures += delta->status == KN_TASK_FAILURE ? delta->count : 0;
            failed_tasks += delta->status % EXTRA_TASKS == KN_TASK_FAILURE ? delta->count : 0;
        }
    }
    assert_int_equal(failures, 1);
    assert_int_equal(failed_tasks, 0);
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

/* ---- overdue tasks ------------------------------------------------------------------- */

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

/* ---- the program --------------------------------------------------------------------- */

int main(void)
{
    kn_log_setup("store_test_feed", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(the_feed_has_no_holes_and_survives_restarts),
        CASE(the_feed_takes_an_end_back),
        CASE(large_commits_are_read_back_a_few_at_a_time),
        CASE(rollups_add_up_and_move_the_reader_once),
        CASE(a_flood_of_groups_leaves_the_largest_exact),
        CASE(a_rebuild_counts_the_stored_events),
        CASE(overdue_tasks_are_those_that_take_longer_than_their_name_does),
    };
    return RIG_RUN(tests, &on_postgres);
}
