/* Reports to storage what control learned about tasks from sources other than events, in numbered
 * batches, so each is stored once (docs/reconcile.md). Any thread. */
#ifndef CONTROL_CALL_LEARNED_SENDER_H
#define CONTROL_CALL_LEARNED_SENDER_H

#include "proto/bus/bus.h"

struct control_learned_sender;

/* source must outlive it. NULL when out of memory. */
struct control_learned_sender *control_learned_sender_new(const char *source,
                                                          struct kn_bus_client *storage,
                                                          int64_t request_timeout_us);
/* NULL is allowed. */
void control_learned_sender_free(struct control_learned_sender *learned);

/* OK: storage has them. After a failure some may still arrive later; repeated reports are stored
 * once. */
enum kn_status control_learned_sender_tell(struct control_learned_sender *learned,
                                           const struct kn_msg_event *events,
                                           size_t count) KN_MUST_CHECK;

/* The same for all tasks of a worker. Storage ignores those already known to be received or
 * started. */
enum kn_status control_learned_sender_tell_all(struct control_learned_sender *learned,
                                               const struct kn_msg_event *events,
                                               size_t count) KN_MUST_CHECK;

#endif
