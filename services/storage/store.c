#include "services/storage/state/state.h"

#include "services/common/data/array.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"
#include "services/storage/db/migrate.h"
#include "services/storage/write/learned_ends.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOCK_US (5 * KN_SECOND)
#define RENEW_US (5 * KN_SECOND)
#define LEASE_US (20 * KN_SECOND) /* longer than FEED_HOLD is valid for */
enum { WRITER_CACHE_MB = 24, READER_CACHE_MB = 2 };

static struct db_options connection(const struct store *store, bool read_only)
{
    struct db_options options = {.read_only = read_only,
                                 .cache_mb = read_only ? READER_CACHE_MB : WRITER_CACHE_MB};
    if (strncmp(store->database, "sqlite:", 7) == 0)
        options.sqlite_path = store->database + 7;
    else
        options.postgres_url = store->database;
    return options;
}

/* ---- what is in memory of the database ----------------------------------------------- */

static enum kn_status take_u64(void *arg, const struct db_value *columns)
{
    int64_t number;
    if (!kn_str_to_i64(db_as_str(columns[0]), &number))
        return KN_INVALID;
    *(uint64_t *)arg = (uint64_t)number;
    return KN_OK;
}

/* The database's own random number, created by the first process. */
static enum kn_status load_hash_key(struct store *store)
{
    char hex[17], text[32];
    kn_random_hex(hex, sizeof hex);
    snprintf(text, sizeof text, "%lld", (long long)strtoull(hex, NULL, 16));
    const struct db_value fresh[] = {db_text(KN_STR("hash_key")), db_text(kn_str_from(text))};
    enum kn_status status = db_run(store->db, SQL_META_NEW, fresh, NULL, NULL);
    return status == KN_OK ? db_run(store->db, SQL_META_GET, fresh, take_u64, &store->hash_key)
                           : status;
}

static enum kn_status take_feed(void *arg, const struct db_value *columns)
{
    struct store *store = arg;
    struct kn_str id = db_as_str(columns[1]);
    if (id.len >= sizeof store->feed_id)
        return KN_INVALID;
    if (store->feed_no && !kn_str_eq(id, kn_str_from(store->feed_id)))
        return KN_CONFLICT;
    if (!store->feed_no)
        memcpy(store->feed_id, id.ptr, id.len);
    store->feed_no = db_as_i64(columns[0]);
    store->feed_number = (uint64_t)db_as_i64(columns[2]);
    return KN_OK;
}

static enum kn_status take_bool(void *arg, const struct db_value *columns)
{
    *(bool *)arg = db_as_i64(columns[0]);
    return KN_OK;
}

/* One process writes a feed. A process that was killed may seem to be there for a
 * moment longer. */
static enum kn_status lock_feed(struct store *store)
{
    bool pooled = db_is_pooled(store->db);
    int64_t until = kn_time_mono() + (pooled ? LEASE_US : LOCK_US);
    const struct db_value values[] = {db_i64(store->feed_no)};
    for (;;) {
        bool locked = false;
        enum kn_status status = pooled
                                    ? store_hold_feed(store)
                                    : db_run(store->db, SQL_FEED_LOCK, values, take_bool, &locked);
        if (pooled ? status != KN_EXISTS : status != KN_OK || locked)
            return status;
        if (kn_time_mono() > until)
            return KN_EXISTS;
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
}

enum kn_status store_hold_feed(struct store *store)
{
    bool held = false;
    const struct db_value values[] = {db_i64(store->feed_no), db_text(kn_str_from(store->holder))};
    enum kn_status status = db_run(store->db, SQL_FEED_HOLD, values, take_bool, &held);
    if (status == KN_OK && held)
        store->renewed_at = kn_time_mono();
    else if (status == KN_OK)
        store->unread = true; /* its holder may have written */
    return status != KN_OK || held ? status : KN_EXISTS;
}

void store_keep_feed(struct store *store)
{
    if (!db_is_pooled(store->db) || kn_time_mono() < store->renewed_at + RENEW_US)
        return;
    enum kn_status ignored = store_hold_feed(store); /* the next commit finds out */
    (void)ignored;
}

static void release_feed(struct store *store)
{
    const struct db_value values[] = {db_i64(store->feed_no), db_text(kn_str_from(store->holder))};
    if (!store->db || !db_is_pooled(store->db) || db_is_lost(store->db))
        return;
    enum kn_status ignored = db_run(store->db, SQL_FEED_RELEASE, values, NULL, NULL);
    (void)ignored;
}

static enum kn_status load_feed(struct store *store)
{
    char id[FEED_ID_SIZE];
    struct kn_str name = kn_str_from(store->feed_name);
    kn_random_hex(id, sizeof id);
    const struct db_value fresh[] = {db_text(name), db_text(kn_str_from(id))};
    enum kn_status status = db_run(store->db, SQL_FEED_CREATE, fresh, NULL, NULL);
    if (status == KN_OK)
        status = db_run(store->db, SQL_FEED_FIND, fresh, take_feed, store);
    if (status == KN_OK)
        status = lock_feed(store);
    /* the number may have moved until the lock was ours */
    return status == KN_OK ? db_run(store->db, SQL_FEED_FIND, fresh, take_feed, store) : status;
}

static enum kn_status take_count(void *arg, const struct db_value *columns)
{
    struct store *store = arg;
    if (!kn_array_grow(&store->counts, &store->cap_counts, store->n_counts, sizeof *store->counts))
        return KN_NOMEM;
    store->counts[store->n_counts++] = (struct status_count){
        db_as_i64(columns[0]), (uint8_t)db_as_i64(columns[1]), db_as_i64(columns[2]), 0};
    return KN_OK;
}

/* What does not change, and readers see: only when the store is opened. */
static enum kn_status load_constants(struct store *store)
{
    enum kn_status status = load_hash_key(store);
    return status == KN_OK
               ? db_run(store->db, SQL_EVENTS_HYPER, NULL, take_bool, &store->timescaledb)
               : status;
}

static enum kn_status load(struct store *store)
{
    store->next_no = store->end_no = 0;
    memset(store->days, 0, sizeof store->days);
    store->n_counts = store->n_sources = 0;
    task_cache_clear(&store->tasks);
    dict_forget(store->dict);
    enum kn_status status = store->feed_no ? KN_OK : load_constants(store);
    if (status == KN_OK)
        status = load_feed(store);
    if (status == KN_OK)
        status = db_run(store->db, SQL_TASK_COUNTS, NULL, take_count, store);
    return status;
}

/* ---- opening and closing ------------------------------------------------------------- */

static void say_not_loaded(const struct store *store, enum kn_status status, struct kn_buf *error)
{
    if (status == KN_EXISTS)
        kn_buf_printf(error, "another storage process writes the feed \"%s\" of this database",
                      store->feed_name);
    else
        kn_buf_printf(error, "cannot read the database: %s", db_error(store->db));
}

static enum kn_status connect_writer(struct store *store, struct kn_buf *error)
{
    struct db_options options = connection(store, false);
    enum kn_status status = db_open(&options, &store->db, error);
    if (status == KN_OK)
        status = migrate(store->db, &store->schema_version, error);
    if (status == KN_OK &&
        ((status = load(store)) != KN_OK || (status = learned_ends_fill(store)) != KN_OK))
        say_not_loaded(store, status, error);
    if (status != KN_OK) {
        db_close(store->db);
        store->db = NULL;
    }
    return status;
}

enum kn_status store_open(const struct store_options *options, struct store **ret,
                          struct kn_buf *error)
{
    assert(options->feed_keep > 0 && options->jobs_tasks_max && options->jobs_rate > 0 &&
           options->jobs_rate_max > 0);
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return KN_NOMEM;
    store->options = *options;
    store->database = strdup(options->database);
    store->feed_name = strdup(options->feed ? options->feed : "main");
    store->dict = dict_new(DICT_MAX);
    store->tx = tx_new(store);
    kn_random_hex(store->holder, sizeof store->holder);
    kn_arena_init(&store->arena, 0);
    kn_buf_init(&store->body, 0);
    enum kn_status status = KN_NOMEM;
    if (store->database && store->feed_name && store->dict && store->tx)
        status = task_cache_init(&store->tasks);
    if (status == KN_OK)
        status = connect_writer(store, error);
    if (status != KN_OK) {
        store_close(store);
        return status;
    }
    *ret = store;
    return KN_OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    release_feed(store);
    db_close(store->db);
    tx_free(store->tx);
    dict_free(store->dict);
    task_cache_fini(&store->tasks);
    free(store->sources);
    kn_arena_fini(&store->arena);
    kn_buf_fini(&store->body);
    free(store->counts);
    free(store->error);
    free(store->feed_name);
    free(store->database);
    free(store);
}

enum kn_status store_reopen(struct store *store)
{
    struct db_options options = connection(store, false);
    struct db *db;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    enum kn_status status = db_open(&options, &db, &error);
    if (status == KN_OK) {
        db_close(store->db);
        store->db = db;
        status = load(store);
        store->unread = status != KN_OK;
        if (store->unread)
            say_not_loaded(store, status, &error);
    }
    if (status != KN_OK) {
        free(store->error);
        store->error = kn_buf_take(&error, NULL);
    }
    kn_buf_fini(&error);
    return status;
}

void store_feed_position(const struct store *store, struct kn_str *ret_id, uint64_t *ret_number)
{
    *ret_id = kn_str_from(store->feed_id);
    *ret_number = store->feed_number;
}

/* ---- readers ------------------------------------------------------------------------- */

enum kn_status store_reader_new(struct store *store, struct store_reader **ret,
                                struct kn_buf *error)
{
    struct db_options options = connection(store, true);
    struct store_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return KN_NOMEM;
    reader->store = store;
    enum kn_status status = db_open(&options, &reader->db, error);
    if (status != KN_OK) {
        free(reader);
        return status;
    }
    *ret = reader;
    return KN_OK;
}

void store_reader_free(struct store_reader *reader)
{
    if (!reader)
        return;
    db_close(reader->db);
    free(reader);
}

void store_reader_limit(struct store_reader *reader, int64_t deadline, const atomic_bool *cancelled)
{
    db_limit(reader->db, deadline, cancelled);
}

void store_reader_revive(struct store_reader *reader)
{
    struct db_options options = connection(reader->store, true);
    struct db *db;
    struct kn_buf error;
    if (!db_is_lost(reader->db))
        return;
    kn_buf_init(&error, 0);
    if (db_open(&options, &db, &error) == KN_OK) {
        db_close(reader->db);
        reader->db = db;
    }
    kn_buf_fini(&error);
}
