#include "services/storage/service.h"

#include "proto/bus/of_service.h"
#include "proto/bus/reporter.h"
#include "services/common/process/health.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/storage/db/db.h"
#include "services/storage/readers.h"
#include "services/storage/requests.h"
#include "services/storage/store.h"
#include "services/storage/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WRITE_THREADS = 16, QUERIES_WAITING = 24, THREADS_MAX = 64 };
enum { ERROR_SIZE = 256 };
#define FIRST_REPORTS (5 * KN_SECOND)

struct storage {
    const struct kn_service *service;
    struct store *store;
    struct writer *writer;
    struct registry *registry;
    struct readers *readers;
    struct kn_bus *bus;
    struct kn_bus_publisher *publisher;
    struct kn_bus_server *server;
    atomic_bool queries_fail; /* the database did not answer the last one */
    const char *disk;         /* where the database is, for people */
    int lock_fd;              /* of the database's lock file, -1 without one */
};

/* ---- requests ------------------------------------------------------------------------ */

/* Reads what is asked for, or what the change needs. */
static enum kn_status read_for(struct storage *storage, const struct request *row,
                               const struct kn_bus_message *request, struct query *query)
{
    size_t size = kn_msg_size(row->answer);
    query->answer = kn_arena_alloc(query->arena, size);
    if (!query->answer)
        return KN_NOMEM;
    memset(query->answer, 0, size);
    enum kn_status status = readers_borrow(storage->readers, request->number, &query->reader);
    if (status != KN_OK)
        return status;
    status = row->read(query);
    readers_give_back(storage->readers, query->reader);
    atomic_store(&storage->queries_fail, status == KN_IO);
    return status;
}

/* Commits one change. */
static enum kn_status apply(struct storage *storage, const struct request *row, struct query *query,
                            struct kn_bus_reply *reply)
{
    static const struct kn_msg_done done;
    char error[ERROR_SIZE];
    struct store_change change = {
        .kind = row->kind, .msg = query->msg, .job = query->job, .arena = query->arena};
    enum kn_status status = writer_commit(storage->writer, &change, error, sizeof error);
    if (status != KN_OK && (*error || change.why))
        kn_bus_reply_error(reply, "%s", *error ? error : change.why);
    else if (status == KN_OK && row->answer == KN_KIND_INGEST_ACK)
        kn_bus_reply_set(reply, row->answer, &change.ack);
    else if (status == KN_OK && change.answer)
        kn_bus_reply_set(reply, row->answer, change.answer);
    else if (status == KN_OK)
        kn_bus_reply_set(reply, KN_KIND_DONE, &done);
    return status;
}

static enum kn_status answer_row(struct storage *storage, const struct request *row,
                                 const struct kn_bus_message *request, struct kn_arena *arena,
                                 struct kn_bus_reply *reply)
{
    struct query query = {
        .msg = request->msg, .registry = storage->registry, .arena = arena, .kind = row->answer};
    if (row->check && !row->check(request->msg))
        return KN_INVALID;
    if (row->note) {
        enum kn_status status = row->note(storage->registry, request->msg);
        if (status == KN_OK)
            kn_bus_reply_set(reply, row->answer, &(struct kn_msg_done){0});
        return status;
    }
    enum kn_status status = row->read ? read_for(storage, row, request, &query) : KN_OK;
    if (status == KN_OK && !query.answer)
        return apply(storage, row, &query, reply);
    if (status == KN_OK)
        kn_bus_reply_set(reply, query.kind, query.answer);
    else if (query.why)
        kn_bus_reply_error(reply, "%s", query.why);
    return status;
}

static enum kn_status handle(void *arg, const struct kn_bus_message *request,
                             struct kn_bus_reply *reply)
{
    const struct request *row = request_of(request->kind);
    struct kn_arena arena;
    if (!row) {
        kn_bus_reply_error(reply, "storage does not support this request");
        return KN_UNSUPPORTED;
    }
    kn_arena_init(&arena, 0);
    enum kn_status status = answer_row(arg, row, request, &arena, reply);
    kn_arena_fini(&arena);
    return status;
}

/* ---- publishing ---------------------------------------------------------------------- */

static void publish(void *arg, const struct kn_msg_feed *feed)
{
    struct storage *storage = arg;
    static struct kn_log_limit limit;
    uint64_t skipped;
    enum kn_status status = kn_bus_publish(storage->publisher, feed->number, KN_KIND_FEED, feed);
    if (status != KN_OK && kn_log_allow(&limit, &skipped))
        KN_WARN("storage.not_published", KN_F_I64("number", feed->number),
                KN_F_TEXT("error", kn_status_text(status)), KN_F_I64("lines_skipped", skipped));
}

/* Findings: what needs attention. */
static void add_finding(struct storage *storage, enum kn_status trouble, struct kn_str text,
                        struct kn_arena *arena, struct kn_msg_service_status *status)
{
    struct kn_msg_finding *finding =
        trouble == KN_FULL ? kn_arena_alloc(arena, sizeof *finding) : NULL;
    if (!finding)
        return;
    char line[2 * ERROR_SIZE];
    snprintf(
        line, sizeof line,
        "The disk of the database (%s) is full: %.*s. New events are kept in ingestion's spool.",
        storage->disk, KN_STR_ARG(text));
    *finding = (struct kn_msg_finding){
        .severity = KN_SEVERITY_ERROR,
        .code = KN_STR("disk_full"),
        .subject = KN_STR("storage"),
        .text = kn_arena_str(arena, kn_str_from(line)),
        .remedy = KN_STR("Free space on that disk, or enlarge it. To keep less, lower "
                         "storage.retention_tasks and storage.retention_events."),
    };
    status->findings.items = finding;
    status->findings.count = 1;
}

/* Storage's own line in the list of services. */
static void report_self(struct storage *storage, struct kn_arena *arena)
{
    struct kn_msg_service_status status;
    char trouble[ERROR_SIZE];
    kn_reporter_self(arena, "storage", storage->service->id, storage->service->started_at, &status);
    enum kn_status why = writer_trouble(storage->writer, trouble, sizeof trouble);
    add_finding(storage, why, kn_str_from(trouble), arena, &status);
    if (*trouble) {
        status.state = KN_SERVICE_DEGRADED;
        status.detail = kn_str_from(trouble);
    }
    bool silent = atomic_load(&storage->queries_fail);
    kn_health_set(!*trouble && !silent && !kn_service_stopping(storage->service),
                  *trouble || !silent ? kn_str_from(trouble)
                                      : KN_STR("the database does not respond"));
    enum kn_status ignored = registry_put(storage->registry, &status);
    (void)ignored;
}

static bool hears(const struct kn_msg_service_status *service)
{
    return service->ingestion && service->ingestion->state == KN_LINK_CONNECTED &&
           service->state != KN_SERVICE_AWAY && service->state != KN_SERVICE_STOPPING;
}

/* After a start, ingestion has time to report. */
static void tell_heard(struct storage *storage, struct kn_arena *arena,
                       const struct kn_msg_feed_mark *mark)
{
    struct kn_strs heard = {
        .items = kn_arena_array(arena, mark->services.count + 1, sizeof *heard.items)};
    if (!heard.items || kn_time_now() - storage->service->started_at < FIRST_REPORTS)
        return;
    for (size_t i = 0; i < mark->services.count; i++)
        if (hears(&mark->services.items[i]))
            heard.items[heard.count++] = mark->services.items[i].ingestion->source;
    writer_heard(storage->writer, &heard);
}

static void publish_mark(struct storage *storage)
{
    char id[64];
    struct kn_arena arena;
    struct kn_msg_feed_mark mark = {.at = kn_time_now()};
    kn_arena_init(&arena, 0);
    report_self(storage, &arena);
    writer_feed_position(storage->writer, id, sizeof id, &mark.number);
    mark.feed = kn_str_from(id);
    if (registry_list(storage->registry, &arena, &mark.services.items, &mark.services.count) ==
        KN_OK) {
        if (kn_bus_publish(storage->publisher, mark.number, KN_KIND_FEED_MARK, &mark) != KN_OK)
            KN_DEBUG("storage.mark_not_published");
        tell_heard(storage, &arena, &mark);
    }
    kn_arena_fini(&arena);
}

void storage_run(struct storage *storage)
{
    do
        publish_mark(storage);
    while (!kn_service_wait(storage->service, KN_SECOND));
}

/* ---- life ---------------------------------------------------------------------------- */

static const char *sqlite_path(const char *database)
{
    return strncmp(database, "sqlite:", 7) == 0 ? database + 7 : NULL;
}

/* A SQLite file is for one storage process. */
static enum kn_status lock_database(struct storage *storage, const char *path, struct kn_buf *error)
{
    char *lock = NULL, *folder = strdup(path);
    enum kn_status status = KN_OK;
    if (folder && strrchr(folder, '/')) {
        *strrchr(folder, '/') = '\0';
        if (*folder && kn_service_make_folder(folder) != KN_OK) {
            kn_buf_printf(error, "cannot create the folder %s: %s", folder, strerror(errno));
            status = KN_DENIED;
        }
    }
    free(folder);
    if (status != KN_OK)
        return status;
    if (asprintf(&lock, "%s.lock", path) < 0)
        return KN_NOMEM;
    status = kn_service_lock(lock, &storage->lock_fd);
    if (status == KN_IO) {
        status = KN_DENIED;
        kn_buf_printf(error, "cannot open %s: %s", lock, strerror(errno));
    } else if (status == KN_EXISTS) {
        status = KN_CONFLICT;
        kn_buf_printf(error, "the database %s is used by another storage process", path);
    }
    free(lock);
    return status;
}

/* Opens it, and waits for a server that is not there yet. CLOSED: asked to stop meanwhile. */
static enum kn_status await_store(struct storage *storage, const struct store_options *options,
                                  int64_t patience, struct kn_buf *error)
{
    int64_t until = kn_time_mono() + patience;
    bool said = false, answered = false;
    for (;;) {
        enum kn_status status = store_open(options, &storage->store, error);
        if (status != KN_IO || sqlite_path(options->database) || kn_time_mono() >= until)
            return status;
        /* it may have come back between the two: only the second failure is another one */
        bool answers = !db_postgres_is_away(options->database);
        if (answers && answered)
            return status;
        answered = answers;
        if (!said)
            KN_WARN("storage.database_awaited", KN_F_STR("error", kn_buf_view(error)));
        said = true;
        kn_health_set(false, kn_buf_view(error));
        kn_buf_clear(error);
        if (kn_service_wait(storage->service, KN_SECOND / 5))
            return KN_CLOSED;
    }
}

static enum kn_status open_store(struct storage *storage, const struct kn_config *config,
                                 struct kn_buf *error)
{
    const struct kn_config_storage *c = &config->storage;
    const struct store_options options = {
        .database = c->database,
        .feed = c->feed,
        .feed_keep = c->feed_keep,
        .retention_tasks_us = c->retention_tasks,
        .retention_events_us = c->retention_events,
        .retention_rollups_us = c->retention_rollups,
        .retention_workers_us = c->retention_workers,
        .retention_queues_us = c->retention_queues,
        .jobs_tasks_max = (size_t)c->jobs_tasks_max,
        .jobs_rate = (double)c->jobs_rate,
        .jobs_rate_max = (double)c->jobs_rate_max,
    };
    enum kn_status status = KN_OK;
    storage->disk =
        sqlite_path(c->database) ? sqlite_path(c->database) : "of the PostgreSQL server";
    if (sqlite_path(c->database))
        status = lock_database(storage, sqlite_path(c->database), error);
    if (status == KN_OK)
        status = await_store(storage, &options, c->database_wait, error);
    if (status == KN_OK)
        status = readers_open(storage->readers, storage->store, (size_t)c->readers, error);
    return status;
}

static enum kn_status bind_bus(struct storage *storage, const struct kn_config *config,
                               struct kn_buf *error)
{
    const struct kn_config_bus *b = &config->bus;
    unsigned readers = (unsigned)config->storage.readers;
    unsigned wanted = WRITE_THREADS + readers + QUERIES_WAITING;
    unsigned threads = wanted < THREADS_MAX ? wanted : THREADS_MAX;
    readers_limit(storage->readers, threads - WRITE_THREADS);
    enum kn_status status = kn_service_make_socket_folder(b->storage, error);
    if (status == KN_OK)
        status = kn_service_make_socket_folder(b->storage_feed, error);
    if (status == KN_OK)
        status = kn_bus_of_service(storage->service, config, &storage->bus, error);
    if (status == KN_OK)
        status = kn_bus_publisher_new(storage->bus, b->storage_feed, &storage->publisher, error);
    if (status == KN_OK)
        status = writer_new(storage->store, publish, storage, &storage->writer);
    if (status == KN_OK)
        status = kn_bus_server_new(storage->bus, b->storage, threads, handle, storage,
                                   &storage->server, error);
    return status;
}

enum kn_status storage_new(const struct kn_config *config, const struct kn_service *service,
                           struct storage **ret, struct kn_buf *error)
{
    struct storage *storage = calloc(1, sizeof *storage);
    if (!storage)
        return KN_NOMEM;
    storage->service = service;
    storage->lock_fd = -1;
    storage->registry = registry_new();
    storage->readers = readers_new();
    enum kn_status status = storage->registry && storage->readers ? KN_OK : KN_NOMEM;
    if (status == KN_OK)
        status = open_store(storage, config, error);
    if (status == KN_OK)
        status = bind_bus(storage, config, error);
    if (status != KN_OK) {
        storage_free(storage);
        return status;
    }
    *ret = storage;
    return KN_OK;
}

void storage_free(struct storage *storage)
{
    if (!storage)
        return;
    if (storage->readers)
        readers_end(storage->readers);
    kn_bus_server_free(storage->server);
    writer_free(storage->writer);
    kn_bus_publisher_free(storage->publisher);
    kn_bus_free(storage->bus);
    readers_free(storage->readers);
    store_close(storage->store);
    registry_free(storage->registry);
    if (storage->lock_fd >= 0)
        close(storage->lock_fd);
    free(storage);
}
