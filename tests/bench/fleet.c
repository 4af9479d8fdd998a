#include "tests/bench/fleet.h"

#include "services/common/text/time.h"
#include "tests/bench/dice.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 4, AHEAD = 100, BEAT_US = 2000000 };

struct attempt {
    uint64_t task;
    int64_t started_at;
    bool again;
    bool progress; /* has yet to send an event of its own */
};

struct worker {
    struct load_node node;
    struct attempt waiting[LOAD_PREFETCH_MAX]; /* a ring: received, not started */
    size_t first, waits;
    struct attempt active[LOAD_CONCURRENCY_MAX]; /* the oldest first */
    size_t runs;
};

struct fleet {
    const struct load_options *options;
    struct load_node clients[CLIENTS];
    struct worker *workers;
    struct dice dice;
    struct kn_buf body;
    int64_t last_us;   /* of the latest event: no two have the same time */
    uint64_t planned;  /* events of all tasks that have begun */
    uint64_t begun;    /* tasks that clients have sent */
    uint64_t taken;    /* tasks that workers have received */
    bool finished;     /* no more tasks begin */
    uint64_t *retries; /* a ring: tasks that wait for their second attempt */
    size_t retries_max, retries_first, retries_sent, retries_end;
    size_t online, offline; /* workers that have said so */
    size_t turn;
    uint64_t beats;
    int64_t begin_us;
};

static void node_set(struct load_node *node, const char *name, size_t number)
{
    snprintf(node->hostname, sizeof node->hostname, "%s%zu@load", name, number);
    node->pid = 1000 + (unsigned)number;
    node->clock = 0;
}

enum kn_status fleet_new(const struct load_options *options, struct fleet **ret)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    if (!fleet)
        return KN_NOMEM;
    /* A task is received only when no retried one waits, so that both together are
     * never more than what the workers hold. */
    fleet->retries_max = (size_t)options->workers * (options->prefetch + options->concurrency) + 1;
    fleet->workers = calloc(options->workers, sizeof *fleet->workers);
    fleet->retries = calloc(fleet->retries_max, sizeof *fleet->retries);
    kn_buf_init(&fleet->body, 0);
    if (!fleet->workers || !fleet->retries) {
        fleet_free(fleet);
        return KN_NOMEM;
    }
    for (size_t i = 0; i < options->workers; i++)
        node_set(&fleet->workers[i].node, "worker", i);
    for (size_t i = 0; i < CLIENTS; i++)
        node_set(&fleet->clients[i], "gen", i + 1);
    fleet->options = options;
    fleet->dice = dice_for(options->seed, UINT64_MAX);
    *ret = fleet;
    return KN_OK;
}

void fleet_free(struct fleet *fleet)
{
    if (!fleet)
        return;
    kn_buf_fini(&fleet->body);
    free(fleet->workers);
    free(fleet->retries);
    free(fleet);
}

void fleet_finish(struct fleet *fleet)
{
    fleet->finished = true;
}

uint64_t fleet_tasks(const struct fleet *fleet)
{
    return fleet->begun;
}

/* --- messages --- */

static void message_begin(struct fleet *fleet, const struct load_node *node, struct kn_str key,
                          struct load_message *ret)
{
    kn_buf_clear(&fleet->body);
    ret->hostname = kn_str_from(node->hostname);
    ret->routing_key = key;
    ret->count = 0;
}

static void add(struct fleet *fleet, struct load_node *node, int64_t now_us,
                struct load_event *event, enum load_slot slot, struct load_message *ret)
{
    event->at_us = now_us > fleet->last_us ? now_us : fleet->last_us + 1;
    fleet->last_us = event->at_us;
    if (ret->count)
        kn_buf_append(&fleet->body, ", ", 2);
    load_event_write(&fleet->body, fleet->options, node, event);
    ret->entries[ret->count++] =
        (struct load_entry){event->task, (uint8_t)event->type, (uint8_t)slot};
}

static bool message_end(struct fleet *fleet, struct load_message *ret)
{
    if (kn_buf_status(&fleet->body) != KN_OK)
        abort();
    ret->body = kn_buf_view(&fleet->body);
    return true;
}

/* --- clients --- */

/* Whether one more task may begin. */
static bool may_begin(struct fleet *fleet)
{
    const struct load_options *o = fleet->options;
    if ((o->tasks && fleet->begun >= o->tasks) || (o->events && fleet->planned >= o->events))
        fleet->finished = true;
    return !fleet->finished;
}

static bool client_sends(struct fleet *fleet, int64_t now_us, uint64_t task, bool again,
                         struct load_message *ret)
{
    struct load_node *client = &fleet->clients[task % CLIENTS];
    message_begin(fleet, client, KN_STR("task.sent"), ret);
    struct load_event event = {.type = LOAD_SENT, .task = task, .again = again};
    add(fleet, client, now_us, &event, again ? LOAD_SLOT_SENT_AGAIN : LOAD_SLOT_SENT, ret);
    return message_end(fleet, ret);
}

/* A retried task is sent again by its worker, the others by clients. False when
 * nobody has anything to send. */
static bool clients_turn(struct fleet *fleet, int64_t now_us, struct load_message *ret)
{
    while (fleet->retries_sent != fleet->retries_end) {
        uint64_t task = fleet->retries[fleet->retries_sent++ % fleet->retries_max];
        if (load_event_sent(fleet->options, task))
            return client_sends(fleet, now_us, task, true, ret);
    }
    while (fleet->begun < fleet->taken + AHEAD && may_begin(fleet)) {
        uint64_t task = fleet->begun++;
        fleet->planned += load_event_count(fleet->options, task);
        if (load_event_sent(fleet->options, task))
            return client_sends(fleet, now_us, task, false, ret);
    }
    return false;
}

/* --- workers --- */

static bool can_receive(const struct fleet *fleet, const struct worker *worker)
{
    bool there = fleet->retries_first != fleet->retries_sent || fleet->taken < fleet->begun;
    return there && worker->waits < fleet->options->prefetch;
}

static void receive(struct fleet *fleet, struct worker *worker, int64_t now_us,
                    struct load_message *ret)
{
    bool again = fleet->retries_first != fleet->retries_sent;
    uint64_t task =
        again ? fleet->retries[fleet->retries_first++ % fleet->retries_max] : fleet->taken++;
    struct load_event event = {.type = LOAD_RECEIVED, .task = task, .again = again};
    add(fleet, &worker->node, now_us, &event, again ? LOAD_SLOT_RECEIVED_AGAIN : LOAD_SLOT_RECEIVED,
        ret);
    worker->waiting[(worker->first + worker->waits++) % LOAD_PREFETCH_MAX] =
        (struct attempt){.task = task, .again = again};
}

/* Starts the next task, or drops it when it was revoked meanwhile. */
static void start(struct fleet *fleet, struct worker *worker, int64_t now_us,
                  struct load_message *ret)
{
    struct attempt attempt = worker->waiting[worker->first];
    worker->first = (worker->first + 1) % LOAD_PREFETCH_MAX;
    worker->waits--;
    struct load_event event = {.task = attempt.task};
    if (load_event_end(fleet->options, attempt.task) == LOAD_REVOKED) {
        event.type = LOAD_REVOKED;
        add(fleet, &worker->node, now_us, &event, LOAD_SLOT_END, ret);
        return;
    }
    event.type = LOAD_STARTED;
    add(fleet, &worker->node, now_us, &event,
        attempt.again ? LOAD_SLOT_STARTED_AGAIN : LOAD_SLOT_STARTED, ret);
    attempt.started_at = event.at_us;
    attempt.progress = load_event_progress(fleet->options, attempt.task) &&
                       attempt.again == load_event_retried(fleet->options, attempt.task);
    worker->active[worker->runs++] = attempt;
}

/* The last event of an attempt. */
static void end(struct fleet *fleet, struct worker *worker, int64_t now_us,
                struct load_message *ret)
{
    struct attempt attempt = worker->active[0];
    memmove(worker->active, worker->active + 1, --worker->runs * sizeof *worker->active);
    worker->node.processed++;
    struct load_event event = {.task = attempt.task, .again = attempt.again};
    if (!attempt.again && load_event_retried(fleet->options, attempt.task)) {
        event.type = LOAD_RETRIED;
        add(fleet, &worker->node, now_us, &event, LOAD_SLOT_RETRIED, ret);
        fleet->retries[fleet->retries_end++ % fleet->retries_max] = attempt.task;
        return;
    }
    event.type = load_event_end(fleet->options, attempt.task);
    event.runtime_us = now_us > attempt.started_at ? now_us - attempt.started_at : 1;
    add(fleet, &worker->node, now_us, &event, LOAD_SLOT_END, ret);
}

/* One thing that the worker can do. False when there is none. */
static bool act(struct fleet *fleet, struct worker *worker, int64_t now_us,
                struct load_message *ret)
{
    void (*choices[3])(struct fleet *, struct worker *, int64_t, struct load_message *);
    uint32_t count = 0;
    if (can_receive(fleet, worker))
        choices[count++] = receive;
    if (worker->waits && worker->runs < fleet->options->concurrency)
        choices[count++] = start;
    if (worker->runs && !worker->active[0].progress)
        choices[count++] = end;
    if (count == 0)
        return false;
    choices[dice_below(&fleet->dice, count)](fleet, worker, now_us, ret);
    return true;
}

/* Events in one message, as counted from a prefork worker of Celery 5.6 with four
 * processes that was given 6,000 tasks at once on Redis. */
static unsigned batch_size(struct fleet *fleet)
{
    if (fleet->options->batch)
        return fleet->options->batch;
    static const double upto[] = {0.088, 0.300, 0.958, 0.995};
    double share = dice_share(&fleet->dice);
    unsigned size = 1;
    while (size <= 4 && share >= upto[size - 1])
        size++;
    return size;
}

/* A task's own event goes out alone: it is sent from the process of the pool. */
static bool progress(struct fleet *fleet, struct worker *worker, int64_t now_us,
                     struct load_message *ret)
{
    size_t i = 0;
    while (i < worker->runs && !worker->active[i].progress)
        i++;
    if (i == worker->runs)
        return false;
    worker->active[i].progress = false;
    message_begin(fleet, &worker->node, KN_STR("task.progress"), ret);
    struct load_event event = {.type = LOAD_PROGRESS, .task = worker->active[i].task};
    add(fleet, &worker->node, now_us, &event, LOAD_SLOT_NONE, ret);
    return message_end(fleet, ret);
}

static bool worker_turn(struct fleet *fleet, struct worker *worker, int64_t now_us,
                        struct load_message *ret)
{
    message_begin(fleet, &worker->node, KN_STR("task.multi"), ret);
    kn_buf_char(&fleet->body, '[');
    unsigned size = batch_size(fleet);
    while (ret->count < size && act(fleet, worker, now_us, ret))
        ;
    kn_buf_char(&fleet->body, ']');
    return ret->count > 0 && message_end(fleet, ret);
}

/* Goes round the workers, as long as one has something to do. */
static bool workers_turn(struct fleet *fleet, int64_t now_us, struct load_message *ret)
{
    size_t count = fleet->options->workers;
    for (size_t i = 0; i < count; i++) {
        struct worker *worker = &fleet->workers[fleet->turn % count];
        if (progress(fleet, worker, now_us, ret))
            return true;
        fleet->turn++;
        if (worker_turn(fleet, worker, now_us, ret))
            return true;
    }
    return false;
}

static bool presence(struct fleet *fleet, struct worker *worker, enum load_type type,
                     int64_t now_us, struct load_message *ret)
{
    static const char *const keys[] = {
        [LOAD_ONLINE] = "worker.online",
        [LOAD_HEARTBEAT] = "worker.heartbeat",
        [LOAD_OFFLINE] = "worker.offline",
    };
    message_begin(fleet, &worker->node, kn_str_from(keys[type]), ret);
    struct load_event event = {.type = type, .active = (unsigned)worker->runs};
    add(fleet, &worker->node, now_us, &event, LOAD_SLOT_NONE, ret);
    return message_end(fleet, ret);
}

/* The workers' heartbeats are spread over their interval. */
bool fleet_beat(struct fleet *fleet, int64_t now_us, struct load_message *ret)
{
    size_t count = fleet->options->workers;
    if (fleet->online < count || fleet->offline)
        return false;
    if (!fleet->begin_us)
        fleet->begin_us = now_us;
    int64_t due = fleet->begin_us + (int64_t)((fleet->beats + 1) * BEAT_US / count);
    if (now_us < due)
        return false;
    return presence(fleet, &fleet->workers[fleet->beats++ % count], LOAD_HEARTBEAT, now_us, ret);
}

bool fleet_next(struct fleet *fleet, int64_t now_us, struct load_message *ret)
{
    if (fleet->online < fleet->options->workers)
        return presence(fleet, &fleet->workers[fleet->online++], LOAD_ONLINE, now_us, ret);
    if (fleet_beat(fleet, now_us, ret) || clients_turn(fleet, now_us, ret) ||
        workers_turn(fleet, now_us, ret))
        return true;
    if (!may_begin(fleet) && !fleet->options->stay && fleet->offline < fleet->options->workers)
        return presence(fleet, &fleet->workers[fleet->offline++], LOAD_OFFLINE, now_us, ret);
    return false;
}
