/* Where the result backend of a worker is, from what its configuration shows: a URL
 * without its password. No I/O. */
#ifndef CONTROL_FIND_RESULT_BACKEND_H
#define CONTROL_FIND_RESULT_BACKEND_H

#include "services/broker/broker.h"

/* As configured for the broker; "" where it says nothing. */
struct control_result_settings {
    const char *url;        /* "": what workers say */
    const char *key_prefix; /* before celery-task-meta- */
    const char *tls_ca, *tls_cert, *tls_key;
};

enum control_backend_kind {
    CONTROL_BACKEND_NONE,        /* there is nothing to ask: no backend, or rpc:// */
    CONTROL_BACKEND_REDIS,       /* can be asked */
    CONTROL_BACKEND_MASKED,      /* its password is not known */
    CONTROL_BACKEND_PREFIXED,    /* the prefix of its keys is not known */
    CONTROL_BACKEND_UNSUPPORTED, /* a database, memcached and so on */
    CONTROL_BACKEND_WRONG,       /* a URL that can't be used */
};

struct control_backend_place {
    enum control_backend_kind kind;
    struct broker_url *parsed; /* owned; NULL when there is none */
    struct broker_url url;     /* the same, maybe with the broker's password */
};

/* text: as Celery or the configuration says it. A password that is masked is that of
 * the broker when it is the same server. TLS options that the URL does not set are the broker's if
 * it is the same host. Texts of broker must outlive ret; give it back with
 * control_backend_place_fini. */
void control_backend_place_read(struct kn_str text, const struct broker_url *broker,
                                struct control_backend_place *ret);
/* Applies the TLS settings. No effect without TLS. */
void control_backend_place_tls(struct control_backend_place *place,
                               const struct control_result_settings *settings);
void control_backend_place_fini(struct control_backend_place *place);

/* "redis", "db+postgresql": its scheme, to be shown. */
struct kn_str control_backend_scheme(struct kn_str text);

#endif
