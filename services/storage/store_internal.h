/* Inside the store: what its files share. */
#ifndef KN_STORAGE_STORE_INTERNAL_H
#define KN_STORAGE_STORE_INTERNAL_H

#include "services/storage/store.h"
#include "services/storage/task/deltas.h"
#include "services/storage/task/task_cache.h"
#include "services/storage/write/worker_row.h"

enum { DICT_MAX = 65536, TASK_BLOCK = 1024, FEED_ID_SIZE = 33 };

/* How many tasks of a source have a status. */
struct status_count {
    int64_t source;
    uint8_t status;
    int64_t count; /* committed */
    int64_t delta; /* of the transaction */
};

struct store {
    struct store_options options;
    char *database;
    char *feed_name;
    struct db *db;
    bool unread; /* the connection is new, but what is in memory of the database is not */
    struct dict *dict;
    char *error;
    int schema_version;
    bool timescaledb;

    uint64_t hash_key;
    int64_t next_no; /* of the block of task numbers */
    int64_t end_no;

    int64_t feed_no;
    char feed_id[FEED_ID_SIZE];
    uint64_t feed_number;
    char holder[33];    /* what this process calls itself in the feed's row */
    int64_t renewed_at; /* monotonic: when that row was last said to be ours */

    struct status_count *counts;
    size_t n_counts;
    size_t cap_counts;

    struct task_cache tasks;
    struct source_changes { /* how often a source's counters have changed, as of our last commit */
        int64_t source, changes;
    } * sources;
    size_t n_sources, cap_sources;

    int64_t days[64]; /* whose partitions are known to be there; by day modulo 64 */

    struct kn_arena arena; /* of the commit */
    struct kn_buf body;    /* of the feed's row */
    struct tx *tx;         /* kept for its memory */
    bool is_careful;       /* no event is taken for new without asking the database */

    struct retain {
        int64_t queue_source, queue; /* after which expire_queues goes on */
        int64_t next_at;             /* monotonic: no round begins before */
        unsigned step;               /* of the round */
        int64_t before;              /* tasks whose latest event is older were deleted */
        struct retain_sweep {
            int64_t restart_at; /* monotonic: then it begins at the first task again */
            int64_t after;      /* the task where it goes on */
            int64_t idle_since; /* where it was when it last found something */
            unsigned idle;      /* steps since */
            int64_t survivor;   /* first_at of the oldest task that it left */
        } sweeps[2];            /* dead tasks, events of living ones */
    } retain;
};

enum { KNOWN_RUNTIMES = 256 };

struct store_reader {
    struct store *store; /* options, dict, feed: what does not change */
    struct db *db;
    uint64_t bytes; /* of the database */
    int64_t bytes_until;
    struct known_runtime { /* by name modulo their number */
        int64_t source, name;
        int64_t slow_us; /* 99 of 100 take no longer */
        int64_t until;   /* monotonic */
    } runtimes[KNOWN_RUNTIMES];
};

/* ---- a transaction ------------------------------------------------------------------- */

struct event_work {
    const struct kn_msg_event *event;
    uint64_t ident;
    int64_t host;
    uint32_t task; /* index, NO_TASK for those of no task */
    uint32_t change;
    uint32_t next; /* of the same task, NO_EVENT at the end */
    bool is_new;
    bool is_idle; /* it says nothing new: it is not stored */
};
enum { NO_TASK = UINT32_MAX, NO_EVENT = UINT32_MAX };

struct task_work {
    struct task_row row;
    bool exists;   /* had a row before this transaction */
    bool touched;  /* has new events */
    bool advances; /* they change nothing but the columns of SQL_TASK_ADVANCE */
    enum kn_task_status status_before;
    int64_t name_before;
    int64_t queue_before;
    int64_t worker_before;
    int64_t first_at_before;
    struct delta_wait wait_before;
    struct delta_learned *learned_before; /* NULL: nothing */
    int64_t end_before;                   /* of those that may be marked as resolved */
    int64_t resolved_at;                  /* 0: it is not marked, or no longer */
    struct kn_str resolved_by;
    uint32_t first_event;
    uint32_t last_event;
};

struct worker_work {
    struct worker_row row;
    bool dirty;
    bool answered; /* control asked it: its answers were read, and changed */
    bool tell;     /* readers of the feed */
    bool known;    /* was there before this transaction, as */
    uint8_t status_before;
    int64_t started_before;
};

struct tx {
    struct store *store;
    struct kn_arena *arena;
    struct deltas deltas;

    struct task_work *tasks;
    size_t n_tasks, cap_tasks;
    struct hmap task_map; /* by hash */
    struct event_work *events;
    size_t n_events, cap_events;
    struct hmap event_map; /* by ident, to find repetitions in the transaction */

    struct worker_work *workers;
    size_t n_workers, cap_workers, n_workers_read;
    struct hmap worker_map;

    struct kn_msg_queue_depth *queues;
    size_t n_queues, cap_queues;
    struct kn_msg_gap *gaps;
    size_t n_gaps, cap_gaps;

    int64_t *marked; /* tasks that were marked as resolved, or no longer are */
    size_t n_marked, cap_marked;
    struct job_work *jobs; /* that this transaction changes; in the arena */
    bool jobs_changed;     /* whether some of them must be written */

    struct kn_msg_feed feed;
};

struct tx *tx_new(struct store *store);
void tx_free(struct tx *tx);
void tx_begin(struct tx *tx);

/* Takes the events of a batch in; nothing is written before tx_ingest_finish. */
enum kn_status tx_ingest(struct tx *tx, uint32_t number, struct store_change *change) KN_MUST_CHECK;
/* Merges and writes all events that were taken in. */
enum kn_status tx_ingest_finish(struct tx *tx, struct store_change *changes) KN_MUST_CHECK;

enum kn_status tx_worker(struct tx *tx, struct kn_str source, struct kn_str hostname,
                         struct worker_work **ret) KN_MUST_CHECK;
/* Reads all workers that a batch has events of, for tx_worker to find. */
enum kn_status tx_workers_of(struct tx *tx, const struct kn_msg_ingest_batch *batch) KN_MUST_CHECK;
/* Whether the event says something about the worker of its hostname. */
bool tx_is_of_worker(const struct kn_msg_event *event);
/* Reads what it answered to control, which is kept apart. */
enum kn_status tx_worker_answers(struct tx *tx, struct worker_work *work) KN_MUST_CHECK;
/* Where no lock can be held: claims the feed in its row. EXISTS: another process has it. */
enum kn_status store_hold_feed(struct store *store) KN_MUST_CHECK;
enum kn_status tx_workers_finish(struct tx *tx) KN_MUST_CHECK;
/* Lists the queue, even if it was never measured. */
enum kn_status tx_queue_seen(struct tx *tx, int64_t source, int64_t queue,
                             struct kn_str name) KN_MUST_CHECK;
/* CONFLICT when the reader stands elsewhere; nothing was changed then. */
enum kn_status tx_rollup_put(struct tx *tx, const struct kn_msg_rollup_put *put) KN_MUST_CHECK;
/* Whether the batch was applied before; if not, it is marked as applied. ret_whole: so are
 * all before it. */
enum kn_status tx_mark(struct tx *tx, int64_t source, uint64_t epoch, uint64_t seq, bool *ret_again,
                       bool *ret_whole) KN_MUST_CHECK;

/* What control and the gateway have kept of people's actions (actions.c). What is not
 * their kind is UNSUPPORTED; change->status says what the caller did wrong. */
bool is_action_change(enum kn_kind kind);
enum kn_status tx_action(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_pause(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
/* Tasks whose latest event is not newer may have been deleted, by this process or another. */
int64_t store_deleted_to(const struct store *store);
/* Older events and points of queues are deleted; 0: none. */
int64_t store_events_cutoff(const struct store *store);
/* After a row of counters changed for the changes-th time. CONFLICT when another process has
 * written to the source meanwhile: what is in memory of it may be old. */
enum kn_status store_note_changes(struct store *store, int64_t source,
                                  int64_t changes) KN_MUST_CHECK;
/* Whether tasks of this status are in the table by status: those that succeeded are most, and
 * are found as fast among all. */
static inline bool store_has_state(int64_t status)
{
    return status != KN_TASK_SUCCESS;
}

/* Bulk jobs (jobs.c). */
enum kn_status tx_job_create(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_job_take(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_job_cancel(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
enum kn_status tx_task_resolve(struct tx *tx, struct store_change *change) KN_MUST_CHECK;
/* Writes the jobs that were changed, ends those that are done, and tells of them. */
enum kn_status tx_jobs_finish(struct tx *tx) KN_MUST_CHECK;
/* Steps of deleting workers and queues that are gone (expire.c). */
enum kn_status expire_workers(struct store *store, bool *ret_done) KN_MUST_CHECK;
enum kn_status expire_queues(struct store *store, bool *ret_done) KN_MUST_CHECK;
/* All sources that were ever heard of, by name; at most SOURCES_MAX. Texts are in the arena. */
enum { SOURCES_MAX = 100 };
struct store_sources {
    struct store_source {
        int64_t number;
        struct kn_str name;
    } items[SOURCES_MAX];
    size_t count;
    struct kn_arena *arena;
};
enum kn_status store_all_sources(struct db *db, struct kn_arena *arena,
                                 struct store_sources *ret) KN_MUST_CHECK;

/* A step of giving up old ones. */
enum kn_status jobs_drop(struct store *store, int64_t before, bool *ret_done) KN_MUST_CHECK;

/* Marks (resolved.c). */
bool may_be_resolved(enum kn_task_status status);
/* When the task ended, as far as is known. */
int64_t resolved_end_of(const struct task_row *row);
enum kn_status tx_resolve(struct tx *tx, int64_t task, bool undo,
                          struct kn_str actor) KN_MUST_CHECK;
/* After tasks were merged: takes the marks from those that are another matter now. */
enum kn_status tx_marks_review(struct tx *tx) KN_MUST_CHECK;
/* Tells of the tasks whose marks were changed. */
enum kn_status tx_marks_finish(struct tx *tx) KN_MUST_CHECK;
/* Sets resolved_at and resolved_by of tasks that have their number. */
enum kn_status resolved_fill(struct db *db, struct kn_arena *arena, struct kn_msg_task *tasks,
                             size_t count) KN_MUST_CHECK;

/* Adds to the count of a status, in the transaction. */
enum kn_status store_count(struct store *store, int64_t source, enum kn_task_status status,
                           int64_t add) KN_MUST_CHECK;

/* After a transaction failed: rolls back, and forgets what was only true in it. */
void store_abandon(struct store *store);
/* After it was committed. */
void store_settle(struct store *store);

/* Room for one more in a list of a message, in the arena: the list's items, or NULL. */
void *store_list_add(struct kn_arena *arena, void *items, size_t count, size_t *cap, size_t size);
#define LIST_ADD(arena, list, cap)                                                                 \
    (((list).items = store_list_add(arena, (list).items, (list).count, cap, sizeof *(list).items)) \
         ? &(list).items[(list).count++]                                                           \
         : NULL)

/* Room for one more in an array that grows by doubling. False: out of memory. */
bool grow_array(void *items, size_t *cap, size_t count, size_t size);

/* The row of a task on one source, or the newest on any (source absent). */
enum kn_status store_find_task(struct store_reader *reader, struct kn_str id, struct kn_str source,
                               struct kn_arena *arena, struct task_row *ret) KN_MUST_CHECK;
/* The tasks with these numbers, in their order, as a list shows them; those that are not
 * there are left out. */
enum kn_status store_tasks_by_no(struct store_reader *reader, const int64_t *numbers, size_t count,
                                 struct kn_arena *arena,
                                 struct kn_msg_task_list *ret) KN_MUST_CHECK;

/* An event from its row: ident, at, clock, type, host, body. */
enum kn_status event_from_row(const struct db_value *columns, struct dict *dict, struct db *db,
                              struct kn_arena *arena, struct kn_msg_event *ret) KN_MUST_CHECK;

#endif
