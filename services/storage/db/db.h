/* A connection to the database: runs the statements of sql.h. Only this folder contains the
 * differences between the two databases.
 *
 * A connection belongs to one thread at a time. */
#ifndef KN_STORAGE_DB_DB_H
#define KN_STORAGE_DB_DB_H

#include "services/common/data/arena.h"
#include "services/common/status.h"
#include "services/common/text/buf.h"
#include "services/common/text/str.h"
#include "services/storage/db/sql.h"

#include <stdatomic.h>

enum db_kind { DB_NULL, DB_I64, DB_F64, DB_TEXT, DB_BLOB };

struct db_value {
    enum db_kind kind;
    union {
        int64_t i64;
        double f64;
        struct kn_str str; /* for TEXT and BLOB, borrowed */
    };
};

static inline struct db_value db_i64(int64_t v)
{
    return (struct db_value){.kind = DB_I64, .i64 = v};
}
static inline struct db_value db_f64(double v)
{
    return (struct db_value){.kind = DB_F64, .f64 = v};
}
/* Absent text is NULL. */
static inline struct db_value db_text(struct kn_str v)
{
    return (struct db_value){.kind = v.ptr ? DB_TEXT : DB_NULL, .str = v};
}
static inline struct db_value db_blob(struct kn_str v)
{
    return (struct db_value){.kind = v.ptr ? DB_BLOB : DB_NULL, .str = v};
}
static inline struct db_value db_null(void)
{
    return (struct db_value){.kind = DB_NULL};
}
/* 0 is NULL, as for times. */
static inline struct db_value db_time(int64_t v)
{
    return v ? db_i64(v) : db_null();
}

/* Reading a column; NULL is 0 and absent. */
static inline int64_t db_as_i64(struct db_value v)
{
    return v.kind == DB_I64 ? v.i64 : 0;
}
static inline struct kn_str db_as_str(struct db_value v)
{
    return v.kind == DB_TEXT || v.kind == DB_BLOB ? v.str : KN_STR_ABSENT;
}

struct db;

/* Receives one row; texts are valid until it returns. A status other than OK ends the statement,
 * which returns it; DB_STOP ends the statement with OK. */
typedef enum kn_status db_row_fn(void *arg, const struct db_value *columns);
enum { DB_STOP = -1 };

struct db_options {
    const char *sqlite_path;  /* or */
    const char *postgres_url; /* postgresql://… */
    bool read_only;
    unsigned cache_mb; /* page cache of this connection, SQLite */
};

/* On failure error has a sentence, unless it is NOMEM. */
enum kn_status db_open(const struct db_options *options, struct db **ret,
                       struct kn_buf *error) KN_MUST_CHECK;
void db_close(struct db *db);
/* Differences between the databases that callers must know. */
struct migration;
struct db_traits {
    const char *name;   /* "sqlite", "postgresql" */
    const char *begin;  /* statement that begins a writing transaction */
    bool events_by_day; /* events are in one partition per day, which must be created before
                         * they are written, and is dropped as a whole */
    const struct migration *migrations;
    const char *before_migrations; /* a script; NULL: none */
};
const struct db_traits *db_traits(const struct db *db);
/* True behind a pooler such as PgBouncer: each transaction may use another server connection, so
 * a transaction must leave no session state behind. */
bool db_is_pooled(const struct db *db);
/* Version of SQLite or of the server; lives as long as the connection. */
const char *db_version(const struct db *db);

/* Describes the last failure; valid until the next call. */
const char *db_error(const struct db *db);
/* True if the connection is lost: close it and open a new one. */
bool db_is_lost(const struct db *db);

/* From now on, statements end with TIMEOUT after the deadline (monotonic; 0: none) or once
 * *cancelled is true (NULL: never). */
void db_limit(struct db *db, int64_t deadline, const atomic_bool *cancelled);

enum kn_status db_begin(struct db *db) KN_MUST_CHECK;
enum kn_status db_commit(struct db *db) KN_MUST_CHECK;
void db_rollback(struct db *db);

/* Runs several statements given as text, without values: for migrations. */
enum kn_status db_script(struct db *db, const char *sql) KN_MUST_CHECK;

/* Runs one statement, with the values that sql.h declares. row may be NULL. */
enum kn_status db_run(struct db *db, enum sql_id id, const struct db_value *values, db_row_fn *row,
                      void *arg) KN_MUST_CHECK;
/* Runs the statement for each of count rows of values; row may be NULL. PostgreSQL runs it
 * once, over arrays, so its text must allow that. ret_changed (may be NULL) tells for each row
 * whether it changed something; then the first two values of a row must identify it. */
enum kn_status db_each(struct db *db, enum sql_id id, const struct db_value *values, size_t count,
                       db_row_fn *row, void *arg, bool *ret_changed) KN_MUST_CHECK;

/* Approximate size of the database in bytes. */
enum kn_status db_size(struct db *db, uint64_t *ret_bytes) KN_MUST_CHECK;

/* Returns some of the space of deleted rows to the file system. */
void db_give_back(struct db *db, unsigned pages);

/* Text that both databases can store: NUL and invalid UTF-8 become U+FFFD.
 * Copied into the arena only if something is replaced. */
struct kn_str db_clean_text(struct kn_arena *arena, struct kn_str text);

/* ---- for backends -------------------------------------------------------------------- */

struct db_backend {
    struct db_traits traits;
    void (*close)(struct db *db);
    const char *(*version)(const struct db *db);
    const char *(*error)(const struct db *db);
    bool (*is_lost)(const struct db *db);
    enum kn_status (*script)(struct db *db, const char *sql);
    enum kn_status (*run)(struct db *db, enum sql_id id, const struct db_value *values,
                          db_row_fn *row, void *arg);
    enum kn_status (*each)(struct db *db, enum sql_id id, const struct db_value *values,
                           size_t count, db_row_fn *row, void *arg, bool *ret_changed);
    enum kn_status (*size)(struct db *db, uint64_t *ret_bytes);
    void (*give_back)(struct db *db, unsigned pages); /* may be NULL */
};

extern const struct db_backend db_sqlite_backend;
extern const struct db_backend db_postgres_backend;

struct db {
    const struct db_backend *backend;
    bool pooled;
    int64_t deadline; /* see db_limit */
    const atomic_bool *cancelled;
};

/* True if a statement must end now. */
bool db_is_over(const struct db *db);

enum kn_status db_sqlite_open(const struct db_options *options, struct db **ret,
                              struct kn_buf *error);
/* Whether the server does not answer (yet), so that waiting may help. */
bool db_postgres_is_away(const char *url);
enum kn_status db_postgres_open(const struct db_options *options, struct db **ret,
                                struct kn_buf *error);

#endif
