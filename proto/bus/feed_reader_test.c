#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/bus/feed_reader.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A storage of numbers only: commits oldest..newest of one feed. */
struct storage {
    pthread_mutex_t lock; /* all of it */
    const char *feed;
    uint64_t oldest, newest;
    unsigned asked;
    bool away;
};

static char folder[64];
static char request_url[128], feed_url[128];
static struct kn_bus *bus;
static struct kn_bus_server *server;
static struct kn_bus_client *client;
static struct kn_bus_publisher *publisher;
static struct storage storage;

static enum kn_status answer(void *arg, const struct kn_bus_message *request,
                             struct kn_bus_reply *reply)
{
    (void)arg;
    const struct kn_msg_feed_get *get = request->msg;
    static struct kn_msg_feed items[1000];
    struct kn_msg_feed_list list = {0};
    pthread_mutex_lock(&storage.lock);
    storage.asked++;
    if (storage.away) {
        pthread_mutex_unlock(&storage.lock);
        return KN_AGAIN;
    }
    list.feed = kn_str_from(storage.feed);
    list.oldest = storage.oldest;
    list.newest = storage.newest;
    list.items.items = items;
    uint64_t from = get->from < storage.oldest ? storage.oldest : get->from;
    for (uint64_t n = from; n <= storage.newest && list.items.count < get->max; n++)
        items[list.items.count++] = (struct kn_msg_feed){.feed = list.feed, .number = n};
    kn_bus_reply_set(reply, KN_KIND_FEED_LIST, &list);
    pthread_mutex_unlock(&storage.lock);
    return KN_OK;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/kanchi-feed-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(request_url, sizeof request_url, "ipc://%s/r.ipc", folder);
    snprintf(feed_url, sizeof feed_url, "ipc://%s/f.ipc", folder);
    struct kn_bus_options options = {.sender = "test"};
    assert_int_equal(kn_bus_new(&options, &bus, NULL), KN_OK);
    storage = (struct storage){PTHREAD_MUTEX_INITIALIZER, "f", 1, 0, 0, false};
    assert_int_equal(kn_bus_server_new(bus, request_url, 1, answer, NULL, &server, NULL), KN_OK);
    assert_int_equal(kn_bus_publisher_new(bus, feed_url, &publisher, NULL), KN_OK);
    assert_int_equal(kn_bus_client_new(bus, request_url, &client, NULL), KN_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kn_bus_client_free(client);
    kn_bus_server_free(server);
    kn_bus_publisher_free(publisher);
    kn_bus_free(bus);
    unlink(request_url + 6);
    unlink(feed_url + 6);
    return rmdir(folder);
}

static const char *without; /* of readers that are opened */

static struct kn_feed_reader *open_reader(const char *feed, uint64_t position, bool from_now)
{
    struct kn_feed_reader_options options = {.feed_url = feed_url,
                                             .storage = client,
                                             .feed = feed,
                                             .position = position,
                                             .from_now = from_now,
                                             .without = without};
    struct kn_feed_reader *reader;
    assert_int_equal(kn_feed_reader_new(bus, &options, &reader, NULL), KN_OK);
    return reader;
}

static void grow(uint64_t by)
{
    pthread_mutex_lock(&storage.lock);
    storage.newest += by;
    pthread_mutex_unlock(&storage.lock);
}

static void publish(uint64_t number)
{
    struct kn_msg_task task = {.id = KN_STR("t")};
    struct kn_msg_task_change change = {.task = &task};
    struct kn_msg_rollup_delta delta = {.count = 1};
    struct kn_msg_feed commit = {.feed = kn_str_from(storage.feed),
                                 .number = number,
                                 .tasks = {&change, 1},
                                 .deltas = {&delta, 1}};
    assert_int_equal(kn_bus_publish(publisher, number, KN_KIND_FEED, &commit), KN_OK);
}

static void publish_mark(void)
{
    struct kn_msg_feed_mark mark = {.feed = kn_str_from(storage.feed), .number = storage.newest};
    assert_int_equal(kn_bus_publish(publisher, storage.newest, KN_KIND_FEED_MARK, &mark), KN_OK);
}

/* The next thing that is not a mark and not nothing. */
static struct kn_feed_event next(struct kn_feed_reader *reader)
{
    struct kn_feed_event event;
    int64_t deadline = kn_time_mono() + 20 * KN_SECOND;
    do {
        assert_true(kn_time_mono() < deadline);
        assert_int_equal(kn_feed_reader_next(reader, 5 * KN_SECOND, &event), KN_OK);
    } while (event.item == KN_FEED_NONE || event.item == KN_FEED_MARK);
    return event;
}

static void expect_commits(struct kn_feed_reader *reader, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n <= to; n++) {
        struct kn_feed_event event = next(reader);
        assert_int_equal(event.item, KN_FEED_COMMIT);
        assert_int_equal(event.commit->number, n);
    }
}

/* Publishes marks until the reader gets one: then pub/sub works. */
static void await_connection(struct kn_feed_reader *reader)
{
    struct kn_feed_event event;
    do {
        publish_mark();
        assert_int_equal(kn_feed_reader_next(reader, KN_SECOND / 20, &event), KN_OK);
    } while (event.item != KN_FEED_MARK);
    /* marks that are still under way */
    do {
        assert_int_equal(kn_feed_reader_next(reader, KN_SECOND / 20, &event), KN_OK);
    } while (event.item != KN_FEED_NONE);
}

static void a_new_reader_gets_everything_from_the_first(void **state)
{
    (void)state;
    grow(450); /* more than one answer holds */
    struct kn_feed_reader *reader = open_reader(NULL, 0, false);
    expect_commits(reader, 1, 450);
    kn_feed_reader_free(reader);
}

static void a_reader_resumes_after_its_position(void **state)
{
    (void)state;
    grow(10);
    struct kn_feed_reader *reader = open_reader("f", 7, false);
    expect_commits(reader, 8, 10);
    kn_feed_reader_free(reader);
}

static void what_a_reader_does_not_need_is_not_read(void **state)
{
    (void)state;
    static const char *const fields[] = {NULL, "tasks", "deltas"};
    for (size_t i = 0; i < KN_COUNT_OF(fields); i++) {
        without = fields[i];
        struct kn_feed_reader *reader = open_reader(NULL, 0, true);
        without = NULL;
        await_connection(reader);
        grow(1);
        publish(storage.newest);
        struct kn_feed_event event = next(reader);
        assert_true(event.live);
        assert_int_equal(event.commit->number, storage.newest);
        assert_int_equal(event.commit->tasks.count, i != 1);
        assert_int_equal(event.commit->deltas.count, i != 2);
        kn_feed_reader_free(reader);
    }
}

static void what_is_published_is_read_without_asking(void **state)
{
    (void)state;
    grow(3);
    struct kn_feed_reader *reader = open_reader("f", 3, false);
    await_connection(reader);
    unsigned asked = storage.asked;
    for (uint64_t n = 4; n <= 6; n++) {
        grow(1);
        publish(n);
    }
    expect_commits(reader, 4, 6);
    assert_int_equal(storage.asked, asked);
    assert_int_equal(kn_feed_reader_caught_up(reader), 0);
    kn_feed_reader_free(reader);
}

static void a_hole_is_filled_from_storage(void **state)
{
    (void)state;
    struct kn_feed_reader *reader = open_reader("f", 0, false);
    await_connection(reader);
    grow(5);
    publish(1);
    publish(5);
    publish(5); /* a double is passed over */
    expect_commits(reader, 1, 5);
    grow(1);
    publish(6);
    expect_commits(reader, 6, 6);
    kn_feed_reader_free(reader);
}

static void a_mark_shows_what_was_never_published(void **state)
{
    (void)state;
    struct kn_feed_reader *reader = open_reader("f", 0, false);
    await_connection(reader);
    grow(2);
    publish_mark();
    expect_commits(reader, 1, 2);
    kn_feed_reader_free(reader);
}

static void a_reader_that_was_away_too_long_must_rebuild(void **state)
{
    (void)state;
    grow(100);
    storage.oldest = 50;
    struct kn_feed_reader *reader = open_reader("f", 10, false);
    struct kn_feed_event event = next(reader);
    assert_int_equal(event.item, KN_FEED_REBUILD);
    assert_string_equal(event.feed, "f");
    assert_int_equal(event.newest, 100);
    kn_feed_reader_reset(reader, "f", 98);
    expect_commits(reader, 99, 100);
    kn_feed_reader_free(reader);
}

static void another_numbering_must_be_rebuilt(void **state)
{
    (void)state;
    grow(3);
    struct kn_feed_reader *reader = open_reader("other", 3, false);
    assert_int_equal(next(reader).item, KN_FEED_REBUILD);
    kn_feed_reader_free(reader);
    reader = open_reader("f", 9, false); /* ahead of storage: it lost something */
    assert_int_equal(next(reader).item, KN_FEED_REBUILD);
    kn_feed_reader_free(reader);
}

static void a_reader_from_now_skips_what_was(void **state)
{
    (void)state;
    grow(100);
    struct kn_feed_reader *reader = open_reader(NULL, 0, true);
    await_connection(reader);
    grow(1);
    publish(101);
    expect_commits(reader, 101, 101);
    kn_feed_reader_free(reader);
}

static void storage_that_is_away_is_asked_again(void **state)
{
    (void)state;
    grow(2);
    storage.away = true;
    struct kn_feed_reader *reader = open_reader("f", 0, false);
    struct kn_feed_event event;
    assert_int_equal(kn_feed_reader_next(reader, KN_SECOND, &event), KN_AGAIN);
    pthread_mutex_lock(&storage.lock);
    storage.away = false;
    pthread_mutex_unlock(&storage.lock);
    expect_commits(reader, 1, 2);
    kn_feed_reader_free(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_reader_gets_everything_from_the_first),
        TEST(a_reader_resumes_after_its_position),
        TEST(what_a_reader_does_not_need_is_not_read),
        TEST(what_is_published_is_read_without_asking),
        TEST(a_hole_is_filled_from_storage),
        TEST(a_mark_shows_what_was_never_published),
        TEST(a_reader_that_was_away_too_long_must_rebuild),
        TEST(another_numbering_must_be_rebuilt),
        TEST(a_reader_from_now_skips_what_was),
        TEST(storage_that_is_away_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
