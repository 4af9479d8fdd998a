#include "services/storage/writer.h"

#include "services/common/process/cond.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WAITING_MAX = 16,
    GROUP_MAX = 64,
    GROUP_EVENTS = 10000,
    SILENT_MAX = 200,
    UNHEARD_MAX = 1000,
    HEARD_BYTES = 1 << 20,
    TROUBLE_SIZE = 256,
    ID_SIZE = 64
};
#define GIVE_UP_US (30 * KN_SECOND)
#define SILENT_US KN_MINUTE
#define RETRY_US (KN_SECOND / 4)
#define IDLE_US (KN_SECOND / 5)

/* Lives on the stack of writer_commit. */
struct request {
    struct store_change *change;
    struct request *next;
    int64_t since;
    bool done;
    enum kn_status status;
    char *error;
    size_t error_size;
    pthread_cond_t finished;
};

struct writer {
    struct store *store;
    writer_publish *publish;
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t arrived;
    struct request *first, *last;
    unsigned waiting; /* requests that are not answered yet */
    uint64_t refused; /* because too many waited */
    bool stopping;
    int64_t jobs_at;    /* monotonic, of the writing thread: when its own jobs are due */
    int64_t silent_at;  /* likewise: when silent workers are looked for */
    int64_t unheard_at; /* likewise: when workers of unheard sources are looked for */
    struct kn_arena heard_arena;
    struct kn_strs heard; /* sources; in the arena */
    bool heard_known;
    char feed_id[ID_SIZE];
    uint64_t feed_number;
    char trouble[TROUBLE_SIZE];
    enum kn_status trouble_status;
};

/* ---- asking -------------------------------------------------------------------------- */

enum kn_status writer_commit(struct writer *writer, struct store_change *change, char *error,
                             size_t error_size)
{
    struct request request = {
        .change = change, .since = kn_time_mono(), .error = error, .error_size = error_size};
    if (error_size)
        *error = '\0';
    pthread_mutex_lock(&writer->lock);
    bool full = writer->waiting == WAITING_MAX;
    if (writer->stopping || full) {
        writer->refused += full;
        pthread_mutex_unlock(&writer->lock);
        return writer->stopping ? KN_CLOSED : KN_AGAIN;
    }
    writer->waiting++;
    pthread_cond_init(&request.finished, NULL);
    if (writer->last)
        writer->last->next = &request;
    else
        writer->first = &request;
    writer->last = &request;
    pthread_cond_signal(&writer->arrived);
    while (!request.done)
        pthread_cond_wait(&request.finished, &writer->lock);
    writer->waiting--;
    pthread_mutex_unlock(&writer->lock);
    pthread_cond_destroy(&request.finished);
    return request.status;
}

static bool copy_strs(struct kn_arena *arena, const struct kn_strs *from, struct kn_strs *ret)
{
    struct kn_str *items = kn_arena_array(arena, from->count + 1, sizeof *items);
    for (size_t i = 0; items && i < from->count; i++)
        items[i] = kn_arena_str(arena, from->items[i]);
    if (!items || arena->overflow)
        return false;
    *ret = (struct kn_strs){.items = items, .count = from->count};
    return true;
}

void writer_heard(struct writer *writer, const struct kn_strs *heard)
{
    pthread_mutex_lock(&writer->lock);
    kn_arena_reset(&writer->heard_arena);
    writer->heard_known = copy_strs(&writer->heard_arena, heard, &writer->heard);
    pthread_mutex_unlock(&writer->lock);
}

void writer_feed_position(struct writer *writer, char *ret_id, size_t size, uint64_t *ret_number)
{
    pthread_mutex_lock(&writer->lock);
    snprintf(ret_id, size, "%s", writer->feed_id);
    *ret_number = writer->feed_number;
    pthread_mutex_unlock(&writer->lock);
}

enum kn_status writer_trouble(struct writer *writer, char *ret, size_t size)
{
    pthread_mutex_lock(&writer->lock);
    snprintf(ret, size, "%s", writer->trouble);
    enum kn_status status = writer->trouble_status;
    pthread_mutex_unlock(&writer->lock);
    return status;
}

/* ---- writing ------------------------------------------------------------------------- */

static size_t events_of(const struct store_change *change)
{
    return change->kind == KN_KIND_INGEST_BATCH
               ? ((const struct kn_msg_ingest_batch *)change->msg)->events.count
               : 0;
}

/* Takes what waits, up to the bounds of one commit. With the lock held. */
static size_t take_group(struct writer *writer, struct request **group)
{
    size_t n = 0, events = 0;
    while (writer->first && n < GROUP_MAX && (n == 0 || events < GROUP_EVENTS)) {
        group[n] = writer->first;
        events += events_of(group[n]->change);
        writer->first = writer->first->next;
        n++;
    }
    if (!writer->first)
        writer->last = NULL;
    return n;
}

static void note(struct writer *writer, const char *trouble, enum kn_status status)
{
    struct kn_str id;
    pthread_mutex_lock(&writer->lock);
    snprintf(writer->trouble, sizeof writer->trouble, "%s",
             *trouble || status == KN_OK ? trouble : kn_status_text(status));
    writer->trouble_status = status;
    store_feed_position(writer->store, &id, &writer->feed_number);
    snprintf(writer->feed_id, sizeof writer->feed_id, "%.*s", KN_STR_ARG(id));
    pthread_mutex_unlock(&writer->lock);
}

static enum kn_status commit(struct writer *writer, struct request **group, size_t count)
{
    struct store_change changes[GROUP_MAX];
    const struct kn_msg_feed *feed = NULL;
    for (size_t i = 0; i < count; i++)
        changes[i] = *group[i]->change;
    enum kn_status status = store_commit(writer->store, changes, count, &feed);
    if (status != KN_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        *group[i]->change = changes[i];
        group[i]->status = changes[i].status;
        if (changes[i].kind == KN_KIND_JOB_CREATE)
            writer->jobs_at = 0;
    }
    if (feed && writer->publish)
        writer->publish(writer->arg, feed);
    return KN_OK;
}

/* Whether it is worth trying again: the database is away, full or busy. */
static bool may_pass(struct writer *writer, enum kn_status status)
{
    return store_is_lost(writer->store) || status == KN_AGAIN;
}

static bool is_stopping(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    bool stopping = writer->stopping;
    pthread_mutex_unlock(&writer->lock);
    return stopping;
}

static void nap(int64_t us)
{
    struct timespec span = {.tv_sec = us / KN_SECOND, .tv_nsec = us % KN_SECOND * 1000};
    nanosleep(&span, NULL);
}

/* Nothing is written over a connection for which the feed is not ours yet. */
static enum kn_status revive(struct writer *writer)
{
    if (!store_is_lost(writer->store))
        return KN_OK;
    enum kn_status status = store_reopen(writer->store);
    if (status == KN_OK)
        KN_INFO("storage.reconnected");
    return status;
}

/* Commits one or several, again and again while the database is away. */
static enum kn_status commit_patiently(struct writer *writer, struct request **group, size_t count)
{
    static struct kn_log_limit limit;
    for (;;) {
        enum kn_status status = revive(writer);
        if (status == KN_OK)
            status = commit(writer, group, count);
        if (status == KN_OK) {
            note(writer, "", KN_OK);
            return KN_OK;
        }
        uint64_t skipped;
        note(writer, store_error(writer->store), status);
        if (kn_log_allow(&limit, &skipped))
            KN_ERROR("storage.commit_failed", KN_F_TEXT("status", kn_status_text(status)),
                     KN_F_TEXT("error", store_error(writer->store)), KN_F_I64("requests", count),
                     KN_F_I64("lines_skipped", skipped));
        if (!may_pass(writer, status) || is_stopping(writer) ||
            kn_time_mono() - group[0]->since > GIVE_UP_US)
            return may_pass(writer, status) ? KN_AGAIN : status;
        nap(RETRY_US);
    }
}

/* All together; if one fails, each separately, so that only that one fails. */
static void commit_group(struct writer *writer, struct request **group, size_t count)
{
    enum kn_status status = commit_patiently(writer, group, count);
    for (size_t i = 0; i < count && status != KN_OK; i++) {
        bool alone = count > 1 && status != KN_AGAIN;
        group[i]->status = alone ? commit_patiently(writer, &group[i], 1) : status;
        if (alone && group[i]->status == KN_OK)
            group[i]->status = group[i]->change->status;
        if (group[i]->status != KN_OK && group[i]->error_size)
            snprintf(group[i]->error, group[i]->error_size, "%s", store_error(writer->store));
    }
    pthread_mutex_lock(&writer->lock);
    for (size_t i = 0; i < count; i++) {
        group[i]->done = true;
        pthread_cond_signal(&group[i]->finished);
    }
    pthread_mutex_unlock(&writer->lock);
}

/* A step of clearing up, between commits. Returns how long to wait before the next. */
static int64_t retain(struct writer *writer)
{
    bool more = false;
    static struct kn_log_limit limit;
    uint64_t skipped;
    enum kn_status status = store_retain(writer->store, &more);
    if (status != KN_OK && kn_log_allow(&limit, &skipped))
        KN_WARN("storage.retention_failed", KN_F_TEXT("error", store_error(writer->store)),
                KN_F_I64("lines_skipped", skipped));
    return more && status == KN_OK ? 0 : IDLE_US;
}

/* A step of the jobs that need nothing but the database. */
static void do_jobs(struct writer *writer)
{
    const struct kn_msg_feed *feed = NULL;
    static struct kn_log_limit limit;
    uint64_t skipped;
    int64_t wait = KN_SECOND;
    if (kn_time_mono() < writer->jobs_at)
        return;
    enum kn_status status = store_do_jobs(writer->store, &wait, &feed);
    if (status == KN_OK && feed) {
        note(writer, "", KN_OK);
        if (writer->publish)
            writer->publish(writer->arg, feed);
    } else if (status != KN_OK && kn_log_allow(&limit, &skipped)) {
        KN_WARN("storage.jobs_failed", KN_F_TEXT("error", store_error(writer->store)),
                KN_F_I64("lines_skipped", skipped));
    }
    writer->jobs_at = kn_time_mono() + (status == KN_OK ? wait : KN_SECOND);
}

static enum kn_status commit_verdicts(struct writer *writer, struct store_change *changes,
                                      size_t count)
{
    const struct kn_msg_feed *feed = NULL;
    enum kn_status status = KN_OK;
    if (count)
        status = store_commit(writer->store, changes, count, &feed);
    if (status == KN_OK && feed) {
        note(writer, "", KN_OK);
        if (writer->publish)
            writer->publish(writer->arg, feed);
    }
    return status;
}

/* Sets unwatched workers offline. */
static void judge_silent(struct writer *writer)
{
    struct store_change changes[SILENT_MAX];
    size_t count = 0;
    struct kn_arena arena;
    if (kn_time_mono() < writer->silent_at)
        return;
    kn_arena_init(&arena, 0);
    enum kn_status status = store_find_silent(writer->store, &arena, changes, SILENT_MAX, &count);
    if (status == KN_OK)
        status = commit_verdicts(writer, changes, count);
    writer->silent_at = kn_time_mono() + (status == KN_OK && count == SILENT_MAX ? 0 : SILENT_US);
    kn_arena_fini(&arena);
}

/* The heard sources, in the arena; false if they are unknown. */
static bool read_heard(struct writer *writer, struct kn_arena *arena, struct kn_strs *ret)
{
    pthread_mutex_lock(&writer->lock);
    bool known = writer->heard_known && copy_strs(arena, &writer->heard, ret);
    pthread_mutex_unlock(&writer->lock);
    return known;
}

/* Workers of a source that can't be heard are neither online nor offline. */
static void judge_unheard(struct writer *writer)
{
    size_t count = 0;
    struct kn_arena arena;
    struct kn_strs heard;
    if (kn_time_mono() < writer->unheard_at)
        return;
    kn_arena_init(&arena, 0);
    struct store_change *changes = kn_arena_array(&arena, UNHEARD_MAX, sizeof *changes);
    enum kn_status status = KN_OK;
    if (changes && read_heard(writer, &arena, &heard))
        status = store_find_unheard(writer->store, &heard, &arena, changes, UNHEARD_MAX, &count);
    if (status == KN_OK)
        status = commit_verdicts(writer, changes, count);
    writer->unheard_at = kn_time_mono() + (status == KN_OK && count == UNHEARD_MAX ? 0 : KN_SECOND);
    kn_arena_fini(&arena);
}

static void wait_for_work(struct writer *writer, int64_t us)
{
    int64_t until = kn_time_mono() + us;
    while (!writer->first && !writer->stopping &&
           kn_cond_wait_until(&writer->arrived, &writer->lock, until))
        continue;
}

static void *writer_run(void *arg)
{
    struct writer *writer = arg;
    struct request *group[GROUP_MAX];
    int64_t idle = 0;
    for (;;) {
        pthread_mutex_lock(&writer->lock);
        wait_for_work(writer, idle);
        size_t n = take_group(writer, group);
        bool end = n == 0 && writer->stopping;
        pthread_mutex_unlock(&writer->lock);
        if (end)
            return NULL;
        if (n)
            commit_group(writer, group, n);
        if (!store_is_lost(writer->store))
            store_keep_feed(writer->store);
        if (!store_is_lost(writer->store))
            judge_silent(writer);
        if (!store_is_lost(writer->store))
            judge_unheard(writer);
        if (!store_is_lost(writer->store))
            do_jobs(writer);
        idle = store_is_lost(writer->store) ? IDLE_US : retain(writer);
    }
}

/* ---- life ---------------------------------------------------------------------------- */

enum kn_status writer_new(struct store *store, writer_publish *publish, void *arg,
                          struct writer **ret)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return KN_NOMEM;
    writer->store = store;
    writer->publish = publish;
    writer->arg = arg;
    pthread_mutex_init(&writer->lock, NULL);
    kn_cond_init(&writer->arrived);
    kn_arena_init(&writer->heard_arena, HEARD_BYTES);
    note(writer, "", KN_OK);
    if (pthread_create(&writer->thread, NULL, writer_run, writer) != 0) {
        pthread_cond_destroy(&writer->arrived);
        kn_arena_fini(&writer->heard_arena);
        pthread_mutex_destroy(&writer->lock);
        free(writer);
        return KN_INTERNAL;
    }
    *ret = writer;
    return KN_OK;
}

void writer_free(struct writer *writer)
{
    if (!writer)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_signal(&writer->arrived);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->arrived);
    kn_arena_fini(&writer->heard_arena);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}
