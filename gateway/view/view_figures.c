#include "gateway/view/view.h"

#include "gateway/view/member.h"
#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <inttypes.h>

/* ---- figures ---------------------------------------------------------------------------- */

void gw_view_counts(struct kn_buf *out, const struct gw_status_counts *counts)
{
    for (unsigned i = 0; i < KN_TASK_STATUS_COUNT; i++) {
        kn_buf_text(out, i ? ",\"" : "{\"");
        kn_buf_text(out, kn_enum_text(&kn_enum_task_status, i));
        kn_buf_text(out, "\":");
        kn_buf_i64(out, counts->n[i] > 0 ? counts->n[i] : 0);
    }
    kn_buf_char(out, '}');
}

struct gw_status_counts gw_counts_of(const struct kn_msg_event_counts *counts)
{
    if (!counts)
        return (struct gw_status_counts){0};
    return (struct gw_status_counts){{
        [KN_TASK_PENDING] = counts->pending,
        [KN_TASK_RECEIVED] = counts->received,
        [KN_TASK_STARTED] = counts->started,
        [KN_TASK_SUCCESS] = counts->success,
        [KN_TASK_FAILURE] = counts->failure,
        [KN_TASK_RETRY] = counts->retry,
        [KN_TASK_REVOKED] = counts->revoked,
        [KN_TASK_REJECTED] = counts->rejected,
        [KN_TASK_ORPHANED] = counts->orphaned,
    }};
}

struct gw_status_counts gw_counts_of_system(const struct kn_msg_system *system)
{
    struct gw_status_counts counts = {0};
    for (size_t i = 0; i < system->counts.count; i++) {
        const struct kn_msg_status_count *count = &system->counts.items[i];
        if (count->status < KN_TASK_STATUS_COUNT)
            counts.n[count->status] += count->count;
    }
    return counts;
}

static void member_counts(struct kn_buf *out, const char *name,
                          const struct gw_status_counts *counts)
{
    member(out, name);
    gw_view_counts(out, counts);
}

static void member_quantiles(struct kn_buf *out, const char *name,
                             const struct kn_msg_quantiles *quantiles)
{
    static const struct kn_msg_quantiles none;
    const struct kn_msg_quantiles *q = quantiles ? quantiles : &none;
    member(out, name);
    kn_buf_text(out, "{\"count\":");
    kn_buf_u64(out, q->count);
    member_opt_f64(out, "mean", q->mean);
    member_opt_f64(out, "min", q->min);
    member_opt_f64(out, "max", q->max);
    member_opt_f64(out, "p50", q->p50);
    member_opt_f64(out, "p95", q->p95);
    member_opt_f64(out, "p99", q->p99);
    kn_buf_char(out, '}');
}

void gw_view_metrics(struct kn_buf *out, const struct kn_msg_metrics *metrics,
                     const struct gw_status_counts *tasks, const struct kn_msg_point *window,
                     int64_t window_seconds)
{
    struct gw_status_counts counts = gw_counts_of(window ? window->counts : metrics->counts);
    int64_t good = counts.n[KN_TASK_SUCCESS], ended = good + counts.n[KN_TASK_FAILURE];
    struct kn_opt_f64 rate = metrics->success_rate;
    if (window)
        rate = (struct kn_opt_f64){ended > 0 ? (double)good / (double)ended : 0, ended > 0};
    kn_buf_text(out, "{\"at\":");
    kn_buf_json_time(out, metrics->at);
    member_i64(out, "window_seconds", window ? window_seconds : (int64_t)metrics->window_seconds);
    member_f64(out, "events_per_second", metrics->events_per_second);
    member_f64(out, "tasks_per_second", metrics->tasks_per_second);
    member_counts(out, "tasks", tasks);
    member_counts(out, "counts", &counts);
    member_i64(out, "running", metrics->running > 0 ? metrics->running : 0);
    member_i64(out, "waiting", metrics->waiting > 0 ? metrics->waiting : 0);
    member_opt_f64(out, "success_rate", rate);
    member_quantiles(out, "runtime", window ? window->runtime : metrics->runtime);
    member_quantiles(out, "queue_wait", window ? window->queue_wait : metrics->queue_wait);
    kn_buf_printf(
        out,
        ",\"workers\":{\"online\":%llu,\"offline\":%llu,\"unknown\":%llu},\"queues\":{\"depth\":%"
        "llu}}",
        (unsigned long long)metrics->workers_online, (unsigned long long)metrics->workers_offline,
        (unsigned long long)metrics->workers_unknown, (unsigned long long)metrics->queued_messages);
}

/* Of the final statuses. */
static void member_tasks(struct kn_buf *out, const struct gw_status_counts *tasks)
{
    bool first = true;
    member(out, "tasks");
    for (unsigned i = 0; i < KN_TASK_STATUS_COUNT; i++) {
        if (!kn_task_is_over((enum kn_task_status)i))
            continue;
        kn_buf_printf(out, "%s\"%s\":%" PRId64, first ? "{" : ",",
                      kn_enum_text(&kn_enum_task_status, i), tasks->n[i]);
        first = false;
    }
    kn_buf_char(out, '}');
}

static void point_json(struct kn_buf *out, const struct kn_msg_point *point,
                       const struct gw_status_counts *counts, const struct gw_status_counts *tasks,
                       bool runtime, bool wait)
{
    kn_buf_text(out, "{\"at\":");
    kn_buf_json_time(out, point->at);
    member_counts(out, "counts", counts);
    member_tasks(out, tasks);
    member_quantiles(out, "runtime", runtime ? point->runtime : NULL);
    member_quantiles(out, "queue_wait", wait ? point->queue_wait : NULL);
    kn_buf_char(out, '}');
}

static void series_json(struct kn_buf *out, const struct kn_msg_series *series)
{
    kn_buf_text(out, "{\"key\":");
    kn_buf_json_str(out, series->key);
    kn_buf_text(out, ",\"points\":[");
    for (size_t i = 0; i < series->points.count; i++) {
        struct gw_status_counts counts = gw_counts_of(series->points.items[i].counts);
        struct gw_status_counts tasks = gw_counts_of(series->points.items[i].tasks);
        if (i)
            kn_buf_char(out, ',');
        point_json(out, &series->points.items[i], &counts, &tasks, true, true);
    }
    kn_buf_text(out, "]}");
}

/* The points of one status out of a series of all of them. */
static bool status_series_json(struct kn_buf *out, const struct kn_msg_series *series,
                               unsigned status, bool first)
{
    bool any = false;
    for (size_t i = 0; i < series->points.count; i++) {
        struct gw_status_counts all = gw_counts_of(series->points.items[i].counts), one = {0};
        struct gw_status_counts ended = gw_counts_of(series->points.items[i].tasks), tasks = {0};
        one.n[status] = all.n[status];
        tasks.n[status] = ended.n[status];
        if (one.n[status] <= 0 && tasks.n[status] <= 0)
            continue;
        if (!any)
            kn_buf_printf(out, "%s{\"key\":\"%s\",\"points\":[", first ? "" : ",",
                          kn_enum_text(&kn_enum_task_status, status));
        else
            kn_buf_char(out, ',');
        any = true;
        point_json(out, &series->points.items[i], &one, &tasks, status == KN_TASK_SUCCESS,
                   status == KN_TASK_STARTED);
    }
    if (any)
        kn_buf_text(out, "]}");
    return any;
}

void gw_view_timeseries(struct kn_buf *out, const struct kn_msg_series_list *list,
                        const char *group_by)
{
    bool by_status = group_by && strcmp(group_by, "status") == 0;
    kn_buf_text(out, "{\"from\":");
    kn_buf_json_time(out, list->from);
    member_time(out, "to", list->to);
    member_i64(out, "step_seconds", (int64_t)list->step);
    member_str(out, "group_by", kn_str_from(group_by));
    kn_buf_text(out, ",\"series\":[");
    bool first = true;
    for (size_t i = 0; i < list->series.count && !by_status; i++) {
        if (i)
            kn_buf_char(out, ',');
        series_json(out, &list->series.items[i]);
    }
    if (by_status && list->series.count)
        for (unsigned status = 0; status < KN_TASK_STATUS_COUNT; status++)
            first = !status_series_json(out, &list->series.items[0], status, first) && first;
    if (!group_by && list->series.count == 0)
        kn_buf_text(out, "{\"key\":null,\"points\":[]}");
    kn_buf_printf(out, "],\"groups_left_out\":%llu}", (unsigned long long)list->groups_left_out);
}

static void total_json(struct kn_buf *out, const struct kn_msg_series *series)
{
    static const struct kn_msg_point nothing;
    const struct kn_msg_point *point = series->points.count ? series->points.items : &nothing;
    struct gw_status_counts counts = gw_counts_of(point->counts);
    struct gw_status_counts tasks = gw_counts_of(point->tasks);
    int64_t good = tasks.n[KN_TASK_SUCCESS], ended = good + tasks.n[KN_TASK_FAILURE];
    kn_buf_text(out, "{\"key\":");
    kn_buf_json_str(out, series->key);
    member_counts(out, "counts", &counts);
    member_tasks(out, &tasks);
    member_opt_f64(out, "success_rate",
                   (struct kn_opt_f64){ended > 0 ? (double)good / (double)ended : 0, ended > 0});
    member_quantiles(out, "runtime", point->runtime);
    member_quantiles(out, "queue_wait", point->queue_wait);
    kn_buf_char(out, '}');
}

void gw_view_totals(struct kn_buf *out, const struct kn_msg_series_list *list, const char *group_by)
{
    static const struct kn_msg_series nothing;
    size_t count = list->series.count;
    kn_buf_text(out, "{\"from\":");
    kn_buf_json_time(out, list->from);
    member_time(out, "to", list->to);
    member_str(out, "group_by", kn_str_from(group_by));
    kn_buf_text(out, ",\"groups\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            kn_buf_char(out, ',');
        total_json(out, &list->series.items[i]);
    }
    if (!group_by && count == 0)
        total_json(out, &nothing);
    kn_buf_printf(out, "],\"groups_left_out\":%llu}", (unsigned long long)list->groups_left_out);
}

/* ---- the system ------------------------------------------------------------------------- */

static void service_json(struct kn_buf *out, const struct kn_msg_service_status *service)
{
    static const char *const skip[] = {"pid", "ingestion", "findings", NULL};
    kn_buf_char(out, '{');
    kn_msg_json_members(out, KN_KIND_SERVICE_STATUS, service, skip);
    member_opt_i64(out, "pid", (struct kn_opt_i64){(int64_t)service->pid, service->pid != 0});
    kn_buf_char(out, '}');
}

static void source_json(struct kn_buf *out, const struct kn_msg_source_status *source)
{
    static const char *const skip[] = {"source", "gaps", NULL};
    kn_buf_json_str(out, source->source);
    kn_buf_text(out, ":{");
    kn_msg_json_members(out, KN_KIND_SOURCE_STATUS, source, skip);
    kn_buf_text(out, ",\"gaps\":[");
    for (size_t i = 0; i < source->gaps.count; i++) {
        const struct kn_msg_gap *gap = &source->gaps.items[i];
        kn_buf_text(out, i ? ",{\"from\":" : "{\"from\":");
        kn_buf_json_time(out, gap->from);
        member_time(out, "to", gap->to);
        member_str(out, "reason", gap->reason);
        kn_buf_char(out, '}');
    }
    kn_buf_text(out, "]}");
}

static void storage_json(struct kn_buf *out, const struct kn_msg_storage_status *storage)
{
    if (!storage) {
        kn_buf_text(out, "null");
        return;
    }
    kn_msg_json(out, KN_KIND_STORAGE_STATUS, storage);
}

void gw_view_system(struct kn_buf *out, const struct kn_msg_system *system, int64_t stale_since)
{
    struct gw_status_counts counts = gw_counts_of_system(system);
    kn_buf_text(out, "{\"version\":\"" KANCHI_VERSION "\"");
    member_time(out, "time", kn_time_now());
    member_time(out, "stale_since", stale_since);
    kn_buf_text(out, ",\"services\":[");
    for (size_t i = 0; i < system->services.count; i++) {
        if (i)
            kn_buf_char(out, ',');
        service_json(out, &system->services.items[i]);
    }
    kn_buf_text(out, "],\"ingestion\":{");
    for (size_t i = 0; i < system->ingestion.count; i++) {
        if (i)
            kn_buf_char(out, ',');
        source_json(out, &system->ingestion.items[i]);
    }
    kn_buf_text(out, "},\"findings\":[");
    for (size_t i = 0; i < system->findings.count; i++) {
        if (i)
            kn_buf_char(out, ',');
        kn_msg_json(out, KN_KIND_FINDING, &system->findings.items[i]);
    }
    kn_buf_text(out, "],\"storage\":");
    storage_json(out, system->storage);
    member_counts(out, "tasks", &counts);
    kn_buf_char(out, '}');
}
