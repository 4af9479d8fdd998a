/* Background work on queues: keeps paused queues paused, also when a worker appears, and reads
 * waiting messages, so that tasks are known before a worker has them. Has its own thread and
 * hand. */
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
/* Held while changing pauses, so that two changes do not conflict. */
void control_queues_lock(struct control_queues *queues);
void control_queues_unlock(struct control_queues *queues);

/* A request purges and reports it, so no one else needs to finish the purge. */
void control_queues_purging(struct control_queues *queues, bool begins);

/* ---- purges.c -------------------------------------------------------------------------- */

/* Purges, and reports the tasks of the kept messages (purge.keep) to storage. *ret_told false: only
 * some were reported; control_purges_finish continues. */
enum kn_status control_purge_and_tell(struct control_call *call, struct broker_purge purge,
                                      uint64_t *ret_count, bool *ret_told) KN_MUST_CHECK;
/* Finishes reports of purges that were interrupted, because the process or storage stopped. */
void control_purges_finish(struct control_call *call);

/* ---- pauses.c -------------------------------------------------------------------------- */

/* Applies the pause to workers: none consumes the queue or, when resuming, those do that did
 * before. Stores how a worker consumed the queue before telling it to stop. ret lists the workers
 * that confirmed, did not answer, or refused. */
enum kn_status control_pause_apply(struct control_call *call, struct kn_msg_pause *pause,
                                   struct kn_msg_queue_changed *ret) KN_MUST_CHECK;

#endif
