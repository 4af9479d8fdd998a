/* How this process is, for whoever supervises it: a small HTTP server with
 *
 *   /healthz   200 while the process runs
 *   /readyz    200 while it does its work, else 503 and a sentence why not
 *   /metrics   what it uses, as Prometheus reads it
 *
 * One a process, on a thread of its own; it holds few connections, each for a short
 * time. Functions may be called from any thread, but for start and stop. */
#ifndef KN_COMMON_PROCESS_HEALTH_H
#define KN_COMMON_PROCESS_HEALTH_H

#include "services/common/status.h"
#include "services/common/text/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Listens at "host:port"; port 0 takes a free one. service: static text. On failure
 * ret_error has a sentence. */
enum kn_status kn_health_start(const char *address, const char *service,
                               struct kn_buf *ret_error) KN_MUST_CHECK;
/* Does nothing when it was not started. */
void kn_health_stop(void);
/* 0 when it was not started. */
int kn_health_port(void);

/* Whether the process does its work; why is for people, and copied. Not ready before it
 * was told, and 10 seconds after it was told last. */
void kn_health_set(bool ready, struct kn_str why);

#endif
