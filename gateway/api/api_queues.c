/* What waits in queues, and what may be done to them. */
#include "gateway/api/handler.h"

#include "proto/codec.h"
#include "services/common/text/time.h"

static const int64_t PATIENCE_US = KN_MINUTE; /* a move takes its time */

/* ---- looking ----------------------------------------------------------------------------- */

void gw_api_queue_messages(struct gw_exchange *x)
{
    static const char *const skip[] = {NULL};
    struct kn_msg_waiting_get get = {
        .source = gw_params_text(&x->params, "source"),
        .queue = x->arg,
        .limit = gw_params_u64(&x->params, "limit"),
        .requeue = gw_params_flag(&x->params, "requeue"),
    };
    get.cursor = gw_read_cursor(x);
    if (!gw_params_ok(x) || !gw_find_source(x, &get.source))
        return;
    struct kn_bus_message *answer =
        gw_ask_control(x, get.source, KN_KIND_WAITING_GET, &get, KN_KIND_WAITING_LIST, PATIENCE_US);
    if (!answer)
        return;
    const struct kn_msg_waiting_list *list = answer->msg;
    kn_buf_printf(&x->body,
                  "{\"total\":%llu,\"requeued\":%s,\"note\":", (unsigned long long)list->total,
                  list->requeued ? "true" : "false");
    kn_buf_json_str(&x->body, list->note);
    kn_buf_text(&x->body, ",\"items\":[");
    for (size_t i = 0; i < list->items.count; i++) {
        kn_buf_text(&x->body, i ? ",{" : "{");
        kn_msg_json_members(&x->body, KN_KIND_WAITING, &list->items.items[i], skip);
        kn_buf_char(&x->body, '}');
    }
    gw_end_list(x, list->next);
    kn_bus_message_free(answer);
}

static void show_depths(struct kn_buf *out, const struct kn_f64s *depths)
{
    for (size_t i = 0; i < depths->count; i++) {
        kn_buf_text(out, i ? "," : "");
        if (depths->items[i] < 0)
            kn_buf_text(out, "null");
        else
            kn_buf_printf(out, "%.0f", depths->items[i]);
    }
}

void gw_api_queue_histories(struct gw_exchange *x)
{
    struct kn_msg_queue_histories_get get = {.sources = gw_params_texts(&x->params, "source"),
                                             .points = gw_params_u64(&x->params, "points")};
    gw_params_period(&x->params, &get.from, &get.to);
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer =
        gw_ask(x, KN_KIND_QUEUE_HISTORIES_GET, &get, KN_KIND_QUEUE_HISTORIES);
    if (!answer)
        return;
    const struct kn_msg_queue_histories *list = answer->msg;
    kn_buf_text(&x->body, "{\"from\":");
    kn_buf_json_time(&x->body, get.from);
    kn_buf_text(&x->body, ",\"to\":");
    kn_buf_json_time(&x->body, get.to);
    kn_buf_printf(&x->body, ",\"complete\":%s,\"items\":[", list->complete ? "true" : "false");
    for (size_t i = 0; i < list->items.count; i++) {
        kn_buf_text(&x->body, i ? ",{\"source\":" : "{\"source\":");
        kn_buf_json_str(&x->body, list->items.items[i].source);
        kn_buf_text(&x->body, ",\"name\":");
        kn_buf_json_str(&x->body, list->items.items[i].name);
        kn_buf_text(&x->body, ",\"messages\":[");
        show_depths(&x->body, &list->items.items[i].messages);
        kn_buf_text(&x->body, "]}");
    }
    kn_buf_text(&x->body, "]}");
    kn_bus_message_free(answer);
}

/* ---- acting ------------------------------------------------------------------------------ */

static void act(struct gw_exchange *x, struct kn_str source, enum kn_kind kind, const void *msg)
{
    static const char *const skip[] = {NULL};
    struct kn_bus_message *answer =
        gw_ask_control(x, source, kind, msg, KN_KIND_QUEUE_CHANGED, PATIENCE_US);
    if (!answer)
        return;
    kn_buf_char(&x->body, '{');
    kn_msg_json_members(&x->body, KN_KIND_QUEUE_CHANGED, answer->msg, skip);
    kn_buf_char(&x->body, '}');
    kn_bus_message_free(answer);
}

void gw_api_queue_purge(struct gw_exchange *x)
{
    struct kn_msg_queue_purge msg = {
        .source = gw_params_text(&x->params, "source"),
        .queue = x->arg,
        .expected = gw_params_u64(&x->params, "expected"),
        .max = gw_params_u64(&x->params, "max"),
        .id = gw_params_text(&x->params, "id"),
        .dry_run = gw_params_flag(&x->params, "dry_run"),
    };
    if ((msg.expected != UINT64_MAX) + (msg.max > 0) + (msg.id.len > 0) != 1)
        gw_problem_set(&x->params.problem, 400, "expected",
                       "expected: exactly one of expected (the number of messages), max (remove up "
                       "to so many) or id (of one task) is required");
    if (!gw_body_ok(x) || !gw_find_source(x, &msg.source) ||
        !(msg.action = gw_new_action(x, msg.dry_run)))
        return;
    act(x, msg.source, KN_KIND_QUEUE_PURGE, &msg);
}

void gw_api_queue_move(struct gw_exchange *x)
{
    struct kn_msg_queue_move msg = {
        .source = gw_body_text(x, "source"),
        .queue = x->arg,
        .to = gw_body_text(x, "to"),
        .ids = gw_body_texts(x, "ids"),
        .expected = gw_body_i64(x, "expected", 0, INT64_MAX),
        .max = (uint64_t)gw_body_i64(x, "max", 1, INT64_MAX).value,
        .dry_run = gw_params_flag(&x->params, "dry_run"),
    };
    if (!msg.to.len)
        gw_problem_set(&x->params.problem, 400, "to", "to: missing");
    if (!gw_body_ok(x) || !gw_find_source(x, &msg.source) ||
        !(msg.action = gw_new_action(x, msg.dry_run)))
        return;
    act(x, msg.source, KN_KIND_QUEUE_MOVE, &msg);
}

static void pause_or_resume(struct gw_exchange *x, bool resume)
{
    struct kn_msg_queue_pause msg = {
        .source = gw_body_text(x, "source"),
        .queue = x->arg,
        .resume = resume,
        .dry_run = gw_params_flag(&x->params, "dry_run"),
    };
    if (!gw_body_ok(x) || !gw_find_source(x, &msg.source) ||
        !(msg.action = gw_new_action(x, msg.dry_run)))
        return;
    act(x, msg.source, KN_KIND_QUEUE_PAUSE, &msg);
}

void gw_api_queue_pause(struct gw_exchange *x)
{
    pause_or_resume(x, false);
}

void gw_api_queue_resume(struct gw_exchange *x)
{
    pause_or_resume(x, true);
}
