/* Where the messages of a task were sent, according to its task-sent events. No I/O. */
#ifndef CONTROL_FIND_CALLS_H
#define CONTROL_FIND_CALLS_H

#include "proto/messages.h"
#include "services/common/data/arena.h"

/* A message sent after a worker took the task. */
struct control_resent {
    struct kn_str queue, name;
};

struct control_calls {
    struct kn_strs sent_to; /* queues, each once */
    struct control_resent *resent;
    size_t n_resent;
    bool unsure; /* its message may be in any queue */
};

/* events NULL: unknown. routes_known: the queues of an exchange can be looked up, so a message is
 * never in any queue. Texts lie in the arena. */
enum kn_status control_calls_read(const struct kn_msg_task_event_list *events, int64_t taken_at,
                                  bool routes_known, struct kn_arena *arena,
                                  struct control_calls *ret) KN_MUST_CHECK;

/* Adds a queue, unless it is there already or has no name. There must be room. */
void control_calls_add(struct kn_strs *queues, struct kn_str queue);

#endif
