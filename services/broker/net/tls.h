/* TLS for a library that knows none: the caller gets one end of a socket pair,
 * and a thread moves bytes between the other end and the TLS connection. */
#ifndef BROKER_NET_TLS_H
#define BROKER_NET_TLS_H

#include "services/broker/url/url.h"

struct broker_tls;

/* Shakes hands on fd (connected, blocking) as a client; certificate and host
 * name are verified as options say. Owns fd from here, also on failure. The
 * caller owns *ret_fd: it closes it, and then calls broker_tls_free. On failure
 * (DENIED: the peer is not trusted; IO, TIMEOUT, CONFIG, NOMEM) error gets a
 * sentence. */
enum kn_status broker_tls_open(int fd, const struct broker_tls_options *options, const char *host,
                               int64_t timeout_us, struct kn_buf *error, int *ret_fd,
                               struct broker_tls **ret_tls) KN_MUST_CHECK;
/* Why the peer ended the connection; "" while unknown. */
const char *broker_tls_reason(const struct broker_tls *tls);
/* Ends the thread, and closes the connection. NULL is allowed. */
void broker_tls_free(struct broker_tls *tls);

#endif
