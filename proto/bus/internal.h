/* What the files of the bus share, and nobody else includes. */
#ifndef KN_PROTO_BUS_INTERNAL_H
#define KN_PROTO_BUS_INTERNAL_H

#include "proto/bus/bus.h"

#include <nng/nng.h>
#include <stdatomic.h>

enum { BUS_RECONNECT_MIN_MS = 20, BUS_RECONNECT_MAX_MS = 500 };

struct kn_bus {
    char *sender;
    size_t message_max;
    bool insecure;
    char *ca; /* PEM text; NULL without TLS */
    char *cert;
    char *key;
    struct bus_watch *watch; /* NULL: nobody wants to know */
};

enum bus_role { BUS_BIND, BUS_DIAL };

/* Binds or dials url on the socket with the bus's limits and certificates. */
enum kn_status bus_attach(struct kn_bus *bus, nng_socket socket, enum bus_role role,
                          const char *url, char **ret_error) KN_MUST_CHECK;

/* The status for an error number of nng. */
enum kn_status bus_status(int nng_error);

/* Sets *ret_error (when it is not NULL) to a formatted sentence. */
void bus_error(char **ret_error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An envelope with its message, ready to be sent. */
enum kn_status bus_pack(struct kn_bus *bus, uint64_t number, enum kn_kind kind, const void *msg,
                        nng_msg **ret) KN_MUST_CHECK;
/* The same, with number 0, for a message that is encoded already. */
enum kn_status bus_pack_body(struct kn_bus *bus, enum kn_kind kind, struct kn_str body,
                             nng_msg **ret) KN_MUST_CHECK;
/* Takes raw over, also on failure. without: a field that is passed over, or NULL. */
enum kn_status bus_unpack(struct kn_bus *bus, nng_msg *raw, const char *without,
                          struct kn_bus_message **ret) KN_MUST_CHECK;

/* Closes it, and waits for that; but not for ever (closing.c). */
void bus_close(nng_socket socket);

/* Tries every limit_us whether nng still clears connections away (closing.c): when it has not
 * for limit_us, on_stuck is called, once, on a thread of its own. NULL when memory is out. */
struct bus_watch;
struct bus_watch *bus_watch_new(int64_t limit_us, void (*on_stuck)(void *arg), void *arg);
/* NULL is allowed. */
void bus_watch_free(struct bus_watch *watch);

/* Milliseconds for nng, at least 1. */
nng_duration bus_ms(int64_t us);

#endif
