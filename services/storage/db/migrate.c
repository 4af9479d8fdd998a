#include "services/storage/db/migrate.h"

#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char create_table[] = "CREATE TABLE IF NOT EXISTS migrations ("
                                   " version BIGINT PRIMARY KEY,"
                                   " name TEXT NOT NULL,"
                                   " checksum BIGINT NOT NULL,"
                                   " applied_at BIGINT NOT NULL)";

struct run {
    const struct migration *steps;
    int64_t newest;  /* in the database */
    int64_t differs; /* the first whose checksum is another one */
};

static int64_t checksum(const struct migration *step)
{
    return (int64_t)kn_hash64(0, step->sql, strlen(step->sql));
}

static int last_of(const struct migration *steps)
{
    int last = 0;
    for (; steps->version; steps++)
        last = steps->version;
    return last;
}

static enum kn_status see_applied(void *arg, const struct db_value *columns)
{
    struct run *run = arg;
    int64_t version = db_as_i64(columns[0]);
    if (version > run->newest)
        run->newest = version;
    for (const struct migration *step = run->steps; step->version; step++) {
        if (step->version == version && checksum(step) != db_as_i64(columns[1]) && !run->differs)
            run->differs = version;
    }
    return KN_OK;
}

static enum kn_status apply(struct db *db, const struct migration *step)
{
    enum kn_status status = db_script(db, step->sql);
    if (status != KN_OK)
        return status;
    KN_INFO("storage.migrated", KN_F_I64("version", step->version), KN_F_TEXT("name", step->name));
    const struct db_value values[] = {db_i64(step->version), db_text(kn_str_from(step->name)),
                                      db_i64(checksum(step)), db_i64(kn_time_now())};
    return db_run(db, SQL_MIGRATION_ADD, values, NULL, NULL);
}

static enum kn_status in_transaction(struct db *db, struct run *run, struct kn_buf *error)
{
    enum kn_status status = KN_OK;
    if (db_traits(db)->before_migrations)
        status = db_script(db, db_traits(db)->before_migrations);
    if (status == KN_OK)
        status = db_script(db, create_table);
    if (status == KN_OK)
        status = db_run(db, SQL_MIGRATIONS, NULL, see_applied, run);
    if (status != KN_OK)
        return status;
    int last = last_of(run->steps);
    if (run->newest > last) {
        kn_buf_printf(error,
                      "the database has schema version %" PRId64
                      ", but this program supports only up to %d: use the newer program",
                      run->newest, last);
        status = KN_VERSION;
    } else if (run->differs) {
        kn_buf_printf(error,
                      "schema version %" PRId64 " of the database was created by another program",
                      run->differs);
        status = KN_CONFLICT;
    }
    for (const struct migration *step = run->steps; status == KN_OK && step->version; step++) {
        if (step->version > run->newest)
            status = apply(db, step);
    }
    return status;
}

enum kn_status migrate_with(struct db *db, const struct migration *steps, int *ret_version,
                            struct kn_buf *error)
{
    struct run run = {.steps = steps};
    size_t before = error->len;
    enum kn_status status = db_begin(db);
    if (status == KN_OK)
        status = in_transaction(db, &run, error);
    if (status == KN_OK)
        status = db_commit(db);
    if (status == KN_OK) {
        *ret_version = last_of(steps);
        return KN_OK;
    }
    if (error->len == before)
        kn_buf_printf(error, "cannot create the tables: %s", db_error(db));
    db_rollback(db);
    return status;
}

enum kn_status migrate(struct db *db, int *ret_version, struct kn_buf *error)
{
    return migrate_with(db, db_traits(db)->migrations, ret_version, error);
}
