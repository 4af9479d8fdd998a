/* Parts of the statements about whole tasks, made from task_columns.h. */
#ifndef KN_STORAGE_DB_SQL_TASKS_H
#define KN_STORAGE_DB_SQL_TASKS_H

#include "services/storage/db/task_columns.h"

/* clang-format off */

/* ---- numbers of values: SQL_NUMBERS(a, b, c) is "$2, $3" ------------------------------ */

#define SQL_TO_2 "$2"
#define SQL_TO_3 SQL_TO_2 ", $3"
#define SQL_TO_4 SQL_TO_3 ", $4"
#define SQL_TO_5 SQL_TO_4 ", $5"
#define SQL_TO_6 SQL_TO_5 ", $6"
#define SQL_TO_7 SQL_TO_6 ", $7"
#define SQL_TO_8 SQL_TO_7 ", $8"
#define SQL_TO_9 SQL_TO_8 ", $9"
#define SQL_TO_10 SQL_TO_9 ", $10"
#define SQL_TO_11 SQL_TO_10 ", $11"
#define SQL_TO_12 SQL_TO_11 ", $12"
#define SQL_TO_13 SQL_TO_12 ", $13"
#define SQL_TO_14 SQL_TO_13 ", $14"
#define SQL_TO_15 SQL_TO_14 ", $15"
#define SQL_TO_16 SQL_TO_15 ", $16"
#define SQL_TO_17 SQL_TO_16 ", $17"
#define SQL_TO_18 SQL_TO_17 ", $18"
#define SQL_TO_19 SQL_TO_18 ", $19"
#define SQL_TO_20 SQL_TO_19 ", $20"
#define SQL_TO_21 SQL_TO_20 ", $21"
#define SQL_TO_22 SQL_TO_21 ", $22"
#define SQL_TO_23 SQL_TO_22 ", $23"
#define SQL_TO_24 SQL_TO_23 ", $24"
#define SQL_TO_25 SQL_TO_24 ", $25"
#define SQL_TO_26 SQL_TO_25 ", $26"
#define SQL_TO_27 SQL_TO_26 ", $27"
#define SQL_TO_28 SQL_TO_27 ", $28"
#define SQL_TO_29 SQL_TO_28 ", $29"
#define SQL_TO_30 SQL_TO_29 ", $30"
#define SQL_TO_31 SQL_TO_30 ", $31"
#define SQL_TO_32 SQL_TO_31 ", $32"
#define SQL_TO_33 SQL_TO_32 ", $33"
#define SQL_TO_34 SQL_TO_33 ", $34"
#define SQL_TO_35 SQL_TO_34 ", $35"
#define SQL_TO_36 SQL_TO_35 ", $36"
#define SQL_TO_37 SQL_TO_36 ", $37"
#define SQL_TO_38 SQL_TO_37 ", $38"
#define SQL_TO_39 SQL_TO_38 ", $39"
#define SQL_TO_40 SQL_TO_39 ", $40"
#define SQL_TO_41 SQL_TO_40 ", $41"
#define SQL_TO_42 SQL_TO_41 ", $42"
#define SQL_TO_43 SQL_TO_42 ", $43"
#define SQL_TO_44 SQL_TO_43 ", $44"
#define SQL_TO_45 SQL_TO_44 ", $45"
#define SQL_TO_46 SQL_TO_45 ", $46"
#define SQL_TO_47 SQL_TO_46 ", $47"
#define SQL_TO_48 SQL_TO_47 ", $48"
#define SQL_49TH( \
    _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17, _18, _19, _20, \
    _21, _22, _23, _24, _25, _26, _27, _28, _29, _30, _31, _32, _33, _34, _35, _36, _37, _38, \
    _39, _40, _41, _42, _43, _44, _45, _46, _47, _48, it, ...) it
#define SQL_NUMBERS(...) SQL_49TH(__VA_ARGS__, \
    SQL_TO_48, SQL_TO_47, SQL_TO_46, SQL_TO_45, SQL_TO_44, SQL_TO_43, SQL_TO_42, SQL_TO_41, \
    SQL_TO_40, SQL_TO_39, SQL_TO_38, SQL_TO_37, SQL_TO_36, SQL_TO_35, SQL_TO_34, SQL_TO_33, \
    SQL_TO_32, SQL_TO_31, SQL_TO_30, SQL_TO_29, SQL_TO_28, SQL_TO_27, SQL_TO_26, SQL_TO_25, \
    SQL_TO_24, SQL_TO_23, SQL_TO_22, SQL_TO_21, SQL_TO_20, SQL_TO_19, SQL_TO_18, SQL_TO_17, \
    SQL_TO_16, SQL_TO_15, SQL_TO_14, SQL_TO_13, SQL_TO_12, SQL_TO_11, SQL_TO_10, SQL_TO_9, \
    SQL_TO_8, SQL_TO_7, SQL_TO_6, SQL_TO_5, SQL_TO_4, SQL_TO_3, SQL_TO_2, "")

/* ---- lists of columns, each with a comma before it ------------------------------------ */
/* Statements begin with no; those that change something continue with status. */

#define SQL_ARG(group, field, NAME, column, type) , column
#define SQL_TYPE(group, field, NAME, column, type) #type
#define SQL_LIST(group, field, NAME, column, type) ", " #column

#define SQL_UPDATE_ARG(group, field, NAME, column, type) TASK_IN_UPDATE_##group(, column)
#define SQL_UPDATE_TYPE(group, field, NAME, column, type) TASK_IN_UPDATE_##group(#type)
#define SQL_UPDATE_LIST(group, field, NAME, column, type) TASK_IN_UPDATE_##group(", " #column)
#define SQL_UPDATE_SET(group, field, NAME, column, type) \
    TASK_IN_UPDATE_##group(", " #column " = u." #column)

#define SQL_REST_ARG(group, field, NAME, column, type) TASK_IN_REST_##group(, column)
#define SQL_REST_TYPE(group, field, NAME, column, type) TASK_IN_REST_##group(#type)
#define SQL_REST_LIST(group, field, NAME, column, type) TASK_IN_REST_##group(", " #column)
#define SQL_REST_SET(group, field, NAME, column, type) \
    TASK_IN_REST_##group(", " #column " = u." #column)

#define SQL_ADVANCE_ARG(group, field, NAME, column, type) TASK_IN_ADVANCE_##group(, column)
#define SQL_ADVANCE_TYPE(group, field, NAME, column, type) TASK_IN_ADVANCE_##group(#type)
#define SQL_ADVANCE_LIST(group, field, NAME, column, type) TASK_IN_ADVANCE_##group(", " #column)
#define SQL_ADVANCE_SET(group, field, NAME, column, type) \
    TASK_IN_ADVANCE_##group(", " #column " = u." #column)

/* ---- statements ----------------------------------------------------------------------- */

#define SQL_TASKS "SELECT no" TASK_COLUMN_MAP(SQL_LIST) " FROM tasks "

#define SQL_TASK_TYPES "i" TASK_COLUMN_MAP(SQL_TYPE)
#define SQL_TASK_INSERT \
    "INSERT INTO tasks (no" TASK_COLUMN_MAP(SQL_LIST) ") VALUES ($1, " \
    SQL_NUMBERS(no TASK_COLUMN_MAP(SQL_ARG)) ")"
#define SQL_TASK_COPY \
    "COPY tasks (no" TASK_COLUMN_MAP(SQL_LIST) ") FROM STDIN (FORMAT binary)"

/* For the columns written by W (UPDATE, REST or ADVANCE, see task_columns.h). One task, and
 * many. */
#define SQL_TASK_SET_TYPES(W) "ii" TASK_COLUMN_MAP(SQL_##W##_TYPE)
#define SQL_TASK_SET(W) \
    "UPDATE tasks SET (status" TASK_COLUMN_MAP(SQL_##W##_LIST) ") = (" \
    SQL_NUMBERS(no, status TASK_COLUMN_MAP(SQL_##W##_ARG)) ") WHERE no = $1"
#define SQL_TASKS_SET(W) \
    "UPDATE tasks t SET status = u.status" TASK_COLUMN_MAP(SQL_##W##_SET) \
    " FROM unnest($1::int8[], " SQL_NUMBERS(no, status TASK_COLUMN_MAP(SQL_##W##_ARG)) \
    ") AS u(no, status" TASK_COLUMN_MAP(SQL_##W##_LIST) ") WHERE t.no = u.no"

/* When a task ended, as merge_ended_at has it; NULL before. The column of what was learned is the
 * row's last, so it is read only where no event told the end. */
#define SQL_ENDED_AT(t) \
    "CASE WHEN " t "status IN (3, 4, 6, 7, 8) THEN coalesce(CASE " t "status WHEN 3 THEN " t \
    "succeeded_at WHEN 4 THEN " t "failed_at WHEN 6 THEN " t "revoked_at WHEN 7 THEN " t \
    "rejected_at END, " t "learned_end) END"

/* Columns for selecting tasks of a list, in both orders, with and without the searchable texts. no:
 * the column that gives the order; from ends with WHERE or AND. */
#define SQL_SCAN_ROW \
    "SELECT t.no, t.source, t.status, t.name, t.queue, t.worker, t.first_at, " SQL_ENDED_AT("t.")
#define SQL_SCAN_TEXTS ", t.id, t.args_repr, t.kwargs_repr, t.result_repr, t.error"
#define SQL_SCAN_DOWN(no) no " < $1 AND " no " >= $2 ORDER BY " no " DESC LIMIT $3"
#define SQL_SCAN_UP(no) no " > $1 AND " no " <= $2 ORDER BY " no " ASC LIMIT $3"
#define SQL_SCANS(SAME, NAME, types, from, no) \
    SAME(SCAN_##NAME, types, SQL_SCAN_ROW from SQL_SCAN_DOWN(no)) \
    SAME(SCAN_##NAME##_OLDEST, types, SQL_SCAN_ROW from SQL_SCAN_UP(no)) \
    SAME(SCAN_##NAME##_TEXT, types, SQL_SCAN_ROW SQL_SCAN_TEXTS from SQL_SCAN_DOWN(no)) \
    SAME(SCAN_##NAME##_TEXT_OLDEST, types, SQL_SCAN_ROW SQL_SCAN_TEXTS from SQL_SCAN_UP(no))

/* Tasks in the order of a value, then of their number, from ($1, $2) on. $4: whether the mark as
 * resolved is wanted. */
#define SQL_SORTED_ROW(value) \
    SQL_SCAN_ROW ", " value ", CASE WHEN $4 = 1 THEN (SELECT 1 FROM resolved r WHERE r.no = t.no) END"
#define SQL_SORTED(SAME, NAME, types, value, from) \
    SAME(SORTED_##NAME, types, SQL_SORTED_ROW(value) " " from) \
    SAME(SORTED_##NAME##_TEXT, types, SQL_SORTED_ROW(value) SQL_SCAN_TEXTS " " from)
/* The greatest value in each minute, before ($3, $4). */
#define SQL_HEADS(value) \
    "SELECT m.at, (SELECT e." value " FROM task_ends e WHERE e.minute = m.at AND e." value \
    " IS NOT NULL AND (e." value ", e.no) < ($3, $4) ORDER BY e." value " DESC, e.no DESC LIMIT 1) " \
    "FROM (SELECT DISTINCT at FROM task_end_spans WHERE unit = 60 AND at >= $1 AND at < $2) m"
/* clang-format on */

#endif
