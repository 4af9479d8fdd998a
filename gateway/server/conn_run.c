/* A connection's way from bytes to a request, to its answer, and back to bytes. */
#include "gateway/server/server_internal.h"

#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Time limits of a client. */
#define HEAD_PATIENCE (10 * KN_SECOND) /* for a head, from its first byte */
#define IDLE_PATIENCE (60 * KN_SECOND) /* between two requests */
#define MOVE_PATIENCE (10 * KN_SECOND) /* for a body or an answer, plus one second … */
#define DRAIN_PATIENCE (2 * KN_SECOND) /* for the client to close, after us */
enum {
    BODY_RATE = 16 << 10, /* … per this many bytes of a body received */
    ANSWER_RATE = 4 << 10 /* … and of an answer sent */
};

/* ---- from bytes to a request ------------------------------------------------------------ */

/* Answers with a problem and ends the connection: the request can't be understood. */
static void refuse(struct conn *conn, int status, const char *detail)
{
    static struct kn_log_limit limit;
    uint64_t skipped;
    struct request *request = conn->request;
    request->x.path = KN_STR_ABSENT; /* its memory may have moved since */
    gw_fail(&request->x, status, "%s", detail);
    if (status == 405)
        request->x.allow = "GET, HEAD, POST, DELETE, OPTIONS";
    request->close = true;
    http_finish(request);
    conn_set_state(conn, CONN_WRITE);
    if (kn_log_allow(&limit, &skipped))
        KN_INFO("gateway.bad_request", KN_F_I64("status", status), KN_F_TEXT("text", detail),
                KN_F_TEXT("remote", conn->remote), KN_F_I64("skipped", skipped));
}

static bool new_request(struct conn *conn)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request) {
        conn_kill(conn);
        return false;
    }
    request->server = conn->server;
    request->conn = conn;
    gw_exchange_init(&request->x, conn->server->options.app->memory);
    request->x.app = conn->server->options.app;
    snprintf(request->x.remote, sizeof request->x.remote, "%s", conn->remote);
    kn_buf_init(&request->answer, 64 << 10);
    conn->request = request;
    return true;
}

static struct kn_str part(const struct conn *conn, size_t len)
{
    return (struct kn_str){conn->in.data, len};
}

static void drop_input(struct conn *conn, size_t len)
{
    memmove(conn->in.data, conn->in.data + len, conn->in.len - len);
    conn->in.len -= len;
    if (conn->in.len == 0)
        kn_buf_fini(&conn->in);
    conn->scanned = 0;
}

/* The head is complete. */
static void take_head(struct conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!new_request(conn))
        return;
    struct request *request = conn->request;
    struct gw_head *head = &request->head;
    if (gw_head_parse(part(conn, conn->scanned), head) != KN_OK) {
        refuse(conn, head->status, head->detail);
        return;
    }
    http_check(request);
    if (request->x.problem.status) {
        request->close = true; /* an unwanted body is not read */
        http_finish(request);
        conn_set_state(conn, CONN_WRITE);
        return;
    }
    conn->need = conn->scanned + (size_t)head->content_length;
    if (head->expects_continue && conn->in.len < conn->need)
        (void)send(conn->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    conn_set_state(conn, CONN_BODY);
}

/* Whether the state changed. */
static bool step_head(struct conn *conn)
{
    if (conn->used && conn->scanned == 0 && conn->in.len >= 2 &&
        memcmp(conn->in.data, "\r\n", 2) == 0)
        drop_input(conn, 2); /* RFC 9112, section 2.2: one empty line before a request */
    if (conn->in.len == 0 && conn->ended) {
        conn_kill(conn);
        return false;
    }
    switch (gw_head_end(kn_buf_view(&conn->in), &conn->scanned)) {
    case KN_OK:
        take_head(conn);
        return true;
    case KN_AGAIN:
        if (conn->ended) {
            conn_kill(conn);
            return false;
        }
        if (conn->in.len < GW_HEAD_MAX)
            return false;
        if (!new_request(conn))
            return false;
        if (memchr(conn->in.data, '\n', conn->in.len))
            refuse(conn, 431, "the request line and headers may have at most 32768 bytes");
        else
            refuse(conn, 414, "the request line may have at most 32768 bytes");
        return true;
    default:
        if (!new_request(conn))
            return false;
        refuse(conn, 400, "the request line or a header has a byte that is not allowed");
        return true;
    }
}

/* ---- from a request to its answer ------------------------------------------------------- */

static void begin_work(struct conn *conn)
{
    struct request *request = conn->request;
    struct gw_app *app = conn->server->options.app;
    enum gw_lane lane = gw_app_lane(request->x.path);
    if (lane == GW_LANE_NOW) {
        gw_app_answer(app, &request->x);
        http_finish(request);
        conn_set_state(conn, CONN_WRITE);
        return;
    }
    conn_set_state(conn, CONN_WORK);
    if (lane_put(&conn->server->lanes[lane], request))
        return;
    atomic_fetch_add(&app->counters.refused, 1);
    request->x.retry_after = 1;
    gw_fail(&request->x, 503, "too many requests in progress, try again later");
    http_finish(request);
    conn_set_state(conn, CONN_WRITE);
}

static void begin_handshake(struct conn *conn)
{
    struct request *request = conn->request;
    struct gw_client *client = NULL;
    http_shake_hands(request, &client);
    request->upgrades = client && ws_open(conn, client);
    if (client && !request->upgrades)
        gw_fail(&request->x, 503, "out of memory");
    http_finish(request);
    conn_set_state(conn, CONN_WRITE);
}

static bool step_body(struct conn *conn)
{
    struct request *request = conn->request;
    if (conn->in.len < conn->need) {
        if (!conn->ended)
            return false;
        refuse(conn, 400, "the body is shorter than its Content-Length");
        return true;
    }
    request->data = malloc(conn->need);
    if (!request->data) {
        conn_kill(conn);
        return false;
    }
    size_t head = conn->need - (size_t)request->head.content_length;
    memcpy(request->data, conn->in.data, conn->need);
    request->len = conn->need;
    drop_input(conn, conn->need);
    /* The same bytes at their final place. */
    if (gw_head_parse((struct kn_str){request->data, head}, &request->head) != KN_OK) {
        refuse(conn, request->head.status, request->head.detail);
        return true;
    }
    request->close = !request->head.keep_alive;
    http_fill(request);
    if (request->x.problem.status) {
        http_finish(request);
        conn_set_state(conn, CONN_WRITE);
    } else if (http_is_handshake(request)) {
        begin_handshake(conn);
    } else {
        begin_work(conn);
    }
    conn_account(conn);
    return conn->state != CONN_WORK;
}

void conn_answer(struct conn *conn)
{
    conn_set_state(conn, CONN_WRITE);
    kn_buf_leave_budget(&conn->request->x.body); /* it counts among what connections hold */
    conn_account(conn);
    conn_make_room(conn->server, conn);
    conn_run(conn);
}

/* ---- from an answer to bytes ------------------------------------------------------------ */

static void begin_drain(struct conn *conn)
{
    kn_buf_fini(&conn->in);
    if (conn->ended || shutdown(conn->fd, SHUT_WR) != 0)
        conn_kill(conn);
    else
        conn_set_state(conn, CONN_DRAIN);
}

static void end_request(struct conn *conn)
{
    struct request *request = conn->request;
    bool upgrades = request->upgrades, close = request->close;
    conn->request = NULL;
    conn->used = true;
    request_free(request);
    if (upgrades)
        conn_set_state(conn, CONN_WS);
    else if (close)
        begin_drain(conn);
    else
        conn_set_state(conn, CONN_HEAD);
}

static bool step_write(struct conn *conn)
{
    struct request *request = conn->request;
    struct kn_str head = kn_buf_view(&request->answer), body = gw_exchange_body(&request->x);
    if (request->x.head || request->x.status == 204 || request->x.status == 304 ||
        request->upgrades)
        body.len = 0;
    while (conn->moved < head.len + body.len) {
        size_t of_head = conn->moved < head.len ? conn->moved : head.len;
        size_t of_body = conn->moved - of_head;
        struct iovec parts[] = {{(char *)head.ptr + of_head, head.len - of_head},
                                {(char *)body.ptr + of_body, body.len - of_body}};
        const struct msghdr message = {.msg_iov = parts, .msg_iovlen = body.len ? 2 : 1};
        ssize_t n = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0) {
            conn_kill(conn);
            return false;
        }
        conn->moved += (size_t)n;
    }
    end_request(conn);
    return true;
}

/* ---- events ----------------------------------------------------------------------------- */

static uint32_t wanted(const struct conn *conn)
{
    switch (conn->state) {
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_DRAIN:
        return conn->ended ? 0 : EPOLLIN;
    case CONN_WRITE:
        return EPOLLOUT;
    case CONN_WS:
        return EPOLLIN | (ws_wants_out(conn) ? EPOLLOUT : 0U);
    default:
        return 0;
    }
}

static bool step(struct conn *conn)
{
    switch (conn->state) {
    case CONN_HEAD:
        return step_head(conn);
    case CONN_BODY:
        return step_body(conn);
    case CONN_WRITE:
        return step_write(conn);
    case CONN_WS:
        ws_run(conn);
        return false;
    default:
        return false;
    }
}

void conn_run(struct conn *conn)
{
    while (step(conn))
        continue;
    if (conn->state == CONN_DEAD)
        return;
    conn_account(conn);
    uint32_t events = wanted(conn);
    if (events != conn->events && !conn_watch(conn, EPOLL_CTL_MOD, events))
        conn_kill(conn);
}

/* Number of bytes to read now, within the request's limit. */
static size_t room(const struct conn *conn)
{
    size_t most = conn->state == CONN_HEAD   ? GW_HEAD_MAX
                  : conn->state == CONN_BODY ? conn->need
                                             : conn->in.len + READ_MAX;
    size_t left = most > conn->in.len ? most - conn->in.len : 0;
    return left < READ_MAX ? left : READ_MAX;
}

static void receive(struct conn *conn)
{
    char bytes[READ_MAX];
    size_t most = room(conn);
    ssize_t n = most ? recv(conn->fd, bytes, most, MSG_DONTWAIT) : 0;
    if (!most || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    if (n < 0) {
        conn_kill(conn);
        return;
    }
    conn->ended = n == 0;
    conn->heard = kn_time_mono();
    if (conn->state == CONN_DRAIN) {
        if (conn->ended)
            conn_kill(conn);
        return;
    }
    if (conn->state == CONN_HEAD && conn->in.len == 0)
        conn->since = conn->heard; /* the head begins */
    conn->moved += conn->state == CONN_BODY ? (size_t)n : 0;
    kn_buf_append(&conn->in, bytes, (size_t)n);
    if (kn_buf_status(&conn->in) != KN_OK) {
        conn_kill(conn);
        return;
    }
    conn_account(conn);
    conn_make_room(conn->server, conn);
    conn_run(conn);
}

void conn_event(struct conn *conn, uint32_t events)
{
    if (conn->state == CONN_DEAD)
        return;
    if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN)) {
        conn_kill(conn);
        return;
    }
    if (events & EPOLLOUT)
        conn_run(conn);
    if (conn->state != CONN_DEAD && events & EPOLLIN && conn->events & EPOLLIN)
        receive(conn);
}

/* ---- time ------------------------------------------------------------------------------- */

static int64_t deadline(const struct conn *conn)
{
    switch (conn->state) {
    case CONN_HEAD:
        return conn->since + (conn->used && conn->in.len == 0 ? IDLE_PATIENCE : HEAD_PATIENCE);
    case CONN_BODY:
        return conn->since + MOVE_PATIENCE + (int64_t)(conn->moved / BODY_RATE) * KN_SECOND;
    case CONN_WRITE:
        return conn->since + MOVE_PATIENCE + (int64_t)(conn->moved / ANSWER_RATE) * KN_SECOND;
    case CONN_DRAIN:
        return conn->since + DRAIN_PATIENCE;
    default:
        return INT64_MAX;
    }
}

void conn_check(struct conn *conn, int64_t now)
{
    if (conn->state == CONN_WS) {
        ws_check(conn, now);
        return;
    }
    if (now < deadline(conn))
        return;
    bool began = conn->state == CONN_BODY || (conn->state == CONN_HEAD && conn->in.len > 0);
    if (!began || (!conn->request && !new_request(conn))) {
        conn_kill(conn);
        return;
    }
    refuse(conn, 408, "the request arrived too slowly");
    conn_run(conn);
}
