/* Finds the message of a task in Redis lists. */
#ifndef CONTROL_QUEUES_MESSAGE_H
#define CONTROL_QUEUES_MESSAGE_H

#include "services/control/call/call.h"

struct broker_found;

/* Whether a message, or an entry of "unacked", belongs to a task. */
bool control_is_message_of(struct kn_str value, struct kn_str task_id,
                           struct kn_arena *scratch) KN_MUST_CHECK;
/* Searches a queue, and (unacked) the unacknowledged messages; ret and status as in
 * broker_session_find. queue absent: only the unacknowledged messages. */
enum kn_status control_message_find(struct control_call *call, struct kn_str task_id,
                                    struct kn_str queue, bool unacked,
                                    struct broker_found *ret) KN_MUST_CHECK;

#endif
