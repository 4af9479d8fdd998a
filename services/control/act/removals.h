/* Removes the messages of a job's tasks from Redis queues, batch by batch. Tasks of a job come in
 * the order in which they were sent, so the search in each queue continues after the last message
 * found. One thread. */
#ifndef CONTROL_ACT_REMOVALS_H
#define CONTROL_ACT_REMOVALS_H

#include "services/control/act/removal.h"
#include "services/control/call/learned_sender.h"

struct control_removals;

/* learned must outlive it. NULL: out of memory. */
struct control_removals *control_removals_new(struct control_learned_sender *learned);
/* NULL is allowed. */
void control_removals_free(struct control_removals *removals);

/* Removes the messages of tasks that, according to storage, are waiting, and reports the removed
 * ones to storage. Time and the number of messages examined are limited, so some may be missed. A
 * task that was started before and has no message counts as removed. */
void control_removals_take(struct control_removals *removals, struct control_call *call,
                           struct kn_str job, struct control_removal_task *tasks, size_t count);

#endif
