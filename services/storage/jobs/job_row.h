/* A row of the table jobs, and how many of its tasks are in each state. */
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
/* The id of the task that a retry makes of one of the job's tasks: the job's own id,
 * counted up. It is known before anything is sent. */
enum { JOB_NEW_ID_SIZE = 96 };
void job_new_id(struct kn_str job, uint64_t item, char ret[JOB_NEW_ID_SIZE]);
/* Whether storage does the job itself: it concerns nothing but the database. */
bool job_is_own(const struct kn_msg_job *job);

#endif
