/* From a path and a method to what answers them. */
#ifndef KN_GATEWAY_HTTP_ROUTER_H
#define KN_GATEWAY_HTTP_ROUTER_H

#include "services/common/text/str.h"

struct gw_exchange;
struct gw_param_spec;

enum gw_method {
    GW_GET,     /* and HEAD */
    GW_UPGRADE, /* GET, to become a WebSocket */
    GW_POST,
    GW_DELETE,
};

/* pattern: a path in which one "{name}" may stand for one or more characters, slashes among them
 * (clients ought to write %2F in an id, and some proxies undo it). Rows with the same pattern
 * stand together. */
struct gw_route {
    const char *pattern; /* NULL ends a table */
    enum gw_method method;
    void (*handler)(struct gw_exchange *x);
    const char *body;   /* members that the body may have, a space between; NULL: no body */
    const char *answer; /* schemas of gateway/openapi.json, a space between; or a type */
    const struct gw_param_spec *params; /* of the query */
};

/* The first row whose pattern fits, whatever its method; NULL when none does. path is as the
 * client sent it, still percent-encoded; *ret_arg is what stands for "{name}", absent without. */
const struct gw_route *gw_route_find(const struct gw_route *table, struct kn_str path,
                                     struct kn_str *ret_arg);
/* The methods of a row's pattern, as the Allow header lists them: static. first: of its rows. */
const char *gw_route_allow(const struct gw_route *first);
/* The row of this method among those of the same pattern; NULL when there is none. */
const struct gw_route *gw_route_of(const struct gw_route *first, struct kn_str method);

#define GW_ALLOW_READING "GET, HEAD, OPTIONS"
/* Whether a list of methods has this one. */
bool gw_allows(const char *allow, struct kn_str method);

#endif
