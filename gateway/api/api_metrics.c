#include "gateway/api/handler.h"

#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

enum { POINTS_MAX = 1500, POINTS_WANTED = 60, GROUPS_MAX = 50 };

/* ---- the fleet now ---------------------------------------------------------------------- */

static int64_t window_seconds(const char *window)
{
    int64_t us = 0;
    return kn_duration_parse(kn_str_from(window), &us) ? us / KN_SECOND : 300;
}

/* The answer holds one series of one point, or none when nothing happened. */
static const struct kn_msg_point *only_point(const struct kn_msg_series_list *list)
{
    static const struct kn_msg_point nothing;
    if (list->series.count && list->series.items[0].points.count)
        return &list->series.items[0].points.items[0];
    return &nothing;
}

void gw_api_metrics(struct gw_exchange *x)
{
    int64_t seconds = window_seconds(gw_params_choice(&x->params, "window"));
    const struct kn_msg_metrics *metrics = NULL;
    struct gw_status_counts tasks;
    if (!gw_params_ok(x))
        return;
    if (gw_live_metrics(x->app->live, &x->arena, &metrics, &tasks) != KN_OK) {
        gw_fail(x, 503, "no figures available: aggregation is not running");
        return;
    }
    if ((int64_t)metrics->window_seconds == seconds) {
        gw_view_metrics(&x->body, metrics, &tasks, NULL, 0);
        return;
    }
    int64_t now = kn_time_now();
    const struct kn_msg_rollups_get get = {
        .from = now - seconds * KN_SECOND, .to = now, .limit = 1};
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_ROLLUPS_GET, &get, KN_KIND_SERIES_LIST);
    if (!answer)
        return;
    gw_view_metrics(&x->body, metrics, &tasks, only_point(answer->msg), seconds);
    kn_bus_message_free(answer);
}

static void read_filters(struct gw_exchange *x, struct kn_msg_rollups_get *get)
{
    get->names = gw_params_texts(&x->params, "name");
    get->queues = gw_params_texts(&x->params, "queue");
    get->workers = gw_params_texts(&x->params, "worker");
    get->sources = gw_params_texts(&x->params, "source");
}

void gw_api_metrics_history(struct gw_exchange *x)
{
    if (gw_params_ok(x))
        gw_live_history(x->app->live, &x->body);
}

/* ---- sums ------------------------------------------------------------------------------- */

void gw_api_totals(struct gw_exchange *x)
{
    struct kn_msg_rollups_get get = {.limit = gw_params_u64(&x->params, "limit")};
    gw_params_period(&x->params, &get.from, &get.to);
    const char *group = gw_params_choice(&x->params, "group_by");
    read_filters(x, &get);
    if (!gw_params_ok(x))
        return;
    if (group[0])
        get.group_by = kn_str_from(group);
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_ROLLUPS_GET, &get, KN_KIND_SERIES_LIST);
    if (!answer)
        return;
    gw_view_totals(&x->body, answer->msg, group[0] ? group : NULL);
    kn_bus_message_free(answer);
}

/* ---- what failed ------------------------------------------------------------------------ */

void gw_api_failures(struct gw_exchange *x)
{
    struct kn_msg_failures_get get = {.limit = gw_params_u64(&x->params, "limit"),
                                      .sources = gw_params_texts(&x->params, "source")};
    gw_params_period(&x->params, &get.from, &get.to);
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_FAILURES_GET, &get, KN_KIND_FAILURE_LIST);
    if (!answer)
        return;
    const struct kn_msg_failure_list *list = answer->msg;
    kn_buf_text(&x->body, "{\"from\":");
    kn_buf_json_time(&x->body, get.from);
    kn_buf_text(&x->body, ",\"to\":");
    kn_buf_json_time(&x->body, get.to);
    kn_buf_text(&x->body, ",\"items\":[");
    for (size_t i = 0; i < list->items.count; i++) {
        if (i)
            kn_buf_char(&x->body, ',');
        kn_msg_json(&x->body, KN_KIND_FAILURE_GROUP, &list->items.items[i]);
    }
    kn_buf_printf(&x->body, "],\"counted\":%llu,\"complete\":%s}",
                  (unsigned long long)list->counted, list->complete ? "true" : "false");
    kn_bus_message_free(answer);
}

/* ---- over time -------------------------------------------------------------------------- */

/* The smallest step, in seconds, that makes about as many points as are wanted. */
static uint64_t natural_step(int64_t span_us)
{
    static const uint64_t steps[] = {60,   120,  300,   600,   900,   1800,
                                     3600, 7200, 14400, 21600, 43200, 86400};
    enum { N = KN_COUNT_OF(steps) };
    uint64_t wanted = (uint64_t)(span_us / KN_SECOND) / POINTS_WANTED;
    for (int i = 0; i < N; i++)
        if (steps[i] >= wanted)
            return steps[i];
    return (wanted / 86400 + 1) * 86400;
}

/* Reads from, to and step; mistakes go to x->params. */
static void read_span(struct gw_exchange *x, struct kn_msg_rollups_get *get)
{
    struct gw_problem *problem = &x->params.problem;
    gw_params_period(&x->params, &get->from, &get->to);
    int64_t step = gw_params_duration(&x->params, "step");
    if (get->from >= get->to)
        return;
    if (step % KN_MINUTE)
        gw_problem_set(problem, 400, "step", "step: must be a multiple of one minute");
    get->step = step ? (uint64_t)(step / KN_SECOND) : natural_step(get->to - get->from);
    uint64_t points = (uint64_t)((get->to - get->from) / KN_SECOND) / (get->step ? get->step : 60);
    if (points > POINTS_MAX)
        gw_problem_set(problem, 400, "step",
                       "step: too small, the period may have at most %d points", POINTS_MAX);
}

void gw_api_timeseries(struct gw_exchange *x)
{
    struct kn_msg_rollups_get get = {.limit = GROUPS_MAX};
    read_span(x, &get);
    const char *group = gw_params_choice(&x->params, "group_by");
    read_filters(x, &get);
    if (!gw_params_ok(x))
        return;
    if (group[0] && strcmp(group, "status") != 0)
        get.group_by = kn_str_from(group);
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_ROLLUPS_GET, &get, KN_KIND_SERIES_LIST);
    if (!answer)
        return;
    gw_view_timeseries(&x->body, answer->msg, group[0] ? group : NULL);
    kn_bus_message_free(answer);
}
