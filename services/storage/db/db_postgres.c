/* PostgreSQL over libpq. All values travel in binary. A statement whose text takes
 * arrays ("int8[]") runs once for all rows of db_each. Whole results are fetched
 * before the first row is shown, so that a row function may ask again. */
#include "services/storage/db/db.h"
#include "services/storage/db/migrate.h"
#include "services/storage/db/postgres_value.h"

#include "services/common/count.h"
#include "services/common/text/mask.h"
#include "services/common/text/time.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 16, COPY_PART = 8 << 20 };

struct postgres {
    struct db db;
    PGconn *conn;
    bool prepared[SQL_COUNT];
    bool lost;
    char *error;
    char version[32];
    struct kn_buf params; /* bytes of the values of one call */
};

static struct postgres *self(const struct db *db)
{
    return (struct postgres *)(uintptr_t)db;
}

/* ---- errors -------------------------------------------------------------------------- */

/* One line, without the "ERROR:  " before it. */
static char *one_line(const char *message)
{
    const char *text = strstr(message, ":  ");
    char *copy = strdup(text ? text + 3 : message);
    if (copy)
        copy[strcspn(copy, "\n")] = '\0';
    return copy;
}

static void keep_error(struct postgres *p, const char *message)
{
    free(p->error);
    p->error = one_line(message);
}

/* By the class of the SQLSTATE (PostgreSQL's appendix A). */
static enum kn_status status_of_state(struct postgres *p, const char *state)
{
    static const struct {
        const char *start;
        enum kn_status status;
    } classes[] = {{"23", KN_CONFLICT},  {"40", KN_AGAIN},     {"55P03", KN_AGAIN},
                   {"53200", KN_NOMEM},  {"53", KN_FULL},      {"42501", KN_DENIED},
                   {"28", KN_DENIED},    {"25006", KN_DENIED}, {"54", KN_TOO_BIG},
                   {"57014", KN_TIMEOUT}};
    if (!state || strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0)
        p->lost = true;
    for (size_t i = 0; state && i < KN_COUNT_OF(classes); i++) {
        if (strncmp(state, classes[i].start, strlen(classes[i].start)) == 0)
            return classes[i].status;
    }
    return KN_IO;
}

/* Whether the result is good; if not, it is freed. */
static enum kn_status check(struct postgres *p, PGresult *result)
{
    ExecStatusType code = PQresultStatus(result);
    if (code == PGRES_COMMAND_OK || code == PGRES_TUPLES_OK || code == PGRES_EMPTY_QUERY)
        return KN_OK;
    if (PQstatus(p->conn) != CONNECTION_OK)
        p->lost = true;
    enum kn_status status = status_of_state(p, PQresultErrorField(result, PG_DIAG_SQLSTATE));
    keep_error(p, result ? PQresultErrorMessage(result) : PQerrorMessage(p->conn));
    PQclear(result);
    return status;
}

static const char *postgres_error(const struct db *db)
{
    const char *error = self(db)->error;
    return error ? error : "";
}

static bool postgres_is_lost(const struct db *db)
{
    return self(db)->lost;
}

static const char *postgres_version(const struct db *db)
{
    return self(db)->version;
}

static void postgres_close(struct db *db)
{
    struct postgres *p = self(db);
    PQfinish(p->conn);
    kn_buf_fini(&p->params);
    free(p->error);
    free(p);
}

static enum kn_status postgres_script(struct db *db, const char *sql)
{
    struct postgres *p = self(db);
    PGresult *result = PQexec(p->conn, sql);
    enum kn_status status = check(p, result);
    if (status == KN_OK)
        PQclear(result);
    return status;
}

/* ---- statements with a limit --------------------------------------------------------- */

enum { LOOK_MS = 100, CANCEL_MS = 5000 };

/* Waits until the result can be taken without waiting, at most ms. */
static bool await_result(struct postgres *p, int ms)
{
    struct pollfd ready = {.fd = PQsocket(p->conn), .events = POLLIN};
    if (!PQconsumeInput(p->conn))
        return true; /* it says why */
    if (PQisBusy(p->conn) && poll(&ready, 1, ms) > 0 && !PQconsumeInput(p->conn))
        return true;
    return !PQisBusy(p->conn);
}

/* Asks the server to cancel the statement. If it does not end, the connection is dropped. */
static void cancel(struct postgres *p)
{
    char why[256];
    int64_t until = kn_time_mono() + CANCEL_MS * INT64_C(1000);
    PGcancel *request = PQgetCancel(p->conn);
    bool asked = request && PQcancel(request, why, sizeof why);
    PQfreeCancel(request);
    while (asked && !await_result(p, LOOK_MS))
        asked = kn_time_mono() < until;
    p->lost |= !asked;
}

/* The result of what was sent, which ends within db_limit. NULL: it did not end. */
static PGresult *take_result(struct postgres *p)
{
    PGresult *last = NULL, *next;
    while (!await_result(p, LOOK_MS)) {
        if (!db_is_over(&p->db))
            continue;
        cancel(p);
        break;
    }
    while (!p->lost && (next = PQgetResult(p->conn))) {
        PQclear(last);
        last = next;
    }
    return last;
}

/* Takes the result of what sent says was sent; TIMEOUT when its time is over. */
static enum kn_status finish(struct postgres *p, int sent, PGresult **ret)
{
    PGresult *result = sent ? take_result(p) : NULL;
    if (sent && !result && p->lost)
        return KN_TIMEOUT;
    enum kn_status status = check(p, result);
    if (status == KN_OK)
        *ret = result;
    return status;
}

/* ---- statements ---------------------------------------------------------------------- */

static bool takes_arrays(enum sql_id id)
{
    return strstr(sql_statements[id].postgres, "[]") != NULL;
}

static bool is_copy(enum sql_id id)
{
    return strncmp(sql_statements[id].postgres, "COPY ", 5) == 0;
}

static void oids_of(enum sql_id id, Oid oids[SQL_PARAMS_MAX])
{
    const char *types = sql_statements[id].types;
    for (size_t i = 0; types[i]; i++)
        oids[i] = pg_oid_of(types[i], takes_arrays(id));
}

static enum kn_status prepare(struct postgres *p, enum sql_id id, char name[NAME_SIZE])
{
    Oid oids[SQL_PARAMS_MAX];
    snprintf(name, NAME_SIZE, "s%d", (int)id);
    if (p->prepared[id])
        return KN_OK;
    oids_of(id, oids);
    PGresult *result;
    int sent = PQsendPrepare(p->conn, name, sql_statements[id].postgres,
                             (int)strlen(sql_statements[id].types), oids);
    enum kn_status status = finish(p, sent, &result);
    if (status != KN_OK)
        return status;
    PQclear(result);
    p->prepared[id] = true;
    return KN_OK;
}

/* Runs a statement with the parameters in p->params between ends. */
static enum kn_status execute(struct postgres *p, enum sql_id id, const size_t *ends,
                              const bool *nulls, PGresult **ret)
{
    const char *pointers[SQL_PARAMS_MAX];
    int lengths[SQL_PARAMS_MAX], formats[SQL_PARAMS_MAX];
    char name[NAME_SIZE];
    Oid oids[SQL_PARAMS_MAX];
    int n = (int)strlen(sql_statements[id].types);
    enum kn_status status = db_is_over(&p->db) ? KN_TIMEOUT : kn_buf_status(&p->params);
    if (status == KN_OK && !p->db.pooled)
        status = prepare(p, id, name);
    if (status != KN_OK)
        return status;
    for (int i = 0; i < n; i++) {
        size_t start = i ? ends[i - 1] : 0;
        pointers[i] = nulls[i] ? NULL : p->params.data ? p->params.data + start : "";
        lengths[i] = (int)(ends[i] - start);
        formats[i] = 1;
    }
    oids_of(id, oids);
    int sent = p->db.pooled ? PQsendQueryParams(p->conn, sql_statements[id].postgres, n, oids,
                                                pointers, lengths, formats, 1)
                            : PQsendQueryPrepared(p->conn, name, n, pointers, lengths, formats, 1);
    return finish(p, sent, ret);
}

static enum kn_status show_rows(PGresult *result, db_row_fn *row, void *arg)
{
    struct db_value columns[SQL_COLUMNS_MAX];
    int rows = PQntuples(result), n = PQnfields(result);
    enum kn_status status = n > SQL_COLUMNS_MAX ? KN_INTERNAL : KN_OK;
    for (int r = 0; row && r < rows && status == KN_OK; r++) {
        for (int c = 0; c < n; c++)
            columns[c] = pg_get_value(result, r, c);
        status = row(arg, columns);
    }
    PQclear(result);
    return (int)status == DB_STOP ? KN_OK : status;
}

static enum kn_status postgres_run(struct db *db, enum sql_id id, const struct db_value *values,
                                   db_row_fn *row, void *arg)
{
    struct postgres *p = self(db);
    size_t ends[SQL_PARAMS_MAX] = {0};
    bool nulls[SQL_PARAMS_MAX] = {false};
    PGresult *result;
    kn_buf_clear(&p->params);
    for (size_t i = 0; sql_statements[id].types[i]; i++) {
        nulls[i] = values[i].kind == DB_NULL;
        pg_put_value(&p->params, &values[i]);
        ends[i] = p->params.len;
    }
    enum kn_status status = execute(p, id, ends, nulls, &result);
    return status == KN_OK ? show_rows(result, row, arg) : status;
}

/* The statement returned the first two values of each row that changed something, in
 * the order of the rows. */
static enum kn_status mark_changed(PGresult *result, const struct db_value *values, size_t width,
                                   size_t count, bool *ret_changed)
{
    int rows = PQntuples(result), r = 0;
    for (size_t i = 0; i < count; i++) {
        const struct db_value *row = values + i * width;
        ret_changed[i] = r < rows && pg_get_value(result, r, 0).i64 == row[0].i64 &&
                         pg_get_value(result, r, 1).i64 == row[1].i64;
        r += ret_changed[i];
    }
    PQclear(result);
    return r == rows ? KN_OK : KN_INTERNAL;
}

static enum kn_status one_by_one(struct db *db, enum sql_id id, const struct db_value *values,
                                 size_t count, db_row_fn *row, void *arg)
{
    size_t width = strlen(sql_statements[id].types);
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < count; i++)
        status = postgres_run(db, id, values + i * width, row, arg);
    return status;
}

static enum kn_status copy_rows(struct postgres *p, enum sql_id id, const struct db_value *values,
                                size_t count)
{
    kn_buf_clear(&p->params);
    pg_put_copy(&p->params, values, strlen(sql_statements[id].types), count);
    enum kn_status status = kn_buf_status(&p->params);
    if (status != KN_OK)
        return status;
    PGresult *result = PQexec(p->conn, sql_statements[id].postgres);
    if (PQresultStatus(result) != PGRES_COPY_IN) {
        status = check(p, result);
        return status == KN_OK ? KN_INTERNAL : status;
    }
    PQclear(result);
    for (size_t at = 0; at < p->params.len; at += COPY_PART) {
        size_t left = p->params.len - at;
        if (PQputCopyData(p->conn, p->params.data + at,
                          (int)(left < COPY_PART ? left : COPY_PART)) < 0)
            break; /* the result says why */
    }
    (void)PQputCopyEnd(p->conn, NULL);
    while ((result = PQgetResult(p->conn))) {
        enum kn_status each = check(p, result);
        if (each == KN_OK)
            PQclear(result);
        else if (status == KN_OK)
            status = each;
    }
    return status;
}

static enum kn_status postgres_each(struct db *db, enum sql_id id, const struct db_value *values,
                                    size_t count, db_row_fn *row, void *arg, bool *ret_changed)
{
    struct postgres *p = self(db);
    const char *types = sql_statements[id].types;
    size_t ends[SQL_PARAMS_MAX] = {0}, width = strlen(types);
    bool nulls[SQL_PARAMS_MAX] = {false};
    PGresult *result;
    if (is_copy(id))
        return count ? copy_rows(p, id, values, count) : KN_OK;
    if (!takes_arrays(id))
        return one_by_one(db, id, values, count, row, arg);
    kn_buf_clear(&p->params);
    for (size_t i = 0; i < width; i++) {
        pg_put_array(&p->params, types[i], values + i, width, count);
        ends[i] = p->params.len;
    }
    enum kn_status status = execute(p, id, ends, nulls, &result);
    if (status != KN_OK)
        return status;
    return ret_changed ? mark_changed(result, values, width, count, ret_changed)
                       : show_rows(result, row, arg);
}

static enum kn_status take_size(void *arg, const struct db_value *columns)
{
    *(uint64_t *)arg = (uint64_t)db_as_i64(columns[0]);
    return KN_OK;
}

static enum kn_status postgres_size(struct db *db, uint64_t *ret_bytes)
{
    struct postgres *p = self(db);
    PGresult *result = PQexecParams(p->conn, "SELECT pg_database_size(current_database())", 0, NULL,
                                    NULL, NULL, NULL, 1);
    enum kn_status status = check(p, result);
    return status == KN_OK ? show_rows(result, take_size, ret_bytes) : status;
}

/* The server's own message does not name the schema. */
static const char before_migrations[] =
    "SELECT pg_advisory_xact_lock(7236270143);"
    "DO $$ BEGIN IF current_schema() IS NULL THEN RAISE EXCEPTION 'no schema in search_path (%) "
    "exists, or the user % may not use it: create one, and grant USAGE and CREATE on it', "
    "current_setting('search_path'), current_user; END IF; END $$";

const struct db_backend db_postgres_backend = {
    .traits = {.name = "postgresql",
               .begin = "BEGIN",
               .events_by_day = true,
               .migrations = migrations_postgres,
               .before_migrations = before_migrations},
    .close = postgres_close,
    .version = postgres_version,
    .error = postgres_error,
    .is_lost = postgres_is_lost,
    .script = postgres_script,
    .run = postgres_run,
    .each = postgres_each,
    .size = postgres_size,
};

/* ---- opening ------------------------------------------------------------------------- */

enum { OLDEST_SERVER = 150000 };

/* libpq quotes the unreadable part of a URL, which may be the password. */
static enum kn_status refuse(struct postgres *p, enum kn_status status, const char *why,
                             const char *url, struct kn_buf *error)
{
    char *line = one_line(why);
    kn_buf_text(error, "cannot use the PostgreSQL database: ");
    kn_mask_text(kn_str_from(line ? line : why), url, error);
    free(line);
    postgres_close(&p->db);
    return status;
}

bool db_postgres_is_away(const char *url)
{
    const char *const keys[] = {"connect_timeout", "dbname", NULL};
    const char *const settings[] = {"5", url, NULL};
    PGPing answer = PQpingParams(keys, settings, 1);
    return answer == PQPING_REJECT || answer == PQPING_NO_RESPONSE;
}

static void pass_over(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

/* The process that serves the connection is the one that the start of the connection named, unless
 * a pooler answered then. */
static enum kn_status find_pooler(struct postgres *p)
{
    PGresult *result = PQexec(p->conn, "SELECT pg_backend_pid()");
    enum kn_status status = check(p, result);
    if (status != KN_OK)
        return status;
    p->db.pooled = strtol(PQgetvalue(result, 0, 0), NULL, 10) != PQbackendPID(p->conn);
    PQclear(result);
    return KN_OK;
}

enum kn_status db_postgres_open(const struct db_options *options, struct db **ret,
                                struct kn_buf *error)
{
    struct postgres *p = calloc(1, sizeof *p);
    if (!p)
        return KN_NOMEM;
    p->db.backend = &db_postgres_backend;
    kn_buf_init(&p->params, 0);
    /* Parameters before the URL are defaults that the URL can override: a server that disappears
     * silently is given up after half a minute. */
    const char *const keys[] = {"connect_timeout",  "keepalives_idle",  "keepalives_interval",
                                "keepalives_count", "tcp_user_timeout", "dbname",
                                "application_name", "client_encoding",  NULL};
    const char *const settings[] = {"5",
                                    "10",
                                    "5",
                                    "3",
                                    "30000",
                                    options->postgres_url,
                                    options->read_only ? "kanchi-reader" : "kanchi-storage",
                                    "UTF8",
                                    NULL};
    p->conn = PQconnectdbParams(keys, settings, 1);
    if (!p->conn || PQstatus(p->conn) != CONNECTION_OK)
        return refuse(p, KN_IO, p->conn ? PQerrorMessage(p->conn) : "out of memory",
                      options->postgres_url, error);
    if (PQserverVersion(p->conn) < OLDEST_SERVER)
        return refuse(p, KN_UNSUPPORTED, "the server is older than PostgreSQL 15",
                      options->postgres_url, error);
    snprintf(p->version, sizeof p->version, "%s", PQparameterStatus(p->conn, "server_version"));
    PQsetNoticeProcessor(p->conn, pass_over, NULL);
    enum kn_status status = find_pooler(p);
    if (status == KN_OK && options->read_only && !p->db.pooled)
        status = postgres_script(&p->db, "SET default_transaction_read_only = on;"
                                         "SET plan_cache_mode = force_custom_plan");
    if (status != KN_OK)
        return refuse(p, status, postgres_error(&p->db), options->postgres_url, error);
    *ret = &p->db;
    return KN_OK;
}
