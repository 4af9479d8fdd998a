/* Receiving from a private Redis. */
#include "services/broker/receiver.h"
#include "services/broker/redis/redis.h"
#include "services/broker/rig_test.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct rig_server redis;

static const char *const *redis_args(void)
{
    static char texts[4][160];
    static const char *args[32];
    size_t n = 0;
    redis.tls_port = redis.tls_port ? redis.tls_port : rig_port();
    snprintf(texts[0], sizeof(texts[0]), "%d", redis.tls_port);
    snprintf(texts[1], sizeof(texts[1]), "%s/ca.pem", redis.dir);
    snprintf(texts[2], sizeof(texts[2]), "%s/cert.pem", redis.dir);
    snprintf(texts[3], sizeof(texts[3]), "%s/key.pem", redis.dir);
    const char *const list[] = {"--tls-port",
                                texts[0],
                                "--tls-ca-cert-file",
                                texts[1],
                                "--tls-cert-file",
                                texts[2],
                                "--tls-key-file",
                                texts[3],
                                "--tls-auth-clients",
                                "no",
                                "--user",
                                "kanchi",
                                "on",
                                ">p@ss/w:d",
                                "~*",
                                "&*",
                                "+@all",
                                "--user",
                                "narrow",
                                "on",
                                ">n",
                                "~*",
                                "resetchannels",
                                "&/3.celeryev/*",
                                "+@all"};
    for (; n < KN_COUNT_OF(list); n++)
        args[n] = list[n];
    return args;
}

static int start_redis(void **state)
{
    (void)state;
    rig_dir(&redis, "redis", true);
    rig_redis_start(&redis, redis_args());
    return 0;
}

static int stop_redis(void **state)
{
    (void)state;
    rig_stop(&redis, SIGTERM);
    rig_dir_remove(&redis);
    return 0;
}

/* A client of the test's own, on the plain port. */
static void publish_to(struct broker_redis *client, const char *channel, struct kn_str body,
                       long long receivers)
{
    const struct kn_str args[] = {KN_STR("PUBLISH"), kn_str_from(channel), body};
    redisReply *reply = broker_redis_command(client, NULL, 3, args);
    assert_non_null(reply);
    if (reply->integer < receivers)
        fail_msg("%s reached %lld", channel, reply->integer);
    freeReplyObject(reply);
}

static void publish(const char *channel, const char *body, long long receivers)
{
    struct broker_options options;
    struct broker_redis client = {0};
    struct kn_buf error;
    kn_buf_init(&error, 0);
    broker_options_init(&options);
    struct broker_url *url = rig_url("redis://127.0.0.1:%d", redis.port);
    options.url = url;
    assert_int_equal(broker_redis_open(&options, -1, &error, &client), KN_OK);
    publish_to(&client, channel, kn_str_from(body), receivers);
    broker_redis_close(&client);
    broker_url_free(url);
    kn_buf_fini(&error);
}

static void assert_receives(struct broker_receiver *receiver, const char *channel, const char *body)
{
    struct broker_chunk *chunk = NULL;
    assert_int_equal(broker_receiver_take(receiver, 30 * KN_SECOND, &chunk), KN_OK);
    assert_int_equal(chunk->count, 1);
    assert_true(kn_str_eq(chunk->messages[0].channel, kn_str_from(channel)));
    assert_true(kn_str_eq(chunk->messages[0].body, kn_str_from(body)));
    assert_true(chunk->messages[0].received_at > 0);
    broker_receiver_release(receiver, chunk);
}

static const struct {
    const char *url; /* %1$d: port, %2$d: TLS port, %3$s: directory */
    const char *key_prefix, *channel;
} roads[] = {
    {"redis://127.0.0.1:%1$d/0", "", "/0.celeryev/task.sent"},
    {"redis://localhost:%1$d/0", "", "/0.celeryev"},
    {"redis://127.0.0.1:%1$d/0", "", "celeryev/worker.heartbeat"},
    {"redis://127.0.0.1:%1$d/0", "", "celeryev"},
    {"redis://127.0.0.1:%1$d/0", "p*[x]", "p*[x]/0.celeryev/task.multi"},
    {"redis://kanchi:p%%40ss%%2Fw%%3Ad@127.0.0.1:%1$d/7", "", "/7.celeryev/task.multi"},
    {"redis://narrow:n@127.0.0.1:%1$d/3", "", "/3.celeryev/task.multi"},
    {"redis+socket://%3$s/redis.sock?virtual_host=2", "", "/2.celeryev/task.sent"},
    {"rediss://localhost:%2$d/0?ssl_ca_certs=%3$s/ca.pem", "", "/0.celeryev/task.sent"},
    {"rediss://127.0.0.1:%2$d/0?ssl_cert_reqs=none", "", "/0.celeryev/task.sent"},
};

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static struct broker_url *road_url(const char *format)
{
    char text[512];
    snprintf(text, sizeof(text), format, redis.port, redis.tls_port, redis.dir);
    return rig_url("%s", text);
}

static void events_arrive_over_every_kind_of_url_and_channel(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(roads); i++) {
        struct broker_options options;
        broker_options_init(&options);
        struct broker_url *url = road_url(roads[i].url);
        options.url = url;
        options.key_prefix = roads[i].key_prefix;
        struct broker_receiver *receiver = rig_receiver(&options);
        if (!rig_in_state(receiver, BROKER_CONNECTED)) {
            struct broker_receiver_status status;
            broker_receiver_status(receiver, &status);
            fail_msg("%s: %s", roads[i].url, status.error);
        }
        usleep(20000); /* the other patterns */
        publish(roads[i].channel, "{}", 1);
        assert_receives(receiver, roads[i].channel, "{}");
        broker_receiver_free(receiver);
        broker_url_free(url);
    }
}

static const struct {
    const char *url, *error;
} dead_ends[] = {
    {"redis://127.0.0.1:1/0", "refused"},
    {"redis://kanchi:secret@127.0.0.1:%1$d/0", "WRONGPASS"},
    {"redis://127.0.0.1:%1$d/99", "DB index"},
    {"redis+socket://%3$s/none.sock", "No such file"},
    {"rediss://localhost:%2$d/0", "not trusted"},
    {"rediss://127.0.0.1:%2$d/0?ssl_ca_certs=%3$s/ca.pem", "not trusted"},
    {"rediss://localhost:%2$d/0?ssl_ca_certs=%3$s/none.pem", "authorities"},
    {"rediss://127.0.0.1:%1$d/0?ssl_cert_reqs=none", "TLS"},
    {"redis://narrow:n@127.0.0.1:%1$d/4", "permi"},
};

static void what_is_wrong_is_said_without_the_password(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(dead_ends); i++) {
        struct broker_options options;
        struct broker_receiver_status status;
        broker_options_init(&options);
        struct broker_url *url = road_url(dead_ends[i].url);
        options.url = url;
        struct broker_receiver *receiver = rig_receiver(&options);
        assert_true(rig_in_state(receiver, BROKER_AWAY));
        broker_receiver_status(receiver, &status);
        if (!strstr(status.error, dead_ends[i].error) || strstr(status.error, "secret"))
            fail_msg("%s: %s", dead_ends[i].url, status.error);
        broker_receiver_free(receiver);
        broker_url_free(url);
    }
}

static void a_broker_that_comes_late_or_goes_is_found_again_and_the_gap_is_known(void **state)
{
    (void)state;
    struct broker_options options;
    struct broker_gap gap;
    broker_options_init(&options);
    options.backoff_max_us = 200000;
    rig_stop(&redis, SIGKILL);
    struct broker_url *url = road_url("redis://127.0.0.1:%1$d/0");
    options.url = url;
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_AWAY));
    rig_redis_start(&redis, redis_args());
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    assert_false(broker_receiver_next_gap(receiver, &gap));

    int64_t before = kn_time_now();
    rig_stop(&redis, SIGKILL);
    assert_true(rig_in_state(receiver, BROKER_AWAY));
    usleep(300000);
    int64_t back = kn_time_now();
    rig_redis_start(&redis, redis_args());
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    assert_true(broker_receiver_next_gap(receiver, &gap));
    assert_true(gap.from <= before && gap.to >= back && gap.to <= kn_time_now());
    assert_false(broker_receiver_next_gap(receiver, &gap));
    publish("/0.celeryev/task.sent", "again", 1);
    assert_receives(receiver, "/0.celeryev/task.sent", "again");
    broker_receiver_free(receiver);
    broker_url_free(url);
}

static void sentinels_lead_to_the_master(void **state)
{
    (void)state;
    struct rig_server sentinel;
    struct broker_options options;
    rig_dir(&sentinel, "sentinel", false);
    rig_sentinel_start(&sentinel, redis.port);
    broker_options_init(&options);
    struct broker_url *url = rig_url("sentinel://127.0.0.1:1;sentinel://127.0.0.1:%d/"
                                     "?master_name=mymaster",
                                     sentinel.port);
    options.url = url;
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    usleep(20000);
    publish("/{db}.celeryev/task.sent", "old kombu", 1);
    assert_receives(receiver, "/{db}.celeryev/task.sent", "old kombu");
    broker_receiver_free(receiver);

    options.master_name = "nobody";
    receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_AWAY));
    struct broker_receiver_status status;
    broker_receiver_status(receiver, &status);
    assert_non_null(strstr(status.error, "master"));
    broker_receiver_free(receiver);
    broker_url_free(url);
    rig_stop(&sentinel, SIGTERM);
    rig_dir_remove(&sentinel);
}

static void big_messages_pass_and_too_big_ones_are_skipped_and_counted(void **state)
{
    (void)state;
    struct broker_options options;
    struct broker_receiver_status status;
    broker_options_init(&options);
    options.message_max = 2 << 20;
    struct broker_url *url = road_url("redis://127.0.0.1:%1$d/0");
    options.url = url;
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    size_t size = 3 << 20;
    char *body = malloc(size + 1);
    assert_non_null(body);
    memset(body, 'x', size);
    body[size] = '\0';
    publish("/0.celeryev/task.sent", body, 1);
    body[1 << 20] = '\0';
    publish("/0.celeryev/task.sent", body, 1);
    assert_receives(receiver, "/0.celeryev/task.sent", body);
    publish("/0.celeryev/task.sent", "small", 1);
    assert_receives(receiver, "/0.celeryev/task.sent", "small");
    broker_receiver_status(receiver, &status);
    assert_int_equal(status.too_big, 1);
    assert_int_equal(status.messages, 2);
    free(body);
    broker_receiver_free(receiver);
    broker_url_free(url);
}

#define BURST 20000

/* Publishes a burst of numbered messages through one pipeline. */
static void burst(void)
{
    struct broker_options options;
    struct broker_redis client = {0};
    struct kn_buf error;
    char body[600];
    kn_buf_init(&error, 0);
    broker_options_init(&options);
    struct broker_url *url = rig_url("redis://127.0.0.1:%d", redis.port);
    options.url = url;
    assert_int_equal(broker_redis_open(&options, -1, &error, &client), KN_OK);
    for (int i = 0; i < BURST; i++) {
        snprintf(body, sizeof(body), "%d %0*d", i, i % 500 + 1, 0);
        redisAppendCommand(client.ctx, "PUBLISH /0.celeryev/task.multi %s", body);
        for (int n = 0; i % 500 == 499 && n < 500; n++) {
            void *reply = NULL;
            assert_int_equal(redisGetReply(client.ctx, &reply), REDIS_OK);
            freeReplyObject(reply);
        }
    }
    broker_redis_close(&client);
    broker_url_free(url);
    kn_buf_fini(&error);
}

/* Takes what there is; the numbers must rise. Returns how many. */
static size_t take_all(struct broker_receiver *receiver, int *last)
{
    struct broker_chunk *chunk = NULL;
    size_t count = 0;
    while (broker_receiver_take(receiver, KN_SECOND, &chunk) == KN_OK) {
        for (size_t i = 0; i < chunk->count; i++) {
            int number = atoi(chunk->messages[i].body.ptr);
            assert_true(number > *last);
            *last = number;
            count++;
        }
        broker_receiver_release(receiver, chunk);
    }
    return count;
}

static void a_burst_arrives_whole_and_in_order(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct broker_options options;
        broker_options_init(&options);
        struct broker_url *url = road_url(tls ? "rediss://localhost:%2$d/0?ssl_ca_certs=%3$s/ca.pem"
                                              : "redis://127.0.0.1:%1$d");
        options.url = url;
        struct broker_receiver *receiver = rig_receiver(&options);
        assert_true(rig_in_state(receiver, BROKER_CONNECTED));
        int last = -1;
        burst();
        assert_int_equal(take_all(receiver, &last), BURST);
        broker_receiver_free(receiver);
        broker_url_free(url);
    }
}

static void a_full_buffer_drops_the_oldest_and_counts_them(void **state)
{
    (void)state;
    struct broker_options options;
    struct broker_receiver_status status;
    broker_options_init(&options);
    options.buffer_max = 1 << 20;
    struct broker_url *url = road_url("redis://127.0.0.1:%1$d/0");
    options.url = url;
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    burst();
    for (int i = 0; i < 500; i++) {
        broker_receiver_status(receiver, &status);
        if (status.messages == BURST)
            break;
        usleep(10000);
    }
    assert_int_equal(status.messages, BURST);
    assert_true(status.buffered <= options.buffer_max);
    int last = -1;
    size_t count = take_all(receiver, &last);
    broker_receiver_status(receiver, &status);
    assert_true(status.dropped > 0);
    assert_int_equal(count + status.dropped, BURST);
    assert_int_equal(last, BURST - 1);
    broker_receiver_free(receiver);
    broker_url_free(url);
}

static void a_stopped_receiver_still_gives_what_it_has(void **state)
{
    (void)state;
    struct broker_options options;
    struct broker_chunk *chunk = NULL;
    broker_options_init(&options);
    struct broker_url *url = road_url("redis://127.0.0.1:%1$d/0");
    options.url = url;
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    publish("/0.celeryev/task.sent", "last", 1);
    usleep(100000);
    broker_receiver_stop(receiver);
    assert_receives(receiver, "/0.celeryev/task.sent", "last");
    assert_int_equal(broker_receiver_take(receiver, 5 * KN_SECOND, &chunk), KN_CLOSED);
    broker_receiver_free(receiver);
    broker_receiver_free(NULL);
    broker_url_free(url);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_arrive_over_every_kind_of_url_and_channel),
        cmocka_unit_test(what_is_wrong_is_said_without_the_password),
        cmocka_unit_test(sentinels_lead_to_the_master),
        cmocka_unit_test(a_broker_that_comes_late_or_goes_is_found_again_and_the_gap_is_known),
        cmocka_unit_test(big_messages_pass_and_too_big_ones_are_skipped_and_counted),
        cmocka_unit_test(a_burst_arrives_whole_and_in_order),
        cmocka_unit_test(a_full_buffer_drops_the_oldest_and_counts_them),
        cmocka_unit_test(a_stopped_receiver_still_gives_what_it_has),
    };
    return cmocka_run_group_tests(tests, start_redis, stop_redis);
}
