/* The health of this process, for its supervisor: a small HTTP server with
 *
 *   /healthz   200 while the process is running
 *   /readyz    200 while it is ready, otherwise 503 and the reason
 *   /metrics   its resource usage in Prometheus format
 *
 * One per process, on its own thread; it accepts few connections, each for a short
 * time. All functions except start and stop may be called from any thread. */
#ifndef KN_COMMON_PROCESS_HEALTH_H
#define KN_COMMON_PROCESS_HEALTH_H

#include "services/common/status.h"
#include "services/common/text/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Listens at "host:port"; port 0 selects a free port. service: static string. On failure
 * error has a message. */
enum kn_status kn_health_start(const char *address, const char *service,
                               struct kn_buf *error) KN_MUST_CHECK;
/* Does nothing if it was not started. */
void kn_health_stop(void);
/* 0 if it was not started. */
int kn_health_port(void);

/* Reports whether the process is ready; why is shown to users, and copied. The process counts as
 * not ready before the first report, and 10 seconds after the last. */
void kn_health_set(bool ready, struct kn_str why);

#endif
