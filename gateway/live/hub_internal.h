/* Internal to the hub: changes collected within a tick, and a client's frames. */
#ifndef KN_GATEWAY_LIVE_HUB_INTERNAL_H
#define KN_GATEWAY_LIVE_HUB_INTERNAL_H

#include "gateway/live/hub.h"
#include "gateway/view/filter.h"
#include "proto/codec.h"
#include "services/common/data/hmap.h"

#include <pthread.h>

/* ---- changes of tasks within a tick: hub_tasks.c ---------------------------------------- */

struct task_entry {
    const struct kn_msg_task *task; /* newest state, in the arena */
    uint64_t hash;
    uint64_t order;    /* of its last change */
    unsigned previous; /* status before the tick; KN_TASK_STATUS_COUNT if created in it */
    size_t json_at;    /* in pending_tasks.json; json_len 0: not written yet */
    size_t json_len;
};

/* Tasks by (source, id), the newest state of each. Not locked. */
struct pending_tasks {
    struct kn_arena arena;
    struct task_entry *entries;
    size_t count;
    size_t max;
    uint32_t *table; /* index + 1 by hash, 0 for none; a power of two */
    size_t table_size;
    uint64_t order;
    uint64_t dropped; /* in this tick */
    struct kn_buf json;
};

enum kn_status pending_tasks_init(struct pending_tasks *tasks, size_t max,
                                  size_t bytes) KN_MUST_CHECK;
void pending_tasks_fini(struct pending_tasks *tasks);
void pending_tasks_add(struct pending_tasks *tasks, const struct kn_msg_task_change *change);
/* Newest first. */
void pending_tasks_sort(struct pending_tasks *tasks);
void pending_tasks_clear(struct pending_tasks *tasks);
/* Its JSON; valid until the next call. */
struct kn_str pending_tasks_json(struct pending_tasks *tasks, struct task_entry *entry);

/* ---- workers, queues and jobs within a tick: hub_entities.c ------------------------------- */

struct entity {
    struct kn_buf json;
    const char *frame; /* "worker:online", "queue:updated"; NULL: nothing to send */
    uint8_t state;     /* of a worker */
    bool known;        /* state is that of the last change */
};

/* The newest state of each worker and queue, kept to detect changes. Bounded: when full, further
 * ones are sent as updated, and counted. */
struct entities {
    struct entity *items;
    struct hmap index; /* of the items, by the hash of kind, source and name */
    size_t count;
    size_t max;
    uint64_t dropped;
    bool primed; /* the list of workers was loaded: a new worker has come online */
};
void entities_fini(struct entities *entities);
void entities_worker(struct entities *entities, const struct kn_msg_worker *worker, bool announce);
void entities_job(struct entities *entities, const struct kn_msg_job *job);
void entities_queue(struct entities *entities, const struct kn_msg_queue_depth *depth);
/* After a tick. */
void entities_sent(struct entities *entities);

/* ---- a client: hub_client.c ------------------------------------------------------------- */

struct gw_client {
    struct gw_client *next; /* in the hub's list; under the hub's lock */
    struct gw_hub *hub;
    /* Subscription; under the hub's lock. */
    unsigned topics;
    struct gw_filter filter;
    struct kn_arena arena; /* holds the filter's texts */
    /* Frames; under the client's lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct gw_frame *first, *last;
    size_t bytes;
    size_t bytes_max;
    void (*notify)(void *arg); /* NULL: none */
    void *notify_arg;
    bool closed;
    bool missed; /* frames were dropped: send a resync when there is room */
    uint64_t dropped;
};

/* Copies the text into the client's frames. False: no room; the text was dropped, and the client is
 * notified once it has read more. */
bool client_push(struct gw_client *client, struct kn_str text);

#endif
