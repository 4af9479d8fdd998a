/* Which workers live.
 *
 * A worker is dead when nothing was heard of it for too long: for some of its
 * own heartbeats, and a least time. What counts is when its last event reached
 * ingestion, never its own clock. No verdict is spoken while nothing could have
 * been heard: while ingestion is not connected to the broker, and for one such
 * time after it is again; while it lags; and while the feed is behind.
 *
 * What a worker says of itself (worker-offline) and that it is heard again are
 * storage's business; they come with the feed.
 *
 * Times are given: wall_us since 1970, mono_us of a clock that does not go back.
 * One thread. */
#ifndef AGGREGATION_LIVENESS_H
#define AGGREGATION_LIVENESS_H

#include "proto/messages.h"

struct aggr_liveness;

struct aggr_liveness_options {
    unsigned missed_max; /* dead after so many heartbeats … */
    int64_t silence_us;  /* … and at least this long */
    size_t workers_max;  /* more are counted and left out; storage itself finds them silent */
    int64_t forget_us;   /* how long offline workers are remembered; 0: for ever */
};

/* Copies the options. NULL when out of memory. */
struct aggr_liveness *aggr_liveness_new(const struct aggr_liveness_options *options);
void aggr_liveness_free(struct aggr_liveness *liveness);

/* A worker as storage has it now. */
void aggr_liveness_worker(struct aggr_liveness *liveness, const struct kn_msg_worker *worker,
                          int64_t wall_us, int64_t mono_us);
/* What services say of themselves, and where the feed stands. */
void aggr_liveness_mark(struct aggr_liveness *liveness, const struct kn_msg_feed_mark *mark,
                        int64_t wall_us, int64_t mono_us);
/* The last commit of the feed that was read. */
void aggr_liveness_position(struct aggr_liveness *liveness, uint64_t number);

/* The next worker that storage still calls online and that is dead. The same one
 * does not come again for 5 seconds, unless storage says online again. False when
 * there is none. Texts live until the next call of any function. */
bool aggr_liveness_next(struct aggr_liveness *liveness, int64_t mono_us,
                        struct kn_msg_worker_liveness *ret);

/* Sets workers_online and workers_offline. */
void aggr_liveness_read(const struct aggr_liveness *liveness, struct kn_msg_metrics *metrics);
uint64_t aggr_liveness_left_out(const struct aggr_liveness *liveness);

#endif
