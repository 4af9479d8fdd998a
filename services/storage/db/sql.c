#include "services/storage/db/sql.h"

#include "proto/enums.h"

_Static_assert(SQL_ITEM_WAITING == KN_ITEM_WAITING && SQL_ITEM_BEGUN == KN_ITEM_BEGUN &&
                   SQL_ITEM_FAILED == KN_ITEM_FAILED && SQL_ITEM_CANCELLED == KN_ITEM_CANCELLED,
               "states of a job's items");
_Static_assert(KN_ITEM_WAITING < SQL_ENDED && KN_ITEM_BEGUN < SQL_ENDED &&
                   KN_ITEM_DONE == SQL_ENDED,
               "items that have not ended");
_Static_assert(KN_JOB_IS_RUNNING < SQL_ENDED && KN_JOB_IS_CANCELLING < SQL_ENDED &&
                   KN_JOB_IS_DONE == SQL_ENDED,
               "jobs that have not ended");

_Static_assert(KN_TASK_SUCCESS == 3 && KN_TASK_FAILURE == 4 && KN_TASK_REVOKED == 6 &&
                   KN_TASK_REJECTED == 7 && KN_TASK_ORPHANED == 8 && KN_TASK_STATUS_COUNT == 9,
               "SQL_ENDED_AT");

#define S(name, types, sqlite, postgres)                                                           \
    _Static_assert(sizeof(types) - 1 <= SQL_PARAMS_MAX, #name " has too many values");
#define SAME(name, types, text) S(name, types, text, text)
SQL_MAP(S, SAME)
#undef S
#undef SAME

const struct sql sql_statements[SQL_COUNT] = {
#define S(name, types, sqlite, postgres) [SQL_##name] = {#name, types, sqlite, postgres},
#define SAME(name, types, text) [SQL_##name] = {#name, types, text, text},
    SQL_MAP(S, SAME)
#undef S
#undef SAME
};
