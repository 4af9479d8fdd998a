/* Signed contributions to the rollups, added up within one commit; docs/rollups.md defines what
 * counts. */
#ifndef KN_STORAGE_TASK_DELTAS_H
#define KN_STORAGE_TASK_DELTAS_H

#include "services/common/data/hmap.h"
#include "services/storage/db/dict.h"
#include "services/storage/task/task_row.h"

struct delta_key {
    int64_t minute; /* µs */
    int64_t source;
    int64_t name;
    int64_t queue;
    int64_t worker;
    int64_t status; /* enum kn_task_status, or EXTRA_TASKS more */
};

/* A status plus this: how many more tasks than events ended with the status, to count tasks as well
 * as events. A task counts where its current end is, so this differs from 0 only where an event is
 * not the end of its task, or not of its task's worker. */
enum { EXTRA_TASKS = KN_TASK_STATUS_COUNT };

/* The parts of a stored event that matter for rollups. */
struct delta_event {
    int64_t at;
    enum kn_event_type type;
    int64_t host;
    struct kn_opt_f64 runtime;
};

/* The queue wait of a task, if any. */
struct delta_wait {
    bool set;
    struct delta_key key;
    double value;
};

/* Learned data about a task that counts. */
struct delta_learned {
    size_t count;
    struct {
        struct delta_key key;
        struct kn_opt_f64 runtime;
    } items[MERGE_LEARNED_COUNT];
};

/* The end of a task, if any. */
struct delta_end {
    bool set;
    struct delta_key key;
};

/* What EXTRA_TASKS gets from one task: mostly nothing, which spares the lookups. */
enum { DELTA_EXTRAS = 8 };
struct delta_extras {
    size_t count;
    struct {
        struct delta_key key;
        int64_t count;
    } items[DELTA_EXTRAS];
};

/* Values in a list that grows; in the arena. */
struct delta_values {
    double *items;
    size_t count;
    size_t cap;
};
struct delta {
    struct delta_key key;
    int64_t count;
    struct delta_values runtimes[2]; /* added, removed */
    struct delta_values waits[2];
};

struct deltas {
    struct kn_arena *arena;
    struct hmap map;
    struct delta *items;
    size_t count;
    size_t cap;
    struct delta_extras extras; /* of the task being counted */
    enum kn_status status;      /* the first error */
};

/* All added data is in the arena. */
void deltas_init(struct deltas *deltas, struct kn_arena *arena);
void deltas_fini(struct deltas *deltas);
/* Empties it; the arena is the caller's. */
void deltas_clear(struct deltas *deltas);

/* Adds or subtracts one event of a task with this name and queue. */
void deltas_event(struct deltas *deltas, int64_t source, int64_t name, int64_t queue,
                  const struct delta_event *event, int sign);
struct delta_wait deltas_wait_of(const struct task_row *row);
/* Does nothing when both are equal. */
void deltas_wait(struct deltas *deltas, const struct delta_wait *before,
                 const struct delta_wait *after);

/* *ret is in the arena; NULL if there is nothing. */
enum kn_status deltas_learned_of(const struct task_row *row, struct kn_arena *arena,
                                 struct delta_learned **ret) KN_MUST_CHECK;
/* Adds or subtracts all of it. NULL is allowed. */
void deltas_learned(struct deltas *deltas, const struct delta_learned *learned, int sign);

struct delta_end deltas_end_of(const struct task_row *row);
/* Counts the task's end instead of the one before. Call it after all others for a task. */
void deltas_end(struct deltas *deltas, const struct delta_end *before,
                const struct delta_end *after);

/* Converts to messages, in the arena; leaves out those that add up to nothing. */
enum kn_status deltas_messages(struct deltas *deltas, struct dict *dict, struct db *db,
                               struct kn_msg_rollup_delta **ret, size_t *ret_count) KN_MUST_CHECK;

#endif
