#include "services/control/call/call.h"

#include "proto/codec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void say(struct control_call *call, const char *format, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    call->text = kn_arena_str(call->arena, kn_str_from(text));
}

enum kn_status control_call_fail(struct control_call *call, enum kn_status status,
                                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(call, format, args);
    va_end(args);
    return status;
}

enum kn_status control_call_refuse(struct control_call *call, enum kn_status status,
                                   const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(call, format, args);
    va_end(args);
    call->outcome = KN_OUTCOME_REFUSED;
    return status;
}

enum kn_status control_call_ask(struct control_call *call, enum kn_kind kind, const void *msg,
                                enum kn_kind want, const void **ret)
{
    struct kn_bus_message *answer;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    enum kn_status status = kn_bus_ask(call->storage, kind, msg, call->options->request_timeout_us,
                                       want, &answer, &error);
    if (status != KN_OK) {
        const char *text = kn_buf_cstr(&error);
        control_call_fail(call, status, "storage: %s", text ? text : kn_status_text(status));
        kn_buf_fini(&error);
        return status;
    }
    *ret = kn_msg_copy(call->arena, want, answer->msg);
    kn_bus_message_free(answer);
    return *ret ? KN_OK : KN_NOMEM;
}

enum kn_status control_workers(struct control_call *call, const struct kn_msg_worker_list **ret)
{
    struct kn_str source = kn_str_from(call->options->source);
    const struct kn_msg_workers_get get = {.sources = {&source, 1}, .full = true};
    const void *answer = call->portion ? call->portion->workers : NULL;
    enum kn_status status =
        answer ? KN_OK
               : control_call_ask(call, KN_KIND_WORKERS_GET, &get, KN_KIND_WORKER_LIST, &answer);
    if (status != KN_OK)
        return status;
    if (call->portion)
        call->portion->workers = answer;
    *ret = answer;
    return KN_OK;
}

bool control_call_link(struct control_call *call)
{
    if (!call->link.task_id.ptr)
        return true;
    struct kn_bus_message *done =
        kn_bus_request_kind(call->storage, KN_KIND_TASK_LINK, &call->link,
                            call->options->request_timeout_us, KN_KIND_DONE);
    bool stored = done;
    kn_bus_message_free(done);
    return stored;
}
