/* What the measured depths of a queue say of its messages, where these can't be looked at
 * (RabbitMQ). No I/O. */
#ifndef CONTROL_FIND_DEPTHS_H
#define CONTROL_FIND_DEPTHS_H

#include "proto/messages.h"

/* The queue of that name; NULL without it. */
const struct kn_msg_queue *control_depths_find(const struct kn_msg_queue_list *queues,
                                               struct kn_str name);

/* Whether neither a worker nor, as far as the broker says, anybody else consumes it. */
bool control_depths_parked(const struct kn_msg_queue *queue);

/* From when on a measurement counts (wall clock), if a worker said so long ago that it does not
 * have a task: what it sent for that task lies in its queue since then. */
int64_t control_depths_fresh(int64_t now, int64_t missing_for);
/* Whether the latest measurement of the queue counts. */
bool control_depths_counts(const struct kn_msg_queue *queue, int64_t fresh);

/* When the queues were measured last; all queues of a round have the same time. 0: never. */
int64_t control_depths_round(const struct kn_msg_queue_list *queues);
/* Whether the round left out a queue that was measured before: it is gone, or not ours to see. */
bool control_depths_left_out(const struct kn_msg_queue *queue, int64_t round);

enum control_depths_say {
    CONTROL_DEPTHS_SAME,    /* it has no message that was sent to it after since */
    CONTROL_DEPTHS_CHANGED, /* it may have one: messages went, and maybe one came */
    CONTROL_DEPTHS_GREW,    /* the same, and messages came; or nothing is known from before */
};
/* What the depths of a parked queue say: its history, from before since, and its messages now.
 * Messages leave a queue of delayed delivery by themselves, so it may have one as long as it is not
 * empty. */
enum control_depths_say control_depths_say(const struct kn_msg_queue *queue, int64_t since);

/* Whether what the depths say is a reason to expect a message of a task with that status. Most
 * tasks that are done have none, so messages must have come. */
bool control_depths_suspects(enum control_depths_say say, enum kn_task_status status);

/* How far before since a history must begin. */
int64_t control_depths_from(int64_t since);

#endif
