/* Where a message of the task may still be. */
#include "services/control/act/retry_source.h"

#include "services/common/text/time.h"
#include "services/control/call/learned_sender.h"
#include "services/control/find/calls.h"
#include "services/control/find/depths.h"
#include "services/control/find/seek.h"
#include "services/control/find/waiting.h"
#include "services/control/queues/message.h"

enum { QUEUES_MAX = 1000 }; /* that are searched for one message */

static enum kn_status take_message(struct control_call *call, struct control_retry_source *o,
                                   struct kn_str queue, const struct broker_found *found)
{
    const char *error;
    struct kn_str value = kn_arena_str(call->arena, kn_buf_view(&found->value)), key = {0};
    struct kn_str exchange = KN_STR_ABSENT;
    enum kn_status status = value.ptr ? KN_OK : KN_NOMEM;
    if (status == KN_OK && !found->list.len)
        status = celery_unacked_decode(value, call->arena, &value, &exchange, &key);
    if (status == KN_OK)
        status = celery_task_message_decode_envelope(value, call->arena, &o->message, &error);
    if (status != KN_OK)
        return status;
    o->has_message = true;
    o->unacked = !found->list.len;
    if (!o->unacked)
        o->route = (struct control_route){.queue = kn_arena_str(call->arena, queue)};
    else if (key.len)
        o->route = control_route_of(key, exchange, key);
    return KN_OK;
}

/* Storage may have the task as finished or lost. */
static void tell_of_message(struct control_call *call, struct control_retry_source *o,
                            const struct broker_found *found)
{
    const struct broker_waiting message = {.envelope = kn_buf_view(&found->value),
                                           .size = found->value.len};
    struct kn_msg_waiting waiting;
    struct kn_msg_event event;
    if (o->unacked || !call->learned)
        return;
    control_waiting_show(&message, call->arena, &waiting);
    if (control_waiting_event(&waiting, o->route.queue, kn_time_now(), &event) &&
        control_learned_sender_tell(call->learned, &event, 1) != KN_OK)
        return; /* the next look into the queue reports it */
}

static enum kn_status look_into(struct control_call *call, struct control_retry_source *o,
                                struct kn_str queue, bool unacked)
{
    struct broker_found found = {.complete = true};
    kn_buf_init(&found.value, 0);
    kn_buf_init(&found.list, 0);
    enum kn_status status = control_message_find(call, o->task->id, queue, unacked, &found);
    if (status == KN_OK) {
        status = take_message(call, o, queue, &found);
        if (status == KN_OK)
            tell_of_message(call, o, &found);
    } else if (status == KN_NOT_FOUND) {
        o->looked = o->looked && found.complete;
        status = KN_OK;
    } else {
        status = control_call_fail(call, status, "nothing was sent, broker: %s",
                                   broker_session_error(call->hand->session));
    }
    kn_buf_fini(&found.value);
    kn_buf_fini(&found.list);
    return status;
}

static void add_queue(struct kn_strs *queues, struct kn_str queue)
{
    if (queues->count < QUEUES_MAX)
        control_calls_add(queues, queue);
}

static enum kn_status add_route(struct control_call *call, struct kn_strs *queues,
                                const struct control_route *route)
{
    struct kn_strs found = {0};
    enum kn_status status = control_route_queues(call, route, &found);
    for (size_t i = 0; i < found.count; i++)
        add_queue(queues, found.items[i]);
    return status;
}

/* The queues that its calls were sent to, and (everywhere) all queues known to storage. */
static enum kn_status find_queues(struct control_call *call, struct control_retry_source *o,
                                  bool everywhere, struct kn_strs *ret)
{
    const struct kn_msg_known_queues_get get = {.source = kn_str_from(call->options->source)};
    const void *answer;
    ret->items = kn_arena_array(call->arena, QUEUES_MAX, sizeof *ret->items);
    enum kn_status status = ret->items ? add_route(call, ret, &o->route) : KN_NOMEM;
    for (size_t i = 0; i < o->attempts.count && status == KN_OK; i++) {
        const struct control_attempt *one = &o->attempts.items[i];
        struct control_route route = control_route_of(one->queue, one->exchange, one->routing_key);
        status = add_route(call, ret, &route);
    }
    if (status == KN_OK)
        add_queue(ret, o->task->queue);
    if (status != KN_OK || !everywhere)
        return status;
    status = control_call_ask(call, KN_KIND_KNOWN_QUEUES_GET, &get, KN_KIND_KNOWN_QUEUES, &answer);
    const struct kn_msg_known_queues *known = status == KN_OK ? answer : NULL;
    for (size_t i = 0; known && i < known->names.count; i++)
        add_queue(ret, known->names.items[i]);
    o->looked = o->looked && ret->count < QUEUES_MAX;
    return status;
}

/* ---- RabbitMQ ---- */

static enum kn_status find_sent_to(struct control_call *call, const struct control_retry_source *o,
                                   struct kn_strs *ret)
{
    *ret =
        (struct kn_strs){kn_arena_array(call->arena, o->attempts.count + 1, sizeof *ret->items), 0};
    if (!ret->items)
        return KN_NOMEM;
    for (size_t i = 0; i < o->attempts.count; i++)
        add_queue(ret, o->attempts.items[i].queue);
    add_queue(ret, o->task->queue);
    return KN_OK;
}

/* It is only to be named: without it, a message may wait all the same. */
static enum kn_status find_suspect(struct control_call *call, struct control_retry_source *o,
                                   bool own)
{
    int64_t taken_at =
        o->task->started_at > o->task->received_at ? o->task->started_at : o->task->received_at;
    struct control_seek_task task = {.id = o->task->id,
                                     .since = taken_at ? taken_at : o->task->sent_at};
    enum kn_status status = find_sent_to(call, o, &task.sent_to);
    if (status != KN_OK)
        return status;
    const struct control_seek_options options = {
        .session = call->hand->session,
        .own = own,
        .suspects = true,
        .fresh = control_depths_fresh(kn_time_now(), KN_HOUR),
        .source = call->options->source,
        .storage = call->storage,
        .request_timeout_us = call->options->request_timeout_us,
        .arena = call->arena};
    (void)!control_seek(&options, &task, 1); /* what was found before counts all the same */
    if (task.queue.ptr &&
        control_depths_suspects(task.grown ? CONTROL_DEPTHS_GREW : CONTROL_DEPTHS_CHANGED,
                                (enum kn_task_status)o->task->status))
        o->suspect = task.queue;
    return KN_OK;
}

enum kn_status control_retry_source_look(struct control_call *call, struct control_retry_source *o,
                                         enum control_look look)
{
    struct kn_strs queues = {0};
    if (!broker_session_traits(call->hand->session)->reads_in_place) {
        o->looked = false;
        return look == CONTROL_LOOK_DONE ? KN_OK
                                         : find_suspect(call, o, look == CONTROL_LOOK_UNFINISHED);
    }
    enum kn_status status = find_queues(call, o, look == CONTROL_LOOK_LOST, &queues);
    for (size_t i = 0; i < queues.count && status == KN_OK && !o->has_message; i++)
        status = look_into(call, o, queues.items[i], false);
    if (status == KN_OK && !o->has_message)
        status = look_into(call, o, KN_STR(""), true);
    return status;
}
