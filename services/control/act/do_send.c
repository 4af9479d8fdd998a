/* Retry and apply: a new message for a task. */
#include "services/control/act/handlers.h"
#include "services/control/act/outgoing.h"
#include "services/control/act/retry_source.h"

#include "services/celery/python/repr_match.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"

#include <inttypes.h>
#include <stdio.h>

enum { WARNINGS_MAX = 16 };

struct sending {
    struct control_call *call;
    const struct kn_msg_task_send *ask;
    struct celery_task_wrap wrap;
    struct kn_str decoded; /* the body as JSON, to be shown; absent when it is none */
    const char *from;
    struct kn_str warnings[WARNINGS_MAX];
    size_t n_warnings;
    struct kn_str name;
    struct kn_opt_i64 attempt; /* whose arguments are sent */
    struct kn_msg_task_attempt *attempts;
    size_t n_attempts;
};

static void warn(struct sending *s, const char *text)
{
    if (s->n_warnings < WARNINGS_MAX)
        s->warnings[s->n_warnings++] = kn_str_from(text);
}

/* ---- pieces -------------------------------------------------------------------------------- */

static struct kn_str keep(struct sending *s, struct kn_buf *buf)
{
    struct kn_str text = kn_buf_status(buf) == KN_OK
                             ? kn_arena_str(s->call->arena, kn_buf_view(buf))
                             : KN_STR_ABSENT;
    kn_buf_fini(buf);
    return text;
}

/* ISO 8601 as Python writes it: older ones do not read a "Z". */
static struct kn_str iso_time(struct sending *s, int64_t us)
{
    char text[KN_TIME_TEXT];
    struct kn_buf out;
    if (!us)
        return KN_STR_ABSENT;
    kn_time_format(us, text);
    kn_buf_init(&out, 0);
    kn_buf_printf(&out, "%.*s+00:00", (int)strcspn(text, "Z"), text);
    return keep(s, &out);
}

static struct kn_str json_text(struct sending *s, struct kn_str text)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    kn_buf_json_str(&out, text);
    return keep(s, &out);
}

static struct kn_str json_seconds(struct sending *s, struct kn_opt_f64 seconds)
{
    struct kn_buf out;
    if (!seconds.set)
        return KN_STR_ABSENT;
    kn_buf_init(&out, 0);
    kn_buf_json_f64(&out, seconds.value);
    return keep(s, &out);
}

static int64_t eta_of(const struct kn_msg_task_send *ask)
{
    if (ask->countdown.set)
        return kn_time_now() + (int64_t)(ask->countdown.value * (double)KN_SECOND);
    return ask->eta;
}

static const char ORIGIN[] = "kanchi";

/* ---- a copy of the message that waits -------------------------------------------------------- */

static struct kn_str limits_of(struct sending *s, const struct celery_task_message *m)
{
    struct kn_str hard =
        json_seconds(s, s->ask->time_limit.set ? s->ask->time_limit : m->time_limit);
    struct kn_str soft =
        json_seconds(s, s->ask->soft_time_limit.set ? s->ask->soft_time_limit : m->soft_time_limit);
    struct kn_buf out;
    kn_buf_init(&out, 0);
    kn_buf_printf(&out, "[%.*s,%.*s]", KN_STR_ARG(hard.ptr ? hard : KN_STR("null")),
                  KN_STR_ARG(soft.ptr ? soft : KN_STR("null")));
    return keep(s, &out);
}

static struct kn_str expires_of(struct sending *s, const struct celery_task_message *m)
{
    if (s->ask->expires)
        return iso_time(s, s->ask->expires);
    if (!m->expires.ptr || (m->expires_us && m->expires_us > kn_time_now()))
        return m->expires;
    warn(s, "the original expiry has passed and is left out");
    return KN_STR_ABSENT;
}

/* Its headers with what belongs to this call. The group is left: a second answer of one
 * of its members would make a chord's body run twice or too early. */
static enum kn_status copy_headers(struct sending *s, const struct celery_task_message *m,
                                   const struct celery_task_call *anew, struct kn_str *ret)
{
    struct celery_json_change changes[16] = {
        {"id", json_text(s, s->ask->new_id)},
        {"retries", KN_STR("0")},
        {"group", KN_STR("null")},
        {"group_index", KN_STR("null")},
        {"eta", json_text(s, iso_time(s, eta_of(s->ask)))},
        {"expires", json_text(s, expires_of(s, m))},
        {"timelimit", limits_of(s, m)},
        {"root_id", json_text(s, m->root_id.ptr ? m->root_id : m->id)},
        {"origin", json_text(s, kn_str_from(ORIGIN))},
    };
    size_t count = 9;
    if (anew) {
        changes[count++] = (struct celery_json_change){"argsrepr", json_text(s, anew->argsrepr)};
        changes[count++] =
            (struct celery_json_change){"kwargsrepr", json_text(s, anew->kwargsrepr)};
    }
    if (anew && m->compression.ptr)
        changes[count++] = (struct celery_json_change){"compression", KN_STR("null")};
    if (m->group.ptr)
        warn(s, "the original belongs to a group; the new task does not");
    struct kn_buf out;
    kn_buf_init(&out, 0);
    enum kn_status status = celery_json_change(&out, m->headers, changes, count, s->call->arena);
    *ret = keep(s, &out);
    return status != KN_OK ? status : ret->ptr ? KN_OK : KN_NOMEM;
}

/* ---- the body ----------------------------------------------------------------------------------
 */

static enum kn_status write_body(struct sending *s, struct celery_task_call *call)
{
    struct kn_buf out;
    enum kn_status status = KN_OK;
    if (!call->argsrepr.ptr)
        status = celery_json_repr(call->args, s->call->arena, &call->argsrepr);
    if (status == KN_OK && !call->kwargsrepr.ptr)
        status = celery_json_repr(call->kwargs, s->call->arena, &call->kwargsrepr);
    if (status != KN_OK)
        return control_call_refuse(s->call, KN_INVALID, "args or kwargs are not JSON");
    kn_buf_init(&out, 0);
    celery_task_body(&out, call);
    s->wrap.body = s->decoded = keep(s, &out);
    s->wrap.content_type = KN_STR("application/json");
    s->wrap.content_encoding = KN_STR("utf-8");
    return s->wrap.body.ptr ? KN_OK : KN_NOMEM;
}

/* pickle.dumps(((), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}),
 * protocol=2): the only pickle that Kanchi writes. From JSON the arguments would arrive as a list.
 */
static void pickle_nothing(struct sending *s)
{
    static const char body[] = "\x80\x02)}q\0}q\x01(X\x09\0\0\0callbacksq\x02NX\x08\0\0\0errbacks"
                               "q\x03NX\x05\0\0\0chainq\x04NX\x05\0\0\0chordq\x05Nu\x87q\x06.";
    s->wrap.body = (struct kn_str){body, sizeof body - 1};
    s->wrap.content_type = KN_STR("application/x-python-serialize");
    s->wrap.content_encoding = KN_STR("binary");
}

/* The message that waits, byte for byte where nothing is replaced. */
static enum kn_status send_message(struct sending *s, const struct control_retry_source *o)
{
    const struct celery_task_message *m = &o->message;
    bool replaced = s->ask->args.ptr || s->ask->kwargs.ptr;
    bool json = !m->content_type.len || kn_str_starts(m->content_type, KN_STR("application/json"));
    s->wrap.reply_to = m->reply_to;
    if (!replaced && m->protocol == 2) {
        s->wrap.body = m->body;
        s->wrap.content_type = m->content_type;
        s->wrap.content_encoding = m->content_encoding;
        if (!m->unreadable && json)
            s->decoded = m->body;
        return copy_headers(s, m, NULL, &s->wrap.headers);
    }
    if (m->unreadable || !json)
        return control_call_refuse(s->call, KN_CONFLICT,
                                   "the arguments of the waiting message can't be replaced: %s",
                                   m->unreadable ? m->unreadable : "it is no JSON");
    struct celery_task_call call = {
        .args = s->ask->args.ptr ? s->ask->args : m->args,
        .kwargs = s->ask->kwargs.ptr ? s->ask->kwargs : m->kwargs,
        .embed = m->embed,
    };
    if (m->protocol == 1)
        warn(s, "the message is of protocol 1: its callbacks are left out");
    enum kn_status status = write_body(s, &call);
    if (status != KN_OK || m->protocol == 2)
        return status != KN_OK ? status : copy_headers(s, m, &call, &s->wrap.headers);
    call.id = s->ask->new_id;
    call.name = m->name;
    call.root_id = o->task->root_id.ptr ? o->task->root_id : m->id;
    call.parent_id = o->task->parent_id;
    call.origin = kn_str_from(ORIGIN);
    call.eta = iso_time(s, eta_of(s->ask));
    call.expires = expires_of(s, m);
    call.time_limit = json_seconds(s, s->ask->time_limit.set ? s->ask->time_limit : m->time_limit);
    call.soft_time_limit =
        json_seconds(s, s->ask->soft_time_limit.set ? s->ask->soft_time_limit : m->soft_time_limit);
    struct kn_buf out;
    kn_buf_init(&out, 0);
    celery_task_headers(&out, &call);
    s->wrap.headers = keep(s, &out);
    return s->wrap.headers.ptr ? KN_OK : KN_NOMEM;
}

/* A message made anew. */
static enum kn_status send_new(struct sending *s, struct celery_task_call *call)
{
    struct kn_buf out;
    call->id = s->ask->new_id;
    call->origin = kn_str_from(ORIGIN);
    call->eta = iso_time(s, eta_of(s->ask));
    if (s->ask->expires)
        call->expires = iso_time(s, s->ask->expires);
    call->time_limit = json_seconds(s, s->ask->time_limit);
    call->soft_time_limit = json_seconds(s, s->ask->soft_time_limit);
    enum kn_status status = write_body(s, call);
    if (status != KN_OK)
        return status;
    kn_buf_init(&out, 0);
    celery_task_headers(&out, call);
    s->wrap.headers = keep(s, &out);
    return s->wrap.headers.ptr ? KN_OK : KN_NOMEM;
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static struct kn_str show(struct sending *s)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    kn_buf_text(&out, "{\"headers\":");
    kn_buf_str(&out, s->wrap.headers);
    kn_buf_text(&out, ",\"properties\":");
    celery_task_properties(&out, &s->wrap);
    kn_buf_text(&out, ",\"content_type\":");
    kn_buf_json_str(&out, s->wrap.content_type);
    kn_buf_text(&out, ",\"content_encoding\":");
    kn_buf_json_str(&out, s->wrap.content_encoding);
    kn_buf_printf(&out, ",\"body_bytes\":%zu,\"body\":", s->wrap.body.len);
    kn_buf_str(&out, s->decoded.ptr ? s->decoded : KN_STR("null"));
    kn_buf_char(&out, '}');
    return keep(s, &out);
}

static enum kn_status broker_failed(struct sending *s, enum kn_status status)
{
    const char *error = broker_session_error(s->call->hand->session);
    if (!*error)
        error = kn_status_text(status);
    if (status != KN_UNCERTAIN)
        return control_call_fail(s->call, status, "nothing was sent, broker: %s", error);
    return control_call_fail(
        s->call, status,
        "it is unknown whether the broker took the message: %s. If it did, the "
        "new task has the id %.*s",
        error, KN_STR_ARG(kn_utf8_head(s->ask->new_id, 64)));
}

static enum kn_status no_queue(struct sending *s)
{
    if (!s->wrap.exchange.len)
        return control_call_refuse(s->call, KN_CONFLICT, "there is no queue \"%.*s\"",
                                   KN_STR_ARG(kn_utf8_head(s->wrap.queue, 100)));
    return control_call_refuse(s->call, KN_CONFLICT,
                               "the exchange \"%.*s\" leads to no queue with the routing key "
                               "\"%.*s\". Specify the queue (queue)",
                               KN_STR_ARG(kn_utf8_head(s->wrap.exchange, 100)),
                               KN_STR_ARG(kn_utf8_head(s->wrap.routing_key, 100)));
}

static enum kn_status deliver(struct sending *s)
{
    struct control_call *call = s->call;
    char tag[33];
    kn_random_hex(tag, sizeof tag);
    s->wrap.delivery_tag = kn_arena_str(call->arena, kn_str_from(tag));
    s->wrap.correlation_id = s->ask->new_id;
    struct kn_msg_task_sent *sent = kn_arena_alloc(call->arena, sizeof *sent);
    if (!sent || !s->wrap.delivery_tag.ptr)
        return KN_NOMEM;
    if (call->action) {
        enum kn_status status = control_send_task(call->hand->session, &s->wrap, call->arena);
        call->began = status == KN_OK || status == KN_UNCERTAIN;
        if (status == KN_NOT_FOUND)
            return no_queue(s);
        if (status == KN_AGAIN)
            return control_call_refuse(call, status, "%s; nothing was sent",
                                       broker_session_error(call->hand->session));
        if ((status == KN_OK || status == KN_UNCERTAIN) && s->ask->task_id.ptr)
            call->link = (struct kn_msg_task_link){.source = kn_str_from(call->options->source),
                                                   .task_id = s->ask->task_id,
                                                   .new_id = s->ask->new_id,
                                                   .at = kn_time_now()};
        if (status != KN_OK)
            return broker_failed(s, status);
        sent->action_id = call->action->id;
    } else {
        sent->message = show(s);
    }
    sent->id = s->ask->new_id;
    sent->arguments_from = kn_str_from(s->from);
    sent->queue = s->wrap.queue;
    sent->name = s->name;
    sent->exchange = s->wrap.exchange.len ? s->wrap.exchange : KN_STR_ABSENT;
    sent->routing_key = s->wrap.exchange.len ? s->wrap.routing_key : KN_STR_ABSENT;
    sent->attempt = s->attempt;
    sent->attempts.items = s->attempts;
    sent->attempts.count = s->n_attempts;
    sent->warnings = (struct kn_strs){
        kn_arena_array(call->arena, WARNINGS_MAX, sizeof(struct kn_str)), s->n_warnings};
    if (!sent->warnings.items || call->arena->overflow)
        return KN_NOMEM;
    memcpy(sent->warnings.items, s->warnings, s->n_warnings * sizeof(struct kn_str));
    call->answer_kind = KN_KIND_TASK_SENT;
    call->answer = sent;
    return KN_OK;
}

static bool consumes(const struct kn_msg_worker *worker, struct kn_str queue)
{
    for (size_t i = 0; i < worker->queues.count; i++)
        if (kn_str_eq(worker->queues.items[i], queue))
            return true;
    return false;
}

static void look_for_consumers(struct sending *s, const struct kn_msg_worker_list *workers)
{
    for (size_t i = 0; i < workers->items.count; i++) {
        const struct kn_msg_worker *worker = &workers->items.items[i];
        if (worker->status == KN_WORKER_ONLINE && consumes(worker, s->wrap.queue))
            return;
    }
    if (s->wrap.queue.len)
        warn(s, "no online worker consumes this queue");
}

static void set_priority(struct sending *s, struct kn_opt_i64 priority)
{
    s->wrap.priority =
        (uint8_t)(s->ask->priority.set ? s->ask->priority.value
                  : priority.set && priority.value >= 0 && priority.value < 256 ? priority.value
                                                                                : 0);
}

/* On Redis the queue to which the exchange leads; RabbitMQ finds it itself. */
static enum kn_status resolve(struct sending *s, const struct control_route *route)
{
    struct kn_strs queues = {0};
    enum kn_status status = control_route_queues(s->call, route, &queues);
    s->wrap.exchange = route->exchange;
    s->wrap.routing_key = route->routing_key.ptr ? route->routing_key : KN_STR("");
    if (status == KN_UNSUPPORTED)
        return KN_OK;
    if (status != KN_OK)
        return broker_failed(s, status);
    if (queues.count != 1)
        return control_call_refuse(s->call, KN_CONFLICT,
                                   "the task was sent to the exchange \"%.*s\" with the routing "
                                   "key \"%.*s\", which %s. Specify the queue (queue)",
                                   KN_STR_ARG(kn_utf8_head(route->exchange, 100)),
                                   KN_STR_ARG(kn_utf8_head(s->wrap.routing_key, 100)),
                                   queues.count ? "leads to several queues"
                                                : "leads to no queue now");
    s->wrap.queue = queues.items[0];
    return KN_OK;
}

static enum kn_status set_route(struct sending *s, const struct control_route *known)
{
    enum kn_status status = KN_OK;
    s->wrap.queue = s->ask->queue.len ? s->ask->queue : known->queue;
    if (!s->ask->queue.len && known->exchange.len) {
        s->wrap.queue = KN_STR("");
        status = resolve(s, known);
        if (status != KN_OK || !s->wrap.queue.len)
            return status;
    }
    if (!s->wrap.queue.len)
        return control_call_refuse(s->call, KN_CONFLICT,
                                   "the queue is unknown. Specify it (queue)");
    if (s->wrap.queue.len > 255 || memchr(s->wrap.queue.ptr, '\0', s->wrap.queue.len))
        return control_call_refuse(s->call, KN_INVALID, "queue: not a valid name");
    return KN_OK;
}

/* ---- retry
 * --------------------------------------------------------------------------------------- */

/* Whether no source has a final state of the task: another copy of it may be waiting. */
static bool may_wait(enum kn_task_status status)
{
    return status == KN_TASK_ORPHANED || status == KN_TASK_REJECTED;
}

static enum kn_status refuse_copy(struct sending *s, const struct control_retry_source *o,
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
static enum kn_status look_for_copies(struct sending *s, struct control_retry_source *o)
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
        warn(s, "Kanchi searched only some of the waiting messages (control.look_max): another "
                "copy of the task may be among the rest");
    return KN_OK;
}

/* Names the queue in which its message waits, if that can be told. */
static enum kn_status refuse_unfinished(struct sending *s, struct control_retry_source *o)
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

static void warn_of_attempts(struct sending *s, const struct control_retry_source *o)
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
        warn(s, copy.ptr);
}

static void warn_of(struct sending *s, const struct control_retry_source *o)
{
    bool backend = s->from && strcmp(s->from, "backend") == 0;
    bool repr = s->from && strcmp(s->from, "repr") == 0;
    if ((backend || repr) && o->restarted)
        warn(s, "the worker has restarted since; Kanchi assumes that it accepted the same "
                "serializers before");
    if (backend && o->hidden)
        warn(s, "the events do not show all arguments, so they could not be compared with those in "
                "the result backend");
    if (repr && o->attempt->learned)
        warn(s,
             "the arguments are as a worker or the result backend reported them, and may be those "
             "of a later attempt");
    else if (repr)
        warn(s, "the arguments are read from the text in the client's event, which has no types: a "
                "value of a custom class may print as a different value, and the client may have "
                "written the text itself (argsrepr)");
    if (repr && (celery_json_has_number(o->args, s->call->arena) ||
                 celery_json_has_number(o->kwargs, s->call->arena)))
        warn(s, "numbers are as the client printed them: a custom class derived from int or float "
                "may print a different number");
    if (repr && o->untyped)
        warn(s, "the arguments may have been pickled: they are sent as JSON, in which a tuple is a "
                "list, and an object of a custom class is what it prints");
    if (!o->real_name)
        warn(s, "the name is as a worker reported it, which is an alias if the task was sent with "
                "one (shadow)");
    if (!o->has_message)
        warn(s, "callbacks, chain, expiry, time limits, priority and headers of the first call are "
                "unknown and left out");
    if (strcmp(s->from, "request") != 0)
        warn_of_attempts(s, o);
}

static bool tell_attempts(struct sending *s, const struct control_retry_source *o)
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

static bool is_registered(const struct kn_msg_worker *worker, struct kn_str name)
{
    for (size_t i = 0; i < worker->registered.count; i++)
        if (kn_str_eq(worker->registered.items[i], name))
            return true;
    return false;
}

/* Workers don't list Celery's own tasks. */
static enum kn_status check_name(struct sending *s, const struct kn_msg_worker_list *workers,
                                 struct kn_str name, bool real)
{
    bool known = false;
    s->name = name;
    if (!name.len)
        return control_call_refuse(s->call, KN_CONFLICT, "the name of the task is unknown");
    if (s->ask->unregistered || kn_str_starts(name, KN_STR("celery.")))
        return KN_OK;
    for (size_t i = 0; i < workers->items.count; i++) {
        if (is_registered(&workers->items.items[i], name))
            return KN_OK;
        known = known || workers->items.items[i].registered.count;
    }
    if (!known && real) {
        warn(s, "no worker has reported which tasks it has registered");
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

static enum kn_status retry_anew(struct sending *s, const struct control_retry_source *o)
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
    status = send_new(s, &call);
    if (status == KN_OK && pickled)
        pickle_nothing(s);
    return status;
}

static enum kn_status retry(struct sending *s, struct control_retry_source *o)
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
        status = set_route(s, &o->route);
    if (status != KN_OK)
        return status;
    set_priority(s, o->has_message ? o->message.priority : (struct kn_opt_i64){0});
    bool copy = o->has_message && o->from && strcmp(o->from, "message") == 0;
    s->from = ask->args.ptr && ask->kwargs.ptr ? "request" : "message";
    if (copy) {
        o->real_name = true;
        status = check_name(s, o->workers, o->message.name, true);
    }
    if (status == KN_OK)
        status = copy ? send_message(s, o) : retry_anew(s, o);
    if (status != KN_OK)
        return status;
    warn_of(s, o);
    look_for_consumers(s, o->workers);
    return tell_attempts(s, o) ? deliver(s) : KN_NOMEM;
}

/* ---- apply
 * ----------------------------------------------------------------------------------------- */

/* The one queue that all workers with this task consume; absent when there are several. */
static enum kn_status find_workers(struct sending *s, const struct kn_msg_worker_list *workers,
                                   struct kn_str *ret_queue)
{
    size_t found = 0;
    struct kn_str queue = KN_STR_ABSENT;
    bool one = true, json = true;
    for (size_t i = 0; i < workers->items.count; i++) {
        const struct kn_msg_worker *worker = &workers->items.items[i];
        bool takes = true;
        if (worker->status != KN_WORKER_ONLINE || !is_registered(worker, s->ask->name))
            continue;
        one = one && worker->queues.count == 1 &&
              (!found || kn_str_eq(queue, worker->queues.items[0]));
        if (one)
            queue = worker->queues.items[0];
        celery_conf_accepts(worker->conf, &takes);
        json = json && takes;
        found++;
    }
    if (!found && !s->ask->unregistered)
        return control_call_refuse(
            s->call, KN_CONFLICT,
            "no online worker has registered this task; use unregistered to send it anyway");
    if (!json)
        return control_call_refuse(
            s->call, KN_CONFLICT,
            "a worker with this task does not accept JSON, the only format that Kanchi writes");
    *ret_queue = found && one ? queue : KN_STR_ABSENT;
    return KN_OK;
}

static enum kn_status apply(struct sending *s)
{
    const struct kn_msg_worker_list *workers;
    struct kn_str queue = KN_STR_ABSENT;
    const struct kn_msg_task_send *ask = s->ask;
    struct celery_task_call call = {
        .name = ask->name,
        .args = ask->args.ptr ? ask->args : KN_STR("[]"),
        .kwargs = ask->kwargs.ptr ? ask->kwargs : KN_STR("{}"),
    };
    enum kn_status status = control_workers(s->call, &workers);
    if (status == KN_OK)
        status = find_workers(s, workers, &queue);
    if (status == KN_OK)
        status = set_route(s, &(struct control_route){.queue = queue});
    set_priority(s, (struct kn_opt_i64){0});
    s->name = ask->name;
    if (status == KN_OK)
        status = send_new(s, &call);
    if (status != KN_OK)
        return status;
    s->from = "request";
    look_for_consumers(s, workers);
    return deliver(s);
}

enum kn_status control_do_send(struct control_call *call)
{
    struct sending s = {.call = call, .ask = call->msg};
    struct control_retry_source origin;
    if (!s.ask->new_id.len || (!s.ask->task_id.len && !s.ask->name.len))
        return control_call_refuse(call, KN_INVALID, "name and id must be given");
    if (!s.ask->task_id.ptr)
        return apply(&s);
    enum kn_status status = control_retry_source_begin(
        call, s.ask->task_id, kn_str_eq(s.ask->attempt, KN_STR("last")), &origin);
    if (status == KN_OK)
        status = retry(&s, &origin);
    control_retry_source_fini(&origin);
    return status;
}

void control_send_unlinked(struct control_call *call)
{
    struct kn_msg_task_sent *sent = kn_arena_alloc(call->arena, sizeof *sent);
    struct kn_str *warnings = kn_arena_array(call->arena, WARNINGS_MAX + 1, sizeof *warnings);
    if (call->answer_kind != KN_KIND_TASK_SENT || !sent || !warnings)
        return;
    *sent = *(const struct kn_msg_task_sent *)call->answer;
    memcpy(warnings, sent->warnings.items, sent->warnings.count * sizeof *warnings);
    warnings[sent->warnings.count++] =
        KN_STR("it was sent, but the link to the original task could not be saved");
    sent->warnings.items = warnings;
    call->answer = sent;
}
