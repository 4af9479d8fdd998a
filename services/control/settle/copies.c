#include "services/control/settle/copies.h"

#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/control/find/calls.h"
#include "services/control/find/depths.h"

enum { EVENTS_MAX = 500 };

static enum kn_status read_calls(const struct control_copies_options *o,
                                 const struct kn_msg_overdue_task *task, struct control_calls *ret)
{
    const struct kn_msg_task_events_get get = {
        .id = task->id, .source = kn_str_from(o->source), .limit = EVENTS_MAX};
    struct kn_bus_message *answer = kn_bus_request_kind(
        o->storage, KN_KIND_TASK_EVENTS_GET, &get, o->request_timeout_us, KN_KIND_TASK_EVENT_LIST);
    enum kn_status status =
        control_calls_read(answer ? answer->msg : NULL, task->taken_at,
                           broker_session_traits(o->session)->routed_by_kombu, o->arena, ret);
    kn_bus_message_free(answer);
    return status;
}

static enum kn_status seek(const struct control_copies_options *o, struct control_seek_task *tasks,
                           size_t count, int64_t missing_at)
{
    const struct control_seek_options options = {
        .session = o->session,
        .fresh = control_depths_fresh(kn_time_now(), kn_time_mono() - missing_at),
        .source = o->source,
        .storage = o->storage,
        .request_timeout_us = o->request_timeout_us,
        .arena = o->arena};
    enum kn_status status = control_seek(&options, tasks, count);
    for (size_t i = 0; i < count; i++)
        tasks[i].found = tasks[i].found || status != KN_OK;
    return status;
}

/* On RabbitMQ a message must wait in a queue to which it was sent again: without it the queue would
 * be empty, or not have grown. */
static void judge(const struct control_copies_options *o, struct control_copy *copy,
                  const struct control_calls *calls, const struct control_seek_task *sought)
{
    copy->state = sought->found || calls->unsure ? CONTROL_COPY_UNKNOWN : CONTROL_COPY_NONE;
    copy->queue = sought->queue;
    if (sought->queue.ptr && broker_session_traits(o->session)->reads_in_place)
        copy->state = CONTROL_COPY_WAITS;
    for (size_t i = 0; sought->queue.ptr && i < calls->n_resent; i++) {
        if (!kn_str_eq(calls->resent[i].queue, sought->queue))
            continue;
        if (sought->grown)
            copy->state = CONTROL_COPY_WAITS;
        copy->name = calls->resent[i].name;
    }
}

static void tell_failure(const struct control_copies_options *o, enum kn_status status)
{
    static struct kn_log_limit limit;
    const char *error = broker_session_error(o->session);
    uint64_t skipped;
    if (status != KN_OK && status != KN_FULL && kn_log_allow(&limit, &skipped))
        KN_WARN("reconcile.not_sought", KN_F_TEXT("source", o->source),
                KN_F_TEXT("error", *error ? error : kn_status_text(status)),
                KN_F_I64("skipped", skipped));
}

static enum kn_status find_copies(const struct control_copies_options *options,
                                  struct control_copy *copies, size_t count)
{
    struct control_seek_task *tasks = kn_arena_array(options->arena, count, sizeof *tasks);
    struct control_calls *calls = kn_arena_array(options->arena, count, sizeof *calls);
    enum kn_status status = tasks && calls ? KN_OK : KN_NOMEM;
    int64_t missing_at = 0; /* of the latest */
    for (size_t i = 0; status == KN_OK && i < count; i++) {
        const struct kn_msg_overdue_task *task = copies[i].task;
        status = read_calls(options, task, &calls[i]);
        tasks[i] = (struct control_seek_task){
            .id = task->id, .since = task->taken_at, .sent_to = calls[i].sent_to};
        if (copies[i].missing_at > missing_at)
            missing_at = copies[i].missing_at;
    }
    if (status != KN_OK)
        return status;
    status = seek(options, tasks, count, missing_at);
    for (size_t i = 0; i < count; i++)
        judge(options, &copies[i], &calls[i], &tasks[i]);
    return status;
}

void control_copies_find(const struct control_copies_options *options, struct control_copy *copies,
                         size_t count)
{
    tell_failure(options, find_copies(options, copies, count));
}
