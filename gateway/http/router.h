/* From a path to what answers it. */
#ifndef KN_GATEWAY_HTTP_ROUTER_H
#define KN_GATEWAY_HTTP_ROUTER_H

#include "services/common/text/str.h"

struct gw_exchange;

/* pattern: a path in which one "*" may stand for one or more characters, slashes
 * among them (clients ought to write %2F in an id, and some proxies undo it). */
struct gw_route {
    const char *pattern;
    const char *allow;                      /* methods, as the Allow header lists them */
    void (*handler)(struct gw_exchange *x); /* of GET; NULL: there is none */
    void (*act)(struct gw_exchange *x);     /* of POST and DELETE; NULL: there is none */
};

/* The first route of the table (ended by a NULL pattern) that fits, NULL when
 * none does. path is as the client sent it, still percent-encoded; *ret_arg is
 * what stands for the "*", absent without one. */
const struct gw_route *gw_route_find(const struct gw_route *table, struct kn_str path,
                                     struct kn_str *ret_arg);
/* Whether the list of methods has this one. */
bool gw_route_allows(const struct gw_route *route, struct kn_str method);

#endif
