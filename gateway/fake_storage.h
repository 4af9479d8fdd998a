/* Internal to the fake storage: shared by its files. */
#ifndef KN_GATEWAY_FAKE_STORAGE_H
#define KN_GATEWAY_FAKE_STORAGE_H

#include "proto/bus/bus.h"
#include "services/common/text/time.h"

#include <stdatomic.h>

/* The time of most generated data. */
#define AT (INT64_C(1795428000) * KN_SECOND)

extern atomic_ullong fake_number; /* of the feed */

struct kn_str fake_text(struct kn_arena *arena, const char *prefix, size_t i);
void fake_task(struct kn_arena *arena, size_t i, struct kn_msg_task *task);
void fake_worker(struct kn_msg_worker *worker, const char *name, const char *source);

/* Answers like storage or control. */
enum kn_status fake_handle(void *arg, const struct kn_bus_message *request,
                           struct kn_bus_reply *reply);
/* Answers like the control of a source; UNSUPPORTED for other kinds. */
enum kn_status fake_control(struct kn_arena *arena, const struct kn_bus_message *request,
                            struct kn_bus_reply *reply);

#endif
