#include "gateway/app.h"

#include "gateway/cursor.h"
#include "services/common/log.h"
#include "services/common/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define READ "GET, HEAD, OPTIONS"

static const struct gw_route routes[] = {
    {"/api/v1/tasks", READ, gw_api_tasks},
    {"/api/v1/tasks/*/events", READ, gw_api_task_events},
    {"/api/v1/tasks/*/family", READ, gw_api_task_family},
    {"/api/v1/tasks/*", READ, gw_api_task},
    {"/api/v1/task-names", READ, gw_api_task_names},
    {"/api/v1/failures", READ, gw_api_failures},
    {"/api/v1/workers", READ, gw_api_workers},
    {"/api/v1/workers/*/life", READ, gw_api_worker_life},
    {"/api/v1/workers/*", READ, gw_api_worker},
    {"/api/v1/queues", READ, gw_api_queues},
    {"/api/v1/queues/*", READ, gw_api_queue},
    {"/api/v1/metrics", READ, gw_api_metrics},
    {"/api/v1/metrics/history", READ, gw_api_metrics_history},
    {"/api/v1/metrics/totals", READ, gw_api_totals},
    {"/api/v1/metrics/timeseries", READ, gw_api_timeseries},
    {"/api/v1/system", READ, gw_api_system},
    {"/api/v1/openapi.json", READ, gw_api_openapi},
    {"/api/v1/ws", "GET, OPTIONS", gw_api_websocket},
    {"/healthz", READ, gw_healthz},
    {"/readyz", READ, gw_readyz},
    {"/metrics", READ, gw_prometheus},
    {NULL, NULL, NULL},
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

bool gw_params_ok(struct gw_exchange *x)
{
    if (gw_params_finish(&x->params))
        return true;
    x->problem = x->params.problem;
    gw_exchange_fail(x);
    return false;
}

/* ---- asking storage --------------------------------------------------------------------- */

static void fail_from(struct gw_exchange *x, enum kn_status status, const char *text)
{
    static struct kn_log_limit limit;
    uint64_t skipped;
    switch (status) {
    case KN_NOT_FOUND:
        gw_fail(x, 404, "%s", text ? text : "there is no such thing");
        return;
    case KN_INVALID:
        gw_fail(x, 400, "%s", text ? text : "storage does not accept the request");
        return;
    case KN_TIMEOUT:
        gw_fail(x, 503, "storage did not answer in time");
        break;
    case KN_CLOSED:
    case KN_AGAIN:
    case KN_FULL:
        gw_fail(x, 503, "storage does not answer now: %s", text ? text : kn_status_text(status));
        break;
    default:
        gw_fail(x, 502, "storage could not answer: %s", text ? text : kn_status_text(status));
    }
    atomic_fetch_add(&x->app->counters.storage_failures, 1);
    if (kn_log_allow(&limit, &skipped))
        KN_WARN("gateway.storage_failed", KN_F_TEXT("status", kn_status_name(status)),
                KN_F_TEXT("text", text ? text : ""), KN_F_I64("skipped", skipped));
}

int64_t gw_patience(struct gw_app *app)
{
    const int64_t away = 2 * KN_SECOND;
    return gw_live_connected(app->live) || app->query_timeout < away ? app->query_timeout : away;
}

struct kn_bus_message *gw_ask(struct gw_exchange *x, enum kn_kind kind, const void *msg,
                              enum kn_kind want)
{
    struct kn_bus_message *answer = NULL;
    char *error = NULL;
    enum kn_status status =
        kn_bus_request(x->app->storage, kind, msg, gw_patience(x->app), &answer, &error);
    if (status == KN_OK && answer->kind != want) {
        kn_bus_message_free(answer);
        answer = NULL;
        status = KN_UNSUPPORTED;
    }
    if (status != KN_OK) {
        answer = NULL;
        fail_from(x, status, error);
    }
    free(error);
    return answer;
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
        gw_problem_set(&x->params.problem, 400, "cursor",
                       "cursor: it belongs to a list with other parameters");
    else if (status != KN_OK)
        gw_problem_set(&x->params.problem, 400, "cursor",
                       "cursor: it is none that this list gave out");
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

/* ---- the request ------------------------------------------------------------------------ */

static void strip_prefix(struct gw_app *app, struct gw_exchange *x)
{
    struct kn_str prefix = kn_str_from(app->url_prefix);
    if (prefix.len == 0 || !kn_str_starts(x->path, prefix))
        return;
    struct kn_str rest = {x->path.ptr + prefix.len, x->path.len - prefix.len};
    if (rest.len == 0)
        x->path = KN_STR("/");
    else if (rest.ptr[0] == '/')
        x->path = rest;
}

static void call_route(struct gw_exchange *x, const struct gw_route *route, struct kn_str arg)
{
    if (arg.ptr && gw_percent_decode(arg, false, &x->arena, &x->arg) != KN_OK) {
        gw_fail(x, 400, "the path has a broken %%XX, a NUL or is not UTF-8");
        return;
    }
    gw_params_init(&x->params, x->query, &x->arena);
    route->handler(x);
    if (kn_buf_status(&x->body) != KN_OK)
        gw_fail(x, 500, "the answer cannot be made: %s", kn_status_text(kn_buf_status(&x->body)));
}

static void route_to(struct gw_app *app, struct gw_exchange *x)
{
    struct kn_str arg;
    const struct gw_route *route = gw_route_find(routes, x->path, &arg);
    const char *allow = route ? route->allow : READ;
    if (!route && kn_str_starts(x->path, KN_STR("/api/"))) {
        gw_fail(x, 404, "there is nothing at this path: see /api/v1/openapi.json");
        return;
    }
    const struct gw_route any = {"", allow, NULL};
    if (!gw_route_allows(&any, x->method)) {
        x->allow = allow;
        gw_fail(x, 405, "this path takes %s", allow);
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
    x->head = kn_str_eq(x->method, KN_STR("HEAD"));
    if (x->path.len > GW_PATH_MAX) {
        gw_fail(x, 414, "a path has at most %d bytes", GW_PATH_MAX);
    } else {
        strip_prefix(app, x);
        route_to(app, x);
    }
    atomic_fetch_add(&app->counters.requests[x->status / 100 < 6 ? x->status / 100 : 5], 1);
}
