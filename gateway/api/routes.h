/* Every path of the gateway. One table defines the router, the prototypes of the handlers, and the
 * checks of parameters and bodies. tests/api_doc_test.py compares it with gateway/openapi.json and
 * with the paths in docs/.
 *
 * A row is R(method, pattern, handler, body, answer, parameters...):
 *   method      GET (and HEAD), UPGRADE (GET, to become a WebSocket), POST or DELETE
 *   pattern     as in openapi.json. The first row that matches a path is used, so
 *               "/tasks/{id}/events" comes before "/tasks/{id}"; rows with the same pattern
 *               are adjacent
 *   body        the members that the JSON object may have, or NO_BODY
 *   answer      the schemas in openapi.json of 2xx answers, or their type
 *   parameters  of the query: TEXT, TEXTS (any number), NAMES (texts of an enumeration), FLAG,
 *               CHOICE (the first is the default), TIME, DURATION,
 *               NUMBER (least, most, default), or NO_PARAMS
 *
 * If routes get access rules, they belong here, as a column after the handler. */
#ifndef KN_GATEWAY_API_ROUTES_H
#define KN_GATEWAY_API_ROUTES_H

#include "gateway/http/router.h"

enum { GW_TIMEOUT_MAX = 60 /* maximum seconds to wait for workers */ };

/* clang-format off */
#define GW_ROUTES(R)                                                                               \
    /* ---- tasks */                                                                               \
    R(GET, "/api/v1/tasks", gw_api_tasks, NO_BODY, "TaskPage",                                     \
      GW_FILTER_PARAMS, TASK_SORT, LIMIT, CURSOR)                                                  \
    R(POST, "/api/v1/tasks", gw_api_apply,                                                         \
      "name unregistered " SEND_OPTIONS, "TaskSent", DRY_RUN)                                      \
    R(GET, "/api/v1/tasks/{id}/events", gw_api_task_events, NO_BODY, "TaskEventPage",              \
      SOURCE, LIMIT, CURSOR)                                                                       \
    R(POST, "/api/v1/tasks/{id}/resolve", gw_api_task_resolve, NO_BODY, "Task", SOURCE)            \
    R(DELETE, "/api/v1/tasks/{id}/resolve", gw_api_task_unresolve, NO_BODY, "Task", SOURCE)        \
    R(GET, "/api/v1/tasks/{id}/family", gw_api_task_family, NO_BODY, "TaskPage",                   \
      SOURCE, LIMIT, CURSOR)                                                                       \
    R(GET, "/api/v1/task-names", gw_api_task_names, NO_BODY, "TaskNames", TEXT("q"), LIMIT)        \
    R(GET, "/api/v1/failures", gw_api_failures, NO_BODY, "FailureList",                            \
      PERIOD, SOURCES, NUMBER("limit", 1, 100, 20))                                                \
    R(GET, "/api/v1/tasks/{id}/result", gw_api_task_result, NO_BODY, "TaskResult", SOURCE)         \
    R(POST, "/api/v1/tasks/{id}/retry", gw_api_retry, "unregistered " SEND_OPTIONS, "TaskSent",    \
      FLAG("force"), CHOICE("attempt", "first", "last"),                                           \
      CHOICE("arguments", "", "message", "backend", "events"), DRY_RUN)                            \
    R(GET, "/api/v1/tasks/{id}", gw_api_task, NO_BODY, "Task", SOURCE, FLAG("missing_ok"))         \
    R(DELETE, "/api/v1/tasks/{id}", gw_api_revoke, NO_BODY, "TaskRevoked",                         \
      SOURCE, FLAG("terminate"), TEXT("signal"), FLAG("remove"), TEXT("queue"), DRY_RUN)           \
    R(POST, "/api/v1/revoke-by-headers", gw_api_revoke_by_headers,                                 \
      "source headers terminate signal", "TaskRevoked", DRY_RUN)                                   \
    /* ---- workers */                                                                             \
    R(GET, "/api/v1/workers", gw_api_workers, NO_BODY, "WorkerPage",                               \
      NAMES("status", &kn_enum_worker_status), SOURCES, LIMIT, CURSOR)                             \
    R(GET, "/api/v1/workers/{id}/life", gw_api_worker_life, NO_BODY, "WorkerLife", SOURCE, PERIOD) \
    R(GET, "/api/v1/workers/{id}", gw_api_worker, NO_BODY, "Worker", SOURCE)                       \
    R(GET, "/api/v1/inspect/{method}", gw_api_inspect, NO_BODY, "WorkerReplies",                   \
      SOURCE, TEXTS("worker"), TEXT("pattern"), NUMBER("timeout", 1, GW_TIMEOUT_MAX, 0),           \
      TEXTS("id"), TEXT("arguments"))                                                              \
    R(GET, "/api/v1/commands", gw_api_commands, NO_BODY, "CommandMethods", NO_PARAMS)              \
    R(POST, "/api/v1/commands/{method}", gw_api_command,                                           \
      "source workers pattern timeout arguments", "WorkerReplies", DRY_RUN)                        \
    /* ---- queues */                                                                              \
    R(GET, "/api/v1/queues", gw_api_queues, NO_BODY, "QueuePage", SOURCES, LIMIT, CURSOR)          \
    R(GET, "/api/v1/queue-history", gw_api_queue_histories, NO_BODY, "QueueHistories",             \
      PERIOD, SOURCES, NUMBER("points", 1, 60, 48))                                                \
    R(GET, "/api/v1/queues/{name}/messages", gw_api_queue_messages, NO_BODY, "WaitingPage",        \
      SOURCE, NUMBER("limit", 1, 200, 50), CURSOR, FLAG("requeue"))                                \
    R(DELETE, "/api/v1/queues/{name}/messages", gw_api_queue_purge, NO_BODY, "QueueChanged",       \
      SOURCE, NUMBER("expected", 0, INT64_MAX, UINT64_MAX), NUMBER("max", 1, INT64_MAX, 0),        \
      TEXT("id"), DRY_RUN)                                                                         \
    R(POST, "/api/v1/queues/{name}/move", gw_api_queue_move,                                       \
      "source to ids expected max", "QueueChanged", DRY_RUN)                                       \
    R(POST, "/api/v1/queues/{name}/pause", gw_api_queue_pause, "source", "QueueChanged", DRY_RUN)  \
    R(POST, "/api/v1/queues/{name}/resume", gw_api_queue_resume, "source", "QueueChanged",         \
      DRY_RUN)                                                                                     \
    R(GET, "/api/v1/queues/{name}", gw_api_queue, NO_BODY, "Queue", SOURCE, PERIOD)                \
    /* ---- bulk jobs, the audit log */                                                            \
    R(GET, "/api/v1/jobs", gw_api_jobs, NO_BODY, "JobPage", LIMIT, CURSOR)                         \
    R(POST, "/api/v1/jobs", gw_api_job_create,                                                     \
      "action filter ids source options rate expected again", "Job JobPlan", DRY_RUN)                    \
    R(GET, "/api/v1/jobs/{id}/items", gw_api_job_items, NO_BODY, "JobItemPage",                    \
      NAMES("state", &kn_enum_item_state), NAMES("new_status", &kn_enum_new_task),       \
      LIMIT, CURSOR)                                                                               \
    R(GET, "/api/v1/jobs/{id}", gw_api_job, NO_BODY, "Job", NO_PARAMS)                             \
    R(DELETE, "/api/v1/jobs/{id}", gw_api_job_cancel, NO_BODY, "Job", NO_PARAMS)                   \
    R(GET, "/api/v1/audit", gw_api_audit, NO_BODY, "AuditPage",                                    \
      NAMES("action", &kn_enum_verb), SOURCES, TEXT("target"), TEXT("actor"), TEXT("id"), PERIOD,  \
      LIMIT, CURSOR)                                                                               \
    /* ---- dismissed issues */                                                                    \
    R(GET, "/api/v1/dismissals", gw_api_dismissals, NO_BODY, "DismissalList", NO_PARAMS)           \
    R(POST, "/api/v1/dismissals", gw_api_dismiss, "key state", "DismissalList", NO_PARAMS)         \
    R(DELETE, "/api/v1/dismissals", gw_api_undismiss, NO_BODY, "DismissalList", TEXT("key"))       \
    /* ---- figures */                                                                             \
    R(GET, "/api/v1/metrics", gw_api_metrics, NO_BODY, "Metrics",                                  \
      CHOICE("window", "5m", "1m", "15m", "1h", "6h", "24h"))                                      \
    R(GET, "/api/v1/metrics/history", gw_api_metrics_history, NO_BODY, "MetricsHistory",           \
      NO_PARAMS)                                                                                   \
    R(GET, "/api/v1/metrics/totals", gw_api_totals, NO_BODY, "Totals",                             \
      PERIOD, CHOICE("group_by", "", "name", "queue", "worker", "source"), ROLLUP_FILTERS,         \
      NUMBER("limit", 1, 1000, 50))                                                                \
    R(GET, "/api/v1/metrics/timeseries", gw_api_timeseries, NO_BODY, "Timeseries",                 \
      PERIOD, DURATION("step"),                                                                    \
      CHOICE("group_by", "", "status", "name", "queue", "worker", "source"), ROLLUP_FILTERS)       \
    /* ---- Kanchi itself */                                                                       \
    R(GET, "/api/v1/system", gw_api_system, NO_BODY, "System", NO_PARAMS)                          \
    R(GET, "/api/v1/system/doctor", gw_api_doctor, NO_BODY, "DoctorReport", SOURCE)                \
    R(GET, "/api/v1/openapi.json", gw_api_openapi, NO_BODY, "object", NO_PARAMS)                   \
    R(UPGRADE, "/api/v1/ws", gw_api_websocket, NO_BODY, "none", NO_PARAMS)                         \
    R(GET, "/healthz", gw_healthz, NO_BODY, "string", NO_PARAMS)                                   \
    R(GET, "/readyz", gw_readyz, NO_BODY, "string", NO_PARAMS)                                     \
    R(GET, "/metrics", gw_prometheus, NO_BODY, "string", NO_PARAMS)
/* clang-format on */

extern const struct gw_route gw_routes[]; /* ends with a NULL pattern */

#define R(method, pattern, handler, ...) void handler(struct gw_exchange *x);
GW_ROUTES(R)
#undef R

#endif
