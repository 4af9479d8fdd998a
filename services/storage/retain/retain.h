/* Internal to retention: its steps, each a transaction. */
#ifndef KN_STORAGE_RETAIN_RETAIN_H
#define KN_STORAGE_RETAIN_RETAIN_H

#include "services/storage/state/state.h"

/* Steps of deleting old workers and queues. */
enum kn_status expire_workers(struct store *store, bool *ret_done) KN_MUST_CHECK;
enum kn_status expire_queues(struct store *store, bool *ret_done) KN_MUST_CHECK;

#endif
