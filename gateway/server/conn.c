#include "gateway/server/server_internal.h"

#include "services/common/text/time.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t hash_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6) /* a customer has at least a /64 */
        return kn_hash64(0, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 8);
    return kn_hash64(0, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
}

static void read_peer(struct conn *conn)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char text[sizeof conn->remote] = "";
    if (getpeername(conn->fd, (struct sockaddr *)&address, &len) != 0)
        return;
    getnameinfo((struct sockaddr *)&address, len, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    bool mapped = strncmp(text, "::ffff:", 7) == 0 && strchr(text, '.');
    snprintf(conn->remote, sizeof conn->remote, "%s", mapped ? text + 7 : text);
    conn->peer = (unsigned)(hash_of(&address) % PEERS);
}

bool conn_watch(struct conn *conn, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    conn->events = events;
    return epoll_ctl(conn->server->epoll_fd, operation, conn->fd, &event) == 0;
}

/* Best effort, without waiting: there is no room for this connection. */
static void turn_away(struct gw_server *server, int fd)
{
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                               "Content-Length: 0\r\nConnection: close\r\n\r\n";
    atomic_fetch_add(&server->options.app->counters.refused, 1);
    (void)send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

void conn_open(struct gw_server *server, int fd)
{
    int yes = 1;
    bool room = server->n_conns < server->options.connections_max || conn_make_room(server, NULL);
    struct conn *conn = room ? calloc(1, sizeof *conn) : NULL;
    if (!conn) {
        turn_away(server, fd);
        return;
    }
    conn->server = server;
    conn->fd = fd;
    conn->since = conn->heard = kn_time_mono();
    kn_buf_init(&conn->in, GW_HEAD_MAX + REQUEST_BODY_MAX + READ_MAX);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    read_peer(conn);
    if (!conn_watch(conn, EPOLL_CTL_ADD, EPOLLIN)) {
        free(conn);
        turn_away(server, fd);
        return;
    }
    conn->next = server->conns;
    if (conn->next)
        conn->next->prev = conn;
    server->conns = conn;
    server->n_conns++;
    server->peers[conn->peer]++;
}

void conn_account(struct conn *conn)
{
    size_t held = conn->in.cap;
    if (conn->request) /* its body, which is gone when there is an answer */
        held += conn->state == CONN_WRITE ? conn->request->x.body.cap : conn->request->len;
    conn->server->held += held - conn->held;
    conn->held = held;
}

static void drop_request(struct conn *conn)
{
    struct request *request = conn->request;
    conn->request = NULL;
    if (!request)
        return;
    request->conn = NULL;
    if (conn->state == CONN_WORK)
        atomic_store(&request->abandoned, true); /* the thread that has it returns it */
    else
        request_free(request);
}

void conn_kill(struct conn *conn)
{
    struct gw_server *server = conn->server;
    if (conn->state == CONN_DEAD)
        return;
    drop_request(conn);
    server->held -= conn->held;
    server->n_conns -= conn->state != CONN_WS;
    server->peers[conn->peer]--;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    close(conn->fd);
    ws_free(conn->ws);
    conn->ws = NULL;
    conn->state = CONN_DEAD;
    conn->next = server->dead;
    server->dead = conn;
}

void conn_free(struct conn *conn)
{
    kn_buf_fini(&conn->in);
    free(conn);
}

void conn_set_state(struct conn *conn, enum conn_state state)
{
    if (state == CONN_WS)
        conn->server->n_conns--;
    else if (conn->state == CONN_WS)
        conn->server->n_conns++;
    conn->state = state;
    conn->since = kn_time_mono();
    conn->moved = 0;
}

/* The first to go is from the address with the most connections, the one that has taken longest:
 * not one that has just connected, and none that waits for us. */
static bool is_better(const struct conn *conn, const struct conn *than, bool by_peer)
{
    const uint16_t *peers = conn->server->peers;
    if (by_peer && peers[conn->peer] != peers[than->peer])
        return peers[conn->peer] > peers[than->peer];
    return conn->since < than->since;
}

static bool kill_one(struct gw_server *server, const struct conn *keep, bool for_bytes)
{
    struct conn *victim = NULL;
    for (struct conn *conn = server->conns; conn; conn = conn->next) {
        if (conn == keep || conn->state == CONN_WORK || conn->state == CONN_WS ||
            (for_bytes && !conn->held))
            continue;
        if (!victim || is_better(conn, victim, !for_bytes))
            victim = conn;
    }
    if (!victim)
        return false;
    atomic_fetch_add(&server->options.app->counters.refused, 1);
    conn_kill(victim);
    return true;
}

bool conn_make_room(struct gw_server *server, const struct conn *keep)
{
    bool room = true;
    while (room && server->held > HELD_MAX)
        room = kill_one(server, keep, true);
    while (room && server->n_conns >= server->options.connections_max)
        room = kill_one(server, keep, false);
    return room;
}
