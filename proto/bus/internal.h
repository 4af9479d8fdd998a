/* Shared by the files of the bus. No other module includes it. */
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

enum bus_role { BUS_BIND, BUS_DIAL, BUS_PROBE /* dials once, and accepts any certificate */ };

/* Binds or dials a checked url with the bus's certificates. *ret_id: ID of nng's listener or
 * dialer. Returns an nng error number. */
int bus_start(struct kn_bus *bus, nng_socket socket, enum bus_role role, const char *url,
              uint32_t *ret_id) KN_MUST_CHECK;

/* The same with the bus's limits. Checks url, and keeps it bound or dialled (endpoint.c) until
 * bus_close. */
enum kn_status bus_attach(struct kn_bus *bus, nng_socket socket, enum bus_role role,
                          const char *url, struct kn_buf *error) KN_MUST_CHECK;

/* The status for an error number of nng. */
enum kn_status bus_status(int nng_error);

/* Appends a formatted sentence to error, unless it is NULL. */
void bus_error(struct kn_buf *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Builds an envelope with its message, ready to send. */
enum kn_status bus_pack(struct kn_bus *bus, uint64_t number, enum kn_kind kind, const void *msg,
                        nng_msg **ret) KN_MUST_CHECK;
/* The same for an encoded message. */
enum kn_status bus_pack_body(struct kn_bus *bus, uint64_t number, enum kn_kind kind,
                             struct kn_str body, nng_msg **ret) KN_MUST_CHECK;
/* Takes ownership of raw, also on failure. without: a field to skip, or NULL. */
enum kn_status bus_unpack(struct kn_bus *bus, nng_msg *raw, const char *without,
                          struct kn_bus_message **ret) KN_MUST_CHECK;
/* The same for an answer, whose length was taken from bus->answers. */
enum kn_status bus_unpack_answer(struct kn_bus *bus, nng_msg *raw,
                                 struct kn_bus_message **ret) KN_MUST_CHECK;

/* ---- endpoint.c: what is bound or dialled ---- */

struct bus_endpoint;
/* Starts an endpoint, and remembers it. Returns an nng error number. */
int bus_endpoint_add(struct kn_bus *bus, nng_socket socket, enum bus_role role,
                     const char *url) KN_MUST_CHECK;
/* Number of connections made on the socket. */
uint64_t bus_connects(struct kn_bus *bus, nng_socket socket);
/* Closes the socket, and waits until it is closed, up to a limit. */
void bus_close(struct kn_bus *bus, nng_socket socket);
/* Dials again where a connection has been missing for long, and binds again where a listener no
 * longer gives its socket connections. Call it about every second. False when an address could not
 * be bound for limit_us. */
bool bus_endpoints_mend(struct kn_bus *bus, int64_t limit_us) KN_MUST_CHECK;

/* ---- closing.c ---- */

/* Closes the socket, and waits up to limit_us until it is closed. fini (may be NULL) runs with arg
 * once the socket is closed, even if later: no callback of the socket runs after fini. False when
 * the socket is not closed yet. */
bool bus_close_within(nng_socket socket, int64_t limit_us, void (*fini)(void *arg), void *arg);
/* The default limit for bus_close_within. */
int64_t bus_close_limit(void);
/* Whether nng closes a test socket within limit_us. */
bool bus_clears_away(int64_t limit_us) KN_MUST_CHECK;

/* ---- watch.c ---- */

/* Repairs endpoints on a thread of its own, and checks that nng still closes sockets. If either
 * fails for limit_us, calls on_stuck (may be NULL) once. NULL when out of memory. */
struct bus_watch *bus_watch_new(struct kn_bus *bus, int64_t limit_us, void (*on_stuck)(void *arg),
                                void *arg);
/* NULL is allowed. */
void bus_watch_free(struct bus_watch *watch);

/* Milliseconds for nng, at least 1. */
nng_duration bus_ms(int64_t us);

#endif
