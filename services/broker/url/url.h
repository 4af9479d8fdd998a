/* Broker URLs, read like Celery and kombu do:
 *
 *   redis://[user][:password]@host[:port]/[db]         rediss:// over TLS
 *   redis+socket:///path?virtual_host=db               also socket://, unix://
 *   sentinel://a:26379;sentinel://b:26379/[db]?master_name=mymaster
 *   amqp://user:password@host:port/vhost               also pyamqp://; amqps:// over TLS
 *
 * Several URLs may be separated by ";": alternative hosts, each with its own user, password,
 * virtual host or database, and TLS. As in kombu, a missing virtual host or port is taken from the
 * previous URL, missing "ssl" options from the first URL, and everything from the first URL for a
 * host without a scheme. With sentinels, everything except the hosts is taken from the first URL.
 *
 * "ssl=true" or any "ssl_..." option in the query enables TLS. "login_method=EXTERNAL" logs in to
 * RabbitMQ with the client's certificate. */
#ifndef BROKER_URL_URL_H
#define BROKER_URL_URL_H

#include "services/common/status.h"
#include "services/common/text/buf.h"
#include "services/common/text/str.h"

#define BROKER_HOSTS_MAX 16
#define BROKER_URL_MAX 8192 /* bytes */

struct broker_driver; /* of one kind of broker */

enum broker_tls_verify {
    BROKER_TLS_REQUIRED, /* certificate and host name must be valid */
    BROKER_TLS_NONE,     /* any certificate is accepted */
};

struct broker_tls_options {
    bool enabled;
    enum broker_tls_verify verify;
    bool check_hostname;   /* used only with BROKER_TLS_REQUIRED */
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
    const struct broker_driver *driver; /* chosen by the scheme; see drivers.c */
    bool sentinel;                      /* the hosts are sentinels that know master_name */
    struct broker_host hosts[BROKER_HOSTS_MAX];
    size_t host_count;       /* at least 1 */
    const char *socket_path; /* unix socket; then there is one host */
    const char *master_name;
    const char *sentinel_user; /* of the sentinels themselves */
    const char *sentinel_password;
};

/* Parses a URL. On failure (CONFIG, NOMEM) appends a sentence that names the faulty part to error
 * (may be NULL), without any text of the URL that could contain a password. Free *ret_url with
 * broker_url_free. */
enum kn_status broker_url_parse(struct kn_str text, struct broker_url **ret_url,
                                struct kn_buf *error) KN_MUST_CHECK;
/* Overwrites the passwords, then frees. NULL is allowed. */
void broker_url_free(struct broker_url *url);

/* Writes the URL for display: "***" instead of the password, no query. */
void broker_url_write(const struct broker_url *url, struct kn_buf *buf);

#endif
