/* Receiving from a private RabbitMQ. */
#include "services/broker/amqp/amqp.h"
#include "services/broker/receiver.h"
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

static struct rig_server rabbit;

static int start_rabbit(void **state)
{
    (void)state;
    rig_dir(&rabbit, "rabbit", true);
    return rig_rabbit_start(&rabbit, true) ? 0 : -1;
}

static int stop_rabbit(void **state)
{
    (void)state;
    rig_rabbit_stop(&rabbit);
    rig_dir_remove(&rabbit);
    return 0;
}

/* Options for a queue that no other test uses. */
static struct broker_options options_for(const struct broker_url *url, const char *instance)
{
    struct broker_options options;
    broker_options_init(&options);
    options.url = url;
    options.instance = instance;
    options.backoff_max_us = 200000;
    return options;
}

static struct broker_amqp client_of(const struct broker_url *url)
{
    struct broker_options options = options_for(url, "client");
    struct broker_amqp amqp = {0};
    struct kn_buf error;
    kn_buf_init(&error, 0);
    if (broker_amqp_open(&options, 0, -1, &error, &amqp) != KN_OK)
        fail_msg("%.*s", (int)error.len, error.data);
    assert_int_equal(broker_amqp_channel(&amqp, 1, &error), KN_OK);
    kn_buf_fini(&error);
    return amqp;
}

static void send_events(const struct broker_url *url, int from, int to)
{
    struct broker_amqp amqp = client_of(url);
    const struct timeval patience = {.tv_sec = 60};
    amqp_set_rpc_timeout(amqp.conn, &patience);
    for (int i = from; i < to; i++) {
        char text[600];
        snprintf(text, sizeof(text), "%d %0*d", i, i % 500 + 1, 0);
        amqp_basic_properties_t p = {._flags = AMQP_BASIC_CONTENT_TYPE_FLAG |
                                               AMQP_BASIC_CONTENT_ENCODING_FLAG |
                                               AMQP_BASIC_DELIVERY_MODE_FLAG,
                                     .content_type = amqp_cstring_bytes("application/json"),
                                     .content_encoding = amqp_cstring_bytes("utf-8"),
                                     .delivery_mode = 1};
        assert_int_equal(amqp_basic_publish(amqp.conn, 1, amqp_cstring_bytes("celeryev"),
                                            amqp_cstring_bytes("task.multi"), 0, 0, &p,
                                            amqp_cstring_bytes(text)),
                         0);
    }
    /* its answer says that all of them have been taken */
    assert_int_equal(amqp_channel_close(amqp.conn, 1, AMQP_REPLY_SUCCESS).reply_type,
                     AMQP_RESPONSE_NORMAL);
    broker_amqp_close(&amqp, true);
}

/* Takes messages until there are so many or a second passes without one. The
 * numbers must rise from first. Returns the last tag. */
static uint64_t take(struct broker_receiver *receiver, int first, int count)
{
    struct broker_chunk *chunk = NULL;
    uint64_t tag = 0;
    int got = 0;
    while (got < count && broker_receiver_take(receiver, 30 * KN_SECOND, &chunk) == KN_OK) {
        for (size_t i = 0; i < chunk->count; i++, got++) {
            const struct broker_message *m = &chunk->messages[i];
            assert_int_equal(atoi(m->body.ptr), first + got);
            assert_true(m->tag > tag);
            assert_true(kn_str_eq(m->channel, KN_STR("task.multi")));
            assert_true(kn_str_eq(m->content_type, KN_STR("application/json")));
            assert_true(kn_str_eq(m->content_encoding, KN_STR("utf-8")));
            assert_null(m->compression.ptr);
            tag = m->tag;
        }
        broker_receiver_release(receiver, chunk);
    }
    assert_int_equal(got, count);
    return tag;
}

static void assert_nothing_comes(struct broker_receiver *receiver)
{
    struct broker_chunk *chunk = NULL;
    assert_int_equal(broker_receiver_take(receiver, KN_SECOND / 2, &chunk), KN_TIMEOUT);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static struct broker_url *url_of(const char *format)
{
    char text[512];
    snprintf(text, sizeof(text), format, rabbit.port, rabbit.tls_port, rabbit.dir);
    return rig_url("%s", text);
}

static int api(const char *method, const char *path)
{
    char url[200];
    snprintf(url, sizeof(url), "http://guest:guest@127.0.0.1:%d/api/%s", rabbit.manage_port, path);
    const char *const argv[] = {"curl", "-sf", "-X", method, url, NULL};
    return rig_run(argv);
}

static int api_put(const char *path, const char *json)
{
    char url[200];
    snprintf(url, sizeof(url), "http://guest:guest@127.0.0.1:%d/api/%s", rabbit.manage_port, path);
    const char *const argv[] = {"curl", "-sf", "-X", "PUT", "-H", "content-type: application/json",
                                "-d",   json,  url,  NULL};
    return rig_run(argv);
}

static void events_arrive_over_every_kind_of_url(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "amqp://guest:guest@127.0.0.1:%1$d",
        "pyamqp://127.0.0.1:1;pyamqp://127.0.0.1:%1$d//",
        "amqps://guest:guest@localhost:%2$d/?ssl_ca_certs=%3$s/ca.pem",
        "amqp://127.0.0.1:%1$d/%%2Fteam%%2Fa",
    };
    assert_int_equal(api("PUT", "vhosts/%2Fteam%2Fa"), 0);
    assert_int_equal(api_put("permissions/%2Fteam%2Fa/guest",
                             "{\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}"),
                     0);
    for (size_t i = 0; i < KN_COUNT_OF(urls); i++) {
        char instance[16];
        snprintf(instance, sizeof(instance), "url%zu", i);
        struct broker_url *url = url_of(urls[i]);
        struct broker_options options = options_for(url, instance);
        options.prefetch = 65535;
        struct broker_receiver *receiver = rig_receiver(&options);
        if (!rig_in_state(receiver, BROKER_CONNECTED)) {
            struct broker_receiver_status status;
            broker_receiver_status(receiver, &status);
            fail_msg("%s: %s", urls[i], status.error);
        }
        send_events(url, 0, 3000);
        broker_receiver_ack(receiver, take(receiver, 0, 3000));
        broker_receiver_free(receiver);
        broker_url_free(url);
    }
}

static const struct {
    const char *url, *error;
} dead_ends[] = {
    {"amqp://127.0.0.1:1", "refused"},
    {"amqp://guest:secret@127.0.0.1:%1$d", "ACCESS_REFUSED"},
    {"amqp://127.0.0.1:%1$d/nowhere", "vhost"},
    {"amqp://127.0.0.1:%2$d", "a TLS port requires amqps://"},
    {"amqps://localhost:%1$d/", "TLS"},
    {"amqps://localhost:%2$d/", "not trusted"},
    {"amqps://127.0.0.1:%2$d/?ssl_ca_certs=%3$s/ca.pem", "not trusted"},
};

static void what_is_wrong_is_said_without_the_password(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(dead_ends); i++) {
        struct broker_receiver_status status;
        struct broker_url *url = url_of(dead_ends[i].url);
        struct broker_options options = options_for(url, "dead");
        struct broker_receiver *receiver = rig_receiver(&options);
        assert_true(rig_in_state(receiver, BROKER_AWAY));
        broker_receiver_status(receiver, &status);
        if (!strstr(status.error, dead_ends[i].error) || strstr(status.error, "secret"))
            fail_msg("%s: %s", dead_ends[i].url, status.error);
        broker_receiver_free(receiver);
        broker_url_free(url);
    }
}

/* With TLS 1.3 the server says so only after the handshake. */
static void a_missing_client_certificate_is_named(void **state)
{
    (void)state;
    struct broker_receiver_status status = {0};
    int port = rig_port();
    char script[600];
    snprintf(script, sizeof(script),
             "cd %s && exec openssl s_server -accept 127.0.0.1:%d -cert cert.pem -key key.pem "
             "-CAfile ca.pem -Verify 1 -verify_return_error -tls1_3 -quiet </dev/null",
             rabbit.dir, port);
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct rig_server server = {.port = port};
    rig_program_start(&server, rabbit.dir, argv);
    struct broker_url *url =
        rig_url("amqps://localhost:%d/?ssl_ca_certs=%s/ca.pem", port, rabbit.dir);
    struct broker_options options = options_for(url, "certificate");
    struct broker_receiver *receiver = rig_receiver(&options);
    for (int i = 0; i < 500 && !strstr(status.lost, "client certificate"); i++) {
        broker_receiver_status(receiver, &status);
        usleep(10000);
    }
    assert_non_null(strstr(status.lost, "the broker requires a client certificate"));
    broker_receiver_free(receiver);
    rig_stop(&server, SIGKILL);
    broker_url_free(url);
}

static void the_exchange_is_as_celery_makes_it_and_left_alone_when_it_is_there(void **state)
{
    (void)state;
    struct broker_url *url = url_of("amqp://127.0.0.1:%1$d");
    struct broker_amqp amqp = client_of(url);
    struct kn_buf error;
    kn_buf_init(&error, 0);
    struct broker_options options = options_for(url, "exchange");
    options.event_exchange = "ev1";
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    broker_receiver_free(receiver);
    amqp_exchange_declare(amqp.conn, 1, amqp_cstring_bytes("ev1"), amqp_cstring_bytes("topic"), 0,
                          1, 0, 0, amqp_empty_table); /* as kombu does */
    assert_int_equal(broker_amqp_outcome(&amqp, &error), KN_OK);

    amqp_exchange_declare(amqp.conn, 1, amqp_cstring_bytes("ev2"), amqp_cstring_bytes("topic"), 0,
                          0, 0, 0, amqp_empty_table); /* not durable */
    assert_int_equal(broker_amqp_outcome(&amqp, &error), KN_OK);
    options.event_exchange = "ev2";
    receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    broker_receiver_free(receiver);
    broker_amqp_close(&amqp, true);
    broker_url_free(url);
    kn_buf_fini(&error);
}

static void what_is_not_acknowledged_comes_again_and_the_queue_outlives_us(void **state)
{
    (void)state;
    struct broker_url *url = url_of("amqp://127.0.0.1:%1$d");
    struct broker_options options = options_for(url, "again");
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    send_events(url, 0, 100);
    broker_receiver_ack(receiver, take(receiver, 0, 100) - 40);
    broker_receiver_stop(receiver);
    struct broker_chunk *chunk = NULL;
    assert_int_equal(broker_receiver_take(receiver, KN_SECOND, &chunk), KN_CLOSED);
    broker_receiver_free(receiver);

    send_events(url, 100, 150);
    receiver = rig_receiver(&options);
    broker_receiver_ack(receiver, take(receiver, 60, 90));
    broker_receiver_free(receiver);
    receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    assert_nothing_comes(receiver);
    broker_receiver_free(receiver);
    broker_url_free(url);
}

static void no_more_than_the_prefetch_is_held(void **state)
{
    (void)state;
    struct broker_url *url = url_of("amqp://127.0.0.1:%1$d");
    struct broker_options options = options_for(url, "prefetch");
    options.prefetch = 10;
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    send_events(url, 0, 25);
    uint64_t tag = take(receiver, 0, 10);
    assert_nothing_comes(receiver);
    broker_receiver_ack(receiver, tag);
    broker_receiver_ack(receiver, take(receiver, 10, 10));
    broker_receiver_ack(receiver, take(receiver, 20, 5));
    broker_receiver_free(receiver);
    broker_url_free(url);
}

static void a_full_buffer_leaves_the_rest_to_the_broker(void **state)
{
    (void)state;
    struct broker_url *url = url_of("amqp://127.0.0.1:%1$d");
    struct broker_options options = options_for(url, "full");
    struct broker_receiver_status status;
    options.prefetch = 65535;
    options.buffer_max = 1 << 20;
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    send_events(url, 0, 20000);
    usleep(500000);
    broker_receiver_status(receiver, &status);
    assert_true(status.messages < 20000 && status.buffered <= options.buffer_max);
    broker_receiver_ack(receiver, take(receiver, 0, 20000));
    broker_receiver_free(receiver);
    broker_url_free(url);
}

static void a_queue_with_other_limits_is_used_and_noted(void **state)
{
    (void)state;
    struct broker_url *url = url_of("amqp://127.0.0.1:%1$d");
    struct broker_options options = options_for(url, "limits");
    struct broker_receiver_status status;
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    broker_receiver_free(receiver);
    options.queue_ttl_us = KN_HOUR;
    receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    broker_receiver_status(receiver, &status);
    assert_true(status.note[0] != '\0');
    send_events(url, 0, 5);
    take(receiver, 0, 5);
    broker_receiver_free(receiver);
    broker_url_free(url);
}

static void wait_for_connects(struct broker_receiver *receiver, uint64_t count)
{
    struct broker_receiver_status status = {0};
    for (int i = 0; i < 1000 && status.connects < count; i++) {
        broker_receiver_status(receiver, &status);
        usleep(10000);
    }
    assert_int_equal(status.connects, count);
    assert_int_equal(status.state, BROKER_CONNECTED);
}

static void a_deleted_queue_is_noticed_at_once_and_made_again(void **state)
{
    (void)state;
    struct broker_url *url = url_of("amqp://127.0.0.1:%1$d");
    struct broker_options options = options_for(url, "deleted");
    struct broker_receiver_status status;
    struct broker_gap gap;
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    send_events(url, 0, 5);
    broker_receiver_ack(receiver, take(receiver, 0, 5));
    assert_int_equal(api("DELETE", "queues/%2F/kanchi.events.deleted"), 0);
    wait_for_connects(receiver, 2);
    assert_true(broker_receiver_next_gap(receiver, &gap));
    assert_true(gap.from < gap.to);
    broker_receiver_status(receiver, &status);
    assert_non_null(strstr(status.lost, "deleted"));
    send_events(url, 5, 10);
    broker_receiver_ack(receiver, take(receiver, 5, 5));
    broker_receiver_free(receiver);
    broker_url_free(url);
}

static void our_queue_is_classic_and_another_type_is_noted(void **state)
{
    (void)state;
    struct broker_url *url = url_of("amqp://127.0.0.1:%1$d");
    struct broker_options options = options_for(url, "type");
    struct broker_receiver_status status;
    char script[300];
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    broker_receiver_free(receiver);
    snprintf(script, sizeof(script),
             "curl -sf http://guest:guest@127.0.0.1:%d/api/queues/%%2F/kanchi.events.type | "
             "grep -q '\"x-queue-type\":\"classic\"'",
             rabbit.manage_port);
    const char *const argv[] = {"sh", "-c", script, NULL};
    assert_int_equal(rig_run(argv), 0);

    assert_int_equal(api_put("queues/%2F/kanchi.events.quorum",
                             "{\"durable\":true,\"arguments\":{\"x-queue-type\":\"quorum\"}}"),
                     0);
    options.instance = "quorum";
    receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    broker_receiver_status(receiver, &status);
    assert_non_null(strstr(status.note, "quorum"));
    broker_receiver_free(receiver);

    /* as earlier versions made it */
    assert_int_equal(api_put("queues/%2F/kanchi.events.untyped",
                             "{\"durable\":true,\"arguments\":{\"x-expires\":3600000}}"),
                     0);
    options.instance = "untyped";
    options.queue_expires_us = KN_HOUR;
    options.queue_ttl_us = 0;
    options.queue_bytes_max = 0;
    receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    broker_receiver_status(receiver, &status);
    assert_string_equal(status.note, "");
    broker_receiver_free(receiver);
    broker_url_free(url);
}

/* Has the broker close every connection until the receiver has made a new one:
 * its API learns of connections with a delay. */
static void cut_connections(struct broker_receiver *receiver)
{
    struct broker_receiver_status status;
    broker_receiver_status(receiver, &status);
    uint64_t before = status.connects;
    char script[600];
    snprintf(script, sizeof(script),
             "for n in $(curl -s http://guest:guest@127.0.0.1:%1$d/api/connections?columns=name | "
             "python3 -c 'import json,sys,urllib.parse as u; "
             "[print(u.quote(c[\"name\"])) for c in json.load(sys.stdin)]'); do "
             "curl -s -X DELETE http://guest:guest@127.0.0.1:%1$d/api/connections/$n; done",
             rabbit.manage_port);
    const char *const argv[] = {"sh", "-c", script, NULL};
    for (int i = 0; i < 300 && status.connects == before; i++) {
        assert_int_equal(rig_run(argv), 0);
        usleep(100000);
        broker_receiver_status(receiver, &status);
    }
    assert_true(status.connects > before);
}

static void a_lost_connection_is_no_gap_but_a_restarted_broker_is(void **state)
{
    (void)state;
    struct broker_url *url = url_of("amqp://127.0.0.1:%1$d");
    struct broker_options options = options_for(url, "restart");
    struct broker_gap gap;
    /* RabbitMQ 4.2 keeps transient exchanges too: that one is there tells of nothing */
    assert_int_equal(api_put("exchanges/%2F/kanchi.events.restart.marker",
                             "{\"type\":\"fanout\",\"durable\":true}"),
                     0);
    struct broker_receiver *receiver = rig_receiver(&options);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    send_events(url, 0, 5);
    uint64_t tag = take(receiver, 0, 5);
    cut_connections(receiver);
    uint64_t again = take(receiver, 0, 5);
    assert_true(again > tag);
    broker_receiver_ack(receiver, tag); /* of the old connection: too late, must do no harm */
    broker_receiver_ack(receiver, again);
    assert_false(broker_receiver_next_gap(receiver, &gap));

    /* one that has not received an event yet */
    struct broker_options others = options_for(url, "quiet");
    int64_t before = kn_time_now();
    struct broker_receiver *quiet = rig_receiver(&others);
    assert_true(rig_in_state(quiet, BROKER_CONNECTED));
    int64_t connected = kn_time_now();
    assert_false(broker_receiver_next_gap(quiet, &gap));

    rig_rabbit_stop(&rabbit);
    assert_true(rig_in_state(receiver, BROKER_AWAY));
    int64_t away = kn_time_now();
    rig_rabbit_start(&rabbit, false);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    assert_true(broker_receiver_next_gap(receiver, &gap));
    assert_true(gap.from < gap.to);
    wait_for_connects(quiet, 2);
    assert_true(broker_receiver_next_gap(quiet, &gap));
    assert_true(gap.from >= before && gap.from <= connected && gap.to >= away);
    broker_receiver_free(quiet);
    send_events(url, 5, 10);
    broker_receiver_ack(receiver, take(receiver, 5, 5));
    broker_receiver_free(receiver);
    broker_url_free(url);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_arrive_over_every_kind_of_url),
        cmocka_unit_test(what_is_wrong_is_said_without_the_password),
        cmocka_unit_test(a_missing_client_certificate_is_named),
        cmocka_unit_test(the_exchange_is_as_celery_makes_it_and_left_alone_when_it_is_there),
        cmocka_unit_test(what_is_not_acknowledged_comes_again_and_the_queue_outlives_us),
        cmocka_unit_test(no_more_than_the_prefetch_is_held),
        cmocka_unit_test(a_full_buffer_leaves_the_rest_to_the_broker),
        cmocka_unit_test(a_queue_with_other_limits_is_used_and_noted),
        cmocka_unit_test(a_deleted_queue_is_noticed_at_once_and_made_again),
        cmocka_unit_test(our_queue_is_classic_and_another_type_is_noted),
        cmocka_unit_test(a_lost_connection_is_no_gap_but_a_restarted_broker_is),
    };
    return cmocka_run_group_tests(tests, start_rabbit, stop_rabbit);
}
