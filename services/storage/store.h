/* Everything that is kept: one writer, and readers beside it, over one database.
 *
 * store_*       the writer; one thread
 * store_read_*  queries; each thread with a reader of its own (store_reader_new) */
#ifndef KN_STORAGE_STORE_H
#define KN_STORAGE_STORE_H

#include "proto/messages.h"
#include "services/storage/db/db.h"
#include "services/storage/db/dict.h"

struct store_options {
    const char *database;       /* sqlite:PATH, postgresql://… or postgres://… */
    const char *feed;           /* name of this process's numbering; NULL: "main" */
    int64_t feed_keep;          /* commits that are kept for readers */
    int64_t retention_tasks_us; /* 0: for ever */
    int64_t retention_events_us;
    int64_t retention_rollups_us;
    int64_t retention_workers_us; /* offline ones */
    int64_t retention_queues_us;  /* the history of those that are gone */
    size_t jobs_tasks_max;        /* tasks of a bulk job */
    double jobs_rate;             /* of a job that says none, tasks a second */
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

/* A bulk job that is to be made, with the numbers of its tasks (store_plan_job). */
struct store_job {
    const struct kn_msg_job_create *create;
    double rate;
    const int64_t *tasks;
    size_t count;
};

/* One request that changes something. */
struct store_change {
    enum kn_kind kind; /* one that is applied, see requests.h */
    const void *msg;
    const struct store_job *job;  /* of JOB_CREATE, which needs no msg */
    struct kn_arena *arena;       /* for the answer; not needed for those without one */
    enum kn_status status;        /* set by store_commit: what became of it */
    const char *why;              /* likewise, static: more about a status that is not OK */
    struct kn_msg_ingest_ack ack; /* likewise, of INGEST_BATCH */
    bool whole;                   /* likewise: no batch before it is missing */
    const void *answer;           /* likewise, in the arena or static; NULL: a DONE without more */
};

/* Applies all in one transaction. OK: it is committed, and each change has its own
 * status (those that are not OK changed nothing). Otherwise nothing was changed.
 * *ret_feed is the commit as it is to be published, NULL when there is nothing to
 * tell; it lives until the next call, and borrows from the changes. */
enum kn_status store_commit(struct store *store, struct store_change *changes, size_t count,
                            const struct kn_msg_feed **ret_feed) KN_MUST_CHECK;
/* A step of the bulk jobs that storage does itself, in a transaction. *ret_wait: µs until the next
 * is due; *ret_feed as above. */
enum kn_status store_do_jobs(struct store *store, int64_t *ret_wait,
                             const struct kn_msg_feed **ret_feed) KN_MUST_CHECK;
/* What the last failure was about; until the next call. */
const char *store_error(const struct store *store);
/* After the connection was lost: opens it anew. */
enum kn_status store_reopen(struct store *store) KN_MUST_CHECK;
/* Nothing can be written before store_reopen. */
bool store_is_lost(const struct store *store);

/* Takes one small step of what retention says; *ret_more when there is more to do
 * at once. */
enum kn_status store_retain(struct store *store, bool *ret_more) KN_MUST_CHECK;

/* Where the feed stands. id lives as long as the store. */
void store_feed_position(const struct store *store, struct kn_str *ret_id, uint64_t *ret_number);

/* ---- reading ------------------------------------------------------------------------- */

struct store_reader;

enum kn_status store_reader_new(struct store *store, struct store_reader **ret,
                                struct kn_buf *error) KN_MUST_CHECK;
void store_reader_free(struct store_reader *reader);
/* Connects anew when the connection was lost; else does nothing. */
/* What is read from now on ends with TIMEOUT after the deadline (monotonic), and once *cancelled is
 * true. */
void store_reader_limit(struct store_reader *reader, int64_t deadline,
                        const atomic_bool *cancelled);
void store_reader_revive(struct store_reader *reader);

/* Answers lie in the arena. CONFLICT, INVALID and NOT_FOUND are the caller's
 * fault; *ret_why (static) says more. */
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
/* The audit, newest first. */
enum kn_status store_read_audit(struct store_reader *reader, const struct kn_msg_audit_get *get,
                                struct kn_arena *arena,
                                struct kn_msg_audit_list *ret) KN_MUST_CHECK;
/* To be called between commits, about every second: renews the hold of the feed, if needed. */
void store_keep_feed(struct store *store);
/* Changes, at most max, that set workers offline that were silent for long while others of their
 * source were heard: aggregation has no room for them. */
enum kn_status store_find_silent(struct store *store, struct kn_arena *arena,
                                 struct store_change *changes, size_t max,
                                 size_t *ret_count) KN_MUST_CHECK;
/* Paused queues, of a source or (empty) of all. */
enum kn_status store_read_pauses(struct store_reader *reader, struct kn_str source,
                                 struct kn_arena *arena,
                                 struct kn_msg_pause_list *ret) KN_MUST_CHECK;
/* Bulk jobs: all, or the one with an id; and the tasks of one. */
enum kn_status store_read_jobs(struct store_reader *reader, const struct kn_msg_jobs_get *get,
                               struct kn_arena *arena, struct kn_msg_job_list *ret) KN_MUST_CHECK;
enum kn_status store_read_job_items(struct store_reader *reader, const struct kn_msg_jobs_get *get,
                                    struct kn_arena *arena, struct kn_msg_job_items *ret,
                                    const char **ret_why) KN_MUST_CHECK;
/* Chooses the tasks of a job that is to be made. ret_why may lie in the arena. */
enum kn_status store_plan_job(struct store_reader *reader, const struct kn_msg_job_create *create,
                              struct kn_arena *arena, struct store_job *ret,
                              struct kn_msg_job *ret_job, const char **ret_why) KN_MUST_CHECK;
/* How long until control may take tasks of a source, in µs; INT64_MAX: there are none. */
enum kn_status store_read_work(struct store_reader *reader, struct kn_str source,
                               struct kn_arena *arena, int64_t *ret_wait) KN_MUST_CHECK;
/* What a task was sent again as, and of what it is a retry. */
enum kn_status store_read_links(struct store_reader *reader,
                                const struct kn_msg_task_links_get *get, struct kn_arena *arena,
                                struct kn_msg_task_links *ret) KN_MUST_CHECK;
/* Sources with their counters and gaps, counts, and storage itself; the rest of
 * the system is not in the database. */
enum kn_status store_read_system(struct store_reader *reader, struct kn_arena *arena,
                                 struct kn_msg_system *ret) KN_MUST_CHECK;

#endif
