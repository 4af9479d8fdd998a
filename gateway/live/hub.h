/* Live changes for many WebSocket clients. Changes are gathered; once a tick
 * every client gets frames with those that it subscribed to, each task once and
 * in its newest state. What a client does not read in time is dropped, and the
 * client told so: nothing here grows without bound.
 *
 * Threads: one feeds and ticks; any thread may join, command, and wait for
 * frames. One lock guards what is gathered and the list of clients, one in each
 * client its frames. */
#ifndef KN_GATEWAY_LIVE_HUB_H
#define KN_GATEWAY_LIVE_HUB_H

#include "gateway/live/frame.h"
#include "gateway/view/view.h"

struct gw_hub;
struct gw_client;

struct gw_hub_options {
    size_t clients_max;
    size_t client_bytes; /* frames that wait for one client */
    size_t tick_bytes;   /* changes gathered in one tick */
    size_t tick_changes; /* tasks changed in one tick */
    size_t items_max;    /* tasks in the frames of one tick */
    size_t workers_max;  /* workers whose state is remembered */
    int64_t tick_us;     /* told to clients */
};

struct gw_hub_counters {
    uint64_t clients;
    uint64_t joined;
    uint64_t refused;
    uint64_t frames;
    uint64_t frames_dropped;
    uint64_t changes;
    uint64_t changes_dropped; /* did not fit into their tick */
};

enum kn_status gw_hub_new(const struct gw_hub_options *options, struct gw_hub **ret) KN_MUST_CHECK;
/* All clients must have left. NULL is allowed. */
void gw_hub_free(struct gw_hub *hub);
void gw_hub_counters(struct gw_hub *hub, struct gw_hub_counters *ret);

/* ---- what happens; all of this copies what it needs ------------------------------------- */

/* live: the commit is as published, with its tasks; otherwise clients of tasks,
 * workers and queues are told to load again. */
void gw_hub_commit(struct gw_hub *hub, const struct kn_msg_feed *commit, bool live);
/* The workers as they are, so that those that come and go are known as such. */
void gw_hub_workers(struct gw_hub *hub, const struct kn_msg_worker_list *list);
/* Everybody must load again. reason: static text of docs/websocket.md. */
void gw_hub_resync(struct gw_hub *hub, const char *reason);
/* JSON of the newest figures, or of the system; replaces the one before. */
void gw_hub_metrics(struct gw_hub *hub, struct kn_str json);
void gw_hub_system(struct gw_hub *hub, struct kn_str json);
/* For hello. */
void gw_hub_feed_state(struct gw_hub *hub, bool connected);

/* Makes the frames and hands them to the clients. */
void gw_hub_tick(struct gw_hub *hub);

/* ---- clients ---------------------------------------------------------------------------- */

/* FULL when there are clients_max. The first frame, hello, waits already. */
enum kn_status gw_hub_join(struct gw_hub *hub, struct gw_client **ret) KN_MUST_CHECK;
/* Nobody may be waiting for its frames any more. NULL is allowed. */
void gw_hub_leave(struct gw_hub *hub, struct gw_client *client);
/* A text frame from the client; the answer waits afterwards. */
void gw_hub_command(struct gw_hub *hub, struct gw_client *client, struct kn_str text);

struct gw_frame {
    struct gw_frame *next;
    size_t len;
    char text[];
};
/* The next frame, to be freed with free(); NULL when none came in time, or after
 * gw_client_close. */
struct gw_frame *gw_client_next(struct gw_client *client, int64_t timeout_us);
/* From now on fn is called whenever frames begin to wait, by the thread that made them and
 * with locks held: it must only tell somebody else. Never after gw_hub_leave has returned. */
void gw_client_notify(struct gw_client *client, void (*fn)(void *arg), void *arg);
/* Makes gw_client_next return NULL at once, for ever. */
void gw_client_close(struct gw_client *client);
bool gw_client_closed(struct gw_client *client);

#endif
