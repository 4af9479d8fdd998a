/* The system as far as it is known while storage does not respond. */
#ifndef KN_GATEWAY_LIVE_STALE_H
#define KN_GATEWAY_LIVE_STALE_H

#include "proto/codec.h"

struct gw_stale {
    const char *self;   /* id of this gateway's reports */
    int64_t since;      /* when storage was last heard; 0: never */
    struct kn_str last; /* encoded SYSTEM, storage's newest; empty: none */
};

/* Builds it in the arena: the newest document, in which all services but this gateway are away, the
 * connections to brokers are unknown, and one finding says so. */
enum kn_status gw_stale_system(const struct gw_stale *stale, struct kn_arena *arena,
                               struct kn_msg_system *ret) KN_MUST_CHECK;

#endif
