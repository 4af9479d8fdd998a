#include "gateway/server_internal.h"

#include "services/common/log.h"
#include "services/common/time.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One connection: civetweb's thread reads, a thread of ours writes, so that a
 * client which does not read holds up nobody else. When nothing could be written
 * for civetweb's request_timeout_ms, the stream is broken off in the middle of a
 * frame: the connection is shut down then, which ends the reading thread. */
struct ws {
    struct mg_connection *conn;
    int fd; /* a duplicate of civetweb's, only to shut it down; -1: not found */
    struct gw_server *server;
    struct gw_client *client;
    pthread_t writer;
    struct kn_buf partial; /* of a message in several frames */
    bool in_message;
};

/* ---- the descriptor, which civetweb does not tell --------------------------------------- */

static bool is_address(const struct sockaddr_storage *address, const char *host, int port)
{
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    bool is_v4 = address->ss_family == AF_INET;
    if (!is_v4 && address->ss_family != AF_INET6)
        return false;
    if (ntohs(is_v4 ? v4->sin_port : v6->sin6_port) != port)
        return false;
    inet_ntop(address->ss_family, is_v4 ? (const void *)&v4->sin_addr : &v6->sin6_addr, text,
              sizeof text);
    return !host || strcmp(text, host) == 0;
}

static bool is_socket_of(int fd, const struct mg_request_info *info)
{
    struct sockaddr_storage peer = {0}, own = {0};
    socklen_t peer_len = sizeof peer, own_len = sizeof own;
    return getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
           getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
           is_address(&peer, info->remote_addr, info->remote_port) &&
           is_address(&own, NULL, info->server_port);
}

/* A duplicate, to be closed by the caller; -1 when it is not found. */
static int socket_of(const struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    DIR *dir = opendir("/proc/self/fd");
    int found = -1;
    for (struct dirent *entry; dir && found < 0 && (entry = readdir(dir));) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] != '.' && is_socket_of(fd, info))
            found = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    if (dir)
        closedir(dir);
    return found;
}

/* ---- writing ---------------------------------------------------------------------------- */

static void *write_frames(void *arg)
{
    struct ws *ws = arg;
    bool good = true;
    while (good && !gw_client_closed(ws->client)) {
        struct gw_frame *frame = gw_client_next(ws->client, KN_MINUTE);
        if (!frame)
            continue;
        int len = mg_websocket_write(ws->conn, MG_WEBSOCKET_OPCODE_TEXT, frame->text, frame->len);
        good = len == (int)frame->len; /* less: broken off */
        free(frame);
    }
    if (!good) {
        gw_client_close(ws->client);
        if (ws->fd >= 0)
            shutdown(ws->fd, SHUT_RDWR);
    }
    return NULL;
}

static bool start_writer(struct ws *ws)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    bool started = pthread_create(&ws->writer, &attr, write_frames, ws) == 0;
    pthread_attr_destroy(&attr);
    return started;
}

/* ---- civetweb's callbacks --------------------------------------------------------------- */

static void on_ready(struct mg_connection *conn, void *arg)
{
    static const char busy[] = "\x03\xf5too many clients"; /* 1013, try again later */
    struct gw_server *server = arg;
    struct ws *ws = calloc(1, sizeof *ws);
    if (ws && gw_hub_join(server->options.app->hub, &ws->client) == KN_OK) {
        ws->conn = conn;
        ws->fd = socket_of(conn);
        ws->server = server;
        kn_buf_init(&ws->partial, GW_FRAME_MAX + 1);
        if (start_writer(ws)) {
            mg_set_user_connection_data(conn, ws);
            return;
        }
        gw_hub_leave(server->options.app->hub, ws->client);
        if (ws->fd >= 0)
            close(ws->fd);
    }
    free(ws);
    mg_websocket_write(conn, MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE, busy, sizeof busy - 1);
}

/* A message is whole: text goes to the hub, the rest is refused by it. */
static void take_message(struct ws *ws, struct kn_str text)
{
    if (kn_utf8_valid(text))
        gw_hub_command(ws->server->options.app->hub, ws->client, text);
    else
        gw_hub_command(ws->server->options.app->hub, ws->client, KN_STR(""));
}

static void take_frame(struct ws *ws, int bits, struct kn_str data)
{
    bool final = bits & 0x80;
    if (final && !ws->in_message) {
        take_message(ws, data);
        return;
    }
    ws->in_message = !final;
    kn_buf_str(&ws->partial, data); /* too much: refused when it is whole */
    if (!final)
        return;
    if (kn_buf_status(&ws->partial) == KN_OK)
        take_message(ws, kn_buf_view(&ws->partial));
    else
        take_message(ws, KN_STR(""));
    kn_buf_clear(&ws->partial);
}

static int on_data(struct mg_connection *conn, int bits, char *data, size_t len, void *arg)
{
    (void)arg;
    struct ws *ws = mg_get_user_connection_data(conn);
    if (!ws || gw_client_closed(ws->client))
        return 0;
    switch (bits & 0x0f) {
    case MG_WEBSOCKET_OPCODE_CONTINUATION:
    case MG_WEBSOCKET_OPCODE_TEXT:
    case MG_WEBSOCKET_OPCODE_BINARY:
        take_frame(ws, bits, (struct kn_str){data, len});
        return 1;
    case MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE:
        mg_websocket_write(conn, MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE, data, len < 2 ? 0 : 2);
        return 0;
    case MG_WEBSOCKET_OPCODE_PING:
    case MG_WEBSOCKET_OPCODE_PONG:
        return 1;
    default:
        return 0;
    }
}

static void on_close(const struct mg_connection *conn, void *arg)
{
    struct gw_server *server = arg;
    struct ws *ws = mg_get_user_connection_data(conn);
    if (!ws)
        return;
    mg_set_user_connection_data(conn, NULL);
    gw_client_close(ws->client);
    pthread_join(ws->writer, NULL);
    gw_hub_leave(server->options.app->hub, ws->client);
    kn_buf_fini(&ws->partial);
    if (ws->fd >= 0)
        close(ws->fd);
    free(ws);
}

void websocket_register(struct gw_server *server)
{
    /* Behind any prefix: http_begin_request has looked at the path. */
    mg_set_websocket_handler(server->civetweb, "**/api/v1/ws$", NULL, on_ready, on_data, on_close,
                             server);
}
