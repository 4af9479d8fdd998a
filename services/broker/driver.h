/* What a broker must be able to do to be used by Kanchi. Private to this room: others use the
 * headers beside this one, and broker_traits.
 *
 * To add a broker: a folder beside redis/ and amqp/ with a `const struct broker_driver`, and a row
 * for it in drivers.c. Nothing else asks which brokers there are. */
#ifndef BROKER_DRIVER_H
#define BROKER_DRIVER_H

#include "services/broker/broker.h"
#include "services/broker/fault.h"

enum broker_scheme_flags {
    BROKER_SCHEME_TLS = 1,
    BROKER_SCHEME_SOCKET = 2,   /* the path is that of a unix socket */
    BROKER_SCHEME_SENTINEL = 4, /* the hosts are sentinels */
};

/* The first scheme of each combination of flags is the one that is shown. */
struct broker_scheme {
    const char *name; /* what stands before "://" */
    int flags;
    uint16_t port, tls_port; /* without one in the URL; tls_port when an option asks for TLS */
};

/* A remedy that brokers have in common. */
#define BROKER_REMEDY_LOGIN                                                                        \
    "Check the user and password of the broker's URL. A user or password with / ? # @ : ; % in "   \
    "it must be percent-encoded."

/* Both texts must be in the error; also may be NULL. */
struct broker_fault_row {
    const char *has, *also;
    struct broker_fault fault;
};

struct broker_driver {
    struct broker_traits traits;

    const struct broker_scheme *schemes; /* end with a name that is NULL */
    const char *default_login;           /* user and password without any in the URL; NULL: none */
    bool external_login;                 /* login_method=EXTERNAL: a client's certificate */

    /* Errors of this broker only, ending with has NULL: looked up before those that all brokers
     * have in common, and after them. */
    const struct broker_fault_row *faults, *late_faults;
};

extern const struct broker_driver broker_amqp_driver, broker_redis_driver;

/* The one with that scheme; NULL if there is none. */
const struct broker_driver *broker_driver_of(struct kn_str scheme,
                                             const struct broker_scheme **ret_scheme);
/* All schemes, for people: "redis, rediss, …". */
void broker_drivers_schemes(struct kn_buf *out);

#endif
