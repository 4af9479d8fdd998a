#include "gateway/view/view.h"

#include "gateway/view/member.h"
#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/text/json.h"
#include "services/common/text/time.h"

#include <jansson.h>

/* The text in {"error": …}; the whole value when it is none. */
static void view_error(struct kn_buf *out, struct kn_str value)
{
    json_t *object = kn_json_load(value, JSON_ALLOW_NUL);
    const json_t *error = json_object_get(object, "error");
    if (json_is_string(error))
        kn_buf_json_str(out, (struct kn_str){json_string_value(error), json_string_length(error)});
    else
        kn_buf_json_str(out, value);
    json_decref(object);
}

void gw_view_reply(struct kn_buf *out, const struct kn_msg_worker_reply *reply, bool whole)
{
    bool has_value = reply->value.len && (whole || !reply->failed);
    kn_buf_text(out, "{\"worker\":");
    kn_buf_json_str(out, reply->hostname);
    kn_buf_printf(out, ",\"ok\":%s,\"value\":", reply->failed ? "false" : "true");
    kn_buf_str(out, has_value ? reply->value : KN_STR("null"));
    kn_buf_text(out, ",\"error\":");
    if (reply->failed)
        view_error(out, reply->value);
    else
        kn_buf_text(out, "null");
    kn_buf_char(out, '}');
}

static void member_priorities(struct kn_buf *out, const struct kn_msg_queue_priority *items,
                              size_t count)
{
    kn_buf_text(out, ",\"priorities\":[");
    for (size_t i = 0; i < count; i++)
        kn_buf_printf(out, "%s{\"priority\":%lld,\"depth\":%llu}", i ? "," : "",
                      (long long)items[i].priority, (unsigned long long)items[i].messages);
    kn_buf_char(out, ']');
}

void gw_view_worker(struct kn_buf *out, const struct kn_msg_worker *worker, enum gw_view view)
{
    static const char *const skip[] = {"registered",
                                       "pid",
                                       "freq",
                                       "sw_ident",
                                       "sw_ver",
                                       "sw_sys",
                                       "conf",
                                       "stats",
                                       "active_queues",
                                       "load",
                                       "last_received_at",
                                       "events_enabled",
                                       "pid_before",
                                       "twins_at",
                                       NULL};
    kn_buf_char(out, '{');
    kn_msg_json_members(out, KN_KIND_WORKER, worker, skip);
    if (view != GW_VIEW_LIVE)
        member_strs(out, "registered", &worker->registered);
    member_opt_i64(out, "pid", (struct kn_opt_i64){(int64_t)worker->pid, worker->pid != 0});
    member_opt_f64(out, "heartbeat_interval", worker->freq);
    kn_buf_text(out, ",\"versions\":{\"software\":");
    kn_buf_json_str(out, worker->sw_ident);
    member_str(out, "celery", worker->sw_ver);
    member_str(out, "system", worker->sw_sys);
    kn_buf_text(out, "},\"load\":");
    if (worker->load.count == 0)
        kn_buf_text(out, "null");
    for (size_t i = 0; i < worker->load.count; i++) {
        kn_buf_char(out, i ? ',' : '[');
        kn_buf_json_f64(out, worker->load.items[i]);
    }
    if (worker->load.count)
        kn_buf_char(out, ']');
    member(out, "events_enabled");
    kn_buf_text(out, !worker->events_enabled.set    ? "null"
                     : worker->events_enabled.value ? "true"
                                                    : "false");
    if (view != GW_VIEW_LIVE) {
        bool whole = view == GW_VIEW_WHOLE;
        member_json(out, "conf", whole ? worker->conf : KN_STR_ABSENT);
        member_json(out, "stats", whole ? worker->stats : KN_STR_ABSENT);
        member_json(out, "active_queues", whole ? worker->active_queues : KN_STR_ABSENT);
    }
    kn_buf_char(out, '}');
}

void gw_view_job(struct kn_buf *out, const struct kn_msg_job *job, enum gw_view view)
{
    static const char *const skip[] = {"by_status", "by_name",   "no",      "remote",
                                       "agent",     "new_tasks", "counted", "reasons",
                                       "retried",   "sample",    NULL};
    kn_buf_char(out, '{');
    kn_msg_json_members(out, KN_KIND_JOB, job, skip);
    if (view != GW_VIEW_LIVE) {
        member(out, "new_tasks");
        if (job->counted)
            gw_view_job_counts(out, job->new_tasks.items, job->new_tasks.count);
        else
            kn_buf_text(out, "null");
    }
    kn_buf_char(out, '}');
}

void gw_view_job_counts(struct kn_buf *out, const struct kn_msg_job_count *items, size_t count)
{
    kn_buf_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i)
            kn_buf_char(out, ',');
        kn_buf_json_str(out, items[i].name);
        kn_buf_printf(out, ":%llu", (unsigned long long)items[i].count);
    }
    kn_buf_char(out, '}');
}

void gw_view_queue(struct kn_buf *out, const struct kn_msg_queue *queue)
{
    kn_buf_text(out, "{\"name\":");
    kn_buf_json_str(out, queue->name);
    member_str(out, "source", queue->source);
    member_opt_i64(out, "depth", queue->messages);
    member_priorities(out, queue->priorities.items, queue->priorities.count);
    member_opt_i64(out, "unacked", queue->unacked);
    member_opt_i64(out, "consumers", queue->consumers);
    member_strs(out, "workers", &queue->workers);
    member_time(out, "measured_at", queue->measured_at);
    kn_buf_text(out, ",\"paused\":");
    if (queue->pause) {
        kn_buf_text(out, "{\"since\":");
        kn_buf_json_time(out, queue->pause->since);
        member_str(out, "by", queue->pause->by);
        kn_buf_char(out, '}');
    } else {
        kn_buf_text(out, "null");
    }
    kn_buf_text(out, ",\"history\":[");
    for (size_t i = 0; i < queue->history.count; i++) {
        const struct kn_msg_queue_point *point = &queue->history.items[i];
        kn_buf_text(out, i ? ",{\"at\":" : "{\"at\":");
        kn_buf_json_time(out, point->at);
        member_i64(out, "depth", (int64_t)point->messages);
        member_opt_i64(out, "unacked", point->unacked);
        member_opt_i64(out, "consumers", point->consumers);
        kn_buf_char(out, '}');
    }
    kn_buf_text(out, "]}");
}

void gw_view_queue_depth(struct kn_buf *out, const struct kn_msg_queue_depth *depth)
{
    kn_buf_text(out, "{\"name\":");
    kn_buf_json_str(out, depth->name);
    member_str(out, "source", depth->source);
    member_i64(out, "depth", (int64_t)depth->messages);
    member_priorities(out, depth->priorities.items, depth->priorities.count);
    member_opt_i64(out, "unacked", depth->unacked);
    member_opt_i64(out, "consumers", depth->consumers);
    member_time(out, "measured_at", depth->at);
    kn_buf_char(out, '}');
}

static void event_texts(struct kn_buf *out, const struct kn_msg_event *event)
{
    const struct {
        const char *name;
        struct kn_str text;
    } texts[] = {
        {"name", event->name},
        {"args", event->args_repr},
        {"kwargs", event->kwargs_repr},
        {"result", event->result_repr},
        {"exception", event->exception},
        {"traceback", event->traceback},
        {"root_id", event->root_id},
        {"parent_id", event->parent_id},
        {"queue", event->queue},
        {"exchange", event->exchange},
        {"routing_key", event->routing_key},
        {"signum", event->signum},
    };
    for (size_t i = 0; i < KN_COUNT_OF(texts); i++)
        if (texts[i].text.ptr)
            member_str(out, texts[i].name, texts[i].text);
}

void gw_view_event(struct kn_buf *out, const struct kn_msg_event *event, struct kn_str source,
                   struct kn_str task_id)
{
    struct kn_str type = event->type_name;
    if (!type.ptr || event->type != KN_EVENT_CUSTOM)
        type = kn_str_from(kn_enum_text(&kn_enum_event_type, event->type));
    kn_buf_text(out, "{\"type\":");
    kn_buf_json_str(out, type);
    member_str(out, "task_id", event->uuid.ptr ? event->uuid : task_id);
    member_str(out, "source", source);
    member_str(out, "origin", kn_str_from(kn_enum_text(&kn_enum_origin, event->origin)));
    member_time(out, "timestamp", event->timestamp);
    member_time(out, "received_at", event->received_at);
    member_opt_f64(out, "clock_skew",
                   (struct kn_opt_f64){(double)event->skew / (double)KN_SECOND, event->skew != 0});
    member_str(out, "worker_id", event->hostname);
    member_opt_i64(out, "pid", (struct kn_opt_i64){(int64_t)event->pid, event->pid != 0});
    member_opt_i64(out, "clock", (struct kn_opt_i64){(int64_t)event->clock, event->clock != 0});
    kn_buf_printf(out, ",\"fields\":{\"utcoffset\":%lld", (long long)event->utcoffset);
    event_texts(out, event);
    if (event->retries.set)
        member_i64(out, "retries", event->retries.value);
    if (event->runtime.set)
        member_f64(out, "runtime", event->runtime.value);
    if (event->eta)
        member_time(out, "eta", event->eta);
    if (event->expires)
        member_time(out, "expires", event->expires);
    if (event->type == KN_EVENT_TASK_REVOKED) {
        member_bool(out, "terminated", event->terminated);
        member_bool(out, "expired", event->expired);
    }
    if (event->type == KN_EVENT_TASK_REJECTED)
        member_bool(out, "requeue", event->requeue);
    struct kn_str extra = event->extra; /* "{…}", written by ingestion */
    if (extra.len > 2 && extra.ptr[0] == '{' && extra.ptr[extra.len - 1] == '}') {
        kn_buf_char(out, ',');
        kn_buf_append(out, extra.ptr + 1, extra.len - 2);
    }
    kn_buf_text(out, "}}");
}
