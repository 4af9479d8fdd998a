#include "services/control/act/retry_source.h"

#include "services/broker/session.h"
#include "services/celery/message/result_parts.h"
#include "services/celery/python/repr_match.h"
#include "services/control/find/backends.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- what storage knows ----------------------------------------------------------------- */

static const struct kn_msg_worker *worker_of(const struct control_retry_source *o)
{
    for (size_t i = 0; i < o->workers->items.count; i++) {
        if (o->task->worker_id.len &&
            kn_str_eq(o->workers->items.items[i].hostname, o->task->worker_id))
            return &o->workers->items.items[i];
    }
    return NULL;
}

static void learn_worker(struct control_retry_source *o)
{
    const struct kn_msg_worker *worker = worker_of(o);
    int64_t had_it = o->task->received_at ? o->task->received_at : o->task->started_at;
    o->accepts = CELERY_ACCEPTS_UNKNOWN;
    o->takes_json = true;
    if (!worker)
        return;
    o->accepts = celery_conf_accepts(worker->conf, &o->takes_json);
    o->takes_pickle = celery_conf_takes_pickle(worker->conf);
    o->restarted = had_it && worker->started_at > had_it;
    if (!o->route.queue.len && !o->route.exchange.len && worker->queues.count == 1)
        o->route.queue = worker->queues.items[0];
}

/* An older storage answers only what it was asked for in other requests, too. */
static enum kn_status ask_storage(struct control_call *call, struct kn_str task_id,
                                  struct control_retry_source *o)
{
    struct kn_str source = kn_str_from(call->options->source);
    bool workers_known = call->portion && call->portion->workers;
    const struct kn_msg_task_events_get get = {.id = task_id,
                                               .source = source,
                                               .limit = CONTROL_ATTEMPTS_PAGE,
                                               .with_task = true,
                                               .with_workers = !workers_known};
    const struct kn_msg_task_get task = {.id = task_id, .source = source};
    const void *answer;
    enum kn_status status =
        control_call_ask(call, KN_KIND_TASK_EVENTS_GET, &get, KN_KIND_TASK_EVENT_LIST, &answer);
    if (status != KN_OK)
        return status;
    const struct kn_msg_task_event_list *events = answer;
    o->task = events->task;
    o->workers = events->workers;
    if (call->portion && events->workers)
        call->portion->workers = events->workers;
    if (!o->task) {
        status = control_call_ask(call, KN_KIND_TASK_GET, &task, KN_KIND_TASK, &answer);
        o->task = status == KN_OK ? answer : NULL;
    }
    if (status == KN_OK && !o->workers)
        status = control_workers(call, &o->workers);
    return status == KN_OK ? control_attempts_read(call, o->task, events, &o->attempts) : status;
}

enum kn_status control_retry_source_begin(struct control_call *call, struct kn_str task_id,
                                          bool last, struct control_retry_source *ret)
{
    *ret = (struct control_retry_source){.takes_json = true, .looked = true};
    kn_buf_init(&ret->why, 16 << 10);
    enum kn_status status = ask_storage(call, task_id, ret);
    if (status != KN_OK)
        return status;
    ret->last = last;
    ret->attempt = last ? ret->attempts.last : ret->attempts.first;
    ret->route =
        control_route_of(ret->attempt->queue, ret->attempt->exchange, ret->attempt->routing_key);
    if (!ret->route.queue.len && !ret->route.exchange.len)
        ret->route =
            control_route_of(ret->task->queue, ret->task->exchange, ret->task->routing_key);
    learn_worker(ret);
    return KN_OK;
}

void control_retry_source_fini(struct control_retry_source *origin)
{
    kn_buf_fini(&origin->why);
}

/* "the message: …; the result backend: …" */
static void pass_over(struct control_retry_source *o, const char *what, struct kn_str reason)
{
    kn_buf_text(&o->why, o->why.len ? "; " : "");
    kn_buf_printf(&o->why, "%s: %.*s", what, KN_STR_ARG(reason));
}

/* ---- sources that are compared ------------------------------------------------------------- */

/* Arguments as a source has them. */
struct source {
    const char *what;           /* for people */
    struct kn_str args, kwargs; /* JSON */
};

struct wanted_arguments {
    bool args, kwargs;
};

static bool may_take(const struct control_retry_source *o, const char *name)
{
    return !o->choice.len || kn_str_eq(o->choice, kn_str_from(name));
}

/* The worse of both. */
static enum celery_match match(struct control_call *call, const struct control_retry_source *o,
                               const struct source *s, struct wanted_arguments wanted)
{
    const struct {
        bool wanted;
        struct kn_str repr, json;
    } pairs[] = {{wanted.args, o->attempt->args_repr, s->args},
                 {wanted.kwargs, o->attempt->kwargs_repr, s->kwargs}};
    enum celery_match worst = CELERY_MATCH_SAME;
    for (size_t i = 0; i < 2; i++) {
        enum celery_match one = pairs[i].wanted
                                    ? celery_repr_match(pairs[i].repr, pairs[i].json, call->arena)
                                    : CELERY_MATCH_SAME;
        worst = one > worst ? one : worst;
    }
    return worst == CELERY_MATCH_SAME && o->attempt->learned ? CELERY_MATCH_OPEN : worst;
}

enum { SHOWN_MAX = 200 };

static enum kn_status disagree(struct control_call *call, const char *a, struct kn_str a_args,
                               struct kn_str a_kwargs, const char *b, struct kn_str b_args,
                               struct kn_str b_kwargs)
{
    return control_call_refuse(
        call, KN_CONFLICT,
        "the arguments can't be recovered exactly: %s and %s disagree. %s: %.*s %.*s. %s: %.*s "
        "%.*s. The task may have changed its arguments, or a number prints as a different one. "
        "Choose one (arguments), or specify args and kwargs",
        a, b, a, KN_STR_ARG(kn_utf8_head(a_args, SHOWN_MAX)),
        KN_STR_ARG(kn_utf8_head(a_kwargs, SHOWN_MAX)), b,
        KN_STR_ARG(kn_utf8_head(b_args, SHOWN_MAX)), KN_STR_ARG(kn_utf8_head(b_kwargs, SHOWN_MAX)));
}

static enum kn_status disagrees_with_events(struct control_call *call,
                                            const struct control_retry_source *o,
                                            const struct source *s)
{
    return disagree(call, "the events", o->attempt->args_repr, o->attempt->kwargs_repr, s->what,
                    s->args, s->kwargs);
}

static void take(struct control_retry_source *o, const char *from, const struct source *s)
{
    o->from = from;
    o->args = s->args;
    o->kwargs = s->kwargs;
}

/* ---- the message: its arguments ------------------------------------------------------------ */

static bool is_json(const struct celery_task_message *m)
{
    return !m->content_type.len || kn_str_starts(m->content_type, KN_STR("application/json"));
}

static void pass_over_attempt(struct control_retry_source *o, const char *what, int64_t retries)
{
    char text[96];
    snprintf(text, sizeof text, "it has the arguments of attempt %" PRId64 " (use attempt=last)",
             retries);
    pass_over(o, what, kn_str_from(text));
}

/* Protocol 2: the unchanged body. Protocol 1 has the ID in its body, so only exactly readable
 * bodies. */
static enum kn_status look_at_message(struct control_call *call, struct control_retry_source *o,
                                      struct wanted_arguments wanted)
{
    const struct celery_task_message *m = &o->message;
    const struct source s = {"the message", m->args, m->kwargs};
    if (!o->has_message) {
        pass_over(
            o, "message",
            !broker_session_traits(call->hand->session)->reads_in_place
                ? KN_STR("on RabbitMQ, Kanchi can't look at it without taking it from its queue")
            : o->looked ? KN_STR("it is no longer waiting")
                        : KN_STR("not among the first waiting messages (look_max)"));
        return KN_OK;
    }
    if (m->protocol != 2 && (!m->args.ptr || !is_json(m))) {
        pass_over(o, "message", KN_STR("it uses protocol 1, and only JSON can be sent again"));
        return KN_OK;
    }
    if (!may_take(o, "message"))
        return KN_OK;
    bool other = (m->retries.set ? m->retries.value : 0) != o->attempt->retries;
    enum celery_match match_is =
        m->args.ptr && m->kwargs.ptr ? match(call, o, &s, wanted) : CELERY_MATCH_NOTHING;
    if (other && match_is != CELERY_MATCH_SAME) {
        pass_over_attempt(o, "message", m->retries.value);
        return KN_OK;
    }
    if (match_is == CELERY_MATCH_DIFFERENT && is_json(m) && !o->choice.len)
        return disagrees_with_events(call, o, &s);
    take(o, "message", &s);
    return KN_OK;
}

/* ---- the result backend --------------------------------------------------------------------- */

static bool is_kind(struct kn_str json, char open)
{
    return json.len >= 2 && json.ptr[0] == open;
}

static bool is_flat(struct control_call *call, struct kn_str args, struct kn_str kwargs)
{
    return (!args.ptr || celery_json_is_flat(args, call->arena)) &&
           (!kwargs.ptr || celery_json_is_flat(kwargs, call->arena));
}

static bool judge_stored(struct control_retry_source *o, const struct celery_result_parts *parts)
{
    struct kn_str why = KN_STR_ABSENT;
    if (parts->arguments_unsayable)
        why = KN_STR("it has a value that JSON can't represent");
    else if (!is_kind(parts->args, '[') || !is_kind(parts->kwargs, '{'))
        why = KN_STR("it has no arguments (result_extended)");
    else if (celery_vouch_stored(parts->args, o->accepts, &why) == KN_OK &&
             celery_vouch_stored(parts->kwargs, o->accepts, &why) == KN_OK)
        return true;
    pass_over(o, "result backend", why);
    return false;
}

/* It has the arguments as they were when the last attempt ended: a task may have changed them.
 * So they are used if the events agree; or if the events agree as far as they go, and the arguments
 * have nothing that a task could change in place. */
static enum kn_status judge_backend(struct control_call *call, struct control_retry_source *o,
                                    const struct source *s, struct wanted_arguments wanted)
{
    const struct control_attempt *last = o->attempts.last;
    enum celery_match match_is = match(call, o, s, wanted);
    bool chosen = kn_str_eq(o->choice, KN_STR("backend"));
    bool flat = is_flat(call, wanted.args ? s->args : KN_STR_ABSENT,
                        wanted.kwargs ? s->kwargs : KN_STR_ABSENT);
    if (o->attempt != last && match_is != CELERY_MATCH_SAME) {
        pass_over_attempt(o, "result backend", last->retries);
        return KN_OK;
    }
    if (!chosen && o->from) { /* the message has the arguments */
        bool same = (!wanted.args || celery_json_same(o->args, s->args, call->arena)) &&
                    (!wanted.kwargs || celery_json_same(o->kwargs, s->kwargs, call->arena));
        return same
                   ? KN_OK
                   : disagree(call, "the message", o->args, o->kwargs, s->what, s->args, s->kwargs);
    }
    if (!chosen && match_is == CELERY_MATCH_DIFFERENT)
        return disagrees_with_events(call, o, s);
    bool told = o->attempt->args_repr.ptr && o->attempt->kwargs_repr.ptr;
    if (!chosen && match_is != CELERY_MATCH_SAME && !(flat && told)) {
        pass_over(o, "result backend",
                  KN_STR("it has the arguments as they were at the end, and the events do not show "
                         "all of them, so a change by the task can't be ruled out (use "
                         "arguments=backend to take them anyway)"));
        return KN_OK;
    }
    o->hidden = match_is != CELERY_MATCH_SAME;
    take(o, "backend", s);
    return KN_OK;
}

static bool consumed(const struct control_retry_source *o, struct kn_str queue)
{
    for (size_t i = 0; i < o->workers->items.count; i++)
        for (size_t n = 0; n < o->workers->items.items[i].queues.count; n++)
            if (kn_str_eq(o->workers->items.items[i].queues.items[n], queue))
                return true;
    return false;
}

static enum kn_status look_at_backend(struct control_call *call, struct control_retry_source *o,
                                      struct wanted_arguments wanted)
{
    struct celery_result_parts parts;
    struct kn_str value, why = KN_STR("out of memory");
    enum kn_status status = control_result_value(call, o->workers, o->task->id, &value, &why);
    if (status == KN_OK) {
        status = celery_result_parts(value, call->arena, &parts);
        why = status == KN_UNSUPPORTED ? KN_STR("its results are neither JSON nor msgpack")
                                       : KN_STR("its data can't be read");
    }
    if (status != KN_OK) {
        pass_over(o, "result backend", why);
        return status == KN_NOMEM ? status : KN_OK;
    }
    /* the routing key of its message, which is a queue only for the default exchange */
    if (!o->route.queue.len && !o->route.exchange.len && consumed(o, parts.queue))
        o->route.queue = parts.queue;
    if (parts.name.len && !o->real_name && o->attempt == o->attempts.last) {
        o->name = parts.name;
        o->real_name = true;
    }
    const struct source s = {"the result backend", parts.args, parts.kwargs};
    bool needed = wanted.args || wanted.kwargs;
    return needed && may_take(o, "backend") && judge_stored(o, &parts)
               ? judge_backend(call, o, &s, wanted)
               : KN_OK;
}

/* ---- events ------------------------------------------------------------------------- */

static enum kn_status look_at_repr(struct control_call *call, struct control_retry_source *o)
{
    struct kn_str why = KN_STR("control.retry_from_repr forbids it");
    struct kn_buf args, kwargs;
    enum celery_accepts accepts = o->accepts;
    enum kn_status status = KN_UNSUPPORTED;
    o->untyped = accepts < CELERY_ACCEPTS_PLAIN && kn_str_eq(o->choice, KN_STR("events"));
    if (o->untyped)
        accepts = CELERY_ACCEPTS_PLAIN;
    kn_buf_init(&args, 0);
    kn_buf_init(&kwargs, 0);
    if (call->options->retry_from_repr)
        status = celery_vouch_repr(o->attempt->args_repr, false, accepts, call->arena, &args, &why);
    if (status == KN_OK)
        status =
            celery_vouch_repr(o->attempt->kwargs_repr, true, accepts, call->arena, &kwargs, &why);
    if (status == KN_OK) {
        o->args = kn_arena_str(call->arena, kn_buf_view(&args));
        o->kwargs = kn_arena_str(call->arena, kn_buf_view(&kwargs));
        status = o->args.ptr && o->kwargs.ptr ? KN_OK : KN_NOMEM;
        if (status == KN_OK && o->attempt->learned && !is_flat(call, o->args, o->kwargs))
            pass_over(o, "events",
                      KN_STR("no source has the arguments as they were sent, and the task "
                             "may have changed those that a worker or the result "
                             "backend reported"));
        else
            o->from = "repr";
    } else if (status == KN_UNSUPPORTED) {
        pass_over(o, "events", why);
        status = KN_OK;
    }
    kn_buf_fini(&args);
    kn_buf_fini(&kwargs);
    return status;
}

/* ---- the name ----------------------------------------------------------------------- */

/* If a task was sent with an alias (shadow), a worker's events have the alias; task-sent has the
 * name. */
static void learn_name(struct control_retry_source *o)
{
    struct kn_str name = o->attempt->name;
    for (size_t i = 0; i < o->attempts.count && !name.ptr; i++) {
        const struct control_attempt *one = &o->attempts.items[i];
        if (one->name.ptr && kn_str_eq(one->seen, o->attempt->seen))
            name = one->name;
    }
    o->real_name = name.len;
    o->name = name.len ? name : o->attempt->seen.len ? o->attempt->seen : o->task->name;
}

enum kn_status control_retry_source_find(struct control_call *call, struct control_retry_source *o,
                                         bool args, bool kwargs)
{
    const struct wanted_arguments wanted = {args, kwargs};
    bool needed = args || kwargs;
    if (needed && !o->attempts.certain && !o->last)
        return control_call_refuse(
            call, KN_CONFLICT,
            "the arguments can't be recovered exactly: the events of the first call are not "
            "stored. Use attempt=last for those of attempt %" PRId64 ", or give args and kwargs",
            o->attempts.last->retries);
    learn_name(o);
    enum kn_status status = look_at_message(call, o, wanted);
    bool readable = o->from && o->args.ptr && o->kwargs.ptr;
    bool ask = (needed && (!o->from || readable)) || !o->real_name ||
               (!o->route.queue.len && !o->route.exchange.len);
    if (status == KN_OK && ask && may_take(o, "backend"))
        status = look_at_backend(call, o, wanted);
    if (status == KN_OK && needed && !o->from && may_take(o, "events"))
        status = look_at_repr(call, o);
    return status;
}
