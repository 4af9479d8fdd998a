#include "gateway/live/live.h"

#include "gateway/live/history.h"
#include "gateway/live/stale.h"
#include "proto/bus/feed_reader.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <pthread.h>
#include <stdlib.h>

enum { SOURCES_MAX = 1000 };

#define FEED_SILENCE (3 * KN_SECOND)
#define METRICS_AGE (10 * KN_SECOND)
#define SYSTEM_EVERY (2 * KN_SECOND)
#define SYSTEM_AGE (5 * KN_SECOND)

struct source_counts {
    char *source;
    struct gw_status_counts counts;
};

/* A question to storage that is asked again and again, without waiting. */
struct poll {
    struct kn_bus_call *call;
    int64_t next_at; /* monotonic */
};

struct gw_live {
    struct gw_live_options options;
    struct kn_feed_reader *reader;
    struct kn_bus_subscriber *metrics_sub;
    pthread_t feed_thread, metrics_thread;
    bool feed_running, metrics_running;
    struct poll system, workers; /* of the feed's thread */
    bool stale;                  /* of the feed's thread: the last document said so */
    uint64_t states;             /* of the feed's thread: hash of the last mark's services */

    pthread_mutex_t lock; /* guards what follows */
    struct kn_arena arena;
    const struct kn_msg_metrics *metrics; /* in the arena */
    int64_t metrics_at;                   /* monotonic */
    struct gw_history history;
    int64_t feed_at;    /* monotonic; 0: never */
    int64_t heard_wall; /* the same since 1970 */
    struct kn_buf last; /* encoded SYSTEM, the newest */
    bool stopping;
    struct source_counts counted[SOURCES_MAX];
    size_t n_counted;
    struct gw_sources sources;
    int64_t sources_at; /* monotonic; 0: never */
};

static bool stopping(struct gw_live *live)
{
    pthread_mutex_lock(&live->lock);
    bool stop = live->stopping;
    pthread_mutex_unlock(&live->lock);
    return stop;
}

/* ---- how many tasks have each status ---------------------------------------------------- */

static void set_count(struct gw_live *live, const struct kn_msg_status_count *count)
{
    if (count->status >= KN_TASK_STATUS_COUNT)
        return;
    for (size_t i = 0; i < live->n_counted; i++) {
        if (kn_str_eq(kn_str_from(live->counted[i].source), count->source)) {
            live->counted[i].counts.n[count->status] = count->count;
            return;
        }
    }
    if (live->n_counted == SOURCES_MAX)
        return;
    char *name = strndup(count->source.ptr ? count->source.ptr : "", count->source.len);
    if (!name)
        return;
    struct source_counts *added = &live->counted[live->n_counted++];
    *added = (struct source_counts){.source = name};
    added->counts.n[count->status] = count->count;
}

static void set_counts(struct gw_live *live, const struct kn_msg_status_count *items, size_t count)
{
    pthread_mutex_lock(&live->lock);
    for (size_t i = 0; i < count; i++)
        set_count(live, &items[i]);
    pthread_mutex_unlock(&live->lock);
}

static struct gw_status_counts sum_counts(const struct gw_live *live)
{
    struct gw_status_counts sum = {0};
    for (size_t i = 0; i < live->n_counted; i++)
        for (unsigned s = 0; s < KN_TASK_STATUS_COUNT; s++)
            sum.n[s] += live->counted[i].counts.n[s];
    return sum;
}

static void keep_sources(struct gw_live *live, const struct kn_msg_system *system)
{
    pthread_mutex_lock(&live->lock);
    gw_sources_of(system, &live->sources);
    live->sources_at = kn_time_mono();
    pthread_mutex_unlock(&live->lock);
}

/* ---- questions without waiting ---------------------------------------------------------- */

static void keep_system(struct gw_live *live, const struct kn_msg_system *system)
{
    pthread_mutex_lock(&live->lock);
    kn_buf_clear(&live->last);
    kn_msg_encode(&live->last, KN_KIND_SYSTEM, system);
    pthread_mutex_unlock(&live->lock);
}

static void use_answer(struct gw_live *live, const struct kn_bus_message *answer)
{
    if (answer->kind == KN_KIND_WORKER_LIST) {
        gw_hub_workers(live->options.hub, answer->msg);
        return;
    }
    if (answer->kind != KN_KIND_SYSTEM)
        return;
    const struct kn_msg_system *system = answer->msg;
    struct kn_buf json;
    kn_buf_init(&json, 16 << 20);
    set_counts(live, system->counts.items, system->counts.count);
    keep_sources(live, system);
    keep_system(live, system);
    live->stale = false;
    gw_view_system(&json, system, 0);
    if (kn_buf_status(&json) == KN_OK)
        gw_hub_system(live->options.hub, kn_buf_view(&json));
    kn_buf_fini(&json);
}

/* Uses the answer when it is there, and asks again when it is time. again: µs
 * from one question to the next; 0: until one is answered. */
static void poll_storage(struct gw_live *live, struct poll *poll, enum kn_kind kind,
                         const void *msg, int64_t again)
{
    int64_t now = kn_time_mono();
    if (poll->call && kn_bus_call_ready(poll->call)) {
        struct kn_bus_message *answer = NULL;
        enum kn_status status = kn_bus_call_finish(poll->call, &answer, NULL);
        poll->call = NULL;
        poll->next_at = now + (again ? again : SYSTEM_EVERY);
        if (status == KN_OK) {
            use_answer(live, answer);
            kn_bus_message_free(answer);
            poll->next_at = again ? poll->next_at : INT64_MAX;
        }
    }
    if (!poll->call && now >= poll->next_at &&
        kn_bus_call_start(live->options.storage, kind, msg, 5 * KN_SECOND, &poll->call) != KN_OK) {
        poll->call = NULL;
        poll->next_at = now + SYSTEM_EVERY;
    }
}

/* ---- the feed --------------------------------------------------------------------------- */

static void heard(struct gw_live *live)
{
    gw_hub_feed_state(live->options.hub, true);
    pthread_mutex_lock(&live->lock);
    live->feed_at = kn_time_mono();
    live->heard_wall = kn_time_now();
    pthread_mutex_unlock(&live->lock);
}

/* A service or a broker that went or came back is told at once. */
static void look_at_mark(struct gw_live *live, const struct kn_msg_feed_mark *mark)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < mark->services.count; i++) {
        const struct kn_msg_service_status *service = &mark->services.items[i];
        const uint8_t states[] = {service->state,
                                  service->ingestion ? service->ingestion->state : UINT8_MAX};
        hash = kn_hash64(hash, service->id.ptr, service->id.len);
        hash = kn_hash64(hash, states, sizeof states);
    }
    if (hash != live->states || live->stale)
        live->system.next_at = 0;
    live->states = hash;
}

/* Storage fell silent: nobody else tells it. */
static void tell_stale(struct gw_live *live)
{
    struct kn_buf json;
    if (live->stale || gw_live_connected(live))
        return;
    kn_buf_init(&json, 16 << 20);
    if (gw_live_stale(live, &json) == KN_OK) {
        gw_hub_system(live->options.hub, kn_buf_view(&json));
        live->stale = true;
    }
    kn_buf_fini(&json);
}

static void on_event(struct gw_live *live, const struct kn_feed_event *event)
{
    switch (event->item) {
    case KN_FEED_COMMIT:
        heard(live);
        gw_hub_commit(live->options.hub, event->commit, event->live);
        set_counts(live, event->commit->counts.items, event->commit->counts.count);
        break;
    case KN_FEED_MARK:
        heard(live);
        look_at_mark(live, event->mark);
        break;
    case KN_FEED_REBUILD:
        gw_hub_resync(live->options.hub, "feed_restarted");
        live->workers.next_at = 0;
        kn_feed_reader_reset(live->reader, event->feed, event->newest);
        break;
    case KN_FEED_NONE:
        break;
    }
}

static void *follow_feed(void *arg)
{
    struct gw_live *live = arg;
    const struct kn_msg_system_get system_get = {0};
    const struct kn_msg_workers_get workers_get = {0};
    int64_t tick_at = kn_time_mono() + live->options.tick_us;
    while (!stopping(live)) {
        int64_t wait = tick_at - kn_time_mono();
        struct kn_feed_event event = {0};
        enum kn_status status = kn_feed_reader_next(live->reader, wait > 0 ? wait : 0, &event);
        if (status == KN_CLOSED)
            break;
        if (status == KN_OK)
            on_event(live, &event);
        if (kn_time_mono() < tick_at)
            continue;
        poll_storage(live, &live->system, KN_KIND_SYSTEM_GET, &system_get, SYSTEM_EVERY);
        poll_storage(live, &live->workers, KN_KIND_WORKERS_GET, &workers_get, 0);
        gw_hub_feed_state(live->options.hub, gw_live_connected(live));
        tell_stale(live);
        gw_hub_tick(live->options.hub);
        tick_at = kn_time_mono() + live->options.tick_us;
    }
    kn_bus_call_drop(live->system.call);
    kn_bus_call_drop(live->workers.call);
    return NULL;
}

/* ---- the figures ------------------------------------------------------------------------ */

static void keep_metrics(struct gw_live *live, const struct kn_msg_metrics *metrics)
{
    struct kn_buf json;
    kn_buf_init(&json, 1 << 20);
    pthread_mutex_lock(&live->lock);
    kn_arena_reset(&live->arena);
    live->metrics = kn_msg_copy(&live->arena, KN_KIND_METRICS, metrics);
    live->metrics_at = kn_time_mono();
    gw_history_add(&live->history, metrics);
    struct gw_status_counts tasks = sum_counts(live);
    pthread_mutex_unlock(&live->lock);
    gw_view_metrics(&json, metrics, &tasks, NULL, 0);
    if (kn_buf_status(&json) == KN_OK)
        gw_hub_metrics(live->options.hub, kn_buf_view(&json));
    kn_buf_fini(&json);
}

static void *follow_metrics(void *arg)
{
    struct gw_live *live = arg;
    while (!stopping(live)) {
        struct kn_bus_message *message = NULL;
        enum kn_status status = kn_bus_receive(live->metrics_sub, KN_SECOND, &message);
        if (status == KN_CLOSED)
            break;
        if (status != KN_OK)
            continue;
        if (message->kind == KN_KIND_METRICS)
            keep_metrics(live, message->msg);
        kn_bus_message_free(message);
    }
    return NULL;
}

/* ---- outside ---------------------------------------------------------------------------- */

enum kn_status gw_live_start(const struct gw_live_options *options, struct gw_live **ret,
                             struct kn_buf *error)
{
    struct gw_live *live = calloc(1, sizeof *live);
    if (!live)
        return KN_NOMEM;
    live->options = *options;
    kn_arena_init(&live->arena, 1 << 20);
    kn_buf_init(&live->last, 16 << 20);
    pthread_mutex_init(&live->lock, NULL);
    const struct kn_feed_reader_options feed = {.feed_url = options->feed_url,
                                                .storage = options->storage,
                                                .from_now = true,
                                                .without = "deltas"};
    enum kn_status status = kn_feed_reader_new(options->bus, &feed, &live->reader, error);
    if (status == KN_OK)
        status =
            kn_bus_subscriber_new(options->bus, options->metrics_url, &live->metrics_sub, error);
    if (status == KN_OK) {
        live->feed_running = pthread_create(&live->feed_thread, NULL, follow_feed, live) == 0;
        live->metrics_running =
            pthread_create(&live->metrics_thread, NULL, follow_metrics, live) == 0;
        status = live->feed_running && live->metrics_running ? KN_OK : KN_NOMEM;
    }
    if (status != KN_OK) {
        gw_live_stop(live);
        return status;
    }
    *ret = live;
    return KN_OK;
}

void gw_live_stop(struct gw_live *live)
{
    if (!live)
        return;
    pthread_mutex_lock(&live->lock);
    live->stopping = true;
    pthread_mutex_unlock(&live->lock);
    if (live->reader)
        kn_feed_reader_stop(live->reader);
    if (live->metrics_sub)
        kn_bus_subscriber_stop(live->metrics_sub);
    if (live->feed_running)
        pthread_join(live->feed_thread, NULL);
    if (live->metrics_running)
        pthread_join(live->metrics_thread, NULL);
    kn_feed_reader_free(live->reader);
    kn_bus_subscriber_free(live->metrics_sub);
    for (size_t i = 0; i < live->n_counted; i++)
        free(live->counted[i].source);
    kn_arena_fini(&live->arena);
    kn_buf_fini(&live->last);
    pthread_mutex_destroy(&live->lock);
    free(live);
}

bool gw_live_connected(struct gw_live *live)
{
    pthread_mutex_lock(&live->lock);
    bool connected = live->feed_at && kn_time_mono() - live->feed_at < FEED_SILENCE;
    pthread_mutex_unlock(&live->lock);
    return connected;
}

enum kn_status gw_live_metrics(struct gw_live *live, struct kn_arena *arena,
                               const struct kn_msg_metrics **ret_metrics,
                               struct gw_status_counts *ret_tasks)
{
    enum kn_status status = KN_NOT_FOUND;
    pthread_mutex_lock(&live->lock);
    if (live->metrics && kn_time_mono() - live->metrics_at < METRICS_AGE) {
        const struct kn_msg_metrics *copy = kn_msg_copy(arena, KN_KIND_METRICS, live->metrics);
        status = copy ? KN_OK : KN_NOMEM;
        if (copy) {
            *ret_metrics = copy;
            *ret_tasks = sum_counts(live);
        }
    }
    pthread_mutex_unlock(&live->lock);
    return status;
}

bool gw_live_sources(struct gw_live *live, struct gw_sources *ret)
{
    pthread_mutex_lock(&live->lock);
    bool known = live->sources_at && kn_time_mono() - live->sources_at < SYSTEM_AGE;
    if (known)
        *ret = live->sources;
    pthread_mutex_unlock(&live->lock);
    return known;
}

enum kn_status gw_live_stale(struct gw_live *live, struct kn_buf *out)
{
    struct kn_msg_system system;
    struct kn_arena arena;
    kn_arena_init(&arena, 16 << 20);
    pthread_mutex_lock(&live->lock);
    const struct gw_stale stale = {.self = live->options.id,
                                   .since = live->heard_wall ? live->heard_wall : kn_time_now(),
                                   .last = kn_arena_str(&arena, kn_buf_view(&live->last))};
    pthread_mutex_unlock(&live->lock);
    enum kn_status status = gw_stale_system(&stale, &arena, &system);
    if (status == KN_OK) {
        gw_view_system(out, &system, stale.since);
        status = kn_buf_status(out);
    }
    kn_arena_fini(&arena);
    return status;
}

void gw_live_history(struct gw_live *live, struct kn_buf *out)
{
    pthread_mutex_lock(&live->lock);
    gw_history_view(out, &live->history, kn_time_now());
    pthread_mutex_unlock(&live->lock);
}
