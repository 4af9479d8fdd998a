/* Checks whether a message is left of tasks that their workers do not have: it would run them
 * again. One thread. */
#ifndef CONTROL_SETTLE_COPIES_H
#define CONTROL_SETTLE_COPIES_H

#include "proto/bus/bus.h"
#include "services/common/data/arena.h"
#include "services/control/find/seek.h"

enum control_copy_state {
    CONTROL_COPY_UNKNOWN, /* there is or may be a message */
    CONTROL_COPY_NONE,
    CONTROL_COPY_WAITS, /* in a queue: seen there (Redis), or inferred */
};

struct control_copy {
    const struct kn_msg_overdue_task *task;
    int64_t missing_at; /* since when its worker does not have it (monotonic) */
    enum control_copy_state state;
    struct kn_str queue; /* for WAITS; in the arena */
    struct kn_str name;  /* of its task; absent: unknown */
};

struct control_copies_options {
    const char *source;
    struct kn_bus_client *storage;
    int64_t request_timeout_us;
    struct broker_session *session;
    struct kn_arena *arena;
};

/* Sets the state of at most CONTROL_SEEK_MAX copies. Failures are logged, and then no state is
 * NONE. */
void control_copies_find(const struct control_copies_options *options, struct control_copy *copies,
                         size_t count);

#endif
