/* What is deleted after a while; on each database. */
#include "services/storage/store_rig_test.h"

#include <stdio.h>

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

int main(void)
{
    kn_log_setup("store_test_retain", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(retention_keeps_what_is_young),
        CASE(events_may_go_before_their_tasks),
    };
    return RIG_RUN(tests, &on_postgres);
}
