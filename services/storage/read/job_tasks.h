/* Internal to read/: how the tasks fare that a bulk job's retries sent. */
#ifndef KN_STORAGE_READ_JOB_TASKS_H
#define KN_STORAGE_READ_JOB_TASKS_H

#include "services/storage/state/state.h"

/* Sets new_status of the items whose new task is known. */
enum kn_status job_tasks_status(struct store_reader *reader, struct kn_arena *arena,
                                struct kn_msg_job_item *items, size_t count) KN_MUST_CHECK;
/* Sets new_tasks and counted of a job that retries. A count is kept for as long as it took, twenty
 * times over. After the deadline (monotonic), the job stays uncounted. */
enum kn_status job_tasks_count(struct store_reader *reader, int64_t deadline,
                               struct kn_arena *arena, struct kn_msg_job *job) KN_MUST_CHECK;

#endif
