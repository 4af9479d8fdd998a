#include "services/broker/url.h"

#include "services/common/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#define REDIS_PORT 6379
#define SENTINEL_PORT 26379
#define AMQP_PORT 5672
#define AMQPS_PORT 5671

enum scheme_flags { F_TLS = 1, F_SOCKET = 2, F_SENTINEL = 4 };

static const struct scheme {
    const char *name;
    enum broker_kind kind;
    int flags;
    uint16_t port;
} schemes[] = {
    {"redis", BROKER_REDIS, 0, REDIS_PORT},
    {"rediss", BROKER_REDIS, F_TLS, REDIS_PORT},
    {"redis+socket", BROKER_REDIS, F_SOCKET, 0},
    {"socket", BROKER_REDIS, F_SOCKET, 0},
    {"unix", BROKER_REDIS, F_SOCKET, 0},
    {"sentinel", BROKER_REDIS, F_SENTINEL, SENTINEL_PORT},
    {"amqp", BROKER_AMQP, 0, AMQP_PORT},
    {"pyamqp", BROKER_AMQP, 0, AMQP_PORT},
    {"librabbitmq", BROKER_AMQP, 0, AMQP_PORT},
    {"amqps", BROKER_AMQP, F_TLS, AMQPS_PORT},
};

/* The URL with the memory that its texts live in. */
struct owned_url {
    struct broker_url url;
    struct kn_arena arena;
};

struct parser {
    struct owned_url *out;
    struct kn_buf *error;
    const struct scheme *scheme;
    bool first;
};

/* One URL of the list, cut into its parts; nothing is decoded yet. */
struct parts {
    struct kn_str userinfo, hostport, path, query;
};

static enum kn_status fail(struct parser *p, const char *text)
{
    if (p->error)
        kn_buf_text(p->error, text);
    return KN_CONFIG;
}

static size_t find_any(struct kn_str s, const char *set)
{
    size_t i = 0;
    while (i < s.len && !strchr(set, s.ptr[i]))
        i++;
    return i;
}

static struct kn_str from(struct kn_str s, size_t start)
{
    return (struct kn_str){s.ptr + start, s.len - start};
}

static struct kn_str head(struct kn_str s, size_t len)
{
    return (struct kn_str){s.ptr, len};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes s into the URL's memory; what is no escape stays as it is,
 * as in Python's unquote. NULL for an empty text. */
static enum kn_status decode(struct parser *p, struct kn_str s, bool plus, const char **ret)
{
    if (s.len == 0) {
        *ret = NULL;
        return KN_OK;
    }
    char *out = kn_arena_alloc(&p->out->arena, s.len + 1);
    if (!out)
        return KN_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        int high = -1;
        int low = -1;
        if (s.ptr[i] == '%' && i + 2 < s.len) {
            high = hex_digit(s.ptr[i + 1]);
            low = hex_digit(s.ptr[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            out[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[n++] = plus && s.ptr[i] == '+' ? ' ' : s.ptr[i];
        }
        if (out[n - 1] == '\0')
            return fail(p, "the URL holds a NUL byte");
    }
    *ret = out;
    return KN_OK;
}

static enum kn_status find_scheme(struct parser *p, struct kn_str name)
{
    p->scheme = NULL;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (kn_str_eq(name, kn_str_from(schemes[i].name)))
            p->scheme = &schemes[i];
    }
    if (!p->scheme)
        return fail(p, "the scheme is not one that Kanchi speaks: redis, rediss, redis+socket, "
                       "socket, unix, sentinel, amqp, amqps, pyamqp");
    return KN_OK;
}

static void cut(struct kn_str rest, struct parts *ret)
{
    size_t fragment = find_any(rest, "#");
    rest = head(rest, fragment);
    size_t query = find_any(rest, "?");
    ret->query = query < rest.len ? from(rest, query + 1) : KN_STR("");
    rest = head(rest, query);
    size_t path = find_any(rest, "/");
    ret->path = from(rest, path);
    rest = head(rest, path);
    size_t at = rest.len;
    while (at > 0 && rest.ptr[at - 1] != '@')
        at--;
    ret->userinfo = head(rest, at ? at - 1 : 0);
    ret->hostport = from(rest, at);
}

static enum kn_status read_user(struct parser *p, struct kn_str userinfo)
{
    struct broker_url *url = &p->out->url;
    size_t colon = find_any(userinfo, ":");
    enum kn_status status = decode(p, head(userinfo, colon), false, &url->user);
    if (status == KN_OK && colon < userinfo.len)
        status = decode(p, from(userinfo, colon + 1), false, &url->password);
    return status;
}

static enum kn_status read_port(struct parser *p, struct kn_str text, uint16_t *ret)
{
    uint64_t port = 0; /* the default, which is known when the query is read */
    if (text.len > 0 && (!kn_str_to_u64(text, &port) || port == 0 || port > 65535))
        return fail(p, "the port is not a number from 1 to 65535 (in a user or password, the "
                       "characters / ? # have to be written %2F %3F %23)");
    *ret = (uint16_t)port;
    return KN_OK;
}

static enum kn_status read_host(struct parser *p, struct kn_str hostport)
{
    struct broker_url *url = &p->out->url;
    if (url->host_count == BROKER_HOSTS_MAX)
        return fail(p, "there are more than 16 hosts");
    struct broker_host *host = &url->hosts[url->host_count];
    struct kn_str name, port;
    if (hostport.len > 0 && hostport.ptr[0] == '[') {
        size_t end = find_any(hostport, "]");
        if (end == hostport.len)
            return fail(p, "the host begins with [ but has no ]");
        name = head(from(hostport, 1), end - 1);
        port = from(hostport, end + 1);
        if (port.len > 0 && port.ptr[0] != ':')
            return fail(p, "after the host's ] there is something else than a port");
        if (name.len == 0)
            return fail(p, "the host is empty");
    } else {
        size_t colon = find_any(hostport, ":");
        name = head(hostport, colon);
        port = from(hostport, colon);
    }
    enum kn_status status = read_port(p, port.len ? from(port, 1) : port, &host->port);
    if (status == KN_OK)
        status = decode(p, name, false, &host->host);
    if (status == KN_OK && !host->host)
        host->host = "localhost";
    if (status == KN_OK)
        url->host_count++;
    return status;
}

static enum kn_status read_db(struct parser *p, const char *text)
{
    struct kn_str s = kn_str_from(text);
    if (s.len > 0 && s.ptr[0] == '/')
        s = from(s, 1);
    uint64_t db = 0;
    if (s.len > 0 && (!kn_str_to_u64(s, &db) || db > INT32_MAX))
        return fail(p, "the database is not a number (redis://host:port/NUMBER)");
    p->out->url.db = (int)db;
    return KN_OK;
}

static enum kn_status read_place(struct parser *p, const char *text)
{
    if (p->scheme->kind == BROKER_REDIS)
        return read_db(p, text);
    p->out->url.vhost = text ? text : "/";
    return KN_OK;
}

static enum kn_status read_path(struct parser *p, struct kn_str path)
{
    const char *text = NULL;
    bool is_socket = p->scheme->flags & F_SOCKET;
    if (!is_socket && path.len > 0)
        path = from(path, 1);
    enum kn_status status = decode(p, path, false, &text);
    if (status != KN_OK)
        return status;
    if (!is_socket)
        return read_place(p, text);
    if (!text || strlen(text) < 2)
        return fail(p, "the path of the socket is missing (redis+socket:///path/to/redis.sock)");
    if (strlen(text) > 107)
        return fail(p, "the path of the socket is longer than 107 bytes");
    p->out->url.socket_path = text;
    return KN_OK;
}

static enum kn_status read_verify(struct parser *p, const char *value)
{
    struct broker_tls_options *tls = &p->out->url.tls;
    /* optional is the same for a client, says Python's ssl */
    if (!strcmp(value, "required") || !strcmp(value, "CERT_REQUIRED") ||
        !strcmp(value, "optional") || !strcmp(value, "CERT_OPTIONAL"))
        tls->verify = BROKER_TLS_REQUIRED;
    else if (!strcmp(value, "none") || !strcmp(value, "CERT_NONE"))
        tls->verify = BROKER_TLS_NONE;
    else
        return fail(p, "ssl_cert_reqs is none of required, optional, none");
    return KN_OK;
}

static enum kn_status read_check_hostname(struct parser *p, const char *value)
{
    p->out->url.tls.check_hostname = strcasecmp(value, "false") != 0;
    return KN_OK;
}

static enum kn_status read_option(struct parser *p, struct kn_str key, const char *value)
{
    struct broker_url *url = &p->out->url;
    const struct {
        const char *key;
        const char **into;
        enum kn_status (*read)(struct parser *, const char *);
    } options[] = {
        {"virtual_host", NULL, read_place},
        {"virtual_port", NULL, read_place},
        {"db", NULL, read_place},
        {"username", &url->user, NULL},
        {"password", &url->password, NULL},
        {"master_name", &url->master_name, NULL},
        {"sentinel_username", &url->sentinel_user, NULL},
        {"sentinel_password", &url->sentinel_password, NULL},
        {"ssl_cert_reqs", NULL, read_verify},
        {"ssl_check_hostname", NULL, read_check_hostname},
        {"ssl_ca_certs", &url->tls.ca_file, NULL},
        {"ssl_certfile", &url->tls.cert_file, NULL},
        {"ssl_keyfile", &url->tls.key_file, NULL},
    };
    if (kn_str_starts(key, KN_STR("ssl_")))
        url->tls.enabled = true;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (!kn_str_eq(key, kn_str_from(options[i].key)) || !value)
            continue;
        if (options[i].read)
            return options[i].read(p, value);
        *options[i].into = value;
    }
    return KN_OK; /* options of kombu that mean nothing to us */
}

static enum kn_status read_query(struct parser *p, struct kn_str query)
{
    while (query.len > 0) {
        size_t end = find_any(query, "&");
        struct kn_str pair = head(query, end);
        size_t equals = find_any(pair, "=");
        const char *value = NULL;
        if (equals < pair.len) {
            enum kn_status status = decode(p, from(pair, equals + 1), true, &value);
            if (status != KN_OK)
                return status;
        }
        enum kn_status status = read_option(p, head(pair, equals), value);
        if (status != KN_OK)
            return status;
        query = from(query, end < query.len ? end + 1 : end);
    }
    return KN_OK;
}

static enum kn_status read_one(struct parser *p, struct kn_str text)
{
    size_t colon = find_any(text, ":");
    if (text.len < colon + 3 || memcmp(text.ptr + colon, "://", 3) != 0)
        return fail(p, "the URL has no scheme (redis://…, amqp://…)");
    const struct scheme *before = p->scheme;
    enum kn_status status = find_scheme(p, head(text, colon));
    if (status != KN_OK)
        return status;
    assert(p->scheme);
    if (!p->first && before != p->scheme)
        return fail(p, "the URLs of the list have different schemes");
    struct parts parts;
    cut(from(text, colon + 3), &parts);
    if (!(p->scheme->flags & F_SOCKET))
        status = read_host(p, parts.hostport);
    if (status == KN_OK && p->first)
        status = read_user(p, parts.userinfo);
    if (status == KN_OK && p->first)
        status = read_path(p, parts.path);
    return status == KN_OK ? read_query(p, parts.query) : status;
}

static enum kn_status finish(struct parser *p)
{
    struct broker_url *url = &p->out->url;
    bool amqps = url->kind == BROKER_AMQP && url->tls.enabled;
    for (size_t i = 0; i < url->host_count; i++) {
        if (url->hosts[i].port == 0)
            url->hosts[i].port = amqps ? AMQPS_PORT : p->scheme->port;
    }
    if (url->kind == BROKER_AMQP) {
        url->user = url->user ? url->user : "guest";
        url->password = url->password ? url->password : "guest";
    }
    if (url->tls.enabled && url->socket_path)
        return fail(p, "there is no TLS on a unix socket");
    if (!url->tls.cert_file != !url->tls.key_file)
        return fail(p, "ssl_certfile and ssl_keyfile go together");
    return p->out->arena.overflow ? KN_NOMEM : KN_OK;
}

static enum kn_status read_all(struct parser *p, struct kn_str text)
{
    if (text.len > BROKER_URL_MAX)
        return fail(p, "the URL is longer than 8192 bytes");
    if (text.len > 0 && memchr(text.ptr, '\0', text.len))
        return fail(p, "the URL holds a NUL byte");
    while (text.len > 0) {
        size_t end = find_any(text, ";");
        enum kn_status status = end ? read_one(p, head(text, end)) : KN_OK;
        if (status != KN_OK)
            return status;
        if (end && p->first) {
            struct broker_url *url = &p->out->url;
            url->kind = p->scheme->kind;
            url->sentinel = p->scheme->flags & F_SENTINEL;
            url->tls.enabled = url->tls.enabled || (p->scheme->flags & F_TLS);
            p->first = false;
        }
        text = from(text, end < text.len ? end + 1 : end);
    }
    return p->first ? fail(p, "the URL is empty") : finish(p);
}

enum kn_status broker_url_parse(struct kn_str text, struct broker_url **ret_url,
                                struct kn_buf *error)
{
    struct owned_url *out = calloc(1, sizeof(*out));
    if (!out)
        return KN_NOMEM;
    kn_arena_init(&out->arena, 0);
    out->url.tls.check_hostname = true;
    struct parser p = {.out = out, .error = error, .first = true};
    enum kn_status status = read_all(&p, text);
    if (status == KN_OK)
        *ret_url = &out->url;
    else
        broker_url_free(&out->url);
    return status;
}

static void wipe(const char *secret)
{
    if (secret && *secret)
        explicit_bzero((char *)secret, strlen(secret));
}

void broker_url_free(struct broker_url *url)
{
    if (!url)
        return;
    struct owned_url *owned = (struct owned_url *)url;
    if (url->kind != BROKER_AMQP || (url->password && strcmp(url->password, "guest") != 0))
        wipe(url->password);
    wipe(url->sentinel_password);
    kn_arena_fini(&owned->arena);
    free(owned);
}

/* Everything but letters, digits and "-._~" as %XX; slashes stay when keep says so. */
static void write_encoded(struct kn_buf *buf, const char *text, const char *keep)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                     strchr("-._~", c) || strchr(keep, c);
        if (plain)
            kn_buf_char(buf, (char)c);
        else
            kn_buf_printf(buf, "%%%02X", c);
    }
}

static void write_place(const struct broker_url *url, struct kn_buf *buf)
{
    if (url->kind == BROKER_REDIS) {
        kn_buf_printf(buf, "/%d", url->db);
        return;
    }
    kn_buf_char(buf, '/');
    if (strcmp(url->vhost, "/") != 0)
        write_encoded(buf, url->vhost, "");
}

/* The place stands behind the first host, where it is read too. */
static void write_hosts(const struct broker_url *url, const char *scheme, struct kn_buf *buf)
{
    for (size_t i = 0; i < url->host_count; i++) {
        const struct broker_host *host = &url->hosts[i];
        if (i > 0)
            kn_buf_printf(buf, ";%s://", scheme);
        bool v6 = strchr(host->host, ':');
        if (v6)
            kn_buf_char(buf, '[');
        write_encoded(buf, host->host, v6 ? ":" : "");
        kn_buf_printf(buf, v6 ? "]:%u" : ":%u", host->port);
        if (i == 0)
            write_place(url, buf);
    }
}

static const char *scheme_name(const struct broker_url *url)
{
    if (url->socket_path)
        return "redis+socket";
    if (url->sentinel)
        return "sentinel";
    if (url->kind == BROKER_AMQP)
        return url->tls.enabled ? "amqps" : "amqp";
    return url->tls.enabled ? "rediss" : "redis";
}

void broker_url_write(const struct broker_url *url, struct kn_buf *buf)
{
    kn_buf_printf(buf, "%s://", scheme_name(url));
    if (url->user)
        write_encoded(buf, url->user, "");
    if (url->password)
        kn_buf_text(buf, ":***");
    if (url->user || url->password)
        kn_buf_char(buf, '@');
    write_hosts(url, scheme_name(url), buf);
    if (url->socket_path) {
        write_encoded(buf, url->socket_path, "/");
        kn_buf_printf(buf, "?virtual_host=%d", url->db);
    }
}
