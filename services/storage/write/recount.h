/* Counts rollups from the stored events and tasks: what the deltas of all commits
 * must add up to. Used when a reader of the feed has lost its place, and by tests. */
#ifndef KN_STORAGE_WRITE_RECOUNT_H
#define KN_STORAGE_WRITE_RECOUNT_H

#include "services/storage/task/deltas.h"

/* Adds what the tasks after number `after` contribute, up to limit of them, and of it
 * what lies in minutes from since_at (µs) on. *ret_last is the last task; 0 when there
 * was none. */
enum kn_status recount(struct db *db, struct dict *dict, int64_t after, size_t limit,
                       int64_t since_at, struct deltas *deltas, int64_t *ret_last) KN_MUST_CHECK;

#endif
