/* Internal to the server: shared by its files. */
#ifndef KN_GATEWAY_SERVER_SERVER_INTERNAL_H
#define KN_GATEWAY_SERVER_SERVER_INTERNAL_H

#include "gateway/http/head.h"
#include "gateway/http/reply.h"
#include "gateway/server/server.h"
#include "gateway/server/ws.h"

#include <pthread.h>

/* Bytes of a thread's stack. Sanitizers need more. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define THREAD_STACK ((size_t)4 << 20)
#else
#define THREAD_STACK ((size_t)512 << 10)
#endif

enum {
    REQUEST_BODY_MAX = 1 << 20, /* bytes */
    HELD_MAX = 64 << 20,        /* bytes of requests and answers in all connections together */
    READ_MAX = 64 << 10,        /* bytes per read */
    PROBE_THREADS = 2,          /* only for /readyz and /metrics */
    PROBES_WAITING_MAX = 64,
    PEERS = 4096, /* number of counters for connections by client address */
};

struct conn;

/* ---- a request, passed from the loop to another thread and back ------------------- */

struct request {
    struct request *next; /* in a lane or among the done */
    struct gw_server *server;
    struct conn *conn;     /* the loop's; NULL: the client has disconnected */
    atomic_bool abandoned; /* the client has disconnected */
    char *data;            /* head and body; owned */
    size_t len;
    struct gw_head head;
    struct gw_exchange x;
    struct kn_buf answer; /* its head; the body is x's */
    bool close;           /* close the connection after the answer */
    bool upgrades;        /* the connection becomes a WebSocket after the answer */
};

void request_free(struct request *request);

/* ---- lane.c: threads that make answers, and waiting requests ------------- */

struct lane {
    struct gw_server *server;
    pthread_mutex_t lock; /* guards the following */
    pthread_cond_t wake;
    struct request *first, *last;
    unsigned waiting;
    bool stopped;
    unsigned waiting_max;
    unsigned n_threads;
    pthread_t *threads;
};

enum kn_status lane_start(struct lane *lane, struct gw_server *server, unsigned threads,
                          unsigned waiting_max) KN_MUST_CHECK;
/* Lets the threads finish, and frees waiting requests. Safe on a lane that was not started. */
void lane_stop(struct lane *lane);
/* False: the queue is full. */
bool lane_put(struct lane *lane, struct request *request);

/* ---- the server ------------------------------------------------------------------------- */

struct gw_server {
    struct gw_server_options options;
    char address[300];
    int listen_fd, epoll_fd, wake_fd;
    pthread_t loop;
    bool started;
    atomic_bool stopping;
    atomic_bool woken;    /* wake_fd was written to */
    struct lane lanes[2]; /* by enum gw_lane: GW_LANE_PROBE, GW_LANE_WORK */
    pthread_mutex_t done_lock;
    struct request *done;

    /* The loop's own. */
    struct conn *conns;
    struct conn *dead; /* freed once no event can refer to them */
    unsigned n_conns;  /* without WebSocket clients */
    size_t held;       /* bytes */
    bool accepting;
    uint16_t peers[PEERS];
};

/* ---- loop.c ----------------------------------------------------------------------------- */

void *loop_run(void *server);
/* From any thread: wakes the loop. */
void loop_wake(struct gw_server *server);
/* From any thread: returns a request with its answer. */
void loop_done(struct request *request);

/* ---- conn.c ----------------------------------------------------------------------------- */

enum conn_state {
    CONN_HEAD,  /* waits for the head of a request */
    CONN_BODY,  /* its body */
    CONN_WORK,  /* its answer is made */
    CONN_WRITE, /* its answer is written */
    CONN_WS,    /* a WebSocket client's */
    CONN_DRAIN, /* closed by us; discards input, so that the answer arrives */
    CONN_DEAD,
};

struct conn {
    struct conn *prev, *next;
    struct gw_server *server;
    int fd;
    enum conn_state state;
    uint32_t events; /* watched by epoll */
    int64_t since;   /* when the state began, or CONN_WS: when data was last written */
    int64_t heard;   /* when data was last received */
    size_t moved;    /* bytes read or written in this state */
    struct kn_buf in;
    size_t scanned;          /* bytes searched for the end of a head */
    size_t need;             /* CONN_BODY: bytes of head and body */
    bool used;               /* a request was answered */
    bool ended;              /* the client sends no more */
    struct request *request; /* CONN_BODY to CONN_WRITE */
    struct ws *ws;           /* CONN_WS */
    size_t held;             /* its part of the server's */
    unsigned peer;           /* its place in the server's */
    char remote[64];
};

/* Takes over the descriptor. */
void conn_open(struct gw_server *server, int fd);
void conn_kill(struct conn *conn);
void conn_free(struct conn *conn);
void conn_set_state(struct conn *conn, enum conn_state state);
/* Makes epoll watch for events. operation: of epoll_ctl. */
bool conn_watch(struct conn *conn, int operation, uint32_t events);
/* Tells the server how much memory this connection holds. */
void conn_account(struct conn *conn);
/* Kills connections other than keep until there is room for one more and for all bytes. False: no
 * room. */
bool conn_make_room(struct gw_server *server, const struct conn *keep);

/* ---- conn_run.c ------------------------------------------------------------------------- */

/* events: from epoll. */
void conn_event(struct conn *conn, uint32_t events);
/* Continues as far as it can without waiting. */
void conn_run(struct conn *conn);
/* Checks for timeouts. */
void conn_check(struct conn *conn, int64_t now);
/* The answer of its request is ready. */
void conn_answer(struct conn *conn);

/* ---- http.c ----------------------------------------------------------------------------- */

/* Checks a request before its body is received: sets a problem, or nothing. */
void http_check(struct request *request);
/* Fills in the request from the head, which is final, and the body. */
void http_fill(struct request *request);
bool http_is_handshake(const struct request *request);
/* Sets a problem, or upgrades the connection: then client is the hub's new one. */
void http_shake_hands(struct request *request, struct gw_client **ret_client);
/* Writes the answer's head, and frees what is no longer needed. */
void http_finish(struct request *request);

/* ---- websocket.c ------------------------------------------------------------------------ */

/* Turns the connection into a WebSocket of client, and takes ownership of client. False: out of
 * memory. */
bool ws_open(struct conn *conn, struct gw_client *client);
void ws_free(struct ws *ws);
/* Reads received data, and writes pending frames. */
void ws_run(struct conn *conn);
/* Whether hub or client produced something to write since the last call. */
bool ws_is_ready(struct conn *conn);
void ws_check(struct conn *conn, int64_t now);
bool ws_wants_out(const struct conn *conn);
/* Sends a close frame, if this does not block. */
void ws_goodbye(struct conn *conn);

#endif
