#include "services/broker/url/url.h"

#include "services/broker/port/driver.h"
#include "services/common/count.h"
#include "services/common/data/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

/* The URL with the memory that its texts live in. */
struct owned_url {
    struct broker_url url;
    struct kn_arena arena;
};

struct parser {
    struct owned_url *out;
    struct kn_buf *error;
    const struct broker_driver *driver; /* of the URL that is read */
    const struct broker_scheme *scheme; /* likewise */
    struct broker_host *host;           /* likewise */
    bool first;
    bool first_tls;     /* the query of the first URL switched TLS on */
    uint16_t last_port; /* that was written; 0: none so far */
    const struct broker_scheme *schemes[BROKER_HOSTS_MAX];
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

/* Percent-decodes s into the URL's memory; invalid escapes are kept, as in Python's unquote. NULL
 * for an empty text. */
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
        int high = -1, low = -1;
        if (s.ptr[i] == '%' && i + 2 < s.len) {
            high = kn_hex_digit(s.ptr[i + 1]);
            low = kn_hex_digit(s.ptr[i + 2]);
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
    p->driver = broker_driver_of(name, &p->scheme);
    if (!p->driver && p->error) {
        kn_buf_text(p->error, "the scheme is not one that Kanchi speaks: ");
        broker_drivers_schemes(p->error);
    }
    return p->driver ? KN_OK : KN_CONFIG;
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
    size_t colon = find_any(userinfo, ":");
    enum kn_status status = decode(p, head(userinfo, colon), false, &p->host->user);
    if (status == KN_OK && colon < userinfo.len)
        status = decode(p, from(userinfo, colon + 1), false, &p->host->password);
    return status;
}

static enum kn_status read_port(struct parser *p, struct kn_str text, uint16_t *ret)
{
    uint64_t port = 0; /* the default, which is known when the query is read */
    if (text.len > 0 && (!kn_str_to_u64(text, &port) || port == 0 || port > 65535))
        return fail(p, "the port is not a number from 1 to 65535 (in a user or password, the "
                       "characters / ? # ; must be written %2F %3F %23 %3B)");
    *ret = (uint16_t)port;
    return KN_OK;
}

static enum kn_status read_host(struct parser *p, struct kn_str hostport)
{
    struct broker_host *host = p->host;
    struct kn_str name, port;
    if (hostport.len > 0 && hostport.ptr[0] == '[') {
        size_t end = find_any(hostport, "]");
        if (end == hostport.len)
            return fail(p, "the host begins with [ but has no ]");
        name = head(from(hostport, 1), end - 1);
        port = from(hostport, end + 1);
        if (port.len > 0 && port.ptr[0] != ':')
            return fail(p, "there is something other than a port after the host's ]");
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
    if (status == KN_OK && host->port)
        p->last_port = host->port;
    else if (status == KN_OK)
        host->port = p->last_port; /* or the default, in finish() */
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
    p->host->db = (int)db;
    return KN_OK;
}

static enum kn_status read_place(struct parser *p, const char *text)
{
    if (!text)
        return KN_OK; /* what the URL before has */
    if (!p->driver->traits.default_vhost)
        return read_db(p, text);
    p->host->vhost = text;
    return KN_OK;
}

static enum kn_status read_path(struct parser *p, struct kn_str path)
{
    const char *text = NULL;
    bool is_socket = p->scheme->flags & BROKER_SCHEME_SOCKET;
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
    struct broker_tls_options *tls = &p->host->tls;
    /* optional is the same for a client, says Python's ssl */
    if (!strcmp(value, "required") || !strcmp(value, "CERT_REQUIRED") ||
        !strcmp(value, "optional") || !strcmp(value, "CERT_OPTIONAL"))
        tls->verify = BROKER_TLS_REQUIRED;
    else if (!strcmp(value, "none") || !strcmp(value, "CERT_NONE"))
        tls->verify = BROKER_TLS_NONE;
    else
        return fail(p, "ssl_cert_reqs must be required, optional or none");
    return KN_OK;
}

static enum kn_status read_check_hostname(struct parser *p, const char *value)
{
    p->host->tls.check_hostname = strcasecmp(value, "false") != 0;
    return KN_OK;
}

/* kombu takes any text as true, even "false", which is surely not what was meant. */
static enum kn_status read_ssl(struct parser *p, const char *value)
{
    static const char *const no[] = {"false", "0", "no", "off", "none"};
    for (size_t i = 0; i < KN_COUNT_OF(no); i++)
        if (strcasecmp(value, no[i]) == 0)
            return fail(p, "ssl is not true: Celery treats any value as true; remove ssl if you "
                           "don't use TLS");
    return KN_OK;
}

static enum kn_status read_login(struct parser *p, const char *value)
{
    if (!p->driver->external_login)
        return KN_OK; /* it means nothing */
    p->host->external = strcmp(value, "EXTERNAL") == 0;
    /* AMQPLAIN says the same user and password in another form */
    if (!p->host->external && strcmp(value, "PLAIN") != 0 && strcmp(value, "AMQPLAIN") != 0)
        return fail(p, "login_method is unknown: use PLAIN, AMQPLAIN or EXTERNAL");
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
        {"username", &p->host->user, NULL},
        {"password", &p->host->password, NULL},
        {"login_method", NULL, read_login},
        {"ssl", NULL, read_ssl},
        {"master_name", &url->master_name, NULL},
        {"sentinel_username", &url->sentinel_user, NULL},
        {"sentinel_password", &url->sentinel_password, NULL},
        {"ssl_cert_reqs", NULL, read_verify},
        {"ssl_check_hostname", NULL, read_check_hostname},
        {"ssl_ca_certs", &p->host->tls.ca_file, NULL},
        {"ssl_certfile", &p->host->tls.cert_file, NULL},
        {"ssl_keyfile", &p->host->tls.key_file, NULL},
    };
    for (size_t i = 0; i < KN_COUNT_OF(options); i++) {
        if (!kn_str_eq(key, kn_str_from(options[i].key)) || !value)
            continue;
        if (options[i].read)
            return options[i].read(p, value);
        *options[i].into = value;
    }
    return KN_OK; /* options of kombu that mean nothing to us */
}

static const struct broker_tls_options no_tls = {.check_hostname = true};

/* Takes the next "key=value" off the query. */
static struct kn_str next_pair(struct kn_str *query)
{
    size_t end = find_any(*query, "&");
    struct kn_str pair = head(*query, end);
    *query = from(*query, end < query->len ? end + 1 : end);
    return pair;
}

/* Whether the query has a TLS option; an empty value does not count, as in kombu. */
static bool asks_for_tls(struct kn_str query)
{
    while (query.len > 0) {
        struct kn_str pair = next_pair(&query);
        size_t equals = find_any(pair, "=");
        struct kn_str key = head(pair, equals);
        if (equals + 1 < pair.len &&
            (kn_str_eq(key, KN_STR("ssl")) || kn_str_starts(key, KN_STR("ssl_"))))
            return true;
    }
    return false;
}

static enum kn_status read_query(struct parser *p, struct kn_str query)
{
    if (asks_for_tls(query)) {
        p->host->tls = no_tls;
        p->host->tls.enabled = true;
        p->first_tls = p->first_tls || p->first;
    }
    while (query.len > 0) {
        struct kn_str pair = next_pair(&query);
        size_t equals = find_any(pair, "=");
        const char *value = NULL;
        enum kn_status status = KN_OK;
        if (equals < pair.len)
            status = decode(p, from(pair, equals + 1), true, &value);
        if (status == KN_OK)
            status = read_option(p, head(pair, equals), value);
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

/* A host of the list, with what it inherits from earlier ones. */
static enum kn_status begin_host(struct parser *p)
{
    struct broker_url *url = &p->out->url;
    if (url->host_count == BROKER_HOSTS_MAX)
        return fail(p, "there are more than 16 hosts");
    p->host = &url->hosts[url->host_count];
    if (url->host_count == 0) {
        *p->host = (struct broker_host){.tls = no_tls};
        p->host->vhost = p->driver->traits.default_vhost;
    } else {
        const struct broker_host *first = &url->hosts[0], *before = p->host - 1;
        *p->host = (struct broker_host){
            .external = first->external,
            .db = before->db,
            .vhost = before->vhost,
            .tls = p->first_tls ? first->tls : no_tls,
        };
    }
    p->schemes[url->host_count++] = p->scheme;
    return KN_OK;
}

/* A host without a scheme: all but its name is the first URL's. */
static enum kn_status read_bare(struct parser *p, struct kn_str text)
{
    struct broker_url *url = &p->out->url;
    if (find_any(text, "@/?#") < text.len || url->socket_path)
        return fail(p, "there is neither a URL nor a host after the ; (in a user or password, the "
                       "characters / ? # ; must be written %2F %3F %23 %3B)");
    enum kn_status status = begin_host(p);
    if (status != KN_OK)
        return status;
    const uint16_t first_port = url->hosts[0].port;
    *p->host = url->hosts[0];
    status = read_host(p, text);
    if (status == KN_OK && find_any(text, ":") == text.len)
        p->host->port = first_port;
    p->schemes[url->host_count - 1] = p->schemes[0];
    return status;
}

/* All URLs of a list must be of one kind of broker. */
static enum kn_status check_mix(struct parser *p)
{
    const struct broker_url *url = &p->out->url;
    bool sentinel = p->scheme->flags & BROKER_SCHEME_SENTINEL;
    if (p->driver != url->driver)
        return fail(p, "the list has URLs of different brokers: configure a broker for each");
    if (sentinel != url->sentinel)
        return fail(p, "sentinel:// is in a list with other schemes: all must be sentinels");
    if (url->socket_path || p->scheme->flags & BROKER_SCHEME_SOCKET)
        return fail(p, "a unix socket is in a list with other URLs");
    return KN_OK;
}

static enum kn_status read_one(struct parser *p, struct kn_str text)
{
    size_t colon = find_any(text, ":");
    if (text.len < colon + 3 || memcmp(text.ptr + colon, "://", 3) != 0)
        return p->first ? fail(p, "the URL has no scheme (redis://…, amqp://…)")
                        : read_bare(p, text);
    enum kn_status status = find_scheme(p, head(text, colon));
    if (status == KN_OK && !p->first)
        status = check_mix(p);
    if (status == KN_OK)
        status = begin_host(p);
    if (status != KN_OK)
        return status;
    assert(p->scheme);
    struct parts parts;
    cut(from(text, colon + 3), &parts);
    p->out->url.driver = p->driver;
    p->out->url.sentinel = p->scheme->flags & BROKER_SCHEME_SENTINEL;
    if (!(p->scheme->flags & BROKER_SCHEME_SOCKET))
        status = read_host(p, parts.hostport);
    if (status == KN_OK)
        status = read_user(p, parts.userinfo);
    if (status == KN_OK)
        status = read_path(p, parts.path);
    if (status == KN_OK)
        status = read_query(p, parts.query);
    if (p->scheme->flags & BROKER_SCHEME_TLS)
        p->host->tls.enabled = true;
    return status;
}

static enum kn_status finish_host(struct parser *p, struct broker_host *host,
                                  const struct broker_scheme *scheme)
{
    const char *login = p->out->url.driver->default_login;
    if (host->port == 0)
        host->port = host->tls.enabled ? scheme->tls_port : scheme->port;
    if (host->external)
        host->user = host->password = NULL; /* only the certificate identifies us */
    if (login && !host->external) {
        host->user = host->user ? host->user : login;
        host->password = host->password ? host->password : login;
    }
    if (host->tls.enabled && p->out->url.socket_path)
        return fail(p, "there is no TLS on a unix socket");
    if (host->external && !host->tls.enabled)
        return fail(p, "login_method=EXTERNAL needs TLS (amqps://, or ssl=true)");
    if (!host->tls.cert_file != !host->tls.key_file)
        return fail(p, "ssl_certfile and ssl_keyfile go together");
    return KN_OK;
}

static enum kn_status finish(struct parser *p)
{
    struct broker_url *url = &p->out->url;
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < url->host_count && status == KN_OK; i++)
        status = finish_host(p, &url->hosts[i], p->schemes[i]);
    return status == KN_OK && p->out->arena.overflow ? KN_NOMEM : status;
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
        p->first = p->first && end == 0;
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
    for (size_t i = 0; i < url->host_count; i++) {
        const char *password = url->hosts[i].password;
        if (!url->driver || password != url->driver->default_login)
            wipe(password);
    }
    wipe(url->sentinel_password);
    kn_arena_fini(&owned->arena);
    free(owned);
}
