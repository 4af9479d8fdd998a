/* Inside of the server: what its files share. */
#ifndef KN_GATEWAY_SERVER_SERVER_INTERNAL_H
#define KN_GATEWAY_SERVER_SERVER_INTERNAL_H

#include "gateway/http/head.h"
#include "gateway/http/reply.h"
#include "gateway/server/server.h"
#include "gateway/server/ws.h"

#include <pthread.h>

/* Bytes of a thread's stack. Sanitizers put more on it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define THREAD_STACK ((size_t)4 << 20)
#else
#define THREAD_STACK ((size_t)512 << 10)
#endif

enum {
    REQUEST_BODY_MAX = 1 << 20, /* bytes */
    HELD_MAX = 64 << 20,        /* bytes of requests and answers in all connections together */
    READ_MAX = 64 << 10,        /* bytes at once */
    PROBE_THREADS = 2,          /* for /readyz and /metrics alone */
    PROBES_WAITING_MAX = 64,
    PEERS = 4096, /* places in which connections are counted by where they come from */
};

struct conn;

/* ---- one request, which goes from the loop to another thread and back ------------------- */

struct request {
    struct request *next; /* in a lane or among the done */
    struct gw_server *server;
    struct conn *conn;     /* the loop's; NULL: its client has gone */
    atomic_bool abandoned; /* its client has gone */
    char *data;            /* head and body; owned */
    size_t len;
    struct gw_head head;
    struct gw_exchange x;
    struct kn_buf answer; /* its head; the body is x's */
    bool close;           /* the connection, after the answer */
    bool upgrades;        /* the connection is a WebSocket's after the answer */
};

void request_free(struct request *request);

/* ---- lane.c: threads that make answers, and the requests that wait for them ------------- */

struct lane {
    struct gw_server *server;
    pthread_mutex_t lock; /* what follows */
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
/* Lets the threads finish, and frees waiting requests. A lane that was not started is allowed. */
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
    struct conn *dead; /* to be freed once no event can refer to them */
    unsigned n_conns;  /* that are not of WebSocket clients */
    size_t held;       /* bytes */
    bool accepting;
    uint16_t peers[PEERS];
};

/* ---- loop.c ----------------------------------------------------------------------------- */

void *loop_run(void *server);
/* From any thread: wakes the loop. */
void loop_wake(struct gw_server *server);
/* From any thread: hands a request with its answer back. */
void loop_done(struct request *request);

/* ---- conn.c ----------------------------------------------------------------------------- */

enum conn_state {
    CONN_HEAD,  /* the head of a request is awaited */
    CONN_BODY,  /* its body */
    CONN_WORK,  /* its answer is made */
    CONN_WRITE, /* its answer is written */
    CONN_WS,    /* a WebSocket client's */
    CONN_DRAIN, /* closed by us; further input is discarded, so that the answer arrives */
    CONN_DEAD,
};

struct conn {
    struct conn *prev, *next;
    struct gw_server *server;
    int fd;
    enum conn_state state;
    uint32_t events; /* that epoll watches for */
    int64_t since;   /* when the state began, or CONN_WS: when something was last written */
    int64_t heard;   /* when something last came */
    size_t moved;    /* bytes that were read or written in this state */
    struct kn_buf in;
    size_t scanned;          /* of it, for the end of a head */
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
/* Has epoll watch for events. operation: of epoll_ctl. */
bool conn_watch(struct conn *conn, int operation, uint32_t events);
/* Tells the server how much memory this connection holds. */
void conn_account(struct conn *conn);
/* Kills connections until there is room for one more and for all bytes; keep is not one of
 * them. False: there is none. */
bool conn_make_room(struct gw_server *server, const struct conn *keep);

/* ---- conn_run.c ------------------------------------------------------------------------- */

/* events: as epoll has them. */
void conn_event(struct conn *conn, uint32_t events);
/* Continues as far as it can without waiting. */
void conn_run(struct conn *conn);
/* Looks whether it took too long. */
void conn_check(struct conn *conn, int64_t now);
/* The answer of its request is ready. */
void conn_answer(struct conn *conn);

/* ---- http.c ----------------------------------------------------------------------------- */

/* Checks before the body is there: a problem, or nothing. */
void http_check(struct request *request);
/* Fills in the request from the head, which is final, and the body. */
void http_fill(struct request *request);
bool http_is_handshake(const struct request *request);
/* A problem, or the connection upgrades: client is the hub's new one then. */
void http_shake_hands(struct request *request, struct gw_client **ret_client);
/* Writes the answer's head; frees what only making it took. */
void http_finish(struct request *request);

/* ---- websocket.c ------------------------------------------------------------------------ */

/* The connection is this client's, which is taken over. False: out of memory. */
bool ws_open(struct conn *conn, struct gw_client *client);
void ws_free(struct ws *ws);
/* Reads what has come, and writes what there is. */
void ws_run(struct conn *conn);
/* Whether hub or client made something to write since the last time. */
bool ws_is_ready(struct conn *conn);
void ws_check(struct conn *conn, int64_t now);
bool ws_wants_out(const struct conn *conn);
/* Says goodbye, if that needs no waiting. */
void ws_goodbye(struct conn *conn);

#endif
