/* What answers requests: routes, storage, the dashboard's files. */
#ifndef KN_GATEWAY_API_APP_H
#define KN_GATEWAY_API_APP_H

#include "gateway/api/controls.h"
#include "gateway/http/body.h"
#include "gateway/http/host.h"
#include "gateway/http/router.h"
#include "gateway/http/static.h"
#include "gateway/live/live.h"
#include "gateway/server/exchange.h"
#include "proto/bus/bus.h"

#include <stdatomic.h>

struct gw_counters {
    atomic_ullong requests[6]; /* by the hundred of the status */
    atomic_ullong refused;     /* connections and requests over the limit */
    atomic_ullong storage_failures;
};

struct gw_app {
    struct kn_bus_client *storage;
    struct gw_controls *controls;
    struct gw_live *live;
    struct gw_hub *hub;
    const struct gw_static *files; /* NULL: none */
    struct gw_host_rules hosts;
    const char *url_prefix;   /* as kn_url_prefix_read writes it */
    const char *user_header;  /* "": none */
    bool may_act;             /* whether requests may change anything */
    int64_t query_timeout;    /* µs */
    struct kn_budget *memory; /* for making answers */
    struct gw_counters counters;
};

/* Finds the prefix of the browser's paths, and removes it from x->path if the proxy did not. */
void gw_app_find_prefix(const struct gw_app *app, struct gw_exchange *x);

/* Where an answer is made. */
enum gw_lane {
    GW_LANE_PROBE, /* separate threads, so that nothing else keeps supervisors waiting */
    GW_LANE_WORK,  /* it may have to wait for other services */
    GW_LANE_NOW,   /* the loop's own thread: it needs no waiting */
};
enum gw_lane gw_app_lane(struct kn_str path); /* after gw_app_find_prefix */

/* Fills the answer. x has method, path, query and headers. */
void gw_app_answer(struct gw_app *app, struct gw_exchange *x);

/* For the handlers in api_*.c. */

/* How long an answer of storage is awaited, in µs: not long when its feed is silent. */
int64_t gw_patience(struct gw_app *app);
/* Asks storage. Returns the answer, which is of kind want and to be freed with
 * kn_bus_message_free; or NULL, and x is a problem. */
struct kn_bus_message *gw_ask(struct gw_exchange *x, enum kn_kind kind, const void *msg,
                              enum kn_kind want);
/* Whether storage knows this source; if not, x is a problem. Absent: it becomes the only
 * one that there is. */
bool gw_find_source(struct gw_exchange *x, struct kn_str *source);
/* The same of the control of a source, which may take patience µs longer than it takes to
 * ask. The source is one that storage knows. */
struct kn_bus_message *gw_ask_control(struct gw_exchange *x, struct kn_str source,
                                      enum kn_kind kind, const void *msg, enum kn_kind want,
                                      int64_t patience);
/* Who acts, for a request that does: in the arena. NULL, and x is a problem. */
struct kn_msg_action *gw_new_action(struct gw_exchange *x);
/* A random UUID in the arena; absent, and x is a problem. */
struct kn_str gw_new_uuid(struct gw_exchange *x);
/* Whether the parameters are all right; if not, x is a problem. */
bool gw_params_ok(struct gw_exchange *x);
/* Reports a wrong parameter of x if signal is present and not one of CELERY_SIGNALS. */
void gw_check_signal(struct gw_exchange *x, struct kn_str signal);
/* Makes x a problem. */
void gw_fail(struct gw_exchange *x, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes x a problem: app->memory has no room for its answer. */
void gw_fail_memory(struct gw_exchange *x);
/* The action was handed over, and what came of it can't be told: why. */
void gw_fail_unknown(struct gw_exchange *x, const char *why);
/* Says so to programs, in an answer that says it to people. */
void gw_tell_unknown(struct gw_exchange *x);
/* The position in the parameter cursor; absent without one. Mistakes go to x->params. */
struct kn_str gw_read_cursor(struct gw_exchange *x);
/* Appends ],"next_cursor":…} to a list. position absent: the last page. */
void gw_end_list(struct gw_exchange *x, struct kn_str position);
/* The same where a position is a number that storage gave: 0 without one, and at the end. */
uint64_t gw_read_number_cursor(struct gw_exchange *x);
void gw_end_numbered_list(struct gw_exchange *x, uint64_t next);

void gw_api_tasks(struct gw_exchange *x);
void gw_api_task(struct gw_exchange *x);
void gw_api_task_events(struct gw_exchange *x);
void gw_api_task_family(struct gw_exchange *x);
void gw_api_task_names(struct gw_exchange *x);
void gw_api_failures(struct gw_exchange *x);
void gw_api_task_result(struct gw_exchange *x);
void gw_api_apply(struct gw_exchange *x);
void gw_api_retry(struct gw_exchange *x);
void gw_api_revoke(struct gw_exchange *x);
void gw_api_revoke_by_headers(struct gw_exchange *x);
void gw_api_workers(struct gw_exchange *x);
void gw_api_worker(struct gw_exchange *x);
void gw_api_worker_life(struct gw_exchange *x);
void gw_api_queues(struct gw_exchange *x);
void gw_api_queue(struct gw_exchange *x);
void gw_api_queue_messages(struct gw_exchange *x);
void gw_api_queue_purge(struct gw_exchange *x);
void gw_api_queue_move(struct gw_exchange *x);
void gw_api_queue_pause(struct gw_exchange *x);
void gw_api_queue_resume(struct gw_exchange *x);
void gw_api_inspect(struct gw_exchange *x);
void gw_api_commands(struct gw_exchange *x);
void gw_api_command(struct gw_exchange *x);
void gw_api_audit(struct gw_exchange *x);
void gw_api_jobs(struct gw_exchange *x);
void gw_api_job(struct gw_exchange *x);
void gw_api_job_items(struct gw_exchange *x);
void gw_api_job_create(struct gw_exchange *x);
void gw_api_job_cancel(struct gw_exchange *x);
void gw_api_task_resolve(struct gw_exchange *x);
void gw_api_metrics(struct gw_exchange *x);
void gw_api_metrics_history(struct gw_exchange *x);
void gw_api_totals(struct gw_exchange *x);
void gw_api_timeseries(struct gw_exchange *x);
void gw_api_system(struct gw_exchange *x);
void gw_api_doctor(struct gw_exchange *x);
void gw_api_openapi(struct gw_exchange *x);
void gw_api_websocket(struct gw_exchange *x);
void gw_healthz(struct gw_exchange *x);
void gw_readyz(struct gw_exchange *x);
void gw_prometheus(struct gw_exchange *x);

#endif
