/* TLS for a library without TLS support: the caller gets one end of a socket pair, and a thread
 * copies bytes between the other end and the TLS connection. */
#ifndef BROKER_NET_TLS_H
#define BROKER_NET_TLS_H

#include "services/broker/url/url.h"

struct broker_tls;

/* Performs the client handshake on fd (connected, blocking), and verifies certificate and host name
 * according to options. Takes ownership of fd, also on failure. The caller owns *ret_fd, and must
 * close it before calling broker_tls_free. On failure (DENIED: the peer is not trusted; IO,
 * TIMEOUT, CONFIG, NOMEM) error gets a sentence. */
enum kn_status broker_tls_open(int fd, const struct broker_tls_options *options, const char *host,
                               int64_t timeout_us, struct kn_buf *error, int *ret_fd,
                               struct broker_tls **ret_tls) KN_MUST_CHECK;
/* Why the peer ended the connection; "" while unknown. */
const char *broker_tls_reason(const struct broker_tls *tls);
/* Stops the thread, and closes the connection. NULL is allowed. */
void broker_tls_free(struct broker_tls *tls);

#endif
