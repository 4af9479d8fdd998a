/* Remote control of workers. */
#include "gateway/app.h"

#include "services/common/time.h"

#define TIMEOUT_MOST 60.0 /* seconds */

static int64_t to_us(struct kn_opt_f64 seconds)
{
    return seconds.set ? (int64_t)(seconds.value * (double)KN_SECOND) : 0;
}

void gw_show_replies(struct gw_exchange *x, const struct kn_msg_command_done *done)
{
    kn_buf_text(&x->body, "{\"action_id\":");
    if (done->action_id.ptr)
        kn_buf_json_str(&x->body, done->action_id);
    else
        kn_buf_text(&x->body, "null");
    kn_buf_text(&x->body, ",\"replies\":[");
    for (size_t i = 0; i < done->replies.count; i++) {
        const struct kn_msg_worker_reply *reply = &done->replies.items[i];
        kn_buf_text(&x->body, i ? ",{\"worker\":" : "{\"worker\":");
        kn_buf_json_str(&x->body, reply->hostname);
        kn_buf_printf(&x->body, ",\"ok\":%s,\"value\":", reply->failed ? "false" : "true");
        kn_buf_str(&x->body, reply->value.len ? reply->value : KN_STR("null"));
        kn_buf_char(&x->body, '}');
    }
    const struct {
        const char *head;
        const struct kn_strs *names;
    } lists[] = {{"],\"missing\":[", &done->missing}, {"],\"workers\":[", &done->asked}};
    for (size_t l = 0; l < 2; l++) {
        kn_buf_text(&x->body, lists[l].head);
        for (size_t i = 0; i < lists[l].names->count; i++) {
            if (i)
                kn_buf_char(&x->body, ',');
            kn_buf_json_str(&x->body, lists[l].names->items[i]);
        }
    }
    kn_buf_text(&x->body, "]}");
}

static void ask(struct gw_exchange *x, struct kn_msg_command *command)
{
    if (!gw_find_source(x, &command->source))
        return;
    struct kn_bus_message *answer =
        gw_ask_control(x, command->source, KN_KIND_COMMAND, command, KN_KIND_COMMAND_DONE,
                       command->timeout ? command->timeout : KN_MINUTE);
    if (!answer)
        return;
    gw_show_replies(x, answer->msg);
    kn_bus_message_free(answer);
}

void gw_api_inspect(struct gw_exchange *x)
{
    struct kn_msg_command command = {
        .source = gw_params_text(&x->params, "source"),
        .method = x->arg,
        .destinations = gw_params_texts(&x->params, "worker", NULL),
        .pattern = gw_params_text(&x->params, "pattern"),
        .timeout =
            (int64_t)gw_params_u64(&x->params, "timeout", 1, (uint64_t)TIMEOUT_MOST, 0) * KN_SECOND,
    };
    if (gw_params_ok(x))
        ask(x, &command);
}

void gw_api_command(struct gw_exchange *x)
{
    static const char *const flags[] = {"false", "true", NULL};
    struct kn_msg_command command = {
        .source = gw_body_text(x, "source"),
        .method = x->arg,
        .arguments = gw_body_json(x, "arguments", '{'),
        .destinations = gw_body_texts(x, "workers"),
        .pattern = gw_body_text(x, "pattern"),
        .timeout = to_us(gw_body_f64(x, "timeout", 0.1, TIMEOUT_MOST)),
        .dry_run = gw_params_choice(&x->params, "dry_run", flags) == flags[1],
    };
    if (!gw_body_ok(x))
        return;
    command.action = gw_new_action(x);
    if (command.action)
        ask(x, &command);
}
