/* For isolated tests of the gateway: answers like storage and the control of the source "default"
 * from a little generated data, and publishes a feed and metrics.
 *
 *   gateway_fake_storage REQUEST_URL FEED_URL METRICS_URL CONTROL_URL
 *
 * A commit every 100 ms creates one task. SIGUSR1: one commit that changes 5,000
 * tasks. SIGUSR2: one commit is not published, so that the feed has a gap. */
#include "gateway/fake_storage.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BURST = 5000 };

static volatile sig_atomic_t burst, gap, stop;

static void on_signal(int signal_number)
{
    if (signal_number == SIGUSR1)
        burst = 1;
    else if (signal_number == SIGUSR2)
        gap = 1;
    else
        stop = 1;
}

static void must(enum kn_status status, const char *what)
{
    if (status == KN_OK)
        return;
    fprintf(stderr, "fake storage: %s: %s\n", what, kn_status_text(status));
    exit(1);
}

static void publish_commit(struct kn_bus_publisher *feed, struct kn_arena *arena, size_t count,
                           bool created)
{
    struct kn_msg_worker worker;
    struct kn_msg_queue_depth depth = {
        .name = KN_STR("payments"), .source = KN_STR("default"), .at = AT, .messages = fake_number};
    struct kn_msg_feed commit = {.feed = KN_STR("fake"),
                                 .number = ++fake_number,
                                 .workers = {&worker, 1},
                                 .queues = {&depth, 1}};
    commit.tasks.items = kn_arena_array(arena, count, sizeof *commit.tasks.items);
    struct kn_msg_task *tasks = kn_arena_array(arena, count, sizeof *tasks);
    for (; commit.tasks.count < count; commit.tasks.count++) {
        size_t i = commit.tasks.count;
        fake_task(arena, 20, &tasks[i]);
        tasks[i].id =
            created ? fake_text(arena, "live-", fake_number) : fake_text(arena, "burst-", i);
        commit.tasks.items[i] = (struct kn_msg_task_change){
            .task = &tasks[i], .created = created, .previous_status = KN_TASK_STARTED};
    }
    fake_worker(&worker, "celery@one", "default");
    worker.status = fake_number / 10 % 2 ? KN_WORKER_ONLINE : KN_WORKER_OFFLINE;
    must(kn_bus_publish(feed, fake_number, KN_KIND_FEED, &commit), "publish");
}

static void publish_second(struct kn_bus_publisher *feed, struct kn_bus_publisher *metrics)
{
    struct kn_msg_event_counts counts = {.success = 7};
    const struct kn_msg_feed_mark mark = {.feed = KN_STR("fake"), .number = fake_number};
    const struct kn_msg_metrics figures = {.at = kn_time_now(),
                                           .events_per_second = 12.5,
                                           .window_seconds = 300,
                                           .counts = &counts,
                                           .running = 3,
                                           .workers_online = 2};
    must(kn_bus_publish(feed, fake_number, KN_KIND_FEED_MARK, &mark), "publish");
    must(kn_bus_publish(metrics, 0, KN_KIND_METRICS, &figures), "publish");
}

static void publish(struct kn_bus_publisher *feed, struct kn_bus_publisher *metrics)
{
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    for (int i = 0; !stop; i++) {
        kn_arena_reset(&arena);
        if (i % 10 == 0)
            publish_second(feed, metrics);
        bool many = burst;
        fake_number += gap ? 1 : 0;
        gap = burst = 0;
        publish_commit(feed, &arena, many ? BURST : 1, !many);
        usleep(100000);
    }
    kn_arena_fini(&arena);
}

int main(int argc, char **argv)
{
    const struct kn_bus_options options = {.sender = "fake-storage"};
    struct kn_bus *bus;
    struct kn_bus_server *server, *control;
    struct kn_bus_publisher *feed, *metrics;
    if (argc != 5)
        return 2;
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    signal(SIGTERM, on_signal);
    must(kn_bus_new(&options, &bus, NULL), "bus");
    must(kn_bus_publisher_new(bus, argv[2], &feed, NULL), argv[2]);
    must(kn_bus_publisher_new(bus, argv[3], &metrics, NULL), argv[3]);
    must(kn_bus_server_new(bus, argv[1], 4, fake_handle, NULL, &server, NULL), argv[1]);
    must(kn_bus_server_new(bus, argv[4], 1, fake_handle, NULL, &control, NULL), argv[4]);
    publish(feed, metrics);
    kn_bus_server_free(control);
    kn_bus_server_free(server);
    kn_bus_publisher_free(feed);
    kn_bus_publisher_free(metrics);
    kn_bus_free(bus);
    return 0;
}
