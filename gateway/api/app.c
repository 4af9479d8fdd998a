#include "gateway/api/app.h"

#include "gateway/api/cursor.h"
#include "services/common/config/url_prefix.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define READ "GET, HEAD, OPTIONS"

static const struct gw_route routes[] = {
    {"/api/v1/tasks", READ ", POST", gw_api_tasks, gw_api_apply},
    {"/api/v1/tasks/*/events", READ, gw_api_task_events, NULL},
    {"/api/v1/tasks/*/resolve", "POST, DELETE, OPTIONS", NULL, gw_api_task_resolve},
    {"/api/v1/tasks/*/family", READ, gw_api_task_family, NULL},
    {"/api/v1/task-names", READ, gw_api_task_names, NULL},
    {"/api/v1/failures", READ, gw_api_failures, NULL},
    {"/api/v1/tasks/*/result", READ, gw_api_task_result, NULL},
    {"/api/v1/tasks/*/retry", "POST, OPTIONS", NULL, gw_api_retry},
    {"/api/v1/tasks/*", READ ", DELETE", gw_api_task, gw_api_revoke},
    {"/api/v1/revoke-by-headers", "POST, OPTIONS", NULL, gw_api_revoke_by_headers},
    {"/api/v1/workers", READ, gw_api_workers, NULL},
    {"/api/v1/workers/*/life", READ, gw_api_worker_life, NULL},
    {"/api/v1/workers/*", READ, gw_api_worker, NULL},
    {"/api/v1/queues", READ, gw_api_queues, NULL},
    {"/api/v1/queues/*/messages", "GET, HEAD, DELETE, OPTIONS", gw_api_queue_messages,
     gw_api_queue_purge},
    {"/api/v1/queues/*/move", "POST, OPTIONS", NULL, gw_api_queue_move},
    {"/api/v1/queues/*/pause", "POST, OPTIONS", NULL, gw_api_queue_pause},
    {"/api/v1/queues/*/resume", "POST, OPTIONS", NULL, gw_api_queue_resume},
    {"/api/v1/queues/*", READ, gw_api_queue, NULL},
    {"/api/v1/inspect/*", READ, gw_api_inspect, NULL},
    {"/api/v1/commands", READ, gw_api_commands, NULL},
    {"/api/v1/commands/*", "POST, OPTIONS", NULL, gw_api_command},
    {"/api/v1/jobs", READ ", POST", gw_api_jobs, gw_api_job_create},
    {"/api/v1/jobs/*/items", READ, gw_api_job_items, NULL},
    {"/api/v1/jobs/*", READ ", DELETE", gw_api_job, gw_api_job_cancel},
    {"/api/v1/audit", READ, gw_api_audit, NULL},
    {"/api/v1/metrics", READ, gw_api_metrics, NULL},
    {"/api/v1/metrics/history", READ, gw_api_metrics_history, NULL},
    {"/api/v1/metrics/totals", READ, gw_api_totals, NULL},
    {"/api/v1/metrics/timeseries", READ, gw_api_timeseries, NULL},
    {"/api/v1/system", READ, gw_api_system, NULL},
    {"/api/v1/system/doctor", READ, gw_api_doctor, NULL},
    {"/api/v1/openapi.json", READ, gw_api_openapi, NULL},
    {"/api/v1/ws", "GET, OPTIONS", gw_api_websocket, NULL},
    {"/healthz", READ, gw_healthz, NULL},
    {"/readyz", READ, gw_readyz, NULL},
    {"/metrics", READ, gw_prometheus, NULL},
    {NULL, NULL, NULL, NULL},
};

void gw_fail(struct gw_exchange *x, int status, const char *format, ...)
{
    char detail[sizeof x->problem.detail];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    x->problem = (struct gw_problem){0};
    gw_problem_set(&x->problem, status, NULL, "%s", detail);
    gw_exchange_fail(x);
}

void gw_fail_unknown(struct gw_exchange *x, const char *why)
{
    struct kn_str id = kn_utf8_head(x->new_id, sizeof x->problem.new_id - 1);
    if (id.len)
        gw_fail(x, 504,
                "%s: it is unknown whether the task was sent. If it was, it has the id %.*s", why,
                KN_STR_ARG(id));
    else
        gw_fail(x, 504, "%s: it is unknown whether the action was taken", why);
    gw_tell_unknown(x);
}

void gw_tell_unknown(struct gw_exchange *x)
{
    struct kn_str id = kn_utf8_head(x->new_id, sizeof x->problem.new_id - 1);
    x->problem.code = GW_OUTCOME_UNKNOWN;
    snprintf(x->problem.new_id, sizeof x->problem.new_id, "%.*s", KN_STR_ARG(id));
    gw_exchange_fail(x);
}

void gw_fail_memory(struct gw_exchange *x)
{
    static const char why[] = "too many large responses in progress";
    if (x->acted)
        gw_fail_unknown(x, why);
    else
        gw_fail(x, 503, "%s, try again later", why);
}

bool gw_params_ok(struct gw_exchange *x)
{
    if (x->arena.overflow) { /* what could not be read for want of memory is not at fault */
        gw_fail_memory(x);
        return false;
    }
    if (gw_params_finish(&x->params))
        return true;
    x->problem = x->params.problem;
    gw_exchange_fail(x);
    return false;
}

/* ---- lists ------------------------------------------------------------------------------ */

struct kn_str gw_read_cursor(struct gw_exchange *x)
{
    struct kn_str text = gw_params_text(&x->params, "cursor"), position = KN_STR_ABSENT;
    if (!text.ptr)
        return position;
    uint64_t print = gw_params_fingerprint(&x->params, x->path);
    enum kn_status status = gw_cursor_read(text, print, &x->arena, &position);
    if (status == KN_CONFLICT)
        gw_problem_set(&x->params.problem, 400, "cursor", "cursor: issued for other parameters");
    else if (status != KN_OK)
        gw_problem_set(&x->params.problem, 400, "cursor", "cursor: not issued by this list");
    return position;
}

void gw_end_list(struct gw_exchange *x, struct kn_str position)
{
    kn_buf_text(&x->body, "],\"next_cursor\":");
    if (position.ptr) {
        kn_buf_char(&x->body, '"');
        gw_cursor_write(&x->body, gw_params_fingerprint(&x->params, x->path), position);
        kn_buf_text(&x->body, "\"}");
    } else {
        kn_buf_text(&x->body, "null}");
    }
}

uint64_t gw_read_number_cursor(struct gw_exchange *x)
{
    struct kn_str position = gw_read_cursor(x);
    uint64_t number = 0;
    if (position.ptr && !kn_str_to_u64(position, &number))
        gw_problem_set(&x->params.problem, 400, "cursor", "cursor: not issued by this list");
    return number;
}

void gw_end_numbered_list(struct gw_exchange *x, uint64_t next)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, next);
    gw_end_list(x, next ? kn_str_from(text) : KN_STR_ABSENT);
}

/* ---- the request ------------------------------------------------------------------------ */

static bool strip(struct kn_str *path, struct kn_str prefix)
{
    if (prefix.len == 0 || !kn_str_starts(*path, prefix))
        return false;
    struct kn_str rest = {path->ptr + prefix.len, path->len - prefix.len};
    if (rest.len > 0 && rest.ptr[0] != '/')
        return false;
    *path = rest.len > 0 ? rest : KN_STR("/");
    return true;
}

/* Several proxies write one list, the outermost first. A header that is not a list of paths counts
 * as absent. */
static void read_forwarded(struct kn_str header, struct kn_buf *ret)
{
    for (size_t at = 0; at < header.len;) {
        size_t end = at;
        while (end < header.len && header.ptr[end] != ',')
            end++;
        struct kn_str item = {header.ptr + at, end - at};
        while (item.len > 0 && item.ptr[0] == ' ')
            item = (struct kn_str){item.ptr + 1, item.len - 1};
        while (item.len > 0 && item.ptr[item.len - 1] == ' ')
            item.len--;
        if (kn_url_prefix_read(item, ret))
            kn_buf_fail(ret, KN_INVALID);
        at = end + 1;
    }
}

void gw_app_find_prefix(const struct gw_app *app, struct gw_exchange *x)
{
    struct kn_str own = kn_str_from(app->url_prefix), forwarded;
    struct kn_buf prefix;
    kn_buf_init(&prefix, GW_PREFIX_MAX);
    read_forwarded(x->forwarded_prefix, &prefix);
    if (kn_buf_status(&prefix) != KN_OK)
        kn_buf_clear(&prefix);
    forwarded = kn_buf_view(&prefix);
    /* A proxy that sends the header has usually removed its path; both are accepted. */
    bool stripped = strip(&x->path, own);
    if (forwarded.len == 0 || (stripped && !kn_str_eq(forwarded, own)))
        kn_buf_str(&prefix, own); /* behind what an outer proxy removed */
    else if (!stripped)
        (void)strip(&x->path, forwarded);
    x->prefix = kn_arena_str(&x->arena, kn_buf_view(&prefix));
    kn_buf_fini(&prefix);
}

enum gw_lane gw_app_lane(struct kn_str path)
{
    if (kn_str_eq(path, KN_STR("/readyz")) || kn_str_eq(path, KN_STR("/metrics")))
        return GW_LANE_PROBE;
    return kn_str_starts(path, KN_STR("/api/")) ? GW_LANE_WORK : GW_LANE_NOW;
}

static bool is_reading(const struct gw_exchange *x)
{
    return x->head || kn_str_eq(x->method, KN_STR("GET"));
}

static void call_route(struct gw_exchange *x, const struct gw_route *route, struct kn_str arg)
{
    enum kn_status status = arg.ptr ? gw_percent_decode(arg, false, &x->arena, &x->arg) : KN_OK;
    if (status == KN_NOMEM) {
        gw_fail_memory(x);
        return;
    }
    if (status != KN_OK) {
        gw_fail(x, 400, "the path has an invalid %%XX or a NUL, or is not UTF-8");
        return;
    }
    gw_params_init(&x->params, x->query, &x->arena);
    if (is_reading(x)) {
        route->handler(x);
    } else if (x->app->may_act) {
        gw_body_read(x);
        route->act(x);
    } else {
        gw_fail(x, 403, "actions are disabled (gateway.actions)");
    }
    if (kn_buf_status(&x->body) == KN_FULL)
        gw_fail_memory(x);
    else if (kn_buf_status(&x->body) != KN_OK && x->acted)
        gw_fail_unknown(x, "the response cannot be created");
    else if (kn_buf_status(&x->body) != KN_OK)
        gw_fail(x, 500, "the response cannot be created: %s",
                kn_status_text(kn_buf_status(&x->body)));
}

/* Also under an unknown prefix: "/kanchi/api/v1/system" is not a page. */
static bool is_below_api(struct kn_str path)
{
    return path.len > 0 && memmem(path.ptr, path.len, "/api/", 5);
}

static void route_to(struct gw_app *app, struct gw_exchange *x)
{
    struct kn_str arg;
    if (kn_str_eq(x->path, KN_STR("*"))) { /* from OPTIONS: the whole server */
        x->status = 204;
        x->allow = "GET, HEAD, POST, DELETE, OPTIONS";
        return;
    }
    const struct gw_route *route = gw_route_find(routes, x->path, &arg);
    const char *allow = route ? route->allow : READ;
    if (!route && is_below_api(x->path)) {
        gw_fail(x, 404, "path not found: see /api/v1/openapi.json");
        return;
    }
    const struct gw_route any = {"", allow, NULL, NULL};
    if (!gw_route_allows(&any, x->method)) {
        x->allow = allow;
        gw_fail(x, 405, "this path supports %s", allow);
    } else if (kn_str_eq(x->method, KN_STR("OPTIONS"))) {
        x->status = 204;
        x->allow = allow;
    } else if (route) {
        call_route(x, route, arg);
    } else {
        gw_static_answer(app->files, x);
    }
}

void gw_app_answer(struct gw_app *app, struct gw_exchange *x)
{
    x->app = app;
    if (x->path.len > GW_PATH_MAX) {
        gw_fail(x, 414, "the path may have at most %d bytes", GW_PATH_MAX);
    } else {
        route_to(app, x);
    }
}
