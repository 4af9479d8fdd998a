#include "services/control/find/attempts.h"

#include "services/common/count.h"

#include <stdlib.h>

enum { PAGES_MAX = 10, EVENTS_MAX = CONTROL_ATTEMPTS_PAGE * PAGES_MAX };

static bool is_call(const struct kn_msg_event *event)
{
    return event->type == KN_EVENT_TASK_SENT || event->type == KN_EVENT_TASK_RECEIVED;
}

/* By asking a worker that has the task: it does not say which attempt it is. */
static bool is_learned(const struct kn_msg_event *event)
{
    return event->origin == KN_ORIGIN_WORKER;
}

static bool same_text(struct kn_str a, struct kn_str b)
{
    return !a.ptr == !b.ptr && kn_str_eq(a, b);
}

/* Celery makes a tuple of a list of arguments when a task is retried. */
static struct kn_str without_brackets(struct kn_str text)
{
    if (text.len < 2 || !memchr("([", text.ptr[0], 2) || !memchr(")]", text.ptr[text.len - 1], 2))
        return text;
    text = (struct kn_str){text.ptr + 1, text.len - 2};
    text.len -= text.len && text.ptr[text.len - 1] == ',';
    return text;
}

bool control_attempts_same(const struct control_attempt *a, const struct control_attempt *b)
{
    return same_text(without_brackets(a->args_repr), without_brackets(b->args_repr)) &&
           same_text(a->kwargs_repr, b->kwargs_repr);
}

/* Whether the event is of this call. A worker's event has the alias instead of the name. */
static bool is_of(const struct control_attempt *attempt, const struct control_attempt *one)
{
    bool names = !attempt->name.ptr || !one->name.ptr || kn_str_eq(attempt->name, one->name);
    return names && attempt->retries == one->retries && control_attempts_same(attempt, one);
}

static struct control_attempt attempt_of(const struct kn_msg_event *event)
{
    struct control_attempt one = {
        .retries = event->retries.set ? event->retries.value : 0,
        .args_repr = event->args_repr,
        .kwargs_repr = event->kwargs_repr,
        .at = event->received_at ? event->received_at : event->timestamp,
        .learned = is_learned(event),
    };
    if (event->type == KN_EVENT_TASK_SENT) {
        one.name = event->name;
        one.queue = event->queue;
        one.exchange = event->exchange;
        one.routing_key = event->routing_key;
    } else {
        one.seen = event->name;
    }
    return one;
}

static void join(struct control_attempt *attempt, const struct control_attempt *one)
{
    struct kn_str *const to[] = {&attempt->name, &attempt->seen, &attempt->queue,
                                 &attempt->exchange, &attempt->routing_key};
    const struct kn_str from[] = {one->name, one->seen, one->queue, one->exchange,
                                  one->routing_key};
    bool later = one->at >= attempt->at;
    for (size_t i = 0; i < KN_COUNT_OF(to); i++)
        if (from[i].ptr && (later || !to[i]->ptr))
            *to[i] = from[i];
    attempt->at = later ? one->at : attempt->at;
}

static void add(struct control_attempts *attempts, const struct control_attempt *one)
{
    for (size_t i = 0; i < attempts->count; i++) {
        if (is_of(&attempts->items[i], one)) {
            join(&attempts->items[i], one);
            return;
        }
    }
    attempts->items[attempts->count++] = *one;
}

static int by_retries(const void *a, const void *b)
{
    const struct control_attempt *x = a, *y = b;
    if (x->retries != y->retries)
        return x->retries < y->retries ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* An id may be used again: the latest use begins with the latest call that is not a retry. */
static void choose(struct control_attempts *attempts)
{
    size_t first = 0;
    while (first + 1 < attempts->count &&
           attempts->items[first + 1].retries == attempts->items[0].retries)
        first++;
    attempts->first = attempts->last = &attempts->items[first];
    for (size_t i = first + 1; i < attempts->count; i++)
        if (attempts->items[i].at >= attempts->first->at)
            attempts->last = &attempts->items[i];
}

static struct control_attempt of_task(const struct kn_msg_task *task)
{
    return (struct control_attempt){
        .retries = task->retries.set ? task->retries.value : 0,
        .seen = task->name,
        .args_repr = task->args_repr,
        .kwargs_repr = task->kwargs_repr,
        .queue = task->queue,
        .exchange = task->exchange,
        .routing_key = task->routing_key,
        .learned = true,
    };
}

/* It says that there was a call, and not with what. */
static bool is_bare(const struct kn_msg_event *event)
{
    return !event->args_repr.ptr && !event->kwargs_repr.ptr;
}

static void add_bare(struct control_attempts *attempts, const struct control_attempt *one)
{
    bool found = false;
    for (size_t i = 0; i < attempts->count; i++) {
        struct control_attempt *attempt = &attempts->items[i];
        bool names = !attempt->name.ptr || !one->name.ptr || kn_str_eq(attempt->name, one->name);
        if (!names || attempt->retries != one->retries)
            continue;
        found = true;
        if (!attempt->seen.ptr)
            attempt->seen = one->seen;
    }
    if (!found)
        add(attempts, one);
}

/* Those with texts first, for the others may be of the same calls: a worker's events have no
 * arguments of a task of protocol 1. */
static void add_calls(struct control_attempts *attempts, const struct kn_msg_event *events,
                      size_t count, bool learned)
{
    for (int bare = 0; bare < 2; bare++) {
        for (size_t i = 0; i < count; i++) {
            if (!is_call(&events[i]) || is_learned(&events[i]) != learned ||
                is_bare(&events[i]) != bare)
                continue;
            struct control_attempt one = attempt_of(&events[i]);
            if (bare)
                add_bare(attempts, &one);
            else
                add(attempts, &one);
        }
    }
}

enum kn_status control_attempts_of(const struct kn_msg_event *events, size_t count,
                                   const struct kn_msg_task *task, struct kn_arena *arena,
                                   struct control_attempts *ret)
{
    struct control_attempts attempts = {
        .items = kn_arena_array(arena, count + 1, sizeof *attempts.items)};
    if (!attempts.items)
        return KN_NOMEM;
    add_calls(&attempts, events, count, false);
    if (!attempts.count)
        add_calls(&attempts, events, count, true);
    if (!attempts.count)
        attempts.items[attempts.count++] = of_task(task);
    qsort(attempts.items, attempts.count, sizeof *attempts.items, by_retries);
    choose(&attempts);
    attempts.certain = attempts.first->retries == 0;
    *ret = attempts;
    return KN_OK;
}

/* All events, in pages. */
static enum kn_status read_events(struct control_call *call, const struct kn_msg_task *task,
                                  const struct kn_msg_task_event_list *list,
                                  struct kn_msg_event **ret, size_t *ret_count, bool *ret_all)
{
    struct kn_msg_task_events_get get = {
        .id = task->id, .source = task->source, .limit = CONTROL_ATTEMPTS_PAGE};
    size_t count = 0;
    struct kn_msg_event *events = kn_arena_array(call->arena, EVENTS_MAX, sizeof *events);
    if (!events)
        return KN_NOMEM;
    for (int page = 1;; page++) {
        const void *answer;
        for (size_t i = 0; i < list->items.count && count < EVENTS_MAX; i++)
            if (is_call(&list->items.items[i]))
                events[count++] = list->items.items[i];
        get.cursor = list->next_cursor;
        if (!get.cursor.len || page == PAGES_MAX)
            break;
        enum kn_status status =
            control_call_ask(call, KN_KIND_TASK_EVENTS_GET, &get, KN_KIND_TASK_EVENT_LIST, &answer);
        if (status != KN_OK)
            return status;
        list = answer;
    }
    *ret = events;
    *ret_count = count;
    *ret_all = !get.cursor.len;
    return KN_OK;
}

enum kn_status control_attempts_read(struct control_call *call, const struct kn_msg_task *task,
                                     const struct kn_msg_task_event_list *first,
                                     struct control_attempts *ret)
{
    struct kn_msg_event *events;
    size_t count;
    bool all;
    enum kn_status status = read_events(call, task, first, &events, &count, &all);
    if (status == KN_OK)
        status = control_attempts_of(events, count, task, call->arena, ret);
    if (status == KN_OK)
        ret->certain = ret->certain && all;
    return status;
}
