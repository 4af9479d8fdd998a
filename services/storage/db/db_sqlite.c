/* SQLite. Write-ahead log, so that readers never wait for the writer; synchronous
 * NORMAL: a killed process loses nothing that was committed, a power cut may lose
 * the last commits, but never damages the file. */
#include "services/storage/db/db.h"
#include "services/storage/db/migrate.h"

#include "services/common/text/time.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    BUSY_MS = 10000,
    BUSY_PAUSE_MS = 5,
    STEPS = 4000 /* of the virtual machine, some 0.1 ms */
};

struct sqlite {
    struct db db;
    sqlite3 *handle;
    sqlite3_stmt *statements[SQL_COUNT];
    uint8_t params[SQL_COUNT][SQL_PARAMS_MAX]; /* where $1, $2 … are bound */
};

static struct sqlite *self(const struct db *db)
{
    return (struct sqlite *)(uintptr_t)db;
}

static enum kn_status status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return KN_OK;
    case SQLITE_NOMEM:
        return KN_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return KN_AGAIN;
    case SQLITE_INTERRUPT:
        return KN_TIMEOUT;
    case SQLITE_FULL:
        return KN_FULL;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return KN_DENIED;
    case SQLITE_CONSTRAINT:
        return KN_CONFLICT;
    case SQLITE_TOOBIG:
        return KN_TOO_BIG;
    default:
        return KN_IO;
    }
}

static void sqlite_close(struct db *db)
{
    struct sqlite *s = self(db);
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->handle);
    free(s);
}

static const char *sqlite_version_text(const struct db *db)
{
    (void)db;
    return sqlite3_libversion();
}

static const char *sqlite_error(const struct db *db)
{
    return sqlite3_errmsg(self(db)->handle);
}

static bool sqlite_is_lost(const struct db *db)
{
    (void)db;
    return false;
}

static enum kn_status sqlite_script(struct db *db, const char *sql)
{
    return status_of(sqlite3_exec(self(db)->handle, sql, NULL, NULL, NULL));
}

/* ---- statements ---------------------------------------------------------------------- */

static enum kn_status prepared(struct sqlite *s, enum sql_id id, sqlite3_stmt **ret)
{
    if (!s->statements[id]) {
        int code = sqlite3_prepare_v3(s->handle, sql_statements[id].sqlite, -1,
                                      SQLITE_PREPARE_PERSISTENT, &s->statements[id], NULL);
        if (code != SQLITE_OK)
            return status_of(code);
        for (size_t i = 0; sql_statements[id].types[i]; i++) {
            char name[8];
            snprintf(name, sizeof name, "$%zu", i + 1);
            s->params[id][i] = (uint8_t)sqlite3_bind_parameter_index(s->statements[id], name);
        }
    }
    *ret = s->statements[id];
    return KN_OK;
}

static int bind_value(sqlite3_stmt *statement, int at, const struct db_value *value)
{
    switch (value->kind) {
    case DB_NULL:
        return sqlite3_bind_null(statement, at);
    case DB_I64:
        return sqlite3_bind_int64(statement, at, value->i64);
    case DB_F64:
        return sqlite3_bind_double(statement, at, value->f64);
    case DB_TEXT:
        return sqlite3_bind_text64(statement, at, value->str.ptr, value->str.len, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case DB_BLOB:
        return value->str.len ? sqlite3_bind_blob64(statement, at, value->str.ptr, value->str.len,
                                                    SQLITE_STATIC)
                              : sqlite3_bind_zeroblob(statement, at, 0);
    }
    return SQLITE_MISUSE;
}

static struct db_value column_value(sqlite3_stmt *statement, int i)
{
    switch (sqlite3_column_type(statement, i)) {
    case SQLITE_INTEGER:
        return db_i64(sqlite3_column_int64(statement, i));
    case SQLITE_FLOAT:
        return db_f64(sqlite3_column_double(statement, i));
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, i);
        return db_text((struct kn_str){text, (size_t)sqlite3_column_bytes(statement, i)});
    }
    case SQLITE_BLOB: {
        const char *data = sqlite3_column_blob(statement, i);
        return db_blob(
            (struct kn_str){data ? data : "", (size_t)sqlite3_column_bytes(statement, i)});
    }
    default:
        return db_null();
    }
}

/* Steps to the end; the rows go to row. */
static enum kn_status step_all(sqlite3_stmt *statement, db_row_fn *row, void *arg)
{
    struct db_value columns[SQL_COLUMNS_MAX];
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!row)
            continue;
        int n = sqlite3_column_count(statement);
        if (n > SQL_COLUMNS_MAX)
            return KN_INTERNAL;
        for (int i = 0; i < n; i++)
            columns[i] = column_value(statement, i);
        enum kn_status status = row(arg, columns);
        if (status != KN_OK)
            return (int)status == DB_STOP ? KN_OK : status;
    }
    return status_of(code);
}

static enum kn_status run_one(struct sqlite *s, enum sql_id id, const struct db_value *values,
                              db_row_fn *row, void *arg)
{
    sqlite3_stmt *statement = NULL;
    enum kn_status status = db_is_over(&s->db) ? KN_TIMEOUT : prepared(s, id, &statement);
    if (status != KN_OK)
        return status;
    for (size_t i = 0; sql_statements[id].types[i]; i++) {
        int code = bind_value(statement, s->params[id][i], &values[i]);
        if (code != SQLITE_OK)
            return status_of(code);
    }
    status = step_all(statement, row, arg);
    sqlite3_reset(statement);
    return status;
}

static enum kn_status sqlite_run(struct db *db, enum sql_id id, const struct db_value *values,
                                 db_row_fn *row, void *arg)
{
    return run_one(self(db), id, values, row, arg);
}

static enum kn_status sqlite_each(struct db *db, enum sql_id id, const struct db_value *values,
                                  size_t count, db_row_fn *row, void *arg, bool *ret_changed)
{
    struct sqlite *s = self(db);
    size_t width = strlen(sql_statements[id].types);
    for (size_t i = 0; i < count; i++) {
        enum kn_status status = run_one(s, id, values + i * width, row, arg);
        if (status != KN_OK)
            return status;
        if (ret_changed)
            ret_changed[i] = sqlite3_changes(s->handle) > 0;
    }
    return KN_OK;
}

static int take_number(void *arg, int n, char **values, char **names)
{
    (void)names;
    if (n > 0 && values[0])
        *(int64_t *)arg = strtoll(values[0], NULL, 10);
    return 0;
}

static int64_t pragma(struct sqlite *s, const char *sql)
{
    int64_t value = 0;
    sqlite3_exec(s->handle, sql, take_number, &value, NULL);
    return value;
}

static enum kn_status sqlite_size(struct db *db, uint64_t *ret_bytes)
{
    *ret_bytes =
        (uint64_t)(pragma(self(db), "PRAGMA page_count") * pragma(self(db), "PRAGMA page_size"));
    return KN_OK;
}

static void sqlite_give_back(struct db *db, unsigned pages)
{
    char text[64];
    if (pragma(self(db), "PRAGMA freelist_count") < pages)
        return;
    snprintf(text, sizeof text, "PRAGMA incremental_vacuum(%u)", pages);
    sqlite3_exec(self(db)->handle, text, NULL, NULL, NULL);
}

const struct db_backend db_sqlite_backend = {
    .traits = {.name = "sqlite", .begin = "BEGIN IMMEDIATE", .migrations = migrations_sqlite},
    .close = sqlite_close,
    .version = sqlite_version_text,
    .error = sqlite_error,
    .is_lost = sqlite_is_lost,
    .script = sqlite_script,
    .run = sqlite_run,
    .each = sqlite_each,
    .size = sqlite_size,
    .give_back = sqlite_give_back,
};

/* ---- opening ------------------------------------------------------------------------- */

static const char setup_writer[] = "PRAGMA page_size = 8192;"
                                   "PRAGMA auto_vacuum = INCREMENTAL;"
                                   "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = NORMAL;"
                                   "PRAGMA wal_autocheckpoint = 8000;"
                                   "PRAGMA journal_size_limit = 67108864;"
                                   "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA foreign_keys = OFF;";
static const char setup_reader[] = "PRAGMA query_only = ON;"
                                   "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA schema_version;";

/* The first switch to a write-ahead log needs exclusive access to the file, and fails with "locked"
 * at once, without the busy timeout, when others open it too. */
static int exec_patiently(sqlite3 *handle, const char *sql)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_MS * 1000000L};
    int64_t until = kn_time_mono() + BUSY_MS * INT64_C(1000);
    for (;;) {
        int code = sqlite3_exec(handle, sql, NULL, NULL, NULL);
        if (status_of(code) != KN_AGAIN || kn_time_mono() >= until)
            return code;
        nanosleep(&pause, NULL);
    }
}

/* Every STEPS of a statement; a number that is not 0 ends it. */
static int look_at_limit(void *arg)
{
    return db_is_over(arg);
}

static enum kn_status set_up(struct sqlite *s, const struct db_options *options)
{
    char pragma_text[64];
    unsigned mb = options->cache_mb ? options->cache_mb : 4;
    sqlite3_busy_timeout(s->handle, BUSY_MS);
    sqlite3_extended_result_codes(s->handle, 1);
    sqlite3_progress_handler(s->handle, STEPS, look_at_limit, &s->db);
    snprintf(pragma_text, sizeof pragma_text, "PRAGMA cache_size = -%u", mb * 1024);
    int code = exec_patiently(s->handle, options->read_only ? setup_reader : setup_writer);
    /* last: it is taken in pages, of the size that is known by then */
    if (code == SQLITE_OK)
        code = sqlite3_exec(s->handle, pragma_text, NULL, NULL, NULL);
    return status_of(code);
}

enum kn_status db_sqlite_open(const struct db_options *options, struct db **ret,
                              struct kn_buf *error)
{
    struct sqlite *s = calloc(1, sizeof *s);
    if (!s)
        return KN_NOMEM;
    s->db.backend = &db_sqlite_backend;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                (options->read_only ? 0 : SQLITE_OPEN_CREATE);
    int code = sqlite3_open_v2(options->sqlite_path, &s->handle, flags, NULL);
    enum kn_status status = code == SQLITE_OK ? set_up(s, options) : status_of(code);
    if (status == KN_OK) {
        *ret = &s->db;
        return KN_OK;
    }
    const char *why = s->handle ? sqlite3_errmsg(s->handle) : "out of memory";
    int system = s->handle ? sqlite3_system_errno(s->handle) : 0;
    kn_buf_printf(error, "cannot open the database %s: %s%s%s", options->sqlite_path, why,
                  system ? ": " : "", system ? strerror(system) : "");
    sqlite_close(&s->db);
    return status;
}
