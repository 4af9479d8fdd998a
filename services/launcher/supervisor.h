/* The processes of one machine: started, started again when they die, and
 * stopped in order. One thread; not safe for several. */
#ifndef KN_LAUNCHER_SUPERVISOR_H
#define KN_LAUNCHER_SUPERVISOR_H

#include "services/common/config/config.h"
#include "services/common/process/service.h"

struct supervisor;

/* One child for storage, aggregation and gateway, and one ingestion and one
 * control for each broker. The programs are beside our own. They read the
 * configuration from memory that they inherit, so that no secret is on disk,
 * in ps or in the environment. config must outlive it. NOT_FOUND: a program is
 * missing; ret_error says which. */
enum kn_status supervisor_new(struct supervisor **ret, const struct kn_config *config,
                              struct kn_buf *ret_error) KN_MUST_CHECK;
/* Kills what still runs. NULL is allowed. */
void supervisor_free(struct supervisor *supervisor);

/* Starts what is due and takes note of what ended; then waits until a child
 * ends, stop_fd becomes readable or us have passed. A child that gives up (exits
 * with a code, not by a signal) before supervisor_settled was called has said
 * what is wrong, and trying again would not mend it: CONFIG. */
enum kn_status supervisor_run(struct supervisor *supervisor, int stop_fd, int64_t us) KN_MUST_CHECK;

/* From now on every child that ends is started again, whatever its exit code. */
void supervisor_settled(struct supervisor *supervisor);

/* How often children were started again. */
uint64_t supervisor_restarts(const struct supervisor *supervisor);

/* Ends all: those that bring events in first, storage last. Kills what does
 * not end within its time. */
void supervisor_stop(struct supervisor *supervisor);

#endif
