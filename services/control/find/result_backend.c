#include "services/control/find/result_backend.h"

#include "services/broker/values.h"

#include <strings.h>

struct kn_str control_backend_scheme(struct kn_str text)
{
    const char *colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;
    return (struct kn_str){text.ptr, colon ? (size_t)(colon - text.ptr) : text.len};
}

static bool is_one_of(struct kn_str word, const char *const *words)
{
    for (; *words; words++) {
        if (kn_str_eq(word, kn_str_from(*words)))
            return true;
    }
    return false;
}

static enum control_backend_kind kind_of_scheme(struct kn_str scheme)
{
    static const char *const nothing[] = {"", "rpc", "amqp", "disabled", NULL};
    static const char *const redis[] = {"redis",    "rediss", "redis+socket", "socket", "unix",
                                        "sentinel", NULL};
    if (is_one_of(scheme, nothing))
        return CONTROL_BACKEND_NONE;
    return is_one_of(scheme, redis) ? CONTROL_BACKEND_REDIS : CONTROL_BACKEND_UNSUPPORTED;
}

/* Celery's mask is "**" or "********", Kanchi's the latter. */
static bool is_masked(const char *password)
{
    return password && *password && password[strspn(password, "*")] == '\0';
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcasecmp(a, b) == 0);
}

static bool same_server(const struct broker_url *a, const struct broker_url *b)
{
    if (a->driver != b->driver || a->sentinel != b->sentinel || a->host_count != b->host_count ||
        !same_text(a->socket_path, b->socket_path))
        return false;
    for (size_t i = 0; i < a->host_count; i++) {
        if (!same_text(a->hosts[i].host, b->hosts[i].host) || a->hosts[i].port != b->hosts[i].port)
            return false;
    }
    return true;
}

/* The host of that name in the other URL; NULL when it has none. */
static const struct broker_host *find_host(const struct broker_url *url, const char *name)
{
    for (size_t i = 0; i < url->host_count; i++)
        if (same_text(url->hosts[i].host, name))
            return &url->hosts[i];
    return NULL;
}

/* Workers report neither the part of a URL after "?" nor redis_backend_use_ssl. */
static void borrow_tls(struct broker_tls_options *tls, const struct broker_tls_options *broker)
{
    if (!tls->ca_file)
        tls->ca_file = broker->ca_file;
    if (!tls->cert_file) {
        tls->cert_file = broker->cert_file;
        tls->key_file = broker->key_file;
    }
    if (broker->verify == BROKER_TLS_NONE)
        tls->verify = BROKER_TLS_NONE;
    tls->check_hostname = tls->check_hostname && broker->check_hostname;
}

static void borrow(struct broker_url *url, const struct broker_url *broker)
{
    for (size_t i = 0; i < url->host_count; i++) {
        url->hosts[i].user = broker->hosts[i].user;
        url->hosts[i].password = broker->hosts[i].password;
    }
    url->sentinel_user = broker->sentinel_user;
    url->sentinel_password = broker->sentinel_password;
}

static void borrow_way(struct broker_url *url, const struct broker_url *broker)
{
    bool same = same_server(url, broker);
    if (same && !url->master_name)
        url->master_name = broker->master_name;
    for (size_t i = 0; i < url->host_count; i++) {
        struct broker_tls_options *tls = &url->hosts[i].tls;
        const struct broker_host *twin = find_host(broker, url->hosts[i].host);
        tls->enabled = tls->enabled || (same && broker->hosts[i].tls.enabled);
        if (tls->enabled && twin)
            borrow_tls(tls, &twin->tls);
    }
}

void control_backend_place_read(struct kn_str text, const struct broker_url *broker,
                                struct control_backend_place *ret)
{
    *ret = (struct control_backend_place){.kind = kind_of_scheme(control_backend_scheme(text))};
    if (ret->kind != CONTROL_BACKEND_REDIS)
        return;
    if (broker_url_parse(text, &ret->parsed, NULL) != KN_OK || !broker_values_can(ret->parsed)) {
        ret->kind = CONTROL_BACKEND_WRONG;
        return;
    }
    ret->url = *ret->parsed;
    bool masked = is_masked(ret->url.sentinel_password);
    for (size_t i = 0; i < ret->url.host_count; i++)
        masked = masked || is_masked(ret->url.hosts[i].password);
    if (masked && same_server(&ret->url, broker))
        borrow(&ret->url, broker);
    else if (masked)
        ret->kind = CONTROL_BACKEND_MASKED;
    borrow_way(&ret->url, broker);
}

void control_backend_place_tls(struct control_backend_place *place,
                               const struct control_result_settings *settings)
{
    for (size_t i = 0; i < place->url.host_count; i++) {
        struct broker_tls_options *tls = &place->url.hosts[i].tls;
        if (*settings->tls_ca)
            tls->ca_file = settings->tls_ca;
        if (*settings->tls_cert && *settings->tls_key) {
            tls->cert_file = settings->tls_cert;
            tls->key_file = settings->tls_key;
        }
    }
}

void control_backend_place_fini(struct control_backend_place *place)
{
    broker_url_free(place->parsed);
    place->parsed = NULL;
}
