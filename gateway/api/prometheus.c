#include "gateway/api/handler.h"

#include "services/common/count.h"

enum { LABELS_MAX = 2000 /* workers and queues that are shown, those online first */ };

/* ---- the text format: https://prometheus.io/docs/instrumenting/exposition_formats/ ------- */

static void family(struct kn_buf *out, const char *name, const char *type, const char *help)
{
    kn_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void label_value(struct kn_buf *out, struct kn_str value)
{
    struct kn_str text = kn_utf8_head(value, 256);
    kn_buf_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n')
            kn_buf_text(out, "\\n");
        else if (c == '"' || c == '\\')
            kn_buf_printf(out, "\\%c", c);
        else
            kn_buf_char(out, c);
    }
    kn_buf_char(out, '"');
}

static void label(struct kn_buf *out, const char *before, const char *name, struct kn_str value)
{
    kn_buf_printf(out, "%s%s=", before, name);
    label_value(out, value);
}

static void value_f64(struct kn_buf *out, double value)
{
    kn_buf_char(out, ' ');
    kn_buf_json_f64(out, value);
    kn_buf_char(out, '\n');
}

static void plain(struct kn_buf *out, const char *name, const char *type, const char *help,
                  double value)
{
    family(out, name, type, help);
    kn_buf_text(out, name);
    value_f64(out, value);
}

/* ---- the fleet -------------------------------------------------------------------------- */

static void show_fleet(struct gw_exchange *x)
{
    const struct kn_msg_metrics *metrics;
    struct gw_status_counts tasks;
    struct kn_buf *out = &x->body;
    if (gw_live_metrics(x->app->live, &x->arena, &metrics, &tasks) != KN_OK)
        return;
    plain(out, "kanchi_events_per_second", "gauge", "Events of Celery over the last seconds.",
          metrics->events_per_second);
    plain(out, "kanchi_tasks_running", "gauge", "Running tasks.", (double)metrics->running);
    plain(out, "kanchi_tasks_waiting", "gauge", "Tasks that are pending, received or in retry.",
          (double)metrics->waiting);
    family(out, "kanchi_workers", "gauge", "Known workers by status.");
    kn_buf_printf(out, "kanchi_workers{status=\"online\"} %llu\n",
                  (unsigned long long)metrics->workers_online);
    kn_buf_printf(out, "kanchi_workers{status=\"offline\"} %llu\n",
                  (unsigned long long)metrics->workers_offline);
    kn_buf_printf(out, "kanchi_workers{status=\"unknown\"} %llu\n",
                  (unsigned long long)metrics->workers_unknown);
    family(out, "kanchi_tasks", "gauge", "Stored tasks by status.");
    for (unsigned i = 0; i < KN_TASK_STATUS_COUNT; i++) {
        kn_buf_printf(out, "kanchi_tasks{status=\"%s\"}", kn_enum_text(&kn_enum_task_status, i));
        value_f64(out, (double)tasks.n[i]);
    }
}

typedef bool worker_value(const struct kn_msg_worker *worker, double *ret);

static bool worker_online(const struct kn_msg_worker *worker, double *ret)
{
    *ret = worker->status == KN_WORKER_ONLINE;
    return worker->status != KN_WORKER_UNKNOWN; /* no sample: neither up nor down */
}

static bool worker_active(const struct kn_msg_worker *worker, double *ret)
{
    *ret = (double)worker->active.value;
    return worker->active.set && worker->status == KN_WORKER_ONLINE;
}

/* Flower's and celery-exporter's names: existing dashboards read them. */
static const struct {
    const char *name;
    const char *label;
    const char *help;
    worker_value *value;
} worker_families[] = {
    {"flower_worker_online", "worker", "Worker online status.", worker_online},
    {"flower_worker_number_of_currently_executing_tasks", "worker",
     "Number of tasks currently executing at a worker.", worker_active},
    {"celery_worker_up", "hostname", "Indicates if a worker has recently sent a heartbeat.",
     worker_online},
    {"celery_worker_tasks_active", "hostname", "The number of tasks the worker is processing.",
     worker_active},
};

/* Of one family, the workers of a list. */
static void show_family(struct kn_buf *out, size_t f, const struct kn_msg_worker_list *list)
{
    for (size_t i = 0; list && i < list->items.count && i < LABELS_MAX; i++) {
        const struct kn_msg_worker *worker = &list->items.items[i];
        double value;
        if (!worker_families[f].value(worker, &value))
            continue;
        kn_buf_text(out, worker_families[f].name);
        label(out, "{", worker_families[f].label, worker->hostname);
        label(out, ",", "source", worker->source);
        kn_buf_char(out, '}');
        value_f64(out, value);
    }
}

static void show_workers(struct kn_buf *out, const struct kn_msg_worker_list *online,
                         const struct kn_msg_worker_list *offline)
{
    for (size_t f = 0; f < KN_COUNT_OF(worker_families); f++) {
        family(out, worker_families[f].name, "gauge", worker_families[f].help);
        show_family(out, f, online);
        show_family(out, f, offline);
    }
}

static void show_queue(struct kn_buf *out, const char *name, const struct kn_msg_queue *queue,
                       struct kn_opt_i64 value)
{
    if (!value.set)
        return;
    kn_buf_text(out, name);
    label(out, "{", "queue_name", queue->name);
    label(out, ",", "source", queue->source);
    kn_buf_char(out, '}');
    value_f64(out, (double)value.value);
}

static void show_queues(struct kn_buf *out, const struct kn_msg_queue_list *list)
{
    size_t count = list->items.count < LABELS_MAX ? list->items.count : LABELS_MAX;
    family(out, "celery_queue_length", "gauge", "The number of messages in the queue.");
    for (size_t i = 0; i < count; i++)
        show_queue(out, "celery_queue_length", &list->items.items[i],
                   list->items.items[i].messages);
    family(out, "celery_active_consumer_count", "gauge",
           "The number of consumers of the queue, if the broker reports it.");
    for (size_t i = 0; i < count; i++)
        show_queue(out, "celery_active_consumer_count", &list->items.items[i],
                   list->items.items[i].consumers);
    family(out, "celery_active_worker_count", "gauge",
           "The number of online workers that consume the queue.");
    for (size_t i = 0; i < count; i++)
        show_queue(out, "celery_active_worker_count", &list->items.items[i],
                   (struct kn_opt_i64){(int64_t)list->items.items[i].workers.count, true});
}

static void show_source(struct kn_buf *out, const char *name,
                        const struct kn_msg_source_status *source, double value)
{
    kn_buf_text(out, name);
    label(out, "{", "source", source->source);
    kn_buf_char(out, '}');
    value_f64(out, value);
}

static void show_sources(struct kn_buf *out, const struct kn_msg_system *system)
{
    static const struct {
        const char *name;
        const char *type;
        const char *help;
        size_t offset;
    } families[] = {
#define SOURCE(name, type, help, field)                                                            \
    {name, type, help, offsetof(struct kn_msg_source_status, field)}
        SOURCE("kanchi_ingestion_events_received_total", "counter", "Events received.",
               events_received),
        SOURCE("kanchi_ingestion_events_stored_total", "counter", "Events stored.", events_stored),
        SOURCE("kanchi_ingestion_events_invalid_total", "counter", "Events that were not valid.",
               events_invalid),
        SOURCE("kanchi_ingestion_events_lost_total", "counter", "Events known to be lost.",
               events_lost),
        SOURCE("kanchi_ingestion_backlog_events", "gauge", "Events received and not yet stored.",
               backlog_events),
        SOURCE("kanchi_ingestion_spool_bytes", "gauge", "Bytes of the spool on disk.", spool_bytes),
        SOURCE("kanchi_ingestion_spool_max_bytes", "gauge", "Maximum size of the spool.",
               spool_max),
        SOURCE("kanchi_ingestion_spool_events", "gauge", "Events in the spool on disk.",
               spool_events),
        SOURCE("kanchi_ingestion_spool_dropped_total", "counter",
               "Events dropped from the spool since ingestion started.", spool_dropped),
#undef SOURCE
    };
    for (size_t f = 0; f < KN_COUNT_OF(families); f++) {
        family(out, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < system->ingestion.count; i++) {
            const struct kn_msg_source_status *source = &system->ingestion.items[i];
            uint64_t value;
            memcpy(&value, (const char *)source + families[f].offset, sizeof value);
            show_source(out, families[f].name, source, (double)value);
        }
    }
    family(out, "kanchi_ingestion_connected", "gauge", "Whether the broker is connected.");
    for (size_t i = 0; i < system->ingestion.count; i++)
        show_source(out, "kanchi_ingestion_connected", &system->ingestion.items[i],
                    system->ingestion.items[i].state == KN_LINK_CONNECTED);
}

/* Questions go out together, for each may have to wait for its turn. NULL: it could not. */
static struct kn_bus_call *ask(struct gw_exchange *x, enum kn_kind kind, const void *msg)
{
    struct kn_bus_call *call = NULL;
    if (kn_bus_call_start(x->app->storage, kind, msg, gw_patience(x->app), &call) != KN_OK)
        return NULL;
    return call;
}

/* What storage does not answer is left out; the rest is still shown. */
static struct kn_bus_message *answer_to(struct kn_bus_call *call, enum kn_kind want)
{
    struct kn_bus_message *answer = NULL;
    return call && kn_bus_call_finish_kind(call, want, &answer, NULL) == KN_OK ? answer : NULL;
}

/* The first workers that are online, or offline. */
static struct kn_bus_call *ask_workers(struct gw_exchange *x, const char *status, size_t limit)
{
    struct kn_str statuses[] = {kn_str_from(status)};
    const struct kn_msg_workers_get get = {.statuses = {statuses, 1}, .limit = limit};
    return ask(x, KN_KIND_WORKERS_GET, &get);
}

/* Those offline have the room that those online leave. */
static bool show_stored_workers(struct gw_exchange *x, struct kn_bus_call *asked)
{
    struct kn_bus_message *online = answer_to(asked, KN_KIND_WORKER_LIST), *offline = NULL;
    if (!online)
        return false;
    const struct kn_msg_worker_list *list = online->msg;
    if (list->items.count < LABELS_MAX)
        offline = answer_to(ask_workers(x, "offline", LABELS_MAX - list->items.count),
                            KN_KIND_WORKER_LIST);
    show_workers(&x->body, list, offline ? offline->msg : NULL);
    kn_bus_message_free(offline);
    kn_bus_message_free(online);
    return true;
}

static bool show_stored(struct gw_exchange *x)
{
    const struct kn_msg_queues_get queues_get = {.limit = LABELS_MAX};
    const struct kn_msg_system_get system_get = {0};
    struct kn_bus_call *online_call = ask_workers(x, "online", LABELS_MAX);
    struct kn_bus_call *queues_call = ask(x, KN_KIND_QUEUES_GET, &queues_get);
    struct kn_bus_call *system_call = ask(x, KN_KIND_SYSTEM_GET, &system_get);
    if (!show_stored_workers(x, online_call)) { /* storage is away: no need to wait for the rest */
        kn_bus_call_drop(queues_call);
        kn_bus_call_drop(system_call);
        return false;
    }
    struct kn_bus_message *queues = answer_to(queues_call, KN_KIND_QUEUE_LIST);
    if (queues)
        show_queues(&x->body, queues->msg);
    kn_bus_message_free(queues);
    struct kn_bus_message *system = answer_to(system_call, KN_KIND_SYSTEM);
    if (system)
        show_sources(&x->body, system->msg);
    kn_bus_message_free(system);
    return queues && system;
}

/* ---- ourselves -------------------------------------------------------------------------- */

static void show_gateway(struct gw_exchange *x)
{
    struct kn_buf *out = &x->body;
    struct gw_counters *counters = &x->app->counters;
    struct gw_hub_counters hub;
    gw_hub_counters(x->app->hub, &hub);
    family(out, "kanchi_gateway_requests_total", "counter", "Requests answered, by status.");
    for (int i = 2; i < 6; i++)
        kn_buf_printf(out, "kanchi_gateway_requests_total{status=\"%dxx\"} %llu\n", i,
                      atomic_load(&counters->requests[i]));
    plain(out, "kanchi_gateway_connections_refused_total", "counter",
          "Requests refused because too many connections were open.",
          (double)atomic_load(&counters->refused));
    plain(out, "kanchi_gateway_memory_refused_total", "counter",
          "Answers that gateway.memory_max had no room for.",
          (double)atomic_load(&x->app->memory->refused));
    plain(out, "kanchi_gateway_storage_failures_total", "counter",
          "Questions that storage did not answer.",
          (double)atomic_load(&counters->storage_failures));
    plain(out, "kanchi_gateway_websocket_clients", "gauge", "WebSocket clients.",
          (double)hub.clients);
    plain(out, "kanchi_gateway_websocket_refused_total", "counter",
          "WebSocket clients refused at the limit.", (double)hub.refused);
    plain(out, "kanchi_gateway_websocket_frames_total", "counter", "Frames given to clients.",
          (double)hub.frames);
    plain(out, "kanchi_gateway_websocket_frames_dropped_total", "counter",
          "Frames dropped because a client did not read.", (double)hub.frames_dropped);
    plain(out, "kanchi_gateway_changes_total", "counter", "Changes of tasks in the feed.",
          (double)hub.changes);
    plain(out, "kanchi_gateway_changes_dropped_total", "counter",
          "Changes of tasks that did not fit into their tick.", (double)hub.changes_dropped);
}

void gw_prometheus(struct gw_exchange *x)
{
    x->type = "text/plain; version=0.0.4; charset=utf-8";
    show_fleet(x);
    bool answered = show_stored(x);
    plain(&x->body, "kanchi_storage_up", "gauge", "Whether storage answered this time.", answered);
    show_gateway(x);
}
