/* Reads waiting messages. No I/O. */
#ifndef CONTROL_FIND_WAITING_H
#define CONTROL_FIND_WAITING_H

#include "proto/messages.h"
#include "services/broker/waiting.h"

/* Describes a message for display; texts are in the arena or in the message. Unreadable parts are
 * reported as such. */
void control_waiting_show(const struct broker_waiting *message, struct kn_arena *arena,
                          struct kn_msg_waiting *ret);

/* Builds a task-sent event from a message seen in the queue. False when it is not a task's
 * message. */
bool control_waiting_event(const struct kn_msg_waiting *waiting, struct kn_str queue, int64_t at,
                           struct kn_msg_event *ret);

#endif
