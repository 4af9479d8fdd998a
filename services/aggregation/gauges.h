/* The number of tasks by status, and of waiting messages by queue, as last reported by
 * storage. Not thread-safe. */
#ifndef AGGREGATION_GAUGES_H
#define AGGREGATION_GAUGES_H

#include "proto/messages.h"

struct aggr_gauges;

/* entries_max: maximum number of queues, and of pairs of source and status; further
 * ones are counted but omitted. NULL if out of memory. */
struct aggr_gauges *aggr_gauges_new(size_t entries_max);
void aggr_gauges_free(struct aggr_gauges *gauges);

void aggr_gauges_count(struct aggr_gauges *gauges, const struct kn_msg_status_count *count);
/* Adds a measurement; ignores it if it is older than the last. source: the commit's,
 * for a depth without its own source. */
void aggr_gauges_depth(struct aggr_gauges *gauges, const struct kn_msg_queue_depth *depth,
                       struct kn_str source);

/* Sets running, waiting and queued_messages. A queue that was not measured for two
 * minutes while others of its source were no longer exists and does not count. */
void aggr_gauges_read(const struct aggr_gauges *gauges, struct kn_msg_metrics *metrics);
/* Number of omitted entries. */
uint64_t aggr_gauges_left_out(const struct aggr_gauges *gauges);

#endif
