#include "services/storage/db.h"

#include <stdlib.h>

enum kn_status db_postgres_open(const struct db_options *options, struct db **ret, char **ret_error)
{
    (void)options;
    (void)ret;
    *ret_error = strdup("PostgreSQL is not supported yet");
    return KN_UNSUPPORTED;
}

const struct db_backend db_postgres_backend = {0};
