/* Retention: small steps between commits, so that writing never waits for long; rounds are a minute
 * apart. Tasks are swept in order of arrival, which is nearly the order of age: a sweep pauses when
 * it finds nothing for a while, continues from there in the next round, and starts over every few
 * hours for tasks out of order. On PostgreSQL whole partitions of events are dropped. */
#include "services/storage/retain/retain.h"
#include "services/common/count.h"
#include "services/common/text/time.h"
#include "services/storage/jobs/jobs.h"
#include "services/storage/write/rollups.h"
#include "services/storage/write/write.h"

#include <stdlib.h>

enum { TASKS_A_STEP = 200, IDLE_STEPS = 50, MINUTES_A_STEP = 60, VACUUM_PAGES = 256 };
#define ROUND_US (60 * KN_SECOND)
#define RESTART_US (6 * KN_HOUR)
#define MARKS_US (30 * KN_DAY)

static enum kn_status take_i64(void *arg, const struct db_value *columns)
{
    if (columns[0].kind == DB_I64)
        *(int64_t *)arg = columns[0].i64;
    return KN_OK;
}

/* ---- tasks and their events ---------------------------------------------------------- */

struct sweep {
    struct store *store;
    struct retain_sweep *at;
    int64_t before;
    struct db_value tasks[TASKS_A_STEP];      /* numbers */
    struct db_value states[2 * TASKS_A_STEP]; /* status, task */
    struct db_value events[2 * TASKS_A_STEP]; /* number, and before which time */
    struct db_value ends[2 * TASKS_A_STEP];   /* time, task */
    size_t n_tasks, n_states, n_events, n_ends, n_seen;
};

/* Columns: no, source, status, first_at (or the end, if that is before it), latest_at, end. */
static enum kn_status see_dead(void *arg, const struct db_value *columns)
{
    struct sweep *sweep = arg;
    sweep->n_seen++;
    sweep->at->after = db_as_i64(columns[0]);
    if (db_as_i64(columns[4]) >= sweep->before) {
        if (db_as_i64(columns[3]) < sweep->at->survivor)
            sweep->at->survivor = db_as_i64(columns[3]);
        return KN_OK;
    }
    if (store_has_state(db_as_i64(columns[2]))) {
        sweep->states[sweep->n_states++] = columns[2];
        sweep->states[sweep->n_states++] = columns[0];
    }
    if (columns[5].kind == DB_I64) {
        sweep->ends[sweep->n_ends++] = columns[5];
        sweep->ends[sweep->n_ends++] = columns[0];
    }
    sweep->tasks[sweep->n_tasks++] = columns[0];
    sweep->events[sweep->n_events++] = columns[0];
    sweep->events[sweep->n_events++] = db_i64(INT64_MAX);
    return store_count(sweep->store, db_as_i64(columns[1]),
                       (enum kn_task_status)db_as_i64(columns[2]), -1);
}

static enum kn_status see_stale(void *arg, const struct db_value *columns)
{
    struct sweep *sweep = arg;
    sweep->n_seen++;
    sweep->at->after = db_as_i64(columns[0]);
    if (db_as_i64(columns[3]) < sweep->before) {
        sweep->events[sweep->n_events++] = columns[0];
        sweep->events[sweep->n_events++] = db_i64(sweep->before);
    }
    return KN_OK;
}

/* Where the sweep stands after a step that found something, or nothing. */
static bool rests(struct sweep *sweep, bool found)
{
    struct retain_sweep *at = sweep->at;
    if (found) {
        at->idle = 0;
        at->idle_since = at->after;
        return false;
    }
    if (sweep->n_seen == TASKS_A_STEP && ++at->idle < IDLE_STEPS)
        return false;
    at->after = at->idle_since;
    at->idle = 0;
    return true;
}

static void restart_if_due(struct retain_sweep *at)
{
    if (kn_time_mono() < at->restart_at)
        return;
    *at = (struct retain_sweep){.restart_at = kn_time_mono() + RESTART_US, .survivor = INT64_MAX};
}

/* A step over the next tasks. */
static enum kn_status sweep_step(struct sweep *sweep, db_row_fn *see, bool *ret_rests)
{
    struct db *db = sweep->store->db;
    bool changed[TASKS_A_STEP] = {false};
    restart_if_due(sweep->at);
    const struct db_value page[] = {db_i64(sweep->at->after), db_i64(TASKS_A_STEP)};
    enum kn_status status = db_run(db, SQL_TASKS_OLD, page, see, sweep);
    if (status == KN_OK)
        status =
            db_each(db, SQL_EVENTS_DELETE, sweep->events, sweep->n_events / 2, NULL, NULL, changed);
    if (status == KN_OK)
        status = db_each(db, SQL_TASK_DELETE, sweep->tasks, sweep->n_tasks, NULL, NULL, NULL);
    if (status == KN_OK)
        status =
            db_each(db, SQL_TASK_STATE_DROP, sweep->states, sweep->n_states / 2, NULL, NULL, NULL);
    if (status == KN_OK)
        status = db_each(db, SQL_TASK_END_DROP, sweep->ends, sweep->n_ends / 2, NULL, NULL, NULL);
    if (status == KN_OK)
        status = db_each(db, SQL_RESOLVED_DELETE, sweep->tasks, sweep->n_tasks, NULL, NULL, NULL);
    if (status == KN_OK)
        status = store_write_counts(sweep->store);
    bool found = sweep->n_tasks > 0;
    for (size_t i = 0; i < sweep->n_events / 2; i++)
        found |= changed[i];
    if (status == KN_OK)
        *ret_rests = rests(sweep, found);
    return status;
}

static enum kn_status drop_tasks(struct store *store, bool *ret_done)
{
    struct sweep sweep = {.store = store,
                          .at = &store->retain.sweeps[0],
                          .before = store_cutoff(store->options.retention_tasks_us)};
    int64_t oldest = INT64_MAX;
    if (sweep.before > store->retain.before)
        store->retain.before = sweep.before;
    enum kn_status status = db_run(store->db, SQL_MINUTES_OLDEST, NULL, take_i64, &oldest);
    *ret_done = oldest == INT64_MAX || oldest * KN_MINUTE >= sweep.before;
    if (status == KN_OK && !*ret_done)
        status = sweep_step(&sweep, see_dead, ret_done);
    if (status != KN_OK || !*ret_done || oldest == INT64_MAX)
        return status;
    int64_t before = sweep.at->survivor < sweep.before ? sweep.at->survivor : sweep.before;
    const struct db_value minutes[] = {db_i64(before / KN_MINUTE)};
    const struct db_value seconds[] = {db_i64(before / KN_MINUTE * (KN_MINUTE / KN_SECOND))};
    status = db_run(store->db, SQL_MINUTES_DELETE, minutes, NULL, NULL);
    if (status == KN_OK)
        status = db_run(store->db, SQL_SECONDS_DELETE, seconds, NULL, NULL);
    const struct db_value end_minutes[] = {db_i64(KN_MINUTE / KN_SECOND), minutes[0]};
    const struct db_value end_seconds[] = {db_i64(1), seconds[0]};
    if (status == KN_OK)
        status = db_run(store->db, SQL_END_SPANS_DELETE, end_minutes, NULL, NULL);
    return status == KN_OK ? db_run(store->db, SQL_END_SPANS_DELETE, end_seconds, NULL, NULL)
                           : status;
}

/* Deletes events that expire before their tasks; on PostgreSQL, their partitions. */
static enum kn_status drop_stale_events(struct store *store, bool *ret_done)
{
    struct sweep sweep = {
        .store = store, .at = &store->retain.sweeps[1], .before = store_events_cutoff(store)};
    *ret_done = db_traits(store->db)->events_by_day ||
                sweep.before == store_cutoff(store->options.retention_tasks_us) || !sweep.before;
    return *ret_done ? KN_OK : sweep_step(&sweep, see_stale, ret_done);
}

/* Events of no task; on PostgreSQL, the partitions of old days. */
static enum kn_status drop_events(struct store *store, bool *ret_done)
{
    const struct db_value of_none[] = {db_i64(0), db_i64(store_events_cutoff(store))};
    enum kn_status status = KN_OK;
    *ret_done = true;
    if (of_none[1].i64)
        status = db_each(store->db, SQL_EVENTS_DELETE, of_none, 1, NULL, NULL, NULL);
    if (of_none[1].i64 && status == KN_OK) {
        status = db_run(store->db, SQL_EVENTS_DROP, &of_none[1], NULL, NULL);
        memset(store->days, 0, sizeof store->days);
    }
    return status;
}

/* ---- the rest ------------------------------------------------------------------------ */

static enum kn_status drop_rollups(struct store *store, bool *ret_done)
{
    int64_t before = store_cutoff(store->options.retention_rollups_us) / KN_MINUTE;
    enum kn_status status = KN_OK;
    *ret_done = true;
    for (size_t i = 0; before && status == KN_OK && i < ROLLUP_STEPS; i++) {
        int64_t oldest = INT64_MAX;
        const struct db_value step[] = {db_i64(rollup_steps[i])};
        status = db_run(store->db, SQL_ROLLUPS_OLDEST, step, take_i64, &oldest);
        if (status != KN_OK || oldest >= before)
            continue;
        int64_t to = oldest + MINUTES_A_STEP * rollup_steps[i];
        const struct db_value values[] = {step[0], db_i64(to < before ? to : before)};
        *ret_done = to >= before;
        status = db_run(store->db, SQL_ROLLUPS_DELETE, values, NULL, NULL);
        break;
    }
    return status;
}

static enum kn_status drop_rest(struct store *store, bool *ret_done)
{
    int64_t gaps = store_cutoff(store->options.retention_rollups_us);
    enum kn_status status = KN_OK;
    *ret_done = true;
    const struct db_value gaps_before[] = {db_i64(gaps)};
    const struct db_value marks[] = {db_i64(kn_time_now() - MARKS_US)};
    if (status == KN_OK && gaps)
        status = db_run(store->db, SQL_GAPS_DELETE, gaps_before, NULL, NULL);
    if (status == KN_OK && gaps)
        status = db_run(store->db, SQL_LIFE_DELETE, gaps_before, NULL, NULL);
    const struct db_value links_before[] = {
        db_i64(store_cutoff(store->options.retention_tasks_us))};
    if (status == KN_OK && links_before[0].i64)
        status = db_run(store->db, SQL_LINKS_DELETE, links_before, NULL, NULL);
    if (status == KN_OK)
        status = dismissals_expire(store->db);
    return status == KN_OK ? db_run(store->db, SQL_MARKS_TRIM, marks, NULL, NULL) : status;
}

/* Bulk jobs go with the tasks of their time. */
static enum kn_status drop_jobs(struct store *store, bool *ret_done)
{
    int64_t before = store_cutoff(store->options.retention_tasks_us);
    *ret_done = true;
    return before ? jobs_drop(store, before, ret_done) : KN_OK;
}

/* ---- a round ------------------------------------------------------------------------- */

typedef enum kn_status step_fn(struct store *store, bool *ret_done);
static step_fn *const steps_of_a_round[] = {drop_tasks,     drop_stale_events, drop_events,
                                            drop_rollups,   drop_rest,         drop_jobs,
                                            expire_workers, expire_queues};

static enum kn_status in_transaction(struct store *store, bool *ret_done)
{
    enum kn_status status = db_begin(store->db);
    if (status == KN_OK)
        status = steps_of_a_round[store->retain.step](store, ret_done);
    if (status == KN_OK)
        status = db_commit(store->db);
    if (status != KN_OK)
        store_abandon(store);
    else
        store_settle(store);
    return status;
}

enum kn_status store_retain(struct store *store, bool *ret_more)
{
    struct retain *retain = &store->retain;
    bool done = false;
    *ret_more = false;
    if (kn_time_mono() < retain->next_at)
        return KN_OK;
    enum kn_status status = in_transaction(store, &done);
    if (status == KN_OK)
        db_give_back(store->db, VACUUM_PAGES);
    *ret_more = status == KN_OK && !(done && ++retain->step == KN_COUNT_OF(steps_of_a_round));
    if (!*ret_more) {
        retain->step = 0;
        retain->next_at = kn_time_mono() + ROUND_US;
    }
    return status;
}
