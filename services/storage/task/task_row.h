/* A row of the table tasks: converts it from and to columns, and to a message. */
#ifndef KN_STORAGE_TASK_TASK_ROW_H
#define KN_STORAGE_TASK_TASK_ROW_H

#include "services/storage/db/dict.h"
#include "services/storage/task/merge.h"

struct task_row {
    int64_t no;
    uint64_t hash;
    int64_t source;
    struct kn_str id;
    struct merge_task task;
    /* indexed values, of merge_view(task) */
    enum kn_task_status status;
    enum kn_origin origin;
    struct task_end {          /* of a task that has ended */
        int64_t at;            /* see merge_ended_at; 0: it has not */
        int64_t runtime, wait; /* µs; -1: unknown */
    } end;
    int64_t name;
    int64_t queue;
    int64_t worker;
    int64_t started_by;
    int64_t client;
};

/* Columns of a row. */
#define C(group, field, NAME, column, type) +1
enum { TASK_COLUMNS = 1 TASK_COLUMN_MAP(C) };
#undef C

/* Hash of a task; key is the database's own random number. */
uint64_t task_hash(uint64_t key, int64_t source, struct kn_str id);

/* Only number, hash, source, status and id of a row of all columns, without a copy. */
void task_row_peek(const struct db_value *columns, struct task_row *ret);
int64_t task_row_latest_at(const struct db_value *columns);
/* Everything; texts are copied into the arena. */
enum kn_status task_row_read(const struct db_value *columns, struct dict *dict, struct db *db,
                             struct kn_arena *arena, struct task_row *ret) KN_MUST_CHECK;
/* Sets status and numbers from row->task, and gives numbers to new names. */
enum kn_status task_row_settle(struct task_row *row, struct dict *dict,
                               struct db *db) KN_MUST_CHECK;
/* The parts stored as bytes: those of merge_order_encode, and learned data (absent if none), as
 *   byte    1 << i for each name of the row (TASK_NAME, QUEUE, HOST in task_columns.h) filled in by
 *           learned data
 *   then    a message task_event_list */
struct task_bytes {
    struct kn_str order;
    struct kn_str learned;
};
/* Appends both to out, one after the other; sets only lengths. */
void task_row_bytes(const struct task_row *row, struct kn_buf *out, struct task_bytes *ret);
/* All columns in order. */
void task_row_values(const struct task_row *row, const struct task_bytes *bytes,
                     struct db_value ret[TASK_COLUMNS]);
/* Selects the columns that are values of the statement (SQL_TASK_NEW, _UPDATE, _UPDATE_REST,
 * _ADVANCE). */
void task_row_values_of(enum sql_id id, const struct db_value all[TASK_COLUMNS],
                        struct db_value *ret);
/* Events that change only what SQL_TASK_ADVANCE writes, if the task's worker is known. */
enum { TASK_ADVANCED_BY = 1 << KN_EVENT_TASK_STARTED | 1 << KN_EVENT_TASK_SUCCEEDED };

/* Texts are borrowed from the row. text_max: bytes of arguments, result and error; 0: all,
 * and the traceback. */
void task_row_message(const struct task_row *row, struct kn_str source, size_t text_max,
                      struct kn_msg_task *ret);

#endif
