#include "gateway/server/server_internal.h"

#include "services/common/text/time.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define WRITE_PATIENCE (10 * KN_SECOND) /* in which the client takes no byte */
#define PING_AFTER (20 * KN_SECOND)     /* of silence */
#define GONE_AFTER (60 * KN_SECOND)

/* What is written is one frame at a time: its head (or all of a control frame) is in out,
 * the payload of a text stays in the frame. */
struct ws {
    struct gw_client *client;
    struct gw_server *server;
    struct gw_ws_reader reader;
    atomic_bool ready; /* there may be frames; set by any thread */
    char out[GW_WS_HEADER_MAX + GW_WS_CONTROL_MAX];
    size_t out_len;
    struct gw_frame *frame;
    size_t sent;
    char pong[GW_WS_CONTROL_MAX]; /* the answer to the newest ping */
    size_t pong_len;
    bool pong_due;
    bool ping_due;
    int64_t pinged; /* monotonic */
    int code;       /* with which we close; 0: we don't */
    bool closing;   /* the close frame is being written, or was */
};

static void on_frames(void *arg)
{
    struct ws *ws = arg;
    if (!atomic_exchange(&ws->ready, true))
        loop_wake(ws->server);
}

bool ws_open(struct conn *conn, struct gw_client *client)
{
    struct gw_server *server = conn->server;
    struct ws *ws = calloc(1, sizeof *ws);
    if (!ws) {
        gw_hub_leave(server->options.app->hub, client);
        return false;
    }
    ws->client = client;
    ws->server = server;
    gw_ws_reader_init(&ws->reader, GW_FRAME_MAX);
    conn->ws = ws;
    gw_client_notify(client, on_frames, ws);
    return true;
}

void ws_free(struct ws *ws)
{
    if (!ws)
        return;
    gw_client_close(ws->client);
    gw_hub_leave(ws->server->options.app->hub,
                 ws->client); /* from now on on_frames is not called */
    gw_ws_reader_fini(&ws->reader);
    free(ws->frame);
    free(ws);
}

bool ws_is_ready(struct conn *conn)
{
    return atomic_exchange(&conn->ws->ready, false);
}

/* ---- reading ---------------------------------------------------------------------------- */

static void take_event(struct ws *ws, const struct gw_ws_event *event)
{
    switch (event->opcode) {
    case GW_WS_TEXT:
        gw_hub_command(ws->server->options.app->hub, ws->client, event->payload);
        break;
    case GW_WS_BINARY: /* refused by the hub, like a text that is not a command */
        gw_hub_command(ws->server->options.app->hub, ws->client, KN_STR(""));
        break;
    case GW_WS_PING:
        memcpy(ws->pong, event->payload.ptr, event->payload.len);
        ws->pong_len = event->payload.len;
        ws->pong_due = true;
        break;
    case GW_WS_CLOSE:
        ws->code = event->payload.len < 2 ? 1000
                                          : (unsigned char)event->payload.ptr[0] << 8 |
                                                (unsigned char)event->payload.ptr[1];
        break;
    default:
        break;
    }
}

static void read_frames(struct conn *conn)
{
    struct ws *ws = conn->ws;
    struct gw_ws_event event;
    size_t at = 0;
    while (!ws->code && at < conn->in.len) {
        enum kn_status status =
            gw_ws_read(&ws->reader, conn->in.data + at, conn->in.len - at, &event);
        if (status == KN_OK)
            take_event(ws, &event);
        else if (status != KN_AGAIN)
            ws->code = event.code;
        else if (!event.size)
            break;
        at += event.size;
    }
    if (ws->code) /* later frames are not read */
        at = conn->in.len;
    if (at == conn->in.len) {
        kn_buf_fini(&conn->in);
    } else if (at) {
        memmove(conn->in.data, conn->in.data + at, conn->in.len - at);
        conn->in.len -= at;
    }
}

/* ---- writing ---------------------------------------------------------------------------- */

static void begin_control(struct ws *ws, enum gw_ws_opcode opcode, const char *payload, size_t len)
{
    size_t header = gw_ws_header(ws->out, opcode, len);
    if (len)
        memcpy(ws->out + header, payload, len);
    ws->out_len = header + len;
    ws->sent = 0;
}

/* Chooses what is written next. False: nothing. */
static bool begin_next(struct ws *ws)
{
    const char code[] = {(char)(ws->code >> 8), (char)ws->code};
    if (ws->closing)
        return false;
    if (ws->code) {
        ws->closing = true;
        begin_control(ws, GW_WS_CLOSE, code, sizeof code);
    } else if (ws->pong_due) {
        ws->pong_due = false;
        begin_control(ws, GW_WS_PONG, ws->pong, ws->pong_len);
    } else if (ws->ping_due) {
        ws->ping_due = false;
        begin_control(ws, GW_WS_PING, NULL, 0);
    } else if ((ws->frame = gw_client_next(ws->client, 0))) {
        ws->out_len = gw_ws_header(ws->out, GW_WS_TEXT, ws->frame->len);
        ws->sent = 0;
    } else {
        return false;
    }
    return true;
}

static size_t total(const struct ws *ws)
{
    return ws->out_len + (ws->frame ? ws->frame->len : 0);
}

/* OK: all of what was begun; AGAIN; CLOSED. */
static enum kn_status write_frame(struct conn *conn)
{
    struct ws *ws = conn->ws;
    while (ws->sent < total(ws)) {
        size_t of_out = ws->sent < ws->out_len ? ws->sent : ws->out_len;
        size_t of_frame = ws->sent - of_out;
        struct iovec parts[2] = {{ws->out + of_out, ws->out_len - of_out}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};
        if (ws->frame) {
            parts[1] = (struct iovec){ws->frame->text + of_frame, ws->frame->len - of_frame};
            message.msg_iovlen = 2;
        }
        ssize_t n = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? KN_AGAIN : KN_CLOSED;
        ws->sent += (size_t)n;
        conn->since = kn_time_mono();
    }
    free(ws->frame);
    ws->frame = NULL;
    ws->out_len = ws->sent = 0;
    return KN_OK;
}

static void write_frames(struct conn *conn)
{
    struct ws *ws = conn->ws;
    enum kn_status status = KN_OK;
    if (total(ws) == 0)
        conn->since = kn_time_mono();
    while (status == KN_OK && (total(ws) > 0 || begin_next(ws)))
        status = write_frame(conn);
    if (status == KN_CLOSED)
        conn_kill(conn);
}

bool ws_wants_out(const struct conn *conn)
{
    return total(conn->ws) > 0;
}

void ws_run(struct conn *conn)
{
    struct ws *ws = conn->ws;
    if (conn->ended) { /* without a close frame */
        conn_kill(conn);
        return;
    }
    read_frames(conn);
    write_frames(conn);
    if (conn->state == CONN_DEAD || !ws->closing || total(ws) > 0)
        return;
    ws_free(ws);
    conn->ws = NULL;
    conn_set_state(conn, CONN_DRAIN);
    if (shutdown(conn->fd, SHUT_WR) != 0)
        conn_kill(conn);
}

void ws_check(struct conn *conn, int64_t now)
{
    struct ws *ws = conn->ws;
    if ((total(ws) > 0 && now - conn->since > WRITE_PATIENCE) || now - conn->heard > GONE_AFTER) {
        conn_kill(conn);
    } else if (now - conn->heard > PING_AFTER && now - ws->pinged > PING_AFTER) {
        ws->pinged = now;
        ws->ping_due = true;
        conn_run(conn);
    }
}

void ws_goodbye(struct conn *conn)
{
    struct ws *ws = conn->ws;
    if (total(ws) > 0)
        return;
    ws->code = GW_WS_GOING_AWAY;
    if (begin_next(ws) && write_frame(conn) != KN_OK)
        return;
    shutdown(conn->fd, SHUT_WR);
}
