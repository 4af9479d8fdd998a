/* Answers the gateway: questions about one broker and its workers, and actions on
 * them. A request that acts is written to the audit before anything is done, and its
 * outcome after; one that was begun is never begun again, however often it arrives.
 *
 * Each request has a thread, and a hand (connections to the broker) to itself. */
#ifndef CONTROL_ACT_ACTIONS_H
#define CONTROL_ACT_ACTIONS_H

#include "services/control/call/call.h"

enum { CONTROL_ACTION_THREADS = 4 };

struct control_actions;

/* Binds url. What options point to, bus and storage must outlive it. A failure
 * may have a sentence in error, which may be NULL. */
enum kn_status control_actions_start(const struct control_call_options *options, struct kn_bus *bus,
                                     const char *url, struct kn_bus_client *storage,
                                     struct control_actions **ret,
                                     struct kn_buf *error) KN_MUST_CHECK;
/* Makes requests under way come to an end, and waits for them. NULL is allowed. */
void control_actions_stop(struct control_actions *actions);

#endif
