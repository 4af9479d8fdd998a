/* The sum of the rollup deltas that were read from the feed and are not yet stored.
 * Not thread-safe. */
#ifndef AGGREGATION_ROLLUPS_H
#define AGGREGATION_ROLLUPS_H

#include "proto/codec.h"

struct aggr_rollups;

/* NULL when out of memory. */
struct aggr_rollups *aggr_rollups_new(void);
void aggr_rollups_free(struct aggr_rollups *rollups);

/* Adds one delta; skips values that are not numbers. After NOMEM or TOO_BIG,
 * rollups is incomplete and must be cleared. */
enum kn_status aggr_rollups_add(struct aggr_rollups *rollups,
                                const struct kn_msg_rollup_delta *delta) KN_MUST_CHECK;
void aggr_rollups_clear(struct aggr_rollups *rollups);

/* Number of rows and their approximate size in bytes. */
size_t aggr_rollups_rows(const struct aggr_rollups *rollups);
size_t aggr_rollups_bytes(const struct aggr_rollups *rollups);

/* Sets put->rows, without those that add nothing. Texts lie in rollups and
 * arena: both must stay as they are while put is used. NOMEM. */
enum kn_status aggr_rollups_rows_get(const struct aggr_rollups *rollups, struct kn_arena *arena,
                                     struct kn_msg_rollup_put *put) KN_MUST_CHECK;

#endif
