/* Issues that the dashboard shows no longer, until their state changes. */
#include "gateway/api/handler.h"

#include "proto/codec.h"

enum { TEXT_MAX = 200 };

/* Records a mistake if the text is missing or too long. */
static struct kn_str checked(struct gw_exchange *x, const char *name, struct kn_str text)
{
    if (!text.len || text.len > TEXT_MAX)
        gw_problem_set(&x->params.problem, 400, name, "%s: must be a text of 1 to %d bytes", name,
                       TEXT_MAX);
    return text;
}

static void show(struct gw_exchange *x)
{
    const struct kn_msg_dismissals_get get = {0};
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_DISMISSALS_GET, &get, KN_KIND_DISMISSAL_LIST);
    if (!answer)
        return;
    const struct kn_msg_dismissal_list *list = answer->msg;
    kn_buf_text(&x->body, "{\"items\":[");
    for (size_t i = 0; i < list->items.count; i++) {
        kn_buf_text(&x->body, i ? ",{" : "{");
        kn_msg_json_members(&x->body, KN_KIND_DISMISSAL, &list->items.items[i], NULL);
        kn_buf_char(&x->body, '}');
    }
    kn_buf_text(&x->body, "]}");
    kn_bus_message_free(answer);
}

static void dismiss(struct gw_exchange *x, struct kn_msg_dismiss msg)
{
    if (!gw_body_ok(x) || !(msg.action = gw_new_action(x, false)))
        return;
    struct kn_bus_message *done = gw_ask(x, KN_KIND_DISMISS, &msg, KN_KIND_DONE);
    if (done)
        show(x);
    kn_bus_message_free(done);
}

void gw_api_dismissals(struct gw_exchange *x)
{
    if (gw_params_ok(x))
        show(x);
}

void gw_api_dismiss(struct gw_exchange *x)
{
    struct kn_msg_dismiss msg = {.key = checked(x, "key", gw_body_text(x, "key"))};
    msg.state = checked(x, "state", gw_body_text(x, "state"));
    dismiss(x, msg);
}

void gw_api_undismiss(struct gw_exchange *x)
{
    const struct kn_msg_dismiss msg = {.key = checked(x, "key", gw_params_text(&x->params, "key")),
                                       .undo = true};
    dismiss(x, msg);
}
