/* The stored data: one writer and several readers of one database.
 *
 * store_*       the writer; one thread
 * store_read_*  queries; each thread has its own reader (store_reader_new) */
#ifndef KN_STORAGE_STORE_H
#define KN_STORAGE_STORE_H

#include "proto/messages.h"
#include "services/storage/db/db.h"
#include "services/storage/db/dict.h"

struct store_options {
    const char *database;       /* sqlite:PATH, postgresql://… or postgres://… */
    const char *feed;           /* name under which commits are numbered; NULL: "main" */
    int64_t feed_keep;          /* number of commits kept for readers */
    int64_t retention_tasks_us; /* 0: forever */
    int64_t retention_events_us;
    int64_t retention_rollups_us;
    int64_t retention_workers_us; /* offline ones */
    int64_t retention_queues_us;  /* the history of deleted queues */
    size_t jobs_tasks_max;        /* tasks of a bulk job */
    double jobs_rate;             /* tasks per second, of a job without a rate */
    double jobs_rate_max;
};

struct store;

/* Opens the database and brings its tables up to date. On failure error has a
 * sentence, unless it is NOMEM. */
enum kn_status store_open(const struct store_options *options, struct store **ret,
                          struct kn_buf *error) KN_MUST_CHECK;
/* Checkpoints and closes. NULL is allowed. */
void store_close(struct store *store);

/* ---- writing ------------------------------------------------------------------------- */

/* A bulk job to create, with the numbers of its tasks (store_plan_job). */
struct store_job {
    const struct kn_msg_job_create *create;
    double rate;
    const int64_t *tasks;
    size_t count;
};

/* A request that changes data. */
struct store_change {
    enum kn_kind kind; /* a kind with apply, see requests.h */
    const void *msg;
    const struct store_job *job;  /* of JOB_CREATE, which needs no msg */
    struct kn_arena *arena;       /* for the answer; not needed for those without one */
    enum kn_status status;        /* set by store_commit: the outcome */
    const char *why;              /* likewise, static: explains a status other than OK */
    struct kn_msg_ingest_ack ack; /* likewise, of INGEST_BATCH */
    bool whole;                   /* likewise: no earlier batch is missing */
    const void *answer;           /* likewise, in the arena or static; NULL: an empty DONE */
};

/* Applies all changes in one transaction. OK: committed, and each change has its own
 * status; a change whose status is not OK changed nothing. On failure nothing was changed.
 * *ret_feed is the commit to publish, or NULL if there is nothing to publish; it is valid
 * until the next call and borrows from the changes. */
enum kn_status store_commit(struct store *store, struct store_change *changes, size_t count,
                            const struct kn_msg_feed **ret_feed) KN_MUST_CHECK;
/* Does one step of the bulk jobs that storage carries out itself, in a transaction. *ret_wait: µs
 * until the next step; *ret_feed as above. */
enum kn_status store_do_jobs(struct store *store, int64_t *ret_wait,
                             const struct kn_msg_feed **ret_feed) KN_MUST_CHECK;
/* Describes the last failure; valid until the next call. */
const char *store_error(const struct store *store);
/* Reconnects after a lost connection. */
enum kn_status store_reopen(struct store *store) KN_MUST_CHECK;
/* True if nothing can be written before store_reopen. */
bool store_is_lost(const struct store *store);

/* Does one small step of retention. *ret_more is true if the next step should follow at
 * once. */
enum kn_status store_retain(struct store *store, bool *ret_more) KN_MUST_CHECK;

/* The position of the feed. The ID is valid as long as the store. */
void store_feed_position(const struct store *store, struct kn_str *ret_id, uint64_t *ret_number);

/* ---- reading ------------------------------------------------------------------------- */

struct store_reader;

enum kn_status store_reader_new(struct store *store, struct store_reader **ret,
                                struct kn_buf *error) KN_MUST_CHECK;
void store_reader_free(struct store_reader *reader);
/* From now on, reads end with TIMEOUT after the deadline (monotonic) or once *cancelled is true. */
void store_reader_limit(struct store_reader *reader, int64_t deadline,
                        const atomic_bool *cancelled);
/* Reconnects if the connection was lost. */
void store_reader_revive(struct store_reader *reader);

/* Answers lie in the arena. CONFLICT, INVALID and NOT_FOUND are the caller's
 * errors; *ret_why (static) explains them. */
enum kn_status store_read_tasks(struct store_reader *reader, const struct kn_msg_tasks_get *get,
                                struct kn_arena *arena, struct kn_msg_task_list *ret,
                                const char **ret_why) KN_MUST_CHECK;
enum kn_status store_read_task(struct store_reader *reader, const struct kn_msg_task_get *get,
                               struct kn_arena *arena, struct kn_msg_task *ret) KN_MUST_CHECK;
enum kn_status store_read_events(struct store_reader *reader,
                                 const struct kn_msg_task_events_get *get, struct kn_arena *arena,
                                 struct kn_msg_task_event_list *ret,
                                 const char **ret_why) KN_MUST_CHECK;
enum kn_status store_read_workers(struct store_reader *reader, const struct kn_msg_workers_get *get,
                                  struct kn_arena *arena,
                                  struct kn_msg_worker_list *ret) KN_MUST_CHECK;
enum kn_status store_read_family(struct store_reader *reader, const struct kn_msg_family_get *get,
                                 struct kn_arena *arena, struct kn_msg_task_list *ret,
                                 const char **ret_why) KN_MUST_CHECK;
enum kn_status store_read_failures(struct store_reader *reader,
                                   const struct kn_msg_failures_get *get, struct kn_arena *arena,
                                   struct kn_msg_failure_list *ret,
                                   const char **ret_why) KN_MUST_CHECK;
enum kn_status store_read_task_names(struct store_reader *reader,
                                     const struct kn_msg_task_names_get *get,
                                     struct kn_arena *arena,
                                     struct kn_msg_task_names *ret) KN_MUST_CHECK;
enum kn_status store_read_worker_life(struct store_reader *reader,
                                      const struct kn_msg_worker_life_get *get,
                                      struct kn_arena *arena,
                                      struct kn_msg_worker_life *ret) KN_MUST_CHECK;
enum kn_status store_read_queues(struct store_reader *reader, const struct kn_msg_queues_get *get,
                                 struct kn_arena *arena,
                                 struct kn_msg_queue_list *ret) KN_MUST_CHECK;
enum kn_status store_read_queue_histories(struct store_reader *reader,
                                          const struct kn_msg_queue_histories_get *get,
                                          struct kn_arena *arena,
                                          struct kn_msg_queue_histories *ret,
                                          const char **ret_why) KN_MUST_CHECK;
enum kn_status store_read_known_queues(struct store_reader *reader, struct kn_str source,
                                       struct kn_arena *arena,
                                       struct kn_msg_known_queues *ret) KN_MUST_CHECK;
enum kn_status store_read_feed(struct store_reader *reader, const struct kn_msg_feed_get *get,
                               struct kn_arena *arena, struct kn_msg_feed_list *ret) KN_MUST_CHECK;
enum kn_status store_read_position(struct store_reader *reader, struct kn_str name,
                                   struct kn_arena *arena,
                                   struct kn_msg_reader_position *ret) KN_MUST_CHECK;
enum kn_status store_read_rollups(struct store_reader *reader, const struct kn_msg_rollups_get *get,
                                  struct kn_arena *arena, struct kn_msg_series_list *ret,
                                  const char **ret_why) KN_MUST_CHECK;
/* See proto/messages.h. */
enum kn_status store_read_overdue(struct store_reader *reader, const struct kn_msg_overdue_get *get,
                                  struct kn_arena *arena,
                                  struct kn_msg_overdue_list *ret) KN_MUST_CHECK;
/* The audit log, newest entry first. */
enum kn_status store_read_audit(struct store_reader *reader, const struct kn_msg_audit_get *get,
                                struct kn_arena *arena,
                                struct kn_msg_audit_list *ret) KN_MUST_CHECK;
/* Renews this process's claim on the feed if needed. Call it between commits, about every second.
 */
void store_keep_feed(struct store *store);
/* Returns up to max changes that set workers offline: those that were silent for long while others
 * of their source were not. Aggregation may have no room to track them. */
enum kn_status store_find_silent(struct store *store, struct kn_arena *arena,
                                 struct store_change *changes, size_t max,
                                 size_t *ret_count) KN_MUST_CHECK;
/* Returns up to max changes that make online workers unknown: those of sources that are not among
 * the heard ones. */
enum kn_status store_find_unheard(struct store *store, const struct kn_strs *heard,
                                  struct kn_arena *arena, struct store_change *changes, size_t max,
                                  size_t *ret_count) KN_MUST_CHECK;
/* The paused queues of a source; of all sources if it is empty. */
enum kn_status store_read_pauses(struct store_reader *reader, struct kn_str source,
                                 struct kn_arena *arena,
                                 struct kn_msg_pause_list *ret) KN_MUST_CHECK;
/* The dismissed issues of the dashboard, newest first; no more are kept. */
enum { STORE_DISMISSALS_MAX = 1000 };
enum kn_status store_read_dismissals(struct store_reader *reader, struct kn_arena *arena,
                                     struct kn_msg_dismissal_list *ret) KN_MUST_CHECK;
/* All bulk jobs, or the job with an ID; and the tasks of a job. */
enum kn_status store_read_jobs(struct store_reader *reader, const struct kn_msg_jobs_get *get,
                               struct kn_arena *arena, struct kn_msg_job_list *ret) KN_MUST_CHECK;
enum kn_status store_read_job_items(struct store_reader *reader, const struct kn_msg_jobs_get *get,
                                    struct kn_arena *arena, struct kn_msg_job_items *ret,
                                    const char **ret_why) KN_MUST_CHECK;
/* Selects the tasks of a job to create. ret_why may lie in the arena. */
enum kn_status store_plan_job(struct store_reader *reader, const struct kn_msg_job_create *create,
                              struct kn_arena *arena, struct store_job *ret,
                              struct kn_msg_job *ret_job, const char **ret_why) KN_MUST_CHECK;
/* Time in µs until control may take tasks of a source; INT64_MAX: there are none. */
enum kn_status store_read_work(struct store_reader *reader, struct kn_str source,
                               struct kn_arena *arena, int64_t *ret_wait) KN_MUST_CHECK;
/* The retries of a task, and the task that it is a retry of. */
enum kn_status store_read_links(struct store_reader *reader,
                                const struct kn_msg_task_links_get *get, struct kn_arena *arena,
                                struct kn_msg_task_links *ret) KN_MUST_CHECK;
/* Sources with their counters and gaps, counts, and storage itself; the rest of the system document
 * is not in the database. */
enum kn_status store_read_system(struct store_reader *reader, struct kn_arena *arena,
                                 struct kn_msg_system *ret) KN_MUST_CHECK;

#endif
