#include "gateway/server_internal.h"

#include "services/common/log.h"
#include "services/common/time.h"

#include <pthread.h>
#include <stdlib.h>

/* One connection: civetweb's thread reads, a thread of ours writes, so that a
 * client which does not read holds up nobody else. */
struct socket {
    struct mg_connection *conn;
    struct gw_server *server;
    struct gw_client *client;
    pthread_t writer;
    struct kn_buf partial; /* of a message in several frames */
    bool in_message;
};

static void *write_frames(void *arg)
{
    struct socket *socket = arg;
    bool good = true;
    while (good && !gw_client_closed(socket->client)) {
        struct gw_frame *frame = gw_client_next(socket->client, KN_MINUTE);
        if (!frame)
            continue;
        good =
            mg_websocket_write(socket->conn, MG_WEBSOCKET_OPCODE_TEXT, frame->text, frame->len) > 0;
        free(frame);
    }
    if (!good) /* the reading thread finds out by its ping */
        gw_client_close(socket->client);
    return NULL;
}

static bool start_writer(struct socket *socket)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    bool started = pthread_create(&socket->writer, &attr, write_frames, socket) == 0;
    pthread_attr_destroy(&attr);
    return started;
}

static void on_ready(struct mg_connection *conn, void *arg)
{
    static const char busy[] = "\x03\xf5too many clients"; /* 1013, try again later */
    struct gw_server *server = arg;
    struct socket *socket = calloc(1, sizeof *socket);
    if (socket && gw_hub_join(server->options.app->hub, &socket->client) == KN_OK) {
        socket->conn = conn;
        socket->server = server;
        kn_buf_init(&socket->partial, GW_FRAME_MAX + 1);
        if (start_writer(socket)) {
            mg_set_user_connection_data(conn, socket);
            return;
        }
        gw_hub_leave(server->options.app->hub, socket->client);
    }
    free(socket);
    mg_websocket_write(conn, MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE, busy, sizeof busy - 1);
}

/* A message is whole: text goes to the hub, the rest is refused by it. */
static void take_message(struct socket *socket, struct kn_str text)
{
    if (kn_utf8_valid(text))
        gw_hub_command(socket->server->options.app->hub, socket->client, text);
    else
        gw_hub_command(socket->server->options.app->hub, socket->client, KN_STR(""));
}

static void take_frame(struct socket *socket, int bits, struct kn_str data)
{
    bool final = bits & 0x80;
    if (final && !socket->in_message) {
        take_message(socket, data);
        return;
    }
    socket->in_message = !final;
    kn_buf_str(&socket->partial, data); /* too much: refused when it is whole */
    if (!final)
        return;
    if (kn_buf_status(&socket->partial) == KN_OK)
        take_message(socket, kn_buf_view(&socket->partial));
    else
        take_message(socket, KN_STR(""));
    kn_buf_clear(&socket->partial);
}

static int on_data(struct mg_connection *conn, int bits, char *data, size_t len, void *arg)
{
    (void)arg;
    struct socket *socket = mg_get_user_connection_data(conn);
    if (!socket || gw_client_closed(socket->client))
        return 0;
    switch (bits & 0x0f) {
    case MG_WEBSOCKET_OPCODE_CONTINUATION:
    case MG_WEBSOCKET_OPCODE_TEXT:
    case MG_WEBSOCKET_OPCODE_BINARY:
        take_frame(socket, bits, (struct kn_str){data, len});
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
    struct socket *socket = mg_get_user_connection_data(conn);
    if (!socket)
        return;
    mg_set_user_connection_data(conn, NULL);
    gw_client_close(socket->client);
    pthread_join(socket->writer, NULL);
    gw_hub_leave(server->options.app->hub, socket->client);
    kn_buf_fini(&socket->partial);
    free(socket);
}

void websocket_register(struct gw_server *server)
{
    mg_set_websocket_handler(server->civetweb, "/api/v1/ws", NULL, on_ready, on_data, on_close,
                             server);
}
