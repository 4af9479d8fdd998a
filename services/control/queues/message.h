/* The message of a task in the lists of a Redis. */
#ifndef CONTROL_QUEUES_MESSAGE_H
#define CONTROL_QUEUES_MESSAGE_H

#include "services/control/call/call.h"

struct broker_found;

/* Whether a message, or what "unacked" has of it, is that of a task. */
bool control_is_message_of(struct kn_str value, struct kn_str task_id,
                           struct kn_arena *scratch) KN_MUST_CHECK;
/* Searches a queue, and (unacked) what is not acknowledged; ret and status as broker_session_find
 * has them. queue absent: only what is not acknowledged. */
enum kn_status control_message_find(struct control_call *call, struct kn_str task_id,
                                    struct kn_str queue, bool unacked,
                                    struct broker_found *ret) KN_MUST_CHECK;

#endif
