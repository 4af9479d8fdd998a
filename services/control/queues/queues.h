/* What control does to queues by itself: keeps those paused that are, also when a worker
 * appears; and looks at what waits, so that tasks are known before a worker has
 * them. A thread of its own, with a hand of its own. */
#ifndef CONTROL_QUEUES_QUEUES_H
#define CONTROL_QUEUES_QUEUES_H

#include "services/broker/waiting.h"
#include "services/control/call/call.h"
#include "services/control/call/learned_sender.h"

struct control_queues;

enum { CONTROL_QUEUE_NAME_MAX = 255 }; /* bytes */

/* What options point to, and storage, must outlive it. */
enum kn_status control_queues_start(const struct control_call_options *options,
                                    struct kn_bus_client *storage,
                                    struct control_queues **ret) KN_MUST_CHECK;
/* NULL is allowed. */
void control_queues_stop(struct control_queues *queues);

struct control_learned_sender *control_queues_learned(struct control_queues *queues);
/* Held by who changes pauses, so that two do not work against one another. */
void control_queues_lock(struct control_queues *queues);
void control_queues_unlock(struct control_queues *queues);

/* A request purges, and tells of it: nobody else need finish it. */
void control_queues_purging(struct control_queues *queues, bool begins);

/* ---- purges.c -------------------------------------------------------------------------- */

/* Purges, and tells storage of the tasks whose messages were set aside (purge.keep); false in
 * *ret_told: of a part of them only, control_purges_finish goes on. */
enum kn_status control_purge_and_tell(struct control_call *call, struct broker_purge purge,
                                      uint64_t *ret_count, bool *ret_told) KN_MUST_CHECK;
/* Tells of what was purged by somebody who could not tell of it: he, or storage, was gone. */
void control_purges_finish(struct control_call *call);

/* ---- pauses.c -------------------------------------------------------------------------- */

/* Brings workers to do what the pause says: nobody consumes the queue, or, when it is
 * resuming, those do that did before. What each consumed is stored before it is told to
 * cancel. ret says who confirmed, did not answer, or refused. */
enum kn_status control_pause_apply(struct control_call *call, struct kn_msg_pause *pause,
                                   struct kn_msg_queue_changed *ret) KN_MUST_CHECK;

#endif
