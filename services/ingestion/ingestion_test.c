/* Ingestion between a private Redis and a storage that this test plays. */
#include "services/ingestion/ingestion.h"

#include "proto/bus/bus.h"
#include "services/broker/redis/redis.h"
#include "services/broker/rig_test.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define EVENTS_MAX 100000
#define EPOCHS_MAX 64

static struct rig_server redis;
static struct kn_bus *bus;
static char bus_url[128];

/* ---- storage, as it is promised to behave -------------------------------------- */

static struct {
    pthread_mutex_t lock;
    struct kn_bus_server *server;
    struct {
        uint64_t epoch;
        uint64_t seq_max, batches; /* equal when there are no holes */
        bool seen[EVENTS_MAX];     /* batches, by seq */
    } epochs[EPOCHS_MAX];
    size_t epoch_count;
    uint8_t events[EVENTS_MAX]; /* how often, by their clock */
    uint64_t stored, received, invalid, lost, gaps;
    uint64_t queue_messages, queue_unacked, priorities;
    char queue[64];
    unsigned refuse_every; /* n-th request is refused with AGAIN */
    unsigned requests;
} storage = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void store(const struct kn_msg_ingest_batch *batch)
{
    for (size_t i = 0; i < batch->events.count; i++) {
        assert_true(batch->events.items[i].clock < EVENTS_MAX);
        storage.events[batch->events.items[i].clock]++;
        storage.stored++;
    }
    storage.received += batch->received;
    storage.invalid += batch->invalid;
    storage.lost += batch->lost;
    storage.gaps += batch->gaps.count;
    for (size_t i = 0; i < batch->queues.count; i++) {
        const struct kn_msg_queue_depth *depth = &batch->queues.items[i];
        snprintf(storage.queue, sizeof(storage.queue), "%.*s", KN_STR_ARG(depth->name));
        storage.queue_messages = depth->messages;
        storage.queue_unacked = depth->unacked.set ? (uint64_t)depth->unacked.value : 999;
        storage.priorities = depth->priorities.count;
    }
}

/* The place of an epoch in storage.epochs. */
static size_t epoch_of(uint64_t epoch)
{
    size_t i = 0;
    while (i < storage.epoch_count && storage.epochs[i].epoch != epoch)
        i++;
    assert_true(i < EPOCHS_MAX);
    storage.epochs[i].epoch = epoch;
    storage.epoch_count += i == storage.epoch_count;
    return i;
}

static enum kn_status take_batch(const struct kn_msg_ingest_batch *batch,
                                 struct kn_bus_reply *reply)
{
    struct kn_msg_ingest_ack ack = {.stored = batch->events.count};
    enum kn_status status = KN_OK;
    pthread_mutex_lock(&storage.lock);
    storage.requests++;
    size_t e = epoch_of(batch->epoch);
    assert_true(batch->seq < EVENTS_MAX);
    if (storage.refuse_every && storage.requests % storage.refuse_every == 0) {
        status = KN_AGAIN;
    } else if (storage.epochs[e].seen[batch->seq]) {
        ack.again = true;
    } else {
        storage.epochs[e].seen[batch->seq] = true;
        storage.epochs[e].batches++;
        if (batch->seq > storage.epochs[e].seq_max)
            storage.epochs[e].seq_max = batch->seq;
        store(batch);
    }
    pthread_mutex_unlock(&storage.lock);
    if (status == KN_OK)
        kn_bus_reply_set(reply, KN_KIND_INGEST_ACK, &ack);
    return status;
}

static enum kn_status answer(void *arg, const struct kn_bus_message *request,
                             struct kn_bus_reply *reply)
{
    (void)arg;
    struct kn_str name = KN_STR("asked");
    const struct kn_msg_known_queues queues = {.names = {&name, 1}};
    if (request->kind == KN_KIND_INGEST_BATCH)
        return take_batch(request->msg, reply);
    if (request->kind != KN_KIND_KNOWN_QUEUES_GET)
        return KN_UNSUPPORTED;
    kn_bus_reply_set(reply, KN_KIND_KNOWN_QUEUES, &queues);
    return KN_OK;
}

static void open_storage(void)
{
    assert_int_equal(kn_bus_server_new(bus, bus_url, 3, answer, NULL, &storage.server, NULL),
                     KN_OK);
}

static void close_storage(void)
{
    kn_bus_server_free(storage.server);
    storage.server = NULL;
}

static uint64_t stored_now(void)
{
    pthread_mutex_lock(&storage.lock);
    uint64_t stored = storage.stored;
    pthread_mutex_unlock(&storage.lock);
    return stored;
}

static void await_stored(uint64_t count)
{
    for (int i = 0; i < 2000 && stored_now() < count; i++)
        usleep(10000);
    assert_int_equal(stored_now(), count);
}

static void await_lost_and_stored(uint64_t count)
{
    uint64_t known = 0;
    for (int i = 0; i < 2000 && known < count; i++) {
        usleep(10000);
        pthread_mutex_lock(&storage.lock);
        known = storage.stored + storage.lost;
        pthread_mutex_unlock(&storage.lock);
    }
    assert_int_equal(known, count);
}

static void refuse_every(unsigned requests)
{
    pthread_mutex_lock(&storage.lock);
    storage.refuse_every = requests;
    pthread_mutex_unlock(&storage.lock);
}

/* Whether storage has not seen all batches of a process, up to the latest that it saw. */
static bool has_holes(void)
{
    bool holes = false;
    pthread_mutex_lock(&storage.lock);
    for (size_t i = 0; i < storage.epoch_count; i++)
        holes |= storage.epochs[i].batches != storage.epochs[i].seq_max;
    pthread_mutex_unlock(&storage.lock);
    return holes;
}

/* While ingestion runs: what it has in its spool when it stops is sent when it starts again. */
static void await_no_holes(void)
{
    for (int i = 0; i < 2000 && has_holes(); i++)
        usleep(10000);
    assert_false(has_holes());
}

/* ---- Celery ------------------------------------------------------------------------ */

static void publish(struct broker_redis *client, struct kn_str body)
{
    const struct kn_str args[] = {KN_STR("PUBLISH"), KN_STR("/0.celeryev/task.multi"), body};
    redisReply *reply = broker_redis_command(client, NULL, 3, args);
    assert_non_null(reply);
    freeReplyObject(reply);
}

static void publish_events(struct broker_redis *client, int from, int to)
{
    char json[8192];
    unsigned char base64[12000];
    char envelope[14000];
    while (from < to) {
        size_t n = 0;
        for (int i = 0; i < 20 && from < to; i++, from++)
            n += (size_t)snprintf(json + n, sizeof(json) - n,
                                  "%c{\"type\": \"task-received\", \"uuid\": \"u-%d\", "
                                  "\"hostname\": \"w@h\", \"pid\": 1, \"clock\": %d, "
                                  "\"timestamp\": 1700000000.25, \"utcoffset\": 0, "
                                  "\"name\": \"app.t\", \"args\": \"(1, 2)\", \"retries\": 0}",
                                  i ? ',' : '[', from, from);
        json[n++] = ']';
        EVP_EncodeBlock(base64, (const unsigned char *)json, (int)n);
        snprintf(envelope, sizeof(envelope),
                 "{\"body\": \"%s\", \"content-encoding\": \"utf-8\", \"content-type\": "
                 "\"application/json\", \"headers\": {\"hostname\": \"w@h\"}, \"properties\": "
                 "{\"delivery_mode\": 1, \"delivery_info\": {\"exchange\": \"celeryev\", "
                 "\"routing_key\": \"task.multi\"}, \"priority\": 0, \"body_encoding\": "
                 "\"base64\", \"delivery_tag\": \"x\"}}",
                 (char *)base64);
        publish(client, kn_str_from(envelope));
    }
}

/* ---- one run ------------------------------------------------------------------------- */

struct run {
    struct kn_buf spool_dir; /* empty: no spool */
    struct broker_url *url;
    struct ingestion_options options;
    struct kn_bus_client *client;
    struct ingestion *ingestion;
    struct broker_redis redis;
};

static struct kn_msg_ingestion_status status_of(const struct run *run, enum kn_service_state *state)
{
    struct kn_arena arena;
    struct kn_msg_service_status status = {.state = KN_SERVICE_READY};
    kn_arena_init(&arena, 0);
    ingestion_fill_status(run->ingestion, &arena, &status);
    assert_non_null(status.ingestion);
    struct kn_msg_ingestion_status copy = *status.ingestion;
    assert_null(strstr(copy.broker.ptr, "secret"));
    copy.source = copy.broker = copy.error = KN_STR_ABSENT;
    kn_arena_fini(&arena);
    if (state)
        *state = status.state;
    return copy;
}

static void begin(struct run *run)
{
    struct kn_buf error;
    kn_buf_init(&error, 0);
    kn_buf_init(&run->spool_dir, 0);
    run->url = rig_url("redis://127.0.0.1:%d/0", redis.port);
    ingestion_options_init(&run->options);
    run->options.broker.url = run->url;
    run->options.source = "default";
    run->options.batch_events = 100;
    run->options.batch_age_us = KN_SECOND / 20;
    run->options.memory_max = (size_t)512 << 20;
    run->options.event_max = 32 << 20;
    run->options.inflight = 4;
    run->options.spool.max = (uint64_t)1 << 30;
    run->options.spool.age_us = 7 * KN_DAY;
    run->options.spool.sync = INGEST_SYNC_EVERYSEC;
    run->options.spool_after_us = KN_SECOND / 4;
    run->options.queue_interval_us = KN_SECOND / 5;
    run->options.request_timeout_us = KN_SECOND;
    assert_int_equal(broker_redis_open(&run->options.broker, -1, &error, &run->redis), KN_OK);
    kn_buf_fini(&error);
    pthread_mutex_lock(&storage.lock);
    memset(storage.events, 0, sizeof(storage.events));
    memset(storage.epochs, 0, sizeof(storage.epochs));
    storage.epoch_count = 0;
    storage.stored = storage.received = storage.invalid = storage.lost = storage.gaps = 0;
    storage.refuse_every = 0;
    pthread_mutex_unlock(&storage.lock);
}

static void go(struct run *run)
{
    assert_int_equal(kn_bus_client_new(bus, bus_url, &run->client, NULL), KN_OK);
    assert_int_equal(ingestion_start(&run->options, run->client, NULL, &run->ingestion), KN_OK);
    for (int i = 0; i < 1000 && status_of(run, NULL).state != KN_LINK_CONNECTED; i++)
        usleep(10000);
    assert_int_equal(status_of(run, NULL).state, KN_LINK_CONNECTED);
}

static void end(struct run *run)
{
    ingestion_free(run->ingestion);
    kn_bus_client_free(run->client);
    broker_redis_close(&run->redis);
    broker_url_free(run->url);
    kn_buf_fini(&run->spool_dir);
}

static int set_up(void **state)
{
    (void)state;
    struct kn_bus_options options = {.sender = "test"};
    rig_dir(&redis, "ingestion", false);
    rig_redis_start(&redis, NULL);
    snprintf(bus_url, sizeof(bus_url), "ipc://%s", rig_path(&redis, "storage.ipc"));
    return kn_bus_new(&options, &bus, NULL) == KN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    kn_bus_free(bus);
    rig_stop(&redis, SIGTERM);
    rig_dir_remove(&redis);
    return 0;
}

/* ---- what holds ------------------------------------------------------------------------ */

static void every_event_is_stored_once_also_when_storage_refuses_now_and_then(void **state)
{
    (void)state;
    struct run run = {0};
    open_storage();
    begin(&run);
    refuse_every(7);
    go(&run);
    publish_events(&run.redis, 0, 5000);
    await_stored(5000);
    await_no_holes();
    end(&run);
    close_storage();
    for (int i = 0; i < 5000; i++)
        assert_int_equal(storage.events[i], 1);
    assert_int_equal(storage.received, 5000);
    assert_int_equal(storage.invalid + storage.lost, 0);
}

static void a_storage_that_comes_late_or_restarts_loses_nothing(void **state)
{
    (void)state;
    struct run run = {0};
    enum kn_service_state service;
    begin(&run);
    go(&run);
    publish_events(&run.redis, 0, 2000);
    for (int i = 0; i < 500 && status_of(&run, &service).backlog_events < 2000; i++)
        usleep(10000);
    usleep(1500000);
    struct kn_msg_ingestion_status status = status_of(&run, &service);
    assert_int_equal(status.backlog_events, 2000);
    assert_int_equal(status.events_received, 2000);
    assert_true(status.backlog_bytes > 0 && status.lag_seconds > 1);
    assert_int_equal(service, KN_SERVICE_DEGRADED);
    open_storage();
    publish_events(&run.redis, 2000, 4000);
    close_storage();
    open_storage();
    publish_events(&run.redis, 4000, 5000);
    await_stored(5000);
    for (int i = 0; i < 500 && status_of(&run, &service).backlog_events > 0; i++)
        usleep(10000);
    status = status_of(&run, &service);
    assert_int_equal(status.backlog_events, 0);
    assert_int_equal(service, KN_SERVICE_READY);
    await_no_holes();
    end(&run);
    close_storage();
    for (int i = 0; i < 5000; i++)
        assert_int_equal(storage.events[i], 1);
}

static void a_full_memory_loses_the_oldest_and_says_how_many(void **state)
{
    (void)state;
    struct run run = {0};
    begin(&run);
    run.options.memory_max = 1 << 20;
    go(&run);
    for (uint64_t n = 0; n < 30000; n += 1000) {
        publish_events(&run.redis, (int)n, (int)n + 1000);
        for (int i = 0; i < 1000 && status_of(&run, NULL).events_received < n + 900; i++)
            usleep(10000); /* what is lost is to be lost in ingestion's own memory */
    }
    for (int i = 0; i < 1000 && status_of(&run, NULL).events_received < 30000; i++)
        usleep(10000);
    struct kn_msg_ingestion_status status = status_of(&run, NULL);
    assert_int_equal(status.events_received, 30000);
    assert_true(status.events_lost > 0);
    assert_true(status.backlog_bytes < 2 << 20);
    open_storage();
    await_lost_and_stored(30000);
    await_no_holes();
    uint64_t lost = status_of(&run, NULL).events_lost;
    end(&run);
    close_storage();
    assert_int_equal(storage.lost, lost);
    assert_int_equal(storage.events[29999], 1);
}

static void with_spool(struct run *run, const char *name)
{
    kn_buf_printf(&run->spool_dir, "%s%c", rig_path(&redis, name), '\0');
    run->options.spool.dir = run->spool_dir.data;
}

static void await_events(struct run *run, uint64_t count)
{
    for (int i = 0; i < 1000 && status_of(run, NULL).events_received < count; i++)
        usleep(10000);
    assert_int_equal(status_of(run, NULL).events_received, count);
}

static void await_spooled(struct run *run, uint64_t count)
{
    for (int i = 0; i < 1000 && status_of(run, NULL).spool_events < count; i++)
        usleep(10000);
    assert_int_equal(status_of(run, NULL).spool_events, count);
}

static void what_storage_has_not_taken_is_on_disk_and_stored_once_after_a_restart(void **state)
{
    (void)state;
    struct run run = {0};
    begin(&run);
    with_spool(&run, "spool-restart");
    go(&run);
    publish_events(&run.redis, 0, 5000);
    await_spooled(&run, 5000);
    assert_true(status_of(&run, NULL).backlog_bytes < 1 << 20);
    ingestion_free(run.ingestion); /* storage is away still */
    kn_bus_client_free(run.client);
    go(&run);
    publish_events(&run.redis, 5000, 6000);
    await_spooled(&run, 6000);
    assert_int_equal(status_of(&run, NULL).events_received, 1000);
    open_storage();
    refuse_every(5);
    await_stored(6000);
    end(&run);
    close_storage();
    for (int i = 0; i < 6000; i++)
        assert_int_equal(storage.events[i], 1);
    assert_int_equal(storage.lost, 0);
    assert_int_equal(storage.received, 6000);
}

static void a_full_spool_loses_the_oldest_and_says_how_many(void **state)
{
    (void)state;
    struct run run = {0};
    begin(&run);
    with_spool(&run, "spool-full");
    run.options.spool.max = 1 << 20;
    go(&run);
    for (int n = 0; n < 30000; n += 1000) {
        publish_events(&run.redis, n, n + 1000);
        await_events(&run, (uint64_t)n + 1000);
    }
    assert_true(status_of(&run, NULL).events_lost > 0);
    open_storage();
    await_lost_and_stored(30000);
    await_no_holes();
    end(&run);
    close_storage();
    assert_true(storage.lost > 0);
    assert_int_equal(storage.stored + storage.lost, 30000);
    assert_int_equal(storage.events[29999], 1);
}

static void what_is_invalid_is_counted_and_the_next_event_is_stored(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "garbage",
        "{}",
        "[1]",
        "{\"body\": \"!!\"}",
        "\xff\xfe",
        "{\"body\": \"e30=\", \"content-type\": \"application/x-python-serialize\", "
        "\"content-encoding\": \"binary\", \"properties\": {\"body_encoding\": \"base64\"}}",
        "{\"body\": \"e30=\", \"content-type\": \"application/json\", \"content-encoding\": "
        "\"utf-8\", \"properties\": {\"body_encoding\": \"base64\"}}",
    };
    struct run run = {0};
    open_storage();
    begin(&run);
    go(&run);
    for (size_t i = 0; i < KN_COUNT_OF(bad); i++) {
        publish(&run.redis, kn_str_from(bad[i]));
        publish_events(&run.redis, (int)i, (int)i + 1);
    }
    size_t count = KN_COUNT_OF(bad);
    await_stored(count);
    end(&run);
    close_storage();
    assert_int_equal(storage.invalid, count);
    assert_int_equal(storage.received, 2 * count);
}

static void a_stop_hands_over_what_there_is(void **state)
{
    (void)state;
    struct run run = {0};
    open_storage();
    begin(&run);
    run.options.batch_age_us = 10 * KN_SECOND;
    go(&run);
    publish_events(&run.redis, 0, 50);
    for (int i = 0; i < 500 && status_of(&run, NULL).backlog_events < 50; i++)
        usleep(10000);
    end(&run);
    close_storage();
    assert_int_equal(storage.stored, 50);
}

static void a_cut_connection_is_told_as_a_gap(void **state)
{
    (void)state;
    struct run run = {0};
    open_storage();
    begin(&run);
    go(&run);
    rig_stop(&redis, SIGKILL);
    for (int i = 0; i < 500 && status_of(&run, NULL).state != KN_LINK_AWAY; i++)
        usleep(10000);
    rig_redis_start(&redis, NULL);
    for (int i = 0; i < 500 && status_of(&run, NULL).gaps == 0; i++)
        usleep(10000);
    end(&run);
    close_storage();
    assert_int_equal(storage.gaps, 1);
}

static void command(struct run *run, const char *text)
{
    redisReply *reply = redisCommand(run->redis.ctx, text);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

static void queues_are_measured(void **state)
{
    (void)state;
    struct run run = {0};
    open_storage();
    begin(&run);
    command(&run, "SADD _kombu.binding.x rk\x06\x16\x06\x16"
                  "jobs");
    command(&run, "LPUSH jobs 1 2 3");
    command(&run, "LPUSH jobs\x06\x16"
                  "6 4 5");
    command(&run, "HSET unacked t1 [{\"body\":1},\"x\",\"rk\"]");
    go(&run);
    bool right = false;
    for (int i = 0; i < 500 && !right; i++) {
        usleep(10000);
        pthread_mutex_lock(&storage.lock);
        right = !strcmp(storage.queue, "jobs") && storage.queue_messages == 5 &&
                storage.queue_unacked == 1 && storage.priorities == 2;
        pthread_mutex_unlock(&storage.lock);
    }
    assert_true(right);
    command(&run, "FLUSHALL");
    end(&run);
    close_storage();
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_is_stored_once_also_when_storage_refuses_now_and_then),
        cmocka_unit_test(a_storage_that_comes_late_or_restarts_loses_nothing),
        cmocka_unit_test(a_full_memory_loses_the_oldest_and_says_how_many),
        cmocka_unit_test(what_storage_has_not_taken_is_on_disk_and_stored_once_after_a_restart),
        cmocka_unit_test(a_full_spool_loses_the_oldest_and_says_how_many),
        cmocka_unit_test(what_is_invalid_is_counted_and_the_next_event_is_stored),
        cmocka_unit_test(a_stop_hands_over_what_there_is),
        cmocka_unit_test(queues_are_measured),
        cmocka_unit_test(a_cut_connection_is_told_as_a_gap),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
