#include "services/control/ask/roster_impl.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdlib.h>

/* The second sample of a new worker, so that its CPU is known before the next round. */
static const int64_t SECOND_SAMPLE_US = 5 * KN_SECOND;
static const int64_t SAMPLE_MIN_US = KN_SECOND / 2;
/* A worker reports that it is online before it listens to remote control, so a worker that does not
 * answer is asked again after 1, 2, 4 … seconds, this many times. */
enum { TRIES_MAX = 5 };
/* How long two workers of one name are remembered after both were last noticed. */
static const int64_t TWINS_US = 3 * KN_MINUTE;

struct control_roster *control_roster_new(size_t workers_max, bool events)
{
    struct control_roster *roster = calloc(1, sizeof *roster);
    if (!roster)
        return NULL;
    roster->events = events;
    kn_table_init(&roster->workers, sizeof(struct roster_worker), workers_max);
    return roster;
}

void control_roster_free(struct control_roster *roster)
{
    if (!roster)
        return;
    kn_table_fini(&roster->workers);
    free(roster);
}

static struct roster_worker *find(const struct control_roster *roster, struct kn_str hostname)
{
    return (struct roster_worker *)kn_table_find(&roster->workers, KN_STR(""), hostname);
}

/* ---- who is there ---------------------------------------------------------------- */

/* Started, or connected again: its events are then on or off as at its start. */
static bool was_restarted(const struct roster_worker *worker, const struct kn_msg_worker *now)
{
    return (worker->events_known && !now->events_enabled.set) ||
           (worker->pid && now->pid && worker->pid != now->pid) ||
           (worker->started_at && now->started_at && worker->started_at != now->started_at);
}

bool roster_has_twins(const struct roster_worker *worker, int64_t mono_us)
{
    return worker->twins_at && mono_us < worker->twins_at + TWINS_US;
}

/* Storage sees every heartbeat; we would miss two workers that alternate. */
static void take_twins(struct roster_worker *worker, const struct kn_msg_worker *now,
                       int64_t mono_us)
{
    if (now->twins_at == worker->twins_told)
        return;
    worker->twins_told = now->twins_at;
    if (now->twins_at > now->last_received_at - TWINS_US)
        worker->twins_at = mono_us;
}

void control_roster_note_twins(struct control_roster *roster, struct kn_str hostname,
                               int64_t mono_us)
{
    struct roster_worker *worker = find(roster, hostname);
    if (worker)
        worker->twins_at = mono_us;
}

bool control_roster_has_twins(const struct control_roster *roster, struct kn_str hostname,
                              int64_t mono_us)
{
    const struct roster_worker *worker = find(roster, hostname);
    return worker && roster_has_twins(worker, mono_us);
}

static void update_worker(struct control_roster *roster, const struct kn_msg_worker *now,
                          int64_t mono_us)
{
    struct roster_worker *worker = find(roster, now->hostname);
    bool online = now->status != KN_WORKER_OFFLINE;
    if (!worker && !online)
        return; /* the dead need no room */
    bool appeared = !worker;
    if (!worker)
        worker = (struct roster_worker *)kn_table_need(&roster->workers, KN_STR(""), now->hostname);
    if (!worker)
        return;
    take_twins(worker, now, mono_us);
    bool restarted = !roster_has_twins(worker, mono_us) && was_restarted(worker, now);
    if (online && (appeared || !worker->online || restarted)) {
        worker->wanted = true;
        worker->wanted_at = 0;
        worker->events_on = false;
        worker->told = false;
        worker->unread = false;
        worker->silent = 0;
    }
    bool held = now->events_enabled.set && now->events_enabled.value == 0;
    worker->told = worker->told && held != worker->held;
    if (!worker->told)
        worker->held = held;
    worker->events_known = now->events_enabled.set;
    worker->online = online;
    worker->listed = true;
    worker->pid = now->pid;
    worker->started_at = now->started_at;
}

void control_roster_update(struct control_roster *roster, const struct kn_msg_worker_list *list,
                           int64_t mono_us)
{
    for (struct roster_worker *worker = roster_first(roster); worker; worker = roster_next(worker))
        worker->listed = false;
    for (size_t i = 0; i < list->items.count; i++)
        update_worker(roster, list->items.items + i, mono_us);
    for (struct roster_worker *worker = roster_first(roster), *after; worker; worker = after) {
        after = roster_next(worker);
        if (!worker->listed || !worker->online)
            kn_table_remove(&roster->workers, &worker->entry);
    }
}

size_t control_roster_online(const struct control_roster *roster)
{
    size_t online = 0;
    for (const struct roster_worker *worker = roster_first(roster); worker;
         worker = roster_next(worker))
        online += worker->online;
    return online;
}

uint64_t control_roster_left_out(const struct control_roster *roster)
{
    return roster->workers.left_out;
}

/* ---- whom to ask ------------------------------------------------------------------ */

static unsigned questions_of(const struct control_roster *roster,
                             const struct roster_worker *worker, int64_t mono_us)
{
    bool events = roster->events && !worker->held;
    unsigned all = events ? CONTROL_ASK_ALL : CONTROL_ASK_ALL & ~(1u << CONTROL_ASK_EVENTS);
    if (worker->wanted && mono_us >= worker->wanted_at)
        return all;
    return worker->sample_at && mono_us >= worker->sample_at ? 1u << CONTROL_ASK_STATS : 0;
}

bool control_roster_demand(const struct control_roster *roster, int64_t mono_us, size_t max,
                           struct kn_arena *arena, struct control_demand *ret)
{
    struct control_demand demand = {.hostnames =
                                        kn_arena_array(arena, max, sizeof *demand.hostnames)};
    for (const struct roster_worker *worker = roster_first(roster); worker && demand.hostnames;
         worker = roster_next(worker)) {
        unsigned questions = questions_of(roster, worker, mono_us);
        if (questions == 0 || demand.count == max ||
            (demand.count > 0 && questions != demand.questions))
            continue;
        demand.questions = questions;
        demand.hostnames[demand.count++] = kn_arena_str(arena, worker->entry.name);
    }
    if (demand.count == 0 || arena->overflow)
        return false;
    *ret = demand;
    return true;
}

static bool is_among(struct kn_str name, const struct kn_str *hostnames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (kn_str_eq(name, hostnames[i]))
            return true;
    return count == 0;
}

bool control_roster_unheld(const struct control_roster *roster, const struct kn_str *hostnames,
                           size_t count, struct kn_arena *arena, struct control_demand *ret)
{
    size_t held = 0;
    for (const struct roster_worker *worker = roster_first(roster); worker;
         worker = roster_next(worker))
        held += worker->held && is_among(worker->entry.name, hostnames, count);
    if (held == 0)
        return false;
    struct control_demand demand = {
        .hostnames =
            kn_arena_array(arena, kn_table_count(&roster->workers), sizeof *demand.hostnames)};
    for (const struct roster_worker *worker = roster_first(roster); worker && demand.hostnames;
         worker = roster_next(worker))
        if (worker->online && !worker->held && is_among(worker->entry.name, hostnames, count))
            demand.hostnames[demand.count++] = kn_arena_str(arena, worker->entry.name);
    if (arena->overflow)
        demand.count = 0;
    *ret = demand;
    return true;
}

void control_roster_hold(struct control_roster *roster, struct kn_str hostname, bool hold)
{
    struct roster_worker *worker = find(roster, hostname);
    if (!worker)
        return;
    worker->held = hold;
    worker->told = true;
}

static void mark_asked(struct roster_worker *worker, unsigned questions)
{
    worker->sample_at = 0;
    if (questions & CONTROL_ASK_TASKS)
        worker->wanted = false;
    if (questions & 1u << CONTROL_ASK_CONF) {
        worker->asked = worker->online;
        worker->answered = false;
    }
}

void control_roster_asked(struct control_roster *roster, const struct control_demand *demand)
{
    for (size_t i = 0; i < demand->count; i++) {
        struct roster_worker *worker = find(roster, demand->hostnames[i]);
        if (worker)
            mark_asked(worker, demand->questions);
    }
    if (demand->count > 0)
        return;
    for (struct roster_worker *worker = roster_first(roster); worker; worker = roster_next(worker))
        mark_asked(worker, demand->questions);
}

void control_roster_again(struct control_roster *roster, struct kn_str hostname)
{
    struct roster_worker *worker = find(roster, hostname);
    if (worker) {
        worker->wanted = true;
        worker->wanted_at = 0;
    }
}

/* A complete name: before it is the length written by pickle, or a character that no name has. */
static bool has_name(struct kn_str body, struct kn_str name)
{
    static const char in_names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "_-.@";
    const char *end = body.ptr + body.len, *at = body.ptr;
    while (name.len && at < end && (at = memmem(at, (size_t)(end - at), name.ptr, name.len))) {
        unsigned char before = at > body.ptr ? (unsigned char)at[-1] : 0;
        if (before == (name.len & 0xff) || !before || !strchr(in_names, before))
            return true;
        at++;
    }
    return false;
}

void control_roster_unread(struct control_roster *roster, struct kn_str body)
{
    for (struct roster_worker *worker = roster_first(roster); worker;
         worker = roster_next(worker)) {
        if (worker->asked && !worker->answered && !worker->unread)
            worker->unread = has_name(body, worker->entry.name);
    }
}

static void note_silence(struct roster_worker *worker, int64_t mono_us)
{
    if (worker->silent < TRIES_MAX) {
        worker->wanted = true;
        worker->wanted_at = mono_us + (KN_SECOND << worker->silent);
    }
    worker->silent++;
}

void control_roster_settle(struct control_roster *roster, int64_t mono_us)
{
    for (struct roster_worker *worker = roster_first(roster); worker;
         worker = roster_next(worker)) {
        if (worker->asked && !worker->answered)
            note_silence(worker, mono_us);
        worker->asked = false;
    }
}

/* ---- answers ---------------------------------------------------------------------- */

/* Of one core, since the previous sample; none if the worker was restarted. */
static void measure_cpu(struct roster_worker *worker, struct kn_msg_worker_inspect *inspect,
                        int64_t mono_us)
{
    double used = inspect->cpu_seconds.value - worker->cpu_seconds;
    int64_t passed = mono_us - worker->cpu_at;
    bool comparable = worker->cpu_at != 0 && worker->cpu_pid == inspect->pid && used >= 0;
    if (comparable && passed < SAMPLE_MIN_US)
        return;
    if (comparable)
        inspect->cpu_percent = KN_SOME_F64(used * 1e8 / (double)passed);
    else
        worker->sample_at = mono_us + SECOND_SAMPLE_US;
    worker->cpu_pid = inspect->pid;
    worker->cpu_seconds = inspect->cpu_seconds.value;
    worker->cpu_at = mono_us;
}

void control_roster_answer(struct control_roster *roster, struct kn_msg_worker_inspect *inspect,
                           unsigned answered, int64_t mono_us)
{
    struct roster_worker *worker =
        (struct roster_worker *)kn_table_need(&roster->workers, KN_STR(""), inspect->hostname);
    if (!worker || answered == 0)
        return;
    worker->online = true;
    worker->answered = true;
    worker->unread = false;
    worker->silent = 0;
    if (inspect->cpu_seconds.set)
        measure_cpu(worker, inspect, mono_us);
    if (answered & 1u << CONTROL_ASK_EVENTS)
        inspect->events_enabled = KN_SOME_I64(1);
    if (inspect->conf.ptr && control_conf_read(inspect->conf, &worker->conf) != KN_OK)
        worker->conf.known = false;
    if (worker->held) /* its configuration does not know */
        inspect->events_enabled = (struct kn_opt_i64){0};
    if (inspect->events_enabled.set)
        worker->events_on = inspect->events_enabled.value == 1;
}
