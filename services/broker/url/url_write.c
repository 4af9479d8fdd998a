#include "services/broker/port/driver.h"

/* Percent-encodes text, except letters, digits, "-._~" and the characters in keep. */
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

/* The default virtual host is written out where it would be taken from the URL before. */
static void write_place(const struct broker_url *url, const struct broker_host *host,
                        struct kn_buf *buf)
{
    const char *default_vhost = url->driver->traits.default_vhost;
    if (!default_vhost) {
        kn_buf_printf(buf, "/%d", host->db);
        return;
    }
    kn_buf_char(buf, '/');
    if (strcmp(host->vhost, default_vhost) != 0 || host != url->hosts)
        write_encoded(buf, host->vhost, "");
}

static const char *scheme_name(const struct broker_url *url, const struct broker_host *host)
{
    int flags = url->socket_path    ? BROKER_SCHEME_SOCKET
                : url->sentinel     ? BROKER_SCHEME_SENTINEL
                : host->tls.enabled ? BROKER_SCHEME_TLS
                                    : 0;
    const struct broker_scheme *scheme = url->driver->schemes;
    while (scheme->name && scheme->flags != flags)
        scheme++;
    return scheme->name ? scheme->name : url->driver->schemes->name;
}

static void write_user(const struct broker_host *host, struct kn_buf *buf)
{
    if (host->user)
        write_encoded(buf, host->user, "");
    if (host->password)
        kn_buf_text(buf, ":***");
    if (host->user || host->password)
        kn_buf_char(buf, '@');
}

static void write_host(const struct broker_host *host, struct kn_buf *buf)
{
    bool v6 = strchr(host->host, ':');
    kn_buf_text(buf, v6 ? "[" : "");
    write_encoded(buf, host->host, v6 ? ":" : "");
    kn_buf_printf(buf, v6 ? "]:%u" : ":%u", host->port);
}

/* With sentinels, only the hosts of further URLs count. */
static void write_one(const struct broker_url *url, size_t i, struct kn_buf *buf)
{
    const struct broker_host *host = &url->hosts[i];
    bool whole = i == 0 || !url->sentinel;
    kn_buf_printf(buf, "%s%s://", i > 0 ? ";" : "", scheme_name(url, host));
    if (whole)
        write_user(host, buf);
    if (url->socket_path) {
        write_encoded(buf, url->socket_path, "/");
        kn_buf_printf(buf, "?virtual_host=%d", host->db);
        return;
    }
    write_host(host, buf);
    if (whole)
        write_place(url, host, buf);
    if (host->external || url->hosts[0].external)
        kn_buf_printf(buf, "?login_method=%s", host->external ? "EXTERNAL" : "PLAIN");
}

void broker_url_write(const struct broker_url *url, struct kn_buf *buf)
{
    for (size_t i = 0; i < url->host_count; i++)
        write_one(url, i, buf);
}
