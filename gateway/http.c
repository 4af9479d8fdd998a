#include "gateway/server_internal.h"

#include "services/common/log.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

/* What civetweb keeps of a request lives as long as the request. */

static struct kn_str header(const struct mg_connection *conn, const char *name)
{
    return kn_str_from(mg_get_header(conn, name));
}

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

static void send_answer(struct mg_connection *conn, struct gw_exchange *x, bool close)
{
    enum { JOINED = 64 * 1024 };
    struct kn_buf out;
    kn_buf_init(&out, GW_BODY_MAX);
    add_headers(&out, x, close);
    struct kn_str body = gw_exchange_body(x);
    if (x->head || x->status == 204 || x->status == 304)
        body.len = 0;
    bool joined = body.len <= JOINED;
    if (joined)
        kn_buf_str(&out, body);
    if (kn_buf_status(&out) == KN_OK && mg_write(conn, out.data, out.len) > 0 && !joined)
        mg_write(conn, body.ptr, body.len);
    kn_buf_fini(&out);
}

/* ---- the request ------------------------------------------------------------------------ */

static bool is_upgrade(const struct mg_connection *conn)
{
    const char *upgrade = mg_get_header(conn, "Upgrade");
    const char *connection = mg_get_header(conn, "Connection");
    return upgrade && connection && strcasecmp(upgrade, "websocket") == 0 &&
           strcasestr(connection, "upgrade");
}

/* What is wrong with who asks, and from where. */
static void check_host(struct gw_server *server, struct mg_connection *conn, struct gw_exchange *x)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct kn_str host = header(conn, "Host");
    if (!host.ptr && strcmp(info->http_version, "1.0") != 0)
        gw_fail(x, 400, "the Host header is missing");
    else if (host.ptr && !gw_host_ok(&server->options.app->hosts, host) &&
             !gw_host_any_ok(&server->options.app->hosts, x->path))
        gw_fail(x, 403, "this Host is not served here: add its name to gateway.allowed_hosts");
}

static bool is_origin_ok(struct gw_server *server, const struct mg_connection *conn)
{
    const char *site = mg_get_header(conn, "Sec-Fetch-Site"); /* pages cannot set it */
    if (site && strcmp(site, "same-origin") == 0)
        return true;
    return gw_origin_ok(&server->options.app->hosts, header(conn, "Origin"), header(conn, "Host"),
                        header(conn, "X-Forwarded-Host"));
}

static void check_handshake(struct gw_server *server, struct mg_connection *conn,
                            struct gw_exchange *x)
{
    const char *version = mg_get_header(conn, "Sec-WebSocket-Version");
    struct kn_str key = header(conn, "Sec-WebSocket-Key");
    struct gw_hub_counters counters;
    gw_hub_counters(server->options.app->hub, &counters);
    if (!kn_str_eq(x->method, KN_STR("GET")))
        gw_fail(x, 405, "a WebSocket handshake is a GET");
    else if (!is_origin_ok(server, conn))
        gw_fail(x, 403, "the Origin of a WebSocket must be the host that it connects to");
    else if (key.len != 24 || !version || strcmp(version, "13") != 0)
        gw_fail(x, 400, "this is no handshake of WebSocket version 13 (RFC 6455)");
    else if (counters.clients >= server->options.ws_clients_max)
        gw_fail(x, 503, "there are as many WebSocket clients as the gateway takes");
}

static void fill(struct gw_exchange *x, struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    x->method = kn_str_from(info->request_method);
    x->path = kn_str_from(info->local_uri_raw);
    x->query = kn_str_from(info->query_string);
    x->accept_encoding = header(conn, "Accept-Encoding");
    x->if_none_match = header(conn, "If-None-Match");
    x->agent = header(conn, "User-Agent");
    if (x->app->user_header[0])
        x->user = header(conn, x->app->user_header);
    snprintf(x->remote, sizeof x->remote, "%s", info->remote_addr);
    x->forwarded_prefix = header(conn, "X-Forwarded-Prefix");
    gw_app_find_prefix(x->app, x);
}

static bool is_reading(struct kn_str method)
{
    return kn_str_eq(method, KN_STR("GET")) || kn_str_eq(method, KN_STR("HEAD")) ||
           kn_str_eq(method, KN_STR("OPTIONS"));
}

/* A page of another site may make a browser send what its user is allowed to: such a
 * request has another Origin, or says so itself; and what it can send without being
 * asked for permission before is no JSON. */
static void check_writer(struct gw_server *server, struct mg_connection *conn,
                         struct gw_exchange *x)
{
    const char *site = mg_get_header(conn, "Sec-Fetch-Site");
    const char *type = mg_get_header(conn, "Content-Type");
    bool json = type && strncasecmp(type, "application/json", 16) == 0 &&
                (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
    if (!is_origin_ok(server, conn))
        gw_fail(x, 403, "the Origin of a request that acts must be the host that it is sent to");
    else if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        gw_fail(x, 403, "a page of another site may not act here");
    else if (mg_get_request_info(conn)->content_length > 0 && !json)
        gw_fail(x, 415, "the Content-Type of a body is application/json");
}

static void read_body(struct mg_connection *conn, struct gw_exchange *x)
{
    long long length = mg_get_request_info(conn)->content_length;
    if (length <= 0)
        return;
    char *body = kn_arena_alloc(&x->arena, (size_t)length);
    size_t got = 0;
    while (body && got < (size_t)length) {
        int n = mg_read(conn, body + got, (size_t)length - got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    if (!body)
        gw_fail(x, 503, "out of memory");
    else if (got < (size_t)length)
        gw_fail(x, 400, "the body of the request ends too early");
    else
        x->body_in = (struct kn_str){body, got};
}

/* Whether the body is more than we read away to keep the connection. */
static bool has_large_body(const struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    return mg_get_header(conn, "Transfer-Encoding") || info->content_length > REQUEST_BODY_MAX;
}

static void answer(struct gw_server *server, struct mg_connection *conn, struct gw_exchange *x)
{
    check_host(server, conn, x);
    if (x->problem.status)
        return;
    if (has_large_body(conn))
        gw_fail(x, 413, "the body of a request has a Content-Length of at most %d bytes",
                REQUEST_BODY_MAX);
    else if (!is_reading(x->method))
        check_writer(server, conn, x);
    if (!x->problem.status && !is_reading(x->method))
        read_body(conn, x);
    if (!x->problem.status)
        gw_app_answer(server->options.app, x);
}

int http_begin_request(struct mg_connection *conn)
{
    struct gw_server *server = mg_get_user_context_data(conn);
    unsigned active = (unsigned)atomic_load(&server->connections);
    bool full = active > server->options.threads;
    bool close = active > server->options.threads - server->options.threads / 4;
    bool drop = has_large_body(conn), handshake = false;
    struct gw_exchange x;
    gw_exchange_init(&x, server->options.app);
    fill(&x, conn);
    if (full) {
        atomic_fetch_add(&server->options.app->counters.refused, 1);
        x.retry_after = 1;
        gw_fail(&x, 503, "too many connections at once, try again");
    } else if (is_upgrade(conn) && kn_str_eq(x.path, KN_STR("/api/v1/ws"))) {
        check_host(server, conn, &x);
        if (!x.problem.status)
            check_handshake(server, conn, &x);
        handshake = !x.problem.status;
    } else {
        answer(server, conn, &x);
    }
    if (!handshake)
        send_answer(conn, &x, full || close || drop);
    int status = handshake ? 0 : x.status;
    gw_exchange_fini(&x);
    /* A negative value makes civetweb close the connection without reading the body. */
    return drop && !handshake ? -1 : status;
}

int http_error(struct mg_connection *conn, int status, const char *message)
{
    static struct kn_log_limit limit;
    uint64_t skipped;
    struct gw_server *server = mg_get_user_context_data(conn);
    struct gw_exchange x;
    gw_exchange_init(&x, server->options.app);
    if (status == 413) /* civetweb's word for headers that are too long */
        status = 431;
    gw_fail(&x, status, "%s", message);
    send_answer(conn, &x, true);
    if (kn_log_allow(&limit, &skipped))
        KN_INFO("gateway.bad_request", KN_F_I64("status", status), KN_F_TEXT("text", message),
                KN_F_I64("skipped", skipped));
    gw_exchange_fini(&x);
    return 0;
}
