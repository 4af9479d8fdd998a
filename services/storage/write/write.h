/* Inside the store: what a transaction writes, but for bulk jobs. Functions of a change return OK
 * when the caller did something wrong, and say so in change->status: the transaction goes on. */
#ifndef KN_STORAGE_WRITE_WRITE_H
#define KN_STORAGE_WRITE_WRITE_H

#include "services/storage/state/state.h"

/* Takes the events of a batch in; nothing is written before tx_ingest_finish. */
enum kn_status tx_ingest(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
/* Merges and writes all events that were taken in. */
enum kn_status tx_ingest_finish(struct tx *tx, struct store_change *changes) KN_MUST_CHECK;
/* Whether the batch was applied before; if not, it is marked as applied. ret_whole: so are
 * all before it. */
enum kn_status tx_mark(struct tx *tx, int64_t source, uint64_t epoch, uint64_t seq, bool *ret_again,
                       bool *ret_whole) KN_MUST_CHECK;
/* What of a batch concerns its source, not tasks; after its events were counted. */
enum kn_status tx_source(struct tx *tx, const struct store_change *change) KN_MUST_CHECK;
/* Lists the queue, even if it was never measured. */
enum kn_status tx_queue_seen(struct tx *tx, int64_t source, int64_t queue,
                             struct kn_str name) KN_MUST_CHECK;

enum kn_status tx_worker(struct tx *tx, struct kn_str source, struct kn_str hostname,
                         struct worker_work **ret) KN_MUST_CHECK;
/* Reads all workers that a batch has events of, for tx_worker to find. */
enum kn_status tx_workers_of(struct tx *tx, const struct kn_msg_ingest_batch *batch) KN_MUST_CHECK;
/* Whether the event says something about the worker of its hostname. */
bool tx_is_of_worker(const struct kn_msg_event *event);
enum kn_status tx_workers_finish(struct tx *tx) KN_MUST_CHECK;

/* What control and aggregation say of a worker. */
enum kn_status tx_worker_inspect(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_worker_liveness(struct tx *tx, struct store_change *change) KN_MUST_CHECK;

/* CONFLICT when the reader stands elsewhere; nothing was changed then. */
enum kn_status tx_rollup_put(struct tx *tx, struct store_change *change) KN_MUST_CHECK;

/* What control and the gateway have kept of people's actions (actions.c, pauses.c). */
enum kn_status tx_audit_begin(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_audit_end(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_task_link(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_pause(struct tx *tx, struct store_change *change) KN_MUST_CHECK;

/* Marks (resolved.c). */
bool may_be_resolved(enum kn_task_status status);
/* When the task ended, as far as is known. */
int64_t resolved_end_of(const struct task_row *row);
enum kn_status tx_resolve(struct tx *tx, int64_t task, bool undo,
                          struct kn_str actor) KN_MUST_CHECK;
/* After tasks were merged: takes the marks from those that are another matter now. */
enum kn_status tx_marks_review(struct tx *tx) KN_MUST_CHECK;
/* Tells of the tasks whose marks were changed. */
enum kn_status tx_marks_finish(struct tx *tx) KN_MUST_CHECK;
/* Sets resolved_at and resolved_by of tasks that have their number. */
enum kn_status resolved_fill(struct db *db, struct kn_arena *arena, struct kn_msg_task *tasks,
                             size_t count) KN_MUST_CHECK;

#endif
