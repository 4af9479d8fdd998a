/* The doctor's look at the broker, for the gateway. */
#include "services/control/act/handlers.h"
#include "services/control/doctor/doctor.h"

enum kn_status control_do_doctor(struct control_call *call)
{
    struct kn_str source = kn_str_from(call->options->source);
    const struct kn_msg_workers_get workers = {.sources = {&source, 1}};
    const struct kn_msg_known_queues_get queues = {.source = source};
    const void *known_workers = NULL, *known_queues = NULL;
    struct kn_msg_doctor_report *report = kn_arena_alloc(call->arena, sizeof *report);
    if (!report)
        return KN_NOMEM;
    enum kn_status status =
        control_call_ask(call, KN_KIND_WORKERS_GET, &workers, KN_KIND_WORKER_LIST, &known_workers);
    if (status == KN_OK)
        status = control_call_ask(call, KN_KIND_KNOWN_QUEUES_GET, &queues, KN_KIND_KNOWN_QUEUES,
                                  &known_queues);
    if (status != KN_OK)
        return status;
    const struct control_doctor_options options = {
        .source = call->options->source,
        .broker = call->options->broker,
        .reply_timeout_us = call->options->reply_timeout_us,
        .memory_max = call->options->memory_max,
        .workers = known_workers,
        .queues = known_queues,
    };
    status = control_doctor_look(call->hand->pidbox, &options, call->arena, report);
    if (status != KN_OK)
        return status;
    call->answer_kind = KN_KIND_DOCTOR_REPORT;
    call->answer = report;
    return KN_OK;
}
