/* Looks at what waits, so that a task is known before a worker has it and without
 * task-sent. Redis only: there it costs nothing but the reading. Each message is read
 * once, at a bounded rate. One thread. */
#ifndef CONTROL_LOOKOUT_H
#define CONTROL_LOOKOUT_H

#include "services/control/actions.h"
#include "services/control/learned.h"

struct control_lookout;

/* learned must outlive it. */
enum kn_status control_lookout_new(struct control_learned *learned,
                                   struct control_lookout **ret) KN_MUST_CHECK;
/* NULL is allowed. */
void control_lookout_free(struct control_lookout *lookout);

/* Reads on in each queue. Once a second; NULL is allowed. */
void control_lookout_tick(struct control_lookout *lookout, struct control_call *call);

#endif
