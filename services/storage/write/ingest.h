/* Internal to ingest: the two parts of what a commit writes about its events. */
#ifndef KN_STORAGE_WRITE_INGEST_H
#define KN_STORAGE_WRITE_INGEST_H

#include "services/storage/write/write.h"

/* Writes the accepted events, and finds out which are new. */
enum kn_status tx_write_events(struct tx *tx, struct store_change *changes) KN_MUST_CHECK;
/* Writes changed tasks, and publishes them in the feed. */
enum kn_status tx_write_tasks(struct tx *tx) KN_MUST_CHECK;

/* A row of task_ends: at, no, minute, runtime, wait. */
enum { TASK_END_COLUMNS = 5 };
void task_end_values(int64_t no, const struct task_end *end, struct db_value ret[TASK_END_COLUMNS]);

#endif
