/* Finds the handler for a path and method. */
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

/* pattern: a path in which one "{name}" may match one or more characters, including slashes
 * (clients should write %2F in an ID, but some proxies decode it). Rows with the same pattern are
 * adjacent. */
struct gw_route {
    const char *pattern; /* NULL ends a table */
    enum gw_method method;
    void (*handler)(struct gw_exchange *x);
    const char *body;   /* allowed members of the body, separated by spaces; NULL: no body */
    const char *answer; /* schemas of gateway/openapi.json, separated by spaces; or a type */
    const struct gw_param_spec *params; /* of the query */
};

/* The first row with a matching pattern, whatever its method; NULL if none matches. path is as sent
 * by the client, still percent-encoded; *ret_arg is the part matching "{name}", absent if the
 * pattern has none. */
const struct gw_route *gw_route_find(const struct gw_route *table, struct kn_str path,
                                     struct kn_str *ret_arg);
/* The methods of a row's pattern, as the Allow header lists them: static. first: of its rows. */
const char *gw_route_allow(const struct gw_route *first);
/* The row for this method among those with the same pattern; NULL if none. */
const struct gw_route *gw_route_of(const struct gw_route *first, struct kn_str method);

#define GW_ALLOW_READING "GET, HEAD, OPTIONS"
/* Whether a list of methods has this one. */
bool gw_allows(const char *allow, struct kn_str method);

#endif
