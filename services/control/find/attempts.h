/* The calls of a task found in its events: the first one and those of its retries. */
#ifndef CONTROL_FIND_ATTEMPTS_H
#define CONTROL_FIND_ATTEMPTS_H

#include "services/control/call/call.h"

/* A call, from its task-sent, task-received, or both. Absent texts are unknown. */
struct control_attempt {
    int64_t retries;
    struct kn_str name; /* real, from task-sent */
    struct kn_str seen; /* as a worker reports it: the name, or an alias (shadow) */
    struct kn_str args_repr, kwargs_repr;
    struct kn_str queue, exchange, routing_key; /* from task-sent */
    int64_t at;                                 /* when its latest event reached us */
    /* The texts come from a worker or the result backend: they may belong to a later attempt, or
     * have been changed by the task. */
    bool learned;
};

struct control_attempts {
    struct control_attempt *items; /* different calls, by retries, then by time */
    size_t count;
    bool certain; /* false: events are missing, or there are too many */
    const struct control_attempt *first, *last; /* of the latest use of the id */
};

enum { CONTROL_ATTEMPTS_PAGE = 500 }; /* events */
/* Reads the task's events: the first page is given, and storage is asked for the others. Without
 * events, ret has one attempt, built from the task's fields. */
enum kn_status control_attempts_read(struct control_call *call, const struct kn_msg_task *task,
                                     const struct kn_msg_task_event_list *first,
                                     struct control_attempts *ret) KN_MUST_CHECK;
/* The same from given events. No I/O. */
enum kn_status control_attempts_of(const struct kn_msg_event *events, size_t count,
                                   const struct kn_msg_task *task, struct kn_arena *arena,
                                   struct control_attempts *ret) KN_MUST_CHECK;

/* Whether two attempts have the same arguments, as far as their texts show. */
bool control_attempts_same(const struct control_attempt *a, const struct control_attempt *b);

#endif
