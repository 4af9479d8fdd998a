/* Writes messages of storage and aggregation as the JSON of the REST interface and of
 * WebSocket frames (gateway/openapi.json). All functions append to a buffer that keeps
 * its first error. */
#ifndef KN_GATEWAY_VIEW_VIEW_H
#define KN_GATEWAY_VIEW_VIEW_H

#include "proto/messages.h"
#include "services/common/text/buf.h"

enum gw_view {
    GW_VIEW_WHOLE, /* a single object: all fields */
    GW_VIEW_LIST,  /* in a list: long texts are truncated, see `shortened` */
    GW_VIEW_LIVE,  /* in a frame: as in storage's feed */
};

/* The number, or null. */
void gw_view_opt_i64(struct kn_buf *out, struct kn_opt_i64 value);
/* ["…", …] */
void gw_view_texts(struct kn_buf *out, const struct kn_strs *texts);
/* worker, ok, value and error of a reply. whole: also the value of a failed reply. */
void gw_view_reply(struct kn_buf *out, const struct kn_msg_worker_reply *reply, bool whole);
void gw_view_task(struct kn_buf *out, const struct kn_msg_task *task, enum gw_view view);
void gw_view_event(struct kn_buf *out, const struct kn_msg_event *event, struct kn_str source,
                   struct kn_str task_id);
void gw_view_worker(struct kn_buf *out, const struct kn_msg_worker *worker, enum gw_view view);
/* LIVE: without new_tasks, which is counted when it is asked for. */
void gw_view_job(struct kn_buf *out, const struct kn_msg_job *job, enum gw_view view);
/* {"name":count,…} */
void gw_view_job_counts(struct kn_buf *out, const struct kn_msg_job_count *items, size_t count);
void gw_view_queue(struct kn_buf *out, const struct kn_msg_queue *queue);
void gw_view_queue_depth(struct kn_buf *out, const struct kn_msg_queue_depth *depth);

/* Tasks by status. */
struct gw_status_counts {
    int64_t n[KN_TASK_STATUS_COUNT];
};
void gw_view_counts(struct kn_buf *out, const struct gw_status_counts *counts);
struct gw_status_counts gw_counts_of(const struct kn_msg_event_counts *counts);

/* window replaces the window in metrics; NULL: not replaced. */
void gw_view_metrics(struct kn_buf *out, const struct kn_msg_metrics *metrics,
                     const struct gw_status_counts *tasks, const struct kn_msg_point *window,
                     int64_t window_seconds);
/* group_by "status": a series of the message becomes one series per status. */
void gw_view_timeseries(struct kn_buf *out, const struct kn_msg_series_list *list,
                        const char *group_by);
/* Each series has one point, for the whole period. */
void gw_view_totals(struct kn_buf *out, const struct kn_msg_series_list *list,
                    const char *group_by);
/* stale_since: when storage was last heard, if it does not respond; otherwise 0. */
void gw_view_system(struct kn_buf *out, const struct kn_msg_system *system, int64_t stale_since);
struct gw_status_counts gw_counts_of_system(const struct kn_msg_system *system);

#endif
