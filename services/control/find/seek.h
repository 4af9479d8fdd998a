/* Checks whether the broker still has the messages of tasks: waiting in a queue, or delivered to a
 * worker and unacknowledged. One thread. */
#ifndef CONTROL_FIND_SEEK_H
#define CONTROL_FIND_SEEK_H

#include "proto/bus/bus.h"
#include "services/broker/waiting.h"
#include "services/common/text/time.h"

struct control_seek_task {
    struct kn_str id;
    struct kn_strs sent_to; /* queues, according to its events */
    int64_t since;          /* when a worker last had it */
    bool found;             /* there is or may be a message */
    struct kn_str queue;    /* where it waits (Redis) or may wait; absent: unknown */
    bool grown;             /* RabbitMQ: messages arrived in that queue */
    bool unacked;           /* Redis */
};

enum { CONTROL_SEEK_MAX = 1000 }; /* tasks at once */

struct control_seek_options {
    struct broker_session *session;
    const struct kn_msg_queue_list *queues; /* to search; NULL: all known to storage */
    bool own;           /* RabbitMQ: only queues to which a task's messages were sent */
    bool suspects;      /* RabbitMQ: continue even if no task can be lost, to name a queue */
    int64_t fresh;      /* RabbitMQ: older measurements don't count (control_depths_fresh) */
    const char *source; /* this and the following are not needed on Redis with queues */
    struct kn_bus_client *storage;
    int64_t request_timeout_us;
    struct kn_arena *arena; /* also for the names of queues in the tasks */
};

/* On Redis, searches the queues and the unacknowledged messages. On RabbitMQ, where messages can't
 * be read without being taken, depths decide: a queue with consumers must have been empty, and the
 * depth of a queue without consumers must not have changed. A queue without consumers that is
 * missing in the latest measurement is gone. OK: all messages were searched. FULL: not all of them,
 * so a task that was not found may still have a message; also if storage does not answer. */
enum kn_status control_seek(const struct control_seek_options *options,
                            struct control_seek_task *tasks, size_t count) KN_MUST_CHECK;

#endif
