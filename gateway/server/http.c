#include "gateway/server/server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- the answer ------------------------------------------------------------------------- */

static void add_date(struct kn_buf *out)
{
    char text[64];
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    kn_buf_printf(out, "Date: %s\r\n", text);
}

static void add_security(struct kn_buf *out, const struct gw_exchange *x)
{
    const char *policy = "default-src 'none'; frame-ancestors 'none'";
    if (x->page)
        policy = gw_static_policy(x->app->files);
    kn_buf_printf(out, "Content-Security-Policy: %s\r\n", policy);
    kn_buf_text(out, "X-Content-Type-Options: nosniff\r\n"
                     "X-Frame-Options: DENY\r\n"
                     "Referrer-Policy: no-referrer\r\n"
                     "Cross-Origin-Opener-Policy: same-origin\r\n"
                     "Cross-Origin-Resource-Policy: same-origin\r\n");
}

/* x->body has the accepted key. */
static void add_upgrade(struct kn_buf *out, const struct gw_exchange *x)
{
    kn_buf_text(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    kn_buf_str(out, kn_buf_view(&x->body));
    kn_buf_text(out, "\r\n\r\n");
}

static void add_headers(struct kn_buf *out, const struct gw_exchange *x, bool close)
{
    kn_buf_printf(out, "HTTP/1.1 %d %s\r\n", x->status, gw_http_reason(x->status));
    add_date(out);
    add_security(out, x);
    kn_buf_printf(out, "Cache-Control: %s\r\n", x->cache ? x->cache : "no-store");
    if (x->status != 204 && x->status != 304)
        kn_buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", x->type,
                      gw_exchange_body(x).len);
    if (x->etag[0])
        kn_buf_printf(out, "ETag: %s\r\n", x->etag);
    if (x->page)
        kn_buf_text(out, "Vary: Accept-Encoding, X-Forwarded-Prefix\r\n");
    if (x->encoding && x->status != 304)
        kn_buf_printf(out, "Content-Encoding: %s\r\n", x->encoding);
    if (x->allow)
        kn_buf_printf(out, "Allow: %s\r\n", x->allow);
    if (x->retry_after)
        kn_buf_printf(out, "Retry-After: %d\r\n", x->retry_after);
    if (x->status == 426)
        kn_buf_text(out, "Upgrade: websocket\r\n");
    kn_buf_text(out, close ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n");
}

void http_finish(struct request *request)
{
    struct gw_exchange *x = &request->x;
    if (request->upgrades)
        add_upgrade(&request->answer, x);
    else
        add_headers(&request->answer, x, request->close);
    unsigned hundred = (unsigned)x->status / 100;
    atomic_fetch_add(&x->app->counters.requests[hundred < 6 ? hundred : 5], 1);
    kn_arena_fini(&x->arena);
    free(request->data);
    request->data = NULL; /* len stays: the loop may be reading it */
}

/* ---- the request ------------------------------------------------------------------------ */

static struct kn_str header(const struct request *request, const char *name)
{
    return gw_head_get(&request->head, name);
}

/* What is wrong with who asks, and from where. */
static void check_host(struct request *request)
{
    struct gw_exchange *x = &request->x;
    struct kn_str host = header(request, "Host");
    if (host.ptr && !gw_host_ok(&x->app->hosts, host) && !gw_host_any_ok(&x->app->hosts, x->path))
        gw_fail(x, 403, "unknown Host: add its name to gateway.allowed_hosts");
}

static bool is_origin_ok(const struct request *request)
{
    struct kn_str site = header(request, "Sec-Fetch-Site"); /* pages cannot set it */
    if (kn_str_eq(site, KN_STR("same-origin")))
        return true;
    return gw_origin_ok(&request->x.app->hosts, header(request, "Origin"), header(request, "Host"),
                        header(request, "X-Forwarded-Host"));
}

static bool is_reading(struct kn_str method)
{
    return kn_str_eq(method, KN_STR("GET")) || kn_str_eq(method, KN_STR("HEAD")) ||
           kn_str_eq(method, KN_STR("OPTIONS"));
}

static bool is_json(struct kn_str type)
{
    struct kn_str name = {type.ptr, type.len < 16 ? type.len : 16};
    return type.ptr && kn_str_eq_nocase(name, KN_STR("application/json")) &&
           (type.len == 16 || type.ptr[16] == ';' || type.ptr[16] == ' ');
}

/* A page of another site can make a browser send requests with its user's permissions. Such a
 * request has another Origin or declares itself as cross-site, and without a CORS preflight it
 * cannot send JSON. */
static void check_writer(struct request *request)
{
    struct gw_exchange *x = &request->x;
    struct kn_str site = header(request, "Sec-Fetch-Site");
    if (!is_origin_ok(request))
        gw_fail(x, 403, "the Origin of an action must be the host that it is sent to");
    else if (site.ptr && !kn_str_eq(site, KN_STR("same-origin")) &&
             !kn_str_eq(site, KN_STR("none")))
        gw_fail(x, 403, "pages of other sites cannot take actions");
    else if (request->head.content_length > 0 && !is_json(header(request, "Content-Type")))
        gw_fail(x, 415, "the Content-Type of a request body must be application/json");
}

static void fill_path(struct request *request)
{
    struct gw_exchange *x = &request->x;
    x->method = request->head.method;
    x->path = request->head.path;
    x->forwarded_prefix = header(request, "X-Forwarded-Prefix");
    gw_app_find_prefix(x->app, x);
}

void http_check(struct request *request)
{
    struct gw_exchange *x = &request->x;
    const char *user_header = x->app->user_header;
    fill_path(request);
    x->head = kn_str_eq(x->method, KN_STR("HEAD"));
    check_host(request);
    if (x->problem.status)
        return;
    if (request->head.content_length > REQUEST_BODY_MAX)
        gw_fail(x, 413, "the request body may have at most %d bytes", REQUEST_BODY_MAX);
    else if (user_header[0] && gw_head_count(&request->head, user_header) > 1)
        gw_fail(x, 400, "the header %s is given twice", user_header);
    else if (!is_reading(x->method))
        check_writer(request);
}

void http_fill(struct request *request)
{
    struct gw_exchange *x = &request->x;
    size_t body = (size_t)request->head.content_length;
    fill_path(request);
    x->query = request->head.query;
    x->accept_encoding = header(request, "Accept-Encoding");
    x->if_none_match = header(request, "If-None-Match");
    x->agent = header(request, "User-Agent");
    if (x->app->user_header[0])
        x->user = header(request, x->app->user_header);
    if (body && !is_reading(x->method))
        x->body_in = (struct kn_str){request->data + request->len - body, body};
}

bool http_is_handshake(const struct request *request)
{
    return request->head.upgrade && kn_str_eq(request->x.path, KN_STR("/api/v1/ws"));
}

void http_shake_hands(struct request *request, struct gw_client **ret_client)
{
    struct gw_exchange *x = &request->x;
    if (!kn_str_eq(x->method, KN_STR("GET"))) {
        x->allow = "GET, OPTIONS";
        gw_fail(x, 405, "a WebSocket handshake must use GET");
    } else if (!is_origin_ok(request)) {
        gw_fail(x, 403, "the Origin of a WebSocket must be the host it connects to");
    } else if (!kn_str_eq(header(request, "Sec-WebSocket-Version"), KN_STR("13")) ||
               !gw_ws_accept(header(request, "Sec-WebSocket-Key"), &x->body)) {
        gw_fail(x, 400, "not a WebSocket handshake of version 13 (RFC 6455)");
    } else if (gw_hub_join(x->app->hub, ret_client) != KN_OK) {
        gw_fail(x, 503, "too many WebSocket clients (gateway.ws_clients_max)");
    } else {
        x->status = 101;
    }
}
