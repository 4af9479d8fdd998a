/* Detects silent workers.
 *
 * A worker is dead after missing a number of its own heartbeats, and after a minimum
 * time. What counts is when its last event reached ingestion, never its own clock.
 * Workers are not declared dead while nothing could have been received: while
 * ingestion is not connected to the broker and for one timeout after it reconnects,
 * while it lags, and while the feed is behind.
 *
 * Storage handles worker-offline events, workers that return, and makes workers unknown while their
 * broker can't be heard; both arrive with
 * the feed.
 *
 * The caller passes all times: wall_us since 1970, mono_us of a monotonic clock.
 * Not thread-safe. */
#ifndef AGGREGATION_LIVENESS_H
#define AGGREGATION_LIVENESS_H

#include "proto/messages.h"

struct aggr_liveness;

struct aggr_liveness_options {
    unsigned missed_max; /* dead after so many heartbeats … */
    int64_t silence_us;  /* … and at least this long */
    size_t workers_max;  /* more are counted and left out; storage itself finds them silent */
    int64_t forget_us;   /* how long offline workers are remembered; 0: forever */
};

/* Copies the options. NULL when out of memory. */
struct aggr_liveness *aggr_liveness_new(const struct aggr_liveness_options *options);
void aggr_liveness_free(struct aggr_liveness *liveness);

/* A worker as storage has it now. */
void aggr_liveness_worker(struct aggr_liveness *liveness, const struct kn_msg_worker *worker,
                          int64_t wall_us, int64_t mono_us);
/* The state of the services and of the feed. */
void aggr_liveness_mark(struct aggr_liveness *liveness, const struct kn_msg_feed_mark *mark,
                        int64_t wall_us, int64_t mono_us);
/* The last commit of the feed that was read. */
void aggr_liveness_position(struct aggr_liveness *liveness, uint64_t number);

/* The next dead worker that storage does not list as offline. The same worker is not
 * returned again for 5 seconds, unless storage reports it online again. False if
 * there is none. Strings are valid until the next call of any function. */
bool aggr_liveness_next(struct aggr_liveness *liveness, int64_t mono_us,
                        struct kn_msg_worker_liveness *ret);

/* Sets workers_online, workers_offline and workers_unknown. */
void aggr_liveness_read(const struct aggr_liveness *liveness, struct kn_msg_metrics *metrics);
uint64_t aggr_liveness_left_out(const struct aggr_liveness *liveness);

#endif
