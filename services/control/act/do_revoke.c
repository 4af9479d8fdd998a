/* Revoke: tells every worker, and removes the waiting message from its queue. */
#include "services/control/act/handlers.h"

#include "services/celery/remote/methods.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/control/act/removal.h"
#include "services/control/ask/command.h"
#include "services/control/find/route.h"
#include "services/control/queues/message.h"
#include "services/control/queues/queues.h"

static struct kn_str arguments_of(struct control_call *call, const struct kn_msg_task_revoke *ask)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    if (ask->task_id.ptr) {
        kn_buf_text(&out, "{\"task_id\":");
        kn_buf_json_str(&out, ask->task_id);
    } else {
        kn_buf_text(&out, "{\"headers\":");
        kn_buf_str(&out, ask->headers);
    }
    kn_buf_printf(&out, ",\"terminate\":%s", ask->terminate ? "true" : "false");
    if (ask->terminate) {
        kn_buf_text(&out, ",\"signal\":");
        kn_buf_json_str(&out, ask->signal.len ? ask->signal : KN_STR("SIGTERM"));
    }
    kn_buf_char(&out, '}');
    struct kn_str text =
        kn_buf_status(&out) == KN_OK ? kn_arena_str(call->arena, kn_buf_view(&out)) : KN_STR_ABSENT;
    kn_buf_fini(&out);
    return text;
}

static enum kn_status tell_workers(struct control_call *call, const struct kn_msg_task_revoke *ask,
                                   struct kn_msg_command_done *ret)
{
    const struct kn_msg_command command = {
        .source = ask->source,
        .method = ask->task_id.ptr ? KN_STR("revoke") : KN_STR("revoke_by_stamped_headers"),
        .arguments = arguments_of(call, ask),
        .timeout = ask->timeout,
        .dry_run = !call->action,
    };
    return command.arguments.ptr ? control_command(call, &command, ret) : KN_NOMEM;
}

/* ---- the message that waits ---------------------------------------------------------------- */

enum { QUEUE_NAME_MAX = 255 };
static const int64_t HELD_US = 20 * KN_SECOND; /* that those before it are held on RabbitMQ */

struct removal {
    struct control_call *call;
    struct kn_msg_task_revoked *answer;
    struct control_removal_task task;
    bool waits;            /* as far as is known: whoever has it has not told of it */
    bool complete;         /* every queue was looked through to its end */
    struct kn_strs queues; /* that are looked at */
};

static enum kn_status remove_from(struct removal *r, struct kn_str queue)
{
    struct broker_found found = {.complete = true};
    int64_t removed = 0;
    kn_buf_init(&found.value, 0);
    kn_buf_init(&found.list, 0);
    enum kn_status status = control_message_find(r->call, r->task.id, queue, false, &found);
    r->complete = r->complete && found.complete;
    if (status == KN_OK && r->call->action)
        status = broker_session_take_out(r->call->hand->session, &found, &removed);
    else if (status == KN_OK)
        removed = 1;
    kn_buf_fini(&found.value);
    kn_buf_fini(&found.list);
    if (status == KN_OK && removed) {
        r->answer->removed.value += removed;
        r->task.gone = r->call->action;
    }
    return status == KN_NOT_FOUND ? KN_OK : status;
}

/* The queues that its message went to; for an exchange, if the broker lists them. */
static bool find_routed(struct removal *r, const struct kn_msg_task *task)
{
    const struct control_route route =
        control_route_of(task->queue, task->exchange, task->routing_key);
    enum kn_status status = control_route_queues(r->call, &route, &r->queues);
    return status == KN_OK && r->queues.count;
}

/* The queue that the request names, else that of the task, when it is known. */
static bool find_queue(struct removal *r, struct kn_str wanted)
{
    struct kn_str source = kn_str_from(r->call->options->source);
    const struct kn_msg_task_get get = {.id = r->task.id, .source = source};
    const void *answer;
    struct kn_str *one = kn_arena_alloc(r->call->arena, sizeof *one);
    const struct kn_msg_task *task = NULL;
    if (control_call_ask(r->call, KN_KIND_TASK_GET, &get, KN_KIND_TASK, &answer) == KN_OK)
        task = answer;
    r->call->text = KN_STR_ABSENT; /* of an unknown task */
    r->waits = task && (task->status == KN_TASK_PENDING || task->status == KN_TASK_RETRY);
    if (!one || (!wanted.len && !task))
        return false;
    if (!wanted.len)
        return find_routed(r, task);
    *one = kn_arena_str(r->call->arena, wanted);
    r->queues = (struct kn_strs){one, 1};
    return one->ptr;
}

static enum kn_status all_queues(struct removal *r)
{
    const struct kn_msg_known_queues_get get = {.source = kn_str_from(r->call->options->source)};
    const void *answer;
    enum kn_status status =
        control_call_ask(r->call, KN_KIND_KNOWN_QUEUES_GET, &get, KN_KIND_KNOWN_QUEUES, &answer);
    if (status == KN_OK)
        r->queues = ((const struct kn_msg_known_queues *)answer)->names;
    return status;
}

static void remove_in_place(struct removal *r, bool known)
{
    enum kn_status status = known ? KN_OK : all_queues(r);
    for (size_t i = 0; i < r->queues.count && status == KN_OK; i++)
        status = remove_from(r, r->queues.items[i]);
    r->call->text = KN_STR_ABSENT;
    r->answer->removed.set = status == KN_OK;
    bool acts = r->call->action;
    r->answer->removal =
        status != KN_OK            ? KN_STR("the queue could not be read to look for its message")
        : r->answer->removed.value ? acts ? KN_STR("its message was removed from the queue")
                                          : KN_STR("its message would be removed from the queue")
        : r->complete ? KN_STR("it has no message in a queue")
                                   : KN_STR("its message is not among those searched (look_max)");
}

static struct kn_str why_not(struct removal *r, enum kn_status status)
{
    const char *error = broker_session_error(r->call->hand->session);
    const char *what = status == KN_NOT_FOUND ? "unknown queue"
                       : status == KN_UNSUPPORTED
                           ? "it stays in its queue: only a classic queue "
                             "can return the messages before it to their positions"
                       : status == KN_CONFLICT
                           ? "it stays in its queue, because workers consume the queue and would "
                             "get the messages after it first. They will discard it, as long as "
                             "they remember. Pause the queue to remove it"
                           : NULL;
    if (what)
        return kn_str_from(what);
    (void)control_call_fail(r->call, status, "it is unknown whether its message was removed: %s",
                            *error ? error : kn_status_text(status));
    return r->call->text;
}

/* A dry run does not look: that already marks messages as redelivered. */
static void remove_by_taking(struct removal *r)
{
    struct broker_removed removed;
    const struct control_removal removal = {.queue = r->queues.items[0].ptr,
                                            .tasks = &r->task,
                                            .count = 1,
                                            .look_max = r->call->options->look_max,
                                            .time_us = HELD_US};
    if (!r->call->action) {
        r->answer->removal = KN_STR("its message would be searched for in the queue, and removed");
        return;
    }
    enum kn_status status = control_remove_messages(r->call, &removal, KN_STR(""), &removed);
    r->answer->removed =
        (struct kn_opt_i64){.set = status == KN_OK, .value = (int64_t)removed.removed};
    r->answer->removal =
        status != KN_OK   ? why_not(r, status)
        : removed.removed ? KN_STR("its message was removed from the queue")
        : removed.complete
            ? KN_STR("it has no message in the queue")
            : KN_STR("its message is not among those searched (look_max, 20 seconds)");
    r->call->text = KN_STR_ABSENT;
}

/* Whatever comes of it: the workers know, and that is what counts. */
static void remove_message(struct control_call *call, const struct kn_msg_task_revoke *ask,
                           struct kn_msg_task_revoked *answer)
{
    struct removal r = {
        .call = call, .answer = answer, .task = {.id = ask->task_id}, .complete = true};
    bool in_place = broker_session_traits(call->hand->session)->reads_in_place;
    if (!in_place && !ask->remove) {
        answer->removal =
            KN_STR("a waiting message on RabbitMQ stays in its queue unless you use remove=true. "
                   "The worker that gets it discards it, as long as it remembers");
        return;
    }
    bool known = find_queue(&r, ask->queue);
    if (in_place)
        remove_in_place(&r, known);
    else if (known)
        remove_by_taking(&r);
    else
        answer->removal = KN_STR("its queue is unknown: specify it (queue)");
    if (r.waits &&
        control_removal_tell(call, control_queues_learned(call->queues), &r.task, 1) != KN_OK)
        KN_WARN("revoked.not_told", KN_F_STR("id", r.task.id)); /* it stays pending */
}

/* ---- the request --------------------------------------------------------------------------- */

static enum kn_outcome outcome_of(const struct kn_msg_task_revoked *answer)
{
    size_t failed = 0;
    const struct kn_msg_command_done *done = answer->done;
    for (size_t i = 0; i < done->replies.count; i++)
        failed += done->replies.items[i].failed;
    if (!failed && !done->missing.count && (done->replies.count || answer->removed.value))
        return KN_OUTCOME_DONE;
    return done->replies.count > failed || answer->removed.value ? KN_OUTCOME_PARTLY
                                                                 : KN_OUTCOME_FAILED;
}

enum kn_status control_do_revoke(struct control_call *call)
{
    const struct kn_msg_task_revoke *ask = call->msg;
    struct kn_msg_task_revoked *answer = kn_arena_alloc(call->arena, sizeof *answer);
    struct kn_msg_command_done *done = kn_arena_alloc(call->arena, sizeof *done);
    if (!answer || !done)
        return KN_NOMEM;
    if (!ask->task_id.len == !ask->headers.len)
        return control_call_refuse(call, KN_INVALID, "either a task or headers are required");
    if (ask->queue.len > QUEUE_NAME_MAX ||
        (ask->queue.len && memchr(ask->queue.ptr, 0, ask->queue.len)))
        return control_call_refuse(call, KN_INVALID, "queue: must have 1 to %d bytes",
                                   QUEUE_NAME_MAX);
    if (ask->signal.ptr && !celery_signal_known(ask->signal))
        return control_call_refuse(call, KN_INVALID, "signal: must be %s", CELERY_SIGNALS);
    enum kn_status status = tell_workers(call, ask, done);
    answer->done = done;
    if (status != KN_OK)
        return status;
    if (ask->task_id.ptr)
        remove_message(call, ask, answer);
    if (call->action) {
        call->outcome = outcome_of(answer);
        answer->action_id = call->action->id;
    }
    call->answer_kind = KN_KIND_TASK_REVOKED;
    call->answer = answer;
    return KN_OK;
}
