#include "gateway/http/host.h"

#include "services/common/count.h"
#include "services/common/text/loopback.h"

#include <arpa/inet.h>

/* "Example.org:8080" -> "Example.org", "[::1]:80" -> "[::1]"; absent when it is
 * not well-formed. */
static struct kn_str host_name(struct kn_str host)
{
    if (host.len == 0 || host.len > 300)
        return KN_STR_ABSENT;
    size_t len = 0;
    if (host.ptr[0] == '[') {
        const char *close = memchr(host.ptr, ']', host.len);
        if (!close)
            return KN_STR_ABSENT;
        len = (size_t)(close - host.ptr) + 1;
    } else {
        while (len < host.len && host.ptr[len] != ':')
            len++;
    }
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)host.ptr[i] <= ' ' || strchr("/\\@?#\"<>", host.ptr[i]))
            return KN_STR_ABSENT;
    for (size_t i = len + 1; i < host.len; i++)
        if (host.ptr[i] < '0' || host.ptr[i] > '9')
            return KN_STR_ABSENT;
    if (len == 0 || (len < host.len && host.ptr[len] != ':'))
        return KN_STR_ABSENT;
    return (struct kn_str){host.ptr, len};
}

static bool is_local_name(struct kn_str name)
{
    static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < KN_COUNT_OF(local); i++)
        if (kn_str_eq_nocase(name, kn_str_from(local[i])))
            return true;
    return false;
}

static bool is_allowed_name(const struct gw_host_rules *rules, struct kn_str name)
{
    for (const char *at = rules->allowed; *at;) {
        size_t len = strcspn(at, ", ");
        struct kn_str allowed = {at, len};
        if (len && (kn_str_eq(allowed, KN_STR("*")) || kn_str_eq_nocase(name, allowed)))
            return true;
        at += len + strspn(at + len, ", ");
    }
    return false;
}

static bool is_ip_address(struct kn_str name)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];
    bool v6 = name.len > 2 && name.ptr[0] == '[';
    if (v6)
        name = (struct kn_str){name.ptr + 1, name.len - 2};
    if (name.len >= sizeof text)
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return inet_pton(v6 ? AF_INET6 : AF_INET, text, address) == 1;
}

bool gw_host_ok(const struct gw_host_rules *rules, struct kn_str host)
{
    struct kn_str name = host_name(host);
    if (!name.ptr)
        return false;
    if (is_local_name(name) || is_ip_address(name) || is_allowed_name(rules, name))
        return true;
    return !rules->loopback && !rules->allowed[0];
}

bool gw_host_any_ok(const struct gw_host_rules *rules, struct kn_str path)
{
    return kn_str_eq(path, KN_STR("/healthz")) || kn_str_eq(path, KN_STR("/readyz")) ||
           (!rules->loopback && kn_str_eq(path, KN_STR("/metrics")));
}

/* On this machine, another port is another program. With any other name it may be a proxy's, and
 * proxies often drop or change the port in Host. */
static bool is_same_host(struct kn_str origin, struct kn_str name, struct kn_str host)
{
    struct kn_str other = host.ptr ? host_name(host) : KN_STR_ABSENT;
    if (!other.ptr || !kn_str_eq_nocase(name, other))
        return false;
    return other.len == host.len || !is_local_name(name) || kn_str_eq_nocase(origin, host);
}

bool gw_origin_ok(const struct gw_host_rules *rules, struct kn_str origin, struct kn_str host,
                  struct kn_str forwarded_host)
{
    if (!origin.ptr)
        return true;
    struct kn_str rest;
    if (kn_str_starts(origin, KN_STR("http://")))
        rest = (struct kn_str){origin.ptr + 7, origin.len - 7};
    else if (kn_str_starts(origin, KN_STR("https://")))
        rest = (struct kn_str){origin.ptr + 8, origin.len - 8};
    else
        return false;
    struct kn_str name = host_name(rest);
    if (!name.ptr)
        return false;
    return is_same_host(rest, name, host) || is_same_host(rest, name, forwarded_host) ||
           is_allowed_name(rules, name);
}

bool gw_host_is_loopback(const char *address)
{
    return kn_host_is_loopback(kn_str_from(address));
}
