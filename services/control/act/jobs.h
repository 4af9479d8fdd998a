/* Carries out bulk jobs: takes a few of their tasks from storage, acts on each, and reports
 * the outcome. Storage records the start of a task before anything is done, so no task is
 * started twice. Runs in its own thread, with its own connections to the broker. */
#ifndef CONTROL_ACT_JOBS_H
#define CONTROL_ACT_JOBS_H

#include "services/control/call/call.h"

struct control_jobs;

/* taker: name of this process. What options point to, taker and storage must outlive it. */
enum kn_status control_jobs_start(const struct control_call_options *options, const char *taker,
                                  struct kn_bus_client *storage,
                                  struct control_jobs **ret) KN_MUST_CHECK;
/* Returns tasks that were not started. NULL is allowed. */
void control_jobs_stop(struct control_jobs *jobs);

#endif
