/* Inside of bulk jobs: what making, taking and ending them share. */
#ifndef KN_STORAGE_JOBS_JOBS_H
#define KN_STORAGE_JOBS_JOBS_H

#include "services/storage/jobs/job_row.h"
#include "services/storage/store_internal.h"

/* A job that the transaction has locked. */
struct job_work {
    struct kn_msg_job job;
    int64_t due_at; /* nothing more is begun before */
    bool changed;
    struct job_work *next;
};

extern const char job_cancelled_text[];

/* The job, locked until the end of the transaction; NULL when there is none. */
enum kn_status tx_job_open(struct tx *tx, struct kn_str id, struct job_work **ret) KN_MUST_CHECK;
/* It will be written and told. */
void tx_job_change(struct tx *tx, struct job_work *work);
/* n of its tasks have another state. */
void tx_job_move(struct tx *tx, struct job_work *work, enum kn_item_state from,
                 enum kn_item_state to, uint64_t n);
/* Neither done nor cancelled. */
bool job_is_open(const struct kn_msg_job *job);
/* A db_row_fn that adds one to a uint64_t. */
enum kn_status job_count_row(void *arg, const struct db_value *columns);
/* Returns OK: the caller was wrong, the transaction is not. */
enum kn_status job_refuse(struct store_change *request, enum kn_status status, const char *why);
/* The task with an id on a source, and its status; 0 when there is none. */
enum kn_status tx_find_task(struct tx *tx, int64_t source, struct kn_str id, int64_t *ret_no,
                            enum kn_task_status *ret_status) KN_MUST_CHECK;
/* Text that the database can keep; absent stays absent. */
struct kn_str tx_clean(struct tx *tx, struct kn_str text);

#endif
