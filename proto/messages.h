/* Every message on the bus has one table of fields here. The table defines the struct (struct
 * kn_msg_<name>), the msgpack encoder and decoder, and the JSON writer (proto/codec.h).
 *
 * A row is F(number, name, TYPE, of):
 *   BOOL  bool, false when absent           U64, I64  0 when absent
 *   F64   double, 0 when absent             TIME      int64_t µs, 0 when absent
 *   OPT_I64, OPT_F64   a value that may be missing (.set, .value)
 *   STR   struct kn_str, UTF-8 or any bytes  JSON      struct kn_str with JSON text
 *   BIN   struct kn_str with bytes           ENUM      uint8_t, of = enumeration
 *   STRS, F64S         lists                 MSG       pointer, of = message
 *   LIST  list of messages, of = message
 *
 * Numbers are sent on the bus: append, never renumber or reuse. */
#ifndef KN_PROTO_MESSAGES_H
#define KN_PROTO_MESSAGES_H

#include "proto/enums.h"

/* ---- from ingestion to storage ------------------------------------- */

/* One event of Celery. Times are the event's own (µs since 1970), received_at is ours. The _repr
 * fields hold the text sent by Celery. extra: all other fields, as one JSON object. */
#define KN_MSG_EVENT(F)                                                                            \
    F(1, type, ENUM, event_type)                                                                   \
    F(2, type_name, STR, _) /* Celery's name of the type, set for custom ones */                   \
    F(3, hostname, STR, _)                                                                         \
    F(4, uuid, STR, _)                                                                             \
    F(5, timestamp, TIME, _)                                                                       \
    F(6, clock, U64, _)                                                                            \
    F(7, pid, U64, _)                                                                              \
    F(8, utcoffset, I64, _)                                                                        \
    F(9, name, STR, _)                                                                             \
    F(10, args_repr, STR, _)                                                                       \
    F(11, kwargs_repr, STR, _)                                                                     \
    F(12, result_repr, STR, _)                                                                     \
    F(13, exception, STR, _)                                                                       \
    F(14, traceback, STR, _)                                                                       \
    F(15, root_id, STR, _)                                                                         \
    F(16, parent_id, STR, _)                                                                       \
    F(17, retries, OPT_I64, _)                                                                     \
    F(18, eta, TIME, _)                                                                            \
    F(19, expires, TIME, _)                                                                        \
    F(20, queue, STR, _)                                                                           \
    F(21, exchange, STR, _)                                                                        \
    F(22, routing_key, STR, _)                                                                     \
    F(23, runtime, OPT_F64, _) /* seconds */                                                       \
    F(24, signum, STR, _)      /* "15" or "SIGTERM", as sent by the worker */                      \
    F(25, terminated, BOOL, _)                                                                     \
    F(26, expired, BOOL, _)                                                                        \
    F(27, requeue, BOOL, _)                                                                        \
    F(28, freq, OPT_F64, _) /* seconds between heartbeats */                                       \
    F(29, sw_ident, STR, _)                                                                        \
    F(30, sw_ver, STR, _)                                                                          \
    F(31, sw_sys, STR, _)                                                                          \
    F(32, active, OPT_I64, _)                                                                      \
    F(33, processed, OPT_I64, _)                                                                   \
    F(34, loadavg, F64S, _)                                                                        \
    F(35, extra, JSON, _)                                                                          \
    F(36, received_at, TIME, _)                                                                    \
    F(37, origin, ENUM, origin)                                                                    \
    F(38, skew, I64, _) /* µs, already subtracted: timestamp + skew is the sender's time */

#define KN_MSG_QUEUE_PRIORITY(F)                                                                   \
    F(1, priority, I64, _)                                                                         \
    F(2, messages, U64, _)

/* One measurement of a queue. messages: ready, all priorities together. */
#define KN_MSG_QUEUE_DEPTH(F)                                                                      \
    F(1, name, STR, _)                                                                             \
    F(2, at, TIME, _)                                                                              \
    F(3, messages, U64, _)                                                                         \
    F(4, unacked, OPT_I64, _)                                                                      \
    F(5, consumers, OPT_I64, _)                                                                    \
    F(6, priorities, LIST, queue_priority)                                                         \
    F(7, source, STR, _) /* set by storage */

/* A period in which events of a source may have been lost. */
#define KN_MSG_GAP(F)                                                                              \
    F(1, source, STR, _)                                                                           \
    F(2, from, TIME, _)                                                                            \
    F(3, to, TIME, _)                                                                              \
    F(4, reason, STR, _)

/* (source, epoch, seq) identifies a batch: storage applies it once. Control sends its findings
 * about tasks in batches of its own, as events with an origin. received, invalid, lost: counts
 * since the previous batch. */
#define KN_MSG_INGEST_BATCH(F)                                                                     \
    F(1, source, STR, _)                                                                           \
    F(2, epoch, U64, _)                                                                            \
    F(3, seq, U64, _) /* from 1, no holes */                                                       \
    F(4, events, LIST, event)                                                                      \
    F(5, queues, LIST, queue_depth)                                                                \
    F(6, gaps, LIST, gap)                                                                          \
    F(7, received, U64, _)                                                                         \
    F(8, invalid, U64, _)                                                                          \
    F(9, lost, U64, _)                                                                             \
    F(10, begins_at, TIME, _)   /* this process saw nothing published before */                    \
    F(11, complete_to, TIME, _) /* all since begins_at is in this batch or before */               \
    F(12, sparing, BOOL, _)     /* task-received and task-started count only if the task has none */

/* Number of Celery events stored, or already present; events from control are not counted. again:
 * the batch had already been applied; nothing was done. */
#define KN_MSG_INGEST_ACK(F)                                                                       \
    F(1, stored, U64, _)                                                                           \
    F(2, duplicates, U64, _)                                                                       \
    F(3, again, BOOL, _)

#define KN_MSG_KNOWN_QUEUES_GET(F) F(1, source, STR, _)
#define KN_MSG_KNOWN_QUEUES(F) F(1, names, STRS, _)

/* ---- reported by every service ---------------------------------------- */

#define KN_MSG_INGESTION_STATUS(F)                                                                 \
    F(1, source, STR, _)                                                                           \
    F(2, state, ENUM, link_state)                                                                  \
    F(3, broker, STR, _) /* URL without its password */                                            \
    F(4, error, STR, _)  /* why it is unavailable */                                               \
    F(5, events_received, U64, _)                                                                  \
    F(6, events_invalid, U64, _)                                                                   \
    F(7, events_lost, U64, _)                                                                      \
    F(8, backlog_events, U64, _) /* received, not yet acknowledged by storage */                   \
    F(9, backlog_bytes, U64, _)                                                                    \
    F(10, lag_seconds, F64, _) /* age of the oldest of these */                                    \
    F(11, gaps, U64, _)                                                                            \
    F(12, since, TIME, _)        /* when the state began */                                        \
    F(13, spool_bytes, U64, _)   /* on disk */                                                     \
    F(14, spool_max, U64, _)     /* maximum size; 0: no spool */                                   \
    F(15, spool_events, U64, _)  /* of backlog_events, those on disk */                            \
    F(16, spool_dropped, U64, _) /* events given up since the start: full, too old, damaged */     \
    F(17, queue_messages, OPT_I64, _) /* ready in our own queue on RabbitMQ */                     \
    F(18, queue_bytes_max, U64, _)    /* limit of that queue; 0: none */

#define KN_MSG_FINDING(F)                                                                          \
    F(1, severity, ENUM, severity)                                                                 \
    F(2, code, STR, _) /* "events_disabled" and so on, for programs */                             \
    F(3, source, STR, _)                                                                           \
    F(4, subject, STR, _) /* worker, queue, service … */                                         \
    F(5, text, STR, _)                                                                             \
    F(6, remedy, STR, _) /* what to do, the line to set */

#define KN_MSG_SERVICE_STATUS(F)                                                                   \
    F(1, name, STR, _) /* "ingestion" … */                                                       \
    F(2, id, STR, _)   /* of this process */                                                       \
    F(3, version, STR, _)                                                                          \
    F(4, source, STR, _) /* for services of one broker */                                          \
    F(5, state, ENUM, service_state)                                                               \
    F(6, detail, STR, _) /* one sentence, when not ready */                                        \
    F(7, host, STR, _)                                                                             \
    F(8, pid, U64, _)                                                                              \
    F(9, started_at, TIME, _)                                                                      \
    F(10, seen_at, TIME, _) /* set by storage */                                                   \
    F(11, uptime_seconds, F64, _)                                                                  \
    F(12, rss_bytes, U64, _)                                                                       \
    F(13, cpu_seconds, F64, _)                                                                     \
    F(14, ingestion, MSG, ingestion_status)                                                        \
    F(15, findings, LIST, finding)

/* ---- workers ------------------------------------------------------------ */

/* What one worker reported to control. Absent fields leave stored values unchanged. at: time of the
 * request. */
#define KN_MSG_WORKER_INSPECT(F)                                                                   \
    F(1, source, STR, _)                                                                           \
    F(2, hostname, STR, _)                                                                         \
    F(3, at, TIME, _)                                                                              \
    F(4, pool, STR, _) /* "prefork", "threads", "gevent" … */                                    \
    F(5, concurrency, OPT_I64, _)                                                                  \
    F(6, prefetch, OPT_I64, _)                                                                     \
    F(7, queues, STRS, _)                                                                          \
    F(8, registered, STRS, _)                                                                      \
    F(9, pid, U64, _)                                                                              \
    F(10, uptime, OPT_F64, _) /* seconds */                                                        \
    F(11, cpu_seconds, OPT_F64, _)                                                                 \
    F(12, cpu_percent, OPT_F64, _) /* of one core, since the previous reply */                     \
    F(13, memory_mb, OPT_F64, _)                                                                   \
    F(14, sw_ident, STR, _)                                                                        \
    F(15, sw_ver, STR, _)                                                                          \
    F(16, sw_sys, STR, _)                                                                          \
    F(17, events_enabled, OPT_I64, _) /* 1 or 0 */                                                 \
    F(18, conf, JSON, _)              /* as reported by the worker, passwords masked */            \
    F(19, stats, JSON, _)                                                                          \
    F(20, active_queues, JSON, _)                                                                  \
    F(21, has_queues, BOOL, _)     /* queues is known, and may be empty */                         \
    F(22, has_registered, BOOL, _) /* the same for registered */

/* Aggregation's verdict about a worker. */
#define KN_MSG_WORKER_LIVENESS(F)                                                                  \
    F(1, source, STR, _)                                                                           \
    F(2, hostname, STR, _)                                                                         \
    F(3, status, ENUM, worker_status)                                                              \
    F(4, last_seen, TIME, _) /* of the heartbeat behind the verdict */

#define KN_MSG_WORKER(F)                                                                           \
    F(1, id, STR, _) /* its hostname */                                                            \
    F(2, hostname, STR, _)                                                                         \
    F(3, source, STR, _)                                                                           \
    F(4, status, ENUM, worker_status)                                                              \
    F(5, queues, STRS, _)                                                                          \
    F(6, concurrency, OPT_I64, _)                                                                  \
    F(7, pool, STR, _)                                                                             \
    F(8, prefetch, OPT_I64, _)                                                                     \
    F(9, cpu_percent, OPT_F64, _)                                                                  \
    F(10, memory_mb, OPT_F64, _)                                                                   \
    F(11, load, F64S, _)                                                                           \
    F(12, active, OPT_I64, _)                                                                      \
    F(13, processed, OPT_I64, _)                                                                   \
    F(14, registered, STRS, _)                                                                     \
    F(15, pid, U64, _)                                                                             \
    F(16, freq, OPT_F64, _)                                                                        \
    F(17, sw_ident, STR, _)                                                                        \
    F(18, sw_ver, STR, _)                                                                          \
    F(19, sw_sys, STR, _)                                                                          \
    F(20, last_seen, TIME, _)  /* timestamp of its last event */                                   \
    F(21, started_at, TIME, _) /* timestamp of worker-online, or from its uptime */                \
    F(22, inspected_at, TIME, _)                                                                   \
    F(23, events_enabled, OPT_I64, _)                                                              \
    F(24, conf, JSON, _)                                                                           \
    F(25, stats, JSON, _)                                                                          \
    F(26, active_queues, JSON, _)                                                                  \
    F(27, last_received_at, TIME, _) /* our clock, when its last event reached ingestion */        \
    F(28, pid_before, U64, _)        /* of the previous process; 0: unknown */                     \
    F(29, twins_at, TIME, _)         /* our clock, when a replaced process came back: */           \
                                     /* two workers share this name */                             \
    F(30, clock_skew, OPT_F64, _)    /* seconds its clock is ahead; absent: correct */

#define KN_MSG_WORKERS_GET(F)                                                                      \
    F(1, id, STR, _) /* absent: all */                                                             \
    F(2, sources, STRS, _)                                                                         \
    F(3, statuses, STRS, _)                                                                        \
    F(4, full, BOOL, _) /* with conf, stats, active_queues */                                      \
    F(5, conf, BOOL, _) /* with conf, but no other long field */                                   \
    F(6, limit, U64, _) /* in the order of source and hostname; 0: as many as fit, online first */ \
    F(7, after_source, STR, _)                                                                     \
    F(8, after, STR, _) /* hostname */
#define KN_MSG_WORKER_LIST(F) F(1, items, LIST, worker)

/* The changes of one worker between from and to, oldest first. The last change before from comes
 * first and gives the worker's state at from. At most the newest 1,000. */
#define KN_MSG_WORKER_LIFE_GET(F)                                                                  \
    F(1, id, STR, _)                                                                               \
    F(2, source, STR, _) /* absent: the one seen last */                                           \
    F(3, from, TIME, _)                                                                            \
    F(4, to, TIME, _)
#define KN_MSG_WORKER_MOMENT(F)                                                                    \
    F(1, at, TIME, _)                                                                              \
    F(2, change, ENUM, worker_change)
#define KN_MSG_WORKER_LIFE(F)                                                                      \
    F(1, source, STR, _)                                                                           \
    F(2, items, LIST, worker_moment)

/* ---- tasks -------------------------------------------------------------- */

/* Storage truncates a task's arguments, result and error to this many bytes in the feed and in
 * lists, and leaves out the traceback. */
enum { KN_TASK_TEXT_FEED = 256, KN_TASK_TEXT_LIST = 4096 };

#define KN_MSG_TASK(F)                                                                             \
    F(1, id, STR, _)                                                                               \
    F(2, name, STR, _)                                                                             \
    F(3, source, STR, _)                                                                           \
    F(4, status, ENUM, task_status)                                                                \
    F(5, status_from, ENUM, origin)                                                                \
    F(6, queue, STR, _)                                                                            \
    F(7, exchange, STR, _)                                                                         \
    F(8, routing_key, STR, _)                                                                      \
    F(9, args_repr, STR, _)                                                                        \
    F(10, kwargs_repr, STR, _)                                                                     \
    F(11, result_repr, STR, _)                                                                     \
    F(12, error, STR, _)                                                                           \
    F(13, traceback, STR, _)                                                                       \
    F(14, worker_id, STR, _)                                                                       \
    F(15, client, STR, _) /* hostname that sent it */                                              \
    F(16, root_id, STR, _)                                                                         \
    F(17, parent_id, STR, _)                                                                       \
    F(18, retries, OPT_I64, _)                                                                     \
    F(19, eta, TIME, _)                                                                            \
    F(20, expires, TIME, _)                                                                        \
    F(21, sent_at, TIME, _)                                                                        \
    F(22, received_at, TIME, _)                                                                    \
    F(23, started_at, TIME, _)                                                                     \
    F(24, succeeded_at, TIME, _)                                                                   \
    F(25, failed_at, TIME, _)                                                                      \
    F(26, rejected_at, TIME, _)                                                                    \
    F(27, revoked_at, TIME, _)                                                                     \
    F(28, retried_at, TIME, _)                                                                     \
    F(29, completed_at, TIME, _)  /* time of the final status, absent before it */                 \
    F(30, updated_at, TIME, _)    /* time of its latest event */                                   \
    F(31, runtime, OPT_F64, _)    /* seconds */                                                    \
    F(32, queue_wait, OPT_F64, _) /* seconds from sent_at (else received_at) to started_at */      \
    F(33, revoked_signum, STR, _)                                                                  \
    F(34, terminated, BOOL, _)                                                                     \
    F(35, expired, BOOL, _)                                                                        \
    F(36, no, U64, _) /* storage's own number of the task, in order of arrival */                  \
    F(40, resolved_at, TIME, _)                                                                    \
    F(41, resolved_by, STR, _)    /* who marked it as resolved; absent: unknown */                 \
    F(42, clock_skew, OPT_F64, _) /* seconds; already subtracted from the times: see event.skew */ \
    F(43, orphaned_at, TIME, _)   /* when control found it to be lost, even if it came back */     \
    F(60, retry_of, STR, _)       /* the task that it is a retry of */                             \
    F(61, retried_as, STRS, _)    /* its retries, oldest first, at most 10 */                      \
    F(62, worker_status, STR, _)  /* of worker_id, if the task has not ended; not in lists */      \
    F(63, worker_seen_at, TIME, _)

/* Filters of the task list. Repeated values of one field are alternatives; different fields must
 * all match. from and to bound the time of the task's first event; with by_end, the time of its end
 * (of orphaned tasks, orphaned_at), and tasks without an end do not match. cursor: as issued by
 * storage. */
#define KN_MSG_TASKS_GET(F)                                                                        \
    F(1, statuses, STRS, _)                                                                        \
    F(2, names, STRS, _)                                                                           \
    F(3, workers, STRS, _)                                                                         \
    F(4, queues, STRS, _)                                                                          \
    F(5, sources, STRS, _)                                                                         \
    F(6, q, STR, _)                                                                                \
    F(7, from, TIME, _)                                                                            \
    F(8, to, TIME, _)                                                                              \
    F(9, sort, STR, _) /* newest (default), oldest, -ended_at, ended_at, -runtime, -queue_wait, */ \
                       /* -retries; all but the first two list only tasks that have the value */   \
    F(10, limit, U64, _)                                                                           \
    F(11, cursor, STR, _)                                                                          \
    F(14, resolved, OPT_I64, _) /* 1: only resolved tasks, 0: only the others */                   \
    F(15, by_end, BOOL, _)
#define KN_MSG_TASK_LIST(F)                                                                        \
    F(1, items, LIST, task)                                                                        \
    F(2, next_cursor, STR, _)                                                                      \
    F(3, searched_to, TIME, _) /* of a page that is short and not the last: first event of the */  \
                               /* last task looked at, or its end in the order of ends */

/* source absent: the newest task with this ID on any source. */
#define KN_MSG_TASK_GET(F)                                                                         \
    F(1, id, STR, _)                                                                               \
    F(2, source, STR, _)

#define KN_MSG_TASK_EVENTS_GET(F)                                                                  \
    F(1, id, STR, _)                                                                               \
    F(2, source, STR, _)                                                                           \
    F(3, limit, U64, _)                                                                            \
    F(4, cursor, STR, _)                                                                           \
    F(5, with_task, BOOL, _)    /* include the task; ignored by an older storage */                \
    F(6, with_workers, BOOL, _) /* likewise the workers of the task's source, with conf */
#define KN_MSG_TASK_EVENT_LIST(F)                                                                  \
    F(1, items, LIST, event)                                                                       \
    F(2, next_cursor, STR, _)                                                                      \
    F(3, task, MSG, task)                                                                          \
    F(4, workers, MSG, worker_list)

/* All tasks of a task's workflow: the root first, then the tasks with this root, in order of
 * arrival. The answer is a task_list. */
#define KN_MSG_FAMILY_GET(F)                                                                       \
    F(1, id, STR, _)                                                                               \
    F(2, source, STR, _)                                                                           \
    F(3, limit, U64, _)                                                                            \
    F(4, cursor, STR, _)

/* Tasks that failed between from and to, grouped by name and exception, largest group first. */
#define KN_MSG_FAILURES_GET(F)                                                                     \
    F(1, from, TIME, _)                                                                            \
    F(2, to, TIME, _)                                                                              \
    F(3, sources, STRS, _)                                                                         \
    F(4, limit, U64, _) /* groups */
#define KN_MSG_FAILURE_GROUP(F)                                                                    \
    F(1, source, STR, _)                                                                           \
    F(2, name, STR, _)                                                                             \
    F(3, exception, STR, _) /* its class, if the error's text names it */                          \
    F(4, count, U64, _)                                                                            \
    F(5, first_at, TIME, _)                                                                        \
    F(6, last_at, TIME, _)                                                                         \
    F(7, last_id, STR, _)                                                                          \
    F(8, last_error, STR, _)
/* counted: failures in all groups, including those beyond the limit. complete: the period's
 * failures are all counted. */
#define KN_MSG_FAILURE_LIST(F)                                                                     \
    F(1, items, LIST, failure_group)                                                               \
    F(2, counted, U64, _)                                                                          \
    F(3, complete, BOOL, _)

/* Task names that contain q, ignoring case. */
#define KN_MSG_TASK_NAMES_GET(F)                                                                   \
    F(1, q, STR, _)                                                                                \
    F(2, limit, U64, _)
#define KN_MSG_TASK_NAMES(F) F(1, items, STRS, _)

/* ---- questions from control ---------------------------------------------- */

/* Unfinished tasks of a source without events for longer than the runtimes of their name explain,
 * and for at least after_us. after: where to continue, 0 to begin. */
#define KN_MSG_OVERDUE_GET(F)                                                                      \
    F(1, source, STR, _)                                                                           \
    F(2, status, ENUM, task_status)                                                                \
    F(3, after, U64, _)                                                                            \
    F(4, limit, U64, _)                                                                            \
    F(5, after_us, I64, _)
#define KN_MSG_OVERDUE_TASK(F)                                                                     \
    F(1, id, STR, _)                                                                               \
    F(2, no, U64, _)                                                                               \
    F(3, worker, STR, _)                                                                           \
    F(4, taken_at, TIME, _) /* the latest of received and started */                               \
    F(5, updated_at, TIME, _)                                                                      \
    F(6, name, STR, _)
/* next: where to continue; 0 at the end. */
#define KN_MSG_OVERDUE_LIST(F)                                                                     \
    F(1, items, LIST, overdue_task)                                                                \
    F(2, next, U64, _)

/* ---- queues -------------------------------------------------------------- */

#define KN_MSG_QUEUE_POINT(F)                                                                      \
    F(1, at, TIME, _)                                                                              \
    F(2, messages, U64, _)                                                                         \
    F(3, unacked, OPT_I64, _)                                                                      \
    F(4, consumers, OPT_I64, _)                                                                    \
    F(5, lowest, OPT_I64, _) /* of messages, if the point combines several measurements */

#define KN_MSG_QUEUE(F)                                                                            \
    F(1, name, STR, _)                                                                             \
    F(2, source, STR, _)                                                                           \
    F(3, messages, OPT_I64, _)                                                                     \
    F(4, unacked, OPT_I64, _)                                                                      \
    F(5, consumers, OPT_I64, _)                                                                    \
    F(6, priorities, LIST, queue_priority)                                                         \
    F(7, measured_at, TIME, _)                                                                     \
    F(8, workers, STRS, _) /* hostnames of online workers that consume it; at most 1,000 */        \
    F(9, history, LIST, queue_point)                                                               \
    F(10, pause, MSG, pause) /* set while it is paused */

#define KN_MSG_QUEUES_GET(F)                                                                       \
    F(1, name, STR, _) /* absent: all, without history */                                          \
    F(2, sources, STRS, _)                                                                         \
    F(3, from, TIME, _) /* of the history */                                                       \
    F(4, to, TIME, _)                                                                              \
    F(5, limit, U64, _) /* in the order of source and name; 0: as many as fit */                   \
    F(6, after_source, STR, _)                                                                     \
    F(7, after, STR, _) /* name */
#define KN_MSG_QUEUE_LIST(F) F(1, items, LIST, queue)

/* The depths of all queues over a period, in steps of the same length. In the order of source and
 * name, at most 1,000. */
#define KN_MSG_QUEUE_HISTORIES_GET(F)                                                              \
    F(1, sources, STRS, _)                                                                         \
    F(2, from, TIME, _)                                                                            \
    F(3, to, TIME, _)                                                                              \
    F(4, points, U64, _) /* from 1 to 60 */
#define KN_MSG_QUEUE_HISTORY(F)                                                                    \
    F(1, name, STR, _)                                                                             \
    F(2, source, STR, _)                                                                           \
    F(3, messages, F64S, _) /* at the end of each step; -1: not measured in it */
#define KN_MSG_QUEUE_HISTORIES(F)                                                                  \
    F(1, items, LIST, queue_history)                                                               \
    F(2, complete, BOOL, _) /* false: there are more queues */

/* ---- the feed ------------------------------------------------------------ */

/* A signed contribution to the rollups of one minute; see docs/rollups.md. status: a task_status,
 * or one plus the number of statuses: how many more tasks than events ended with it. */
#define KN_MSG_ROLLUP_DELTA(F)                                                                     \
    F(1, minute, TIME, _) /* start of the minute of the event's timestamp */                       \
    F(2, source, STR, _)                                                                           \
    F(3, name, STR, _)                                                                             \
    F(4, queue, STR, _)                                                                            \
    F(5, worker, STR, _)                                                                           \
    F(6, status, U64, _) /* task_status; more: see EXTRA_TASKS */                                  \
    F(7, count, I64, _)                                                                            \
    F(8, runtimes, F64S, _)         /* seconds, each counts +1 */                                  \
    F(9, runtimes_removed, F64S, _) /* each counts -1 */                                           \
    F(10, waits, F64S, _)                                                                          \
    F(11, waits_removed, F64S, _)

/* task: the fields shown in lists, with texts cut to KN_TASK_TEXT_FEED bytes. */
#define KN_MSG_TASK_CHANGE(F)                                                                      \
    F(1, task, MSG, task)                                                                          \
    F(2, created, BOOL, _)                                                                         \
    F(3, previous_status, ENUM, task_status) /* meaningless when created */

/* How many tasks of a source have a status now. */
#define KN_MSG_STATUS_COUNT(F)                                                                     \
    F(1, source, STR, _)                                                                           \
    F(2, status, ENUM, task_status)                                                                \
    F(3, count, I64, _)

/* One commit of storage. feed names the numbering (it survives restarts of storage), number has no
 * holes. Commits read back with feed_get have deltas, workers and counts, but no tasks and no
 * services. */
#define KN_MSG_FEED(F)                                                                             \
    F(1, feed, STR, _)                                                                             \
    F(2, number, U64, _)                                                                           \
    F(3, source, STR, _)                                                                           \
    F(4, at, TIME, _)                                                                              \
    F(5, events, U64, _) /* newly stored */                                                        \
    F(6, tasks, LIST, task_change)                                                                 \
    F(7, workers, LIST, worker) /* without conf, stats, active_queues, registered */               \
    F(8, queues, LIST, queue_depth)                                                                \
    F(9, deltas, LIST, rollup_delta)                                                               \
    F(10, gaps, LIST, gap)                                                                         \
    F(11, counts, LIST, status_count) /* only changed counts, with their new values */             \
    F(14, jobs, LIST, job)            /* likewise, without options and request */

/* Published every second: the feed's position, and the reports of services, which are not in
 * commits. */
#define KN_MSG_FEED_MARK(F)                                                                        \
    F(1, feed, STR, _)                                                                             \
    F(2, number, U64, _)                                                                           \
    F(3, at, TIME, _)                                                                              \
    F(4, services, LIST, service_status)

/* Commits with from <= number, oldest first: at most max, and no more than about 1 MB. oldest: the
 * first commit still kept; when from is older, the reader must rebuild. */
#define KN_MSG_FEED_GET(F)                                                                         \
    F(1, from, U64, _)                                                                             \
    F(2, max, U64, _)
#define KN_MSG_FEED_LIST(F)                                                                        \
    F(1, feed, STR, _)                                                                             \
    F(2, oldest, U64, _)                                                                           \
    F(3, newest, U64, _)                                                                           \
    F(4, items, LIST, feed)

#define KN_MSG_READER_GET(F) F(1, reader, STR, _)
#define KN_MSG_READER_POSITION(F)                                                                  \
    F(1, feed, STR, _)                                                                             \
    F(2, number, U64, _) /* the last processed; 0: none */

/* ---- rollups and metrics -------------------------------------------------- */

/* Values to add to the stored row of this key. The sketches are those of
 * services/common/data/sketch.h; absent: nothing to add. */
#define KN_MSG_ROLLUP(F)                                                                           \
    F(1, minute, TIME, _)                                                                          \
    F(2, source, STR, _)                                                                           \
    F(3, name, STR, _)                                                                             \
    F(4, queue, STR, _)                                                                            \
    F(5, worker, STR, _)                                                                           \
    F(6, status, U64, _) /* task_status; more: see EXTRA_TASKS */                                  \
    F(7, count, I64, _)                                                                            \
    F(8, runtime, BIN, _)                                                                          \
    F(9, wait, BIN, _)

/* Applied in one transaction if the reader's stored position is `from`, and sets it to `to`;
 * CONFLICT otherwise. rebuild: storage recounts all rows from its stored events, whatever the
 * position; the reader then gets its position with reader_get. */
#define KN_MSG_ROLLUP_PUT(F)                                                                       \
    F(1, reader, STR, _)                                                                           \
    F(2, feed, STR, _)                                                                             \
    F(3, from, U64, _)                                                                             \
    F(4, to, U64, _)                                                                               \
    F(5, rows, LIST, rollup)                                                                       \
    F(6, rebuild, BOOL, _)

/* Percentiles in seconds; absent when there is no value. */
#define KN_MSG_QUANTILES(F)                                                                        \
    F(1, count, U64, _)                                                                            \
    F(2, mean, OPT_F64, _)                                                                         \
    F(3, p50, OPT_F64, _)                                                                          \
    F(4, p95, OPT_F64, _)                                                                          \
    F(5, p99, OPT_F64, _)                                                                          \
    F(6, min, OPT_F64, _)                                                                          \
    F(7, max, OPT_F64, _)

/* Number of events per resulting status. */
#define KN_MSG_EVENT_COUNTS(F)                                                                     \
    F(1, pending, I64, _)                                                                          \
    F(2, received, I64, _)                                                                         \
    F(3, started, I64, _)                                                                          \
    F(4, success, I64, _)                                                                          \
    F(5, failure, I64, _)                                                                          \
    F(6, retry, I64, _)                                                                            \
    F(7, revoked, I64, _)                                                                          \
    F(8, rejected, I64, _)                                                                         \
    F(9, orphaned, I64, _)

/* From the rollups of [from, to), rounded to whole minutes. */
#define KN_MSG_ROLLUPS_GET(F)                                                                      \
    F(1, from, TIME, _)                                                                            \
    F(2, to, TIME, _)                                                                              \
    F(3, step, U64, _)     /* seconds, a multiple of 60; 0: one point for all */                   \
    F(4, group_by, STR, _) /* absent, "name", "queue", "worker" or "source" */                     \
    F(5, names, STRS, _)                                                                           \
    F(6, queues, STRS, _)                                                                          \
    F(7, workers, STRS, _)                                                                         \
    F(8, sources, STRS, _)                                                                         \
    F(9, limit, U64, _) /* maximum number of groups; the largest are kept */
#define KN_MSG_POINT(F)                                                                            \
    F(1, at, TIME, _)                                                                              \
    F(2, counts, MSG, event_counts)                                                                \
    F(3, runtime, MSG, quantiles)                                                                  \
    F(4, queue_wait, MSG, quantiles)                                                               \
    F(5, tasks, MSG, event_counts) /* the tasks whose end it was, not events; only final statuses  \
                                    */
#define KN_MSG_SERIES(F)                                                                           \
    F(1, key, STR, _) /* value of group_by; absent without it */                                   \
    F(2, points, LIST, point)
#define KN_MSG_SERIES_LIST(F)                                                                      \
    F(1, from, TIME, _)                                                                            \
    F(2, to, TIME, _)                                                                              \
    F(3, step, U64, _)                                                                             \
    F(4, series, LIST, series)                                                                     \
    F(5, groups_left_out, U64, _)

/* The fleet now, published by aggregation every second. */
#define KN_MSG_METRICS(F)                                                                          \
    F(1, at, TIME, _)                                                                              \
    F(2, events_per_second, F64, _) /* over the last 5 seconds */                                  \
    F(3, tasks_per_second, F64, _)  /* reached a final status, same period */                      \
    F(4, window_seconds, U64, _)    /* of the following fields */                                  \
    F(5, counts, MSG, event_counts) /* events in the window */                                     \
    F(6, success_rate, OPT_F64, _)  /* success / (success + failure), 0 to 1 */                    \
    F(7, runtime, MSG, quantiles)                                                                  \
    F(8, queue_wait, MSG, quantiles)                                                               \
    F(9, running, I64, _)  /* tasks that are started now */                                        \
    F(10, waiting, I64, _) /* tasks that are pending, received or in retry now */                  \
    F(11, workers_online, U64, _)                                                                  \
    F(12, workers_offline, U64, _)                                                                 \
    F(13, queued_messages, U64, _) /* ready in all queues */                                       \
    F(14, workers_unknown, U64, _)

/* ---- the system ------------------------------------------------------------ */

#define KN_MSG_SOURCE_STATUS(F)                                                                    \
    F(1, source, STR, _)                                                                           \
    F(2, state, ENUM, link_state)                                                                  \
    F(3, broker, STR, _)                                                                           \
    F(4, error, STR, _)                                                                            \
    F(5, events_received, U64, _)                                                                  \
    F(6, events_invalid, U64, _)                                                                   \
    F(7, events_lost, U64, _)                                                                      \
    F(8, events_stored, U64, _)                                                                    \
    F(9, events_duplicate, U64, _)                                                                 \
    F(10, backlog_events, U64, _)                                                                  \
    F(11, lag_seconds, F64, _)                                                                     \
    F(12, gaps, LIST, gap)     /* the latest */                                                    \
    F(13, spool_bytes, U64, _) /* these are as in ingestion_status */                              \
    F(14, spool_max, U64, _)                                                                       \
    F(15, spool_events, U64, _)                                                                    \
    F(16, spool_dropped, U64, _)                                                                   \
    F(17, queue_messages, OPT_I64, _)                                                              \
    F(18, queue_bytes_max, U64, _)                                                                 \
    F(19, since, TIME, _)

#define KN_MSG_STORAGE_STATUS(F)                                                                   \
    F(1, backend, STR, _) /* "sqlite" or "postgresql" */                                           \
    F(2, server_version, STR, _)                                                                   \
    F(3, timescaledb, BOOL, _)                                                                     \
    F(4, tasks, U64, _)                                                                            \
    F(5, events, U64, _)                                                                           \
    F(6, bytes, U64, _) /* size of the database */                                                 \
    F(7, feed, STR, _)                                                                             \
    F(8, feed_number, U64, _)                                                                      \
    F(9, schema_version, U64, _)

#define KN_MSG_SYSTEM_GET(F) F(1, unused, BOOL, _)
#define KN_MSG_SYSTEM(F)                                                                           \
    F(1, at, TIME, _)                                                                              \
    F(2, services, LIST, service_status)                                                           \
    F(3, ingestion, LIST, source_status)                                                           \
    F(4, findings, LIST, finding)                                                                  \
    F(5, storage, MSG, storage_status)                                                             \
    F(6, counts, LIST, status_count)

/* ---- actions --------------------------------------------------------------- */

/* Part of every request that changes something outside Kanchi: who acts. The client creates id,
 * which identifies the action forever: control starts it once, no matter how often the request
 * arrives. */
#define KN_MSG_ACTION(F)                                                                           \
    F(1, id, STR, _)                                                                               \
    F(2, actor, STR, _)  /* who; absent: unknown */                                                \
    F(3, remote, STR, _) /* address of the client */                                               \
    F(4, agent, STR, _)  /* its User-Agent */                                                      \
    F(5, at, TIME, _)

/* An entry of the audit log: what was started, and the outcome once it has ended. */
#define KN_MSG_AUDIT_ENTRY(F)                                                                      \
    F(1, id, STR, _)                                                                               \
    F(2, verb, ENUM, verb)                                                                         \
    F(3, method, STR, _) /* of a command: "pool_grow" … */                                       \
    F(4, source, STR, _)                                                                           \
    F(5, target, STR, _) /* a task's id, a worker, a queue; absent: all */                         \
    F(6, actor, STR, _)                                                                            \
    F(7, remote, STR, _)                                                                           \
    F(8, agent, STR, _)                                                                            \
    F(9, request, JSON, _) /* the request */                                                       \
    F(10, begun_at, TIME, _)                                                                       \
    F(11, ended_at, TIME, _) /* absent: still running, or its process is gone */                   \
    F(12, outcome, ENUM, outcome)                                                                  \
    F(13, text, STR, _)    /* one sentence */                                                      \
    F(14, result, JSON, _) /* the answer */                                                        \
    F(15, no, U64, _)      /* in order of begin; set by storage */

/* Sent before an action is carried out. attempt: unique per process and request. CONFLICT when
 * another attempt has started the action. */
#define KN_MSG_AUDIT_BEGIN(F)                                                                      \
    F(1, entry, MSG, audit_entry)                                                                  \
    F(2, attempt, STR, _)
/* Uses id, ended_at, outcome, text and result of entry. The first end is kept. The link is stored
 * with it, like that of a task_link, and the answer then sets linked, unlike that of an older
 * storage. */
#define KN_MSG_AUDIT_END(F)                                                                        \
    F(1, entry, MSG, audit_entry)                                                                  \
    F(2, link, MSG, task_link)
#define KN_MSG_AUDIT_GET(F)                                                                        \
    F(1, verbs, STRS, _)                                                                           \
    F(2, sources, STRS, _)                                                                         \
    F(3, target, STR, _)                                                                           \
    F(4, actor, STR, _)                                                                            \
    F(5, id, STR, _)                                                                               \
    F(6, from, TIME, _)                                                                            \
    F(7, to, TIME, _)                                                                              \
    F(8, limit, U64, _)                                                                            \
    F(9, before, U64, _) /* entries with a smaller number; 0: the newest */
#define KN_MSG_AUDIT_LIST(F)                                                                       \
    F(1, items, LIST, audit_entry)                                                                 \
    F(2, next, U64, _) /* before, for the next page; 0: no more */

/* Remote control of workers: method and arguments are Celery's own. Without an action it is a query
 * and changes nothing. */
#define KN_MSG_COMMAND(F)                                                                          \
    F(1, action, MSG, action)                                                                      \
    F(2, source, STR, _)                                                                           \
    F(3, method, STR, _)                                                                           \
    F(4, arguments, JSON, _)                                                                       \
    F(5, destinations, STRS, _) /* hostnames; none: by pattern, or all */                          \
    F(6, pattern, STR, _)       /* of hostnames, a glob */                                         \
    F(7, timeout, I64, _)       /* µs for the replies; 0: as configured */                        \
    F(8, dry_run, BOOL, _)
#define KN_MSG_WORKER_REPLY(F)                                                                     \
    F(1, hostname, STR, _)                                                                         \
    F(2, failed, BOOL, _) /* value is an object with "error" */                                    \
    F(3, value, JSON, _)
/* missing: workers that did not reply in time. */
#define KN_MSG_COMMAND_DONE(F)                                                                     \
    F(1, replies, LIST, worker_reply)                                                              \
    F(2, missing, STRS, _)                                                                         \
    F(3, asked, STRS, _) /* known workers it addresses or would address */                         \
    F(4, action_id, STR, _)                                                                        \
    F(5, note, STR, _)       /* remark about the outcome */                                        \
    F(6, arguments, JSON, _) /* as sent, or as they would be */                                    \
    F(7, everybody, BOOL, _) /* sent to all workers that listen */

/* Checks a source's broker and workers: what is missing, and how to fix it. */
#define KN_MSG_DOCTOR_GET(F) F(1, source, STR, _)
#define KN_MSG_DOCTOR_REPORT(F)                                                                    \
    F(1, source, STR, _)                                                                           \
    F(2, reachable, BOOL, _)                                                                       \
    F(3, workers, STRS, _) /* that answered */                                                     \
    F(4, findings, LIST, finding)

/* ---- queues ---------------------------------------------------------------- */

/* A waiting message. Absent texts are missing in the message, or unreadable. */
#define KN_MSG_WAITING(F)                                                                          \
    F(1, id, STR, _)                                                                               \
    F(2, name, STR, _)                                                                             \
    F(3, args, JSON, _)                                                                            \
    F(4, kwargs, JSON, _)                                                                          \
    F(5, args_repr, STR, _)                                                                        \
    F(6, kwargs_repr, STR, _)                                                                      \
    F(7, priority, OPT_I64, _)                                                                     \
    F(8, eta, TIME, _)                                                                             \
    F(9, expires, TIME, _)                                                                         \
    F(10, retries, OPT_I64, _)                                                                     \
    F(11, root_id, STR, _)                                                                         \
    F(12, parent_id, STR, _)                                                                       \
    F(13, origin, STR, _) /* who sent it */                                                        \
    F(14, content_type, STR, _)                                                                    \
    F(15, size, U64, _) /* bytes */                                                                \
    F(16, redelivered, BOOL, _)                                                                    \
    F(17, unreadable, STR, _) /* why arguments, or all fields, are absent */                       \
    F(18, sent_at, TIME, _)   /* if known to storage */
/* requeue: RabbitMQ shows messages only by taking them and giving them back. */
#define KN_MSG_WAITING_GET(F)                                                                      \
    F(1, source, STR, _)                                                                           \
    F(2, queue, STR, _)                                                                            \
    F(3, cursor, STR, _)                                                                           \
    F(4, limit, U64, _)                                                                            \
    F(5, requeue, BOOL, _)
#define KN_MSG_WAITING_LIST(F)                                                                     \
    F(1, items, LIST, waiting) /* next to be delivered first */                                    \
    F(2, total, U64, _)                                                                            \
    F(3, next, STR, _)      /* cursor; absent at the end */                                        \
    F(4, requeued, BOOL, _) /* taken from the queue and given back */                              \
    F(5, note, STR, _)

#define KN_MSG_QUEUE_PURGE(F)                                                                      \
    F(1, action, MSG, action)                                                                      \
    F(2, source, STR, _)                                                                           \
    F(3, queue, STR, _)                                                                            \
    F(4, expected, U64, _)                                                                         \
    F(5, dry_run, BOOL, _)                                                                         \
    F(6, max, U64, _) /* up to so many, whatever was expected; 0: all */                           \
    F(7, id, STR, _)  /* only the message of this task */
/* ids: none for all. */
#define KN_MSG_QUEUE_MOVE(F)                                                                       \
    F(1, action, MSG, action)                                                                      \
    F(2, source, STR, _)                                                                           \
    F(3, queue, STR, _)                                                                            \
    F(4, to, STR, _)                                                                               \
    F(5, ids, STRS, _)                                                                             \
    F(6, expected, OPT_I64, _)                                                                     \
    F(7, max, U64, _) /* messages; 0: all that are waiting at the start */                         \
    F(8, dry_run, BOOL, _)
/* Makes workers stop consuming the queue, or consume it again. */
#define KN_MSG_QUEUE_PAUSE(F)                                                                      \
    F(1, action, MSG, action)                                                                      \
    F(2, source, STR, _)                                                                           \
    F(3, queue, STR, _)                                                                            \
    F(4, resume, BOOL, _)                                                                          \
    F(5, dry_run, BOOL, _)
#define KN_MSG_QUEUE_CHANGED(F)                                                                    \
    F(1, action_id, STR, _)                                                                        \
    F(2, waiting, U64, _)    /* before */                                                          \
    F(3, affected, U64, _)   /* messages that were purged or moved */                              \
    F(4, complete, BOOL, _)  /* false: time ran out */                                             \
    F(5, confirmed, STRS, _) /* workers that did it */                                             \
    F(6, missing, STRS, _)   /* workers that did not answer */                                     \
    F(7, refused, STRS, _)   /* workers that refused */                                            \
    F(8, note, STR, _)

/* A paused queue, and how its workers consumed it: a JSON object {"<hostname>": <arguments of
 * add_consumer>}. Control writes it, and reads it after a restart. resuming: workers are to consume
 * the queue again. */
#define KN_MSG_PAUSE(F)                                                                            \
    F(1, source, STR, _)                                                                           \
    F(2, queue, STR, _)                                                                            \
    F(3, since, TIME, _)                                                                           \
    F(4, by, STR, _)                                                                               \
    F(5, consumers, JSON, _)                                                                       \
    F(6, resuming, BOOL, _)                                                                        \
    F(7, over, BOOL, _) /* forget it */
#define KN_MSG_PAUSES_GET(F) F(1, source, STR, _)
#define KN_MSG_PAUSE_LIST(F) F(1, items, LIST, pause)
/* ---- bulk jobs -------------------------------------------------------------- */

#define KN_MSG_JOB_COUNT(F)                                                                        \
    F(1, name, STR, _)                                                                             \
    F(2, count, U64, _)

#define KN_MSG_JOB_ITEM(F)                                                                         \
    F(1, no, U64, _) /* in the job, from 1 */                                                      \
    F(2, id, STR, _)                                                                               \
    F(3, source, STR, _)                                                                           \
    F(4, state, ENUM, item_state)                                                                  \
    F(5, text, STR, _)              /* one sentence about it */                                    \
    F(6, new_id, STR, _)            /* of the task that a retry sent */                            \
    F(7, at, TIME, _)               /* when the state began; absent while waiting */               \
    F(8, status, ENUM, task_status) /* of a task taken by control */                               \
    F(9, name, STR, _)              /* of the task; absent: unknown */                             \
    F(10, new_status, STR, _)       /* of the task new_id now; absent: not seen yet */

/* One action on many tasks, chosen when the job was created. waiting to cancelled: number of its
 * tasks in each item_state. A dry run has no id. */
#define KN_MSG_JOB(F)                                                                              \
    F(1, id, STR, _) /* of the action that created it */                                           \
    F(2, action, ENUM, job_action)                                                                 \
    F(3, state, ENUM, job_state)                                                                   \
    F(4, actor, STR, _)                                                                            \
    F(5, rate, F64, _) /* maximum tasks per second */                                              \
    F(6, options, JSON, _)                                                                         \
    F(7, request, JSON, _) /* what was asked */                                                    \
    F(8, created_at, TIME, _)                                                                      \
    F(9, ended_at, TIME, _)                                                                        \
    F(10, total, U64, _)                                                                           \
    F(11, waiting, U64, _)                                                                         \
    F(12, begun, U64, _)                                                                           \
    F(13, done, U64, _)                                                                            \
    F(14, refused, U64, _)                                                                         \
    F(15, failed, U64, _)                                                                          \
    F(16, uncertain, U64, _)                                                                       \
    F(17, cancelled, U64, _)                                                                       \
    F(18, by_status, LIST, job_count) /* of a dry run */                                           \
    F(19, by_name, LIST, job_count)   /* likewise, the most frequent ones */                       \
    F(20, no, U64, _)                 /* in order of creation; set by storage */                   \
    F(21, remote, STR, _)                                                                          \
    F(22, agent, STR, _)                                                                           \
    F(23, new_tasks, LIST, job_count) /* how the tasks that a retry sent fare, by status; "unseen" \
                                       * are those without an event */                             \
    F(24, counted, BOOL, _)           /* new_tasks is known */                                     \
    F(25, reasons, LIST, job_count) /* of a dry run: the tasks that will be refused, by reason */  \
    F(26, retried, U64, _)          /* of a dry run: tasks left out, which were retried already */ \
    F(27, sample, LIST, job_item)   /* of a dry run: tasks that only control can judge */

/* Selects tasks by ids (on one source, if given) or by a filter of the task list. CONFLICT when
 * their number differs too much from expected. dry_run: creates nothing. The answer is the job. */
#define KN_MSG_JOB_CREATE(F)                                                                       \
    F(1, action, MSG, action)                                                                      \
    F(2, what, ENUM, job_action)                                                                   \
    F(3, ids, STRS, _)                                                                             \
    F(4, source, STR, _)                                                                           \
    F(5, filter, MSG, tasks_get)                                                                   \
    F(6, options, JSON, _)                                                                         \
    F(7, rate, F64, _) /* 0: as configured */                                                      \
    F(8, expected, OPT_I64, _)                                                                     \
    F(9, dry_run, BOOL, _)                                                                         \
    F(10, request, JSON, _) /* for the audit log */                                                \
    F(11, again, BOOL, _)   /* retry: also tasks that were retried already */

/* Asks control which retries of these tasks would be refused, and why. It checks as many as it can
 * in time. */
#define KN_MSG_JOB_CHECK(F)                                                                        \
    F(1, source, STR, _)                                                                           \
    F(2, ids, STRS, _)                                                                             \
    F(3, options, JSON, _)
#define KN_MSG_JOB_CHECKED(F)                                                                      \
    F(1, checked, U64, _) /* the first ones */                                                     \
    F(2, reasons, LIST, job_count)

/* Jobs, newest first. items: get the tasks of the job with this id, in order. */
#define KN_MSG_JOBS_GET(F)                                                                         \
    F(1, id, STR, _)                                                                               \
    F(2, items, BOOL, _)                                                                           \
    F(3, states, STRS, _) /* of items */                                                           \
    F(4, limit, U64, _)                                                                            \
    F(5, after, U64, _)         /* next of the previous page; 0: from the beginning */             \
    F(6, new_statuses, STRS, _) /* of the tasks that a retry sent; or "unseen" */
#define KN_MSG_JOB_LIST(F)                                                                         \
    F(1, items, LIST, job)                                                                         \
    F(2, next, U64, _) /* 0: no more */
#define KN_MSG_JOB_ITEMS(F)                                                                        \
    F(1, job, MSG, job)                                                                            \
    F(2, items, LIST, job_item)                                                                    \
    F(3, next, U64, _) /* 0: no more */                                                            \
    F(4, wait, I64, _) /* of job_take: µs until there may be work again */

/* Control reports the results of the tasks it took, and takes more: from any job that may go on and
 * has tasks for its source. Those tasks count as started with the answer, and storage waits a while
 * for their results. A result with state waiting gives back an untouched task. limit 0: take no
 * more. */
#define KN_MSG_JOB_TAKE(F)                                                                         \
    F(1, source, STR, _)                                                                           \
    F(2, taker, STR, _) /* the process */                                                          \
    F(3, limit, U64, _)                                                                            \
    F(4, job, STR, _) /* of the results */                                                         \
    F(5, results, LIST, job_item)

/* The answer is the job. CONFLICT when it has ended. */
#define KN_MSG_JOB_CANCEL(F)                                                                       \
    F(1, action, MSG, action)                                                                      \
    F(2, id, STR, _)
/* Marks an unsuccessful task as resolved, or removes the mark. */
#define KN_MSG_RESOLVE(F)                                                                          \
    F(1, action, MSG, action)                                                                      \
    F(2, id, STR, _)                                                                               \
    F(3, source, STR, _) /* absent: the newest task with this id on any */                         \
    F(4, undo, BOOL, _)

/* An issue of the dashboard that somebody has dismissed: hidden while its state is this one. */
#define KN_MSG_DISMISSAL(F)                                                                        \
    F(1, key, STR, _)                                                                              \
    F(2, state, STR, _)                                                                            \
    F(3, at, TIME, _)                                                                              \
    F(4, actor, STR, _)
/* Dismisses an issue, or (undo) no longer does, whatever its state. */
#define KN_MSG_DISMISS(F)                                                                          \
    F(1, action, MSG, action)                                                                      \
    F(2, key, STR, _)                                                                              \
    F(3, state, STR, _)                                                                            \
    F(4, undo, BOOL, _)
/* The newest first. */
#define KN_MSG_DISMISSALS_GET(F) F(1, unused, BOOL, _)
#define KN_MSG_DISMISSAL_LIST(F) F(1, items, LIST, dismissal)

/* Sends a task: again (task_id) or for the first time (name). Absent fields are taken from the
 * first message, if known. Without an action it is a dry run. */
#define KN_MSG_TASK_SEND(F)                                                                        \
    F(1, action, MSG, action)                                                                      \
    F(2, source, STR, _)                                                                           \
    F(3, new_id, STR, _)                                                                           \
    F(4, task_id, STR, _) /* to be sent again; absent: apply */                                    \
    F(5, name, STR, _)                                                                             \
    F(6, args, JSON, _)   /* an array */                                                           \
    F(7, kwargs, JSON, _) /* an object */                                                          \
    F(8, queue, STR, _)                                                                            \
    F(9, priority, OPT_I64, _)                                                                     \
    F(10, countdown, OPT_F64, _) /* seconds */                                                     \
    F(11, eta, TIME, _)                                                                            \
    F(12, expires, TIME, _)                                                                        \
    F(13, time_limit, OPT_F64, _) /* seconds */                                                    \
    F(14, soft_time_limit, OPT_F64, _)                                                             \
    F(15, force, BOOL, _)        /* even if the task has not ended */                              \
    F(16, unregistered, BOOL, _) /* even if no worker knows the name */                            \
    F(17, dry_run, BOOL, _)                                                                        \
    F(18, attempt, STR, _)   /* "first" (also absent) or "last": whose arguments */                \
    F(19, arguments, STR, _) /* "backend" or "events", when they disagree; absent: neither */
/* A call of a task; retries: 0 for the first one. */
#define KN_MSG_TASK_ATTEMPT(F)                                                                     \
    F(1, retries, I64, _)                                                                          \
    F(2, args_repr, STR, _)                                                                        \
    F(3, kwargs_repr, STR, _)
/* arguments_from: "message", "backend", "repr" or "request". message: of a dry run, the headers,
 * properties and the decoded body. attempts: calls with different arguments, if there are several.
 * queue absent: sent to the exchange. */
#define KN_MSG_TASK_SENT(F)                                                                        \
    F(1, id, STR, _)                                                                               \
    F(2, arguments_from, STR, _)                                                                   \
    F(3, queue, STR, _)                                                                            \
    F(4, warnings, STRS, _)                                                                        \
    F(5, message, JSON, _)                                                                         \
    F(6, action_id, STR, _)                                                                        \
    F(7, attempt, OPT_I64, _) /* retries of the call with these arguments */                       \
    F(8, attempts, LIST, task_attempt)                                                             \
    F(9, exchange, STR, _)                                                                         \
    F(10, routing_key, STR, _)                                                                     \
    F(11, name, STR, _) /* of the sent task */

/* Revokes a task by ID, or all tasks with these stamped headers. */
#define KN_MSG_TASK_REVOKE(F)                                                                      \
    F(1, action, MSG, action)                                                                      \
    F(2, source, STR, _)                                                                           \
    F(3, task_id, STR, _)                                                                          \
    F(4, headers, JSON, _) /* an object: header to value or list of values */                      \
    F(5, terminate, BOOL, _)                                                                       \
    F(6, signal, STR, _)                                                                           \
    F(7, timeout, I64, _)                                                                          \
    F(8, dry_run, BOOL, _)                                                                         \
    F(9, remove, BOOL, _) /* RabbitMQ: search for its message, which holds others back */          \
    F(10, queue, STR, _)  /* where it waits; absent: ask storage */
/* removed: messages removed from the task's queue. removal: a sentence about the waiting
 * message. */
#define KN_MSG_TASK_REVOKED(F)                                                                     \
    F(1, done, MSG, command_done)                                                                  \
    F(2, removed, OPT_I64, _)                                                                      \
    F(3, removal, STR, _)                                                                          \
    F(4, action_id, STR, _)

/* A task's data in the result backend, untruncated. */
#define KN_MSG_TASK_RESULT_GET(F)                                                                  \
    F(1, source, STR, _)                                                                           \
    F(2, task_id, STR, _)
#define KN_MSG_TASK_RESULT(F)                                                                      \
    F(1, id, STR, _)                                                                               \
    F(2, state, STR, _) /* as named by Celery: "SUCCESS" … */                                    \
    F(3, result, JSON, _)                                                                          \
    F(4, traceback, STR, _)                                                                        \
    F(5, completed_at, TIME, _)                                                                    \
    F(6, name, STR, _)                                                                             \
    F(7, args, JSON, _)                                                                            \
    F(8, kwargs, JSON, _)                                                                          \
    F(9, worker, STR, _)                                                                           \
    F(10, queue, STR, _)                                                                           \
    F(11, children, JSON, _)                                                                       \
    F(12, bytes, U64, _)                                                                           \
    F(13, note, STR, _) /* why an existing result is left out */

/* new_id is the retry of task_id. */
#define KN_MSG_TASK_LINK(F)                                                                        \
    F(1, source, STR, _)                                                                           \
    F(2, task_id, STR, _)                                                                          \
    F(3, new_id, STR, _)                                                                           \
    F(4, at, TIME, _)
#define KN_MSG_TASK_LINKS_GET(F)                                                                   \
    F(1, source, STR, _)                                                                           \
    F(2, task_id, STR, _)
#define KN_MSG_TASK_LINKS(F)                                                                       \
    F(1, retry_of, STR, _)                                                                         \
    F(2, retried_as, STRS, _) /* oldest first, at most 100 */

/* ---- answers ---------------------------------------------------------------- */

#define KN_MSG_DONE(F)                                                                             \
    F(1, unused, BOOL, _)                                                                          \
    F(2, linked, BOOL, _) /* see audit_end */
/* A request that failed. status: number of an enum kn_status. */
#define KN_MSG_FAILURE(F)                                                                          \
    F(1, status, U64, _)                                                                           \
    F(2, text, STR, _)

/* number on the wire, name in lower case, in upper case. The last row has the highest number. */
#define KN_MSG_MAP(M)                                                                              \
    M(1, event, EVENT)                                                                             \
    M(2, queue_priority, QUEUE_PRIORITY)                                                           \
    M(3, queue_depth, QUEUE_DEPTH)                                                                 \
    M(4, gap, GAP)                                                                                 \
    M(5, ingest_batch, INGEST_BATCH)                                                               \
    M(6, ingest_ack, INGEST_ACK)                                                                   \
    M(7, known_queues_get, KNOWN_QUEUES_GET)                                                       \
    M(8, known_queues, KNOWN_QUEUES)                                                               \
    M(9, ingestion_status, INGESTION_STATUS)                                                       \
    M(10, finding, FINDING)                                                                        \
    M(11, service_status, SERVICE_STATUS)                                                          \
    M(12, worker_inspect, WORKER_INSPECT)                                                          \
    M(13, worker_liveness, WORKER_LIVENESS)                                                        \
    M(14, worker, WORKER)                                                                          \
    M(15, workers_get, WORKERS_GET)                                                                \
    M(16, worker_list, WORKER_LIST)                                                                \
    M(17, task, TASK)                                                                              \
    M(18, tasks_get, TASKS_GET)                                                                    \
    M(19, task_list, TASK_LIST)                                                                    \
    M(20, task_get, TASK_GET)                                                                      \
    M(21, task_events_get, TASK_EVENTS_GET)                                                        \
    M(22, task_event_list, TASK_EVENT_LIST)                                                        \
    M(23, queue_point, QUEUE_POINT)                                                                \
    M(24, queue, QUEUE)                                                                            \
    M(25, queues_get, QUEUES_GET)                                                                  \
    M(26, queue_list, QUEUE_LIST)                                                                  \
    M(27, rollup_delta, ROLLUP_DELTA)                                                              \
    M(28, task_change, TASK_CHANGE)                                                                \
    M(29, status_count, STATUS_COUNT)                                                              \
    M(30, feed, FEED)                                                                              \
    M(31, feed_mark, FEED_MARK)                                                                    \
    M(32, feed_get, FEED_GET)                                                                      \
    M(33, feed_list, FEED_LIST)                                                                    \
    M(34, reader_get, READER_GET)                                                                  \
    M(35, reader_position, READER_POSITION)                                                        \
    M(36, rollup, ROLLUP)                                                                          \
    M(37, rollup_put, ROLLUP_PUT)                                                                  \
    M(38, quantiles, QUANTILES)                                                                    \
    M(39, event_counts, EVENT_COUNTS)                                                              \
    M(40, rollups_get, ROLLUPS_GET)                                                                \
    M(41, point, POINT)                                                                            \
    M(42, series, SERIES)                                                                          \
    M(43, series_list, SERIES_LIST)                                                                \
    M(44, metrics, METRICS)                                                                        \
    M(45, source_status, SOURCE_STATUS)                                                            \
    M(46, storage_status, STORAGE_STATUS)                                                          \
    M(47, system_get, SYSTEM_GET)                                                                  \
    M(48, system, SYSTEM)                                                                          \
    M(49, done, DONE)                                                                              \
    M(50, failure, FAILURE)                                                                        \
    M(51, overdue_get, OVERDUE_GET)                                                                \
    M(52, overdue_task, OVERDUE_TASK)                                                              \
    M(53, overdue_list, OVERDUE_LIST)                                                              \
    M(54, action, ACTION)                                                                          \
    M(55, audit_entry, AUDIT_ENTRY)                                                                \
    M(56, audit_begin, AUDIT_BEGIN)                                                                \
    M(57, audit_end, AUDIT_END)                                                                    \
    M(58, audit_get, AUDIT_GET)                                                                    \
    M(59, audit_list, AUDIT_LIST)                                                                  \
    M(60, command, COMMAND)                                                                        \
    M(61, worker_reply, WORKER_REPLY)                                                              \
    M(62, command_done, COMMAND_DONE)                                                              \
    M(64, doctor_get, DOCTOR_GET)                                                                  \
    M(65, doctor_report, DOCTOR_REPORT)                                                            \
    M(79, task_attempt, TASK_ATTEMPT)                                                              \
    M(70, task_send, TASK_SEND)                                                                    \
    M(71, task_sent, TASK_SENT)                                                                    \
    M(72, task_revoke, TASK_REVOKE)                                                                \
    M(73, task_revoked, TASK_REVOKED)                                                              \
    M(74, task_result_get, TASK_RESULT_GET)                                                        \
    M(75, task_result, TASK_RESULT)                                                                \
    M(76, task_link, TASK_LINK)                                                                    \
    M(77, task_links_get, TASK_LINKS_GET)                                                          \
    M(78, task_links, TASK_LINKS)                                                                  \
    M(80, waiting, WAITING)                                                                        \
    M(81, waiting_get, WAITING_GET)                                                                \
    M(82, waiting_list, WAITING_LIST)                                                              \
    M(83, queue_purge, QUEUE_PURGE)                                                                \
    M(84, queue_move, QUEUE_MOVE)                                                                  \
    M(85, queue_pause, QUEUE_PAUSE)                                                                \
    M(86, queue_changed, QUEUE_CHANGED)                                                            \
    M(87, pause, PAUSE)                                                                            \
    M(88, pauses_get, PAUSES_GET)                                                                  \
    M(89, pause_list, PAUSE_LIST)                                                                  \
    M(90, job_count, JOB_COUNT)                                                                    \
    M(95, job_item, JOB_ITEM)                                                                      \
    M(91, job, JOB)                                                                                \
    M(92, job_create, JOB_CREATE)                                                                  \
    M(93, jobs_get, JOBS_GET)                                                                      \
    M(94, job_list, JOB_LIST)                                                                      \
    M(96, job_items, JOB_ITEMS)                                                                    \
    M(97, job_take, JOB_TAKE)                                                                      \
    M(98, job_cancel, JOB_CANCEL)                                                                  \
    M(99, resolve, RESOLVE)                                                                        \
    M(200, family_get, FAMILY_GET)                                                                 \
    M(201, failures_get, FAILURES_GET)                                                             \
    M(202, failure_group, FAILURE_GROUP)                                                           \
    M(203, failure_list, FAILURE_LIST)                                                             \
    M(204, task_names_get, TASK_NAMES_GET)                                                         \
    M(205, task_names, TASK_NAMES)                                                                 \
    M(206, worker_life_get, WORKER_LIFE_GET)                                                       \
    M(207, worker_moment, WORKER_MOMENT)                                                           \
    M(208, worker_life, WORKER_LIFE)                                                               \
    M(209, queue_histories_get, QUEUE_HISTORIES_GET)                                               \
    M(210, queue_history, QUEUE_HISTORY)                                                           \
    M(211, queue_histories, QUEUE_HISTORIES)                                                       \
    M(240, job_check, JOB_CHECK)                                                                   \
    M(241, job_checked, JOB_CHECKED)                                                               \
    M(242, dismissal, DISMISSAL)                                                                   \
    M(243, dismiss, DISMISS)                                                                       \
    M(244, dismissals_get, DISMISSALS_GET)                                                         \
    M(245, dismissal_list, DISMISSAL_LIST)

#define M(number, lower, upper) KN_KIND_##upper = number,
enum kn_kind { KN_KIND_NONE = 0, KN_MSG_MAP(M) };
#undef M
/* One more than the highest number, regardless of the order of rows. Some numbers are unused. */
#define M(number, lower, upper) char lower[number + 1];
enum { KN_KIND_COUNT = sizeof(union {KN_MSG_MAP(M)}) };
#undef M

struct kn_opt_i64 {
    int64_t value;
    bool set;
};
struct kn_opt_f64 {
    double value;
    bool set;
};
struct kn_strs {
    struct kn_str *items;
    size_t count;
};
struct kn_f64s {
    double *items;
    size_t count;
};

#define KN_SOME_I64(v) ((struct kn_opt_i64){.value = (v), .set = true})
#define KN_SOME_F64(v) ((struct kn_opt_f64){.value = (v), .set = true})

#define KN_MEMBER_BOOL(name, of) bool name;
#define KN_MEMBER_U64(name, of) uint64_t name;
#define KN_MEMBER_I64(name, of) int64_t name;
#define KN_MEMBER_F64(name, of) double name;
#define KN_MEMBER_TIME(name, of) int64_t name;
#define KN_MEMBER_OPT_I64(name, of) struct kn_opt_i64 name;
#define KN_MEMBER_OPT_F64(name, of) struct kn_opt_f64 name;
#define KN_MEMBER_STR(name, of) struct kn_str name;
#define KN_MEMBER_JSON(name, of) struct kn_str name;
#define KN_MEMBER_BIN(name, of) struct kn_str name;
#define KN_MEMBER_ENUM(name, of) uint8_t name;
#define KN_MEMBER_STRS(name, of) struct kn_strs name;
#define KN_MEMBER_F64S(name, of) struct kn_f64s name;
#define KN_MEMBER_MSG(name, of) struct kn_msg_##of *name;
#define KN_MEMBER_LIST(name, of)                                                                   \
    struct {                                                                                       \
        struct kn_msg_##of *items;                                                                 \
        size_t count;                                                                              \
    } name;

#define KN_MEMBER(number, name, type, of) KN_MEMBER_##type(name, of)
#define M(number, lower, upper)                                                                    \
    struct kn_msg_##lower {                                                                        \
        KN_MSG_##upper(KN_MEMBER)                                                                  \
    };
KN_MSG_MAP(M)
#undef M

#endif
