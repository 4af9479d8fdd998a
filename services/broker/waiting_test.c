/* What waits on a private Redis and a private RabbitMQ: seen, purged, moved. */
#include "services/broker/waiting.h"

#include "services/broker/amqp/amqp.h"
#include "services/broker/redis/redis.h"
#include "services/broker/rig_test.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

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

#define SIX                                                                                        \
    "\x06\x16"                                                                                     \
    "6"

static struct rig_server server;
static struct broker_url *url;
static struct broker_options options;
static struct broker_session *session;
static struct kn_arena arena;
static bool rabbit;

/* ---- the client of each broker --------------------------------------------------------- */

static struct broker_redis redis;
static struct broker_amqp amqp;
static struct kn_buf error;

static void open_client(void)
{
    if (rabbit) {
        assert_int_equal(broker_amqp_open(&options, 0, -1, &error, &amqp), KN_OK);
        assert_int_equal(broker_amqp_channel(&amqp, 1, &error), KN_OK);
    } else {
        assert_int_equal(broker_redis_open(&options, -1, &error, &redis), KN_OK);
    }
}

static long long run(size_t count, const char *const *words)
{
    struct kn_str args[8];
    for (size_t i = 0; i < count; i++)
        args[i] = kn_str_from(words[i]);
    redisReply *reply = broker_redis_command(&redis, NULL, count, args);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    long long number = reply->integer;
    freeReplyObject(reply);
    return number;
}
#define RUN(...)                                                                                   \
    run(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

static void declare(const char *queue, bool quorum)
{
    amqp_table_entry_t entry = {
        .key = amqp_cstring_bytes("x-queue-type"),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("quorum")}};
    amqp_table_t table = {.num_entries = quorum, .entries = &entry};
    if (!rabbit)
        return;
    amqp_queue_declare(amqp.conn, 1, amqp_cstring_bytes(queue), 0, 1, 0, 0, table);
    assert_int_equal(broker_amqp_outcome(&amqp, &error), KN_OK);
}

static const char *envelope(int number, const char *key)
{
    static char text[256];
    snprintf(text, sizeof text,
             "{\"body\": \"%d\", \"properties\": {\"delivery_info\": {\"exchange\": \"\", "
             "\"routing_key\": \"%s\"}}}",
             number, key);
    return text;
}

/* Messages from first on, to the queue (on Redis: a list). */
static void fill(const char *queue, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        amqp_basic_properties_t p = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2};
        if (!rabbit)
            RUN("LPUSH", queue, envelope(i, "from"));
        else
            assert_int_equal(amqp_basic_publish(amqp.conn, 1, amqp_empty_bytes,
                                                amqp_cstring_bytes(queue), 0, 0, &p,
                                                amqp_cstring_bytes(text)),
                             0);
    }
}

static uint64_t total(const char *queue)
{
    struct broker_page page;
    assert_int_equal(
        broker_session_look(session, &(struct broker_look){.queue = queue}, &arena, &page), KN_OK);
    assert_int_equal(page.count, 0);
    return page.total;
}

/* On RabbitMQ what was published shows after a moment. */
static void await_total(const char *queue, uint64_t wanted)
{
    for (int i = 0; i < 500 && total(queue) != wanted; i++)
        usleep(10000);
    assert_int_equal(total(queue), wanted);
}

static int number_of(const struct broker_waiting *message)
{
    char text[400];
    snprintf(text, sizeof text, "%.*s", KN_STR_ARG(message->envelope));
    const char *body = strstr(text, "\"body\"");
    assert_non_null(body);
    if (!rabbit)
        return atoi(body + 9);
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, have = 0, number = 0;
    for (const char *c = body + 8; strchr(digits, *c) && *c; c++) {
        bits = bits << 6 | (unsigned)(strchr(digits, *c) - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            number = number * 10 + (bits >> have & 0xff) - '0';
        }
    }
    return (int)number;
}

static struct broker_page look(const char *queue, struct kn_str cursor, size_t limit)
{
    struct broker_page page;
    const struct broker_look what = {
        .queue = queue, .cursor = cursor, .limit = limit, .bytes_max = 1 << 20};
    assert_int_equal(broker_session_look(session, &what, &arena, &page), KN_OK);
    return page;
}

static void check_numbers(const struct broker_page *page, size_t count, const int *wanted)
{
    assert_int_equal(page->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(number_of(&page->items[i]), wanted[i]);
}
#define NUMBERS(page, ...)                                                                         \
    check_numbers(page, sizeof((int[]){__VA_ARGS__}) / sizeof(int), (int[]){__VA_ARGS__})

static void clear(void)
{
    kn_arena_reset(&arena);
    if (!rabbit) {
        RUN("FLUSHALL");
        return;
    }
    for (int i = 0; i < 2; i++) {
        amqp_queue_delete(amqp.conn, 1, amqp_cstring_bytes(i ? "from" : "to"), 0, 0);
        assert_int_equal(broker_amqp_outcome(&amqp, &error), KN_OK);
        declare(i ? "from" : "to", false);
    }
}

/* ---- tests of both -------------------------------------------------------------------- */

static void looking_changes_nothing(void **state)
{
    (void)state;
    clear();
    fill("from", 1, 5);
    await_total("from", 5);
    for (int round = 0; round < 3; round++) {
        struct broker_page page = look("from", KN_STR(""), 3);
        NUMBERS(&page, 1, 2, 3);
        assert_int_equal(page.total, 5);
        assert_true(page.more);
    }
    struct broker_page page = look("from", KN_STR(""), 100);
    NUMBERS(&page, 1, 2, 3, 4, 5);
    assert_false(page.more);
}

static void a_purge_that_would_take_another_number_is_refused(void **state)
{
    (void)state;
    uint64_t count = 0;
    clear();
    fill("from", 1, 20);
    await_total("from", 20);
    struct broker_purge purge = {.queue = "from", .expected = 5, .tolerance = 10};
    assert_int_equal(broker_session_purge(session, &purge, &count), KN_CONFLICT);
    assert_int_equal(count, 20);
    assert_int_equal(total("from"), 20);
    purge.expected = 25;
    assert_int_equal(broker_session_purge(session, &purge, &count), KN_OK);
    assert_int_equal(count, 20);
    assert_int_equal(total("from"), 0);
}

static void a_purge_takes_the_oldest_up_to_a_number(void **state)
{
    (void)state;
    static const uint64_t left[] = {18, 3, 0};
    uint64_t count = 0;
    for (size_t i = 0; i < 3; i++) { /* few, most, and more than there are */
        clear();
        fill("from", 1, 20);
        await_total("from", 20);
        struct broker_purge purge = {.queue = "from",
                                     .expected = 5,
                                     .max = i < 2 ? 20 - left[i] : 1000,
                                     .deadline = kn_time_mono() + 20 * KN_SECOND};
        assert_int_equal(broker_session_purge(session, &purge, &count), KN_OK);
        assert_int_equal(count, 20 - left[i]);
        await_total("from", left[i]);
        struct broker_page page = look("from", KN_STR(""), 3);
        for (size_t k = 0; k < page.count; k++)
            assert_int_equal(number_of(&page.items[k]), 21 - left[i] + k);
    }
}

static void a_move_keeps_the_order_and_what_waits_there(void **state)
{
    (void)state;
    struct broker_moved moved;
    clear();
    fill("from", 1, 4);
    fill("to", 9, 1);
    await_total("from", 4);
    struct broker_move move = {
        .from = "from", .to = "to", .max = 3, .deadline = kn_time_mono() + 10 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_OK);
    assert_int_equal(moved.found, 4);
    assert_int_equal(moved.moved, 3);
    await_total("to", 4);
    struct broker_page page = look("to", KN_STR(""), 10);
    NUMBERS(&page, 9, 1, 2, 3);
    page = look("from", KN_STR(""), 10);
    NUMBERS(&page, 4);
}

static bool is_even(void *arg, struct kn_str text)
{
    (void)arg;
    return number_of(&(struct broker_waiting){.envelope = text}) % 2 == 0;
}

static void only_those_that_are_wanted_are_moved(void **state)
{
    (void)state;
    struct broker_moved moved;
    clear();
    fill("from", 1, 150);
    await_total("from", 150);
    struct broker_move move = {.from = "from",
                               .to = "to",
                               .max = 1000,
                               .deadline = kn_time_mono() + 20 * KN_SECOND,
                               .wanted = is_even};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_OK);
    assert_int_equal(moved.moved, 75);
    await_total("to", 75);
    await_total("from", 75);
    struct broker_page page = look("to", KN_STR(""), 3);
    NUMBERS(&page, 2, 4, 6);
    page = look("from", KN_STR(""), 3);
    NUMBERS(&page, 1, 3, 5);
}

static void is_gone(void *arg)
{
    (void)arg;
}

static struct broker_removal removal_of(const char *queue, uint64_t max)
{
    return (struct broker_removal){.queue = queue,
                                   .cursor = KN_STR(""),
                                   .max = max,
                                   .look_max = 1000,
                                   .deadline = kn_time_mono() + 20 * KN_SECOND,
                                   .wanted = is_even,
                                   .gone = is_gone};
}

static void only_those_that_are_wanted_are_removed(void **state)
{
    (void)state;
    struct broker_removed removed;
    clear();
    fill("from", 1, 250);
    await_total("from", 250);
    struct broker_removal removal = removal_of("from", 3);
    assert_int_equal(broker_session_remove(session, &removal, &removed), KN_OK);
    assert_int_equal(removed.removed, 3);
    assert_true(removed.complete);
    await_total("from", 247);
    struct broker_page page = look("from", KN_STR(""), 6);
    NUMBERS(&page, 1, 3, 5, 7, 8, 9);
    removal.max = 1000;
    removal.look_max = 100;
    assert_int_equal(broker_session_remove(session, &removal, &removed), KN_OK);
    assert_false(removed.complete);
    removal.look_max = 1000;
    assert_int_equal(broker_session_remove(session, &removal, &removed), KN_OK);
    assert_true(removed.complete);
    await_total("from", 125);
    page = look("from", KN_STR(""), 4);
    NUMBERS(&page, 1, 3, 5, 7);
}

static bool is_next(void *arg, struct kn_str text)
{
    int *next = arg;
    if (number_of(&(struct broker_waiting){.envelope = text}) != *next)
        return false;
    *next += 2;
    return true;
}

static void a_removal_goes_on_where_the_one_before_ended(void **state)
{
    (void)state;
    struct broker_removed removed = {0};
    int next = 1; /* those without a priority are odd, the others even */
    clear();
    for (int i = 1; i <= 1200; i++)
        fill(i % 2 ? "from" : "from" SIX, i, 1);
    for (int i = 0; i < 6; i++) {
        char cursor[BROKER_CURSOR_MAX];
        snprintf(cursor, sizeof cursor, "%s", removed.cursor);
        struct broker_removal removal = removal_of("from", 50);
        removal.cursor = kn_str_from(cursor);
        removal.look_max = 400; /* of both lists */
        removal.wanted = is_next;
        removal.arg = &next;
        assert_int_equal(broker_session_remove(session, &removal, &removed), KN_OK);
        assert_int_equal(removed.removed, 50);
        RUN("RPOP", "from" SIX); /* a worker */
    }
    assert_int_equal(next, 601);
    int nobody = -1;
    struct broker_removal vain = removal_of("from", 50);
    char before[BROKER_CURSOR_MAX];
    snprintf(before, sizeof before, "%s", removed.cursor);
    vain.cursor = kn_str_from(before);
    vain.wanted = is_next;
    vain.arg = &nobody;
    assert_int_equal(broker_session_remove(session, &vain, &removed), KN_OK);
    assert_true(removed.complete);
    assert_string_equal(removed.cursor, before); /* those behind it may be wanted next */
    assert_int_equal(total("from"), 1200 - 300 - 6);
    struct broker_page page = look("from", KN_STR(""), 2);
    NUMBERS(&page, 601, 603);
    struct broker_removal wrong = removal_of("from", 1);
    wrong.cursor = KN_STR("nonsense");
    assert_int_equal(broker_session_remove(session, &wrong, &removed), KN_INVALID);
}

static void a_queue_that_would_lose_its_order_is_refused(void **state)
{
    (void)state;
    struct broker_removed removed;
    struct broker_removal removal = removal_of("refusing", 1);
    declare("refusing", true);
    clear();
    fill("refusing", 1, 5);
    await_total("refusing", 5);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(broker_session_remove(session, &removal, &removed), KN_UNSUPPORTED);
        assert_int_equal(removed.removed, 0);
    }
    for (int i = 0; i < 5; i++) {
        amqp_rpc_reply_t reply = amqp_basic_get(amqp.conn, 1, amqp_cstring_bytes("refusing"), 1);
        amqp_message_t message;
        assert_int_equal(reply.reply.id, AMQP_BASIC_GET_OK_METHOD);
        assert_false(((amqp_basic_get_ok_t *)reply.reply.decoded)->redelivered);
        assert_int_equal(amqp_read_message(amqp.conn, 1, &message, 0).reply_type,
                         AMQP_RESPONSE_NORMAL);
        amqp_destroy_message(&message);
    }
    fill("from", 1, 5);
    await_total("from", 5);
    amqp_basic_qos(amqp.conn, 1, 0, 1, 0);
    amqp_basic_consume(amqp.conn, 1, amqp_cstring_bytes("from"), amqp_cstring_bytes("me"), 0, 0, 0,
                       amqp_empty_table);
    assert_int_equal(broker_amqp_outcome(&amqp, &error), KN_OK);
    removal.queue = "from";
    assert_int_equal(broker_session_remove(session, &removal, &removed), KN_CONFLICT);
    broker_amqp_close(&amqp, true);
    open_client();
    await_total("from", 5);
    removal.queue = "nowhere";
    assert_int_equal(broker_session_remove(session, &removal, &removed), KN_NOT_FOUND);
}

/* Takes what it can, as a worker does, and notes it. */
struct worker {
    pthread_t thread;
    int *seen; /* by number */
    volatile bool stop;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct broker_options mine = options;
    struct kn_buf why;
    kn_buf_init(&why, 0);
    struct broker_redis r = {0};
    struct broker_amqp a = {0};
    bool ok = rabbit ? broker_amqp_open(&mine, 0, -1, &why, &a) == KN_OK &&
                           broker_amqp_channel(&a, 1, &why) == KN_OK
                     : broker_redis_open(&mine, -1, &why, &r) == KN_OK;
    while (ok && !worker->stop) {
        if (rabbit) {
            amqp_rpc_reply_t got = amqp_basic_get(a.conn, 1, amqp_cstring_bytes("from"), 1);
            amqp_message_t message;
            if (got.reply.id == AMQP_BASIC_GET_OK_METHOD &&
                amqp_read_message(a.conn, 1, &message, 0).reply_type == AMQP_RESPONSE_NORMAL) {
                char text[16];
                snprintf(text, sizeof text, "%.*s", (int)message.body.len,
                         (char *)message.body.bytes);
                worker->seen[atoi(text)]++;
                amqp_destroy_message(&message);
            }
            amqp_maybe_release_buffers(a.conn);
        } else {
            const struct kn_str pop[] = {KN_STR("RPOP"), KN_STR("from")};
            redisReply *reply = broker_redis_command(&r, NULL, 2, pop);
            if (reply && reply->type == REDIS_REPLY_STRING)
                worker->seen[number_of(
                    &(struct broker_waiting){.envelope = {reply->str, reply->len}})]++;
            freeReplyObject(reply);
        }
        usleep(300);
    }
    broker_redis_close(&r);
    broker_amqp_close(&a, true);
    kn_buf_fini(&why);
    return NULL;
}

static void nothing_is_lost_or_doubled_beside_a_worker(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct worker worker = {.seen = calloc(COUNT + 1, sizeof(int))};
    struct broker_moved moved;
    clear();
    fill("from", 1, COUNT);
    await_total("from", COUNT);
    assert_int_equal(pthread_create(&worker.thread, NULL, work, &worker), 0);
    struct broker_move move = {
        .from = "from", .to = "to", .max = COUNT, .deadline = kn_time_mono() + 60 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_OK);
    await_total("from", 0);
    worker.stop = true;
    pthread_join(worker.thread, NULL);
    assert_false(moved.late);
    assert_int_equal(total("to"), moved.moved);
    int last = 0, taken = 0;
    for (int i = 1; i <= COUNT; i++)
        taken += worker.seen[i];
    assert_int_equal(moved.moved + (uint64_t)taken, COUNT);
    for (uint64_t left = moved.moved; left > 0;) { /* each is in one of the two places */
        kn_arena_reset(&arena);
        struct broker_page page = look("to", KN_STR(""), 100);
        uint64_t count = 0;
        for (size_t i = 0; i < page.count; i++) {
            int number = number_of(&page.items[i]);
            assert_true(number > last);
            last = number;
            worker.seen[number]++;
        }
        left -= page.count;
        struct broker_move away = {.from = "to",
                                   .to = "from",
                                   .max = page.count,
                                   .deadline = kn_time_mono() + 60 * KN_SECOND};
        assert_int_equal(broker_session_move(session, &away, &moved), KN_OK);
        count = moved.moved;
        assert_int_equal(count, page.count);
    }
    for (int i = 1; i <= COUNT; i++)
        assert_int_equal(worker.seen[i], 1);
    free(worker.seen);
}

/* ---- Redis ----------------------------------------------------------------------------- */

static void pages_go_on_while_workers_take_and_clients_send(void **state)
{
    (void)state;
    clear();
    fill("from", 1, 3);
    fill("from" SIX, 11, 400);
    struct broker_page page = look("from", KN_STR(""), 5);
    NUMBERS(&page, 1, 2, 3, 11, 12);
    assert_int_equal(page.total, 403);
    RUN("RPOP", "from");
    fill("from", 4, 1); /* new, and more urgent */
    RUN("RPOP", "from" SIX);
    page = look("from", page.cursor, 3);
    NUMBERS(&page, 4, 13, 14);
    for (int i = 0; i < 200; i++) /* far beyond the page */
        RUN("RPOP", "from" SIX);
    page = look("from", page.cursor, 2);
    NUMBERS(&page, 212, 213);
    struct kn_str kept = page.cursor;
    RUN("RPOPLPUSH", "from" SIX, "other");
    RUN("RPUSH", "from" SIX, envelope(212, "from")); /* given back */
    page = look("from", kept, 2);
    NUMBERS(&page, 214, 215);
    while (page.more)
        page = look("from", page.cursor, 100);
    page = look("from", page.cursor, 100);
    assert_int_equal(page.count, 0);
    fill("from", 5, 2);
    page = look("from", page.cursor, 100);
    NUMBERS(&page, 5, 6);
    static const char *const wrong[] = {"x", "1.", "1.abc,2.", "1.,1.,1.,1.,", "-1.,0.,0.,0."};
    for (size_t i = 0; i < KN_COUNT_OF(wrong); i++) {
        const struct broker_look what = {.queue = "from", .cursor = kn_str_from(wrong[i])};
        assert_int_equal(broker_session_look(session, &what, &arena, &page), KN_INVALID);
    }
}

static void a_page_is_bounded_and_a_long_message_is_cut(void **state)
{
    (void)state;
    clear();
    fill("from", 1, 10);
    char *huge = malloc(options.message_max + 10);
    memset(huge, 'x', options.message_max + 9);
    huge[options.message_max + 9] = '\0';
    RUN("LPUSH", "from", huge);
    struct broker_page page;
    struct broker_look what = {.queue = "from", .limit = 100, .bytes_max = 250};
    assert_int_equal(broker_session_look(session, &what, &arena, &page), KN_OK);
    assert_in_range(page.count, 2, 3);
    what.bytes_max = 1 << 20;
    assert_int_equal(broker_session_look(session, &what, &arena, &page), KN_OK);
    assert_int_equal(page.count, 11);
    assert_true(page.items[10].cut);
    assert_int_equal(page.items[10].size, options.message_max + 9);
    struct broker_moved moved;
    struct broker_move move = {
        .from = "from", .to = "to", .max = 100, .deadline = kn_time_mono() + 10 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_TOO_BIG);
    assert_int_equal(moved.moved, 10);
    assert_int_equal(total("from"), 1);
    free(huge);
}

static void a_move_keeps_priorities_and_says_the_new_place(void **state)
{
    (void)state;
    struct broker_moved moved;
    clear();
    fill("from" SIX, 1, 1);
    RUN("LPUSH", "from", "no envelope");
    struct broker_move move = {
        .from = "from", .to = "to", .max = 100, .deadline = kn_time_mono() + 10 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_OK);
    assert_int_equal(moved.moved, 2);
    assert_int_equal(RUN("LREM", "to", "1", "no envelope"), 1);
    assert_int_equal(RUN("LREM", "to" SIX, "1", envelope(1, "to")), 1);
    fill("from", 1, 1);
    RUN("SET", "to", "no list");
    assert_int_equal(broker_session_move(session, &move, &moved), KN_DENIED);
    assert_int_equal(moved.moved, 0);
    assert_int_equal(total("from"), 1);
}

static void what_a_purge_took_can_be_read_once(void **state)
{
    (void)state;
    uint64_t count = 0;
    struct broker_page page;
    clear();
    fill("from", 1, 3);
    fill("from" SIX, 4, 2);
    struct broker_purge purge = {.queue = "from",
                                 .expected = 5,
                                 .keep = "kept",
                                 .kept = "set",
                                 .member = KN_STR("kept from")};
    struct broker_page members;
    assert_int_equal(broker_session_purge(session, &purge, &count), KN_OK);
    assert_int_equal(count, 5);
    assert_int_equal(broker_session_kept(session, "set", &arena, &members), KN_OK);
    assert_int_equal(members.count, 1);
    assert_true(kn_str_eq(members.items[0].envelope, KN_STR("kept from")));
    assert_in_range(RUN("TTL", "set"), 3000, 3600);
    assert_int_equal(broker_session_purged_end(session, "set", members.items[0].envelope), KN_OK);
    assert_int_equal(broker_session_kept(session, "set", &arena, &members), KN_OK);
    assert_int_equal(members.count, 0);
    assert_int_equal(total("from"), 0);
    assert_in_range(RUN("TTL", "kept"), 3000, 3600);
    assert_int_equal(broker_session_purged(session, "kept", 2, &arena, &page), KN_OK);
    NUMBERS(&page, 1, 2);
    assert_int_equal(broker_session_purged(session, "kept", 10, &arena, &page), KN_OK);
    NUMBERS(&page, 3);
    assert_int_equal(broker_session_purged(session, "kept", 10, &arena, &page), KN_OK);
    NUMBERS(&page, 4, 5);
    assert_int_equal(broker_session_purged(session, "kept", 10, &arena, &page), KN_OK);
    assert_int_equal(page.count, 0);
    assert_int_equal(RUN("DBSIZE"), 0);
}

/* ---- RabbitMQ -------------------------------------------------------------------------- */

static void a_queue_that_is_not_there_is_said_to_be_missing(void **state)
{
    (void)state;
    struct broker_moved moved;
    struct broker_page page;
    uint64_t count;
    clear();
    fill("from", 1, 2);
    await_total("from", 2);
    const struct broker_look what = {.queue = "nowhere", .limit = 1};
    assert_int_equal(broker_session_look(session, &what, &arena, &page), KN_NOT_FOUND);
    const struct broker_purge purge = {.queue = "nowhere"};
    assert_int_equal(broker_session_purge(session, &purge, &count), KN_NOT_FOUND);
    const struct broker_move move = {
        .from = "from", .to = "nowhere", .max = 5, .deadline = kn_time_mono() + KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_NOT_FOUND);
    await_total("from", 2);
}

static void a_message_that_was_given_back_is_spared_on_request(void **state)
{
    (void)state;
    struct broker_page page;
    clear();
    fill("from", 1, 2);
    await_total("from", 2);
    const struct broker_look what = {
        .queue = "from", .limit = 1, .bytes_max = 1000, .spare_redelivered = true};
    assert_int_equal(broker_session_look(session, &what, &arena, &page), KN_OK);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.consumers, 0);
    assert_int_equal(broker_session_look(session, &what, &arena, &page), KN_OK);
    assert_int_equal(page.count, 0);
    page = look("from", KN_STR(""), 2);
    assert_true(page.items[0].redelivered);
    assert_false(page.items[1].redelivered);
}

static void a_quorum_queue_is_moved_too(void **state)
{
    (void)state;
    struct broker_moved moved;
    declare("quorum", true);
    clear();
    fill("from", 1, 150);
    await_total("from", 150);
    struct broker_move move = {
        .from = "from", .to = "quorum", .max = 1000, .deadline = kn_time_mono() + 20 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_OK);
    assert_int_equal(moved.moved, 150);
    await_total("quorum", 150);
    move.from = "quorum";
    move.to = "from";
    assert_int_equal(broker_session_move(session, &move, &moved), KN_OK);
    assert_int_equal(moved.moved, 150);
    await_total("from", 150);
    struct broker_page page = look("from", KN_STR(""), 2);
    NUMBERS(&page, 1, 2);
}

static bool is_second(void *arg, struct kn_str envelope)
{
    (void)arg;
    (void)envelope;
    return false;
}

/* With a delivery limit of one, two looks would discard everything. */
static void a_quorum_queue_is_not_looked_at(void **state)
{
    (void)state;
    struct broker_page page;
    struct broker_moved moved;
    declare("quorum.looked", true);
    fill("quorum.looked", 1, 40);
    await_total("quorum.looked", 40);
    const struct broker_look what = {.queue = "quorum.looked", .limit = 17, .bytes_max = 1 << 20};
    struct broker_move move = {.from = "quorum.looked",
                               .to = "to",
                               .max = 10,
                               .wanted = is_second,
                               .deadline = kn_time_mono() + 20 * KN_SECOND};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(broker_session_look(session, &what, &arena, &page), KN_UNSUPPORTED);
        assert_int_equal(broker_session_move(session, &move, &moved), KN_UNSUPPORTED);
    }
    clear();
    move = (struct broker_move){.from = "quorum.looked",
                                .to = "to",
                                .max = 40,
                                .deadline = kn_time_mono() + 20 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_OK);
    assert_int_equal(moved.moved, 40);
    await_total("to", 40);
    page = look("to", KN_STR(""), 3);
    NUMBERS(&page, 1, 2, 3);
}

static void declare_with(const char *queue, const char *key, const char *text, const char *number,
                         int64_t value)
{
    amqp_table_entry_t entries[2] = {
        {.key = amqp_cstring_bytes(key),
         .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(text)}}};
    amqp_table_t table = {.num_entries = 1, .entries = entries};
    if (number)
        entries[table.num_entries++] =
            (amqp_table_entry_t){.key = amqp_cstring_bytes(number),
                                 .value = {.kind = AMQP_FIELD_KIND_I64, .value.i64 = value}};
    amqp_queue_declare(amqp.conn, 1, amqp_cstring_bytes(queue), 0, 1, 0, 0, table);
    assert_int_equal(broker_amqp_outcome(&amqp, &error), KN_OK);
}

static void a_stream_is_refused(void **state)
{
    (void)state;
    uint64_t count;
    struct broker_page page;
    struct broker_moved moved;
    clear();
    declare_with("stream", "x-queue-type", "stream", NULL, 0);
    fill("stream", 1, 3);
    const struct broker_look what = {.queue = "stream", .limit = 2, .bytes_max = 1000};
    assert_int_equal(broker_session_look(session, &what, &arena, &page), KN_UNSUPPORTED);
    const struct broker_purge purge = {.queue = "stream", .tolerance = UINT64_MAX};
    assert_int_equal(broker_session_purge(session, &purge, &count), KN_UNSUPPORTED);
    const struct broker_move move = {
        .from = "stream", .to = "to", .max = 9, .deadline = kn_time_mono() + 20 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_UNSUPPORTED);
    assert_int_equal(moved.moved, 0);
    assert_int_equal(total("to"), 0);
    fill("from", 1, 3);
    await_total("from", 3);
    const struct broker_move into = {
        .from = "from", .to = "stream", .max = 9, .deadline = kn_time_mono() + 20 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &into, &moved), KN_UNSUPPORTED);
    assert_non_null(strstr(broker_session_error(session), "\"stream\" is a stream"));
    assert_int_equal(moved.moved, 0);
    await_total("from", 3);
    page = look("from", KN_STR(""), 3);
    NUMBERS(&page, 1, 2, 3);
    assert_int_equal(broker_session_no_stream(session, "stream"), KN_UNSUPPORTED);
    assert_int_equal(broker_session_no_stream(session, "from"), KN_OK);
    clear();
    assert_int_equal(broker_session_no_stream(session, "from"), KN_OK);
    assert_int_equal(broker_session_no_stream(session, "none.such"), KN_NOT_FOUND);
}

static void a_full_queue_leaves_everything_as_it_was(void **state)
{
    (void)state;
    struct broker_moved moved;
    clear();
    declare_with("full", "x-overflow", "reject-publish", "x-max-length", 5);
    fill("full", 101, 5);
    fill("from", 1, 40);
    await_total("full", 5);
    await_total("from", 40);
    const struct broker_move move = {
        .from = "from", .to = "full", .max = 40, .deadline = kn_time_mono() + 20 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_FULL);
    assert_int_equal(moved.moved, 0);
    assert_non_null(strstr(broker_session_error(session), "full"));
    await_total("from", 40);
    struct broker_page page = look("from", KN_STR(""), 3);
    NUMBERS(&page, 1, 2, 3);
    assert_int_equal(total("full"), 5);
    await_total("from", 40);
}

/* Room for six: those that fit are there, and all of the others are in their queue. */
static void a_queue_that_gets_full_takes_what_is_said(void **state)
{
    (void)state;
    struct broker_moved moved;
    clear();
    declare_with("small", "x-overflow", "reject-publish", "x-max-length", 6);
    fill("from", 1, 40);
    await_total("from", 40);
    const struct broker_move move = {
        .from = "from", .to = "small", .max = 40, .deadline = kn_time_mono() + 20 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_CONFLICT);
    assert_true(moved.moved >= 3 && moved.moved <= 6);
    assert_non_null(strstr(broker_session_error(session), "full"));
    await_total("from", 40 - moved.moved);
}

static void the_first_message_of_a_look_is_not_marked_by_it(void **state)
{
    (void)state;
    clear();
    fill("from", 1, 2);
    await_total("from", 2);
    struct broker_page page = look("from", KN_STR(""), 2);
    NUMBERS(&page, 1, 2);
    assert_false(page.items[0].redelivered);
    assert_false(page.items[1].redelivered);
}

static void a_moved_message_is_not_delivered_to_others_again(void **state)
{
    (void)state;
    struct broker_moved moved;
    clear();
    declare("copies", false);
    amqp_field_value_t copy = {.kind = AMQP_FIELD_KIND_UTF8,
                               .value.bytes = amqp_cstring_bytes("copies")};
    amqp_table_entry_t header = {.key = amqp_cstring_bytes("CC"),
                                 .value = {.kind = AMQP_FIELD_KIND_ARRAY,
                                           .value.array = {.num_entries = 1, .entries = &copy}}};
    const amqp_basic_properties_t properties = {._flags = AMQP_BASIC_HEADERS_FLAG |
                                                          AMQP_BASIC_EXPIRATION_FLAG,
                                                .headers = {.num_entries = 1, .entries = &header},
                                                .expiration = amqp_cstring_bytes("3600000")};
    assert_int_equal(amqp_basic_publish(amqp.conn, 1, amqp_empty_bytes, amqp_cstring_bytes("from"),
                                        0, 0, &properties, amqp_cstring_bytes("{}")),
                     0);
    await_total("copies", 1);
    await_total("from", 1);
    const struct broker_move move = {
        .from = "from", .to = "to", .max = 1, .deadline = kn_time_mono() + 20 * KN_SECOND};
    assert_int_equal(broker_session_move(session, &move, &moved), KN_OK);
    await_total("to", 1);
    assert_int_equal(total("copies"), 1);
    struct broker_page page = look("to", KN_STR(""), 1); /* it still expires */
    assert_true(memmem(page.items[0].envelope.ptr, page.items[0].envelope.len,
                       KN_STR("\"expiration\":\"3600000\"").ptr, 22));
}

/* ---- life ------------------------------------------------------------------------------ */

static void prepare(void)
{
    kn_buf_init(&error, 0);
    kn_arena_init(&arena, 0);
    broker_options_init(&options);
    options.message_max = 64 << 10;
    options.url = url;
}

static int set_up_redis(void **state)
{
    (void)state;
    rig_dir(&server, "waiting", false);
    rig_redis_start(&server, NULL);
    url = rig_url("redis://127.0.0.1:%d/2", server.port);
    prepare();
    open_client();
    return broker_session_new(&options, &session);
}

static int set_up_rabbit(void **state)
{
    (void)state;
    rabbit = true;
    rig_dir(&server, "waiting", true);
    if (!rig_rabbit_start(&server, false))
        return 1;
    url = rig_url("amqp://127.0.0.1:%d", server.port);
    prepare();
    open_client();
    declare("from", false);
    declare("to", false);
    return broker_session_new(&options, &session);
}

static int tear_down(void **state)
{
    (void)state;
    broker_session_free(session);
    broker_redis_close(&redis);
    broker_amqp_close(&amqp, true);
    broker_url_free(url);
    kn_buf_fini(&error);
    kn_arena_fini(&arena);
    if (rabbit)
        rig_rabbit_stop(&server);
    else
        rig_stop(&server, SIGTERM);
    rig_dir_remove(&server);
    return 0;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest on_redis[] = {
        cmocka_unit_test(looking_changes_nothing),
        cmocka_unit_test(a_purge_that_would_take_another_number_is_refused),
        cmocka_unit_test(a_purge_takes_the_oldest_up_to_a_number),
        cmocka_unit_test(a_move_keeps_the_order_and_what_waits_there),
        cmocka_unit_test(only_those_that_are_wanted_are_moved),
        cmocka_unit_test(only_those_that_are_wanted_are_removed),
        cmocka_unit_test(a_removal_goes_on_where_the_one_before_ended),
        cmocka_unit_test(nothing_is_lost_or_doubled_beside_a_worker),
        cmocka_unit_test(pages_go_on_while_workers_take_and_clients_send),
        cmocka_unit_test(a_page_is_bounded_and_a_long_message_is_cut),
        cmocka_unit_test(a_move_keeps_priorities_and_says_the_new_place),
        cmocka_unit_test(what_a_purge_took_can_be_read_once),
    };
    const struct CMUnitTest on_rabbit[] = {
        cmocka_unit_test(looking_changes_nothing),
        cmocka_unit_test(a_purge_that_would_take_another_number_is_refused),
        cmocka_unit_test(a_purge_takes_the_oldest_up_to_a_number),
        cmocka_unit_test(a_move_keeps_the_order_and_what_waits_there),
        cmocka_unit_test(only_those_that_are_wanted_are_moved),
        cmocka_unit_test(only_those_that_are_wanted_are_removed),
        cmocka_unit_test(a_queue_that_would_lose_its_order_is_refused),
        cmocka_unit_test(nothing_is_lost_or_doubled_beside_a_worker),
        cmocka_unit_test(a_queue_that_is_not_there_is_said_to_be_missing),
        cmocka_unit_test(a_message_that_was_given_back_is_spared_on_request),
        cmocka_unit_test(a_quorum_queue_is_moved_too),
        cmocka_unit_test(a_quorum_queue_is_not_looked_at),
        cmocka_unit_test(a_stream_is_refused),
        cmocka_unit_test(a_full_queue_leaves_everything_as_it_was),
        cmocka_unit_test(a_queue_that_gets_full_takes_what_is_said),
        cmocka_unit_test(the_first_message_of_a_look_is_not_marked_by_it),
        cmocka_unit_test(a_moved_message_is_not_delivered_to_others_again),
    };
    int failed = cmocka_run_group_tests(on_redis, set_up_redis, tear_down);
    return failed + cmocka_run_group_tests(on_rabbit, set_up_rabbit, tear_down);
}
