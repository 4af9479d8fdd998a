#include "services/control/control.h"

#include "services/broker/fault.h"

#include "services/common/process/cond.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/control/ask/pidbox.h"
#include "services/control/ask/round.h"
#include "services/control/call/learned_sender.h"
#include "services/control/settle/held.h"
#include "services/control/settle/reconcile.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t POLL_US = KN_SECOND;        /* how often storage is asked for workers */
static const int64_t RECEIVE_US = KN_SECOND / 5; /* so that a stop is seen */
static const int64_t BACKOFF_MIN_US = KN_SECOND / 2;
enum { DESTINATIONS_MAX = 200 };

struct control {
    struct control_options options;
    struct kn_bus_client *storage;
    struct control_pidbox *pidbox;
    struct control_reconcile *reconcile;    /* NULL: not wanted */
    struct control_learned_sender *learned; /* of the tasks that workers have */
    bool asked_for_tasks;                   /* everybody */
    pthread_t thread;
    bool started;
    uint64_t rounds;
    int64_t backoff_us;
    struct kn_log_limit log_limit;

    pthread_mutex_t lock; /* roster, link */
    struct control_roster *roster;
    struct {
        enum kn_link_state state;
        char error[256];
        uint64_t replies, refused, left_out;
    } link;

    pthread_mutex_t events_lock; /* while events are being switched on; taken before lock */

    pthread_mutex_t stop_lock; /* stopping */
    pthread_cond_t stop_wake;
    bool stopping;
};

/* ---- waiting --------------------------------------------------------------------- */

static bool sleep_until(struct control *c, int64_t mono_us)
{
    return kn_cond_sleep_until(&c->stop_wake, &c->stop_lock, &c->stopping, mono_us);
}

static bool stopping(struct control *c)
{
    return sleep_until(c, 0);
}

/* ---- the state of the link --------------------------------------------------------- */

static void link_good(struct control *c)
{
    pthread_mutex_lock(&c->lock);
    bool before = c->link.state == KN_LINK_CONNECTED;
    c->link.state = KN_LINK_CONNECTED;
    c->link.error[0] = '\0';
    pthread_mutex_unlock(&c->lock);
    c->backoff_us = BACKOFF_MIN_US;
    if (!before)
        KN_INFO("broker.connected", KN_F_TEXT("source", c->options.source));
}

static void link_bad(struct control *c, enum kn_status status)
{
    const char *error = control_pidbox_error(c->pidbox);
    pthread_mutex_lock(&c->lock);
    bool before = c->link.state == KN_LINK_AWAY;
    c->link.state = KN_LINK_AWAY;
    snprintf(c->link.error, sizeof c->link.error, "%s", *error ? error : kn_status_text(status));
    pthread_mutex_unlock(&c->lock);
    if (!before)
        KN_WARN("broker.away", KN_F_TEXT("source", c->options.source), KN_F_TEXT("error", error));
}

/* Half of it is chance, so that several do not come at once. */
static int64_t next_backoff(struct control *c)
{
    int64_t now = c->backoff_us;
    c->backoff_us =
        now * 2 < c->options.broker.backoff_max_us ? now * 2 : c->options.broker.backoff_max_us;
    return now / 2 + kn_time_mono() % (now / 2 + 1);
}

/* ---- one round ---------------------------------------------------------------------- */

/* Whether storage has it. */
static bool store(struct control *c, const struct kn_msg_worker_inspect *inspect)
{
    struct kn_bus_message *done;
    enum kn_status status = kn_bus_request(c->storage, KN_KIND_WORKER_INSPECT, inspect,
                                           c->options.request_timeout_us, &done, NULL);
    if (status == KN_OK)
        kn_bus_message_free(done);
    uint64_t skipped;
    if (status != KN_OK && kn_log_allow(&c->log_limit, &skipped))
        KN_WARN("inspect.not_stored", KN_F_STR("worker", inspect->hostname),
                KN_F_TEXT("reason", kn_status_text(status)), KN_F_I64("skipped", skipped));
    return status == KN_OK;
}

/* Tells storage which tasks the worker has: nothing else reveals tasks from before we started. Not
 * if only events may count (control.reconcile). */
static bool store_tasks(struct control *c, const struct control_answer *answer)
{
    struct control_held_events events;
    struct kn_arena arena;
    if (!c->options.reconcile || !(answer->answered & CONTROL_ASK_TASKS))
        return true;
    kn_arena_init(&arena, 0);
    enum kn_status status = control_held_write(answer, kn_time_now(), &arena, &events);
    if (status == KN_OK)
        status = control_learned_sender_tell_all(c->learned, events.items, events.count);
    kn_arena_fini(&arena);
    return status == KN_OK;
}

static void deliver(struct control *c, struct control_round *round, bool rest)
{
    struct control_answer answer;
    bool reachable = true;
    while (control_round_take(round, rest, &answer)) {
        pthread_mutex_lock(&c->lock);
        control_roster_answer(c->roster, answer.inspect, answer.answered, kn_time_mono());
        pthread_mutex_unlock(&c->lock);
        reachable = reachable && store(c, answer.inspect) && store_tasks(c, &answer);
        if (reachable)
            continue;
        pthread_mutex_lock(&c->lock);
        control_roster_again(c->roster, answer.inspect->hostname);
        pthread_mutex_unlock(&c->lock);
    }
}

/* Enables events, except where a user has disabled them. */
static enum kn_status ask_events(struct control *c, struct control_question_text *question)
{
    struct kn_arena arena;
    struct control_demand rest;
    kn_arena_init(&arena, c->options.memory_max);
    pthread_mutex_lock(&c->events_lock);
    pthread_mutex_lock(&c->lock);
    bool not_all =
        control_roster_unheld(c->roster, question->hostnames, question->count, &arena, &rest);
    pthread_mutex_unlock(&c->lock);
    enum kn_status status = KN_OK;
    if (not_all) {
        question->hostnames = rest.hostnames;
        question->count = rest.count;
    }
    if (!not_all || rest.count > 0)
        status = control_pidbox_ask(c->pidbox, question, NULL);
    pthread_mutex_unlock(&c->events_lock);
    kn_arena_fini(&arena);
    return status;
}

/* *ret_expected: maximum number of workers that will answer; -1: unknown. */
static enum kn_status ask(struct control *c, const struct control_demand *demand,
                          int64_t *ret_expected)
{
    int64_t receivers = -1;
    for (unsigned i = 0; i < CONTROL_QUESTION_COUNT; i++) {
        if (!(demand->questions & 1u << i))
            continue;
        char ticket[CONTROL_TICKET_MAX];
        control_ticket_write(ticket, c->rounds, i);
        struct control_question_text question = {
            .method = control_question_method((enum control_question)i),
            .arguments = control_question_arguments((enum control_question)i),
            .ticket = kn_str_from(ticket),
            .hostnames = demand->hostnames,
            .count = demand->count,
            .expires_at = kn_time_now() + c->options.reply_timeout_us,
        };
        enum kn_status status = i == CONTROL_ASK_EVENTS
                                    ? ask_events(c, &question)
                                    : control_pidbox_ask(c->pidbox, &question, &receivers);
        if (status != KN_OK)
            return status;
    }
    *ret_expected = receivers < 0 || demand->count == 0 || (int64_t)demand->count > receivers
                        ? receivers
                        : (int64_t)demand->count;
    if (receivers < 0 && demand->count > 0)
        *ret_expected = (int64_t)demand->count;
    return KN_OK;
}

static enum kn_status gather(struct control *c, struct control_round *round, int64_t expected)
{
    struct kn_arena arena;
    kn_arena_init(&arena, c->options.memory_max);
    int64_t deadline = kn_time_mono() + c->options.reply_timeout_us;
    enum kn_status status = KN_OK;
    for (int64_t now = kn_time_mono(); now < deadline && !stopping(c); now = kn_time_mono()) {
        if (expected >= 0 && control_round_answered(round) >= (size_t)expected)
            break;
        struct celery_reply reply;
        enum control_question question;
        kn_arena_reset(&arena);
        int64_t left = deadline - now;
        status =
            control_pidbox_reply(c->pidbox, left < RECEIVE_US ? left : RECEIVE_US, &arena, &reply);
        if (control_pidbox_lost(status))
            break;
        if (status == KN_UNSUPPORTED) {
            pthread_mutex_lock(&c->lock);
            control_roster_unread(c->roster, control_pidbox_unread_body(c->pidbox));
            pthread_mutex_unlock(&c->lock);
        }
        if (status == KN_OK && control_ticket_read(reply.ticket, c->rounds, &question))
            status = control_round_reply(round, question, &reply);
        else if (status == KN_OK)
            status = KN_INVALID; /* of an earlier round, or of nobody's */
        uint64_t skipped;
        if (status != KN_OK && status != KN_TIMEOUT && kn_log_allow(&c->log_limit, &skipped))
            KN_WARN("reply.refused", KN_F_TEXT("source", c->options.source),
                    KN_F_TEXT("reason", kn_status_text(status)), KN_F_I64("skipped", skipped));
        status = KN_OK;
        deliver(c, round, false);
    }
    kn_arena_fini(&arena);
    return status;
}

static void count_round(struct control *c, struct control_round *round)
{
    struct control_round_counters counters = control_round_counters(round);
    pthread_mutex_lock(&c->lock);
    c->link.replies += counters.replies;
    c->link.refused += counters.refused;
    c->link.left_out += counters.left_out;
    for (struct kn_str name; (name = control_round_twins(round)).len;)
        control_roster_note_twins(c->roster, name, kn_time_mono());
    control_roster_settle(c->roster, kn_time_mono());
    pthread_mutex_unlock(&c->lock);
    KN_DEBUG("round.done", KN_F_TEXT("source", c->options.source),
             KN_F_I64("replies", counters.replies), KN_F_I64("refused", counters.refused));
}

/* What a control that was killed left on the broker. */
static void sweep(struct control *c)
{
    size_t count = 0;
    if (control_pidbox_sweep(c->pidbox, &count) == KN_OK && count > 0)
        KN_INFO("replies.swept", KN_F_TEXT("source", c->options.source), KN_F_I64("queues", count));
}

static enum kn_status run_round(struct control *c, const struct control_demand *demand)
{
    struct control_round *round = control_round_new(&(struct control_round_options){
        .source = kn_str_from(c->options.source),
        .questions = demand->questions,
        .at = kn_time_now(),
        .workers_max = c->options.workers_max,
        .bytes_max = c->options.memory_max,
    });
    if (!round)
        return KN_NOMEM;
    int64_t expected = -1;
    c->rounds++;
    enum kn_status status = control_pidbox_open(c->pidbox, c->options.reply_timeout_us);
    if (status == KN_OK)
        status = ask(c, demand, &expected);
    if (status == KN_OK) {
        pthread_mutex_lock(&c->lock);
        control_roster_asked(c->roster, demand);
        pthread_mutex_unlock(&c->lock);
        link_good(c);
        status = gather(c, round, expected);
        deliver(c, round, true);
        count_round(c, round);
    }
    control_pidbox_close(c->pidbox);
    if (status == KN_OK && demand->count == 0)
        sweep(c);
    if (status != KN_OK)
        link_bad(c, status);
    control_round_free(round);
    return status;
}

/* ---- the thread ------------------------------------------------------------------------ */

static void poll_workers(struct control *c)
{
    struct kn_str source = kn_str_from(c->options.source);
    struct kn_msg_workers_get get = {.sources = {&source, 1}};
    struct kn_bus_message *answer = kn_bus_request_kind(
        c->storage, KN_KIND_WORKERS_GET, &get, c->options.request_timeout_us, KN_KIND_WORKER_LIST);
    if (!answer)
        return; /* it is asked again in a second, and the rounds go on */
    pthread_mutex_lock(&c->lock);
    control_roster_update(c->roster, answer->msg, kn_time_mono());
    pthread_mutex_unlock(&c->lock);
    kn_bus_message_free(answer);
}

static unsigned all_questions(const struct control *c)
{
    unsigned all = c->asked_for_tasks ? CONTROL_ASK_ALL & ~CONTROL_ASK_TASKS : CONTROL_ASK_ALL;
    return c->options.enable_events ? all : all & ~(1u << CONTROL_ASK_EVENTS);
}

/* Asks all workers when it is time, otherwise those that need it. */
static enum kn_status ask_around(struct control *c, struct kn_arena *arena, int64_t *everybody_at)
{
    struct control_demand demand = {.questions = all_questions(c)};
    if (kn_time_mono() >= *everybody_at) {
        enum kn_status status = run_round(c, &demand);
        if (status == KN_OK)
            *everybody_at = kn_time_mono() + c->options.interval_us;
        c->asked_for_tasks = c->asked_for_tasks || status == KN_OK;
        return status;
    }
    pthread_mutex_lock(&c->lock);
    bool somebody =
        control_roster_demand(c->roster, kn_time_mono(), DESTINATIONS_MAX, arena, &demand);
    pthread_mutex_unlock(&c->lock);
    return somebody ? run_round(c, &demand) : KN_OK;
}

static void *run(void *arg)
{
    struct control *c = arg;
    struct kn_arena arena;
    kn_arena_init(&arena, 1 << 20);
    int64_t everybody_at = 0, at = kn_time_mono();
    while (!sleep_until(c, at)) {
        kn_arena_reset(&arena);
        poll_workers(c);
        enum kn_status status = ask_around(c, &arena, &everybody_at);
        if (status != KN_OK)
            everybody_at = 0;
        at = kn_time_mono() + (status == KN_OK ? POLL_US : next_backoff(c));
    }
    kn_arena_fini(&arena);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------- */

static struct control *make(const struct control_options *options, struct kn_bus_client *storage)
{
    struct control *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->options = *options;
    c->storage = storage;
    c->backoff_us = BACKOFF_MIN_US;
    c->link.state = KN_LINK_CONNECTING;
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->events_lock, NULL);
    pthread_mutex_init(&c->stop_lock, NULL);
    kn_cond_init(&c->stop_wake);
    c->roster = control_roster_new(options->workers_max, options->enable_events);
    c->learned = control_learned_sender_new(options->source, storage, options->request_timeout_us);
    if (c->roster && c->learned && control_pidbox_new(&c->options.broker, &c->pidbox) == KN_OK)
        return c;
    control_stop(c);
    return NULL;
}

static bool has_twins(void *arg, struct kn_str hostname)
{
    struct control *c = arg;
    pthread_mutex_lock(&c->lock);
    bool yes = control_roster_has_twins(c->roster, hostname, kn_time_mono());
    pthread_mutex_unlock(&c->lock);
    return yes;
}

static enum kn_status start_reconcile(struct control *c)
{
    const struct control_reconcile_options options = {
        .source = c->options.source,
        .broker = &c->options.broker,
        .results = c->options.results,
        .after_us = c->options.reconcile_after_us,
        .rate = c->options.reconcile_rate,
        .tasks_max = c->options.reconcile_tasks_max,
        .reply_timeout_us = c->options.reply_timeout_us,
        .memory_max = c->options.memory_max,
        .request_timeout_us = c->options.request_timeout_us,
        .has_twins = has_twins,
        .arg = c,
    };
    return c->options.reconcile ? control_reconcile_start(&options, c->storage, &c->reconcile)
                                : KN_OK;
}

enum kn_status control_start(const struct control_options *options, struct kn_bus_client *storage,
                             struct control **ret)
{
    struct control *c = make(options, storage);
    if (!c)
        return KN_NOMEM;
    c->started = pthread_create(&c->thread, NULL, run, c) == 0;
    if (!c->started || start_reconcile(c) != KN_OK) {
        control_stop(c);
        return KN_NOMEM;
    }
    *ret = c;
    return KN_OK;
}

void control_stop(struct control *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->stop_lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->stop_wake);
    pthread_mutex_unlock(&c->stop_lock);
    kn_bus_client_stop(c->storage);
    control_reconcile_stop(c->reconcile);
    if (c->started)
        pthread_join(c->thread, NULL);
    control_pidbox_free(c->pidbox);
    control_roster_free(c->roster);
    control_learned_sender_free(c->learned);
    pthread_cond_destroy(&c->stop_wake);
    pthread_mutex_destroy(&c->stop_lock);
    pthread_mutex_destroy(&c->events_lock);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void control_hold_events(void *control, struct kn_str hostname, bool hold)
{
    struct control *c = control;
    pthread_mutex_lock(&c->events_lock);
    pthread_mutex_lock(&c->lock);
    control_roster_hold(c->roster, hostname, hold);
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_unlock(&c->events_lock);
}

/* Adds to the findings why the broker can't be used. */
static void tell_fault(struct control *c, struct kn_arena *arena,
                       struct kn_msg_service_status *status)
{
    char text[512];
    struct kn_str error = kn_str_from(c->link.error);
    size_t before = status->findings.count;
    const struct broker_fault *fault = broker_fault_of(c->options.broker.url->driver, error);
    struct kn_msg_finding *list = kn_arena_array(arena, before + 1, sizeof *list);
    if (!list)
        return;
    if (before)
        memcpy(list, status->findings.items, before * sizeof *list);
    snprintf(text, sizeof text, "Workers can't be queried or controlled: %s", c->link.error);
    list[before] = (struct kn_msg_finding){
        .severity = KN_SEVERITY_ERROR,
        .code = kn_str_from(fault->code),
        .source = kn_arena_str(arena, status->source),
        .text = kn_arena_str(arena, kn_str_from(text)),
        .remedy = kn_str_from(fault->remedy),
    };
    status->findings.items = list;
    status->findings.count = before + 1;
}

void control_report(void *arg, struct kn_arena *arena, struct kn_msg_service_status *status)
{
    struct control *c = arg;
    status->source = kn_str_from(c->options.source);
    pthread_mutex_lock(&c->lock);
    control_roster_findings(c->roster, status->source, kn_time_mono(), arena, status);
    control_reconcile_findings(c->reconcile, arena, status);
    if (c->link.state == KN_LINK_CONNECTING)
        status->state = KN_SERVICE_STARTING;
    if (c->link.state == KN_LINK_AWAY) {
        status->state = KN_SERVICE_DEGRADED;
        status->detail = kn_arena_str(arena, kn_str_from(c->link.error));
        tell_fault(c, arena, status);
    }
    pthread_mutex_unlock(&c->lock);
}
