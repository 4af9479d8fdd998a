#include "services/aggregation/pace.h"

#include "services/common/text/time.h"

static const int64_t LAZY_MAX_US = KN_MINUTE; /* rollups are not later than this */
enum { BUSY_SHARE = 20 };                     /* storage spends at most 1/20 on rollups */

int64_t aggr_pace_pause(struct aggr_pace *pace, bool stored, int64_t spent_us)
{
    if (!stored)
        return pace->interval_us;
    int64_t usual = spent_us < pace->last_us ? spent_us : pace->last_us;
    pace->last_us = spent_us;
    int64_t lazy = usual < LAZY_MAX_US / BUSY_SHARE ? usual * BUSY_SHARE : LAZY_MAX_US;
    return lazy > pace->interval_us ? lazy : pace->interval_us;
}
