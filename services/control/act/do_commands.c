/* Requests for remote control of workers: which are taken, and what goes with them. */
#include "services/celery/remote/methods.h"
#include "services/control/act/handlers.h"
#include "services/control/ask/command.h"

#include "services/common/text/time.h"

#include <stdio.h>
#include <time.h>

static const int64_t LOOK_US = KN_SECOND / 4; /* between two looks at who is online */

/* ---- events that are switched on and off ------------------------------------------------ */

static void hold(struct control_call *call, struct kn_str hostname, bool off)
{
    if (call->options->hold_events)
        call->options->hold_events(call->options->hold_events_arg, hostname, off);
}

/* Control enables events by itself; a user's command takes precedence. */
static void hold_events(struct control_call *call, const struct kn_strs *hostnames)
{
    for (size_t i = 0; i < hostnames->count; i++)
        hold(call, hostnames->items[i], true);
}

static void note_events(struct control_call *call, const struct kn_msg_command_done *done, bool on)
{
    for (size_t i = 0; i < done->replies.count; i++) {
        const struct kn_msg_worker_reply *reply = &done->replies.items[i];
        const struct kn_msg_worker_inspect inspect = {
            .source = kn_str_from(call->options->source),
            .hostname = reply->hostname,
            .at = kn_time_now(),
            .events_enabled = KN_SOME_I64(on ? 1 : 0),
        };
        const void *answer;
        if (reply->failed)
            continue;
        hold(call, reply->hostname, !on);
        (void)!control_call_ask(call, KN_KIND_WORKER_INSPECT, &inspect, KN_KIND_DONE, &answer);
    }
    call->text = KN_STR_ABSENT;
}

/* ---- shutdown ---------------------------------------------------------------------------- */

/* A worker that shuts down does not reply (celery/worker/control.py, shutdown raises
 * WorkerShutdown); it says that it goes offline. */
struct parting {
    const struct kn_msg_worker_list *before;
    bool *gone; /* by the order of asked */
};

static const struct kn_msg_worker *worker_in(const struct kn_msg_worker_list *list,
                                             struct kn_str hostname)
{
    for (size_t i = 0; list && i < list->items.count; i++)
        if (kn_str_eq(list->items.items[i].hostname, hostname))
            return &list->items.items[i];
    return NULL;
}

static enum kn_status list_workers(struct control_call *call, const struct kn_msg_worker_list **ret)
{
    struct kn_str source = kn_str_from(call->options->source);
    const struct kn_msg_workers_get get = {.sources = {&source, 1}};
    const void *answer;
    enum kn_status status =
        control_call_ask(call, KN_KIND_WORKERS_GET, &get, KN_KIND_WORKER_LIST, &answer);
    if (status == KN_OK)
        *ret = answer;
    return status;
}

/* It was online, and is not, or is another process already. */
static bool has_gone(const struct kn_msg_worker *before, const struct kn_msg_worker *now)
{
    if (!before || before->status != KN_WORKER_ONLINE)
        return false;
    return !now || now->status == KN_WORKER_OFFLINE || now->started_at > before->started_at;
}

static size_t look_who_has_gone(struct control_call *call, const struct kn_strs *asked,
                                struct parting *parting)
{
    const struct kn_msg_worker_list *now = NULL;
    size_t left = 0;
    if (list_workers(call, &now) != KN_OK)
        return asked->count; /* storage may be back at the next look */
    for (size_t i = 0; i < asked->count; i++) {
        const struct kn_msg_worker *before = worker_in(parting->before, asked->items[i]);
        parting->gone[i] = parting->gone[i] || has_gone(before, worker_in(now, asked->items[i]));
        left += !parting->gone[i] && before && before->status == KN_WORKER_ONLINE;
    }
    return left;
}

static enum kn_status tell_who_has_gone(struct control_call *call, const struct parting *parting,
                                        struct kn_msg_command_done *done)
{
    size_t count = done->asked.count;
    done->replies.items = kn_arena_array(call->arena, count + 1, sizeof *done->replies.items);
    done->missing.items = kn_arena_array(call->arena, count + 1, sizeof *done->missing.items);
    if (!done->replies.items || !done->missing.items)
        return KN_NOMEM;
    done->missing.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct kn_str name = done->asked.items[i];
        if (parting->gone[i])
            done->replies.items[done->replies.count++] = (struct kn_msg_worker_reply){
                .hostname = name, .value = KN_STR("{\"ok\":\"the worker went offline\"}")};
        else
            done->missing.items[done->missing.count++] = name;
    }
    if (done->missing.count)
        done->note =
            KN_STR("Workers without a reply have not gone offline yet: a worker finishes its "
                   "running tasks first. A worker that was offline already sends no reply.");
    return KN_OK;
}

static enum kn_status shut_down(struct control_call *call, const struct kn_msg_command *command,
                                struct kn_msg_command_done *done)
{
    struct parting parting = {0};
    int64_t timeout = command->timeout > 0 ? command->timeout : call->options->reply_timeout_us;
    enum kn_status status = list_workers(call, &parting.before);
    if (status != KN_OK) {
        call->outcome = KN_OUTCOME_REFUSED;
        return status;
    }
    status = control_command(call, command, done);
    if (status != KN_OK)
        return status;
    parting.gone = kn_arena_array(call->arena, done->asked.count + 1, sizeof *parting.gone);
    if (!parting.gone)
        return KN_NOMEM;
    int64_t deadline = kn_time_mono() + timeout;
    while (look_who_has_gone(call, &done->asked, &parting) > 0 && kn_time_mono() < deadline &&
           !atomic_load(call->stopping))
        nanosleep(&(struct timespec){.tv_nsec = LOOK_US * 1000}, NULL);
    return tell_who_has_gone(call, &parting, done);
}

/* A worker that was started with -E (or worker_send_task_events) sends every group of
 * events, which its list of groups says by being empty: disable_events finds no "task"
 * there, says that they are off already, and they go on (celery/worker/control.py). */
static void contradict(struct control_call *call, const struct kn_msg_worker_list *before,
                       struct kn_msg_command_done *done)
{
    for (size_t i = 0; i < done->replies.count; i++) {
        struct kn_msg_worker_reply *reply = &done->replies.items[i];
        const struct kn_msg_worker *worker = worker_in(before, reply->hostname);
        if (reply->failed || !worker || worker->events_enabled.value != 1 ||
            !kn_str_eq(reply->value, KN_STR("{\"ok\":\"task events already disabled\"}")))
            continue;
        reply->failed = true;
        reply->value = KN_STR("{\"error\":\"The worker reports that task events were already off, "
                              "but they are on: Celery "
                              "can't disable them in a worker that was started with -E or "
                              "worker_send_task_events.\"}");
        hold(call, reply->hostname, false);
    }
}

/* ---- the request ----------------------------------------------------------------------- */

static void conclude(struct control_call *call, const struct kn_msg_command_done *done)
{
    char text[256];
    size_t failed = 0, good;
    for (size_t i = 0; i < done->replies.count; i++)
        failed += done->replies.items[i].failed;
    good = done->replies.count - failed;
    snprintf(text, sizeof text, "done by %zu, rejected by %zu, no reply from %zu%s%.*s", good,
             failed, done->missing.count, done->note.ptr ? ". " : "",
             KN_STR_ARG(kn_utf8_head(done->note, 150)));
    call->text = kn_arena_str(call->arena, kn_str_from(text));
    if (good && !failed && !done->missing.count)
        call->outcome = KN_OUTCOME_DONE;
    else
        call->outcome = good ? KN_OUTCOME_PARTLY : KN_OUTCOME_FAILED;
}

/* The message with its arguments as they are to be sent. */
static enum kn_status check(struct control_call *call, const struct celery_method **ret_method,
                            struct kn_msg_command *ret)
{
    const struct kn_msg_command *command = call->msg;
    const struct celery_method *method = celery_method_find(command->method);
    struct kn_buf arguments, error;
    kn_buf_init(&arguments, 0);
    kn_buf_init(&error, 0);
    enum kn_status status = KN_OK;
    if (!method) {
        kn_buf_text(&error, "unknown method; allowed: ");
        celery_method_names(&error, true, true);
        status = KN_INVALID;
    } else if (method->action && !call->action && !command->dry_run) {
        kn_buf_printf(&error, "%s changes the worker, so it can't be used as a query",
                      method->name);
        status = KN_INVALID;
    } else {
        status = celery_method_check(method, command->arguments, &arguments, &error);
    }
    if (status == KN_OK) {
        *ret = *command;
        ret->arguments = kn_arena_str(call->arena, kn_buf_view(&arguments));
        *ret_method = method;
        status = ret->arguments.ptr ? KN_OK : KN_NOMEM;
    } else {
        control_call_refuse(call, status, "%.*s", KN_STR_ARG(kn_buf_view(&error)));
    }
    kn_buf_fini(&arguments);
    kn_buf_fini(&error);
    return status;
}

static enum kn_status run(struct control_call *call, const struct celery_method *method,
                          const struct kn_msg_command *command, struct kn_msg_command_done *done)
{
    bool off = strcmp(method->name, "disable_events") == 0;
    bool on = strcmp(method->name, "enable_events") == 0;
    if (method->mute && !command->dry_run)
        return shut_down(call, command, done);
    const struct kn_msg_worker_list *before = NULL;
    enum kn_status status = KN_OK;
    if (off && !command->dry_run) {
        struct kn_strs asked = {0};
        status = control_command_asked(call, command, &asked);
        if (status == KN_OK)
            status = list_workers(call, &before);
        if (status != KN_OK)
            return status;
        hold_events(call, &asked);
    }
    status = control_command(call, command, done);
    if (status == KN_OK && off && !command->dry_run)
        contradict(call, before, done);
    if (status == KN_OK && (on || off) && !command->dry_run)
        note_events(call, done, on);
    return status;
}

enum kn_status control_do_command(struct control_call *call)
{
    const struct celery_method *method = NULL;
    struct kn_msg_command command;
    struct kn_msg_command_done *done = kn_arena_alloc(call->arena, sizeof *done);
    if (!done)
        return KN_NOMEM;
    enum kn_status status = check(call, &method, &command);
    if (status == KN_OK)
        status = run(call, method, &command, done);
    if (status != KN_OK)
        return status;
    if (call->action) {
        conclude(call, done);
        done->action_id = call->action->id;
    }
    call->answer_kind = KN_KIND_COMMAND_DONE;
    call->answer = done;
    return KN_OK;
}
