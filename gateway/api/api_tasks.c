#include "gateway/api/handler.h"
#include "gateway/view/filter.h"

static void show_page(struct gw_exchange *x, const struct kn_msg_task_list *list)
{
    kn_buf_text(&x->body, "{\"searched_to\":");
    kn_buf_json_time(&x->body, list->searched_to);
    kn_buf_text(&x->body, ",\"items\":[");
    for (size_t i = 0; i < list->items.count; i++) {
        if (i)
            kn_buf_char(&x->body, ',');
        gw_view_task(&x->body, &list->items.items[i], GW_VIEW_LIST);
    }
    gw_end_list(x, list->next_cursor);
}

void gw_api_tasks(struct gw_exchange *x)
{
    struct kn_msg_tasks_get get = {0};
    gw_filter_read(&x->params, &get);
    const char *sort = gw_params_choice(&x->params, "sort");
    get.sort = kn_str_from(sort);
    if (kn_str_eq(get.sort, KN_STR("-received_at")))
        get.sort = KN_STR("newest");
    else if (kn_str_eq(get.sort, KN_STR("received_at")))
        get.sort = KN_STR("oldest");
    get.limit = gw_params_u64(&x->params, "limit");
    get.cursor = gw_read_cursor(x);
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_TASKS_GET, &get, KN_KIND_TASK_LIST);
    if (!answer)
        return;
    show_page(x, answer->msg);
    kn_bus_message_free(answer);
}

static void show_links(struct gw_exchange *x, const struct kn_msg_task *task)
{
    const struct kn_msg_task_links_get get = {.source = task->source, .task_id = task->id};
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_TASK_LINKS_GET, &get, KN_KIND_TASK_LINKS);
    if (!answer)
        return;
    const struct kn_msg_task_links *links = answer->msg;
    x->body.len--; /* the brace */
    kn_buf_text(&x->body, ",\"retry_of\":");
    kn_buf_json_str(&x->body, links->retry_of);
    kn_buf_text(&x->body, ",\"retried_as\":");
    gw_view_texts(&x->body, &links->retried_as);
    kn_buf_char(&x->body, '}');
    kn_bus_message_free(answer);
}

void gw_api_task(struct gw_exchange *x)
{
    struct kn_msg_task_get get = {.id = x->arg, .source = gw_params_text(&x->params, "source")};
    bool missing_ok = gw_params_flag(&x->params, "missing_ok");
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_TASK_GET, &get, KN_KIND_TASK);
    if (!answer && x->status == 404 && missing_ok)
        gw_answer_nothing(x);
    if (!answer)
        return;
    gw_view_task(&x->body, answer->msg, GW_VIEW_WHOLE);
    if (kn_buf_status(&x->body) == KN_OK)
        show_links(x, answer->msg);
    kn_bus_message_free(answer);
    gw_exchange_tag(x);
}

void gw_api_task_events(struct gw_exchange *x)
{
    struct kn_msg_task_get task_get = {.id = x->arg,
                                       .source = gw_params_text(&x->params, "source")};
    struct kn_msg_task_events_get get = {.id = x->arg, .limit = gw_params_u64(&x->params, "limit")};
    get.cursor = gw_read_cursor(x);
    if (!gw_params_ok(x))
        return;
    /* Of which source the events are is said by the task. */
    struct kn_bus_message *task = gw_ask(x, KN_KIND_TASK_GET, &task_get, KN_KIND_TASK);
    if (!task)
        return;
    get.source = ((const struct kn_msg_task *)task->msg)->source;
    struct kn_bus_message *answer =
        gw_ask(x, KN_KIND_TASK_EVENTS_GET, &get, KN_KIND_TASK_EVENT_LIST);
    if (answer) {
        const struct kn_msg_task_event_list *list = answer->msg;
        kn_buf_text(&x->body, "{\"items\":[");
        for (size_t i = 0; i < list->items.count; i++) {
            if (i)
                kn_buf_char(&x->body, ',');
            gw_view_event(&x->body, &list->items.items[i], get.source, get.id);
        }
        gw_end_list(x, list->next_cursor);
        kn_bus_message_free(answer);
    }
    kn_bus_message_free(task);
}

void gw_api_task_family(struct gw_exchange *x)
{
    struct kn_msg_family_get get = {.id = x->arg,
                                    .source = gw_params_text(&x->params, "source"),
                                    .limit = gw_params_u64(&x->params, "limit")};
    get.cursor = gw_read_cursor(x);
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_FAMILY_GET, &get, KN_KIND_TASK_LIST);
    if (!answer)
        return;
    show_page(x, answer->msg);
    kn_bus_message_free(answer);
}

void gw_api_task_names(struct gw_exchange *x)
{
    const struct kn_msg_task_names_get get = {.q = gw_params_text(&x->params, "q"),
                                              .limit = gw_params_u64(&x->params, "limit")};
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_TASK_NAMES_GET, &get, KN_KIND_TASK_NAMES);
    if (!answer)
        return;
    const struct kn_msg_task_names *names = answer->msg;
    kn_buf_text(&x->body, "{\"items\":");
    gw_view_texts(&x->body, &names->items);
    kn_buf_char(&x->body, '}');
    kn_bus_message_free(answer);
}
