/* How many tasks of each status there are, and how many messages wait in each
 * queue, as storage said last. One thread. */
#ifndef AGGREGATION_GAUGES_H
#define AGGREGATION_GAUGES_H

#include "proto/messages.h"

struct aggr_gauges;

/* entries_max: most queues and most pairs of source and status that are known;
 * others are counted and left out. NULL when out of memory. */
struct aggr_gauges *aggr_gauges_new(size_t entries_max);
void aggr_gauges_free(struct aggr_gauges *gauges);

void aggr_gauges_count(struct aggr_gauges *gauges, const struct kn_msg_status_count *count);
/* A measurement; an older one than the last is passed over. source: of the
 * commit, for a depth that does not name its own. */
void aggr_gauges_depth(struct aggr_gauges *gauges, const struct kn_msg_queue_depth *depth,
                       struct kn_str source);

/* Sets running, waiting and queued_messages. A queue that was not measured while
 * others of its source were, for two minutes, is gone and does not count. */
void aggr_gauges_read(const struct aggr_gauges *gauges, struct kn_msg_metrics *metrics);
/* How many were left out because there was no room. */
uint64_t aggr_gauges_left_out(const struct aggr_gauges *gauges);

#endif
