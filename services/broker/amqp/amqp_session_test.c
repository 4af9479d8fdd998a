/* Commands, replies, messages and depths on a private RabbitMQ. */
#include "services/broker/amqp/amqp.h"
#include "services/broker/meter.h"
#include "services/broker/rig_test.h"
#include "services/broker/session.h"
#include "services/broker/waiting.h"
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
static struct broker_url *url;
static struct broker_options options;
static struct broker_amqp client; /* channel 1 */
static struct kn_buf error;
static char management[128];

static int set_up(void **state)
{
    (void)state;
    kn_buf_init(&error, 0);
    rig_dir(&rabbit, "session", true);
    if (!rig_rabbit_start(&rabbit, true))
        return -1;
    url = rig_url("amqp://127.0.0.1:%d", rabbit.port);
    broker_options_init(&options);
    options.url = url;
    snprintf(management, sizeof(management), "http://guest:guest@127.0.0.1:%d/",
             rabbit.manage_port);
    assert_int_equal(broker_amqp_open(&options, 0, -1, &error, &client), KN_OK);
    assert_int_equal(broker_amqp_channel(&client, 1, &error), KN_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    broker_amqp_close(&client, true);
    broker_url_free(url);
    rig_rabbit_stop(&rabbit);
    rig_dir_remove(&rabbit);
    kn_buf_fini(&error);
    return 0;
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void format_url(char *ret, size_t size, const char *format, int port)
{
    snprintf(ret, size, format, rabbit.manage_port, port, rabbit.manage_tls_port);
}

static void declare_queue(const char *name, bool exclusive)
{
    amqp_queue_declare(client.conn, 1, amqp_cstring_bytes(name), 0, 0, exclusive, 0,
                       amqp_empty_table);
    assert_int_equal(broker_amqp_outcome(&client, &error), KN_OK);
}

/* A message of the queue, or a failed test. Destroy it. */
static void get(const char *queue, amqp_message_t *ret)
{
    amqp_rpc_reply_t reply = {0};
    for (int i = 0; i < 200; i++) {
        reply = amqp_basic_get(client.conn, 1, amqp_cstring_bytes(queue), 1);
        if (reply.reply_type == AMQP_RESPONSE_NORMAL && reply.reply.id == AMQP_BASIC_GET_OK_METHOD)
            break;
        usleep(10000);
    }
    assert_int_equal(reply.reply.id, AMQP_BASIC_GET_OK_METHOD);
    assert_int_equal(amqp_read_message(client.conn, 1, ret, 0).reply_type, AMQP_RESPONSE_NORMAL);
}

static void a_command_reaches_who_is_bound_to_the_exchange_with_all_properties(void **state)
{
    (void)state;
    struct broker_session *session = NULL;
    int64_t receivers = 5;
    amqp_message_t got;
    const struct broker_header headers[] = {
        {.name = "clock", .type = BROKER_HEADER_I64, .i64 = 12},
        {.name = "expires", .type = BROKER_HEADER_F64, .f64 = 1.5},
        {.name = "ticket", .type = BROKER_HEADER_STR, .str = KN_STR("t-1")},
    };
    const struct broker_outgoing message = {.body = KN_STR("{\"method\": \"stats\"}"),
                                            .content_type = KN_STR("application/json"),
                                            .content_encoding = KN_STR("utf-8"),
                                            .reply_to = KN_STR("me"),
                                            .delivery_mode = 1,
                                            .headers = headers,
                                            .header_count = 3};
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    assert_int_equal(broker_session_fanout(session, "celery.pidbox", &message, &receivers), KN_OK);
    assert_int_equal(receivers, -1);
    /* as kombu declares it: another worker must be able to do the same */
    amqp_exchange_declare(client.conn, 1, amqp_cstring_bytes("celery.pidbox"),
                          amqp_cstring_bytes("fanout"), 0, 0, 0, 0, amqp_empty_table);
    assert_int_equal(broker_amqp_outcome(&client, &error), KN_OK);
    declare_queue("worker", true);
    amqp_queue_bind(client.conn, 1, amqp_cstring_bytes("worker"),
                    amqp_cstring_bytes("celery.pidbox"), amqp_empty_bytes, amqp_empty_table);
    assert_int_equal(broker_amqp_outcome(&client, &error), KN_OK);
    assert_int_equal(broker_session_fanout(session, "celery.pidbox", &message, NULL), KN_OK);
    get("worker", &got);
    assert_true(kn_str_eq(broker_amqp_str(got.body), message.body));
    struct broker_message described = {0};
    broker_amqp_describe(&got.properties, &described);
    assert_true(kn_str_eq(described.content_type, message.content_type));
    assert_true(kn_str_eq(described.content_encoding, message.content_encoding));
    assert_true(kn_str_eq(described.ticket, KN_STR("t-1")));
    assert_int_equal(got.properties.delivery_mode, 1);
    assert_int_equal(got.properties.headers.num_entries, 3);
    assert_int_equal(got.properties.headers.entries[0].value.value.i64, 12);
    amqp_destroy_message(&got);
    broker_session_free(session);
}

static void reply(const char *text, const char *key)
{
    amqp_basic_properties_t p = {._flags = AMQP_BASIC_CONTENT_TYPE_FLAG,
                                 .content_type = amqp_cstring_bytes("application/json")};
    assert_int_equal(amqp_basic_publish(client.conn, 1, amqp_cstring_bytes("reply.celery.pidbox"),
                                        amqp_cstring_bytes(key), 0, 0, &p,
                                        amqp_cstring_bytes(text)),
                     0);
}

static void replies_come_through_a_queue_that_goes_with_us(void **state)
{
    (void)state;
    struct broker_session *session = NULL;
    struct broker_message got;
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    assert_int_equal(broker_session_replies_receive(session, 1000, &got), KN_CLOSED);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(broker_session_replies_open(session, "reply.celery.pidbox", "oid",
                                                     "oid.reply.celery.pidbox"),
                         KN_OK);
        assert_int_equal(broker_session_replies_receive(session, KN_SECOND / 10, &got), KN_TIMEOUT);
        reply("one", "oid");
        reply("not ours", "other");
        reply("two", "oid");
        assert_int_equal(broker_session_replies_receive(session, KN_SECOND, &got), KN_OK);
        assert_true(kn_str_eq(got.body, KN_STR("one")));
        assert_true(kn_str_eq(got.content_type, KN_STR("application/json")));
        assert_int_equal(broker_session_replies_receive(session, KN_SECOND, &got), KN_OK);
        assert_true(kn_str_eq(got.body, KN_STR("two")));
        broker_session_replies_close(session);
    }
    broker_session_free(session);
    amqp_queue_declare(client.conn, 1, amqp_cstring_bytes("oid.reply.celery.pidbox"), 1, 0, 0, 0,
                       amqp_empty_table);
    assert_int_equal(broker_amqp_outcome(&client, &error), KN_NOT_FOUND);
    assert_int_equal(broker_amqp_reopen(&client, 1, &error), KN_OK);
}

static void a_message_to_a_queue_is_confirmed_or_said_to_have_no_queue(void **state)
{
    (void)state;
    struct broker_session *session = NULL;
    amqp_message_t got;
    const struct broker_outgoing message = {.body = KN_STR("task"), .priority = 3};
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    declare_queue("jobs", false);
    assert_int_equal(broker_session_send(session, "jobs", &message), KN_OK);
    assert_int_equal(broker_session_send(session, "nowhere", &message), KN_NOT_FOUND);
    assert_non_null(strstr(broker_session_error(session), "unknown queue"));
    assert_int_equal(broker_session_send(session, "jobs", &message), KN_OK);
    for (int i = 0; i < 2; i++) {
        get("jobs", &got);
        assert_true(kn_str_eq(broker_amqp_str(got.body), message.body));
        assert_int_equal(got.properties.priority, 3);
        amqp_destroy_message(&got);
    }
    broker_session_free(session);
}

static const struct broker_depth *depth_of(const struct broker_depths *depths, const char *name)
{
    for (size_t i = 0; i < depths->count; i++) {
        if (kn_str_eq(depths->items[i].name, kn_str_from(name)))
            return &depths->items[i];
    }
    return NULL;
}

static void fill_queues(void)
{
    declare_queue("first", false);
    declare_queue("second", false);
    declare_queue("celeryev.x", false);
    declare_queue("w.celery.pidbox", false);
    declare_queue("mine", true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(amqp_basic_publish(client.conn, 1, amqp_empty_bytes,
                                            amqp_cstring_bytes("first"), 0, 0, NULL,
                                            amqp_cstring_bytes("x")),
                         0);
    amqp_rpc_reply_t held = amqp_basic_get(client.conn, 1, amqp_cstring_bytes("first"), 0);
    assert_int_equal(held.reply.id, AMQP_BASIC_GET_OK_METHOD);
    amqp_message_t message;
    (void)amqp_read_message(client.conn, 1, &message, 0);
    amqp_destroy_message(&message);
}

static void queues_are_measured_and_found_where_the_api_is_known(void **state)
{
    (void)state;
    struct broker_meter *meter = NULL;
    struct broker_depths depths;
    struct kn_arena arena;
    const struct kn_str names[] = {KN_STR("first"), KN_STR("nowhere"), KN_STR("first")};
    kn_arena_init(&arena, 0);
    fill_queues();
    assert_int_equal(broker_meter_new(&options, &meter), KN_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(broker_meter_measure(meter, names, 3, &arena, &depths), KN_OK);
        assert_int_equal(depths.count, 1);
        assert_int_equal(depths.items[0].messages, 2);
        assert_int_equal(depths.items[0].consumers, 0);
        assert_int_equal(depths.items[0].unacked, -1);
    }
    broker_meter_free(meter);

    struct broker_options with_api = options;
    with_api.management_url = management;
    assert_int_equal(broker_meter_new(&with_api, &meter), KN_OK);
    bool right = false;
    for (int i = 0; i < 150 && !right; i++) { /* the API's figures are some seconds old */
        usleep(100000);
        assert_int_equal(broker_meter_measure(meter, names, 1, &arena, &depths), KN_OK);
        const struct broker_depth *first = depth_of(&depths, "first");
        right = depth_of(&depths, "second") && first->unacked == 1 && first->messages == 2;
    }
    assert_true(right);
    assert_null(depth_of(&depths, "celeryev.x"));
    assert_null(depth_of(&depths, "w.celery.pidbox"));
    assert_null(depth_of(&depths, "mine"));
    assert_string_equal(broker_meter_error(meter), "");
    struct kn_str vhosts[4];
    size_t count = 9;
    assert_int_equal(broker_meter_places(meter, &arena, vhosts, 4, &count), KN_OK);
    assert_int_equal(count, 1); /* that of w.celery.pidbox */
    assert_true(kn_str_eq(vhosts[0], KN_STR("/")));
    broker_meter_free(meter);

    with_api.management_url = "http://guest:secret@127.0.0.1:1";
    assert_int_equal(broker_meter_new(&with_api, &meter), KN_OK);
    assert_int_equal(broker_meter_measure(meter, names, 1, &arena, &depths), KN_OK);
    assert_int_equal(depths.count, 1);
    assert_non_null(strstr(broker_meter_error(meter), "management"));
    assert_null(strstr(broker_meter_error(meter), "secret"));
    assert_int_equal(broker_meter_places(meter, &arena, vhosts, 4, &count), KN_IO);
    broker_meter_free(meter);
    kn_arena_fini(&arena);
}

/* The address with and without what Flower wants, below a path, and over TLS. */
static void the_management_api_is_found(void **state)
{
    (void)state;
    static const char *const good[] = {
        "http://guest:guest@127.0.0.1:%1$d",
        "http://guest:guest@127.0.0.1:%1$d/",
        "http://guest:guest@127.0.0.1:%1$d/api",
        "http://guest:guest@127.0.0.1:%1$d/api/",
        "http://127.0.0.1:%2$d/p/q",
        "http://127.0.0.1:%2$d/p/q/api/",
        "https://guest:guest@localhost:%3$d/api",
    };
    struct broker_url *tls =
        rig_url("amqp://127.0.0.1:%d/?ssl_ca_certs=%s/ca.pem", rabbit.port, rabbit.dir);
    struct broker_options with = options;
    struct rig_server files = {.port = rig_port()};
    char script[400], place[128];
    snprintf(script, sizeof(script),
             "cd %s && mkdir -p p/q/api && echo '[{\"name\":\"w.celery.pidbox\",\"vhost\":\"v\"}]' "
             "> p/q/api/queues && exec python3 -m http.server --bind 127.0.0.1 %d 2>/dev/null",
             rabbit.dir, files.port);
    const char *const argv[] = {"sh", "-c", script, NULL};
    rig_program_start(&files, rabbit.dir, argv);
    with.url = tls;
    for (size_t i = 0; i < KN_COUNT_OF(good); i++) {
        struct broker_meter *meter = NULL;
        struct kn_arena arena;
        struct kn_str vhosts[4];
        size_t count = 0;
        kn_arena_init(&arena, 0);
        format_url(place, sizeof(place), good[i], files.port);
        with.management_url = place;
        assert_int_equal(broker_meter_new(&with, &meter), KN_OK);
        if (broker_meter_places(meter, &arena, vhosts, 4, &count) != KN_OK)
            fail_msg("%s", place);
        if (strstr(good[i], "/p/q"))
            assert_true(count == 1 && kn_str_eq(vhosts[0], KN_STR("v")));
        broker_meter_free(meter);
        kn_arena_fini(&arena);
    }
    rig_stop(&files, SIGKILL);
    broker_url_free(tls);
}

/* The settings of the broker's URL hold for the management API, too, with TLS there or not. */
static void the_certificate_of_the_management_api_is_verified_unless_switched_off(void **state)
{
    (void)state;
    static const struct {
        const char *ca, *options, *host, *error; /* error: "" for none, otherwise a part of it */
    } cases[] = {
        {"ca.pem", "", "localhost", ""},
        {"ca.pem", "", "127.0.0.1", "subject name"},
        {"ca.pem", "ssl_check_hostname=false", "127.0.0.1", ""},
        {"", "ssl=true", "localhost", "not trusted: SSL certificate problem"},
        {"", "ssl=true&ssl_cert_reqs=none", "localhost", ""},
        {"", "ssl_cert_reqs=none", "127.0.0.1", ""},
        {"", "", "localhost", "not trusted: SSL certificate problem"},
        {"nowhere.pem", "", "localhost", "nowhere.pem"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char ca[128] = "", address[128];
        if (*cases[i].ca)
            snprintf(ca, sizeof(ca), "ssl_ca_certs=%s/%s&", rabbit.dir, cases[i].ca);
        snprintf(address, sizeof(address), "https://guest:guest@%s:%d", cases[i].host,
                 rabbit.manage_tls_port);
        struct broker_options with = options;
        struct broker_url *its =
            rig_url("amqp://127.0.0.1:%d/?%s%s", rabbit.port, ca, cases[i].options);
        struct broker_meter *meter = NULL;
        struct kn_arena arena;
        struct kn_str vhosts[4];
        size_t count;
        with.url = its;
        with.management_url = address;
        kn_arena_init(&arena, 0);
        assert_int_equal(broker_meter_new(&with, &meter), KN_OK);
        enum kn_status status = broker_meter_places(meter, &arena, vhosts, 4, &count);
        const char *why = broker_meter_error(meter);
        if (*cases[i].error ? status != KN_IO || !strstr(why, cases[i].error) : status != KN_OK)
            fail_msg("%s%s at %s: %s", ca, cases[i].options, cases[i].host, why);
        broker_meter_free(meter);
        kn_arena_fini(&arena);
        broker_url_free(its);
    }
}

/* RabbitMQ logs an error for each question about a queue that is gone. */
static void a_queue_that_is_gone_is_asked_for_less_often(void **state)
{
    (void)state;
    struct broker_meter *meter = NULL;
    struct broker_depths depths;
    struct kn_arena arena;
    const struct kn_str names[] = {KN_STR("gone.for.ever")};
    kn_arena_init(&arena, 0);
    assert_int_equal(broker_meter_new(&options, &meter), KN_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(broker_meter_measure(meter, names, 1, &arena, &depths), KN_OK);
        assert_int_equal(depths.count, 0);
    }
    broker_meter_free(meter);
    kn_arena_fini(&arena);
    char script[300];
    snprintf(
        script, sizeof(script),
        "test $(cat %s/log %s/log.d/* 2>/dev/null | grep -c \"no queue 'gone.for.ever'\") -le 2",
        rabbit.dir, rabbit.dir);
    const char *const argv[] = {"sh", "-c", script, NULL};
    assert_int_equal(rig_run(argv), 0);
}

static void set_watermark(const char *fraction)
{
    const char *const words[] = {"set_vm_memory_high_watermark", fraction, NULL};
    rig_rabbit_ctl(&rabbit, words);
}

static uint64_t count_of(const char *queue)
{
    const amqp_queue_declare_ok_t *ok =
        amqp_queue_declare(client.conn, 1, amqp_cstring_bytes(queue), 1, 0, 0, 0, amqp_empty_table);
    assert_non_null(ok);
    return ok->message_count;
}

/* Waits for a number of messages. */
static void assert_count(const char *queue, uint64_t count)
{
    for (int i = 0; i < 500 && count_of(queue) != count; i++)
        usleep(10000);
    assert_int_equal(count_of(queue), count);
}

static void in_an_alarm_nothing_is_sent_and_it_is_said_why(void **state)
{
    (void)state;
    const struct broker_outgoing message = {.body = KN_STR("[]"), .delivery_mode = 2};
    struct broker_session *session = NULL, *early = NULL;
    struct broker_meter *meter = NULL;
    struct broker_depths depths;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    declare_queue("alarmed", false);
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    assert_int_equal(broker_session_new(&options, &early), KN_OK);
    assert_int_equal(broker_meter_new(&options, &meter), KN_OK);
    assert_int_equal(broker_session_send(early, "alarmed", &message), KN_OK);
    assert_int_equal(broker_meter_measure(meter, NULL, 0, &arena, &depths), KN_OK);
    assert_string_equal(broker_meter_alarm(meter), "");

    set_watermark("0.0001");
    struct broker_session *const both[] = {session, early, session, early};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(broker_session_send(both[i], "alarmed", &message), KN_AGAIN);
        assert_non_null(strstr(broker_session_error(both[i]), "memory alarm"));
        assert_int_equal(broker_session_fanout(both[i], "celery.pidbox", &message, NULL), KN_AGAIN);
    }
    assert_int_equal(broker_meter_measure(meter, NULL, 0, &arena, &depths), KN_OK);
    assert_string_equal(broker_meter_alarm(meter), "memory alarm");
    struct broker_page page; /* what only reads goes on */
    const struct broker_look look = {.queue = "alarmed"};
    assert_int_equal(broker_session_look(session, &look, &arena, &page), KN_OK);
    assert_int_equal(page.total, 1);

    set_watermark("0.9");
    for (int i = 0; i < 500 && *broker_meter_alarm(meter); i++) {
        assert_int_equal(broker_meter_measure(meter, NULL, 0, &arena, &depths), KN_OK);
        usleep(10000);
    }
    assert_string_equal(broker_meter_alarm(meter), "");
    assert_int_equal(broker_session_send(session, "alarmed", &message), KN_OK);
    assert_int_equal(broker_session_send(early, "alarmed", &message), KN_OK);
    assert_count("alarmed", 3);
    broker_meter_free(meter);
    broker_session_free(session);
    broker_session_free(early);
    kn_arena_fini(&arena);
}

/* Asks the management API: a method, a path, and JSON or "". */
static void manage(const char *method, const char *path, const char *json)
{
    char target[256];
    snprintf(target, sizeof(target), "%sapi/%s", management, path);
    const char *const argv[] = {
        "curl", "-sf", "-X",   method, "-H", "content-type: application/json",
        "-d",   json,  target, NULL};
    assert_int_equal(rig_run(argv), 0);
}

/* A user who may not have an exchange for probes learns of an alarm from a command only, whose
 * answer comes when it is over: it is not that of a later command. */
static void without_probes_each_command_gets_its_own_answer(void **state)
{
    (void)state;
    const struct broker_outgoing message = {.body = KN_STR("[]"), .delivery_mode = 1};
    struct broker_options with = options;
    struct broker_session *session = NULL;
    struct broker_url *its = rig_url("amqp://unprobed:x@127.0.0.1:%d/", rabbit.port);
    manage("PUT", "users/unprobed", "{\"password\":\"x\",\"tags\":\"\"}");
    manage("PUT", "permissions/%2F/unprobed",
           "{\"configure\":\"^(celery.pidbox|unwritable)$\",\"write\":\"^celery.pidbox$\","
           "\"read\":\"\"}");
    with.url = its;
    assert_int_equal(broker_session_new(&with, &session), KN_OK);
    assert_int_equal(broker_session_fanout(session, "celery.pidbox", &message, NULL), KN_OK);
    set_watermark("0.0001");
    assert_int_equal(broker_session_fanout(session, "celery.pidbox", &message, NULL), KN_OK);
    assert_int_equal(broker_session_fanout(session, "celery.pidbox", &message, NULL), KN_AGAIN);
    assert_non_null(strstr(broker_session_error(session), "memory alarm"));
    set_watermark("0.9");
    enum kn_status status = KN_AGAIN;
    for (int i = 0; i < 500 && status == KN_AGAIN; i++) {
        status = broker_session_fanout(session, "unwritable", &message, NULL);
        usleep(10000);
    }
    assert_int_equal(status, KN_DENIED);
    broker_session_free(session);
    broker_url_free(its);
}

/* Whom the broker takes us for, by what it says when it refuses. */
static void assert_user(const struct broker_options *with, const char *user, const char *vhost)
{
    struct broker_amqp amqp = {0};
    char wanted[128];
    if (broker_amqp_open(with, 0, -1, &error, &amqp) != KN_OK)
        fail_msg("%.*s", (int)error.len, error.data);
    assert_int_equal(broker_amqp_channel(&amqp, 1, &error), KN_OK);
    amqp_queue_declare(amqp.conn, 1, amqp_cstring_bytes("forbidden"), 0, 0, 0, 0, amqp_empty_table);
    assert_int_equal(broker_amqp_outcome(&amqp, &error), KN_DENIED);
    kn_buf_char(&error, '\0');
    snprintf(wanted, sizeof(wanted), "in vhost '%s' refused for user '%s'", vhost, user);
    if (!strstr(error.data, wanted))
        fail_msg("%s: %s", wanted, error.data);
    broker_amqp_close(&amqp, true);
}

static void every_url_of_a_list_logs_in_as_it_says(void **state)
{
    (void)state;
    struct broker_options with = options;
    manage("PUT", "vhosts/v%2F2", "");
    manage("PUT", "users/two", "{\"password\":\"p2\",\"tags\":\"\"}");
    manage("PUT", "permissions/v%2F2/two",
           "{\"configure\":\"^ours$\",\"write\":\"\",\"read\":\"\"}");
    struct broker_url *list = rig_url(
        "amqp://one:p1@127.0.0.1:%d//;amqp://two:p2@127.0.0.1:%d/v%%2F2", rig_port(), rabbit.port);
    with.url = list;
    assert_user(&with, "two", "v/2");
    broker_url_free(list);
    /* also where the first one refuses us */
    list = rig_url("amqp://two:wrong@127.0.0.1:%d/v%%2F2;amqp://two:p2@127.0.0.1", rabbit.port);
    with.url = list;
    assert_user(&with, "two", "v/2");
    broker_url_free(list);
}

static void a_certificate_logs_in_where_the_url_says_so(void **state)
{
    (void)state;
    struct broker_options with = options;
    struct broker_amqp amqp = {0};
    manage("PUT", "users/localhost", "{\"password_hash\":\"\",\"tags\":\"\"}");
    manage("PUT", "permissions/%2F/localhost",
           "{\"configure\":\"^ours$\",\"write\":\"\",\"read\":\"\"}");
    struct broker_url *list =
        rig_url("amqp://localhost:%d//?ssl=true&ssl_ca_certs=%s/ca.pem&ssl_certfile=%s/cert.pem"
                "&ssl_keyfile=%s/key.pem&login_method=EXTERNAL",
                rabbit.tls_port, rabbit.dir, rabbit.dir, rabbit.dir);
    with.url = list;
    assert_user(&with, "localhost", "/");
    broker_url_free(list);
    /* without a certificate nobody logs in, least of all as guest */
    list =
        rig_url("amqps://guest:guest@localhost:%d//?ssl_ca_certs=%s/ca.pem&login_method=EXTERNAL",
                rabbit.tls_port, rabbit.dir);
    with.url = list;
    assert_int_not_equal(broker_amqp_open(&with, 0, -1, &error, &amqp), KN_OK);
    assert_null(amqp.conn);
    broker_url_free(list);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_reaches_who_is_bound_to_the_exchange_with_all_properties),
        cmocka_unit_test(replies_come_through_a_queue_that_goes_with_us),
        cmocka_unit_test(a_message_to_a_queue_is_confirmed_or_said_to_have_no_queue),
        cmocka_unit_test(queues_are_measured_and_found_where_the_api_is_known),
        cmocka_unit_test(the_management_api_is_found),
        cmocka_unit_test(the_certificate_of_the_management_api_is_verified_unless_switched_off),
        cmocka_unit_test(a_queue_that_is_gone_is_asked_for_less_often),
        cmocka_unit_test(in_an_alarm_nothing_is_sent_and_it_is_said_why),
        cmocka_unit_test(without_probes_each_command_gets_its_own_answer),
        cmocka_unit_test(every_url_of_a_list_logs_in_as_it_says),
        cmocka_unit_test(a_certificate_logs_in_where_the_url_says_so),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
