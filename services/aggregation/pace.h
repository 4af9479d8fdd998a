/* How often rollups are sent: storage spends at most a twentieth of its time on them.
 * No clock. */
#ifndef AGGREGATION_PACE_H
#define AGGREGATION_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct aggr_pace {
    int64_t interval_us; /* the shortest pause */
    int64_t last_us;     /* what the previous flush took; 0 before the first */
};

/* The pause after a flush that took so long. A large fleet has more rows, which are sent less
 * often, but not later than every minute. One slow flush among fast ones says nothing about
 * the rows, nor does one that storage did not answer: it was busy or away. */
int64_t aggr_pace_pause(struct aggr_pace *pace, bool stored, int64_t spent_us);

#endif
