#include "gateway/view/member.h"
#include "gateway/view/view.h"

#include "proto/codec.h"
#include "services/celery/python/pyliteral.h"
#include "services/common/count.h"

/* A text of a task that may be long, and how it is shown. */
struct text {
    const char *field;   /* "args_repr" */
    const char *literal; /* "args": shown as JSON, too; NULL for others */
    struct kn_str value;
    bool shortened;
};

static void shorten(struct text *text, enum gw_view view)
{
    if (view == GW_VIEW_WHOLE)
        return;
    if (view == GW_VIEW_LIVE) /* cut before the end of a character */
        text->shortened = text->value.len > KN_TASK_TEXT_FEED - 4;
    if (text->value.len > KN_TASK_TEXT_LIST) {
        text->value = kn_utf8_head(text->value, KN_TASK_TEXT_LIST);
        text->shortened = true;
    }
}

static void literal_json(struct kn_buf *out, const struct text *text)
{
    kn_buf_printf(out, ",\"%s\":", text->literal);
    if (!text->value.ptr || text->shortened ||
        celery_literal_to_json(text->value, NULL, out, NULL) != KN_OK)
        kn_buf_text(out, "null");
}

void gw_view_task(struct kn_buf *out, const struct kn_msg_task *task, enum gw_view view)
{
    static const char *const skip[] = {
        "no",       "args_repr",  "kwargs_repr",   "result_repr",    "error", "traceback",
        "retry_of", "retried_as", "worker_status", "worker_seen_at", NULL};
    struct text texts[] = {
        {"args_repr", "args", task->args_repr, false},
        {"kwargs_repr", "kwargs", task->kwargs_repr, false},
        {"result_repr", "result", task->result_repr, false},
        {"error", NULL, task->error, false},
        {"traceback", NULL, task->traceback, false},
    };
    enum { N = KN_COUNT_OF(texts) };
    kn_buf_char(out, '{');
    kn_msg_json_members(out, KN_KIND_TASK, task, skip);
    for (int i = 0; i < N - 1; i++)
        shorten(&texts[i], view);
    if (view != GW_VIEW_WHOLE && (task->traceback.ptr || task->failed_at || task->retried_at)) {
        texts[N - 1].value = KN_STR_ABSENT;
        texts[N - 1].shortened = true;
    }
    for (int i = 0; i < N; i++) {
        kn_buf_printf(out, ",\"%s\":", texts[i].field);
        kn_buf_json_str(out, texts[i].value);
        if (texts[i].literal)
            literal_json(out, &texts[i]);
    }
    if (view == GW_VIEW_LIST || (view == GW_VIEW_LIVE && task->retry_of.ptr))
        member_str(out, "retry_of", task->retry_of);
    if (view == GW_VIEW_LIST || (view == GW_VIEW_LIVE && task->retried_as.count))
        member_strs(out, "retried_as", &task->retried_as);
    if (view == GW_VIEW_WHOLE) {
        member_str(out, "worker_status", task->worker_status);
        member_time(out, "worker_seen_at", task->worker_seen_at);
    }
    const char *comma = "";
    kn_buf_text(out, ",\"truncated\":[");
    for (int i = 0; i < N; i++) {
        if (!texts[i].literal || !texts[i].value.ptr || texts[i].shortened ||
            !celery_repr_is_cut(texts[i].value))
            continue;
        kn_buf_printf(out, "%s\"%s\"", comma, texts[i].literal);
        comma = ",";
    }
    comma = "";
    kn_buf_text(out, "],\"shortened\":[");
    for (int i = 0; i < N; i++) {
        if (!texts[i].shortened)
            continue;
        kn_buf_printf(out, "%s\"%s\"", comma, texts[i].field);
        comma = ",";
    }
    kn_buf_text(out, "]}");
}
