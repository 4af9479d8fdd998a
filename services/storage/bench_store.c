/* bench_store DATABASE [TASKS [EVENTS_A_COMMIT [SPREAD]]]: how many events a second the
 * store commits. Each task is sent, received, started and succeeded; SPREAD is how
 * many other tasks begin between its first event and its last. */
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/storage/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { NAMES = 20, WORKERS = 8, QUEUES = 4 };

struct bench {
    struct kn_arena arena;
    struct kn_msg_event *events;
    size_t count;
};

static struct kn_str text(struct kn_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct kn_str text(struct kn_arena *arena, const char *format, ...)
{
    char buffer[256];
    va_list args;
    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    return kn_arena_str(arena, kn_str_from(buffer));
}

static void message(struct bench *bench, struct kn_msg_event *e, int64_t task)
{
    e->name = text(&bench->arena, "app.tasks.name_%lu", (uint64_t)task % NAMES);
    e->args_repr = text(&bench->arena, "(%lu, 'some text', {'key': 7})", (uint64_t)task);
    e->kwargs_repr = KN_STR("{'customer': 4711, 'dry_run': False}");
    e->root_id = e->uuid;
    e->retries = KN_SOME_I64(0);
}

static void add(struct bench *bench, enum kn_event_type type, int64_t task, int64_t at)
{
    uint64_t n = (uint64_t)task;
    uint64_t h = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    struct kn_msg_event *e = &bench->events[bench->count++];
    if (task < 0) {
        bench->count--;
        return;
    }
    *e = (struct kn_msg_event){.type = (uint8_t)type,
                               .timestamp = at,
                               .received_at = at + 1000,
                               .clock = (uint64_t)at / 100,
                               .pid = 1000 + n % WORKERS};
    e->uuid = text(&bench->arena, "%016lx-4a4a-9b9b-%012lx", h, n);
    e->hostname = type == KN_EVENT_TASK_SENT ? KN_STR("gen1@client")
                                             : text(&bench->arena, "celery%lu@host", n % WORKERS);
    if (type == KN_EVENT_TASK_SENT) {
        message(bench, e, task);
        e->queue = text(&bench->arena, "queue%lu", n % QUEUES);
        e->routing_key = e->queue;
    } else if (type == KN_EVENT_TASK_RECEIVED) {
        message(bench, e, task);
    } else if (type == KN_EVENT_TASK_SUCCEEDED) {
        e->result_repr = KN_STR("{'status': 'ok', 'rows': 42}");
        e->runtime = KN_SOME_F64((double)(h >> 50) / 1000);
    }
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void commit(struct store *store, struct bench *bench, uint64_t seq)
{
    struct kn_msg_ingest_batch batch = {
        .source = KN_STR("default"), .epoch = 1, .seq = seq, .received = bench->count};
    batch.events.items = bench->events;
    batch.events.count = bench->count;
    struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
    const struct kn_msg_feed *feed;
    if (store_commit(store, &change, 1, &feed) != KN_OK || change.status != KN_OK) {
        fprintf(stderr, "%s\n", store_error(store));
        exit(1);
    }
    bench->count = 0;
    kn_arena_reset(&bench->arena);
}

int main(int argc, char **argv)
{
    int64_t tasks = argc > 2 ? atoll(argv[2]) : 200000, spread = argc > 4 ? atoll(argv[4]) : 2000;
    size_t size = argc > 3 ? (size_t)atoll(argv[3]) : 5000;
    struct bench bench = {0};
    struct store *store;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    const struct store_options options = {.database = argc > 1 ? argv[1] : "sqlite:bench.db",
                                          .feed_keep = 10000,
                                          .jobs_tasks_max = 1,
                                          .jobs_rate = 1,
                                          .jobs_rate_max = 1};
    kn_log_setup("bench", KN_LOG_WARN, false);
    if (store_open(&options, &store, &error) != KN_OK) {
        fprintf(stderr, "%s\n", kn_buf_cstr(&error) ? kn_buf_cstr(&error) : "?");
        return 1;
    }
    bench.events = calloc(size + 4, sizeof *bench.events);
    kn_arena_init(&bench.arena, 0);
    int64_t start = kn_time_now(), lap = kn_time_mono(), begin = lap, in_store = 0;
    double cpu = cpu_seconds();
    uint64_t seq = 0, events = 0;
    for (int64_t i = 0; i < tasks + spread; i++) {
        int64_t at = start + i * 80;
        if (i < tasks)
            add(&bench, KN_EVENT_TASK_SENT, i, at);
        if (i - spread / 100 < tasks)
            add(&bench, KN_EVENT_TASK_RECEIVED, i - spread / 100, at + 10);
        if (i - spread / 10 < tasks)
            add(&bench, KN_EVENT_TASK_STARTED, i - spread / 10, at + 20);
        add(&bench, KN_EVENT_TASK_SUCCEEDED, i - spread, at + 30);
        if (bench.count < size && i + 1 < tasks + spread)
            continue;
        events += bench.count;
        int64_t before = kn_time_mono();
        commit(store, &bench, ++seq);
        in_store += kn_time_mono() - before;
        if (events / 1000000 != (events - size) / 1000000) {
            printf("%lu events, %.0f/s\n", (unsigned long)events,
                   1e12 / (double)(kn_time_mono() - lap));
            lap = kn_time_mono();
        }
    }
    double seconds = (double)(kn_time_mono() - begin) / 1e6;
    printf("%lu events in %.2f s: %.0f events/s; in the store %.2f us/event, cpu of the process "
           "%.2f us/event\n",
           (unsigned long)events, seconds, (double)events / seconds,
           (double)in_store / (double)events, (cpu_seconds() - cpu) * 1e6 / (double)events);
    store_close(store);
    free(bench.events);
    kn_arena_fini(&bench.arena);
    return 0;
}
