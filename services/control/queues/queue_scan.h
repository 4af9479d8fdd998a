/* Reads waiting messages, so that a task is known before a worker has it, even without task-sent.
 * Redis only, where reading has no side effects. Reads each message once, at a limited rate. One
 * thread. */
#ifndef CONTROL_QUEUES_QUEUE_SCAN_H
#define CONTROL_QUEUES_QUEUE_SCAN_H

#include "services/control/call/call.h"
#include "services/control/call/learned_sender.h"

struct control_queue_scan;

/* learned must outlive it. */
enum kn_status control_queue_scan_new(struct control_learned_sender *learned,
                                      struct control_queue_scan **ret) KN_MUST_CHECK;
/* NULL is allowed. */
void control_queue_scan_free(struct control_queue_scan *scan);

/* Continues reading each queue. Call once a second; NULL is allowed. */
void control_queue_scan_tick(struct control_queue_scan *scan, struct control_call *call);

#endif
