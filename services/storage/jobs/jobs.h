/* Bulk jobs in a transaction, and what the files of this folder share. */
#ifndef KN_STORAGE_JOBS_JOBS_H
#define KN_STORAGE_JOBS_JOBS_H

#include "services/storage/jobs/job_row.h"
#include "services/storage/state/state.h"

enum kn_status tx_job_create(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_job_take(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_job_cancel(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_task_resolve(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
/* Does one step of the jobs that storage carries out itself, and gives up stale tasks of other
 * jobs. *ret_wait: µs until the next step. */
enum kn_status tx_jobs_step(struct tx *tx, int64_t *ret_wait) KN_MUST_CHECK;
/* Writes changed jobs, ends finished ones, and adds both to the feed. */
enum kn_status tx_jobs_finish(struct tx *tx) KN_MUST_CHECK;
/* Does one step of deleting old jobs. */
enum kn_status jobs_drop(struct store *store, int64_t before, bool *ret_done) KN_MUST_CHECK;

/* ---- private -------------------------------------------------------------------------- */

/* A job that the transaction has locked. */
struct job_work {
    struct kn_msg_job job;
    int64_t due_at; /* no further task starts before */
    bool changed;
    struct job_work *next;
};

extern const char job_cancelled_text[];

/* The job, locked until the end of the transaction; NULL if there is none. */
enum kn_status tx_job_open(struct tx *tx, struct kn_str id, struct job_work **ret) KN_MUST_CHECK;
/* Marks the job to be written and added to the feed. */
void tx_job_change(struct tx *tx, struct job_work *work);
/* n of its tasks changed their state. */
void tx_job_move(struct tx *tx, struct job_work *work, enum kn_item_state from,
                 enum kn_item_state to, uint64_t n);
/* True if neither done nor cancelled. */
bool job_is_open(const struct kn_msg_job *job);
/* A db_row_fn that adds one to a uint64_t. */
enum kn_status job_count_row(void *arg, const struct db_value *columns);

#endif
