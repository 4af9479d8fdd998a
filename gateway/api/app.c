#include "gateway/api/app.h"

#include "gateway/api/routes.h"
#include "gateway/http/body.h"
#include "gateway/http/reply.h"
#include "services/common/config/url_prefix.h"

static bool strip(struct kn_str *path, struct kn_str prefix)
{
    if (prefix.len == 0 || !kn_str_starts(*path, prefix))
        return false;
    struct kn_str rest = {path->ptr + prefix.len, path->len - prefix.len};
    if (rest.len > 0 && rest.ptr[0] != '/')
        return false;
    *path = rest.len > 0 ? rest : KN_STR("/");
    return true;
}

/* Several proxies write one list, the outermost first. A header that is not a list of paths counts
 * as absent. */
static void read_forwarded(struct kn_str header, struct kn_buf *ret)
{
    for (size_t at = 0; at < header.len;) {
        size_t end = at;
        while (end < header.len && header.ptr[end] != ',')
            end++;
        struct kn_str item = {header.ptr + at, end - at};
        while (item.len > 0 && item.ptr[0] == ' ')
            item = (struct kn_str){item.ptr + 1, item.len - 1};
        while (item.len > 0 && item.ptr[item.len - 1] == ' ')
            item.len--;
        if (kn_url_prefix_read(item, ret))
            kn_buf_fail(ret, KN_INVALID);
        at = end + 1;
    }
}

void gw_app_find_prefix(const struct gw_app *app, struct gw_exchange *x)
{
    struct kn_str own = kn_str_from(app->url_prefix), forwarded;
    struct kn_buf prefix;
    kn_buf_init(&prefix, GW_PREFIX_MAX);
    read_forwarded(x->forwarded_prefix, &prefix);
    if (kn_buf_status(&prefix) != KN_OK)
        kn_buf_clear(&prefix);
    forwarded = kn_buf_view(&prefix);
    /* A proxy that sends the header has usually removed its path; both are accepted. */
    bool stripped = strip(&x->path, own);
    if (forwarded.len == 0 || (stripped && !kn_str_eq(forwarded, own)))
        kn_buf_str(&prefix, own); /* behind what an outer proxy removed */
    else if (!stripped)
        (void)strip(&x->path, forwarded);
    x->prefix = kn_arena_str(&x->arena, kn_buf_view(&prefix));
    kn_buf_fini(&prefix);
}

enum gw_lane gw_app_lane(struct kn_str path)
{
    if (kn_str_eq(path, KN_STR("/readyz")) || kn_str_eq(path, KN_STR("/metrics")))
        return GW_LANE_PROBE;
    return kn_str_starts(path, KN_STR("/api/")) ? GW_LANE_WORK : GW_LANE_NOW;
}

static bool is_reading(const struct gw_route *route)
{
    return route->method == GW_GET || route->method == GW_UPGRADE;
}

static void call_route(struct gw_exchange *x, const struct gw_route *route, struct kn_str arg)
{
    enum kn_status status = arg.ptr ? gw_percent_decode(arg, false, &x->arena, &x->arg) : KN_OK;
    if (status == KN_NOMEM) {
        gw_fail_memory(x);
        return;
    }
    if (status != KN_OK) {
        gw_fail(x, 400, "the path has an invalid %%XX or a NUL, or is not UTF-8");
        return;
    }
    gw_params_init(&x->params, x->query, route->params, &x->arena);
    if (is_reading(route)) {
        route->handler(x);
    } else if (x->app->may_act) {
        x->body_names = route->body ? route->body : "";
        gw_body_read(x);
        route->handler(x);
    } else {
        gw_fail(x, 403, "actions are disabled (gateway.actions)");
    }
    if (kn_buf_status(&x->body) == KN_FULL)
        gw_fail_memory(x);
    else if (kn_buf_status(&x->body) != KN_OK && x->acted)
        gw_fail_unknown(x, "the response cannot be created");
    else if (kn_buf_status(&x->body) != KN_OK)
        gw_fail(x, 500, "the response cannot be created: %s",
                kn_status_text(kn_buf_status(&x->body)));
}

/* Also under an unknown prefix: "/kanchi/api/v1/system" is not a page. */
static bool is_below_api(struct kn_str path)
{
    return path.len > 0 && memmem(path.ptr, path.len, "/api/", 5);
}

static void route_to(struct gw_app *app, struct gw_exchange *x)
{
    struct kn_str arg;
    if (kn_str_eq(x->path, KN_STR("*"))) { /* from OPTIONS: the whole server */
        x->status = 204;
        x->allow = "GET, HEAD, POST, DELETE, OPTIONS";
        return;
    }
    const struct gw_route *route = gw_route_find(gw_routes, x->path, &arg);
    const char *allow = route ? gw_route_allow(route) : GW_ALLOW_READING;
    if (!route && is_below_api(x->path)) {
        gw_fail(x, 404, "path not found: see /api/v1/openapi.json");
        return;
    }
    if (!gw_allows(allow, x->method)) {
        x->allow = allow;
        gw_fail(x, 405, "this path supports %s", allow);
    } else if (kn_str_eq(x->method, KN_STR("OPTIONS"))) {
        x->status = 204;
        x->allow = allow;
    } else if (route) {
        call_route(x, gw_route_of(route, x->method), arg);
    } else {
        gw_static_answer(app->files, x);
    }
}

void gw_app_answer(struct gw_app *app, struct gw_exchange *x)
{
    x->app = app;
    if (x->path.len > GW_PATH_MAX) {
        gw_fail(x, 414, "the path may have at most %d bytes", GW_PATH_MAX);
    } else {
        route_to(app, x);
    }
}
