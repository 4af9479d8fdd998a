/* Removes the messages of revoked tasks from their queues. */
#ifndef CONTROL_ACT_REMOVAL_H
#define CONTROL_ACT_REMOVAL_H

#include "services/broker/waiting.h"
#include "services/control/call/call.h"
#include "services/control/call/learned_sender.h"

struct control_removal_task {
    struct kn_str id;
    bool gone;  /* its message was removed */
    bool again; /* another process may have removed it and was killed before reporting it */
};

struct control_removal {
    const char *queue;
    struct control_removal_task *tasks; /* one message of each is removed; gone ones are skipped */
    size_t count;
    size_t look_max;
    int64_t time_us; /* at most */
};

/* Like broker_session_remove, starting at the cursor. After a failure, a message may have been
 * removed although its task is not marked as gone; on RabbitMQ no task is marked then. */
enum kn_status control_remove_messages(struct control_call *call,
                                       const struct control_removal *removal, struct kn_str cursor,
                                       struct broker_removed *ret) KN_MUST_CHECK;

/* Reports to storage that the gone tasks are revoked. */
enum kn_status control_removal_tell(struct control_call *call,
                                    struct control_learned_sender *learned,
                                    const struct control_removal_task *tasks,
                                    size_t count) KN_MUST_CHECK;

#endif
