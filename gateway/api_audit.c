#include "gateway/app.h"

#include "proto/codec.h"

#include <inttypes.h>
#include <stdio.h>

/* A position is the number of the last entry. */
static uint64_t read_position(struct gw_exchange *x)
{
    struct kn_str position = gw_read_cursor(x);
    uint64_t no = 0;
    if (position.ptr && !kn_str_to_u64(position, &no))
        gw_problem_set(&x->params.problem, 400, "cursor", "cursor: it is none of this list");
    return no;
}

void gw_api_audit(struct gw_exchange *x)
{
    static const char *const skip[] = {"no", NULL};
    struct kn_msg_audit_get get = {
        .verbs = gw_params_texts(&x->params, "action", &kn_enum_verb),
        .sources = gw_params_texts(&x->params, "source", NULL),
        .target = gw_params_text(&x->params, "target"),
        .actor = gw_params_text(&x->params, "actor"),
        .id = gw_params_text(&x->params, "id"),
        .from = gw_params_time(&x->params, "from"),
        .to = gw_params_time(&x->params, "to"),
        .limit = gw_params_u64(&x->params, "limit", 1, 500, 50),
    };
    get.before = read_position(x);
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
    char next[24];
    snprintf(next, sizeof next, "%" PRIu64, list->next);
    gw_end_list(x, list->next ? kn_str_from(next) : KN_STR_ABSENT);
    kn_bus_message_free(answer);
}
