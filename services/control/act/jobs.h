/* Does what bulk jobs say: takes a few of their tasks from storage, acts on each, and
 * says what became of it. Storage knows that a task was begun before anything is done to
 * it, so none is begun twice. A thread, with connections to the broker of its own. */
#ifndef CONTROL_ACT_JOBS_H
#define CONTROL_ACT_JOBS_H

#include "services/control/call/call.h"

struct control_jobs;

/* taker: names this process. What options point to, taker and storage must outlive it. */
enum kn_status control_jobs_start(const struct control_call_options *options, const char *taker,
                                  struct kn_bus_client *storage,
                                  struct control_jobs **ret) KN_MUST_CHECK;
/* Gives back what was not touched. NULL is allowed. */
void control_jobs_stop(struct control_jobs *jobs);

#endif
