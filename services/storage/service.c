#include "services/storage/service.h"

#include "proto/bus/of_service.h"
#include "proto/bus/reporter.h"
#include "services/common/process/cond.h"
#include "services/common/process/health.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/storage/db/db.h"
#include "services/storage/store.h"
#include "services/storage/write/registry.h"
#include "services/storage/write/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WRITE_THREADS = 16, QUERIES_WAITING = 24, THREADS_MAX = 64, READERS_MAX = 64 };
enum { ERROR_SIZE = 256 };
#define QUERY_US (10 * KN_SECOND)     /* if the caller does not say how long it waits */
#define QUERY_US_MAX (10 * KN_MINUTE) /* whatever it says */

struct storage {
    const struct kn_service *service;
    struct store *store;
    struct writer *writer;
    struct registry *registry;
    struct kn_bus *bus;
    struct kn_bus_publisher *publisher;
    struct kn_bus_server *server;
    atomic_bool queries_fail; /* the database did not answer the last one */
    atomic_bool ending;       /* queries are broken off */
    const char *disk;         /* where the database is, for people */
    int lock_fd;              /* of the database's lock file, -1 without one */

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t returned;
    struct store_reader *readers[READERS_MAX];
    size_t free_readers;
    size_t n_readers;
    size_t queries; /* that have a reader or wait for one */
    size_t queries_max;
};

/* ---- readers ------------------------------------------------------------------------- */

/* Until when the caller waits for the answer, by the monotonic clock. */
static int64_t deadline_of(const struct kn_bus_message *request)
{
    uint64_t patience = request->number ? request->number : QUERY_US;
    return kn_time_mono() + (int64_t)(patience < QUERY_US_MAX ? patience : QUERY_US_MAX);
}

/* A reader whose queries end when the caller no longer waits. TIMEOUT if none was free in time,
 * AGAIN if too many wait already: the remaining threads are for writing. */
static enum kn_status borrow(struct storage *storage, const struct kn_bus_message *request,
                             struct store_reader **ret)
{
    int64_t deadline = deadline_of(request);
    struct store_reader *reader = NULL;
    pthread_mutex_lock(&storage->lock);
    bool many = storage->queries >= storage->queries_max;
    if (!many) {
        storage->queries++;
        while (!storage->free_readers && !atomic_load(&storage->ending) &&
               kn_cond_wait_until(&storage->returned, &storage->lock, deadline))
            continue;
        if (storage->free_readers)
            reader = storage->readers[--storage->free_readers];
        else
            storage->queries--;
    }
    pthread_mutex_unlock(&storage->lock);
    if (!reader)
        return many ? KN_AGAIN : KN_TIMEOUT;
    store_reader_revive(reader);
    store_reader_limit(reader, deadline, &storage->ending);
    *ret = reader;
    return KN_OK;
}

static void give_back(struct storage *storage, struct store_reader *reader)
{
    pthread_mutex_lock(&storage->lock);
    storage->readers[storage->free_readers++] = reader;
    storage->queries--;
    pthread_cond_signal(&storage->returned);
    pthread_mutex_unlock(&storage->lock);
}

/* ---- the system ---------------------------------------------------------------------- */

/* What an ingestion says of its source goes over what the database knows. */
static void join_ingestion(struct kn_msg_system *system, const struct kn_msg_ingestion_status *says)
{
    for (size_t i = 0; i < system->ingestion.count; i++) {
        struct kn_msg_source_status *source = &system->ingestion.items[i];
        if (!kn_str_eq(source->source, says->source))
            continue;
        source->state = says->state;
        source->broker = says->broker;
        source->error = says->error;
        source->backlog_events += says->backlog_events;
        source->spool_bytes += says->spool_bytes;
        source->spool_max += says->spool_max;
        source->spool_events += says->spool_events;
        source->spool_dropped += says->spool_dropped;
        if (says->queue_messages.set) /* of each its own, or the same one */
            source->queue_messages = says->queue_messages;
        source->queue_bytes_max = says->queue_bytes_max;
        if (says->lag_seconds > source->lag_seconds)
            source->lag_seconds = says->lag_seconds;
        if (says->events_received > source->events_received)
            source->events_received = says->events_received;
    }
}

/* A source that has an ingestion but no batch yet. */
static enum kn_status add_source(struct kn_msg_system *system, struct kn_arena *arena,
                                 struct kn_str name)
{
    for (size_t i = 0; i < system->ingestion.count; i++) {
        if (kn_str_eq(system->ingestion.items[i].source, name))
            return KN_OK;
    }
    size_t n = system->ingestion.count;
    struct kn_msg_source_status *items = kn_arena_array(arena, n + 1, sizeof *items);
    if (!items)
        return KN_NOMEM;
    if (n)
        memcpy(items, system->ingestion.items, n * sizeof *items);
    items[n] = (struct kn_msg_source_status){.source = name, .state = KN_LINK_CONNECTING};
    system->ingestion.items = items;
    system->ingestion.count = n + 1;
    return KN_OK;
}

static enum kn_status join_services(struct kn_msg_system *system, struct kn_arena *arena)
{
    size_t findings = 0, n = 0;
    for (size_t i = 0; i < system->services.count; i++) {
        const struct kn_msg_service_status *service = &system->services.items[i];
        findings += service->findings.count;
        if (!service->ingestion || service->state == KN_SERVICE_AWAY)
            continue;
        enum kn_status status = add_source(system, arena, service->ingestion->source);
        if (status != KN_OK)
            return status;
        join_ingestion(system, service->ingestion);
    }
    system->findings.items = kn_arena_array(arena, findings, sizeof *system->findings.items);
    if (findings && !system->findings.items)
        return KN_NOMEM;
    for (size_t i = 0; i < system->services.count; i++) {
        const struct kn_msg_service_status *service = &system->services.items[i];
        for (size_t f = 0; f < service->findings.count; f++)
            system->findings.items[n++] = service->findings.items[f];
    }
    system->findings.count = n;
    return KN_OK;
}

static enum kn_status read_system(struct storage *storage, struct store_reader *reader,
                                  struct kn_arena *arena, struct kn_msg_system *ret)
{
    enum kn_status status = store_read_system(reader, arena, ret);
    if (status == KN_OK)
        status =
            registry_list(storage->registry, arena, &ret->services.items, &ret->services.count);
    return status == KN_OK ? join_services(ret, arena) : status;
}

/* ---- requests ------------------------------------------------------------------------ */

union answer {
    struct kn_msg_task_list task_list;
    struct kn_msg_task task;
    struct kn_msg_task_event_list task_event_list;
    struct kn_msg_worker_list worker_list;
    struct kn_msg_queue_list queue_list;
    struct kn_msg_known_queues known_queues;
    struct kn_msg_feed_list feed_list;
    struct kn_msg_reader_position reader_position;
    struct kn_msg_series_list series_list;
    struct kn_msg_overdue_list overdue_list;
    struct kn_msg_audit_list audit_list;
    struct kn_msg_job_list job_list;
    struct kn_msg_job_items job_items;
    struct kn_msg_failure_list failure_list;
    struct kn_msg_task_names task_names;
    struct kn_msg_worker_life worker_life;
    struct kn_msg_pause_list pause_list;
    struct kn_msg_task_links task_links;
    struct kn_msg_system system;
};

static enum kn_status query(struct storage *storage, struct store_reader *r,
                            const struct kn_bus_message *request, struct kn_arena *arena,
                            union answer *a, enum kn_kind *ret_kind, const char **why)
{
    const void *msg = request->msg;
    switch (request->kind) {
    case KN_KIND_TASKS_GET:
        *ret_kind = KN_KIND_TASK_LIST;
        return store_read_tasks(r, msg, arena, &a->task_list, why);
    case KN_KIND_TASK_GET:
        *ret_kind = KN_KIND_TASK;
        return store_read_task(r, msg, arena, &a->task);
    case KN_KIND_TASK_EVENTS_GET:
        *ret_kind = KN_KIND_TASK_EVENT_LIST;
        return store_read_events(r, msg, arena, &a->task_event_list, why);
    case KN_KIND_WORKERS_GET:
        *ret_kind = KN_KIND_WORKER_LIST;
        return store_read_workers(r, msg, arena, &a->worker_list);
    case KN_KIND_QUEUES_GET:
        *ret_kind = KN_KIND_QUEUE_LIST;
        return store_read_queues(r, msg, arena, &a->queue_list);
    case KN_KIND_KNOWN_QUEUES_GET:
        *ret_kind = KN_KIND_KNOWN_QUEUES;
        return store_read_known_queues(r, ((const struct kn_msg_known_queues_get *)msg)->source,
                                       arena, &a->known_queues);
    case KN_KIND_FEED_GET:
        *ret_kind = KN_KIND_FEED_LIST;
        return store_read_feed(r, msg, arena, &a->feed_list);
    case KN_KIND_READER_GET:
        *ret_kind = KN_KIND_READER_POSITION;
        return store_read_position(r, ((const struct kn_msg_reader_get *)msg)->reader, arena,
                                   &a->reader_position);
    case KN_KIND_ROLLUPS_GET:
        *ret_kind = KN_KIND_SERIES_LIST;
        return store_read_rollups(r, msg, arena, &a->series_list, why);
    case KN_KIND_OVERDUE_GET:
        *ret_kind = KN_KIND_OVERDUE_LIST;
        return store_read_overdue(r, msg, arena, &a->overdue_list);
    case KN_KIND_AUDIT_GET:
        *ret_kind = KN_KIND_AUDIT_LIST;
        return store_read_audit(r, msg, arena, &a->audit_list);
    case KN_KIND_JOBS_GET:
        if (((const struct kn_msg_jobs_get *)msg)->items) {
            *ret_kind = KN_KIND_JOB_ITEMS;
            return store_read_job_items(r, msg, arena, &a->job_items, why);
        }
        *ret_kind = KN_KIND_JOB_LIST;
        return store_read_jobs(r, msg, arena, &a->job_list);
    case KN_KIND_FAMILY_GET:
        *ret_kind = KN_KIND_TASK_LIST;
        return store_read_family(r, msg, arena, &a->task_list, why);
    case KN_KIND_FAILURES_GET:
        *ret_kind = KN_KIND_FAILURE_LIST;
        return store_read_failures(r, msg, arena, &a->failure_list, why);
    case KN_KIND_TASK_NAMES_GET:
        *ret_kind = KN_KIND_TASK_NAMES;
        return store_read_task_names(r, msg, arena, &a->task_names);
    case KN_KIND_WORKER_LIFE_GET:
        *ret_kind = KN_KIND_WORKER_LIFE;
        return store_read_worker_life(r, msg, arena, &a->worker_life);
    case KN_KIND_PAUSES_GET:
        *ret_kind = KN_KIND_PAUSE_LIST;
        return store_read_pauses(r, ((const struct kn_msg_pauses_get *)msg)->source, arena,
                                 &a->pause_list);
    case KN_KIND_TASK_LINKS_GET:
        *ret_kind = KN_KIND_TASK_LINKS;
        return store_read_links(r, msg, arena, &a->task_links);
    case KN_KIND_SYSTEM_GET:
        *ret_kind = KN_KIND_SYSTEM;
        return read_system(storage, r, arena, &a->system);
    default:
        *why = "storage does not answer this";
        return KN_UNSUPPORTED;
    }
}

static enum kn_status answer_query(struct storage *storage, const struct kn_bus_message *request,
                                   struct kn_bus_reply *reply)
{
    union answer answer = {0};
    enum kn_kind kind = KN_KIND_NONE;
    const char *why = NULL;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct store_reader *reader;
    enum kn_status status = borrow(storage, request, &reader);
    if (status == KN_OK) {
        status = query(storage, reader, request, &arena, &answer, &kind, &why);
        give_back(storage, reader);
        atomic_store(&storage->queries_fail, status == KN_IO);
    }
    if (status == KN_OK)
        kn_bus_reply_set(reply, kind, &answer);
    else if (why)
        kn_bus_reply_error(reply, "%s", why);
    kn_arena_fini(&arena);
    return status;
}

/* Commits one change; its answer lies in the arena. */
static enum kn_status commit(struct storage *storage, enum kn_kind kind, const void *msg,
                             struct kn_arena *arena, struct kn_bus_reply *reply)
{
    char error[ERROR_SIZE];
    struct store_change change = {.kind = kind, .msg = msg, .arena = arena};
    enum kn_status status = writer_commit(storage->writer, &change, error, sizeof error);
    if (status != KN_OK && (*error || change.why))
        kn_bus_reply_error(reply, "%s", *error ? error : change.why);
    else if (status == KN_OK && kind == KN_KIND_INGEST_BATCH)
        kn_bus_reply_set(reply, KN_KIND_INGEST_ACK, &change.ack);
    else if (status == KN_OK && change.answer_kind != KN_KIND_NONE)
        kn_bus_reply_set(reply, change.answer_kind, change.answer);
    else if (status == KN_OK)
        kn_bus_reply_set(reply, KN_KIND_DONE, &(struct kn_msg_done){0});
    return status;
}

static enum kn_status answer_change(struct storage *storage, const struct kn_bus_message *request,
                                    struct kn_bus_reply *reply)
{
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    enum kn_status status = commit(storage, request->kind, request->msg, &arena, reply);
    kn_arena_fini(&arena);
    return status;
}

/* The tasks are looked for by a reader, so that nothing else waits meanwhile. */
static enum kn_status answer_job_create(struct storage *storage,
                                        const struct kn_bus_message *request,
                                        struct kn_bus_reply *reply)
{
    const struct kn_msg_job_create *create = request->msg;
    const char *why = NULL;
    struct store_job draft;
    struct kn_msg_job job;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct store_reader *reader;
    enum kn_status status = borrow(storage, request, &reader);
    if (status == KN_OK) {
        status = store_plan_job(reader, create, &arena, &draft, &job, &why);
        give_back(storage, reader);
    }
    if (status != KN_OK && why)
        kn_bus_reply_error(reply, "%s", why);
    else if (status == KN_OK && create->dry_run)
        kn_bus_reply_set(reply, KN_KIND_JOB, &job);
    else if (status == KN_OK)
        status = commit(storage, KN_KIND_JOB_CREATE, &draft, &arena, reply);
    kn_arena_fini(&arena);
    return status;
}

/* Nearly always there is nothing to take: then nothing is written. */
static enum kn_status answer_job_take(struct storage *storage, const struct kn_bus_message *request,
                                      struct kn_bus_reply *reply)
{
    const struct kn_msg_job_take *take = request->msg;
    struct kn_msg_job_items nothing = {0};
    struct kn_arena arena;
    if (!take->source.len)
        return KN_INVALID;
    kn_arena_init(&arena, 0);
    struct store_reader *reader;
    enum kn_status status = borrow(storage, request, &reader);
    if (status == KN_OK) {
        status = store_read_work(reader, take->source, &arena, &nothing.wait);
        give_back(storage, reader);
    }
    if (status == KN_OK && (take->results.count || !nothing.wait)) {
        status = commit(storage, KN_KIND_JOB_TAKE, take, &arena, reply);
    } else if (status == KN_OK) {
        if (nothing.wait > KN_SECOND)
            nothing.wait = KN_SECOND;
        kn_bus_reply_set(reply, KN_KIND_JOB_ITEMS, &nothing);
    }
    kn_arena_fini(&arena);
    return status;
}

static enum kn_status handle(void *arg, const struct kn_bus_message *request,
                             struct kn_bus_reply *reply)
{
    struct storage *storage = arg;
    if (request->kind == KN_KIND_JOB_CREATE)
        return answer_job_create(storage, request, reply);
    if (request->kind == KN_KIND_JOB_TAKE)
        return answer_job_take(storage, request, reply);
    if (store_is_change(request->kind))
        return answer_change(storage, request, reply);
    if (request->kind != KN_KIND_SERVICE_STATUS)
        return answer_query(storage, request, reply);
    enum kn_status status = registry_put(storage->registry, request->msg);
    if (status == KN_OK)
        kn_bus_reply_set(reply, KN_KIND_DONE, &(struct kn_msg_done){0});
    return status;
}

/* ---- publishing ---------------------------------------------------------------------------------
 */

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
                                      : KN_STR("the database does not answer"));
    enum kn_status ignored = registry_put(storage->registry, &status);
    (void)ignored;
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
            KN_OK &&
        kn_bus_publish(storage->publisher, mark.number, KN_KIND_FEED_MARK, &mark) != KN_OK)
        KN_DEBUG("storage.mark_not_published");
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
static enum kn_status lock_database(struct storage *storage, const char *path, char **ret_error)
{
    char *lock = NULL, *folder = strdup(path);
    enum kn_status status = KN_OK;
    if (folder && strrchr(folder, '/')) {
        *strrchr(folder, '/') = '\0';
        if (*folder && kn_service_make_folder(folder) != KN_OK &&
            asprintf(ret_error, "cannot make the folder %s: %s", folder, strerror(errno)) >= 0)
            status = KN_DENIED;
    }
    free(folder);
    if (status != KN_OK)
        return status;
    if (asprintf(&lock, "%s.lock", path) < 0)
        return KN_NOMEM;
    status = kn_service_lock(lock, &storage->lock_fd);
    int n = 0;
    if (status == KN_IO) {
        status = KN_DENIED;
        n = asprintf(ret_error, "cannot open %s: %s", lock, strerror(errno));
    } else if (status == KN_EXISTS) {
        status = KN_CONFLICT;
        n = asprintf(ret_error, "the database %s is used by another storage process", path);
    }
    if (n < 0)
        *ret_error = NULL;
    free(lock);
    return status;
}

/* Opens it, and waits for a server that is not there yet. CLOSED: asked to stop meanwhile. */
static enum kn_status await_store(struct storage *storage, const struct store_options *options,
                                  int64_t patience, char **ret_error)
{
    int64_t until = kn_time_mono() + patience;
    bool said = false, answered = false;
    for (;;) {
        enum kn_status status = store_open(options, &storage->store, ret_error);
        if (status != KN_IO || sqlite_path(options->database) || kn_time_mono() >= until)
            return status;
        /* it may have come back between the two: only the second failure is another one */
        bool answers = !db_postgres_is_away(options->database);
        if (answers && answered)
            return status;
        answered = answers;
        if (!said)
            KN_WARN("storage.database_awaited", KN_F_TEXT("error", *ret_error));
        said = true;
        kn_health_set(false, kn_str_from(*ret_error));
        free(*ret_error);
        *ret_error = NULL;
        if (kn_service_wait(storage->service, KN_SECOND / 5))
            return KN_CLOSED;
    }
}

static enum kn_status open_store(struct storage *storage, const struct kn_config *config,
                                 char **ret_error)
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
        status = lock_database(storage, sqlite_path(c->database), ret_error);
    if (status == KN_OK)
        status = await_store(storage, &options, c->database_wait, ret_error);
    while (status == KN_OK && storage->n_readers < (size_t)c->readers) {
        status = store_reader_new(storage->store, &storage->readers[storage->n_readers], ret_error);
        if (status == KN_OK)
            storage->free_readers = ++storage->n_readers;
    }
    return status;
}

static enum kn_status bind_bus(struct storage *storage, const struct kn_config *config,
                               char **ret_error)
{
    const struct kn_config_bus *b = &config->bus;
    unsigned wanted = WRITE_THREADS + (unsigned)storage->n_readers + QUERIES_WAITING;
    unsigned threads = wanted < THREADS_MAX ? wanted : THREADS_MAX;
    storage->queries_max = threads - WRITE_THREADS;
    enum kn_status status = kn_service_make_socket_folder(b->storage, ret_error);
    if (status == KN_OK)
        status = kn_service_make_socket_folder(b->storage_feed, ret_error);
    if (status == KN_OK)
        status = kn_bus_of_service(storage->service, config, &storage->bus, ret_error);
    if (status == KN_OK)
        status =
            kn_bus_publisher_new(storage->bus, b->storage_feed, &storage->publisher, ret_error);
    if (status == KN_OK)
        status = writer_new(storage->store, publish, storage, &storage->writer);
    if (status == KN_OK)
        status = kn_bus_server_new(storage->bus, b->storage, threads, handle, storage,
                                   &storage->server, ret_error);
    return status;
}

enum kn_status storage_new(const struct kn_config *config, const struct kn_service *service,
                           struct storage **ret, char **ret_error)
{
    struct storage *storage = calloc(1, sizeof *storage);
    if (!storage)
        return KN_NOMEM;
    storage->service = service;
    storage->lock_fd = -1;
    storage->registry = registry_new();
    pthread_mutex_init(&storage->lock, NULL);
    kn_cond_init(&storage->returned);
    enum kn_status status = storage->registry ? KN_OK : KN_NOMEM;
    if (status == KN_OK)
        status = open_store(storage, config, ret_error);
    if (status == KN_OK)
        status = bind_bus(storage, config, ret_error);
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
    atomic_store(&storage->ending, true);
    pthread_mutex_lock(&storage->lock);
    pthread_cond_broadcast(&storage->returned);
    pthread_mutex_unlock(&storage->lock);
    kn_bus_server_free(storage->server);
    writer_free(storage->writer);
    kn_bus_publisher_free(storage->publisher);
    kn_bus_free(storage->bus);
    for (size_t i = 0; i < storage->n_readers; i++)
        store_reader_free(storage->readers[i]);
    store_close(storage->store);
    registry_free(storage->registry);
    if (storage->lock_fd >= 0)
        close(storage->lock_fd);
    pthread_cond_destroy(&storage->returned);
    pthread_mutex_destroy(&storage->lock);
    free(storage);
}
