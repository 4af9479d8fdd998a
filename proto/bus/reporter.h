/* Reports the state of a service every second, to storage and to its supervisor (health.h).
 * Runs in its own thread, so that a busy service does not seem dead. A service is ready if
 * its state is READY and storage has answered. */
#ifndef KN_PROTO_BUS_REPORTER_H
#define KN_PROTO_BUS_REPORTER_H

#include "proto/bus/bus.h"

struct kn_reporter;

/* Completes status, which already has name, id, version, host, pid, started_at, uptime,
 * memory and CPU; its state is READY. Texts must be valid until the next call, or lie in
 * the arena. Runs in the reporter's thread. */
typedef void kn_reporter_fill(void *arg, struct kn_arena *arena,
                              struct kn_msg_service_status *status);

/* storage: receives the reports, not owned. name: the service's name, static text. id: ID of the
 * process, copied. fill may be NULL. */
enum kn_status kn_reporter_new(struct kn_bus_client *storage, const char *name, const char *id,
                               kn_reporter_fill *fill, void *arg,
                               struct kn_reporter **ret) KN_MUST_CHECK;
/* Sends a last report, with state STOPPING, waits for its answer up to a second, and ends.
 * NULL is allowed. */
void kn_reporter_free(struct kn_reporter *reporter);

/* Writes a report without calling fill: for storage, which does not report to itself.
 * Texts lie in the arena. */
void kn_reporter_self(struct kn_arena *arena, const char *name, const char *id, int64_t started_at,
                      struct kn_msg_service_status *ret);

#endif
