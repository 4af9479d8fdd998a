/* The last minutes, in memory: counts, rates, runtimes and waits. The caller passes
 * all times, so tests control the clock. Not thread-safe. */
#ifndef AGGREGATION_WINDOW_H
#define AGGREGATION_WINDOW_H

#include "proto/messages.h"
#include "services/common/data/arena.h"

struct aggr_window;

enum { AGGR_RATE_SECONDS = 5 };

/* seconds: its length, 10 to 3600, rounded to tens. NULL if out of memory. */
struct aggr_window *aggr_window_new(unsigned seconds);
void aggr_window_free(struct aggr_window *window);

/* Adds a commit of the time at_us (monotonic; commits may arrive late). Data older
 * than the window is ignored. */
void aggr_window_add(struct aggr_window *window, const struct kn_msg_feed *commit, int64_t at_us);

/* Sets the figures of the window; messages in it lie in the arena. */
void aggr_window_read(struct aggr_window *window, int64_t now_us, struct kn_arena *arena,
                      struct kn_msg_metrics *metrics);

#endif
