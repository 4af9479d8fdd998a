/* Tells storage every second how a service is, and whoever supervises it (health.h): a
 * thread of its own, so that a service which is busy is not taken for dead. Ready is a
 * service whose state is READY and that storage has answered. */
#ifndef KN_PROTO_BUS_REPORTER_H
#define KN_PROTO_BUS_REPORTER_H

#include "proto/bus/bus.h"

struct kn_reporter;

/* Completes status, which has name, id, version, host, pid, started_at, uptime,
 * memory and CPU already; state is READY. Texts must live until the next call, or
 * lie in the arena. Runs on the reporter's thread. */
typedef void kn_reporter_fill(void *arg, struct kn_arena *arena,
                              struct kn_msg_service_status *status);

/* storage: where to report, not owned. name: of the service, static text; id: of the
 * process, copied. fill may be NULL. */
enum kn_status kn_reporter_new(struct kn_bus_client *storage, const char *name, const char *id,
                               kn_reporter_fill *fill, void *arg,
                               struct kn_reporter **ret) KN_MUST_CHECK;
/* Reports once more, with state STOPPING, waits for it up to a second, and ends.
 * NULL is allowed. */
void kn_reporter_free(struct kn_reporter *reporter);

/* What a report would say now, without fill: for the service that has no storage
 * to report to, which is storage itself. Texts are in the arena. */
void kn_reporter_self(struct kn_arena *arena, const char *name, const char *id, int64_t started_at,
                      struct kn_msg_service_status *ret);

#endif
