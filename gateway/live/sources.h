/* The names of the sources in storage's SYSTEM document. */
#ifndef KN_GATEWAY_LIVE_SOURCES_H
#define KN_GATEWAY_LIVE_SOURCES_H

#include "proto/messages.h"
#include "services/common/config/config.h"

enum { GW_SOURCES_MAX = 256 };

struct gw_sources {
    size_t count;
    char names[GW_SOURCES_MAX][KN_SOURCE_MAX + 1];
};

/* Each name once; at most GW_SOURCES_MAX. */
void gw_sources_of(const struct kn_msg_system *system, struct gw_sources *ret);
bool gw_sources_have(const struct gw_sources *sources, struct kn_str name);

#endif
