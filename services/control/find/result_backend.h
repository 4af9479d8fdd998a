/* Finds a worker's result backend from its configuration, which shows a URL without the password.
 * No I/O. */
#ifndef CONTROL_FIND_RESULT_BACKEND_H
#define CONTROL_FIND_RESULT_BACKEND_H

#include "services/broker/broker.h"

/* As configured for the broker; "" if not set. */
struct control_result_settings {
    const char *url;        /* "": from the workers */
    const char *key_prefix; /* before celery-task-meta- */
    const char *tls_ca, *tls_cert, *tls_key;
};

enum control_backend_kind {
    CONTROL_BACKEND_NONE,        /* nothing to read: no backend, or rpc:// */
    CONTROL_BACKEND_REDIS,       /* can be read */
    CONTROL_BACKEND_MASKED,      /* its password is unknown */
    CONTROL_BACKEND_PREFIXED,    /* its key prefix is unknown */
    CONTROL_BACKEND_UNSUPPORTED, /* a database, memcached and so on */
    CONTROL_BACKEND_WRONG,       /* an unusable URL */
};

struct control_backend_place {
    enum control_backend_kind kind;
    struct broker_url *parsed; /* owned; NULL if none */
    struct broker_url url;     /* the same, possibly with the broker's password */
};

/* text: from Celery or the configuration. If it is the broker's server, a masked password is taken
 * from the broker; if it is the broker's host, so are TLS options not set in the URL. Texts of
 * broker must outlive ret; release it with control_backend_place_fini. */
void control_backend_place_read(struct kn_str text, const struct broker_url *broker,
                                struct control_backend_place *ret);
/* Applies the TLS settings. No effect without TLS. */
void control_backend_place_tls(struct control_backend_place *place,
                               const struct control_result_settings *settings);
void control_backend_place_fini(struct control_backend_place *place);

/* "redis", "db+postgresql": its scheme, for display. */
struct kn_str control_backend_scheme(struct kn_str text);

#endif
