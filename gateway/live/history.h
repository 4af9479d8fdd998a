/* The fleet's figures of the last hours, in memory: a mean for each minute of what
 * aggregation published while this gateway was running. */
#ifndef KN_GATEWAY_LIVE_HISTORY_H
#define KN_GATEWAY_LIVE_HISTORY_H

#include "proto/messages.h"
#include "services/common/text/buf.h"

enum { GW_HISTORY_MINUTES = 180 };

/* Sums of the metrics of one minute. */
struct gw_minute {
    int64_t minute; /* since 1970 */
    uint64_t n;     /* number of figures; 0: none */
    double events_per_second;
    double tasks_per_second;
    double running;
    double waiting;
    double queued;
    double online;
};

/* Empty if all zero. */
struct gw_history {
    struct gw_minute minutes[GW_HISTORY_MINUTES]; /* by minute modulo their number */
};

void gw_history_add(struct gw_history *history, const struct kn_msg_metrics *metrics);
/* Appends the document of GET /metrics/history: the minutes up to now, oldest first. */
void gw_history_view(struct kn_buf *out, const struct gw_history *history, int64_t now);

#endif
