/* Events and messages as a Celery 5.6 sends them (celery/events/dispatcher.py,
 * celery/worker/request.py and strategy.py, celery/app/amqp.py), in JSON. */
#ifndef KN_BENCH_EVENTS_H
#define KN_BENCH_EVENTS_H

#include "services/common/text/buf.h"
#include "tests/bench/options.h"

/* What the sender is, type on the wire. */
#define LOAD_TYPE_MAP(X)                                                                           \
    X(SENT, "task-sent")                                                                           \
    X(RECEIVED, "task-received")                                                                   \
    X(STARTED, "task-started")                                                                     \
    X(SUCCEEDED, "task-succeeded")                                                                 \
    X(FAILED, "task-failed")                                                                       \
    X(REJECTED, "task-rejected")                                                                   \
    X(REVOKED, "task-revoked")                                                                     \
    X(RETRIED, "task-retried")                                                                     \
    X(PROGRESS, "task-progress")                                                                   \
    X(ONLINE, "worker-online")                                                                     \
    X(HEARTBEAT, "worker-heartbeat")                                                               \
    X(OFFLINE, "worker-offline")

enum load_type {
#define X(name, text) LOAD_##name,
    LOAD_TYPE_MAP(X)
#undef X
        LOAD_TYPE_COUNT
};

/* "task-sent"; static. */
const char *load_type_name(enum load_type type);

/* Where in a task's life an event is; the later one says the state. */
enum load_slot {
    LOAD_SLOT_SENT,
    LOAD_SLOT_RECEIVED,
    LOAD_SLOT_STARTED,
    LOAD_SLOT_RETRIED,
    LOAD_SLOT_SENT_AGAIN,
    LOAD_SLOT_RECEIVED_AGAIN,
    LOAD_SLOT_STARTED_AGAIN,
    LOAD_SLOT_END,
    LOAD_SLOT_NONE, /* events that say nothing of a task's state */
};

/* Who sends. */
struct load_node {
    char hostname[64];
    unsigned pid;
    uint64_t clock;     /* Celery's logical clock */
    uint64_t processed; /* tasks, for heartbeats */
};

struct load_event {
    enum load_type type;
    uint64_t task;
    bool again; /* the second attempt */
    int64_t at_us;
    int64_t runtime_us; /* succeeded */
    unsigned active;    /* heartbeats */
};

/* Appends the event; the node's clock goes on. */
void load_event_write(struct kn_buf *out, const struct load_options *options,
                      struct load_node *node, const struct load_event *event);

/* The id of a task, 36 characters. */
void load_event_uuid(struct kn_buf *out, uint64_t seed, uint64_t task);

/* The end of a task, and whether it has other events, as its number and the seed say. */
enum load_type load_event_end(const struct load_options *options, uint64_t task);
bool load_event_retried(const struct load_options *options, uint64_t task);
bool load_event_sent(const struct load_options *options, uint64_t task);
bool load_event_progress(const struct load_options *options, uint64_t task);
/* How many events it has in its life. */
unsigned load_event_count(const struct load_options *options, uint64_t task);

#endif
