#include "gateway/http/router.h"

static bool fits(const char *pattern, struct kn_str path, struct kn_str *ret_arg)
{
    const char *star = strchr(pattern, '*');
    if (!star) {
        *ret_arg = KN_STR_ABSENT;
        return kn_str_eq(path, kn_str_from(pattern));
    }
    size_t head = (size_t)(star - pattern), tail = strlen(star + 1);
    if (path.len <= head + tail || memcmp(path.ptr, pattern, head) != 0 ||
        memcmp(path.ptr + path.len - tail, star + 1, tail) != 0)
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

bool gw_route_allows(const struct gw_route *route, struct kn_str method)
{
    const char *at = route->allow;
    while (*at) {
        size_t len = strcspn(at, ", ");
        if (len && kn_str_eq(method, (struct kn_str){at, len}))
            return true;
        at += len + strspn(at + len, ", ");
    }
    return false;
}
