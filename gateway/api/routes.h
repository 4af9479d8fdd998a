/* The table of routes, and the handlers in it. */
#ifndef KN_GATEWAY_API_ROUTES_H
#define KN_GATEWAY_API_ROUTES_H

#include "gateway/http/router.h"

extern const struct gw_route gw_routes[]; /* ends with a NULL pattern */

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
