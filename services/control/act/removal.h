/* Messages of tasks that are revoked, taken out of the queues in which they wait. */
#ifndef CONTROL_ACT_REMOVAL_H
#define CONTROL_ACT_REMOVAL_H

#include "services/broker/waiting.h"
#include "services/control/call/call.h"
#include "services/control/call/learned_sender.h"

struct control_removal_task {
    struct kn_str id;
    bool gone;  /* its message was taken out */
    bool again; /* another process may have taken it out, and was killed before it could tell */
};

struct control_removal {
    const char *queue;
    struct control_removal_task *tasks; /* one message of each; those that are gone are passed */
    size_t count;
    size_t look_max;
    int64_t time_us; /* at most */
};

/* As broker_session_remove, from the cursor on. After a failure a task may be gone that does
 * not say so; on RabbitMQ none says so then. */
enum kn_status control_remove_messages(struct control_call *call,
                                       const struct control_removal *removal, struct kn_str cursor,
                                       struct broker_removed *ret) KN_MUST_CHECK;

/* Tells storage that the tasks that are gone are revoked. */
enum kn_status control_removal_tell(struct control_call *call,
                                    struct control_learned_sender *learned,
                                    const struct control_removal_task *tasks,
                                    size_t count) KN_MUST_CHECK;

#endif
