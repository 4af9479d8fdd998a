/* Checks Host and Origin headers, against DNS rebinding: a page of another site that points its own
 * name at us still sends that name. */
#ifndef KN_GATEWAY_HTTP_HOST_H
#define KN_GATEWAY_HTTP_HOST_H

#include "services/common/text/str.h"

struct gw_host_rules {
    bool loopback;       /* we listen on loopback: only local names are allowed */
    const char *allowed; /* additional names, separated by commas; "*" for any; "" for none */
};

/* host: the Host header, with or without a port. An IP address is always allowed: DNS rebinding
 * needs a name. Beyond loopback and without a list, every well-formed host is allowed. */
bool gw_host_ok(const struct gw_host_rules *rules, struct kn_str host);
/* Whether a path is served under any well-formed Host: /healthz and /readyz, which reveal nothing,
 * and beyond loopback /metrics, because probes and scrapers use their own names. */
bool gw_host_any_ok(const struct gw_host_rules *rules, struct kn_str path);
/* origin: the Origin header; absent for clients that are not browsers, which is allowed. Its name
 * must be that of the Host header, of X-Forwarded-Host (which no page of another site can set), or
 * an allowed one. Ports are compared only for names of this machine, if Host has one. */
bool gw_origin_ok(const struct gw_host_rules *rules, struct kn_str origin, struct kn_str host,
                  struct kn_str forwarded_host);
/* Whether an address to listen on ("127.0.0.1", "::1", "localhost") is loopback. */
bool gw_host_is_loopback(const char *address);

#endif
