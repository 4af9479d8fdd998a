/* Remote control of workers. */
#include "gateway/api/handler.h"

#include "services/celery/remote/methods.h"
#include "services/common/text/time.h"

static int64_t to_us(struct kn_opt_f64 seconds)
{
    return seconds.set ? (int64_t)(seconds.value * (double)KN_SECOND) : 0;
}

/* ---- the answer ------------------------------------------------------------------------- */

static void show_done(struct gw_exchange *x, const struct kn_msg_command *command,
                      const struct kn_msg_command_done *done)
{
    struct kn_buf *out = &x->body;
    kn_buf_text(out, "{\"action_id\":");
    kn_buf_json_str(out, done->action_id);
    kn_buf_text(out, ",\"source\":");
    kn_buf_json_str(out, command->source);
    kn_buf_text(out, ",\"method\":");
    kn_buf_json_str(out, command->method);
    kn_buf_text(out, ",\"arguments\":");
    kn_buf_str(out, done->arguments.len ? done->arguments : KN_STR("{}"));
    kn_buf_printf(out, ",\"dry_run\":%s,\"replies\":[", command->dry_run ? "true" : "false");
    for (size_t i = 0; i < done->replies.count; i++) {
        if (i)
            kn_buf_char(out, ',');
        gw_view_reply(out, &done->replies.items[i], false);
    }
    kn_buf_char(out, ']');
    kn_buf_text(out, ",\"missing\":");
    gw_view_texts(out, &done->missing);
    kn_buf_text(out, ",\"workers\":");
    gw_view_texts(out, &done->asked);
    kn_buf_printf(out, ",\"everybody\":%s,\"note\":", done->everybody ? "true" : "false");
    kn_buf_json_str(out, done->note);
    kn_buf_char(out, '}');
}

/* ---- the request ------------------------------------------------------------------------ */

static void ask(struct gw_exchange *x, struct kn_msg_command *command)
{
    if (!gw_find_source(x, &command->source))
        return;
    struct kn_bus_message *answer =
        gw_ask_control(x, command->source, KN_KIND_COMMAND, command, KN_KIND_COMMAND_DONE,
                       command->timeout ? command->timeout : KN_MINUTE);
    if (!answer)
        return;
    show_done(x, command, answer->msg);
    kn_bus_message_free(answer);
}

/* NULL, and x is a problem. */
static const struct celery_method *find_method(struct gw_exchange *x, bool actions)
{
    const struct celery_method *method = celery_method_find(x->arg);
    if (method && (actions || !method->action))
        return method;
    struct kn_buf names;
    kn_buf_init(&names, 0);
    celery_method_names(&names, true, actions);
    gw_fail(x, 404, "unknown %s; allowed: %.*s", actions ? "command" : "query",
            KN_STR_ARG(kn_buf_view(&names)));
    kn_buf_fini(&names);
    return NULL;
}

/* {"ids": [...]} of query_task, from the parameter that people write. */
static struct kn_str write_ids(struct gw_exchange *x, const struct kn_strs *ids)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    kn_buf_text(&out, "{\"ids\":");
    gw_view_texts(&out, ids);
    kn_buf_char(&out, '}');
    struct kn_str text = kn_arena_str(&x->arena, kn_buf_view(&out));
    kn_buf_fini(&out);
    return text;
}

void gw_api_inspect(struct gw_exchange *x)
{
    struct kn_msg_command command = {
        .source = gw_params_text(&x->params, "source"),
        .method = x->arg,
        .arguments = gw_params_text(&x->params, "arguments"),
        .destinations = gw_params_texts(&x->params, "worker"),
        .pattern = gw_params_text(&x->params, "pattern"),
        .timeout = (int64_t)gw_params_u64(&x->params, "timeout") * KN_SECOND,
    };
    struct kn_strs ids = gw_params_texts(&x->params, "id");
    if (ids.count && command.arguments.ptr)
        gw_problem_set(&x->params.problem, 400, "id", "id: cannot be combined with arguments");
    else if (ids.count)
        command.arguments = write_ids(x, &ids);
    if (gw_params_ok(x) && find_method(x, false))
        ask(x, &command);
}

void gw_api_command(struct gw_exchange *x)
{
    struct kn_msg_command command = {
        .source = gw_body_text(x, "source"),
        .method = x->arg,
        .arguments = gw_body_json(x, "arguments", '{'),
        .destinations = gw_body_texts(x, "workers"),
        .pattern = gw_body_text(x, "pattern"),
        .timeout = to_us(gw_body_f64(x, "timeout", 0.1, GW_TIMEOUT_MAX)),
        .dry_run = gw_params_flag(&x->params, "dry_run"),
    };
    /* an empty list must not mean all workers */
    if (command.destinations.items && !command.destinations.count)
        gw_problem_set(&x->params.problem, 400, "workers", "workers: must not be empty");
    if (!gw_body_ok(x))
        return;
    const struct celery_method *method = find_method(x, true);
    if (!method)
        return;
    if (method->action) {
        command.action = gw_new_action(x, command.dry_run);
        if (!command.action)
            return;
    }
    ask(x, &command);
}

void gw_api_commands(struct gw_exchange *x)
{
    if (!gw_params_ok(x))
        return;
    celery_methods_json(&x->body);
    gw_exchange_tag(x);
}
