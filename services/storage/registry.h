/* The latest reports of services, in memory only. A lock guards it. */
#ifndef KN_STORAGE_REGISTRY_H
#define KN_STORAGE_REGISTRY_H

#include "proto/codec.h"

struct registry;

struct registry *registry_new(void);
void registry_free(struct registry *registry);

/* Keeps the latest of each id. FULL at 1,000 services. */
enum kn_status registry_put(struct registry *registry,
                            const struct kn_msg_service_status *status) KN_MUST_CHECK;
/* Copies all reports into the arena. Services without a report for 3 s are AWAY; after a minute
 * they are removed. */
enum kn_status registry_list(struct registry *registry, struct kn_arena *arena,
                             struct kn_msg_service_status **ret, size_t *ret_count) KN_MUST_CHECK;

#endif
