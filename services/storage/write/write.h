/* Private to storage: what a transaction writes, except bulk jobs. If a change is invalid, its
 * function sets change->status and returns OK, so that the transaction continues. */
#ifndef KN_STORAGE_WRITE_WRITE_H
#define KN_STORAGE_WRITE_WRITE_H

#include "services/storage/state/state.h"

/* Collects the events of a batch; tx_ingest_finish writes them. */
enum kn_status tx_ingest(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
/* Merges and writes all collected events. */
enum kn_status tx_ingest_finish(struct tx *tx, struct store_change *changes) KN_MUST_CHECK;
/* *ret_again: true if the batch was already applied; otherwise it is marked as applied.
 * *ret_whole: true if all earlier batches are applied, too. */
enum kn_status tx_mark(struct tx *tx, int64_t source, uint64_t epoch, uint64_t seq, bool *ret_again,
                       bool *ret_whole) KN_MUST_CHECK;
/* Writes the data of a batch about its source, after its events were counted. */
enum kn_status tx_source(struct tx *tx, const struct store_change *change) KN_MUST_CHECK;
/* Adds the queue to the list of queues, even if it was never measured. */
enum kn_status tx_queue_seen(struct tx *tx, int64_t source, int64_t queue,
                             struct kn_str name) KN_MUST_CHECK;

enum kn_status tx_worker(struct tx *tx, struct kn_str source, struct kn_str hostname,
                         struct worker_work **ret) KN_MUST_CHECK;
/* Reads all workers with events in a batch, so that tx_worker finds them. */
enum kn_status tx_workers_of(struct tx *tx, const struct kn_msg_ingest_batch *batch) KN_MUST_CHECK;
/* True if the event describes the worker named by its hostname. */
bool tx_is_of_worker(const struct kn_msg_event *event);
enum kn_status tx_workers_finish(struct tx *tx) KN_MUST_CHECK;

/* Information about a worker from control and aggregation. */
enum kn_status tx_worker_inspect(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_worker_liveness(struct tx *tx, struct store_change *change) KN_MUST_CHECK;

/* CONFLICT if the reader is at another position; nothing is changed. */
enum kn_status tx_rollup_put(struct tx *tx, struct store_change *change) KN_MUST_CHECK;

/* Records of users' actions, for control and the gateway (actions.c, pauses.c). */
enum kn_status tx_audit_begin(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_audit_end(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_task_link(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_pause(struct tx *tx, struct store_change *change) KN_MUST_CHECK;

/* Actions that storage itself does, in the transaction that writes their audit entry.
 * *ret_go: true if the action is begun now, or was by the same request. */
enum kn_status tx_action_begin(struct tx *tx, struct store_change *change,
                               const struct kn_msg_action *action, struct kn_msg_audit_entry entry,
                               bool *ret_go) KN_MUST_CHECK;
enum kn_status tx_action_end(struct tx *tx, struct kn_str id, enum kn_outcome outcome,
                             struct kn_str text, struct kn_str result) KN_MUST_CHECK;

/* Dismissed issues of the dashboard (dismissals.c). */
enum { DISMISSED_TEXT_MAX = 200 }; /* bytes of a key, and of a state */
enum kn_status tx_dismiss(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
/* Deletes those of more than 30 days ago. */
enum kn_status dismissals_expire(struct db *db) KN_MUST_CHECK;

/* Tasks marked as resolved (resolved.c). */
bool may_be_resolved(enum kn_task_status status);
/* When the task ended, as far as known. */
int64_t resolved_end_of(const struct task_row *row);
enum kn_status tx_resolve(struct tx *tx, int64_t task, bool undo,
                          struct kn_str actor) KN_MUST_CHECK;
/* After tasks were merged: removes the marks of tasks that have another outcome now. */
enum kn_status tx_marks_review(struct tx *tx) KN_MUST_CHECK;
/* Adds the tasks whose marks or links changed to the feed. */
enum kn_status tx_marks_finish(struct tx *tx) KN_MUST_CHECK;
/* The task's marks or links changed. */
enum kn_status tx_mark_changed(struct tx *tx, int64_t no) KN_MUST_CHECK;
/* Sets resolved_at and resolved_by of tasks, which are identified by their number. */
enum kn_status resolved_fill(struct db *db, struct kn_arena *arena, struct kn_msg_task *tasks,
                             size_t count) KN_MUST_CHECK;

/* Retries of tasks (links.c). Writes a link, and adds both tasks to the feed. */
enum kn_status tx_link(struct tx *tx, const struct kn_msg_task_link *link) KN_MUST_CHECK;
/* Sets retry_of and retried_as of tasks, which have their source and id. */
enum { LINKS_SHOWN = 10 }; /* as SQL_LINKS_OF says */
enum kn_status links_fill(struct db *db, struct kn_arena *arena, struct kn_msg_task *tasks,
                          size_t count) KN_MUST_CHECK;
/* The number of the task with an ID on a source, and its status; 0 if there is none. */
enum kn_status tx_find_task(struct tx *tx, int64_t source, struct kn_str id, int64_t *ret_no,
                            enum kn_task_status *ret_status) KN_MUST_CHECK;

#endif
