/* Revoke: every worker is told, and the message that waits is taken out of its queue. */
#include "services/control/origin.h"

#include "services/broker/lists.h"
#include "services/common/time.h"

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

/* ---- the message that waits -------------------------------------------------------------------
 */

struct removal {
    struct control_call *call;
    struct kn_msg_task_revoked *answer;
    bool complete; /* every queue was looked through to its end */
};

static enum kn_status remove_from(struct removal *r, struct kn_str id, struct kn_str queue)
{
    struct broker_found found = {.complete = true};
    int64_t removed = 0;
    kn_buf_init(&found.value, 0);
    kn_buf_init(&found.list, 0);
    enum kn_status status = control_find_message(r->call, id, queue, false, &found);
    r->complete = r->complete && found.complete;
    if (status == KN_OK && r->call->action)
        status = broker_lists_remove(r->call->hand->session, kn_buf_view(&found.list),
                                     kn_buf_view(&found.value), &removed);
    else if (status == KN_OK)
        removed = 1;
    kn_buf_fini(&found.value);
    kn_buf_fini(&found.list);
    if (status == KN_OK && removed)
        r->answer->removed.value += removed;
    return status == KN_NOT_FOUND ? KN_OK : status;
}

/* The queue of the task, when it is known, else all. */
static enum kn_status find_queues(struct control_call *call, struct kn_str id, struct kn_strs *ret)
{
    struct kn_str source = kn_str_from(call->options->source);
    const struct kn_msg_task_get task_get = {.id = id, .source = source};
    const struct kn_msg_known_queues_get queues_get = {.source = source};
    const void *answer;
    struct kn_str *one = kn_arena_alloc(call->arena, sizeof *one);
    if (!one)
        return KN_NOMEM;
    if (control_call_ask(call, KN_KIND_TASK_GET, &task_get, KN_KIND_TASK, &answer) == KN_OK &&
        ((const struct kn_msg_task *)answer)->queue.len) {
        *one = ((const struct kn_msg_task *)answer)->queue;
        *ret = (struct kn_strs){one, 1};
        return KN_OK;
    }
    call->text = KN_STR_ABSENT; /* of a task that is not known */
    enum kn_status status = control_call_ask(call, KN_KIND_KNOWN_QUEUES_GET, &queues_get,
                                             KN_KIND_KNOWN_QUEUES, &answer);
    if (status == KN_OK)
        *ret = ((const struct kn_msg_known_queues *)answer)->names;
    return status;
}

static enum kn_status remove_message(struct control_call *call, struct kn_str id,
                                     struct kn_msg_task_revoked *answer)
{
    struct removal r = {.call = call, .answer = answer, .complete = true};
    struct kn_strs queues = {0};
    if (!broker_lists_has(call->hand->session)) {
        answer->removal = KN_STR("a message that waits on RabbitMQ stays in its queue: it can't be "
                                 "taken out without taking out those before it. The worker that "
                                 "gets it throws it away, while it remembers");
        return KN_OK;
    }
    enum kn_status status = find_queues(call, id, &queues);
    for (size_t i = 0; i < queues.count && status == KN_OK; i++)
        status = remove_from(&r, id, queues.items[i]);
    if (status != KN_OK) {
        answer->removal = KN_STR("whether a message waits is not known: the queue could not be "
                                 "read");
        call->text = KN_STR_ABSENT;
        return KN_OK; /* the workers know, and that is what counts */
    }
    answer->removed.set = true;
    bool acts = call->action;
    answer->removal =
        answer->removed.value ? acts ? KN_STR("its message was taken out of the queue")
                                     : KN_STR("its message would be taken out of the queue")
        : r.complete ? KN_STR("no message of it waits in a queue")
                     : KN_STR("there are more messages than are looked at (look_max), and its was "
                              "not among them");
    return KN_OK;
}

/* ---- the request
 * --------------------------------------------------------------------------------- */

static bool is_signal(struct kn_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            return false;
    }
    return name.len <= 16;
}

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
        return control_call_refuse(call, KN_INVALID, "either a task or headers are needed");
    if (!is_signal(ask->signal))
        return control_call_refuse(call, KN_INVALID, "signal: a name such as SIGTERM or KILL");
    enum kn_status status = tell_workers(call, ask, done);
    answer->done = done;
    if (status == KN_OK && ask->task_id.ptr)
        status = remove_message(call, ask->task_id, answer);
    if (status != KN_OK)
        return status;
    if (call->action) {
        call->outcome = outcome_of(answer);
        answer->action_id = call->action->id;
    }
    call->answer_kind = KN_KIND_TASK_REVOKED;
    call->answer = answer;
    return KN_OK;
}
