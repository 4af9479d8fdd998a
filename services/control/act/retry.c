/* A task is sent again. */
#include "services/control/act/sending.h"

#include "services/celery/python/repr_match.h"

#include <stdio.h>

/* Whether no source has a final state of the task: another copy of it may be waiting. */
static bool may_wait(enum kn_task_status status)
{
    return status == KN_TASK_ORPHANED || status == KN_TASK_REJECTED;
}

static enum kn_status refuse_copy(struct control_sending *s, const struct control_retry_source *o,
                                  const char *state)
{
    if (o->unacked)
        return control_call_refuse(s->call, KN_CONFLICT,
                                   "the task is %s, but a worker has not acknowledged its message "
                                   "and may still run it; use force to send it anyway",
                                   state);
    if (o->has_message)
        return control_call_refuse(s->call, KN_CONFLICT,
                                   "the task is %s, but its message is waiting in the queue "
                                   "\"%.*s\" and may still run; use force to send it anyway",
                                   state, KN_STR_ARG(kn_utf8_head(o->route.queue, 100)));
    return control_call_refuse(s->call, KN_CONFLICT,
                               "the task is %s, and a copy of its message may still wait in the "
                               "queue \"%.*s\"; use force to send it anyway",
                               state, KN_STR_ARG(kn_utf8_head(o->suspect, 100)));
}

/* No second run without force. */
static enum kn_status look_for_copies(struct control_sending *s, struct control_retry_source *o)
{
    enum kn_task_status state = (enum kn_task_status)o->task->status;
    const char *text = kn_enum_text(&kn_enum_task_status, state);
    bool done = state == KN_TASK_SUCCESS || state == KN_TASK_FAILURE;
    bool in_place = broker_session_traits(s->call->hand->session)->reads_in_place;
    enum kn_status status =
        control_retry_source_look(s->call, o, done ? CONTROL_LOOK_DONE : CONTROL_LOOK_LOST);
    if (status != KN_OK)
        return status;
    if ((o->has_message || o->suspect.len) && !s->ask->force)
        return refuse_copy(s, o, text);
    if (o->looked || o->has_message || s->ask->force)
        return KN_OK;
    if (may_wait(state))
        return control_call_refuse(
            s->call, KN_CONFLICT,
            "the task is %s, and its message may still be waiting: %s. Check its queue, or use "
            "force to send it anyway",
            text,
            in_place ? "Kanchi searched only some of the waiting messages (control.look_max)"
                     : "on RabbitMQ, Kanchi can't search for it without taking it from its queue");
    if (in_place)
        control_sending_warn(
            s, "Kanchi searched only some of the waiting messages (control.look_max): another "
               "copy of the task may be among the rest");
    return KN_OK;
}

/* Names the queue in which its message waits, if known. */
static enum kn_status refuse_unfinished(struct control_sending *s, struct control_retry_source *o)
{
    enum kn_task_status state = (enum kn_task_status)o->task->status;
    const char *text = kn_enum_text(&kn_enum_task_status, state);
    if (control_retry_source_look(s->call, o, CONTROL_LOOK_UNFINISHED) == KN_OK &&
        (o->has_message || o->suspect.len))
        return refuse_copy(s, o, text);
    return control_call_refuse(s->call, KN_CONFLICT,
                               "the task is %s and may still finish; use force to send it anyway",
                               text);
}

static void warn_of_attempts(struct control_sending *s, const struct control_retry_source *o)
{
    char text[256];
    const struct control_attempt *first = o->attempts.first, *last = o->attempts.last;
    if (control_attempts_same(first, last))
        return;
    snprintf(text, sizeof text,
             "the task was retried with different arguments: these are from %s; use attempt=%s for "
             "those of %s",
             o->attempt == first ? "the first call" : "the last attempt",
             o->attempt == first ? "last" : "first",
             o->attempt == first ? "the last attempt" : "the first call");
    struct kn_str copy = kn_arena_str(s->call->arena, kn_str_from(text));
    if (copy.ptr)
        control_sending_warn(s, copy.ptr);
}

static void warn_of(struct control_sending *s, const struct control_retry_source *o)
{
    bool backend = s->from && strcmp(s->from, "backend") == 0;
    bool repr = s->from && strcmp(s->from, "repr") == 0;
    if ((backend || repr) && o->restarted)
        control_sending_warn(
            s, "the worker has restarted since; Kanchi assumes that it accepted the same "
               "serializers before");
    if (backend && o->hidden)
        control_sending_warn(
            s, "the events do not show all arguments, so they could not be compared with those in "
               "the result backend");
    if (repr && o->attempt->learned)
        control_sending_warn(
            s,
            "the arguments are as a worker or the result backend reported them, and may be those "
            "of a later attempt");
    else if (repr)
        control_sending_warn(
            s, "the arguments are read from the text in the client's event, which has no types: a "
               "value of a custom class may print as a different value, and the client may have "
               "written the text itself (argsrepr)");
    if (repr && (celery_json_has_number(o->args, s->call->arena) ||
                 celery_json_has_number(o->kwargs, s->call->arena)))
        control_sending_warn(
            s, "numbers are as the client printed them: a custom class derived from int or float "
               "may print a different number");
    if (repr && o->untyped)
        control_sending_warn(
            s, "the arguments may have been pickled: they are sent as JSON, in which a tuple is a "
               "list, and an object of a custom class is what it prints");
    if (!o->real_name)
        control_sending_warn(
            s, "the name is as a worker reported it, which is an alias if the task was sent with "
               "one (shadow)");
    if (!o->has_message)
        control_sending_warn(
            s, "callbacks, chain, expiry, time limits, priority and headers of the first call are "
               "unknown and left out");
    if (strcmp(s->from, "request") != 0)
        warn_of_attempts(s, o);
}

static bool tell_attempts(struct control_sending *s, const struct control_retry_source *o)
{
    if (s->from && strcmp(s->from, "request") != 0)
        s->attempt = KN_SOME_I64(o->attempt->retries);
    if (control_attempts_same(o->attempts.first, o->attempts.last))
        return true;
    s->attempts = kn_arena_array(s->call->arena, o->attempts.count, sizeof *s->attempts);
    for (size_t i = 0; s->attempts && i < o->attempts.count; i++) {
        const struct control_attempt *one = &o->attempts.items[i];
        s->attempts[s->n_attempts++] = (struct kn_msg_task_attempt){
            .retries = one->retries, .args_repr = one->args_repr, .kwargs_repr = one->kwargs_repr};
    }
    return s->attempts;
}

/* ---- the name ---- */

/* Workers don't list Celery's own tasks. */
static enum kn_status check_name(struct control_sending *s,
                                 const struct kn_msg_worker_list *workers, struct kn_str name,
                                 bool real)
{
    bool known = false;
    s->name = name;
    if (!name.len)
        return control_call_refuse(s->call, KN_CONFLICT, "the name of the task is unknown");
    if (s->ask->unregistered || kn_str_starts(name, KN_STR("celery.")))
        return KN_OK;
    for (size_t i = 0; i < workers->items.count; i++) {
        if (control_sending_registered(&workers->items.items[i], name))
            return KN_OK;
        known = known || workers->items.items[i].registered.count;
    }
    if (!known && real) {
        control_sending_warn(s, "no worker has reported which tasks it has registered");
        return KN_OK;
    }
    return control_call_refuse(
        s->call, KN_CONFLICT,
        "no worker has registered a task named \"%.*s\"%s; use unregistered to send it anyway",
        KN_STR_ARG(kn_utf8_head(name, 200)), real ? "" : ", which may be an alias (shadow)");
}

/* ---- a new message, or a copy ---- */

static bool is_without_arguments(const struct control_retry_source *o)
{
    return kn_str_eq(o->args, KN_STR("[]")) && kn_str_eq(o->kwargs, KN_STR("{}"));
}

static enum kn_status retry_anew(struct control_sending *s, const struct control_retry_source *o)
{
    const struct kn_msg_task_send *ask = s->ask;
    bool all = ask->args.ptr && ask->kwargs.ptr;
    bool own = !ask->args.ptr && !ask->kwargs.ptr;
    if (!all && (!o->from || !o->args.ptr || !o->kwargs.ptr))
        return control_call_refuse(s->call, KN_CONFLICT,
                                   "the arguments can't be recovered exactly: %.*s. Specify them "
                                   "in the request (args and kwargs)",
                                   KN_STR_ARG(kn_buf_view(&o->why)));
    bool pickled = own && o->takes_pickle && is_without_arguments(o);
    if (!o->takes_json && !pickled)
        return control_call_refuse(
            s->call, KN_CONFLICT,
            "the worker does not accept JSON, the only format that Kanchi writes");
    s->from = all ? "request" : o->from;
    enum kn_status status = check_name(s, o->workers, o->name, o->real_name);
    if (status != KN_OK)
        return status;
    struct celery_task_call call = {
        .name = o->name,
        .root_id = o->task->root_id.ptr ? o->task->root_id : o->task->id,
        .parent_id = o->task->parent_id,
        .args = ask->args.ptr ? ask->args : o->args,
        .kwargs = ask->kwargs.ptr ? ask->kwargs : o->kwargs,
    };
    if (pickled)
        call.argsrepr = KN_STR("()");
    status = control_sending_write(s, &call);
    if (status == KN_OK && pickled)
        control_sending_pickle_nothing(s);
    return status;
}

enum kn_status control_retry(struct control_sending *s, struct control_retry_source *o)
{
    const struct kn_msg_task_send *ask = s->ask;
    enum kn_task_status state = (enum kn_task_status)o->task->status;
    if (!kn_task_is_over(state) && !ask->force)
        return refuse_unfinished(s, o);
    o->choice = ask->arguments;
    enum kn_status status = look_for_copies(s, o);
    if (status == KN_OK)
        status = control_retry_source_find(s->call, o, !ask->args.ptr, !ask->kwargs.ptr);
    if (status == KN_OK)
        status = control_sending_route(s, &o->route);
    if (status != KN_OK)
        return status;
    control_sending_priority(s, o->has_message ? o->message.priority : (struct kn_opt_i64){0});
    bool copy = o->has_message && o->from && strcmp(o->from, "message") == 0;
    s->from = ask->args.ptr && ask->kwargs.ptr ? "request" : "message";
    if (copy) {
        o->real_name = true;
        status = check_name(s, o->workers, o->message.name, true);
    }
    if (status == KN_OK)
        status = copy ? control_sending_copy(s, o) : retry_anew(s, o);
    if (status != KN_OK)
        return status;
    warn_of(s, o);
    control_sending_consumers(s, o->workers);
    return tell_attempts(s, o) ? control_sending_deliver(s) : KN_NOMEM;
}
