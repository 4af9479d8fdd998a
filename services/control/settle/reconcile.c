#include "services/control/settle/reconcile.h"

#include "services/common/count.h"
#include "services/common/process/cond.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"
#include "services/control/ask/inquiry.h"
#include "services/control/call/learned_sender.h"
#include "services/control/find/backends.h"
#include "services/control/settle/ask_schedule.h"
#include "services/control/settle/copies.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t TICK_MAX_US = KN_SECOND;
static const int64_t WORKERS_KEPT_US = 5 * KN_SECOND;
static const int64_t CONFIRM_MAX_US = 5 * KN_SECOND;
/* Between two checks of a backend in which nothing was found yet. */
static const int64_t PROBE_MIN_US = 5 * KN_SECOND;
static const int64_t PROBE_MAX_US = KN_MINUTE;
enum { TICKET_MAX = 48, EVENTS_A_TASK = 2 };

/* The states that a task may hang in. */
static const uint8_t statuses[] = {KN_TASK_STARTED, KN_TASK_RECEIVED, KN_TASK_RETRY,
                                   KN_TASK_PENDING};
enum { STATUSES = sizeof statuses };

struct control_reconcile {
    struct control_reconcile_options options;
    struct kn_bus_client *storage;
    struct control_pidbox *pidbox;
    struct broker_session *session; /* to look for messages */
    struct control_backends *backends;
    struct control_ask_schedule *asked;
    struct kn_arena arena; /* of a tick */

    struct { /* of each status: where storage's list is read on */
        uint64_t after;
        bool wrapped; /* it was read to its end in this lap */
    } walks[STATUSES];
    unsigned first; /* status of the next tick, in turn */

    struct kn_bus_message *workers; /* a worker_list; NULL: unknown */
    int64_t workers_at;
    int64_t probed_at, probe_pause;
    char name[33]; /* of our tickets */
    uint64_t inquiries;

    struct control_learned_sender *learned;
    struct kn_log_limit log_limit;

    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* stopping */
    pthread_cond_t wake;
    bool stopping;
};

/* A task of this tick. */
struct one {
    const struct kn_msg_overdue_task *task;
    uint8_t status;
    struct kn_str state; /* not final, from a backend; absent: none */
    bool sure;           /* every backend has answered */
    bool missing;        /* its worker certainly does not have it */
    bool settled;
};

struct tick {
    struct one *items;
    size_t count, max;
    struct kn_bus_message *lists[STATUSES];
    struct kn_msg_event *events; /* what was learned */
    size_t n_events;
    int64_t asked_at; /* when the workers were: what starts later was not missing then */
};

static bool stopping(void *arg)
{
    struct control_reconcile *r = arg;
    pthread_mutex_lock(&r->lock);
    bool yes = r->stopping;
    pthread_mutex_unlock(&r->lock);
    return yes;
}

static bool sleep_for(struct control_reconcile *r, int64_t us)
{
    int64_t at = kn_time_mono() + us;
    return kn_cond_sleep_until(&r->wake, &r->lock, &r->stopping, at);
}

/* ---- to storage --------------------------------------------------------------------------- */

/* What storage does not take now is learned again. */
static void tell(struct control_reconcile *r, struct tick *t)
{
    enum kn_status status = control_learned_sender_tell(r->learned, t->events, t->n_events);
    KN_DEBUG("reconcile.asked", KN_F_TEXT("source", r->options.source), KN_F_I64("asked", t->count),
             KN_F_I64("learned", t->n_events), KN_F_TEXT("stored", kn_status_name(status)));
}

static void learn(struct tick *t, const struct one *one, const struct kn_msg_event *event)
{
    struct kn_msg_event *ret = &t->events[t->n_events++];
    *ret = *event;
    ret->uuid = one->task->id;
    ret->received_at = kn_time_now();
    if (!ret->timestamp)
        ret->timestamp = one->task->updated_at;
}

/* ---- which are overdue --------------------------------------------------------------------- */

static struct kn_bus_message *request(struct control_reconcile *r, enum kn_kind kind,
                                      const void *msg, enum kn_kind wanted)
{
    /* without an answer it is asked again in the next tick */
    return kn_bus_request_kind(r->storage, kind, msg, r->options.request_timeout_us, wanted);
}

static void take_list(struct control_reconcile *r, struct tick *t, unsigned s)
{
    const struct kn_msg_overdue_list *list = t->lists[s]->msg;
    int64_t now = kn_time_mono();
    for (size_t i = 0; i < list->items.count; i++) {
        const struct kn_msg_overdue_task *task = &list->items.items[i];
        if (t->count == t->max)
            return; /* the walk goes on here */
        r->walks[s].after = task->no;
        if (control_ask_schedule_due(r->asked, task->id, task->updated_at, now))
            t->items[t->count++] = (struct one){.task = task, .status = statuses[s]};
    }
    r->walks[s].after = list->next;
    r->walks[s].wrapped |= list->next == 0;
}

static void end_lap(struct control_reconcile *r)
{
    for (unsigned s = 0; s < STATUSES; s++) {
        if (!r->walks[s].wrapped)
            return;
    }
    for (unsigned s = 0; s < STATUSES; s++)
        r->walks[s].wrapped = false;
    control_ask_schedule_lap(r->asked);
}

static void find_overdue(struct control_reconcile *r, struct tick *t)
{
    for (unsigned i = 0; i < STATUSES && t->count < t->max; i++) {
        unsigned s = (r->first + i) % STATUSES;
        const struct kn_msg_overdue_get get = {.source = kn_str_from(r->options.source),
                                               .status = statuses[s],
                                               .after = r->walks[s].after,
                                               .after_us = r->options.after_us};
        t->lists[s] = request(r, KN_KIND_OVERDUE_GET, &get, KN_KIND_OVERDUE_LIST);
        if (t->lists[s])
            take_list(r, t, s);
    }
    r->first++;
    end_lap(r);
}

/* ---- the backends ------------------------------------------------------------------------- */

static void look_at_workers(struct control_reconcile *r)
{
    struct kn_str source = kn_str_from(r->options.source);
    struct kn_str online = KN_STR("online");
    const struct kn_msg_workers_get get = {
        .sources = {&source, 1}, .statuses = {&online, 1}, .conf = true};
    if (r->workers && kn_time_mono() < r->workers_at + WORKERS_KEPT_US)
        return;
    struct kn_bus_message *answer = request(r, KN_KIND_WORKERS_GET, &get, KN_KIND_WORKER_LIST);
    if (!answer)
        return;
    kn_bus_message_free(r->workers);
    r->workers = answer;
    r->workers_at = kn_time_mono();
    control_backends_learn(r->backends, answer->msg);
}

/* Whether a backend in which nothing was found yet has the latest finished tasks. */
static void probe_backends(struct control_reconcile *r, bool needed)
{
    static struct kn_str ended[] = {{"success", 7}, {"failure", 7}};
    struct kn_str source = kn_str_from(r->options.source), ids[CONTROL_BACKENDS_ASK_MAX];
    const struct kn_msg_tasks_get get = {.sources = {&source, 1},
                                         .statuses = {ended, KN_COUNT_OF(ended)},
                                         .limit = CONTROL_BACKENDS_ASK_MAX / 2};
    int64_t now = kn_time_mono();
    if (r->probed_at && now < r->probed_at + (needed ? PROBE_MIN_US : r->probe_pause))
        return;
    r->probed_at = now;
    r->probe_pause = r->probe_pause ? 2 * r->probe_pause : PROBE_MIN_US;
    if (r->probe_pause > PROBE_MAX_US)
        r->probe_pause = PROBE_MAX_US;
    look_at_workers(r);
    if (!control_backends_in_doubt(r->backends))
        return;
    struct kn_bus_message *answer = request(r, KN_KIND_TASKS_GET, &get, KN_KIND_TASK_LIST);
    const struct kn_msg_task_list *list = answer ? answer->msg : NULL;
    size_t count = 0;
    for (size_t i = 0; list && i < list->items.count && count < CONTROL_BACKENDS_ASK_MAX; i++)
        ids[count++] = list->items.items[i].id;
    control_backends_probe(r->backends, ids, count, &r->arena);
    kn_bus_message_free(answer);
}

static void ask_backends(struct control_reconcile *r, struct tick *t)
{
    struct kn_str ids[CONTROL_BACKENDS_ASK_MAX];
    struct kn_msg_event *found = kn_arena_array(&r->arena, CONTROL_BACKENDS_ASK_MAX, sizeof *found);
    for (size_t i = 0, n; found && i < t->count; i += n) {
        n = t->count - i < CONTROL_BACKENDS_ASK_MAX ? t->count - i : CONTROL_BACKENDS_ASK_MAX;
        for (size_t k = 0; k < n; k++)
            ids[k] = t->items[i + k].task->id;
        bool sure = control_backends_ask(r->backends, ids, n, &r->arena, found);
        for (size_t k = 0; k < n; k++) {
            struct one *one = &t->items[i + k];
            one->sure = sure;
            one->settled = found[k].type != KN_EVENT_CUSTOM;
            one->state = found[k].type_name;
            if (one->settled)
                learn(t, one, &found[k]);
        }
    }
}

/* ---- the workers -------------------------------------------------------------------------- */

static const struct kn_msg_worker *worker_of(const struct control_reconcile *r, struct kn_str name)
{
    const struct kn_msg_worker_list *list = r->workers ? r->workers->msg : NULL;
    for (size_t i = 0; name.len && list && i < list->items.count; i++) {
        if (kn_str_eq(list->items.items[i].hostname, name))
            return &list->items.items[i];
    }
    return NULL;
}

/* Only if the worker's configuration is known: otherwise it may have a backend. If two workers
 * share a name, neither speaks for the other. */
static bool can_be_asked(const struct control_reconcile *r, const struct one *one,
                         const struct kn_msg_worker *worker)
{
    bool taken = one->status == KN_TASK_STARTED || one->status == KN_TASK_RECEIVED;
    return taken && one->sure && !one->settled && one->task->taken_at && worker &&
           worker->conf.ptr && !r->options.has_twins(r->options.arg, worker->hostname);
}

static void orphan(struct tick *t, struct one *one)
{
    learn(t, one,
          &(struct kn_msg_event){.type = KN_EVENT_TASK_ORPHANED,
                                 .origin = KN_ORIGIN_WORKER,
                                 .hostname = one->task->worker,
                                 .timestamp = t->asked_at});
    one->settled = true;
}

/* Whether a task with this state in the backend may be lost: it ran. With a custom state it may
 * have ended without notice (Ignore). */
static bool is_of_a_run(struct kn_str state)
{
    return !state.len || kn_str_eq(state, KN_STR("PENDING")) ||
           kn_str_eq(state, KN_STR("RECEIVED")) || kn_str_eq(state, KN_STR("STARTED")) ||
           kn_str_eq(state, KN_STR("RETRY"));
}

static bool can_be_lost(struct control_reconcile *r, const struct one *one,
                        const struct kn_msg_worker *worker)
{
    return is_of_a_run(one->state) && control_backends_vouch(r->backends, worker->conf);
}

static void take_answer(struct control_reconcile *r, struct tick *t, struct one *one,
                        const struct control_inquiry_task *said)
{
    if (said->answer == CONTROL_MISSING) {
        if (!control_ask_schedule_missing(r->asked, one->task->id, kn_time_mono()))
            return;
        one->missing = can_be_lost(r, one, said->worker);
        if (!one->missing)
            control_ask_schedule_nothing(r->asked, one->task->id, kn_time_mono());
        return;
    }
    if (said->answer == CONTROL_ACTIVE && !said->started && said->started_at)
        learn(t, one,
              &(struct kn_msg_event){.type = KN_EVENT_TASK_STARTED,
                                     .origin = KN_ORIGIN_WORKER,
                                     .hostname = one->task->worker,
                                     .timestamp = said->started_at});
    control_ask_schedule_nothing(r->asked, one->task->id, kn_time_mono());
}

/* ---- the messages ------------------------------------------------------------------------- */

static void learn_waiting(struct tick *t, struct one *one, const struct control_copy *copy)
{
    learn(t, one,
          &(struct kn_msg_event){.type = KN_EVENT_TASK_SENT,
                                 .origin = KN_ORIGIN_BROKER,
                                 .name = copy->name.len ? copy->name : one->task->name,
                                 .queue = copy->queue,
                                 .timestamp = t->asked_at});
    orphan(t, one); /* no worker has it: it waits */
}

/* If its worker does not have it, a task is lost only if no message of it is left that would start
 * it again. */
static void settle_missing(struct control_reconcile *r, struct tick *t)
{
    struct control_copy *copies = kn_arena_array(&r->arena, CONTROL_SEEK_MAX, sizeof *copies);
    struct one **ones = kn_arena_array(&r->arena, CONTROL_SEEK_MAX, sizeof *ones);
    size_t count = 0;
    for (size_t i = 0; copies && ones && i < t->count && count < CONTROL_SEEK_MAX; i++) {
        if (!t->items[i].missing)
            continue;
        const struct kn_msg_overdue_task *task = t->items[i].task;
        copies[count] = (struct control_copy){
            .task = task, .missing_at = control_ask_schedule_missing_at(r->asked, task->id)};
        ones[count++] = &t->items[i];
    }
    const struct control_copies_options options = {.source = r->options.source,
                                                   .storage = r->storage,
                                                   .request_timeout_us =
                                                       r->options.request_timeout_us,
                                                   .session = r->session,
                                                   .arena = &r->arena};
    if (count)
        control_copies_find(&options, copies, count);
    for (size_t i = 0; i < count; i++) {
        if (copies[i].state == CONTROL_COPY_WAITS)
            learn_waiting(t, ones[i], &copies[i]);
        else if (copies[i].state == CONTROL_COPY_NONE)
            orphan(t, ones[i]);
        else
            control_ask_schedule_unknown(r->asked, ones[i]->task->id, kn_time_mono());
    }
}

static void ask_workers(struct control_reconcile *r, struct tick *t)
{
    struct control_inquiry_task *tasks = kn_arena_array(&r->arena, t->count, sizeof *tasks);
    char ticket[TICKET_MAX];
    size_t count = 0;
    for (size_t i = 0; tasks && i < t->count; i++) {
        struct one *one = &t->items[i];
        const struct kn_msg_worker *worker = worker_of(r, one->task->worker);
        if (can_be_asked(r, one, worker))
            tasks[count++] = (struct control_inquiry_task){
                .task = one->task,
                .worker = worker,
                .owner = one,
                .started = one->status == KN_TASK_STARTED,
                .doubted = control_ask_schedule_missing_at(r->asked, one->task->id) != 0};
        else if (!one->settled)
            control_ask_schedule_nothing(r->asked, one->task->id, kn_time_mono());
    }
    if (count == 0)
        return;
    snprintf(ticket, sizeof ticket, "%s-%llu", r->name, (unsigned long long)++r->inquiries);
    const struct control_inquiry_options options = {.reply_timeout_us = r->options.reply_timeout_us,
                                                    .memory_max = r->options.memory_max,
                                                    .ticket = ticket};
    t->asked_at = kn_time_now();
    enum kn_status status = control_inquire(r->pidbox, &options, tasks, count, stopping, r);
    uint64_t skipped;
    if (status != KN_OK && kn_log_allow(&r->log_limit, &skipped))
        KN_WARN("reconcile.not_asked", KN_F_TEXT("source", r->options.source),
                KN_F_TEXT("error", control_pidbox_error(r->pidbox)), KN_F_I64("skipped", skipped));
    for (size_t i = 0; i < count; i++)
        take_answer(r, t, tasks[i].owner, &tasks[i]);
    settle_missing(r, t);
}

/* ---- the thread --------------------------------------------------------------------------- */

static void forget_settled(struct control_reconcile *r, const struct tick *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].settled)
            control_ask_schedule_done(r->asked, t->items[i].task->id);
    }
}

static void run_tick(struct control_reconcile *r, size_t max)
{
    struct tick t = {.max = max};
    kn_arena_reset(&r->arena);
    t.items = kn_arena_array(&r->arena, max, sizeof *t.items);
    if (!t.items)
        return;
    find_overdue(r, &t);
    t.events = kn_arena_array(&r->arena, EVENTS_A_TASK * t.count, sizeof *t.events);
    probe_backends(r, t.count > 0);
    if (t.count && t.events) {
        look_at_workers(r);
        ask_backends(r, &t);
        ask_workers(r, &t);
        tell(r, &t);
        forget_settled(r, &t);
    }
    for (unsigned s = 0; s < STATUSES; s++)
        kn_bus_message_free(t.lists[s]);
}

static void *run(void *arg)
{
    struct control_reconcile *r = arg;
    int64_t tick = r->options.after_us / 4;
    if (tick > TICK_MAX_US)
        tick = TICK_MAX_US;
    size_t max = (size_t)((int64_t)r->options.rate * tick / KN_SECOND);
    while (!sleep_for(r, tick)) {
        if (control_learned_sender_tell(r->learned, NULL, 0) == KN_OK)
            run_tick(r, max ? max : 1);
    }
    return NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

static int64_t confirm_after(int64_t after_us)
{
    int64_t half = after_us / 2;
    return half > CONFIRM_MAX_US ? CONFIRM_MAX_US : half;
}

static void free_parts(struct control_reconcile *r)
{
    kn_bus_message_free(r->workers);
    control_pidbox_free(r->pidbox);
    broker_session_free(r->session);
    control_backends_free(r->backends);
    control_ask_schedule_free(r->asked);
    control_learned_sender_free(r->learned);
    kn_arena_fini(&r->arena);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

enum kn_status control_reconcile_start(const struct control_reconcile_options *options,
                                       struct kn_bus_client *storage,
                                       struct control_reconcile **ret)
{
    struct control_reconcile *r = calloc(1, sizeof *r);
    if (!r)
        return KN_NOMEM;
    r->options = *options;
    r->storage = storage;
    kn_random_hex(r->name, 17);
    kn_arena_init(&r->arena, 0);
    pthread_mutex_init(&r->lock, NULL);
    kn_cond_init(&r->wake);
    r->backends = control_backends_new(&options->results, options->broker);
    r->asked = control_ask_schedule_new(
        &(struct control_ask_schedule_options){.tasks_max = options->tasks_max,
                                               .rate = options->rate,
                                               .first_us = options->after_us,
                                               .confirm_us = confirm_after(options->after_us)});
    r->learned = control_learned_sender_new(options->source, storage, options->request_timeout_us);
    bool good = r->backends && r->asked && r->learned &&
                control_pidbox_new(options->broker, &r->pidbox) == KN_OK &&
                broker_session_new(options->broker, &r->session) == KN_OK;
    r->started = good && pthread_create(&r->thread, NULL, run, r) == 0;
    if (!r->started) {
        free_parts(r);
        return KN_NOMEM;
    }
    *ret = r;
    return KN_OK;
}

void control_reconcile_stop(struct control_reconcile *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_broadcast(&r->wake);
    pthread_mutex_unlock(&r->lock);
    kn_bus_client_stop(r->storage);
    pthread_join(r->thread, NULL);
    free_parts(r);
}

void control_reconcile_findings(struct control_reconcile *r, struct kn_arena *arena,
                                struct kn_msg_service_status *status)
{
    if (r)
        control_backends_findings(r->backends, kn_str_from(r->options.source), arena, status);
}
