/* Starts the processes of one machine, restarts them if they die, and stops
 * them in order. Not thread-safe. */
#ifndef KN_LAUNCHER_SUPERVISOR_H
#define KN_LAUNCHER_SUPERVISOR_H

#include "services/common/config/config.h"
#include "services/common/process/service.h"

struct supervisor;

/* One child for storage, aggregation and gateway, and one ingestion and one
 * control per broker. The programs are in the launcher's folder. They inherit the
 * configuration in memory, so no secret is on disk, in ps or in the environment.
 * config must outlive it. NOT_FOUND: a program is missing; error names it. */
enum kn_status supervisor_new(struct supervisor **ret, const struct kn_config *config,
                              struct kn_buf *error) KN_MUST_CHECK;
/* Kills processes that are still running. NULL is allowed. */
void supervisor_free(struct supervisor *supervisor);

/* Starts due children and handles those that ended; then waits until a child
 * ends, stop_fd becomes readable or us have passed. If a child exits with a code
 * (not by a signal) before supervisor_settled was called, it has reported an error
 * that a restart would not fix: CONFIG. */
enum kn_status supervisor_run(struct supervisor *supervisor, int stop_fd, int64_t us) KN_MUST_CHECK;

/* From now on, every child that ends is restarted, regardless of its exit code. */
void supervisor_settled(struct supervisor *supervisor);

/* Number of restarts. */
uint64_t supervisor_restarts(const struct supervisor *supervisor);

/* Stops all children: sources of events first, storage last. Kills those that do
 * not stop in time. */
void supervisor_stop(struct supervisor *supervisor);

#endif
