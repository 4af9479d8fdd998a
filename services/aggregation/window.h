/* The last minutes, in memory: counts, rates, runtimes and waits. Times are
 * given, none is asked for, so that tests can make their own. One thread. */
#ifndef AGGREGATION_WINDOW_H
#define AGGREGATION_WINDOW_H

#include "proto/messages.h"
#include "services/common/data/arena.h"

struct aggr_window;

enum { AGGR_RATE_SECONDS = 5 };

/* seconds: how far back it reaches, 10 to 3600, taken to tens. NULL when out of memory. */
struct aggr_window *aggr_window_new(unsigned seconds);
void aggr_window_free(struct aggr_window *window);

/* Adds what a commit brought at at_us (a clock that does not go back; commits may
 * come late). What is older than the window is left out. */
void aggr_window_add(struct aggr_window *window, const struct kn_msg_feed *commit, int64_t at_us);

/* Sets the figures of the window; messages in it lie in the arena. */
void aggr_window_read(struct aggr_window *window, int64_t now_us, struct kn_arena *arena,
                      struct kn_msg_metrics *metrics);

#endif
