#include "gateway/api/handler.h"

#include "proto/codec.h"

void gw_api_audit(struct gw_exchange *x)
{
    static const char *const skip[] = {"no", NULL};
    struct kn_msg_audit_get get = {
        .verbs = gw_params_texts(&x->params, "action"),
        .sources = gw_params_texts(&x->params, "source"),
        .target = gw_params_text(&x->params, "target"),
        .actor = gw_params_text(&x->params, "actor"),
        .id = gw_params_text(&x->params, "id"),
        .from = gw_params_time(&x->params, "from"),
        .to = gw_params_time(&x->params, "to"),
        .limit = gw_params_u64(&x->params, "limit"),
    };
    get.before = gw_read_number_cursor(x);
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_AUDIT_GET, &get, KN_KIND_AUDIT_LIST);
    if (!answer)
        return;
    const struct kn_msg_audit_list *list = answer->msg;
    kn_buf_text(&x->body, "{\"items\":[");
    for (size_t i = 0; i < list->items.count; i++) {
        kn_buf_text(&x->body, i ? ",{" : "{");
        kn_msg_json_members(&x->body, KN_KIND_AUDIT_ENTRY, &list->items.items[i], skip);
        kn_buf_char(&x->body, '}');
    }
    gw_end_numbered_list(x, list->next);
    kn_bus_message_free(answer);
}
