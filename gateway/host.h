/* Which Host and Origin headers are good. Against DNS rebinding: a page of
 * another site that makes its own name point at us still sends that name. */
#ifndef KN_GATEWAY_HOST_H
#define KN_GATEWAY_HOST_H

#include "services/common/str.h"

struct gw_host_rules {
    bool loopback;       /* we listen on loopback: only local names are good */
    const char *allowed; /* further names, with commas between; "*" for any; "" for none */
};

/* host: of the Host header, with or without a port. Without loopback and without
 * a list, every well-formed host is good. */
bool gw_host_ok(const struct gw_host_rules *rules, struct kn_str host);
/* origin: of the Origin header, absent for clients that are no browser, which is
 * good. It must be that of the host, or of an allowed name. */
bool gw_origin_ok(const struct gw_host_rules *rules, struct kn_str origin, struct kn_str host);
/* Whether an address to listen on ("127.0.0.1", "::1", "localhost") is loopback. */
bool gw_host_is_loopback(const char *address);

#endif
