#include "gateway/server/server_internal.h"

#include "services/common/config/config.h"
#include "services/common/count.h"
#include "services/common/process/log.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    SEND_BUFFER = 256 << 10, /* bytes */
    OTHER_DESCRIPTORS = 256, /* of the bus, the log, and for a connection that is turned away */
};

/* ---- the address ------------------------------------------------------------------------ */

static void cannot_listen(struct kn_buf *error, const char *listen, const char *why)
{
    if (error)
        kn_buf_printf(error, "cannot listen on %s: %s (gateway.listen)", listen, why);
}

/* Returns 0 or an error number. */
static int bind_to(const struct addrinfo *at, int *ret_fd)
{
    int yes = 1, buffer = SEND_BUFFER, error;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    /* A fixed size, which connections inherit: else a client that does not read makes
     * the kernel keep megabytes for it. */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        *ret_fd = fd;
        return 0;
    }
    error = errno;
    close(fd);
    return error;
}

/* "0.0.0.0:8080", "[::1]:8080", with the port that was taken. */
static void tell_address(struct gw_server *server)
{
    struct sockaddr_storage own = {0};
    socklen_t len = sizeof own;
    char host[64] = "", port[16] = "";
    if (getsockname(server->listen_fd, (struct sockaddr *)&own, &len) == 0)
        getnameinfo((struct sockaddr *)&own, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(server->address, sizeof server->address,
             own.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static enum kn_status start_listening(struct gw_server *server, struct kn_buf *error)
{
    const char *listen = server->options.listen;
    char host[256], service[16];
    int port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (!kn_config_split_address(listen, host, sizeof host, &port)) {
        cannot_listen(error, listen, "not an address and port");
        return KN_CONFIG;
    }
    snprintf(service, sizeof service, "%d", port);
    int code = getaddrinfo(host[0] ? host : NULL, service, &hints, &found);
    if (code) {
        cannot_listen(error, listen, gai_strerror(code));
        return KN_CONFIG;
    }
    code = bind_to(found, &server->listen_fd);
    freeaddrinfo(found);
    if (code) {
        cannot_listen(error, listen,
                      code == EADDRINUSE ? "another program uses this port" : strerror(code));
        return KN_IO;
    }
    tell_address(server);
    return KN_OK;
}

/* ---- starting --------------------------------------------------------------------------- */

/* Each connection is a descriptor: as many as are allowed, and not more connections. */
static void fit_descriptors(struct gw_server_options *options)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    rlim_t want = OTHER_DESCRIPTORS + (rlim_t)options->connections_max + options->ws_clients_max;
    if (limit.rlim_cur >= want)
        return;
    limit.rlim_cur =
        limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= want ? want : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == want)
        return;
    rlim_t others = OTHER_DESCRIPTORS + (rlim_t)options->ws_clients_max;
    options->connections_max =
        limit.rlim_cur > others + 16 ? (unsigned)(limit.rlim_cur - others) : 16;
    KN_WARN("gateway.few_descriptors",
            KN_F_TEXT("text", "the limit of open files allows fewer than "
                              "gateway.connections_max"),
            KN_F_I64("connections", options->connections_max));
}

static bool add_to_epoll(struct gw_server *server, int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
    return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, *fd, &event) == 0;
}

static enum kn_status start_threads(struct gw_server *server)
{
    pthread_attr_t attr;
    enum kn_status status =
        lane_start(&server->lanes[GW_LANE_PROBE], server, PROBE_THREADS, PROBES_WAITING_MAX);
    if (status == KN_OK)
        status = lane_start(&server->lanes[GW_LANE_WORK], server, server->options.threads,
                            server->options.threads);
    if (status != KN_OK)
        return status;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    server->started = pthread_create(&server->loop, &attr, loop_run, server) == 0;
    pthread_attr_destroy(&attr);
    return server->started ? KN_OK : KN_NOMEM;
}

static enum kn_status start(struct gw_server *server, struct kn_buf *error)
{
    enum kn_status status = start_listening(server, error);
    if (status != KN_OK)
        return status;
    fit_descriptors(&server->options);
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->epoll_fd < 0 || server->wake_fd < 0 || !add_to_epoll(server, &server->listen_fd) ||
        !add_to_epoll(server, &server->wake_fd))
        return KN_IO;
    server->accepting = true;
    return start_threads(server);
}

enum kn_status gw_server_start(const struct gw_server_options *options, struct gw_server **ret,
                               struct kn_buf *error)
{
    struct gw_server *server = calloc(1, sizeof *server);
    if (!server)
        return KN_NOMEM;
    server->options = *options;
    server->listen_fd = server->epoll_fd = server->wake_fd = -1;
    pthread_mutex_init(&server->done_lock, NULL);
    enum kn_status status = start(server, error);
    if (status != KN_OK) {
        gw_server_stop(server);
        return status;
    }
    *ret = server;
    return KN_OK;
}

static void close_all(struct gw_server *server)
{
    while (server->conns) {
        if (server->conns->state == CONN_WS)
            ws_goodbye(server->conns);
        conn_kill(server->conns);
    }
    while (server->dead) {
        struct conn *conn = server->dead;
        server->dead = conn->next;
        conn_free(conn);
    }
    while (server->done) {
        struct request *request = server->done;
        server->done = request->next;
        request_free(request);
    }
}

void gw_server_stop(struct gw_server *server)
{
    if (!server)
        return;
    atomic_store(&server->stopping, true);
    if (server->started) {
        loop_wake(server);
        pthread_join(server->loop, NULL);
    }
    for (size_t i = 0; i < KN_COUNT_OF(server->lanes); i++)
        lane_stop(&server->lanes[i]);
    close_all(server);
    const int fds[] = {server->listen_fd, server->epoll_fd, server->wake_fd};
    for (size_t i = 0; i < KN_COUNT_OF(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    pthread_mutex_destroy(&server->done_lock);
    free(server);
}

const char *gw_server_address(const struct gw_server *server)
{
    return server->address;
}
