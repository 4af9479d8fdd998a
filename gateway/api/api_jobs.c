/* Bulk jobs, and marks as resolved. */
#include "gateway/api/handler.h"

#include "gateway/live/frame.h"
#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <inttypes.h>

static const int64_t CHECK_US = 8 * KN_SECOND; /* control takes five */

/* ---- what a job looks like -------------------------------------------------------------- */

/* How many retries of the sample were looked at, and those that would be refused. */
struct checked {
    uint64_t checked;
    struct kn_msg_job_count reasons[32];
    size_t count;
};

static void add_reason(struct checked *checked, const struct kn_msg_job_count *reason)
{
    size_t i = 0;
    while (i < checked->count && !kn_str_eq(checked->reasons[i].name, reason->name))
        i++;
    if (i == KN_COUNT_OF(checked->reasons)) {
        checked->reasons[--i].name = KN_STR("other reasons");
    } else if (i == checked->count) {
        checked->reasons[checked->count++] = (struct kn_msg_job_count){.name = reason->name};
    }
    checked->reasons[i].count += reason->count;
}

/* Asks the control of a source about those of its tasks that storage can't judge. */
static void check_source(struct gw_exchange *x, const struct kn_msg_job_create *create,
                         const struct kn_msg_job *job, struct kn_str source,
                         struct checked *checked)
{
    struct kn_msg_job_check check = {.source = source, .options = create->options};
    check.ids.items = kn_arena_array(&x->arena, job->sample.count, sizeof *check.ids.items);
    for (size_t i = 0; check.ids.items && i < job->sample.count; i++) {
        if (kn_str_eq(job->sample.items[i].source, source))
            check.ids.items[check.ids.count++] = job->sample.items[i].id;
    }
    struct kn_bus_message *answer =
        check.ids.count
            ? gw_try_control(x, source, KN_KIND_JOB_CHECK, &check, KN_KIND_JOB_CHECKED, CHECK_US)
            : NULL;
    const struct kn_msg_job_checked *done = answer ? answer->msg : NULL;
    for (size_t i = 0; done && i < done->reasons.count; i++) {
        struct kn_msg_job_count reason = done->reasons.items[i];
        reason.name = kn_arena_str(&x->arena, reason.name);
        add_reason(checked, &reason);
    }
    checked->checked += done ? done->checked : 0;
    kn_bus_message_free(answer);
}

static void check_sources(struct gw_exchange *x, const struct kn_msg_job_create *create,
                          const struct kn_msg_job *job, struct checked *checked)
{
    for (size_t i = 0; i < job->sample.count; i++) {
        struct kn_str source = job->sample.items[i].source;
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = kn_str_eq(job->sample.items[k].source, source);
        if (!seen)
            check_source(x, create, job, source, checked);
    }
}

static void show_counts(struct kn_buf *out, const char *name, const char *key,
                        const struct kn_msg_job_count *items, size_t count)
{
    kn_buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        kn_buf_printf(out, "%s{\"%s\":", i ? "," : "", key);
        kn_buf_json_str(out, items[i].name);
        kn_buf_printf(out, ",\"count\":%" PRIu64 "}", items[i].count);
    }
    kn_buf_char(out, ']');
}

static void show_plan(struct gw_exchange *x, const struct kn_msg_job_create *create,
                      const struct kn_msg_job *job)
{
    struct checked checked = {0};
    uint64_t judged = job->action == KN_JOB_RETRY ? 0 : job->total;
    for (size_t i = 0; i < job->reasons.count; i++) {
        add_reason(&checked, &job->reasons.items[i]);
        judged += job->action == KN_JOB_RETRY ? job->reasons.items[i].count : 0;
    }
    check_sources(x, create, job, &checked);
    kn_buf_printf(&x->body, "{\"count\":%" PRIu64 ",\"by_status\":", job->total);
    gw_view_job_counts(&x->body, job->by_status.items, job->by_status.count);
    show_counts(&x->body, "by_name", "name", job->by_name.items, job->by_name.count);
    show_counts(&x->body, "refused", "reason", checked.reasons, checked.count);
    kn_buf_printf(&x->body, ",\"checked\":%" PRIu64 ",\"already_retried\":%" PRIu64,
                  judged + checked.checked, job->retried);
    kn_buf_text(&x->body, ",\"rate\":");
    kn_buf_json_f64(&x->body, job->rate);
    kn_buf_char(&x->body, '}');
}

/* ---- making one ------------------------------------------------------------------------- */

/* The options that the action knows, as JSON; absent without any. */
static struct kn_str read_options(struct gw_exchange *x, enum kn_job_action what)
{
    struct gw_exchange of = {.body_in = gw_body_json(x, "options", '{'), .params = x->params};
    struct kn_buf out;
    struct kn_str copy = KN_STR_ABSENT;
    if (!of.body_in.ptr || of.params.problem.status)
        return KN_STR_ABSENT;
    kn_arena_init(&of.arena, 1 << 20);
    kn_buf_init(&out, 1 << 16);
    gw_body_read(&of);
    if (what == KN_JOB_REVOKE) {
        bool terminate = gw_body_flag(&of, "terminate", false);
        struct kn_str signal = gw_body_text(&of, "signal");
        gw_check_signal(&of, signal);
        kn_buf_printf(&out, "{\"terminate\":%s", terminate ? "true" : "false");
        if (signal.ptr) {
            kn_buf_text(&out, ",\"signal\":");
            kn_buf_json_str(&out, signal);
        }
        kn_buf_char(&out, '}');
    } else if (what == KN_JOB_RETRY) {
        struct kn_str queue = gw_body_text(&of, "queue");
        if (queue.ptr) {
            kn_buf_text(&out, "{\"queue\":");
            kn_buf_json_str(&out, queue);
            kn_buf_char(&out, '}');
        }
    }
    gw_body_refuse_rest(&of);
    if (kn_buf_status(&out) != KN_OK)
        gw_problem_set(&of.params.problem, 400, "options", "options: too long");
    else if (out.len)
        copy = kn_arena_str(&x->arena, kn_buf_view(&out));
    x->params.problem = of.params.problem;
    kn_buf_fini(&out);
    kn_arena_fini(&of.arena);
    return copy;
}

static const struct kn_msg_tasks_get *read_filter(struct gw_exchange *x)
{
    struct kn_str json = gw_body_json(x, "filter", '{');
    struct kn_msg_tasks_get *filter = json.ptr ? kn_arena_alloc(&x->arena, sizeof *filter) : NULL;
    if (filter)
        gw_frame_filter(json, &x->arena, filter, &x->params.problem);
    return filter;
}

static enum kn_job_action read_action(struct gw_exchange *x)
{
    unsigned what = KN_JOB_RETRY;
    struct kn_str text = gw_body_text(x, "action");
    if (!kn_enum_parse(&kn_enum_job_action, text, &what))
        gw_problem_set(&x->params.problem, 400, "action",
                       "action: must be one of retry, revoke, resolve, unresolve");
    return (enum kn_job_action)what;
}

/* What was asked, for the audit: of ids, how many. */
static struct kn_str request_of(struct gw_exchange *x, const struct kn_msg_job_create *create,
                                struct kn_str filter)
{
    struct kn_buf out;
    kn_buf_init(&out, 1 << 20);
    kn_buf_printf(
        &out, "{\"action\":\"%s\",\"filter\":", kn_enum_text(&kn_enum_job_action, create->what));
    kn_buf_str(&out, filter.ptr ? filter : KN_STR("null"));
    kn_buf_printf(&out, ",\"ids\":%zu,\"options\":", create->ids.count);
    kn_buf_str(&out, create->options.ptr ? create->options : KN_STR("null"));
    kn_buf_text(&out, ",\"rate\":");
    kn_buf_json_f64(&out, create->rate);
    if (create->again)
        kn_buf_text(&out, ",\"again\":true");
    if (create->expected.set)
        kn_buf_printf(&out, ",\"expected\":%" PRId64, create->expected.value);
    kn_buf_char(&out, '}');
    struct kn_str copy =
        kn_buf_status(&out) == KN_OK ? kn_arena_str(&x->arena, kn_buf_view(&out)) : KN_STR("{}");
    kn_buf_fini(&out);
    return copy;
}

void gw_api_job_create(struct gw_exchange *x)
{
    struct kn_msg_job_create create = {
        .what = (uint8_t)read_action(x),
        .ids = gw_body_texts(x, "ids"),
        .source = gw_body_text(x, "source"),
        .rate = gw_body_f64(x, "rate", 0.01, 10000).value,
        .expected = gw_body_i64(x, "expected", 0, INT32_MAX),
        .dry_run = gw_params_flag(&x->params, "dry_run"),
        .again = gw_body_flag(x, "again", false),
    };
    create.filter = (struct kn_msg_tasks_get *)(uintptr_t)read_filter(x);
    create.options = read_options(x, (enum kn_job_action)create.what);
    if (!gw_body_ok(x))
        return;
    if (create.filter && create.source.ptr) {
        gw_fail(x, 400, "source: with a filter, set it inside the filter");
        return;
    }
    create.action = gw_new_action(x, create.dry_run);
    if (!create.action)
        return;
    create.request = request_of(x, &create, gw_body_json(x, "filter", '{'));
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_JOB_CREATE, &create, KN_KIND_JOB);
    if (!answer)
        return;
    if (create.dry_run)
        show_plan(x, &create, answer->msg);
    else
        gw_view_job(&x->body, answer->msg, GW_VIEW_WHOLE);
    x->status = create.dry_run ? 200 : 202;
    kn_bus_message_free(answer);
}

/* ---- looking at them -------------------------------------------------------------------- */

void gw_api_jobs(struct gw_exchange *x)
{
    struct kn_msg_jobs_get get = {.limit = gw_params_u64(&x->params, "limit")};
    get.after = gw_read_number_cursor(x);
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_JOBS_GET, &get, KN_KIND_JOB_LIST);
    if (!answer)
        return;
    const struct kn_msg_job_list *list = answer->msg;
    kn_buf_text(&x->body, "{\"items\":[");
    for (size_t i = 0; i < list->items.count; i++) {
        if (i)
            kn_buf_char(&x->body, ',');
        gw_view_job(&x->body, &list->items.items[i], GW_VIEW_LIST);
    }
    gw_end_numbered_list(x, list->next);
    kn_bus_message_free(answer);
}

void gw_api_job(struct gw_exchange *x)
{
    struct kn_msg_jobs_get get = {.id = x->arg};
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_JOBS_GET, &get, KN_KIND_JOB_LIST);
    if (!answer)
        return;
    const struct kn_msg_job_list *list = answer->msg;
    if (list->items.count)
        gw_view_job(&x->body, list->items.items, GW_VIEW_WHOLE);
    else
        gw_fail(x, 404, "job not found");
    kn_bus_message_free(answer);
}

void gw_api_job_items(struct gw_exchange *x)
{
    static const char *const skip[] = {"status", NULL};
    struct kn_msg_jobs_get get = {
        .id = x->arg,
        .items = true,
        .states = gw_params_texts(&x->params, "state"),
        .new_statuses = gw_params_texts(&x->params, "new_status"),
        .limit = gw_params_u64(&x->params, "limit"),
    };
    get.after = gw_read_number_cursor(x);
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_JOBS_GET, &get, KN_KIND_JOB_ITEMS);
    if (!answer)
        return;
    const struct kn_msg_job_items *list = answer->msg;
    kn_buf_text(&x->body, "{\"items\":[");
    for (size_t i = 0; i < list->items.count; i++) {
        kn_buf_text(&x->body, i ? ",{" : "{");
        kn_msg_json_members(&x->body, KN_KIND_JOB_ITEM, &list->items.items[i], skip);
        kn_buf_char(&x->body, '}');
    }
    gw_end_numbered_list(x, list->next);
    kn_bus_message_free(answer);
}

void gw_api_job_cancel(struct gw_exchange *x)
{
    struct kn_msg_job_cancel cancel = {.id = x->arg};
    if (!gw_body_ok(x))
        return;
    cancel.action = gw_new_action(x, false);
    if (!cancel.action)
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_JOB_CANCEL, &cancel, KN_KIND_JOB);
    if (!answer)
        return;
    gw_view_job(&x->body, answer->msg, GW_VIEW_WHOLE);
    x->status = 202;
    kn_bus_message_free(answer);
}

/* ---- one task --------------------------------------------------------------------------- */

static void resolve_task(struct gw_exchange *x, bool undo)
{
    struct kn_msg_task_get get = {.id = x->arg, .source = gw_params_text(&x->params, "source")};
    if (!gw_body_ok(x))
        return;
    struct kn_bus_message *task = gw_ask(x, KN_KIND_TASK_GET, &get, KN_KIND_TASK);
    if (!task)
        return;
    get.source = ((const struct kn_msg_task *)task->msg)->source;
    struct kn_msg_resolve resolve = {
        .action = gw_new_action(x, false),
        .id = x->arg,
        .source = get.source,
        .undo = undo,
    };
    struct kn_bus_message *done =
        resolve.action ? gw_ask(x, KN_KIND_RESOLVE, &resolve, KN_KIND_DONE) : NULL;
    struct kn_bus_message *after = done ? gw_ask(x, KN_KIND_TASK_GET, &get, KN_KIND_TASK) : NULL;
    if (after)
        gw_view_task(&x->body, after->msg, GW_VIEW_WHOLE);
    kn_bus_message_free(after);
    kn_bus_message_free(done);
    kn_bus_message_free(task);
}

void gw_api_task_resolve(struct gw_exchange *x)
{
    resolve_task(x, false);
}

void gw_api_task_unresolve(struct gw_exchange *x)
{
    resolve_task(x, true);
}
