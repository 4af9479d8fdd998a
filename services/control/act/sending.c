/* What is written: a copy of the waiting message, or a new one. */
#include "services/control/act/sending.h"

#include "services/celery/python/repr_match.h"
#include "services/common/text/time.h"

void control_sending_warn(struct control_sending *s, const char *text)
{
    if (s->n_warnings < CONTROL_WARNINGS_MAX)
        s->warnings[s->n_warnings++] = kn_str_from(text);
}

/* ---- pieces -------------------------------------------------------------------------------- */

static struct kn_str keep(struct control_sending *s, struct kn_buf *buf)
{
    struct kn_str text = kn_buf_status(buf) == KN_OK
                             ? kn_arena_str(s->call->arena, kn_buf_view(buf))
                             : KN_STR_ABSENT;
    kn_buf_fini(buf);
    return text;
}

/* ISO 8601 as Python writes it: older ones do not read a "Z". */
static struct kn_str iso_time(struct control_sending *s, int64_t us)
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

static struct kn_str json_text(struct control_sending *s, struct kn_str text)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    kn_buf_json_str(&out, text);
    return keep(s, &out);
}

static struct kn_str json_seconds(struct control_sending *s, struct kn_opt_f64 seconds)
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

static struct kn_str limits_of(struct control_sending *s, const struct celery_task_message *m)
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

static struct kn_str expires_of(struct control_sending *s, const struct celery_task_message *m)
{
    if (s->ask->expires)
        return iso_time(s, s->ask->expires);
    if (!m->expires.ptr || (m->expires_us && m->expires_us > kn_time_now()))
        return m->expires;
    control_sending_warn(s, "the original expiry has passed and was dropped");
    return KN_STR_ABSENT;
}

/* Its headers with what belongs to this call. The group is left: a second answer of one
 * of its members would make a chord's body run twice or too early. */
static enum kn_status copy_headers(struct control_sending *s, const struct celery_task_message *m,
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
        control_sending_warn(s, "the original belongs to a group; the new task does not");
    struct kn_buf out;
    kn_buf_init(&out, 0);
    enum kn_status status = celery_json_change(&out, m->headers, changes, count, s->call->arena);
    *ret = keep(s, &out);
    return status != KN_OK ? status : ret->ptr ? KN_OK : KN_NOMEM;
}

/* ---- the body ----------------------------------------------------------------------- */

static enum kn_status write_body(struct control_sending *s, struct celery_task_call *call)
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
void control_sending_pickle_nothing(struct control_sending *s)
{
    static const char body[] = "\x80\x02)}q\0}q\x01(X\x09\0\0\0callbacksq\x02NX\x08\0\0\0errbacks"
                               "q\x03NX\x05\0\0\0chainq\x04NX\x05\0\0\0chordq\x05Nu\x87q\x06.";
    s->wrap.body = (struct kn_str){body, sizeof body - 1};
    s->wrap.content_type = KN_STR("application/x-python-serialize");
    s->wrap.content_encoding = KN_STR("binary");
}

/* The message that waits, byte for byte where nothing is replaced. */
enum kn_status control_sending_copy(struct control_sending *s, const struct control_retry_source *o)
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
                                   m->unreadable ? m->unreadable : "it is not JSON");
    struct celery_task_call call = {
        .args = s->ask->args.ptr ? s->ask->args : m->args,
        .kwargs = s->ask->kwargs.ptr ? s->ask->kwargs : m->kwargs,
        .embed = m->embed,
    };
    if (m->protocol == 1)
        control_sending_warn(s, "the message uses protocol 1; its callbacks are omitted");
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

/* A newly built message. */
enum kn_status control_sending_write(struct control_sending *s, struct celery_task_call *call)
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

struct kn_str control_sending_show(struct control_sending *s)
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
