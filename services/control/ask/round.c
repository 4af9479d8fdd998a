#include "services/control/ask/round.h"

#include "services/common/data/table.h"

#include <stdio.h>
#include <stdlib.h>

enum { HOSTNAME_MAX = 512 };

struct host {
    struct kn_table_entry entry; /* "", hostname */
    struct kn_arena arena;
    struct kn_msg_worker_inspect inspect;
    struct celery_held_tasks active, reserved, scheduled;
    unsigned answered;
    bool taken;
    uint64_t pid;  /* of its stats */
    double uptime; /* likewise, seconds */
    bool twins, twins_told;
};

struct control_round {
    struct control_round_options options;
    struct kn_table hosts;
    size_t bytes; /* in the arenas */
    size_t replies_to[CONTROL_QUESTION_COUNT];
    struct host *given; /* its memory goes at the next call */
    struct control_round_counters counters;
};

struct control_round *control_round_new(const struct control_round_options *options)
{
    struct control_round *round = calloc(1, sizeof *round);
    if (!round)
        return NULL;
    round->options = *options;
    kn_table_init(&round->hosts, sizeof(struct host), options->workers_max);
    return round;
}

static struct host *first(const struct control_round *round)
{
    return (struct host *)kn_table_first(&round->hosts);
}

static struct host *next(const struct host *host)
{
    return (struct host *)kn_table_next(&host->entry);
}

void control_round_free(struct control_round *round)
{
    if (!round)
        return;
    for (struct host *host = first(round); host; host = next(host))
        kn_arena_fini(&host->arena);
    kn_table_fini(&round->hosts);
    free(round);
}

const char *control_question_method(enum control_question question)
{
#define X(name, method, arguments) method,
    static const char *const methods[] = {CONTROL_QUESTION_MAP(X)};
#undef X
    return methods[question];
}

const char *control_question_arguments(enum control_question question)
{
#define X(name, method, arguments) arguments,
    static const char *const all[] = {CONTROL_QUESTION_MAP(X)};
#undef X
    return all[question];
}

/* ---- replies -------------------------------------------------------------------- */

/* What was given out is stored by now: only the fact that it answered is kept. */
static void drop_given(struct control_round *round)
{
    if (!round->given)
        return;
    round->bytes -= round->given->arena.total;
    kn_arena_fini(&round->given->arena);
    round->given->inspect = (struct kn_msg_worker_inspect){0};
    round->given->active = round->given->reserved = round->given->scheduled =
        (struct celery_held_tasks){0};
    round->given = NULL;
}

static struct host *host_of(struct control_round *round, struct kn_str hostname)
{
    struct host *host = (struct host *)kn_table_find(&round->hosts, KN_STR(""), hostname);
    if (host)
        return host;
    host = (struct host *)kn_table_need(&round->hosts, KN_STR(""), hostname);
    if (!host)
        return NULL;
    kn_arena_init(&host->arena, round->options.bytes_max);
    host->inspect = (struct kn_msg_worker_inspect){
        .source = round->options.source, .hostname = host->entry.name, .at = round->options.at};
    return host;
}

static enum kn_status take_conf(struct kn_str value, struct host *host)
{
    enum kn_status status = celery_inspect_conf(value, &host->arena, &host->inspect);
    if (status == KN_OK)
        host->inspect.conf = control_masked(host->inspect.conf, &host->arena);
    return status;
}

static enum kn_status take_stats(struct kn_str value, struct host *host)
{
    enum kn_status status = celery_inspect_stats(value, &host->arena, &host->inspect);
    if (status != KN_OK)
        return status;
    host->pid = host->inspect.pid;
    host->uptime = host->inspect.uptime.value;
    /* it names the broker and its alternates */
    host->inspect.stats = control_masked(host->inspect.stats, &host->arena);
    return KN_OK;
}

/* Is it another process of the same name, or the same answer twice? In containers two may have the
 * same pid. */
static void compare_stats(const struct control_round *round, struct kn_str value, struct host *host)
{
    static const double APART = 3; /* seconds */
    struct kn_msg_worker_inspect other = {0};
    struct kn_arena arena;
    kn_arena_init(&arena, round->options.bytes_max);
    if (celery_inspect_stats(value, &arena, &other) == KN_OK) {
        double apart = other.uptime.value - host->uptime;
        host->twins |= other.pid != host->pid || apart > APART || apart < -APART;
    }
    kn_arena_fini(&arena);
}

static enum kn_status take_value(struct host *host, enum control_question question,
                                 struct kn_str value)
{
    switch (question) {
    case CONTROL_ASK_EVENTS:
        return KN_OK;
    case CONTROL_ASK_STATS:
        return take_stats(value, host);
    case CONTROL_ASK_QUEUES:
        return celery_inspect_active_queues(value, &host->arena, &host->inspect);
    case CONTROL_ASK_REGISTERED:
        return celery_inspect_registered(value, &host->arena, &host->inspect);
    case CONTROL_ASK_CONF:
        return take_conf(value, host);
    case CONTROL_ASK_ACTIVE:
        return celery_inspect_tasks(value, &host->arena, &host->active);
    case CONTROL_ASK_RESERVED:
        return celery_inspect_tasks(value, &host->arena, &host->reserved);
    case CONTROL_ASK_SCHEDULED:
        return celery_inspect_tasks(value, &host->arena, &host->scheduled);
    case CONTROL_QUESTION_COUNT:
        break;
    }
    return KN_INVALID;
}

static enum kn_status accept(struct control_round *round, enum control_question question,
                             const struct celery_reply *reply)
{
    if (question >= CONTROL_QUESTION_COUNT || !(round->options.questions & 1u << question) ||
        reply->hostname.len == 0 || reply->hostname.len > HOSTNAME_MAX || reply->failed ||
        !kn_utf8_valid(reply->hostname))
        return KN_INVALID;
    if (round->bytes + reply->value.len > round->options.bytes_max)
        return KN_FULL;
    struct host *host = host_of(round, reply->hostname);
    if (!host)
        return KN_FULL;
    if (host->taken || host->answered & 1u << question) { /* a second answer */
        round->replies_to[question]++;
        if (question == CONTROL_ASK_STATS && host->answered & 1u << question)
            compare_stats(round, reply->value, host);
        return KN_OK;
    }
    size_t before = host->arena.total;
    enum kn_status status = take_value(host, question, reply->value);
    round->bytes += host->arena.total - before;
    if (status == KN_OK) {
        host->answered |= 1u << question;
        round->replies_to[question]++;
    }
    return status == KN_NOMEM ? KN_FULL : status;
}

enum kn_status control_round_reply(struct control_round *round, enum control_question question,
                                   const struct celery_reply *reply)
{
    drop_given(round);
    enum kn_status status = accept(round, question, reply);
    round->counters.replies += status == KN_OK;
    round->counters.left_out += status == KN_FULL;
    round->counters.refused += status != KN_OK && status != KN_FULL;
    return status;
}

size_t control_round_answered(const struct control_round *round)
{
    size_t least = SIZE_MAX;
    for (unsigned i = 0; i < CONTROL_QUESTION_COUNT; i++)
        if (round->options.questions & 1u << i && round->replies_to[i] < least)
            least = round->replies_to[i];
    return least;
}

bool control_round_take(struct control_round *round, bool rest, struct control_answer *ret)
{
    drop_given(round);
    for (struct host *host = first(round); host; host = next(host)) {
        bool complete = host->answered == round->options.questions;
        if (host->taken || host->answered == 0 || (!complete && !rest))
            continue;
        host->taken = true;
        round->given = host;
        *ret = (struct control_answer){&host->inspect, host->answered, host->active, host->reserved,
                                       host->scheduled};
        return true;
    }
    return false;
}

struct kn_str control_round_twins(struct control_round *round)
{
    for (struct host *host = first(round); host; host = next(host)) {
        if (!host->twins || host->twins_told)
            continue;
        host->twins_told = true;
        return host->entry.name;
    }
    return KN_STR("");
}

struct control_round_counters control_round_counters(const struct control_round *round)
{
    return round->counters;
}

/* ---- tickets ---------------------------------------------------------------------------- */

void control_ticket_write(char ret[CONTROL_TICKET_MAX], uint64_t round, unsigned question)
{
    snprintf(ret, CONTROL_TICKET_MAX, "%llu.%u", (unsigned long long)round, question);
}

bool control_ticket_read(struct kn_str ticket, uint64_t round, enum control_question *ret)
{
    for (unsigned i = 0; i < CONTROL_QUESTION_COUNT; i++) {
        char expected[CONTROL_TICKET_MAX];
        control_ticket_write(expected, round, i);
        if (kn_str_eq(ticket, kn_str_from(expected))) {
            *ret = (enum control_question)i;
            return true;
        }
    }
    return false;
}
