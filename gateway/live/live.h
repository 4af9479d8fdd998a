/* Follows storage's feed and aggregation's metrics: feeds the hub, and keeps the newest metrics for
 * requests. Has two threads. */
#ifndef KN_GATEWAY_LIVE_LIVE_H
#define KN_GATEWAY_LIVE_LIVE_H

#include "gateway/live/hub.h"
#include "gateway/live/sources.h"
#include "proto/bus/bus.h"

struct gw_live;

struct gw_live_options {
    struct kn_bus *bus;
    struct kn_bus_client *storage;
    const char *feed_url;
    const char *metrics_url;
    struct gw_hub *hub;
    int64_t tick_us;
    const char *id; /* of this gateway's reports */
};

/* Nothing in options is owned; everything must outlive the result. A failure may have a sentence in
 * error, which may be NULL. */
enum kn_status gw_live_start(const struct gw_live_options *options, struct gw_live **ret,
                             struct kn_buf *error) KN_MUST_CHECK;
/* Stops the threads. NULL is allowed. */
void gw_live_stop(struct gw_live *live);

/* Whether the feed is received: it publishes its position every second. */
bool gw_live_connected(struct gw_live *live);
/* The newest metrics, copied into the arena, and the number of tasks per status. NOT_FOUND if there
 * are none from the last 10 seconds. */
enum kn_status gw_live_metrics(struct gw_live *live, struct kn_arena *arena,
                               const struct kn_msg_metrics **ret_metrics,
                               struct gw_status_counts *ret_tasks) KN_MUST_CHECK;
/* The sources in storage's newest SYSTEM document, which is requested every 2 seconds. False if
 * there is none from the last 5 seconds. */
bool gw_live_sources(struct gw_live *live, struct gw_sources *ret);
/* Appends the document of GET /system as it is while storage does not respond. */
enum kn_status gw_live_stale(struct gw_live *live, struct kn_buf *out) KN_MUST_CHECK;
/* Appends the document of GET /metrics/history. */
void gw_live_history(struct gw_live *live, struct kn_buf *out);

#endif
