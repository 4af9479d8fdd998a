/* Commands, replies, messages and depths on a private Redis. */
#include "services/broker/meter.h"
#include "services/broker/redis/redis.h"
#include "services/broker/rig_test.h"
#include "services/broker/session.h"
#include "services/broker/values.h"
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
static struct broker_url *url;
static struct broker_options options;
static struct broker_redis client;

static void connect_client(void)
{
    struct kn_buf error;
    kn_buf_init(&error, 0);
    assert_int_equal(broker_redis_open(&options, -1, &error, &client), KN_OK);
    kn_buf_fini(&error);
}

static int set_up(void **state)
{
    (void)state;
    rig_dir(&redis, "session", false);
    rig_redis_start(&redis, NULL);
    url = rig_url("redis://127.0.0.1:%d/2", redis.port);
    broker_options_init(&options);
    options.url = url;
    options.key_prefix = "pre:";
    connect_client();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    broker_redis_close(&client);
    broker_url_free(url);
    rig_stop(&redis, SIGTERM);
    rig_dir_remove(&redis);
    return 0;
}

/* Runs a command of words; returns its number, or the length of its text or list. */
static long long run(size_t count, const char *const *words, char *text, size_t size)
{
    struct kn_str args[8];
    for (size_t i = 0; i < count; i++)
        args[i] = kn_str_from(words[i]);
    redisReply *reply = broker_redis_command(&client, NULL, count, args);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    long long number = reply->integer;
    const redisReply *first = reply;
    if (reply->type == REDIS_REPLY_ARRAY) {
        number = (long long)reply->elements;
        first = reply->elements ? reply->element[0] : NULL;
    }
    if (text)
        snprintf(text, size, "%s", first && first->str ? first->str : "");
    freeReplyObject(reply);
    return number;
}
#define RUN(text, size, ...)                                                                       \
    run(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__},     \
        text, size)

static void a_command_reaches_who_listens_at_the_exchange(void **state)
{
    (void)state;
    struct broker_session *session = NULL;
    struct broker_options listen = options;
    struct broker_chunk *chunk = NULL;
    int64_t receivers = -1;
    const struct broker_outgoing message = {.envelope = KN_STR("{\"body\": 1}")};
    listen.event_exchange = "celery.pidbox";
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    assert_int_equal(broker_session_fanout(session, "celery.pidbox", &message, &receivers), KN_OK);
    assert_int_equal(receivers, 0);
    struct broker_receiver *receiver = rig_receiver(&listen);
    assert_true(rig_in_state(receiver, BROKER_CONNECTED));
    usleep(50000);
    assert_int_equal(broker_session_fanout(session, "celery.pidbox", &message, &receivers), KN_OK);
    assert_int_equal(receivers, 1);
    assert_int_equal(broker_receiver_take(receiver, KN_SECOND, &chunk), KN_OK);
    assert_true(kn_str_eq(chunk->messages[0].channel, KN_STR("pre:/2.celery.pidbox")));
    assert_true(kn_str_eq(chunk->messages[0].body, message.envelope));
    broker_receiver_release(receiver, chunk);
    broker_receiver_free(receiver);
    broker_session_free(session);
}

#define REPLY_SET "pre:_kombu.binding.reply.celery.pidbox"

static void replies_come_through_a_queue_that_is_bound_and_unbound(void **state)
{
    (void)state;
    struct broker_session *session = NULL;
    struct broker_message reply;
    char text[200];
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    assert_int_equal(broker_session_replies_receive(session, 1000, &reply), KN_CLOSED);
    RUN(NULL, 0, "LPUSH", "pre:oid.reply.celery.pidbox", "from before");
    assert_int_equal(broker_session_replies_open(session, "reply.celery.pidbox", "oid",
                                                 "oid.reply.celery.pidbox"),
                     KN_OK);
    assert_int_equal(RUN(text, sizeof(text), "SMEMBERS", REPLY_SET), 1);
    assert_string_equal(text, "oid\x06\x16\x06\x16oid.reply.celery.pidbox");
    assert_int_equal(broker_session_replies_receive(session, KN_SECOND / 10, &reply), KN_TIMEOUT);
    RUN(NULL, 0, "LPUSH", "pre:oid.reply.celery.pidbox", "one", "two");
    assert_int_equal(broker_session_replies_receive(session, KN_SECOND, &reply), KN_OK);
    assert_true(kn_str_eq(reply.body, KN_STR("one")));
    assert_int_equal(broker_session_replies_receive(session, KN_SECOND, &reply), KN_OK);
    assert_true(kn_str_eq(reply.body, KN_STR("two")));
    broker_session_replies_close(session);
    assert_int_equal(RUN(NULL, 0, "EXISTS", REPLY_SET), 0);
    broker_session_free(session);
}

static void a_reply_queue_is_taken_away_after_a_lost_connection_too(void **state)
{
    (void)state;
    struct broker_session *session = NULL;
    struct broker_message reply;
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    assert_int_equal(broker_session_replies_open(session, "reply.celery.pidbox", "oid", "q"),
                     KN_OK);
    RUN(NULL, 0, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    assert_int_equal(broker_session_replies_receive(session, KN_SECOND / 10, &reply), KN_CLOSED);
    assert_int_equal(RUN(NULL, 0, "SCARD", REPLY_SET), 1);
    broker_session_replies_close(session);
    assert_int_equal(RUN(NULL, 0, "EXISTS", REPLY_SET), 0);
    assert_int_equal(broker_session_replies_open(session, "reply.celery.pidbox", "oid", "q"),
                     KN_OK);
    RUN(NULL, 0, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    broker_session_free(session); /* without having noticed */
    assert_int_equal(RUN(NULL, 0, "EXISTS", REPLY_SET), 0);
}

#define MEMBER(key, queue) key "\x06\x16\x06\x16" queue

static void reply_queues_of_the_killed_are_swept_away_and_nobody_elses(void **state)
{
    (void)state;
    static const char *const kept[] = {
        MEMBER("x-99999999999-a", "x-99999999999-a.reply"), /* still in use */
        MEMBER("9b2e-some-uuid", "9b2e-some-uuid.reply"),   /* of other clients */
        MEMBER("x-1000", "no dash"),
        MEMBER("x--a", "no number"),
        MEMBER("x-10e3-a", "no number either"),
        "x-1000-a",
    };
    struct broker_session *session = NULL;
    int64_t now = 0;
    size_t count = 0;
    for (size_t i = 0; i < KN_COUNT_OF(kept); i++)
        RUN(NULL, 0, "SADD", REPLY_SET, kept[i]);
    for (int i = 0; i < 3000; i++) {
        char member[64];
        snprintf(member, sizeof(member), MEMBER("x-1000-%d", "late%d"), i, i);
        RUN(NULL, 0, "SADD", REPLY_SET, member);
    }
    RUN(NULL, 0, "LPUSH", "pre:late7", "a reply");
    RUN(NULL, 0, "LPUSH", "pre:x-99999999999-a.reply", "a reply");
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    assert_int_equal(broker_session_clock(session, &now), KN_OK);
    assert_in_range(now, kn_time_now() - KN_MINUTE, kn_time_now() + KN_MINUTE);
    assert_int_equal(broker_session_replies_sweep(session, "reply.celery.pidbox", "x-", &count),
                     KN_OK);
    assert_int_equal(count, 3000);
    assert_int_equal(RUN(NULL, 0, "SCARD", REPLY_SET), KN_COUNT_OF(kept));
    assert_int_equal(RUN(NULL, 0, "EXISTS", "pre:late7"), 0);
    assert_int_equal(RUN(NULL, 0, "EXISTS", "pre:x-99999999999-a.reply"), 1);
    assert_int_equal(broker_session_replies_sweep(session, "none", "x-", &count), KN_OK);
    assert_int_equal(count, 0);
    broker_session_free(session);
    RUN(NULL, 0, "FLUSHALL");
}

static void what_is_to_be_sent_once_is_not_sent_again(void **state)
{
    (void)state;
    struct broker_session *session = NULL;
    const struct broker_outgoing message = {.envelope = KN_STR("x"), .once = true};
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    assert_int_equal(broker_session_fanout(session, "e", &message, NULL), KN_OK);
    RUN(NULL, 0, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    assert_int_equal(broker_session_fanout(session, "e", &message, NULL), KN_UNCERTAIN);
    assert_int_equal(broker_session_fanout(session, "e", &message, NULL), KN_OK);
    broker_session_free(session);
    struct broker_options nowhere = options;
    struct broker_url *closed = rig_url("redis://127.0.0.1:%d/0", 1);
    nowhere.url = closed;
    assert_int_equal(broker_session_new(&nowhere, &session), KN_OK);
    assert_int_equal(broker_session_fanout(session, "e", &message, NULL), KN_IO);
    broker_session_free(session);
    broker_url_free(closed);
}

static void a_cut_connection_is_mended_by_the_next_call(void **state)
{
    (void)state;
    struct broker_session *session = NULL;
    const struct broker_outgoing message = {.envelope = KN_STR("x")};
    struct broker_message reply;
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    assert_int_equal(broker_session_replies_open(session, "r", "oid", "q"), KN_OK);
    rig_stop(&redis, SIGKILL);
    assert_int_equal(broker_session_replies_receive(session, KN_SECOND / 10, &reply), KN_CLOSED);
    assert_int_equal(broker_session_fanout(session, "e", &message, NULL), KN_IO);
    assert_non_null(strstr(broker_session_error(session), "refused"));
    rig_redis_start(&redis, NULL);
    broker_redis_close(&client);
    connect_client();
    assert_int_equal(broker_session_fanout(session, "e", &message, NULL), KN_OK);
    rig_stop(&redis, SIGKILL);
    rig_redis_start(&redis, NULL);
    broker_redis_close(&client);
    connect_client();
    assert_int_equal(broker_session_fanout(session, "e", &message, NULL), KN_OK);
    broker_session_free(session);
}

static void a_message_goes_to_the_list_of_its_priority(void **state)
{
    (void)state;
    static const struct {
        uint8_t priority;
        const char *list;
    } cases[] = {{0, "pre:jobs"},
                 {2, "pre:jobs"},
                 {3, "pre:jobs\x06\x16"
                     "3"},
                 {8, "pre:jobs\x06\x16"
                     "6"},
                 {9, "pre:jobs\x06\x16"
                     "9"}};
    struct broker_session *session = NULL;
    assert_int_equal(broker_session_new(&options, &session), KN_OK);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        const struct broker_outgoing message = {.envelope = KN_STR("m"),
                                                .priority = cases[i].priority};
        assert_int_equal(broker_session_send(session, "jobs", &message), KN_OK);
        assert_int_equal(RUN(NULL, 0, "LLEN", cases[i].list), i == 1 ? 2 : 1);
    }
    broker_session_free(session);
    RUN(NULL, 0, "FLUSHALL");
}

static const struct broker_depth *depth_of(const struct broker_depths *depths, const char *name)
{
    for (size_t i = 0; i < depths->count; i++) {
        if (kn_str_eq(depths->items[i].name, kn_str_from(name)))
            return &depths->items[i];
    }
    fail_msg("%s is not measured", name);
    return NULL;
}

static void queues_are_found_and_measured_with_priorities_and_what_is_unacknowledged(void **state)
{
    (void)state;
    struct broker_meter *meter = NULL;
    struct broker_depths depths;
    struct kn_arena arena;
    const struct kn_str names[] = {KN_STR("known"), KN_STR("known"), KN_STR("none")};
    kn_arena_init(&arena, 0);
    RUN(NULL, 0, "SADD", "pre:_kombu.binding.x",
        "rk\x06\x16\x06\x16"
        "found",
        "other\x06\x16\x06\x16second");
    RUN(NULL, 0, "SADD", "pre:_kombu.binding.celery.pidbox",
        "\x06\x16\x06\x16"
        "celery@h.celery.pidbox");
    RUN(NULL, 0, "SADD", "pre:_kombu.binding.celeryev",
        "\x06\x16\x06\x16"
        "celeryev.1");
    RUN(NULL, 0, "SADD", "pre:_kombu.binding.news",
        "\x06\x16\x06\x16"
        "bcast.0f8fad5b-d9cb-469f-a165-70867728950e");
    RUN(NULL, 0, "SADD", "_kombu.binding.y", "rk\x06\x16\x06\x16not ours");
    RUN(NULL, 0, "LPUSH", "pre:found", "1", "2", "3");
    RUN(NULL, 0, "LPUSH",
        "pre:found\x06\x16"
        "9",
        "1", "2");
    RUN(NULL, 0, "LPUSH", "pre:known", "1");
    RUN(NULL, 0, "SET", "pre:second", "no list");
    RUN(NULL, 0, "HSET", "pre:unacked", "t1", "[{\"b\": \"\\\"x\\\"\"}, \"x\", \"rk\"]");
    RUN(NULL, 0, "HSET", "pre:unacked", "t2", "[{\"b\":1},\"\",\"known\"]");
    RUN(NULL, 0, "HSET", "pre:unacked", "t3", "garbage");
    assert_int_equal(broker_meter_new(&options, &meter), KN_OK);
    for (int i = 0; i < 3; i++) {
        if (i == 2) { /* an idle connection that was cut */
            RUN(NULL, 0, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        }
        kn_arena_reset(&arena);
        assert_int_equal(broker_meter_measure(meter, names, 3, &arena, &depths), KN_OK);
        assert_int_equal(depths.count, 4);
        assert_int_equal(depths.unacked_total, 3);
        const struct broker_depth *found = depth_of(&depths, "found");
        assert_int_equal(found->messages, 5);
        assert_int_equal(found->unacked, 1);
        assert_int_equal(found->consumers, -1);
        assert_int_equal(found->priority_count, 2);
        assert_int_equal(found->priorities[1].priority, 9);
        assert_int_equal(found->priorities[1].messages, 2);
        assert_int_equal(depth_of(&depths, "known")->unacked, 1);
        assert_int_equal(depth_of(&depths, "second")->messages, 0);
        assert_int_equal(depth_of(&depths, "none")->messages, 0);
    }
    broker_meter_free(meter);
    kn_arena_fini(&arena);
    RUN(NULL, 0, "FLUSHALL");
}

static void values_are_read_by_their_keys_up_to_a_length(void **state)
{
    (void)state;
    struct broker_values *values = NULL;
    const struct kn_str keys[] = {KN_STR("one"), KN_STR("none"), KN_STR("a list"),
                                  KN_STR("ключ\n")};
    struct kn_str got[4];
    RUN(NULL, 0, "SET", "pre:one", "first value");
    RUN(NULL, 0, "SET", "pre:ключ\n", "x");
    RUN(NULL, 0, "LPUSH", "pre:a list", "y");
    assert_int_equal(broker_values_new(&options, &values), KN_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(broker_values_get(values, keys, 4, 5, got), KN_OK);
        assert_true(kn_str_eq(got[0], KN_STR("first")));
        assert_null(got[1].ptr);
        assert_null(got[2].ptr);
        assert_true(kn_str_eq(got[3], KN_STR("x")));
        RUN(NULL, 0, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    }
    rig_stop(&redis, SIGKILL);
    assert_int_equal(broker_values_get(values, keys, 4, 5, got), KN_IO);
    assert_true(*broker_values_error(values));
    rig_redis_start(&redis, NULL);
    assert_int_equal(broker_values_get(values, keys, 4, 5, got), KN_OK);
    assert_null(got[0].ptr);
    broker_values_free(values);
}

static void a_master_that_became_a_replica_is_left(void **state)
{
    (void)state;
    struct rig_server other;
    struct broker_options with = options;
    struct broker_session *session = NULL;
    const struct broker_outgoing message = {.envelope = KN_STR("{}")};
    char port[16];
    broker_redis_close(&client);
    connect_client();
    rig_dir(&other, "other", false);
    rig_redis_start(&other, NULL);
    struct broker_url *list =
        rig_url("redis://127.0.0.1:%d/2;redis://127.0.0.1:%d/2", redis.port, other.port);
    with.url = list;
    assert_int_equal(broker_session_new(&with, &session), KN_OK);
    assert_int_equal(broker_session_send(session, "demoted", &message), KN_OK);

    snprintf(port, sizeof(port), "%d", other.port);
    (void)run(3, (const char *const[]){"REPLICAOF", "127.0.0.1", port}, NULL, 0);
    assert_int_equal(broker_session_send(session, "demoted", &message), KN_DENIED);
    assert_non_null(strstr(broker_session_error(session), "READONLY"));
    if (broker_session_send(session, "demoted", &message) != KN_OK) /* the other takes it */
        fail_msg("%s", broker_session_error(session));
    /* what may be sent twice goes there at once */
    (void)run(3, (const char *const[]){"REPLICAOF", "NO", "ONE"}, NULL, 0);
    broker_session_free(session);
    assert_int_equal(broker_session_new(&with, &session), KN_OK);
    assert_int_equal(broker_session_replies_open(session, "reply.x", "a", "a.reply.x"), KN_OK);
    (void)run(3, (const char *const[]){"REPLICAOF", "127.0.0.1", port}, NULL, 0);
    assert_int_equal(broker_session_replies_open(session, "reply.x", "b", "b.reply.x"), KN_OK);
    broker_session_free(session);
    (void)run(3, (const char *const[]){"REPLICAOF", "NO", "ONE"}, NULL, 0);
    broker_url_free(list);
    rig_stop(&other, SIGTERM);
    rig_dir_remove(&other);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_reaches_who_listens_at_the_exchange),
        cmocka_unit_test(replies_come_through_a_queue_that_is_bound_and_unbound),
        cmocka_unit_test(a_reply_queue_is_taken_away_after_a_lost_connection_too),
        cmocka_unit_test(reply_queues_of_the_killed_are_swept_away_and_nobody_elses),
        cmocka_unit_test(what_is_to_be_sent_once_is_not_sent_again),
        cmocka_unit_test(a_message_goes_to_the_list_of_its_priority),
        cmocka_unit_test(queues_are_found_and_measured_with_priorities_and_what_is_unacknowledged),
        cmocka_unit_test(a_cut_connection_is_mended_by_the_next_call),
        cmocka_unit_test(values_are_read_by_their_keys_up_to_a_length),
        cmocka_unit_test(a_master_that_became_a_replica_is_left),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
