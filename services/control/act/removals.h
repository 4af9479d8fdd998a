/* Takes the messages of a job's tasks out of the queues of a Redis, portion after portion:
 * in each queue the search goes on behind the last that was found, for the tasks of a job come in
 * the order in which they were sent. One thread. */
#ifndef CONTROL_ACT_REMOVALS_H
#define CONTROL_ACT_REMOVALS_H

#include "services/control/act/removal.h"
#include "services/control/call/learned_sender.h"

struct control_removals;

/* learned must outlive it. NULL when out of memory. */
struct control_removals *control_removals_new(struct control_learned_sender *learned);
/* NULL is allowed. */
void control_removals_free(struct control_removals *removals);

/* Those of the tasks that wait as far as storage knows, in their queues; what is gone is told
 * to storage. Bounded in time and in messages that are looked at, so some may be missed. Of tasks
 * that were begun before, those without a message are gone too. */
void control_removals_take(struct control_removals *removals, struct control_call *call,
                           struct kn_str job, struct control_removal_task *tasks, size_t count);

#endif
