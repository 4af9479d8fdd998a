/* What the measured depths of a queue say of its messages, where these can't be looked at
 * (RabbitMQ). No I/O. */
#ifndef CONTROL_DEPTHS_H
#define CONTROL_DEPTHS_H

#include "proto/messages.h"

/* The queue of that name; NULL without it. */
const struct kn_msg_queue *control_depths_find(const struct kn_msg_queue_list *queues,
                                               struct kn_str name);

/* Whether neither a worker nor, as far as the broker says, anybody else consumes it. */
bool control_depths_parked(const struct kn_msg_queue *queue);

/* Whether a parked queue may have a message that was sent to it after since. Not if it is empty,
 * and not if its history, from before since, shows that it has not grown. */
bool control_depths_may_hold(const struct kn_msg_queue *queue, int64_t since);

/* How far before since a history must begin. */
int64_t control_depths_from(int64_t since);

#endif
