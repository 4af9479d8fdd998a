/* Inside of ingest: the two halves of what a commit writes about its events. */
#ifndef KN_STORAGE_WRITE_INGEST_H
#define KN_STORAGE_WRITE_INGEST_H

#include "services/storage/write/write.h"

/* Writes the events that were taken in, and finds out which are new. */
enum kn_status tx_write_events(struct tx *tx, struct store_change *changes) KN_MUST_CHECK;
/* Writes the tasks that were touched, and tells of them. */
enum kn_status tx_write_tasks(struct tx *tx) KN_MUST_CHECK;

#endif
