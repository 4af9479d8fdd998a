/* Answers the gateway: queries about one broker and its workers, and actions on them. An action is
 * written to the audit log before it is carried out, and its outcome afterwards. A started action
 * is never started again, no matter how often the request arrives.
 *
 * Each request has its own thread and hand (connections to the broker). */
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
/* Cancels running requests, and waits for them. NULL is allowed. */
void control_actions_stop(struct control_actions *actions);

#endif
