/* A row of the table jobs, and the number of its tasks in each state. */
#ifndef KN_STORAGE_JOBS_JOB_ROW_H
#define KN_STORAGE_JOBS_JOB_ROW_H

#include "proto/messages.h"
#include "services/common/data/arena.h"
#include "services/storage/db/db.h"

/* Columns of SQL_JOB; texts are copied into the arena. */
enum kn_status job_row_read(const struct db_value *columns, struct kn_arena *arena,
                            struct kn_msg_job *ret, int64_t *ret_due_at) KN_MUST_CHECK;
/* The job's count of a state. */
uint64_t *job_count_of(struct kn_msg_job *job, enum kn_item_state state);
/* The ID of the task that a retry of one of the job's tasks creates: the job's ID, counted up, so
 * it is known before sending. */
enum { JOB_NEW_ID_SIZE = 96 };
void job_new_id(struct kn_str job, uint64_t item, char ret[JOB_NEW_ID_SIZE]);
/* Whether storage carries out the job itself, because it affects only the database. */
bool job_is_own(const struct kn_msg_job *job);

#endif
