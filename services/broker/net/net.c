#include "services/broker/net/net.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static void describe(struct kn_buf *error, const char *host, uint16_t port, const char *why)
{
    kn_buf_clear(error);
    kn_buf_printf(error, "%s port %u: %s", host, port, why);
}

/* Waits until a connect has ended. Returns its errno, ETIMEDOUT or ECANCELED. */
static int await_connect(int fd, int64_t deadline, int wake_fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLOUT}, {.fd = wake_fd, .events = POLLIN}};
    for (;;) {
        int64_t left = deadline - kn_time_mono();
        if (left <= 0)
            return ETIMEDOUT;
        int n = poll(fds, 2, (int)(left / 1000) + 1);
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0 && fds[1].revents)
            return ECANCELED;
        if (n > 0 && fds[0].revents)
            break;
    }
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
        return errno;
    return err;
}

static void tune(int fd)
{
    const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},   {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 15}, {IPPROTO_TCP, TCP_KEEPINTVL, 5},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };
    for (size_t i = 0; i < KN_COUNT_OF(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

/* Returns 0 with *ret_fd set, or an errno. */
static int connect_one(const struct addrinfo *addr, int64_t deadline, int wake_fd, int *ret_fd)
{
    int fd = socket(addr->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int err = 0;
    if (connect(fd, addr->ai_addr, addr->ai_addrlen) != 0)
        err = errno == EINPROGRESS ? await_connect(fd, deadline, wake_fd) : errno;
    if (err == 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) != 0)
        err = errno;
    if (err) {
        close(fd);
        return err;
    }
    tune(fd);
    *ret_fd = fd;
    return 0;
}

enum kn_status broker_net_tcp(const char *host, uint16_t port, int64_t timeout_us, int wake_fd,
                              struct kn_buf *error, int *ret_fd)
{
    char service[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    snprintf(service, sizeof(service), "%u", port);
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc != 0) {
        describe(error, host, port, gai_strerror(rc));
        return KN_NOT_FOUND;
    }
    int64_t deadline = kn_time_mono() + timeout_us;
    int err = ENOENT;
    for (const struct addrinfo *a = list; a && err && err != ECANCELED; a = a->ai_next)
        err = connect_one(a, deadline, wake_fd, ret_fd);
    freeaddrinfo(list);
    if (err == 0)
        return KN_OK;
    describe(error, host, port, strerror(err));
    return err == ETIMEDOUT ? KN_TIMEOUT : err == ECANCELED ? KN_CLOSED : KN_IO;
}

enum kn_status broker_net_unix(const char *path, struct kn_buf *error, int *ret_fd)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return KN_IO;
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        kn_buf_clear(error);
        kn_buf_printf(error, "socket %s: %s", path, strerror(errno));
        close(fd);
        return KN_IO;
    }
    *ret_fd = fd;
    return KN_OK;
}

void broker_net_timeout(int fd, int64_t timeout_us)
{
    struct timeval tv = {.tv_sec = timeout_us / KN_SECOND, .tv_usec = timeout_us % KN_SECOND};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

int broker_wake_new(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void broker_wake(int wake_fd)
{
    uint64_t one = 1;
    ssize_t n = write(wake_fd, &one, sizeof(one));
    (void)n; /* EAGAIN: it is awake already */
}

void broker_wake_drain(int wake_fd)
{
    uint64_t count;
    ssize_t n = read(wake_fd, &count, sizeof(count));
    (void)n;
}
