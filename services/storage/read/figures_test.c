/* Every figure of ended tasks is the number of tasks in the list that it stands for; on each
 * database. KANCHI_FIGURES_TASKS: of how many tasks, KANCHI_FIGURES_SEED: the same run again. */
#include "services/storage/store_rig_test.h"

#include "services/common/count.h"

#include <stdio.h>

enum { LIFE_MAX = 24, BATCH = 900, PERIODS = 10 };
#define PACE (KN_SECOND / 4) /* between the first events of two tasks */

static int64_t from_environment(const char *name, int64_t fallback)
{
    const char *text = getenv(name);
    return text && *text ? atoll(text) : fallback;
}

/* ---- tasks that are redelivered, retried, lost, and end twice ------------------------------- */

struct batch {
    struct rig *rig;
    struct kn_arena arena;
    struct kn_msg_event events[BATCH + 2 * LIFE_MAX];
    size_t count;
};

static void commit(struct batch *batch)
{
    rig_ingest(batch->rig, batch->events, batch->count, NULL);
    batch->count = 0;
    kn_arena_reset(&batch->arena);
}

static void add(struct batch *batch, const struct kn_msg_event *like, enum kn_event_type type,
                int64_t at, struct kn_str host)
{
    struct kn_msg_event *e = &batch->events[batch->count++];
    *e = (struct kn_msg_event){.type = (uint8_t)type,
                               .uuid = like->uuid,
                               .hostname = host,
                               .timestamp = at,
                               .clock = like->clock + 100,
                               .pid = 8,
                               .received_at = at + 5};
    if (type == KN_EVENT_TASK_ORPHANED)
        e->origin = KN_ORIGIN_WORKER;
}

static void add_task(struct batch *batch, unsigned i)
{
    static const struct kn_str hosts[] = {{"worker0@b", 9}, {"worker9@b", 9}};
    int64_t at = AT + (int64_t)i * PACE;
    struct kn_msg_event *life = &batch->events[batch->count];
    size_t n = rig_task_life(&batch->arena, i, at, life, LIFE_MAX);
    struct kn_str host = hosts[rig_below(2)];
    int64_t end = life[n - 1].timestamp + 5 * KN_SECOND + (int64_t)rig_below(90000000);
    const struct kn_msg_event *like = &life[n - 1];
    batch->count += n;
    switch (rig_below(12)) {
    case 0: /* it runs again, somewhere */
        add(batch, like, KN_EVENT_TASK_RECEIVED, end, host);
        add(batch, like, KN_EVENT_TASK_STARTED, end + KN_SECOND, host);
        break;
    case 1:
        add(batch, like, KN_EVENT_TASK_RECEIVED, end, host);
        add(batch, like, KN_EVENT_TASK_FAILED, end + 3 * KN_SECOND, host);
        break;
    case 2:
        add(batch, like, KN_EVENT_TASK_FAILED, end, host);
        add(batch, like, KN_EVENT_TASK_FAILED, end + 70 * KN_SECOND, host);
        break;
    case 3:
        add(batch, like, KN_EVENT_TASK_ORPHANED, end, host);
        break;
    default:
        break;
    }
    if (batch->count >= BATCH)
        commit(batch);
}

static void fill(struct rig *rig, unsigned tasks)
{
    struct batch *batch = calloc(1, sizeof *batch);
    assert_non_null(batch);
    batch->rig = rig;
    kn_arena_init(&batch->arena, 0);
    for (unsigned i = 0; i < tasks; i++)
        add_task(batch, i);
    commit(batch);
    kn_arena_fini(&batch->arena);
    free(batch);
}

/* ---- figures and lists ------------------------------------------------------------------------
 */

static const enum kn_task_status finals[] = {KN_TASK_SUCCESS, KN_TASK_FAILURE, KN_TASK_REVOKED,
                                             KN_TASK_REJECTED, KN_TASK_ORPHANED};

static int64_t count_of(const struct kn_msg_event_counts *counts, enum kn_task_status status)
{
    const int64_t numbers[KN_TASK_STATUS_COUNT] = {
        [KN_TASK_SUCCESS] = counts->success,   [KN_TASK_FAILURE] = counts->failure,
        [KN_TASK_REVOKED] = counts->revoked,   [KN_TASK_REJECTED] = counts->rejected,
        [KN_TASK_ORPHANED] = counts->orphaned,
    };
    return numbers[status];
}

static struct kn_strs *filter_of(struct kn_msg_tasks_get *get, struct kn_str group_by)
{
    if (kn_str_eq(group_by, KN_STR("name")))
        return &get->names;
    if (kn_str_eq(group_by, KN_STR("worker")))
        return &get->workers;
    return kn_str_eq(group_by, KN_STR("queue")) ? &get->queues : &get->sources;
}

/* Tasks of a status that ended in the period, in a group. */
static int64_t listed(struct rig *rig, int64_t from, int64_t to, enum kn_task_status status,
                      struct kn_str group_by, struct kn_str key)
{
    struct kn_str word = kn_str_from(kn_enum_text(&kn_enum_task_status, status));
    struct kn_msg_tasks_get get = {
        .statuses = {&word, 1}, .from = from, .to = to, .by_end = true, .limit = 500};
    int64_t count = 0;
    if (key.ptr)
        *filter_of(&get, group_by) = (struct kn_strs){&key, 1};
    struct kn_arena kept = rig->arena, pages[2];
    kn_arena_init(&pages[0], 0);
    kn_arena_init(&pages[1], 0);
    for (unsigned turn = 0;; turn = !turn) { /* the page before has the cursor */
        kn_arena_reset(&pages[turn]);
        rig->arena = pages[turn];
        struct kn_msg_task_list list = list_of(rig, &get);
        pages[turn] = rig->arena;
        count += (int64_t)list.items.count;
        get.cursor = list.next_cursor;
        if (!get.cursor.ptr)
            break;
    }
    rig->arena = kept;
    kn_arena_fini(&pages[0]);
    kn_arena_fini(&pages[1]);
    return count;
}

static void expect_point(struct rig *rig, const struct kn_msg_point *point, int64_t from,
                         int64_t to, struct kn_str group_by, struct kn_str key)
{
    for (size_t f = 0; f < KN_COUNT_OF(finals); f++) {
        int64_t figure = count_of(point->tasks, finals[f]);
        int64_t list = listed(rig, from, to, finals[f], group_by, key);
        if (figure != list)
            fail_msg("%lld min to %lld min, %s, %.*s %.*s: the figure is %lld, the list has %lld",
                     (long long)((from - AT) / KN_MINUTE), (long long)((to - AT) / KN_MINUTE),
                     kn_enum_text(&kn_enum_task_status, finals[f]), KN_STR_ARG(group_by),
                     KN_STR_ARG(key), (long long)figure, (long long)list);
    }
}

/* Totals, or the steps of a time series. */
static void expect_figures(struct rig *rig, int64_t from, int64_t to, uint64_t step,
                           struct kn_str group_by)
{
    const struct kn_msg_rollups_get get = {
        .from = from, .to = to, .step = step, .group_by = group_by, .limit = 1000};
    struct kn_msg_series_list list;
    const char *why;
    assert_int_equal(store_read_rollups(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    assert_int_equal(list.groups_left_out, 0);
    for (size_t s = 0; s < list.series.count; s++) {
        const struct kn_msg_series *series = &list.series.items[s];
        if (!series->key.ptr && group_by.ptr)
            continue; /* there is no filter for what has no name */
        for (size_t p = 0; p < series->points.count; p++) {
            int64_t start = step ? series->points.items[p].at : from;
            int64_t end = step ? start + (int64_t)step * KN_SECOND : to;
            expect_point(rig, &series->points.items[p], start, end < list.to ? end : list.to,
                         group_by, series->key);
        }
    }
}

static void expect_failures(struct rig *rig, int64_t from, int64_t to)
{
    const struct kn_msg_failures_get get = {.from = from, .to = to, .limit = 100};
    struct kn_msg_failure_list list;
    const char *why;
    assert_int_equal(store_read_failures(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    for (size_t i = 0; list.complete && i < list.items.count; i++) {
        const struct kn_msg_failure_group *group = &list.items.items[i];
        int64_t count = 0;
        for (size_t k = 0; k < list.items.count; k++) /* the same name, other exceptions */
            if (kn_str_eq(list.items.items[k].name, group->name))
                count += (int64_t)list.items.items[k].count;
        if (group->name.len)
            assert_int_equal(listed(rig, from, to, KN_TASK_FAILURE, KN_STR("name"), group->name),
                             count);
    }
}

static void every_figure_is_the_number_of_the_tasks_in_its_list(void **state)
{
    struct rig *rig = *state;
    static const struct kn_str groups[] = {
        {0}, {"name", 4}, {"worker", 6}, {"queue", 5}, {"source", 6}};
    const struct kn_msg_rollup_put put = {
        .reader = KN_STR("aggregation"), .feed = KN_STR("f"), .rebuild = true};
    unsigned tasks = (unsigned)from_environment("KANCHI_FIGURES_TASKS", 3000);
    unsigned minutes = (unsigned)(tasks * PACE / KN_MINUTE) + 4;
    int64_t seed = from_environment("KANCHI_FIGURES_SEED", kn_time_now() & INT32_MAX);
    printf("KANCHI_FIGURES_SEED: %lld\n", (long long)seed);
    rig_seed((uint64_t)seed);
    fill(rig, tasks);
    assert_int_equal(put_rollups(rig, &put), KN_OK);
    for (unsigned round = 0; round < PERIODS; round++) {
        int64_t from = (AT / KN_MINUTE + rig_below(minutes)) * KN_MINUTE;
        int64_t to = from + (1 + rig_below(minutes < 60 ? minutes : 60)) * KN_MINUTE;
        for (size_t g = 0; g < KN_COUNT_OF(groups); g++)
            expect_figures(rig, from, to, 0, groups[g]);
        expect_figures(rig, from, to, 300, (struct kn_str){0});
        expect_failures(rig, from, to);
        kn_arena_reset(&rig->arena);
    }
}

int main(void)
{
    kn_log_setup("store_test_figures", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(every_figure_is_the_number_of_the_tasks_in_its_list),
    };
    return RIG_RUN(tests, &on_postgres);
}
