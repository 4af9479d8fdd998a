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
/* Ended by version 0; made from the files at build time. */
extern const struct migration migrations_sqlite[];
extern const struct migration migrations_postgres[];

/* Brings the database up to the newest version that this program knows, in one
 * transaction, under a lock: of several that start at once, one does it and the
 * others wait. VERSION when the database is newer than the program, CONFLICT when
 * it was made by other steps. On failure error has a sentence. */
enum kn_status migrate(struct db *db, int *ret_version, struct kn_buf *error) KN_MUST_CHECK;
/* The same with other steps, for tests. */
enum kn_status migrate_with(struct db *db, const struct migration *steps, int *ret_version,
                            struct kn_buf *error) KN_MUST_CHECK;

#endif
