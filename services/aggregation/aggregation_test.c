/* The whole service against a storage that is made up: over the real bus, with
 * lost answers and restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/bus/bus.h"
#include "services/aggregation/aggregation.h"
#include "services/common/count.h"
#include "services/common/data/sketch.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One task in each commit: commit n has n % 3 events and one runtime of n ms. */
struct storage {
    pthread_mutex_t lock; /* all that follows */
    uint64_t newest, position;
    uint64_t old_to;    /* commits up to here were made an hour ago */
    uint64_t read_from; /* the first that was asked for to be read, not for its time alone */
    char feed[16];
    int64_t count;
    struct kn_sketch runtime;
    unsigned puts;
    bool worker_online;
    int64_t heard_at;
    unsigned verdicts;

    struct kn_bus *bus;
    struct kn_bus_server *server;
    struct kn_bus_publisher *feed_out;
};

static const struct kn_str WORKER = {"w@h", 3};
static char folder[64];
static struct kn_config config;
static struct storage storage;

/* ---- the storage ------------------------------------------------------------------- */

static void fill_commit(uint64_t number, struct kn_arena *arena, struct kn_msg_feed *ret)
{
    double *runtime = kn_arena_array(arena, 1, sizeof *runtime);
    struct kn_msg_rollup_delta *delta = kn_arena_array(arena, 1, sizeof *delta);
    struct kn_msg_status_count *count = kn_arena_array(arena, 1, sizeof *count);
    *runtime = (double)number / 1000;
    *delta = (struct kn_msg_rollup_delta){.minute = (int64_t)(number / 50) * KN_MINUTE,
                                          .source = KN_STR("default"),
                                          .name = KN_STR("t"),
                                          .status = KN_TASK_SUCCESS,
                                          .count = (int64_t)(number % 3),
                                          .runtimes = {runtime, 1}};
    *count = (struct kn_msg_status_count){
        .source = KN_STR("default"), .status = KN_TASK_STARTED, .count = (int64_t)number};
    *ret = (struct kn_msg_feed){.feed = KN_STR("f"),
                                .number = number,
                                .source = KN_STR("default"),
                                .at = kn_time_now() - (number <= storage.old_to ? KN_HOUR : 0),
                                .events = number % 3,
                                .deltas = {.items = delta, .count = 1},
                                .counts = {.items = count, .count = 1}};
}

static void answer_feed(const struct kn_msg_feed_get *get, struct kn_bus_reply *reply)
{
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct kn_msg_feed_list list = {.feed = KN_STR("f"), .oldest = 1, .newest = storage.newest};
    list.items.items = kn_arena_array(&arena, get->max, sizeof *list.items.items);
    if (get->max > 1 && (!storage.read_from || get->from < storage.read_from))
        storage.read_from = get->from;
    for (uint64_t n = get->from; n <= storage.newest && list.items.count < get->max; n++)
        fill_commit(n, &arena, &list.items.items[list.items.count++]);
    kn_bus_reply_set(reply, KN_KIND_FEED_LIST, &list);
    kn_arena_fini(&arena);
}

static void apply(const struct kn_msg_rollup_put *put)
{
    struct kn_sketch sketch;
    kn_sketch_init(&sketch);
    for (size_t i = 0; i < put->rows.count; i++) {
        storage.count += put->rows.items[i].count;
        assert_int_equal(kn_sketch_decode(&sketch, put->rows.items[i].runtime), KN_OK);
        assert_int_equal(kn_sketch_merge(&storage.runtime, &sketch), KN_OK);
    }
    kn_sketch_fini(&sketch);
    storage.position = put->to;
    snprintf(storage.feed, sizeof storage.feed, "%.*s", KN_STR_ARG(put->feed));
}

static enum kn_status answer_put(const struct kn_msg_rollup_put *put)
{
    unsigned turn = storage.puts++ % 5;
    if (turn == 1)
        return KN_IO; /* not applied */
    if (put->from != storage.position)
        return KN_CONFLICT;
    apply(put);
    return turn == 3 ? KN_IO : KN_OK; /* applied, but said otherwise */
}

static void answer_workers(struct kn_bus_reply *reply)
{
    struct kn_msg_worker worker = {.hostname = WORKER,
                                   .source = KN_STR("default"),
                                   .status =
                                       storage.worker_online ? KN_WORKER_ONLINE : KN_WORKER_OFFLINE,
                                   .freq = KN_SOME_F64(0.1),
                                   .last_seen = 5,
                                   .last_received_at = storage.heard_at};
    struct kn_msg_worker_list list = {.items = {.items = &worker, .count = 1}};
    kn_bus_reply_set(reply, KN_KIND_WORKER_LIST, &list);
}

static enum kn_status answer(const struct kn_bus_message *request, struct kn_bus_reply *reply)
{
    static const struct kn_msg_done done;
    struct kn_msg_reader_position position = {.number = storage.position};
    switch (request->kind) {
    case KN_KIND_READER_GET:
        position.feed = kn_str_from(storage.feed);
        kn_bus_reply_set(reply, KN_KIND_READER_POSITION, &position);
        return KN_OK;
    case KN_KIND_ROLLUP_PUT: {
        enum kn_status status = answer_put(request->msg);
        if (status == KN_OK)
            kn_bus_reply_set(reply, KN_KIND_DONE, &done);
        return status;
    }
    case KN_KIND_FEED_GET:
        answer_feed(request->msg, reply);
        return KN_OK;
    case KN_KIND_SYSTEM_GET:
        kn_bus_reply_set(reply, KN_KIND_SYSTEM, &(struct kn_msg_system){0});
        return KN_OK;
    case KN_KIND_WORKERS_GET:
        answer_workers(reply);
        return KN_OK;
    case KN_KIND_QUEUES_GET:
        kn_bus_reply_set(reply, KN_KIND_QUEUE_LIST, &(struct kn_msg_queue_list){0});
        return KN_OK;
    case KN_KIND_WORKER_LIVENESS:
        storage.verdicts++;
        storage.worker_online = false;
        kn_bus_reply_set(reply, KN_KIND_DONE, &done);
        return KN_OK;
    default:
        return KN_UNSUPPORTED;
    }
}

static enum kn_status handle(void *arg, const struct kn_bus_message *request,
                             struct kn_bus_reply *reply)
{
    (void)arg;
    pthread_mutex_lock(&storage.lock);
    enum kn_status status = answer(request, reply);
    pthread_mutex_unlock(&storage.lock);
    return status;
}

/* ---- the feed ------------------------------------------------------------------------ */

/* Commits; every seventh is not published, as if it had been dropped. */
static void commit(unsigned count)
{
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    for (unsigned i = 0; i < count; i++) {
        struct kn_msg_feed feed;
        kn_arena_reset(&arena);
        pthread_mutex_lock(&storage.lock);
        uint64_t number = ++storage.newest;
        pthread_mutex_unlock(&storage.lock);
        fill_commit(number, &arena, &feed);
        if (number % 7 != 0)
            assert_int_equal(kn_bus_publish(storage.feed_out, number, KN_KIND_FEED, &feed), KN_OK);
    }
    kn_arena_fini(&arena);
}

static void mark(void)
{
    struct kn_msg_ingestion_status ingestion = {
        .source = KN_STR("default"), .state = KN_LINK_CONNECTED, .since = 1};
    struct kn_msg_service_status service = {.state = KN_SERVICE_READY, .ingestion = &ingestion};
    pthread_mutex_lock(&storage.lock);
    struct kn_msg_feed_mark m = {.feed = KN_STR("f"),
                                 .number = storage.newest,
                                 .at = kn_time_now(),
                                 .services = {.items = &service, .count = 1}};
    pthread_mutex_unlock(&storage.lock);
    assert_int_equal(kn_bus_publish(storage.feed_out, m.number, KN_KIND_FEED_MARK, &m), KN_OK);
}

/* ---- the tests ------------------------------------------------------------------------ */

struct run {
    struct kn_bus_client *client;
    struct aggregation *aggregation;
};

static struct run start(void)
{
    struct run run;
    assert_int_equal(kn_bus_client_new(storage.bus, config.bus.storage, &run.client, NULL), KN_OK);
    assert_int_equal(aggregation_start(storage.bus, run.client, &config, &run.aggregation, NULL),
                     KN_OK);
    return run;
}

static void stop(struct run *run)
{
    aggregation_stop(run->aggregation);
    kn_bus_client_free(run->client);
}

static bool stored_all(void)
{
    pthread_mutex_lock(&storage.lock);
    bool yes = storage.position == storage.newest;
    pthread_mutex_unlock(&storage.lock);
    return yes;
}

static void every_commit_reaches_storage_once_over_the_real_bus(void **state)
{
    (void)state;
    struct run run = start();
    for (int i = 0; i < 8; i++) {
        commit(50);
        mark();
        usleep(100 * 1000);
        if (i == 3) {
            stop(&run);
            commit(20);
            run = start();
        }
    }
    for (int i = 0; i < 100 && !stored_all(); i++) {
        mark();
        usleep(100 * 1000);
    }
    stop(&run);
    int64_t count = 0;
    struct kn_sketch all;
    kn_sketch_init(&all);
    for (uint64_t n = 1; n <= storage.newest; n++) {
        count += (int64_t)(n % 3);
        assert_int_equal(kn_sketch_add(&all, (double)n / 1000, 1), KN_OK);
    }
    assert_int_equal(storage.position, 420);
    assert_int_equal(storage.count, count);
    assert_int_equal(kn_sketch_subtract(&all, &storage.runtime), KN_OK);
    assert_true(kn_sketch_is_zero(&all));
    kn_sketch_fini(&all);
}

static struct kn_bus_message *next_figures(struct kn_bus_subscriber *subscriber)
{
    struct kn_bus_message *message;
    assert_int_equal(kn_bus_receive(subscriber, 5 * KN_SECOND, &message), KN_OK);
    assert_int_equal(message->kind, KN_KIND_METRICS);
    return message;
}

static void figures_are_published_and_a_silent_worker_goes_offline(void **state)
{
    (void)state;
    struct kn_bus_subscriber *subscriber;
    storage.worker_online = true;
    storage.heard_at = kn_time_now();
    storage.old_to = 100;
    storage.read_from = 0;
    struct run run = start();
    assert_int_equal(kn_bus_subscriber_new(storage.bus, config.bus.metrics, &subscriber, NULL),
                     KN_OK);
    bool counted = false, refilled = false, online = false, dead = false;
    for (int i = 0; i < 40 && !(counted && online && dead); i++) {
        commit(3);
        mark();
        struct kn_bus_message *message = next_figures(subscriber);
        const struct kn_msg_metrics *m = message->msg;
        assert_int_equal(m->window_seconds, 300);
        refilled |= m->counts->success > 320; /* what was before the restart, and more */
        online |= m->workers_online == 1;
        counted |= m->events_per_second > 0 && m->counts->success > 0 && m->runtime->p50.set &&
                   (uint64_t)m->running == storage.newest;
        kn_bus_message_free(message);
        pthread_mutex_lock(&storage.lock);
        dead = storage.verdicts > 0;
        pthread_mutex_unlock(&storage.lock);
    }
    assert_true(counted);
    assert_true(refilled);
    assert_int_equal(storage.read_from, 101); /* what is older has no place in the window */
    assert_true(online);
    assert_true(dead);
    kn_bus_subscriber_free(subscriber);
    stop(&run);
}

static void it_ends_soon_when_storage_never_answered(void **state)
{
    (void)state;
    kn_bus_server_free(storage.server);
    storage.server = NULL;
    struct run run = start();
    usleep(300 * 1000);
    int64_t before = kn_time_mono();
    stop(&run);
    assert_true(kn_time_mono() - before < KN_SECOND);
}

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/kanchi-aggregation-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    char path[80];
    snprintf(path, sizeof path, "%s/bus", folder);
    const char *const argv[] = {"--data",
                                folder,
                                "--aggregation.interval",
                                "100ms",
                                "--aggregation.rollup_interval",
                                "100ms",
                                "--aggregation.worker_timeout",
                                "1s"};
    struct kn_config_from from = {.argv = argv, .argc = KN_COUNT_OF(argv)};
    struct kn_buf error;
    kn_buf_init(&error, 0);
    enum kn_status status = kn_config_load(&config, &from, &error);
    if (status != KN_OK)
        fprintf(stderr, "%.*s\n", KN_STR_ARG(kn_buf_view(&error)));
    kn_buf_fini(&error);
    if (status != KN_OK || kn_service_make_folder(path) != KN_OK)
        return 1;
    pthread_mutex_init(&storage.lock, NULL);
    kn_sketch_init(&storage.runtime);
    return kn_bus_new(&(struct kn_bus_options){.sender = "test"}, &storage.bus, NULL) != KN_OK ||
           kn_bus_server_new(storage.bus, config.bus.storage, 2, handle, NULL, &storage.server,
                             NULL) != KN_OK ||
           kn_bus_publisher_new(storage.bus, config.bus.storage_feed, &storage.feed_out, NULL) !=
               KN_OK;
}

static int end(void **state)
{
    (void)state;
    kn_bus_server_free(storage.server);
    kn_bus_publisher_free(storage.feed_out);
    kn_bus_free(storage.bus);
    kn_sketch_fini(&storage.runtime);
    kn_config_fini(&config);
    char path[80];
    snprintf(path, sizeof path, "%s/bus", folder);
    rmdir(path);
    rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_commit_reaches_storage_once_over_the_real_bus),
        cmocka_unit_test(figures_are_published_and_a_silent_worker_goes_offline),
        cmocka_unit_test(it_ends_soon_when_storage_never_answered),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
