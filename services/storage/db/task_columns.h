/* The columns of the table tasks, one row each. Source of the statements about whole tasks
 * (sql_tasks.h), and of the column values and message texts of a task (task_row.c).
 *
 *   C(group, field, NAME, column, type)
 *   group   KEY       never changes
 *           STATUS    the status alone
 *           INDEXED   written only when one of these has changed, to spare the indexes
 *           ADVANCED  task-started and task-succeeded can change it
 *           PLAIN
 *   field   TEXT      MERGE_NAME of the task's texts, and the field `column` of its message
 *           TASK_NAME, QUEUE, HOST
 *                     MERGE_NAME of the task's texts, as a number of the table dict. Their order
 *                     among each other is stored (see struct task_bytes): append
 *           OTHER     task_row.c has a line for it
 *   type    i (integer), f (number), t (text), b (bytes)
 *
 * The rows are in table order. The table's key, no, comes before them. */
#ifndef KN_STORAGE_DB_TASK_COLUMNS_H
#define KN_STORAGE_DB_TASK_COLUMNS_H

/* clang-format off */
#define TASK_COLUMN_MAP(C) \
    C(KEY,      OTHER,     HASH,         hash,         i) \
    C(KEY,      OTHER,     SOURCE,       source,       i) \
    C(STATUS,   OTHER,     STATUS,       status,       i) \
    C(INDEXED,  TASK_NAME, NAME,         name,         i) \
    C(INDEXED,  QUEUE,     QUEUE,        queue,        i) \
    C(INDEXED,  HOST,      WORKER,       worker,       i) \
    C(ADVANCED, HOST,      STARTED_BY,   started_by,   i) \
    C(PLAIN,    HOST,      CLIENT,       client,       i) \
    C(PLAIN,    OTHER,     FIRST_AT,     first_at,     i) \
    C(ADVANCED, OTHER,     LATEST_AT,    latest_at,    i) \
    C(PLAIN,    OTHER,     SENT_AT,      sent_at,      i) \
    C(PLAIN,    OTHER,     RECEIVED_AT,  received_at,  i) \
    C(ADVANCED, OTHER,     STARTED_AT,   started_at,   i) \
    C(ADVANCED, OTHER,     SUCCEEDED_AT, succeeded_at, i) \
    C(PLAIN,    OTHER,     FAILED_AT,    failed_at,    i) \
    C(PLAIN,    OTHER,     REJECTED_AT,  rejected_at,  i) \
    C(PLAIN,    OTHER,     REVOKED_AT,   revoked_at,   i) \
    C(PLAIN,    OTHER,     RETRIED_AT,   retried_at,   i) \
    C(PLAIN,    OTHER,     ETA,          eta,          i) \
    C(PLAIN,    OTHER,     EXPIRES,      expires,      i) \
    C(PLAIN,    OTHER,     RETRIES,      retries,      i) \
    C(ADVANCED, OTHER,     RUNTIME,      runtime,      f) \
    C(PLAIN,    OTHER,     REVOKED,      revoked,      i) \
    C(ADVANCED, OTHER,     ORDERING,     ordering,     b) \
    C(KEY,      OTHER,     ID,           id,           t) \
    C(PLAIN,    TEXT,      ARGS,         args_repr,    t) \
    C(PLAIN,    TEXT,      KWARGS,       kwargs_repr,  t) \
    C(PLAIN,    TEXT,      ROOT,         root_id,      t) \
    C(PLAIN,    TEXT,      PARENT,       parent_id,    t) \
    C(PLAIN,    TEXT,      EXCHANGE,     exchange,     t) \
    C(PLAIN,    TEXT,      ROUTING_KEY,  routing_key,  t) \
    C(PLAIN,    OTHER,     SIGNUM,       signum,       t) \
    C(ADVANCED, TEXT,      RESULT,       result_repr,  t) \
    C(PLAIN,    TEXT,      ERROR,        error,        t) \
    C(PLAIN,    TEXT,      TRACEBACK,    traceback,    t) \
    C(PLAIN,    OTHER,     LEARNED,      learned,      b) \
    C(PLAIN,    OTHER,     LEARNED_END,  learned_end,  i)
/* clang-format on */

/* TASK_IN_x_group(tokens) expands to tokens if a statement of kind x writes the column. Status is
 * written by all of them and spelled out there.
 *   UPDATE    what can change
 *   REST      likewise, except INDEXED
 *   ADVANCE   ADVANCED */
#define TASK_YES(...) __VA_ARGS__
#define TASK_NO(...)
#define TASK_IN_UPDATE_KEY TASK_NO
#define TASK_IN_UPDATE_STATUS TASK_NO
#define TASK_IN_UPDATE_INDEXED TASK_YES
#define TASK_IN_UPDATE_ADVANCED TASK_YES
#define TASK_IN_UPDATE_PLAIN TASK_YES
#define TASK_IN_REST_KEY TASK_NO
#define TASK_IN_REST_STATUS TASK_NO
#define TASK_IN_REST_INDEXED TASK_NO
#define TASK_IN_REST_ADVANCED TASK_YES
#define TASK_IN_REST_PLAIN TASK_YES
#define TASK_IN_ADVANCE_KEY TASK_NO
#define TASK_IN_ADVANCE_STATUS TASK_NO
#define TASK_IN_ADVANCE_INDEXED TASK_NO
#define TASK_IN_ADVANCE_ADVANCED TASK_YES
#define TASK_IN_ADVANCE_PLAIN TASK_NO

#endif
