#include "gateway/server/server_internal.h"

#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK_EVERY (KN_SECOND / 4)

enum { EVENTS = 64, ACCEPTS = 64 /* in one round */ };

void loop_wake(struct gw_server *server)
{
    if (!atomic_exchange(&server->woken, true))
        eventfd_write(server->wake_fd, 1);
}

void loop_done(struct request *request)
{
    struct gw_server *server = request->server;
    pthread_mutex_lock(&server->done_lock);
    request->next = server->done;
    server->done = request;
    pthread_mutex_unlock(&server->done_lock);
    loop_wake(server);
}

static void take_done(struct gw_server *server)
{
    pthread_mutex_lock(&server->done_lock);
    struct request *request = server->done;
    server->done = NULL;
    pthread_mutex_unlock(&server->done_lock);
    while (request) {
        struct request *next = request->next;
        if (request->conn)
            conn_answer(request->conn);
        else
            request_free(request);
        request = next;
    }
}

static void take_wake(struct gw_server *server)
{
    eventfd_t value;
    eventfd_read(server->wake_fd, &value);
    atomic_store(&server->woken, false);
    take_done(server);
    for (struct conn *conn = server->conns, *next; conn; conn = next) {
        next = conn->next;
        if (conn->state == CONN_WS && ws_is_ready(conn))
            conn_run(conn);
    }
}

static void listen_for(struct gw_server *server, bool accept)
{
    struct epoll_event event = {.events = accept ? EPOLLIN : 0, .data.ptr = &server->listen_fd};
    if (accept != server->accepting &&
        epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, server->listen_fd, &event) == 0)
        server->accepting = accept;
}

static void take_connections(struct gw_server *server)
{
    static struct kn_log_limit limit;
    uint64_t skipped;
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            conn_open(server, fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN) { /* no descriptors or no memory: later, when some were given back */
            listen_for(server, false);
            if (kn_log_allow(&limit, &skipped))
                KN_WARN("gateway.cannot_accept", KN_F_TEXT("error", strerror(errno)),
                        KN_F_I64("skipped", skipped));
        }
        return;
    }
}

static void check_all(struct gw_server *server)
{
    int64_t now = kn_time_mono();
    for (struct conn *conn = server->conns, *next; conn; conn = next) {
        next = conn->next;
        conn_check(conn, now);
    }
    listen_for(server, true);
}

static void free_dead(struct gw_server *server)
{
    while (server->dead) {
        struct conn *conn = server->dead;
        server->dead = conn->next;
        conn_free(conn);
    }
}

static void take_event(struct gw_server *server, const struct epoll_event *event)
{
    if (event->data.ptr == &server->wake_fd)
        take_wake(server);
    else if (event->data.ptr == &server->listen_fd)
        take_connections(server);
    else
        conn_event(event->data.ptr, event->events);
}

void *loop_run(void *arg)
{
    struct gw_server *server = arg;
    int64_t check_at = 0;
    while (!atomic_load(&server->stopping)) {
        struct epoll_event events[EVENTS];
        bool any = server->conns || !server->accepting;
        int n = epoll_wait(server->epoll_fd, events, EVENTS, any ? (int)(CHECK_EVERY / 1000) : -1);
        for (int i = 0; i < n; i++)
            take_event(server, &events[i]);
        if (kn_time_mono() >= check_at) {
            check_all(server);
            check_at = kn_time_mono() + CHECK_EVERY;
        }
        free_dead(server);
    }
    return NULL;
}
