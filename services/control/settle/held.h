/* Converts the tasks held by a worker to the events it would have sent. No I/O. */
#ifndef CONTROL_SETTLE_HELD_H
#define CONTROL_SETTLE_HELD_H

#include "proto/messages.h"
#include "services/control/ask/round.h"

/* For a worker's answer at `at` (wall clock): task-received of each task, at its start time or else
 * `at`, and task-started of running tasks. Leaves out tasks without ID or name, and those beyond
 * CONTROL_HELD_MAX. The list is in the arena; texts are not copied. NOMEM. */
enum { CONTROL_HELD_MAX = 20000 };
struct control_held_events {
    struct kn_msg_event *items;
    size_t count;
};
enum kn_status control_held_write(const struct control_answer *answer, int64_t at,
                                  struct kn_arena *arena,
                                  struct control_held_events *ret) KN_MUST_CHECK;

#endif
