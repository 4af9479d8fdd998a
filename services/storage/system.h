/* The whole system: data from the database, and the reports of services. */
#ifndef KN_STORAGE_SYSTEM_H
#define KN_STORAGE_SYSTEM_H

#include "services/storage/registry.h"
#include "services/storage/store.h"

enum kn_status system_read(struct store_reader *reader, struct registry *registry,
                           struct kn_arena *arena, struct kn_msg_system *ret) KN_MUST_CHECK;

#endif
