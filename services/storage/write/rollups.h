/* How rollups are stored: shared by their writers and readers. */
#ifndef KN_STORAGE_WRITE_ROLLUPS_H
#define KN_STORAGE_WRITE_ROLLUPS_H

#include <stdint.h>

/* Column scope: the sums over all names (name is 0 there), or of one name. */
enum { ROLLUPS_ALL_NAMES, ROLLUPS_BY_NAME };

/* Column step, in minutes: a minute, an hour, a day (UTC). */
enum { ROLLUP_STEPS = 3 };
static const int64_t rollup_steps[ROLLUP_STEPS] = {1, 60, 1440};

#endif
