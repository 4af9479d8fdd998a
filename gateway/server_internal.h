/* Inside of the server: what its two files share. */
#ifndef KN_GATEWAY_SERVER_INTERNAL_H
#define KN_GATEWAY_SERVER_INTERNAL_H

#include "gateway/server.h"

#include <civetweb.h>

/* Bytes of a thread's stack. Sanitizers put more on it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define THREAD_STACK ((size_t)4 << 20)
#else
#define THREAD_STACK ((size_t)512 << 10)
#endif

enum {
    SPARE_THREADS = 8,          /* they say 503 when all others are busy */
    REQUEST_BODY_MAX = 1 << 20, /* bytes */
};

struct gw_server {
    struct gw_server_options options;
    struct mg_context *civetweb;
    char address[300];
    char error[300]; /* civetweb's first complaint while it starts */
    bool started;
    atomic_int connections;
};

/* ---- http.c ----------------------------------------------------------------------------- */

/* Answers the request of conn, unless it is a good WebSocket handshake: then 0. */
int http_begin_request(struct mg_connection *conn);
/* Answers what civetweb could not read. */
int http_error(struct mg_connection *conn, int status, const char *message);

/* ---- websocket.c ------------------------------------------------------------------------ */

/* Makes civetweb serve /api/v1/ws. */
void websocket_register(struct gw_server *server);

#endif
