/* What people do to tasks: send, send again, revoke; and their whole results. */
#include "gateway/api/handler.h"

#include "services/celery/remote/methods.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdio.h>

#define COUNTDOWN_MOST (366.0 * 86400) /* seconds */
#define LIMIT_MOST (366.0 * 86400)

/* The source of a task: the one that is named, else the one that has it. */
static bool find_task(struct gw_exchange *x, struct kn_str *source)
{
    const struct kn_msg_task_get get = {.id = x->arg, .source = *source};
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_TASK_GET, &get, KN_KIND_TASK);
    if (!answer)
        return false;
    *source = kn_arena_str(&x->arena, ((const struct kn_msg_task *)answer->msg)->source);
    kn_bus_message_free(answer);
    return source->ptr != NULL;
}

/* ---- sending ------------------------------------------------------------------------------- */

static void show_attempts(struct kn_buf *out, const struct kn_msg_task_sent *sent)
{
    kn_buf_text(out, ",\"attempt\":");
    gw_view_opt_i64(out, sent->attempt);
    kn_buf_text(out, ",\"attempts\":[");
    for (size_t i = 0; i < sent->attempts.count; i++) {
        const struct kn_msg_task_attempt *one = &sent->attempts.items[i];
        kn_buf_printf(out, "%s{\"retries\":%lld,\"args_repr\":", i ? "," : "",
                      (long long)one->retries);
        kn_buf_json_str(out, one->args_repr);
        kn_buf_text(out, ",\"kwargs_repr\":");
        kn_buf_json_str(out, one->kwargs_repr);
        kn_buf_char(out, '}');
    }
    kn_buf_char(out, ']');
}

static void show_sent(struct gw_exchange *x, const struct kn_msg_task_send *ask,
                      const struct kn_msg_task_sent *sent)
{
    kn_buf_text(&x->body, "{\"id\":");
    kn_buf_json_str(&x->body, sent->id);
    kn_buf_text(&x->body, ",\"source\":");
    kn_buf_json_str(&x->body, ask->source);
    kn_buf_text(&x->body, ",\"arguments_from\":");
    kn_buf_json_str(&x->body, sent->arguments_from);
    kn_buf_text(&x->body, ",\"name\":");
    kn_buf_json_str(&x->body, sent->name);
    kn_buf_text(&x->body, ",\"queue\":");
    kn_buf_json_str(&x->body, sent->queue.len ? sent->queue : KN_STR_ABSENT);
    kn_buf_text(&x->body, ",\"exchange\":");
    kn_buf_json_str(&x->body, sent->exchange);
    kn_buf_text(&x->body, ",\"routing_key\":");
    kn_buf_json_str(&x->body, sent->routing_key);
    show_attempts(&x->body, sent);
    kn_buf_text(&x->body, ",\"warnings\":");
    gw_view_texts(&x->body, &sent->warnings);
    kn_buf_text(&x->body, ",\"action_id\":");
    kn_buf_json_str(&x->body, sent->action_id);
    kn_buf_text(&x->body, ",\"message\":");
    kn_buf_str(&x->body, sent->message.ptr ? sent->message : KN_STR("null"));
    kn_buf_char(&x->body, '}');
    x->status = ask->dry_run ? 200 : 202;
}

static void read_options(struct gw_exchange *x, struct kn_msg_task_send *send)
{
    send->source = gw_body_text(x, "source");
    send->args = gw_body_json(x, "args", '[');
    send->kwargs = gw_body_json(x, "kwargs", '{');
    send->queue = gw_body_text(x, "queue");
    send->priority = gw_body_i64(x, "priority", 0, 255);
    send->countdown = gw_body_f64(x, "countdown", 0, COUNTDOWN_MOST);
    send->eta = gw_body_time(x, "eta");
    send->expires = gw_body_time(x, "expires");
    send->time_limit = gw_body_f64(x, "time_limit", 0, LIMIT_MOST);
    send->soft_time_limit = gw_body_f64(x, "soft_time_limit", 0, LIMIT_MOST);
    send->dry_run = gw_params_flag(&x->params, "dry_run");
}

static void send_task(struct gw_exchange *x, struct kn_msg_task_send *send)
{
    x->new_id = send->new_id = gw_new_uuid(x);
    send->action = gw_new_action(x, send->dry_run);
    if (!send->new_id.ptr || !send->action)
        return;
    struct kn_bus_message *answer =
        gw_ask_control(x, send->source, KN_KIND_TASK_SEND, send, KN_KIND_TASK_SENT, KN_MINUTE);
    if (!answer)
        return;
    show_sent(x, send, answer->msg);
    kn_bus_message_free(answer);
}

void gw_api_apply(struct gw_exchange *x)
{
    struct kn_msg_task_send send = {.name = gw_body_text(x, "name"),
                                    .unregistered = gw_body_flag(x, "unregistered", false)};
    read_options(x, &send);
    if (!send.name.ptr)
        gw_problem_set(&x->params.problem, 400, "name", "name: missing");
    if (gw_body_ok(x) && gw_find_source(x, &send.source))
        send_task(x, &send);
}

void gw_api_retry(struct gw_exchange *x)
{
    struct kn_msg_task_send send = {
        .task_id = x->arg,
        .force = gw_params_flag(&x->params, "force"),
        .attempt = kn_str_from(gw_params_choice(&x->params, "attempt")),
        .arguments = kn_str_from(gw_params_choice(&x->params, "arguments")),
        .unregistered = gw_body_flag(x, "unregistered", false),
    };
    read_options(x, &send);
    if (gw_body_ok(x) && find_task(x, &send.source))
        send_task(x, &send);
}

/* ---- revoking ------------------------------------------------------------------------------ */

static void show_revoked(struct kn_buf *out, const struct kn_msg_task_revoked *revoked)
{
    static const struct kn_msg_command_done nobody;
    const struct kn_msg_command_done *done = revoked->done ? revoked->done : &nobody;
    kn_buf_text(out, "{\"action_id\":");
    kn_buf_json_str(out, revoked->action_id);
    kn_buf_text(out, ",\"replies\":[");
    for (size_t i = 0; i < done->replies.count; i++) {
        kn_buf_text(out, i ? "," : "");
        gw_view_reply(out, &done->replies.items[i], true);
    }
    kn_buf_text(out, "],\"missing\":");
    gw_view_texts(out, &done->missing);
    kn_buf_text(out, ",\"workers\":");
    gw_view_texts(out, &done->asked);
    kn_buf_text(out, ",\"removed\":");
    gw_view_opt_i64(out, revoked->removed);
    kn_buf_text(out, ",\"removal\":");
    kn_buf_json_str(out, revoked->removal);
    kn_buf_char(out, '}');
}

static void revoke(struct gw_exchange *x, struct kn_msg_task_revoke *ask)
{
    ask->action = gw_new_action(x, ask->dry_run);
    if (!ask->action)
        return;
    struct kn_bus_message *answer =
        gw_ask_control(x, ask->source, KN_KIND_TASK_REVOKE, ask, KN_KIND_TASK_REVOKED, KN_MINUTE);
    if (!answer)
        return;
    show_revoked(&x->body, answer->msg);
    kn_bus_message_free(answer);
}

void gw_check_signal(struct gw_exchange *x, struct kn_str signal)
{
    if (signal.ptr && !celery_signal_known(signal))
        gw_problem_set(&x->params.problem, 400, "signal", "signal: must be %s", CELERY_SIGNALS);
}

/* A task without any events may be revoked, too, if its source is given. */
void gw_api_revoke(struct gw_exchange *x)
{
    struct kn_msg_task_revoke ask = {
        .source = gw_params_text(&x->params, "source"),
        .task_id = x->arg,
        .terminate = gw_params_flag(&x->params, "terminate"),
        .signal = gw_params_text(&x->params, "signal"),
        .dry_run = gw_params_flag(&x->params, "dry_run"),
        .remove = gw_params_flag(&x->params, "remove"),
        .queue = gw_params_text(&x->params, "queue"),
    };
    gw_check_signal(x, ask.signal);
    if (!gw_body_ok(x))
        return;
    if (ask.source.ptr ? gw_find_source(x, &ask.source) : find_task(x, &ask.source))
        revoke(x, &ask);
}

/* object: JSON; absent for none. */
static bool has_member(struct kn_str object)
{
    size_t i = 1;
    while (i < object.len && strchr(" \t\r\n", object.ptr[i]))
        i++;
    return i < object.len && object.ptr[i] != '}';
}

void gw_api_revoke_by_headers(struct gw_exchange *x)
{
    struct kn_msg_task_revoke ask = {
        .source = gw_body_text(x, "source"),
        .headers = gw_body_json(x, "headers", '{'),
        .terminate = gw_body_flag(x, "terminate", false),
        .signal = gw_body_text(x, "signal"),
        .dry_run = gw_params_flag(&x->params, "dry_run"),
    };
    gw_check_signal(x, ask.signal);
    if (!has_member(ask.headers))
        gw_problem_set(&x->params.problem, 400, "headers",
                       "headers: must be an object with at least one stamped header");
    if (gw_body_ok(x) && gw_find_source(x, &ask.source))
        revoke(x, &ask);
}

/* ---- results --------------------------------------------------------------------------------- */

static void show_result(struct gw_exchange *x, struct kn_str source,
                        const struct kn_msg_task_result *result)
{
    const struct {
        const char *name;
        struct kn_str text;
        bool json;
    } members[] = {
        {",\"source\":", source, false},        {",\"state\":", result->state, false},
        {",\"result\":", result->result, true}, {",\"traceback\":", result->traceback, false},
        {",\"name\":", result->name, false},    {",\"args\":", result->args, true},
        {",\"kwargs\":", result->kwargs, true}, {",\"worker\":", result->worker, false},
        {",\"queue\":", result->queue, false},  {",\"children\":", result->children, true},
        {",\"note\":", result->note, false},
    };
    kn_buf_text(&x->body, "{\"id\":");
    kn_buf_json_str(&x->body, result->id);
    for (size_t i = 0; i < KN_COUNT_OF(members); i++) {
        kn_buf_text(&x->body, members[i].name);
        if (members[i].json)
            kn_buf_str(&x->body, members[i].text.len ? members[i].text : KN_STR("null"));
        else
            kn_buf_json_str(&x->body, members[i].text);
    }
    kn_buf_text(&x->body, ",\"completed_at\":");
    kn_buf_json_time(&x->body, result->completed_at);
    kn_buf_printf(&x->body, ",\"bytes\":%llu}", (unsigned long long)result->bytes);
}

void gw_api_task_result(struct gw_exchange *x)
{
    struct kn_msg_task_result_get get = {.task_id = x->arg,
                                         .source = gw_params_text(&x->params, "source")};
    if (!gw_params_ok(x))
        return;
    if (!(get.source.ptr ? gw_find_source(x, &get.source) : find_task(x, &get.source)))
        return;
    struct kn_bus_message *answer = gw_ask_control(x, get.source, KN_KIND_TASK_RESULT_GET, &get,
                                                   KN_KIND_TASK_RESULT, 10 * KN_SECOND);
    if (!answer)
        return;
    show_result(x, get.source, answer->msg);
    kn_bus_message_free(answer);
}
