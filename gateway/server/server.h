/* HTTP and WebSocket; see docs/http.md.
 *
 * Threads: one, the loop, owns all connections and waits only for them; others make answers, and
 * may block. */
#ifndef KN_GATEWAY_SERVER_SERVER_H
#define KN_GATEWAY_SERVER_SERVER_H

#include "gateway/api/app.h"

struct gw_server;

struct gw_server_options {
    const char *listen;       /* "127.0.0.1:8080"; port 0: any free port */
    unsigned threads;         /* number of requests answered at the same time; as many may wait */
    unsigned connections_max; /* besides WebSocket clients */
    unsigned ws_clients_max;
    struct gw_app *app; /* not owned */
};

/* On failure error, which may be NULL, may have a sentence. */
enum kn_status gw_server_start(const struct gw_server_options *options, struct gw_server **ret,
                               struct kn_buf *error) KN_MUST_CHECK;
/* Ends all connections. NULL is allowed. */
void gw_server_stop(struct gw_server *server);
/* "127.0.0.1:8080", with the actual port. */
const char *gw_server_address(const struct gw_server *server);

#endif
