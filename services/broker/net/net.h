/* Opens sockets, with a timeout, and without blocking shutdown. */
#ifndef BROKER_NET_NET_H
#define BROKER_NET_NET_H

#include "services/common/status.h"
#include "services/common/text/buf.h"

/* Connects over TCP (keepalive, no delay) to the first address of host that answers; the socket is
 * blocking. wake_fd: becomes readable to cancel (returns CLOSED), or -1. On failure (IO, TIMEOUT,
 * NOT_FOUND, CLOSED) error gets a sentence. */
enum kn_status broker_net_tcp(const char *host, uint16_t port, int64_t timeout_us, int wake_fd,
                              struct kn_buf *error, int *ret_fd) KN_MUST_CHECK;
/* The same for a unix socket. */
enum kn_status broker_net_unix(const char *path, struct kn_buf *error, int *ret_fd) KN_MUST_CHECK;

/* Limits the time of a read or write on a blocking socket. */
void broker_net_timeout(int fd, int64_t timeout_us);

/* An eventfd that wakes poll; -1 on failure. */
int broker_wake_new(void);
void broker_wake(int wake_fd);
void broker_wake_drain(int wake_fd);

#endif
