/* What the files of the bus share, and nobody else includes. */
#ifndef KN_PROTO_BUS_INTERNAL_H
#define KN_PROTO_BUS_INTERNAL_H

#include "proto/bus/bus.h"

#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>

enum { BUS_RECONNECT_MIN_MS = 20, BUS_RECONNECT_MAX_MS = 500, BUS_PROBE_RECONNECT_MS = 3600000 };

struct kn_bus {
    char *sender;
    size_t message_max;
    struct kn_budget *answers;
    bool insecure;
    char *ca; /* PEM text; NULL without TLS */
    char *cert;
    char *key;
    struct bus_watch *watch;
    pthread_mutex_t lock; /* endpoints */
    struct bus_endpoint *endpoints;
};

enum bus_role { BUS_BIND, BUS_DIAL, BUS_PROBE /* dials once, and takes any certificate */ };

/* Binds or dials url, which was checked, with the bus's certificates. *ret_id: of nng's listener
 * or dialer. An error number of nng. */
int bus_start(struct kn_bus *bus, nng_socket socket, enum bus_role role, const char *url,
              uint32_t *ret_id) KN_MUST_CHECK;

/* The same with the bus's limits, for a url that is checked here, and kept so (endpoint.c) until
 * bus_close. */
enum kn_status bus_attach(struct kn_bus *bus, nng_socket socket, enum bus_role role,
                          const char *url, struct kn_buf *error) KN_MUST_CHECK;

/* The status for an error number of nng. */
enum kn_status bus_status(int nng_error);

/* Appends a formatted sentence to error, unless it is NULL. */
void bus_error(struct kn_buf *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An envelope with its message, ready to be sent. */
enum kn_status bus_pack(struct kn_bus *bus, uint64_t number, enum kn_kind kind, const void *msg,
                        nng_msg **ret) KN_MUST_CHECK;
/* The same for a message that is encoded already. */
enum kn_status bus_pack_body(struct kn_bus *bus, uint64_t number, enum kn_kind kind,
                             struct kn_str body, nng_msg **ret) KN_MUST_CHECK;
/* Takes raw over, also on failure. without: a field that is passed over, or NULL. */
enum kn_status bus_unpack(struct kn_bus *bus, nng_msg *raw, const char *without,
                          struct kn_bus_message **ret) KN_MUST_CHECK;
/* The same for an answer, whose length was taken from bus->answers. */
enum kn_status bus_unpack_answer(struct kn_bus *bus, nng_msg *raw,
                                 struct kn_bus_message **ret) KN_MUST_CHECK;

/* ---- endpoint.c: what is bound or dialled ---- */

struct bus_endpoint;
/* Starts it, and remembers it. An error number of nng. */
int bus_endpoint_add(struct kn_bus *bus, nng_socket socket, enum bus_role role,
                     const char *url) KN_MUST_CHECK;
/* How often a connection was made on it. */
uint64_t bus_connects(struct kn_bus *bus, nng_socket socket);
/* Closes it, and waits for that; but not for ever. */
void bus_close(struct kn_bus *bus, nng_socket socket);
/* Dials anew what has long had no connection, and binds anew what gives none to its socket. To
 * be called every second or so. False when an address could not be bound for limit_us. */
bool bus_endpoints_mend(struct kn_bus *bus, int64_t limit_us) KN_MUST_CHECK;

/* ---- closing.c ---- */

/* Closes the socket, and waits for that, up to limit_us. fini, which may be NULL, runs with arg
 * when it is closed, be it later: no callback of the socket runs after. False when it is not
 * closed yet. */
bool bus_close_within(nng_socket socket, int64_t limit_us, void (*fini)(void *arg), void *arg);
/* What bus_close_within should wait when nobody asks about it. */
int64_t bus_close_limit(void);
/* Whether nng does, for a socket of ours, within limit_us. */
bool bus_clears_away(int64_t limit_us) KN_MUST_CHECK;

/* ---- watch.c ---- */

/* Mends endpoints on a thread of its own, and sees whether nng clears away. When either is not
 * done within limit_us, on_stuck is called, once, if it isn't NULL. NULL when out of memory. */
struct bus_watch *bus_watch_new(struct kn_bus *bus, int64_t limit_us, void (*on_stuck)(void *arg),
                                void *arg);
/* NULL is allowed. */
void bus_watch_free(struct bus_watch *watch);

/* Milliseconds for nng, at least 1. */
nng_duration bus_ms(int64_t us);

#endif
