/* Broker URLs, as Celery and kombu read them:
 *
 *   redis://[user][:password]@host[:port]/[db]         rediss:// over TLS
 *   redis+socket:///path?virtual_host=db               also socket://, unix://
 *   sentinel://a:26379;sentinel://b:26379/[db]?master_name=mymaster
 *   amqp://user:password@host:port/vhost               also pyamqp://; amqps:// over TLS
 *
 * Several URLs may be given, separated by ";": other hosts to try, each
 * with its own user, password, virtual host or database, and TLS. As kombu does it, a
 * URL without a virtual host or port takes that of the URL before, one without "ssl"
 * options those of the first, and a host without a scheme takes all from the first. With sentinels,
 * everything but the hosts is taken from the first URL.
 *
 * "ssl=true" or an "ssl_..." option in the query switches TLS on by itself.
 * "login_method=EXTERNAL" logs in to RabbitMQ by the client's certificate. */
#ifndef BROKER_URL_URL_H
#define BROKER_URL_URL_H

#include "services/common/status.h"
#include "services/common/text/buf.h"
#include "services/common/text/str.h"

#define BROKER_HOSTS_MAX 16
#define BROKER_URL_MAX 8192 /* bytes */

struct broker_driver; /* of one kind of broker */

enum broker_tls_verify {
    BROKER_TLS_REQUIRED, /* certificate and host name must be right */
    BROKER_TLS_NONE,     /* whatever the broker shows is taken */
};

struct broker_tls_options {
    bool enabled;
    enum broker_tls_verify verify;
    bool check_hostname;   /* looked at with BROKER_TLS_REQUIRED only */
    const char *ca_file;   /* NULL: the system's certificates */
    const char *cert_file; /* NULL: no certificate of our own */
    const char *key_file;
};

/* One URL of the list. All texts end with NUL, live as long as the URL, and are NULL
 * when absent. */
struct broker_host {
    const char *host; /* name or address; an IPv6 address without brackets; NULL: a socket */
    uint16_t port;
    const char *user;
    const char *password;
    bool external;     /* RabbitMQ: the client's certificate identifies us */
    int db;            /* Redis */
    const char *vhost; /* RabbitMQ, at least "/" */
    struct broker_tls_options tls;
};

/* Texts as above. */
struct broker_url {
    const struct broker_driver *driver; /* its scheme decides; see drivers.c */
    bool sentinel;                      /* the hosts are sentinels, to be asked for master_name */
    struct broker_host hosts[BROKER_HOSTS_MAX];
    size_t host_count;       /* at least 1 */
    const char *socket_path; /* unix socket; there is one host then */
    const char *master_name;
    const char *sentinel_user; /* of the sentinels themselves */
    const char *sentinel_password;
};

/* Reads a URL. On failure (CONFIG, NOMEM) a sentence that names the part is
 * appended to error (which may be NULL); it never holds text of the URL in
 * which a password could hide. Free *ret_url with broker_url_free. */
enum kn_status broker_url_parse(struct kn_str text, struct broker_url **ret_url,
                                struct kn_buf *error) KN_MUST_CHECK;
/* Overwrites the passwords, then frees. NULL is allowed. */
void broker_url_free(struct broker_url *url);

/* Writes the URL for people to read: "***" instead of the password, no query. */
void broker_url_write(const struct broker_url *url, struct kn_buf *buf);

#endif
