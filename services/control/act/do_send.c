/* Retry and apply: a new message for a task. */
#include "services/control/act/handlers.h"
#include "services/control/act/sending.h"

#include "services/common/process/service.h"
#include "services/common/text/time.h"

#include <stdio.h>

bool control_sending_registered(const struct kn_msg_worker *worker, struct kn_str name)
{
    for (size_t i = 0; i < worker->registered.count; i++)
        if (kn_str_eq(worker->registered.items[i], name))
            return true;
    return false;
}

static enum kn_status broker_failed(struct control_sending *s, enum kn_status status)
{
    const char *error = broker_session_error(s->call->hand->session);
    if (!*error)
        error = kn_status_text(status);
    if (status != KN_UNCERTAIN)
        return control_call_fail(s->call, status, "nothing was sent, broker: %s", error);
    return control_call_fail(
        s->call, status,
        "it is unknown whether the broker accepted the message: %s. If it did, the "
        "new task has the id %.*s",
        error, KN_STR_ARG(kn_utf8_head(s->ask->new_id, 64)));
}

static enum kn_status no_queue(struct control_sending *s)
{
    if (!s->wrap.exchange.len)
        return control_call_refuse(s->call, KN_CONFLICT, "unknown queue \"%.*s\"",
                                   KN_STR_ARG(kn_utf8_head(s->wrap.queue, 100)));
    return control_call_refuse(s->call, KN_CONFLICT,
                               "the exchange \"%.*s\" leads to no queue with the routing key "
                               "\"%.*s\". Specify the queue (queue)",
                               KN_STR_ARG(kn_utf8_head(s->wrap.exchange, 100)),
                               KN_STR_ARG(kn_utf8_head(s->wrap.routing_key, 100)));
}

enum kn_status control_sending_deliver(struct control_sending *s)
{
    struct control_call *call = s->call;
    char tag[33];
    kn_random_hex(tag, sizeof tag);
    s->wrap.delivery_tag = kn_arena_str(call->arena, kn_str_from(tag));
    s->wrap.correlation_id = s->ask->new_id;
    struct kn_msg_task_sent *sent = kn_arena_alloc(call->arena, sizeof *sent);
    if (!sent || !s->wrap.delivery_tag.ptr)
        return KN_NOMEM;
    if (call->action) {
        enum kn_status status = control_send_task(call->hand->session, &s->wrap, call->arena);
        call->began = status == KN_OK || status == KN_UNCERTAIN;
        if (status == KN_NOT_FOUND)
            return no_queue(s);
        if (status == KN_AGAIN)
            return control_call_refuse(call, status, "%s; nothing was sent",
                                       broker_session_error(call->hand->session));
        if ((status == KN_OK || status == KN_UNCERTAIN) && s->ask->task_id.ptr)
            call->link = (struct kn_msg_task_link){.source = kn_str_from(call->options->source),
                                                   .task_id = s->ask->task_id,
                                                   .new_id = s->ask->new_id,
                                                   .at = kn_time_now()};
        if (status != KN_OK)
            return broker_failed(s, status);
        sent->action_id = call->action->id;
    } else {
        sent->message = control_sending_show(s);
    }
    sent->id = s->ask->new_id;
    sent->arguments_from = kn_str_from(s->from);
    sent->queue = s->wrap.queue;
    sent->name = s->name;
    sent->exchange = s->wrap.exchange.len ? s->wrap.exchange : KN_STR_ABSENT;
    sent->routing_key = s->wrap.exchange.len ? s->wrap.routing_key : KN_STR_ABSENT;
    sent->attempt = s->attempt;
    sent->attempts.items = s->attempts;
    sent->attempts.count = s->n_attempts;
    sent->warnings = (struct kn_strs){
        kn_arena_array(call->arena, CONTROL_WARNINGS_MAX, sizeof(struct kn_str)), s->n_warnings};
    if (!sent->warnings.items || call->arena->overflow)
        return KN_NOMEM;
    memcpy(sent->warnings.items, s->warnings, s->n_warnings * sizeof(struct kn_str));
    call->answer_kind = KN_KIND_TASK_SENT;
    call->answer = sent;
    return KN_OK;
}

static bool consumes(const struct kn_msg_worker *worker, struct kn_str queue)
{
    for (size_t i = 0; i < worker->queues.count; i++)
        if (kn_str_eq(worker->queues.items[i], queue))
            return true;
    return false;
}

void control_sending_consumers(struct control_sending *s, const struct kn_msg_worker_list *workers)
{
    for (size_t i = 0; i < workers->items.count; i++) {
        const struct kn_msg_worker *worker = &workers->items.items[i];
        if (worker->status != KN_WORKER_OFFLINE && consumes(worker, s->wrap.queue))
            return;
    }
    if (s->wrap.queue.len)
        control_sending_warn(s, "no online worker consumes this queue");
}

void control_sending_priority(struct control_sending *s, struct kn_opt_i64 priority)
{
    s->wrap.priority =
        (uint8_t)(s->ask->priority.set ? s->ask->priority.value
                  : priority.set && priority.value >= 0 && priority.value < 256 ? priority.value
                                                                                : 0);
}

/* On Redis the queue to which the exchange leads; RabbitMQ finds it itself. */
static enum kn_status resolve(struct control_sending *s, const struct control_route *route)
{
    struct kn_strs queues = {0};
    enum kn_status status = control_route_queues(s->call, route, &queues);
    s->wrap.exchange = route->exchange;
    s->wrap.routing_key = route->routing_key.ptr ? route->routing_key : KN_STR("");
    if (status == KN_UNSUPPORTED)
        return KN_OK;
    if (status != KN_OK)
        return broker_failed(s, status);
    if (queues.count != 1)
        return control_call_refuse(s->call, KN_CONFLICT,
                                   "the task was sent to the exchange \"%.*s\" with the routing "
                                   "key \"%.*s\", which %s. Specify the queue (queue)",
                                   KN_STR_ARG(kn_utf8_head(route->exchange, 100)),
                                   KN_STR_ARG(kn_utf8_head(s->wrap.routing_key, 100)),
                                   queues.count ? "leads to several queues"
                                                : "no longer leads to a queue");
    s->wrap.queue = queues.items[0];
    return KN_OK;
}

enum kn_status control_sending_route(struct control_sending *s, const struct control_route *known)
{
    enum kn_status status = KN_OK;
    s->wrap.queue = s->ask->queue.len ? s->ask->queue : known->queue;
    if (!s->ask->queue.len && known->exchange.len) {
        s->wrap.queue = KN_STR("");
        status = resolve(s, known);
        if (status != KN_OK || !s->wrap.queue.len)
            return status;
    }
    if (!s->wrap.queue.len)
        return control_call_refuse(s->call, KN_CONFLICT,
                                   "the queue is unknown. Specify it (queue)");
    if (s->wrap.queue.len > 255 || memchr(s->wrap.queue.ptr, '\0', s->wrap.queue.len))
        return control_call_refuse(s->call, KN_INVALID, "queue: invalid name");
    return KN_OK;
}

/* ---- apply -------------------------------------------------------------------------- */

/* The one queue that all workers with this task consume; absent when there are several. */
static enum kn_status find_workers(struct control_sending *s,
                                   const struct kn_msg_worker_list *workers,
                                   struct kn_str *ret_queue)
{
    size_t found = 0;
    struct kn_str queue = KN_STR_ABSENT;
    bool one = true, json = true;
    for (size_t i = 0; i < workers->items.count; i++) {
        const struct kn_msg_worker *worker = &workers->items.items[i];
        bool takes = true;
        if (worker->status != KN_WORKER_ONLINE || !control_sending_registered(worker, s->ask->name))
            continue;
        one = one && worker->queues.count == 1 &&
              (!found || kn_str_eq(queue, worker->queues.items[0]));
        if (one)
            queue = worker->queues.items[0];
        celery_conf_accepts(worker->conf, &takes);
        json = json && takes;
        found++;
    }
    if (!found && !s->ask->unregistered)
        return control_call_refuse(
            s->call, KN_CONFLICT,
            "no online worker has registered this task; use unregistered to send it anyway");
    if (!json)
        return control_call_refuse(
            s->call, KN_CONFLICT,
            "a worker with this task does not accept JSON, the only format that Kanchi writes");
    *ret_queue = found && one ? queue : KN_STR_ABSENT;
    return KN_OK;
}

static enum kn_status apply(struct control_sending *s)
{
    const struct kn_msg_worker_list *workers;
    struct kn_str queue = KN_STR_ABSENT;
    const struct kn_msg_task_send *ask = s->ask;
    struct celery_task_call call = {
        .name = ask->name,
        .args = ask->args.ptr ? ask->args : KN_STR("[]"),
        .kwargs = ask->kwargs.ptr ? ask->kwargs : KN_STR("{}"),
    };
    enum kn_status status = control_workers(s->call, &workers);
    if (status == KN_OK)
        status = find_workers(s, workers, &queue);
    if (status == KN_OK)
        status = control_sending_route(s, &(struct control_route){.queue = queue});
    control_sending_priority(s, (struct kn_opt_i64){0});
    s->name = ask->name;
    if (status == KN_OK)
        status = control_sending_write(s, &call);
    if (status != KN_OK)
        return status;
    s->from = "request";
    control_sending_consumers(s, workers);
    return control_sending_deliver(s);
}

enum kn_status control_do_send(struct control_call *call)
{
    struct control_sending s = {.call = call, .ask = call->msg};
    struct control_retry_source origin;
    if (!s.ask->new_id.len || (!s.ask->task_id.len && !s.ask->name.len))
        return control_call_refuse(call, KN_INVALID, "name and id are required");
    if (!s.ask->task_id.ptr)
        return apply(&s);
    enum kn_status status = control_retry_source_begin(
        call, s.ask->task_id, kn_str_eq(s.ask->attempt, KN_STR("last")), &origin);
    if (status == KN_OK)
        status = control_retry(&s, &origin);
    control_retry_source_fini(&origin);
    return status;
}

void control_send_unlinked(struct control_call *call)
{
    struct kn_msg_task_sent *sent = kn_arena_alloc(call->arena, sizeof *sent);
    struct kn_str *warnings =
        kn_arena_array(call->arena, CONTROL_WARNINGS_MAX + 1, sizeof *warnings);
    if (call->answer_kind != KN_KIND_TASK_SENT || !sent || !warnings)
        return;
    *sent = *(const struct kn_msg_task_sent *)call->answer;
    memcpy(warnings, sent->warnings.items, sent->warnings.count * sizeof *warnings);
    warnings[sent->warnings.count++] =
        KN_STR("sent, but the link to the original task could not be saved");
    sent->warnings.items = warnings;
    call->answer = sent;
}
