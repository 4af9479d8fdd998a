/* Parses the frames of WebSocket clients (docs/websocket.md). */
#ifndef KN_GATEWAY_LIVE_FRAME_H
#define KN_GATEWAY_LIVE_FRAME_H

#include "gateway/http/problem.h"
#include "proto/messages.h"
#include "services/common/data/arena.h"

enum gw_topic {
    GW_TOPIC_TASKS = 1,
    GW_TOPIC_WORKERS = 2,
    GW_TOPIC_QUEUES = 4,
    GW_TOPIC_METRICS = 8,
    GW_TOPIC_SYSTEM = 16,
    GW_TOPIC_JOBS = 32,
    GW_TOPICS_ALL = 63,
};

enum { GW_FRAME_MAX = 16384 /* bytes of a frame from a client */ };

struct gw_command {
    enum { GW_COMMAND_SUBSCRIBE, GW_COMMAND_UNSUBSCRIBE, GW_COMMAND_PING } type;
    unsigned topics;                /* of subscribe and unsubscribe */
    struct kn_msg_tasks_get filter; /* of subscribe */
    struct kn_str id;               /* of ping: JSON text, or absent */
};

/* INVALID: problem->detail explains the error. Texts of ret are in the arena. */
enum kn_status gw_frame_parse(struct kn_str text, struct kn_arena *arena, struct gw_command *ret,
                              struct gw_problem *problem) KN_MUST_CHECK;

/* Parses only a filter, a JSON object. Errors go to problem. */
void gw_frame_filter(struct kn_str json, struct kn_arena *arena, struct kn_msg_tasks_get *ret,
                     struct gw_problem *problem);

/* Appends ["tasks","metrics"]. */
void gw_topics_json(struct kn_buf *out, unsigned topics);

#endif
