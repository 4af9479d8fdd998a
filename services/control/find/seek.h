/* Whether the messages of tasks are still with the broker: waiting in a queue, or given to
 * a worker that has not acknowledged them. One thread. */
#ifndef CONTROL_FIND_SEEK_H
#define CONTROL_FIND_SEEK_H

#include "proto/bus/bus.h"
#include "services/broker/waiting.h"
#include "services/common/text/time.h"

struct control_seek_task {
    struct kn_str id;
    struct kn_strs sent_to; /* queues, as its events say */
    int64_t since;          /* when a worker had it last */
    bool found;             /* it has a message, or may have one */
    struct kn_str queue;    /* in which that waits (Redis) or may wait; absent: not known */
    bool grown;             /* RabbitMQ: messages came to that queue */
    bool unacked;           /* Redis */
};

enum { CONTROL_SEEK_MAX = 1000 }; /* tasks at once */

struct control_seek_options {
    struct broker_session *session;
    const struct kn_msg_queue_list *queues; /* to search; NULL: all that storage knows */
    bool own;      /* RabbitMQ: only the queues that a task's messages were sent to */
    bool suspects; /* RabbitMQ: go on when no task can be lost: a queue is to be named */
    int64_t fresh; /* RabbitMQ: what was measured before is counted again (control_depths_fresh) */
    const char *source; /* from here on: not needed on Redis with queues */
    struct kn_bus_client *storage;
    int64_t request_timeout_us;
    struct kn_arena *arena; /* also for the names of queues in the tasks */
};

/* Looks through the queues and what is unacknowledged, on Redis. On RabbitMQ, where nothing can be
 * looked at without being taken, depths decide: a queue that workers consume must have been empty,
 * and the depth of one that nobody consumes must not have changed. A queue that the latest round of
 * measurement left out is gone if nobody consumes it. OK: every message was searched.
 * FULL: not all of them, so a task that was not found may still have one; also if storage does not
 * answer. */
enum kn_status control_seek(const struct control_seek_options *options,
                            struct control_seek_task *tasks, size_t count) KN_MUST_CHECK;

#endif
