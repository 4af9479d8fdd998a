/* The schema: numbered steps from migrations/<backend>/, built into the program,
 * forward only. */
#ifndef KN_STORAGE_DB_MIGRATE_H
#define KN_STORAGE_DB_MIGRATE_H

#include "services/storage/db/db.h"

struct migration {
    int version;
    const char *name;
    const char *sql;
};
/* Ends with version 0; generated from the files at build time. */
extern const struct migration migrations_sqlite[];
extern const struct migration migrations_postgres[];

/* Migrates the database to the newest version known to this program, in one transaction, under a
 * lock: if several processes start at once, one migrates and the others wait. VERSION when the
 * database is newer than the program, CONFLICT when it was created by other steps. On failure error
 * has a sentence. */
enum kn_status migrate(struct db *db, int *ret_version, struct kn_buf *error) KN_MUST_CHECK;
/* The same with other steps, for tests. */
enum kn_status migrate_with(struct db *db, const struct migration *steps, int *ret_version,
                            struct kn_buf *error) KN_MUST_CHECK;

#endif
