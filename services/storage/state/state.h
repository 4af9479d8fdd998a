/* Private to storage: what its folders share. */
#ifndef KN_STORAGE_STATE_STATE_H
#define KN_STORAGE_STATE_STATE_H

#include "services/storage/state/worker_row.h"
#include "services/storage/store.h"
#include "services/storage/task/deltas.h"
#include "services/storage/task/task_cache.h"

enum { DICT_MAX = 65536, FEED_ID_SIZE = 33 };

/* The number of tasks of a source with a status. */
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
    bool unread; /* after a reconnect: the data in memory must be read again */
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
    char holder[33];    /* this process's name in the feed's row */
    int64_t renewed_at; /* monotonic: when this process last claimed that row */

    struct status_count *counts;
    size_t n_counts;
    size_t cap_counts;

    struct task_cache tasks;
    struct source_changes { /* number of changes of a source's counters, as of our last commit */
        int64_t source, changes;
    } * sources;
    size_t n_sources, cap_sources;

    int64_t days[64]; /* days whose partitions exist; by day modulo 64 */

    struct kn_arena arena; /* of the commit */
    struct kn_buf body;    /* of the feed's row */
    struct tx *tx;         /* kept to reuse its memory */
    bool is_careful;       /* the database is checked before an event counts as new */

    struct retain {
        int64_t queue_source, queue; /* the queue after which expire_queues continues */
        int64_t next_at;             /* monotonic: earliest start of the next round */
        unsigned step;               /* of the round */
        int64_t before;              /* tasks whose latest event is older than this are deleted */
        struct retain_sweep {
            int64_t restart_at; /* monotonic: when it starts again at the first task */
            int64_t after;      /* the task after which it continues */
            int64_t idle_since; /* its position when it last found something */
            unsigned idle;      /* steps since then */
            int64_t survivor;   /* first_at of the oldest task that it kept */
        } sweeps[2];            /* expired tasks, events of other tasks */
    } retain;
};

enum { KNOWN_RUNTIMES = 256, KNOWN_JOBS = 64 };

struct store_reader {
    struct store *store; /* options, dict, feed: constant data */
    struct db *db;
    uint64_t bytes; /* of the database */
    int64_t bytes_until;
    struct known_runtime { /* by name modulo their number */
        int64_t source, name;
        int64_t slow_us; /* 99% of the tasks take no longer */
        int64_t until;   /* monotonic */
    } runtimes[KNOWN_RUNTIMES];
    struct known_job { /* by number modulo theirs: how its new tasks fare */
        uint64_t job;
        uint64_t settled; /* items, when it was counted */
        int64_t until;    /* monotonic */
        uint64_t counts[KN_NEW_TASK_COUNT];
    } jobs[KNOWN_JOBS];
};

/* ---- a transaction ------------------------------------------------------------------- */

struct event_work {
    const struct kn_msg_event *event;
    uint64_t ident;
    int64_t host;
    uint32_t task;   /* index, NO_TASK for events without a task */
    uint32_t change; /* its index in the transaction */
    uint32_t next;   /* of the same task, NO_EVENT at the end */
    bool is_new;
    bool is_idle; /* has no new information, so it is not stored */
};
enum { NO_TASK = UINT32_MAX, NO_EVENT = UINT32_MAX };

struct task_work {
    struct task_row row;
    bool exists;   /* had a row before this transaction */
    bool touched;  /* has new events */
    bool advances; /* they change only the columns of SQL_TASK_ADVANCE */
    enum kn_task_status status_before;
    int64_t name_before;
    int64_t queue_before;
    int64_t worker_before;
    int64_t first_at_before;
    struct task_end end_was; /* .at 0: it had none */
    struct delta_wait wait_before;
    struct delta_end ended_before;
    struct delta_learned *learned_before; /* NULL: nothing */
    int64_t end_before;                   /* of tasks that may be marked as resolved */
    int64_t resolved_at;                  /* 0: not marked, or no longer */
    struct kn_str resolved_by;
    uint32_t first_event;
    uint32_t last_event;
};

struct worker_work {
    struct worker_row row;
    bool dirty;
    bool answered; /* control queried it: its stored replies were read, and changed */
    bool tell;     /* add it to the feed */
    bool known;    /* existed before this transaction, with */
    uint8_t status_before;
    int64_t started_before;
};

struct tx {
    struct store *store;
    struct kn_arena *arena;
    const struct store_change *changes; /* being applied */
    struct deltas deltas;

    struct task_work *tasks;
    size_t n_tasks, cap_tasks;
    struct hmap task_map; /* by hash */
    struct event_work *events;
    size_t n_events, cap_events;
    struct hmap event_map; /* by ident, to find duplicates in the transaction */

    struct worker_work *workers;
    size_t n_workers, cap_workers, n_workers_read;
    struct hmap worker_map;

    struct kn_msg_queue_depth *queues;
    size_t n_queues, cap_queues;
    struct kn_msg_gap *gaps;
    size_t n_gaps, cap_gaps;

    int64_t *marked; /* tasks whose mark as resolved was set or removed */
    size_t n_marked, cap_marked;
    struct job_work *jobs; /* jobs changed in this transaction; in the arena */
    bool jobs_changed;     /* some of them must be written */

    struct kn_msg_feed feed;
};

struct tx *tx_new(struct store *store);
void tx_free(struct tx *tx);
void tx_begin(struct tx *tx);

/* Refuses one change and returns OK, so that the transaction continues. why is static. */
enum kn_status tx_refuse(struct store_change *change, enum kn_status status,
                         const char *why) KN_MUST_CHECK;
/* Text that the database can store; an absent text stays absent. */
struct kn_str tx_clean(struct tx *tx, struct kn_str text);
struct db_value tx_text(struct tx *tx, struct kn_str text);

/* After a failed transaction: rolls back, and discards its changes to the data in memory. */
void store_abandon(struct store *store);
/* After a committed transaction: keeps its changes to the data in memory. */
void store_settle(struct store *store);
/* If no lock can be held: claims the feed in its row. EXISTS: another process has it. */
enum kn_status store_hold_feed(struct store *store) KN_MUST_CHECK;

/* ---- counts -------------------------------------------------------------------------- */

/* Adds to the count of a status, within the transaction. */
enum kn_status store_count(struct store *store, int64_t source, enum kn_task_status status,
                           int64_t add) KN_MUST_CHECK;
/* Writes the counts changed by store_count. */
enum kn_status store_write_counts(struct store *store) KN_MUST_CHECK;
/* Records that a source's counters have now changed `changes` times. CONFLICT if another process
 * has written to the source in the meantime: its data in memory may be out of date. */
enum kn_status store_note_changes(struct store *store, int64_t source,
                                  int64_t changes) KN_MUST_CHECK;
/* True if tasks of this status are in the table task_states. Successful tasks are not: they are the
 * majority, and are found as fast in the table of all tasks. */
static inline bool store_has_state(int64_t status)
{
    return status != KN_TASK_SUCCESS;
}

/* ---- what retention has deleted ------------------------------------------------------ */

/* Data that is kept for keep_us and is older than this is deleted; 0: nothing is. */
int64_t store_cutoff(int64_t keep_us);
/* Tasks whose latest event is not newer than this may have been deleted, by any process. */
int64_t store_deleted_to(const struct store *store);
/* Events and queue points older than this are deleted; 0: none. */
int64_t store_events_cutoff(const struct store *store);

#endif
