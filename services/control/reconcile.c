#include "services/control/reconcile.h"

#include "services/common/cond.h"
#include "services/common/log.h"
#include "services/common/service.h"
#include "services/common/time.h"
#include "services/control/asked.h"
#include "services/control/backends.h"
#include "services/control/inquiry.h"
#include "services/control/learned.h"
#include "services/control/route.h"
#include "services/control/seek.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t TICK_MAX_US = KN_SECOND;
static const int64_t WORKERS_KEPT_US = 5 * KN_SECOND;
static const int64_t CONFIRM_MAX_US = 5 * KN_SECOND;
/* Between two checks of a backend in which nothing was found yet. */
static const int64_t PROBE_MIN_US = 5 * KN_SECOND;
static const int64_t PROBE_MAX_US = KN_MINUTE;
enum { TICKET_MAX = 48, EVENTS_MAX = 500, EVENTS_A_TASK = 2 };

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
    struct control_asked *asked;
    struct kn_arena arena; /* of a tick */

    struct { /* of each status: where storage's list is read on */
        uint64_t after;
        bool wrapped; /* it was read to its end in this lap */
    } walks[STATUSES];
    unsigned first; /* status of the next tick, in turn */

    struct kn_bus_message *workers; /* a worker_list; NULL: not known */
    int64_t workers_at;
    int64_t probed_at, probe_pause;
    char name[33]; /* of our tickets */
    uint64_t inquiries;

    struct control_learned *learned;
    struct kn_log_limit log_limit;

    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* stopping */
    pthread_cond_t wake;
    bool stopping;
};

static bool on_redis(const struct control_reconcile *r)
{
    return r->options.broker->url->kind == BROKER_REDIS;
}

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
    enum kn_status status = control_learned_tell(r->learned, t->events, t->n_events);
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
    struct kn_bus_message *answer;
    if (kn_bus_request(r->storage, kind, msg, r->options.request_timeout_us, &answer, NULL) !=
        KN_OK)
        return NULL; /* it is asked again in the next tick */
    if (answer->kind == wanted)
        return answer;
    kn_bus_message_free(answer);
    return NULL;
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
        if (control_asked_due(r->asked, task->id, task->updated_at, now))
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
    control_asked_lap(r->asked);
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
                                         .statuses = {ended, sizeof ended / sizeof *ended},
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
                                 .timestamp = kn_time_now()});
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
        if (!control_asked_missing(r->asked, one->task->id, kn_time_mono()))
            return;
        one->missing = can_be_lost(r, one, said->worker);
        if (!one->missing)
            control_asked_nothing(r->asked, one->task->id, kn_time_mono());
        return;
    }
    if (said->answer == CONTROL_ACTIVE && !said->started && said->started_at)
        learn(t, one,
              &(struct kn_msg_event){.type = KN_EVENT_TASK_STARTED,
                                     .origin = KN_ORIGIN_WORKER,
                                     .hostname = one->task->worker,
                                     .timestamp = said->started_at});
    control_asked_nothing(r->asked, one->task->id, kn_time_mono());
}

/* ---- the messages ------------------------------------------------------------------------- */

static void seek_failed(struct control_reconcile *r, enum kn_status status)
{
    const char *error = broker_session_error(r->session);
    uint64_t skipped;
    if (status != KN_OK && status != KN_FULL && kn_log_allow(&r->log_limit, &skipped))
        KN_WARN("reconcile.not_sought", KN_F_TEXT("source", r->options.source),
                KN_F_TEXT("error", *error ? error : kn_status_text(status)),
                KN_F_I64("skipped", skipped));
}

static const struct kn_msg_queue *history_of(void *arg, struct kn_str queue, int64_t from)
{
    struct control_reconcile *r = arg;
    struct kn_str source = kn_str_from(r->options.source);
    const struct kn_msg_queues_get get = {.name = queue, .sources = {&source, 1}, .from = from};
    struct kn_bus_message *answer = request(r, KN_KIND_QUEUES_GET, &get, KN_KIND_QUEUE_LIST);
    const struct kn_msg_queue_list *list = answer ? answer->msg : NULL;
    struct kn_msg_queue *ret =
        list && list->items.count ? kn_arena_alloc(&r->arena, sizeof *ret) : NULL;
    struct kn_msg_queue_point *points =
        ret ? kn_arena_array(&r->arena, list->items.items[0].history.count + 1, sizeof *points)
            : NULL;
    if (points) {
        const struct kn_msg_queue *found = &list->items.items[0];
        *ret = (struct kn_msg_queue){.messages = found->messages};
        ret->history.items = points;
        ret->history.count = found->history.count;
        memcpy(points, found->history.items, found->history.count * sizeof *points);
    }
    kn_bus_message_free(answer);
    return points ? ret : NULL;
}

/* A message that was sent after a worker took the task. */
struct resent {
    struct kn_str queue, name;
};

/* A task that its worker does not have. */
struct missing {
    struct one *one;
    struct resent *resent;
    size_t n_resent;
    bool unsure; /* its message may be in any queue */
};

static void add_queue(struct kn_strs *queues, struct kn_str queue)
{
    for (size_t i = 0; i < queues->count; i++)
        if (kn_str_eq(queues->items[i], queue))
            return;
    if (queue.len)
        queues->items[queues->count++] = queue;
}

static void note_call(struct control_reconcile *r, struct missing *m, struct kn_strs *sent_to,
                      const struct kn_msg_event *event)
{
    struct control_route route =
        control_route_of(event->queue, event->exchange, event->routing_key);
    struct kn_str queue = kn_arena_str(&r->arena, route.queue);
    add_queue(sent_to, queue);
    if (event->timestamp <= m->one->task->taken_at)
        return;
    if (route.exchange.len && !on_redis(r)) /* Redis lists the queues of an exchange */
        m->unsure = true;
    else
        m->resent[m->n_resent++] = (struct resent){queue, kn_arena_str(&r->arena, event->name)};
}

/* Where its messages were sent. A client tells of its only message when it has sent it, which may
 * be after a worker took it. */
static struct kn_strs read_calls(struct control_reconcile *r, struct missing *m)
{
    const struct kn_msg_overdue_task *task = m->one->task;
    const struct kn_msg_task_events_get get = {
        .id = task->id, .source = kn_str_from(r->options.source), .limit = EVENTS_MAX};
    struct kn_bus_message *answer =
        request(r, KN_KIND_TASK_EVENTS_GET, &get, KN_KIND_TASK_EVENT_LIST);
    const struct kn_msg_task_event_list *list = answer ? answer->msg : NULL;
    size_t max = list ? list->items.count : 0, calls = 0;
    struct kn_strs sent_to = {kn_arena_array(&r->arena, max + 1, sizeof *sent_to.items), 0};
    m->resent = kn_arena_array(&r->arena, max + 1, sizeof *m->resent);
    for (size_t i = 0; sent_to.items && m->resent && i < max; i++) {
        const struct kn_msg_event *event = &list->items.items[i];
        if (event->type != KN_EVENT_TASK_SENT || event->origin != KN_ORIGIN_EVENTS)
            continue;
        note_call(r, m, &sent_to, event);
        calls++;
    }
    if (calls < 2) {
        m->n_resent = 0;
        m->unsure = false;
    }
    m->unsure = m->unsure || !list || list->next_cursor.len;
    kn_bus_message_free(answer);
    return sent_to;
}

/* Which of them still have a message; all of them if that is unknown. */
static void seek(struct control_reconcile *r, struct control_seek_task *tasks, size_t count)
{
    struct kn_str source = kn_str_from(r->options.source);
    const struct kn_msg_queues_get get = {.sources = {&source, 1}};
    struct kn_bus_message *queues = request(r, KN_KIND_QUEUES_GET, &get, KN_KIND_QUEUE_LIST);
    const struct control_seek_options options = {.session = r->session,
                                                 .redis = on_redis(r),
                                                 .queues = queues ? queues->msg : NULL,
                                                 .fresh = kn_time_now() - CONTROL_SEEK_FRESH_US,
                                                 .history = history_of,
                                                 .arg = r,
                                                 .arena = &r->arena};
    enum kn_status status = queues ? control_seek(&options, tasks, count) : KN_FULL;
    for (size_t i = 0; i < count; i++) {
        tasks[i].found = tasks[i].found || status != KN_OK;
        if (tasks[i].queue.ptr)
            tasks[i].queue = kn_arena_str(&r->arena, tasks[i].queue);
    }
    kn_bus_message_free(queues);
    seek_failed(r, status);
}

static void learn_waiting(struct tick *t, const struct missing *m, struct kn_str queue,
                          struct kn_str name)
{
    learn(t, m->one,
          &(struct kn_msg_event){.type = KN_EVENT_TASK_SENT,
                                 .origin = KN_ORIGIN_BROKER,
                                 .name = name.len ? name : m->one->task->name,
                                 .queue = queue,
                                 .timestamp = kn_time_now()});
    orphan(t, m->one); /* no worker has it: it waits */
}

/* Whether its message waits: it was seen, or it must be one that was sent again, for without it the
 * queue would be empty, or not have grown. */
static bool settle_waiting(const struct control_reconcile *r, struct tick *t,
                           const struct missing *m, struct kn_str queue)
{
    if (!queue.ptr)
        return false;
    for (size_t i = 0; i < m->n_resent; i++) {
        if (kn_str_eq(m->resent[i].queue, queue)) {
            learn_waiting(t, m, queue, m->resent[i].name);
            return true;
        }
    }
    if (on_redis(r))
        learn_waiting(t, m, queue, KN_STR_ABSENT);
    return on_redis(r);
}

/* If its worker does not have it, a task is lost only if no message of it is left that would start
 * it again. */
static void settle_missing(struct control_reconcile *r, struct tick *t)
{
    struct control_seek_task *tasks = kn_arena_array(&r->arena, CONTROL_SEEK_MAX, sizeof *tasks);
    struct missing *missing = kn_arena_array(&r->arena, CONTROL_SEEK_MAX, sizeof *missing);
    size_t count = 0;
    for (size_t i = 0; tasks && missing && i < t->count && count < CONTROL_SEEK_MAX; i++) {
        const struct kn_msg_overdue_task *task = t->items[i].task;
        if (!t->items[i].missing)
            continue;
        missing[count] = (struct missing){.one = &t->items[i]};
        tasks[count] = (struct control_seek_task){.id = task->id, .since = task->taken_at};
        tasks[count].sent_to = read_calls(r, &missing[count]);
        count++;
    }
    if (count)
        seek(r, tasks, count);
    for (size_t i = 0; i < count; i++) {
        if (settle_waiting(r, t, &missing[i], tasks[i].queue))
            continue;
        if (tasks[i].found || missing[i].unsure)
            control_asked_nothing(r->asked, tasks[i].id, kn_time_mono());
        else
            orphan(t, missing[i].one);
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
                .doubted = control_asked_doubted(r->asked, one->task->id)};
        else if (!one->settled)
            control_asked_nothing(r->asked, one->task->id, kn_time_mono());
    }
    if (count == 0)
        return;
    snprintf(ticket, sizeof ticket, "%s-%llu", r->name, (unsigned long long)++r->inquiries);
    const struct control_inquiry_options options = {.reply_timeout_us = r->options.reply_timeout_us,
                                                    .memory_max = r->options.memory_max,
                                                    .ticket = ticket};
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
            control_asked_done(r->asked, t->items[i].task->id);
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
        if (control_learned_tell(r->learned, NULL, 0) == KN_OK)
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
    control_asked_free(r->asked);
    control_learned_free(r->learned);
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
    r->asked = control_asked_new(
        &(struct control_asked_options){.tasks_max = options->tasks_max,
                                        .rate = options->rate,
                                        .first_us = options->after_us,
                                        .confirm_us = confirm_after(options->after_us)});
    r->learned = control_learned_new(options->source, storage, options->request_timeout_us);
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
