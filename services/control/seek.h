/* Whether the messages of tasks are still with the broker: waiting in a queue, or given to
 * a worker that has not acknowledged them. One thread. */
#ifndef CONTROL_SEEK_H
#define CONTROL_SEEK_H

#include "proto/messages.h"
#include "services/broker/waiting.h"

struct control_seek_task {
    struct kn_str id;
    bool found;
};

enum { CONTROL_SEEK_MAX = 1000 }; /* tasks at once */

/* Looks through the queues and what is unacknowledged, on Redis; on RabbitMQ, where
 * nothing can be looked at without being taken, it only asks whether the queues are empty,
 * by the measurements since `since` (wall clock). OK: every message was searched. FULL: not all of
 * them, so a task that was not found may still have one. */
enum kn_status control_seek(struct broker_session *session, bool redis,
                            const struct kn_msg_queue_list *queues, int64_t since,
                            struct control_seek_task *tasks, size_t count) KN_MUST_CHECK;

#endif
