/* Live changes for many WebSocket clients. The hub collects changes. Once per tick,
 * every client gets frames with the changes that it subscribed to; each task appears
 * once, in its newest state. Frames that a client does not read in time are dropped,
 * and the client is notified, so memory is bounded.
 *
 * Threads: one feeds and ticks; any thread may join, command, and wait for frames.
 * One lock protects the collected changes and the list of clients, and a lock in each
 * client protects its frames. */
#ifndef KN_GATEWAY_LIVE_HUB_H
#define KN_GATEWAY_LIVE_HUB_H

#include "gateway/live/frame.h"
#include "gateway/view/view.h"

struct gw_hub;
struct gw_client;

struct gw_hub_options {
    size_t clients_max;
    size_t client_bytes; /* frames waiting for one client */
    size_t tick_bytes;   /* changes collected in one tick */
    size_t tick_changes; /* tasks changed in one tick */
    size_t items_max;    /* tasks in the frames of one tick */
    size_t workers_max;  /* maximum number of workers whose state is remembered */
    int64_t tick_us;     /* shown to clients */
};

struct gw_hub_counters {
    uint64_t clients;
    uint64_t joined;
    uint64_t refused;
    uint64_t frames;
    uint64_t frames_dropped;
    uint64_t changes;
    uint64_t changes_dropped; /* exceeded the limits of their tick */
};

enum kn_status gw_hub_new(const struct gw_hub_options *options, struct gw_hub **ret) KN_MUST_CHECK;
/* Call after all clients have left. NULL is allowed. */
void gw_hub_free(struct gw_hub *hub);
void gw_hub_counters(struct gw_hub *hub, struct gw_hub_counters *ret);

/* ---- changes; these functions copy what they need ------------------------------------- */

/* live: the commit was published, with its tasks; otherwise clients of tasks, workers
 * and queues are told to load again. */
void gw_hub_commit(struct gw_hub *hub, const struct kn_msg_feed *commit, bool live);
/* Sets the current workers, so that later changes of their status are noticed. */
void gw_hub_workers(struct gw_hub *hub, const struct kn_msg_worker_list *list);
/* Tells all clients to load again. reason: static, see docs/websocket.md. */
void gw_hub_resync(struct gw_hub *hub, const char *reason);
/* Sets the newest figures, or the newest system document, as JSON. */
void gw_hub_metrics(struct gw_hub *hub, struct kn_str json);
void gw_hub_system(struct gw_hub *hub, struct kn_str json);
/* Sets the feed's state in hello. */
void gw_hub_feed_state(struct gw_hub *hub, bool connected);

/* Creates the frames and passes them to the clients. */
void gw_hub_tick(struct gw_hub *hub);

/* ---- clients ---------------------------------------------------------------------------- */

/* FULL if there are already clients_max. The first frame, hello, is waiting on return. */
enum kn_status gw_hub_join(struct gw_hub *hub, struct gw_client **ret) KN_MUST_CHECK;
/* No thread may be waiting for its frames. NULL is allowed. */
void gw_hub_leave(struct gw_hub *hub, struct gw_client *client);
/* Handles a text frame from the client; the reply is waiting on return. */
void gw_hub_command(struct gw_hub *hub, struct gw_client *client, struct kn_str text);

struct gw_frame {
    struct gw_frame *next;
    size_t len;
    char text[];
};
/* The next frame; release it with free(). NULL after the timeout or gw_client_close. */
struct gw_frame *gw_client_next(struct gw_client *client, int64_t timeout_us);
/* From now on, the thread that creates frames calls fn when a client without waiting frames gets
 * one. fn runs with locks held, so it must only notify another thread. It is not called after
 * gw_hub_leave has returned. */
void gw_client_notify(struct gw_client *client, void (*fn)(void *arg), void *arg);
/* Makes gw_client_next return NULL at once, now and later. */
void gw_client_close(struct gw_client *client);
bool gw_client_closed(struct gw_client *client);

#endif
