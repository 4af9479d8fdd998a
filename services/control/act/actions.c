#include "services/control/act/actions.h"

#include "services/control/act/handlers.h"
#include "services/control/ask/pidbox.h"

#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"
#include "services/control/queues/queues.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALL_BYTES_MAX = 64 << 20, REQUEST_SHOWN_MAX = 64 << 10, RESULT_SHOWN_MAX = 64 << 10 };

struct control_actions {
    struct control_call_options options;
    struct kn_bus_client *storage;
    struct control_queues *queues;
    struct kn_bus_server *server;
    char id[33]; /* of this process: names its attempts */
    atomic_ullong attempts;
    atomic_bool stopping;

    pthread_mutex_t lock; /* the hands that are free */
    struct control_hand *free[CONTROL_ACTION_THREADS];
    size_t n_free;
    struct control_hand hands[CONTROL_ACTION_THREADS];
};

/* ---- what there is to do --------------------------------------------------------------- */

/* What the audit shows of a request. */
struct view {
    const struct kn_msg_action *action;
    bool dry_run;
    bool apply; /* of a message that is a retry or not */
    struct kn_str method, target;
};

static void view_command(const void *msg, struct view *ret)
{
    const struct kn_msg_command *command = msg;
    *ret = (struct view){.action = command->action,
                         .dry_run = command->dry_run,
                         .method = command->method,
                         .target = command->pattern};
    if (command->destinations.count == 1)
        ret->target = command->destinations.items[0];
}

#define VIEW_QUEUE(name)                                                                           \
    static void view_##name(const void *msg, struct view *ret)                                     \
    {                                                                                              \
        const struct kn_msg_##name *request = msg;                                                 \
        *ret = (struct view){                                                                      \
            .action = request->action, .dry_run = request->dry_run, .target = request->queue};     \
    }
VIEW_QUEUE(queue_purge)
VIEW_QUEUE(queue_move)
VIEW_QUEUE(queue_pause)

/* The same handler, for the audit has another word for it. */
static bool is_resume(enum kn_kind kind, const void *msg)
{
    return kind == KN_KIND_QUEUE_PAUSE && ((const struct kn_msg_queue_pause *)msg)->resume;
}

static void view_send(const void *msg, struct view *ret)
{
    const struct kn_msg_task_send *send = msg;
    *ret = (struct view){.action = send->action,
                         .dry_run = send->dry_run,
                         .apply = !send->task_id.ptr,
                         .target = send->task_id.ptr ? send->task_id : send->new_id};
}

static void view_revoke(const void *msg, struct view *ret)
{
    const struct kn_msg_task_revoke *revoke = msg;
    *ret = (struct view){.action = revoke->action,
                         .dry_run = revoke->dry_run,
                         .method = revoke->signal,
                         .target = revoke->task_id};
}

static const struct row {
    enum kn_kind kind;
    control_handler *handle;
    enum kn_verb verb; /* NONE: only asks */
    void (*view)(const void *msg, struct view *ret);
} rows[] = {
    {KN_KIND_COMMAND, control_do_command, KN_VERB_COMMAND, view_command},
    {KN_KIND_DOCTOR_GET, control_do_doctor, KN_VERB_NONE, NULL},
    {KN_KIND_JOB_CHECK, control_do_check, KN_VERB_NONE, NULL},
    {KN_KIND_WAITING_GET, control_do_waiting, KN_VERB_NONE, NULL},
    {KN_KIND_QUEUE_PURGE, control_do_purge, KN_VERB_PURGE, view_queue_purge},
    {KN_KIND_QUEUE_MOVE, control_do_move, KN_VERB_MOVE, view_queue_move},
    {KN_KIND_QUEUE_PAUSE, control_do_pause, KN_VERB_PAUSE, view_queue_pause},
    {KN_KIND_TASK_SEND, control_do_send, KN_VERB_RETRY, view_send},
    {KN_KIND_TASK_REVOKE, control_do_revoke, KN_VERB_REVOKE, view_revoke},
    {KN_KIND_TASK_RESULT_GET, control_do_result, KN_VERB_NONE, NULL},
};

static const struct row *row_of(enum kn_kind kind)
{
    for (size_t i = 0; i < KN_COUNT_OF(rows); i++)
        if (rows[i].kind == kind)
            return &rows[i];
    return NULL;
}

/* ---- the audit ------------------------------------------------------------------------- */

/* The message as JSON, or how large it is when it is too large to be kept. */
static struct kn_str json_of(struct kn_arena *arena, enum kn_kind kind, const void *msg, size_t max)
{
    static const char *const skip[] = {"action", "action_id", "dry_run", "timeout", NULL};
    struct kn_buf out;
    kn_buf_init(&out, max);
    kn_buf_char(&out, '{');
    kn_msg_json_members(&out, kind, msg, skip);
    kn_buf_char(&out, '}');
    struct kn_str copy = kn_buf_status(&out) == KN_OK ? kn_arena_str(arena, kn_buf_view(&out))
                                                      : KN_STR("{\"too_large\":true}");
    kn_buf_fini(&out);
    return copy;
}

static enum kn_status begin(struct control_actions *actions, struct control_call *call,
                            const struct row *row, const struct view *view)
{
    char attempt[80];
    snprintf(attempt, sizeof attempt, "%s-%llu", actions->id,
             (unsigned long long)atomic_fetch_add(&actions->attempts, 1));
    struct kn_msg_audit_entry entry = {
        .id = call->action->id,
        .verb = (uint8_t)(is_resume(row->kind, call->msg) ? KN_VERB_RESUME
                          : view->apply                   ? KN_VERB_APPLY
                                                          : row->verb),
        .method = view->method,
        .source = kn_str_from(actions->options.source),
        .target = view->target,
        .actor = call->action->actor,
        .remote = call->action->remote,
        .agent = call->action->agent,
        .request = json_of(call->arena, row->kind, call->msg, REQUEST_SHOWN_MAX),
        .begun_at = kn_time_now(),
    };
    const struct kn_msg_audit_begin msg = {.entry = &entry, .attempt = kn_str_from(attempt)};
    const void *done;
    enum kn_status status = control_call_ask(call, KN_KIND_AUDIT_BEGIN, &msg, KN_KIND_DONE, &done);
    if (status == KN_OK)
        return status;
    if (status == KN_CONFLICT) { /* by a control that was killed, and the bus asked again */
        call->text = KN_STR("this action was already started, and its outcome is unknown: see "
                            "the audit log");
        return KN_UNCERTAIN;
    }
    return control_call_fail(call, KN_AGAIN,
                             "nothing was done, because the audit log can't be written: %s",
                             kn_status_text(status));
}

/* Says what came of an action for which the memory did not suffice: static texts, for there is
 * no room for others. */
static enum kn_status without_memory(struct control_call *call)
{
    if (call->began) {
        call->text = KN_STR("control ran out of memory after the action had started: its "
                            "outcome is unknown");
        return KN_UNCERTAIN;
    }
    call->text = KN_STR("control does not have enough memory for this action; nothing was sent");
    call->outcome = KN_OUTCOME_REFUSED;
    return KN_NOMEM;
}

static void end(struct control_call *call, enum kn_status status)
{
    static struct kn_log_limit limit;
    if (call->outcome == KN_OUTCOME_UNKNOWN && status != KN_UNCERTAIN)
        call->outcome = status == KN_OK ? KN_OUTCOME_DONE : KN_OUTCOME_FAILED;
    struct kn_str why = call->text;
    if (!why.ptr && status != KN_OK)
        why = kn_str_from(kn_status_text(status));
    struct kn_msg_audit_entry entry = {
        .id = call->action->id,
        .ended_at = kn_time_now(),
        .outcome = (uint8_t)call->outcome,
        .text = why,
    };
    if (status == KN_OK && call->answer)
        entry.result = json_of(call->arena, call->answer_kind, call->answer, RESULT_SHOWN_MAX);
    const struct kn_msg_audit_end msg = {.entry = &entry,
                                         .link = call->link.task_id.ptr ? &call->link : NULL};
    uint64_t skipped;
    /* not by control_call_ask, whose arena may be what is full */
    struct kn_bus_message *stored = kn_bus_request_kind(
        call->storage, KN_KIND_AUDIT_END, &msg, call->options->request_timeout_us, KN_KIND_DONE);
    if (!stored && kn_log_allow(&limit, &skipped))
        KN_ERROR("action.outcome_not_stored", KN_F_STR("id", entry.id),
                 KN_F_TEXT("outcome", kn_enum_text(&kn_enum_outcome, entry.outcome)),
                 KN_F_I64("skipped", skipped));
    bool linked = stored && ((const struct kn_msg_done *)stored->msg)->linked;
    if (!linked && !control_call_link(call)) /* by an older storage, for one */
        control_send_unlinked(call);
    kn_bus_message_free(stored);
    call->text = why;
}

/* ---- a request ------------------------------------------------------------------------- */

static struct control_hand *borrow(struct control_actions *actions)
{
    pthread_mutex_lock(&actions->lock);
    struct control_hand *hand = actions->free[--actions->n_free];
    pthread_mutex_unlock(&actions->lock);
    return hand;
}

static void give_back(struct control_actions *actions, struct control_hand *hand)
{
    pthread_mutex_lock(&actions->lock);
    actions->free[actions->n_free++] = hand;
    pthread_mutex_unlock(&actions->lock);
}

static enum kn_status act(struct control_actions *actions, struct control_call *call,
                          const struct row *row)
{
    struct view view = {0};
    if (row->view)
        row->view(call->msg, &view);
    bool acts = row->verb != KN_VERB_NONE && view.action && !view.dry_run;
    if (!acts)
        return row->handle(call);
    if (!view.action->id.len)
        return control_call_refuse(call, KN_INVALID, "an action requires an id");
    call->action = view.action;
    enum kn_status status = begin(actions, call, row, &view);
    if (status != KN_OK)
        return status;
    status = row->handle(call);
    if (status == KN_NOMEM)
        status = without_memory(call);
    end(call, status);
    KN_INFO("action.ended", KN_F_TEXT("verb", kn_enum_text(&kn_enum_verb, row->verb)),
            KN_F_STR("id", call->action->id),
            KN_F_TEXT("outcome", kn_enum_text(&kn_enum_outcome, call->outcome)));
    return status;
}

static enum kn_status handle(void *arg, const struct kn_bus_message *request,
                             struct kn_bus_reply *reply)
{
    struct control_actions *actions = arg;
    const struct row *row = row_of(request->kind);
    if (!row) {
        kn_bus_reply_error(reply, "control does not support this request");
        return KN_UNSUPPORTED;
    }
    struct kn_arena arena;
    kn_arena_init(&arena, CALL_BYTES_MAX);
    struct control_call call = {
        .options = &actions->options,
        .storage = actions->storage,
        .queues = actions->queues,
        .learned = control_queues_learned(actions->queues),
        .hand = borrow(actions),
        .arena = &arena,
        .stopping = &actions->stopping,
        .msg = request->msg,
    };
    enum kn_status status = act(actions, &call, row);
    give_back(actions, call.hand);
    if (status == KN_OK)
        kn_bus_reply_set(reply, call.answer_kind, call.answer);
    else if (call.text.ptr)
        kn_bus_reply_error(reply, "%.*s", KN_STR_ARG(call.text));
    kn_arena_fini(&arena);
    return status;
}

/* ---- life ------------------------------------------------------------------------------ */

static enum kn_status make_hands(struct control_actions *actions)
{
    for (size_t i = 0; i < CONTROL_ACTION_THREADS; i++) {
        struct control_hand *hand = &actions->hands[i];
        enum kn_status status = control_pidbox_new(actions->options.broker, &hand->pidbox);
        if (status == KN_OK)
            status = broker_session_new(actions->options.broker, &hand->session);
        if (status != KN_OK)
            return status;
        actions->free[actions->n_free++] = hand;
    }
    return KN_OK;
}

enum kn_status control_actions_start(const struct control_call_options *options, struct kn_bus *bus,
                                     const char *url, struct kn_bus_client *storage,
                                     struct control_actions **ret, struct kn_buf *error)
{
    struct control_actions *actions = calloc(1, sizeof *actions);
    if (!actions)
        return KN_NOMEM;
    actions->options = *options;
    actions->storage = storage;
    pthread_mutex_init(&actions->lock, NULL);
    kn_random_hex(actions->id, sizeof actions->id);
    enum kn_status status = make_hands(actions);
    if (status == KN_OK)
        status = control_queues_start(&actions->options, storage, &actions->queues);
    if (status == KN_OK)
        status = kn_bus_server_new(bus, url, CONTROL_ACTION_THREADS, handle, actions,
                                   &actions->server, error);
    if (status == KN_OK)
        *ret = actions;
    else
        control_actions_stop(actions);
    return status;
}

void control_actions_stop(struct control_actions *actions)
{
    if (!actions)
        return;
    atomic_store(&actions->stopping, true);
    kn_bus_server_free(actions->server);
    control_queues_stop(actions->queues);
    for (size_t i = 0; i < CONTROL_ACTION_THREADS; i++) {
        control_pidbox_free(actions->hands[i].pidbox);
        broker_session_free(actions->hands[i].session);
    }
    pthread_mutex_destroy(&actions->lock);
    free(actions);
}
