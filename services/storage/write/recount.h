/* Counts rollups from the stored events and tasks: the result must equal the sum of the deltas of
 * all commits. Used when a reader of the feed has lost its position, and by tests. */
#ifndef KN_STORAGE_WRITE_RECOUNT_H
#define KN_STORAGE_WRITE_RECOUNT_H

#include "services/storage/task/deltas.h"

/* Adds the contributions of at most limit tasks after number `after`, for minutes from since_at
 * (µs) on. *ret_last is the last task; 0 if none. */
enum kn_status recount(struct db *db, struct dict *dict, int64_t after, size_t limit,
                       int64_t since_at, struct deltas *deltas, int64_t *ret_last) KN_MUST_CHECK;

#endif
