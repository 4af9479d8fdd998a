#include "services/storage/db/sql.h"

const struct sql sql_statements[SQL_COUNT] = {
#define S(name, types, sqlite, postgres) [SQL_##name] = {#name, types, sqlite, postgres},
#define SAME(name, types, text) [SQL_##name] = {#name, types, text, text},
    SQL_MAP(S, SAME)
#undef S
#undef SAME
};
