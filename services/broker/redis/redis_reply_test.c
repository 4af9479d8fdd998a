/* Replies of a server that means harm: how much of them is read. */
#include "services/broker/redis/redis.h"

#include "services/common/count.h"
#include "services/common/text/str.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define REPLY_MAX ((size_t)1 << 20)
#define IN_SOCKETS ((size_t)1 << 20) /* what the kernel may hold between the two */

/* A peer that sends first, and then the same again and again until nobody reads. */
struct peer {
    int fd;
    const char *first, *then;
    size_t sent;
};

static bool write_all(struct peer *peer, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = send(peer->fd, text, left, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        text += n;
        left -= (size_t)n;
        peer->sent += (size_t)n;
    }
    return true;
}

static void *serve(void *arg)
{
    struct peer *peer = arg;
    bool open = write_all(peer, peer->first);
    while (open && *peer->then)
        open = write_all(peer, peer->then);
    return NULL;
}

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X1K X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64

static const struct {
    const char *first, *then, *error;
} bad[] = {
    {"+", X1K, "a line of a reply does not end"},
    {"-", X1K, "a line of a reply does not end"},
    {":", X1K, "a line of a reply does not end"},
    {"$2147483000\r\n", X1K, "a reply is too large"},
    {"*2\r\n+OK\r\n$500000000\r\n", X1K, "a reply is too large"},
    {"*2000\r\n", "$1024\r\n" X1K "\r\n", "a reply is too large"},
    {"*2147483647\r\n", "", "a reply has too many elements or levels"},
    {"*250001\r\n", "$-1\r\n", "a reply has too many elements or levels"},
    {"*4000\r\n", "*100\r\n$-1\r\n", ""},
    {"", "*200000\r\n", "a reply has too many elements or levels"},
    {"", "*1\r\n", "a reply has too many elements or levels"},
    {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "",
     "a reply has too many elements or levels"},
    {"%1\r\n+a\r\n+b\r\n", X1K, ""}, /* a map of RESP3, which hiredis 1.0 and later read */
    {"HTTP/1.1 400 Bad Request\r\n\r\n", "", ""},
};

static void a_bad_reply_is_read_to_a_bound(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(bad); i++) {
        int fds[2];
        pthread_t thread;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        struct broker_redis redis = {.ctx = redisConnectFd(fds[0]), .reply_max = REPLY_MAX};
        struct peer peer = {.fd = fds[1], .first = bad[i].first, .then = bad[i].then};
        assert_non_null(redis.ctx);
        broker_redis_bound(redis.ctx);
        assert_int_equal(pthread_create(&thread, NULL, serve, &peer), 0);
        redisReply *reply = NULL;
        for (int n = 0; n < 2 && (n == 0 || reply); n++) { /* the first may be read */
            freeReplyObject(reply);
            reply = broker_redis_reply(&redis);
        }
        if (reply || !strstr(redis.ctx->errstr, bad[i].error))
            fail_msg("%s: %s", bad[i].first, reply ? "a reply" : redis.ctx->errstr);
        broker_redis_close(&redis);
        pthread_join(thread, NULL);
        close(fds[1]);
        if (peer.sent > REPLY_MAX + IN_SOCKETS)
            fail_msg("%s: %zu bytes were read", bad[i].first, peer.sent);
    }
}

static void replies_behind_one_another_are_read_each_within_its_bound(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    int fds[2];
    pthread_t thread;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct broker_redis redis = {.ctx = redisConnectFd(fds[0]), .reply_max = REPLY_MAX};
    struct peer peer = {.fd = fds[1],
                        /* seven levels in all */
                        .first = "*3\r\n:1\r\n$-1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+OK\r\n",
                        .then = "*2\r\n$1024\r\n" X1K "\r\n$-1\r\n"};
    broker_redis_bound(redis.ctx);
    assert_int_equal(pthread_create(&thread, NULL, serve, &peer), 0);
    for (int i = 0; i < COUNT; i++) {
        redisReply *reply = broker_redis_reply(&redis);
        if (!reply) {
            fail_msg("%s", redis.ctx->errstr);
            return;
        }
        assert_int_equal(reply->elements, i ? 2 : 3);
        if (i)
            assert_int_equal(reply->element[0]->len, 1024);
        freeReplyObject(reply);
    }
    broker_redis_close(&redis);
    pthread_join(thread, NULL);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_reply_is_read_to_a_bound),
        cmocka_unit_test(replies_behind_one_another_are_read_each_within_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
