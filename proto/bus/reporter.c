#include "proto/bus/reporter.h"

#include "services/common/process/cond.h"
#include "services/common/process/health.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define INTERVAL KN_SECOND
#define INTERVAL_AT_START (KN_SECOND / 5)
#define REPORT_TIMEOUT (2 * KN_SECOND)

struct kn_reporter {
    struct kn_bus_client *storage;
    const char *name;
    char *id;
    int64_t started_at;
    kn_reporter_fill *fill;
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* stop */
    pthread_cond_t wake;
    bool stop;
};

void kn_reporter_self(struct kn_arena *arena, const char *name, const char *id, int64_t started_at,
                      struct kn_msg_service_status *ret)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    int64_t now = kn_time_now();
    struct kn_usage usage;
    kn_service_usage(&usage);
    *ret = (struct kn_msg_service_status){
        .name = kn_str_from(name),
        .id = kn_arena_str(arena, kn_str_from(id)),
        .version = KN_STR(KANCHI_VERSION),
        .state = KN_SERVICE_READY,
        .host = kn_arena_str(arena, kn_str_from(host)),
        .pid = (uint64_t)getpid(),
        .started_at = started_at,
        .uptime_seconds = (double)(now - started_at) / 1e6,
        .rss_bytes = (uint64_t)usage.rss_bytes,
        .cpu_seconds = (double)usage.cpu_us / 1e6,
    };
}

/* Whether the service is ready. */
static bool report(struct kn_reporter *reporter, struct kn_arena *arena, bool stopping)
{
    struct kn_msg_service_status status;
    kn_arena_reset(arena);
    kn_reporter_self(arena, reporter->name, reporter->id, reporter->started_at, &status);
    if (reporter->fill)
        reporter->fill(reporter->arg, arena, &status);
    if (stopping)
        status.state = KN_SERVICE_STOPPING;
    struct kn_bus_message *answer;
    /* storage may be unavailable: others notice that, and the next report follows in a second */
    bool told = kn_bus_request(reporter->storage, KN_KIND_SERVICE_STATUS, &status,
                               stopping ? KN_SECOND : REPORT_TIMEOUT, &answer, NULL) == KN_OK;
    if (told)
        kn_bus_message_free(answer);
    bool ready = told && status.state == KN_SERVICE_READY;
    kn_health_set(ready, stopping ? KN_STR("stopping")
                         : !told  ? KN_STR("storage does not answer")
                                  : status.detail);
    return ready;
}

/* Waits for the next round; false when it is time to end. */
static bool wait_round(struct kn_reporter *reporter, int64_t deadline)
{
    return !kn_cond_sleep_until(&reporter->wake, &reporter->lock, &reporter->stop, deadline);
}

static void *reporter_run(void *arg)
{
    struct kn_reporter *reporter = arg;
    struct kn_arena arena;
    kn_arena_init(&arena, 4 << 20);
    int64_t next = kn_time_mono();
    bool started = false;
    while (wait_round(reporter, next)) {
        started = report(reporter, &arena, false) || started;
        next = kn_time_mono() + (started ? INTERVAL : INTERVAL_AT_START);
    }
    kn_health_set(false, KN_STR("stopping"));
    report(reporter, &arena, true);
    kn_arena_fini(&arena);
    return NULL;
}

enum kn_status kn_reporter_new(struct kn_bus_client *storage, const char *name, const char *id,
                               kn_reporter_fill *fill, void *arg, struct kn_reporter **ret)
{
    struct kn_reporter *reporter = calloc(1, sizeof *reporter);
    if (!reporter || !(reporter->id = strdup(id))) {
        free(reporter);
        return KN_NOMEM;
    }
    reporter->storage = storage;
    reporter->name = name;
    reporter->started_at = kn_time_now();
    reporter->fill = fill;
    reporter->arg = arg;
    kn_cond_init(&reporter->wake);
    pthread_mutex_init(&reporter->lock, NULL);
    if (pthread_create(&reporter->thread, NULL, reporter_run, reporter) != 0) {
        pthread_mutex_destroy(&reporter->lock);
        pthread_cond_destroy(&reporter->wake);
        free(reporter->id);
        free(reporter);
        return KN_NOMEM;
    }
    *ret = reporter;
    return KN_OK;
}

void kn_reporter_free(struct kn_reporter *reporter)
{
    if (!reporter)
        return;
    pthread_mutex_lock(&reporter->lock);
    reporter->stop = true;
    pthread_cond_broadcast(&reporter->wake);
    pthread_mutex_unlock(&reporter->lock);
    pthread_join(reporter->thread, NULL);
    pthread_mutex_destroy(&reporter->lock);
    pthread_cond_destroy(&reporter->wake);
    free(reporter->id);
    free(reporter);
}
