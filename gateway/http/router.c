#include "gateway/http/router.h"

#include "services/common/count.h"

static bool fits(const char *pattern, struct kn_str path, struct kn_str *ret_arg)
{
    const char *open = strchr(pattern, '{');
    const char *close = open ? strchr(open, '}') : NULL;
    if (!close) {
        *ret_arg = KN_STR_ABSENT;
        return kn_str_eq(path, kn_str_from(pattern));
    }
    size_t head = (size_t)(open - pattern), tail = strlen(close + 1);
    if (path.len <= head + tail || memcmp(path.ptr, pattern, head) != 0 ||
        memcmp(path.ptr + path.len - tail, close + 1, tail) != 0)
        return false;
    *ret_arg = (struct kn_str){path.ptr + head, path.len - head - tail};
    return true;
}

const struct gw_route *gw_route_find(const struct gw_route *table, struct kn_str path,
                                     struct kn_str *ret_arg)
{
    for (const struct gw_route *route = table; route->pattern; route++)
        if (fits(route->pattern, path, ret_arg))
            return route;
    return NULL;
}

/* The row after it, if that has the same pattern. */
static const struct gw_route *sibling(const struct gw_route *route)
{
    const struct gw_route *next = route + 1;
    return next->pattern && strcmp(next->pattern, route->pattern) == 0 ? next : NULL;
}

const char *gw_route_allow(const struct gw_route *first)
{
    enum {
        GET = 1 << GW_GET,
        UPGRADE = 1 << GW_UPGRADE,
        POST = 1 << GW_POST,
        DELETE = 1 << GW_DELETE
    };
    static const char *const lists[] = {
        [GET] = GW_ALLOW_READING,
        [GET | POST] = GW_ALLOW_READING ", POST",
        [GET | DELETE] = GW_ALLOW_READING ", DELETE",
        [GET | POST | DELETE] = GW_ALLOW_READING ", POST, DELETE",
        [UPGRADE] = "GET, OPTIONS",
        [POST] = "POST, OPTIONS",
        [DELETE] = "DELETE, OPTIONS",
        [POST | DELETE] = "POST, DELETE, OPTIONS",
    };
    unsigned methods = 0;
    for (const struct gw_route *route = first; route; route = sibling(route))
        methods |= 1U << route->method;
    return methods < KN_COUNT_OF(lists) && lists[methods] ? lists[methods] : "OPTIONS";
}

static bool has_method(const struct gw_route *route, struct kn_str method)
{
    switch (route->method) {
    case GW_GET:
        return kn_str_eq(method, KN_STR("GET")) || kn_str_eq(method, KN_STR("HEAD"));
    case GW_UPGRADE:
        return kn_str_eq(method, KN_STR("GET"));
    case GW_POST:
        return kn_str_eq(method, KN_STR("POST"));
    case GW_DELETE:
        return kn_str_eq(method, KN_STR("DELETE"));
    }
    return false;
}

const struct gw_route *gw_route_of(const struct gw_route *first, struct kn_str method)
{
    for (const struct gw_route *route = first; route; route = sibling(route))
        if (has_method(route, method))
            return route;
    return NULL;
}

bool gw_allows(const char *allow, struct kn_str method)
{
    const char *at = allow;
    while (*at) {
        size_t len = strcspn(at, ", ");
        if (len && kn_str_eq(method, (struct kn_str){at, len}))
            return true;
        at += len + strspn(at + len, ", ");
    }
    return false;
}
