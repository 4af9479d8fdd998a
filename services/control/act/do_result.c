/* The whole result of a task, out of the result backend. */
#include "services/control/act/handlers.h"

#include "services/celery/message/result_parts.h"
#include "services/common/text/time.h"
#include "services/control/find/backends.h"

static enum kn_status fill(struct control_call *call, struct kn_str id, struct kn_str value,
                           struct kn_msg_task_result *ret)
{
    struct celery_result_parts parts;
    enum kn_status status = celery_result_parts(value, call->arena, &parts);
    if (status == KN_UNSUPPORTED)
        return control_call_fail(call, KN_CONFLICT, "the result is neither JSON nor msgpack");
    if (status != KN_OK)
        return control_call_fail(call, status == KN_NOMEM ? status : KN_CONFLICT,
                                 "the result backend's data can't be read: %s",
                                 kn_status_text(status));
    *ret = (struct kn_msg_task_result){
        .id = id,
        .state = parts.status,
        .result = parts.result,
        .traceback = parts.traceback,
        .name = parts.name,
        .args = parts.args,
        .kwargs = parts.kwargs,
        .worker = parts.worker,
        .queue = parts.queue,
        .children = parts.children,
        .bytes = value.len,
    };
    if (parts.date_done.ptr && !kn_time_parse(parts.date_done, &ret->completed_at))
        ret->completed_at = 0;
    if (parts.unsayable)
        ret->note = KN_STR("the result has a value that JSON can't represent");
    return KN_OK;
}

enum kn_status control_do_result(struct control_call *call)
{
    const struct kn_msg_task_result_get *ask = call->msg;
    struct kn_str source = kn_str_from(call->options->source);
    const struct kn_msg_workers_get get = {.sources = {&source, 1}, .conf = true};
    const void *workers;
    struct kn_msg_task_result *answer = kn_arena_alloc(call->arena, sizeof *answer);
    struct kn_str value, why = KN_STR("out of memory");
    if (!answer)
        return KN_NOMEM;
    if (!ask->task_id.len)
        return control_call_refuse(call, KN_INVALID, "task: missing");
    enum kn_status status =
        control_call_ask(call, KN_KIND_WORKERS_GET, &get, KN_KIND_WORKER_LIST, &workers);
    if (status != KN_OK)
        return status;
    status = control_result_value(call, workers, ask->task_id, &value, &why);
    if (status != KN_OK)
        return control_call_fail(call, status == KN_UNSUPPORTED ? KN_CONFLICT : status, "%.*s",
                                 KN_STR_ARG(why));
    status = fill(call, ask->task_id, value, answer);
    if (status != KN_OK)
        return status;
    call->answer_kind = KN_KIND_TASK_RESULT;
    call->answer = answer;
    return KN_OK;
}
