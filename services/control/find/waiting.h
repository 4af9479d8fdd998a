/* What a message that waits says. No I/O. */
#ifndef CONTROL_FIND_WAITING_H
#define CONTROL_FIND_WAITING_H

#include "proto/messages.h"
#include "services/broker/waiting.h"

/* For people; texts lie in the arena or in the message. What can't be read says so. */
void control_waiting_show(const struct broker_waiting *message, struct kn_arena *arena,
                          struct kn_msg_waiting *ret);

/* The task-sent event that nobody sent, of a message that was seen in the queue. False
 * when it is no task's. */
bool control_waiting_event(const struct kn_msg_waiting *waiting, struct kn_str queue, int64_t at,
                           struct kn_msg_event *ret);

#endif
