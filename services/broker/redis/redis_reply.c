/* hiredis accepts replies of any length and, since 1.0, of any depth, and frees them by recursion.
 * Here replies are limited: in bytes before they are parsed, in elements before memory is
 * allocated, in levels, and in the length of a line, which hiredis would scan again with each piece
 * that arrives. */
#include "services/broker/redis/redis.h"

#include "services/common/text/time.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES ((size_t)64 << 10)
#define ELEMENTS_MAX ((size_t)250000)
#define LEVELS_MAX 7              /* of nested arrays; hiredis before 1.0 reads at most 8 */
#define PATIENCE (60 * KN_SECOND) /* for a whole reply; a piece of it has the socket's time-out */

static redisReplyObjectFunctions bounded;
static redisReplyObjectFunctions plain; /* hiredis' own */

static _Thread_local size_t elements; /* of the reply that this thread reads */

static bool has_room(const redisReadTask *task, size_t count)
{
    unsigned level = 0;
    for (const redisReadTask *t = task; t && level <= LEVELS_MAX; t = t->parent)
        level++;
    if (level > LEVELS_MAX || count > ELEMENTS_MAX - elements)
        return false;
    elements += count;
    return true;
}

/* The number is an int up to hiredis 0.14, a size_t since. */
__attribute__((unused)) static void *array_of_int(const redisReadTask *task, int count)
{
    return count >= 0 && has_room(task, (size_t)count) ? plain.createArray(task, count) : NULL;
}

__attribute__((unused)) static void *array_of_size(const redisReadTask *task, size_t count)
{
    return has_room(task, count) ? plain.createArray(task, (int)count) : NULL;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* bounded and plain, until they are set */

static void set_functions(const redisReplyObjectFunctions *of_hiredis)
{
    bounded = plain = *of_hiredis;
    bounded.createArray = _Generic(plain.createArray, void *(*)(const redisReadTask *, int)
                                   : array_of_int, void *(*)(const redisReadTask *, size_t)
                                   : array_of_size);
}

void broker_redis_bound(redisContext *ctx)
{
    pthread_mutex_lock(&lock);
    if (!plain.createArray)
        set_functions(ctx->reader->fn);
    pthread_mutex_unlock(&lock);
    ctx->reader->fn = &bounded;
}

static int fail(redisContext *ctx, const char *why)
{
    ctx->err = REDIS_ERR_PROTOCOL;
    snprintf(ctx->errstr, sizeof ctx->errstr, "%s", why);
    return REDIS_ERR;
}

static bool line_is_endless(const redisReader *reader)
{
    const char *rest = reader->buf + reader->pos;
    return reader->len - reader->pos > LINE_MAX_BYTES && !memchr(rest, '\n', LINE_MAX_BYTES);
}

static int read_some(redisContext *ctx, size_t max, size_t *got)
{
    size_t before = ctx->reader->len;
    int code = redisBufferRead(ctx);
    *got += ctx->reader->len - before;
    if (code == REDIS_OK && *got > max)
        code = fail(ctx, "a reply is too large");
    if (code == REDIS_OK && line_is_endless(ctx->reader))
        code = fail(ctx, "a line of a reply does not end");
    return code;
}

static int next_reply(redisContext *ctx, void **ret)
{
    int code = redisGetReplyFromReader(ctx, ret);
    if (code != REDIS_OK && ctx->err == REDIS_ERR_OOM)
        code = fail(ctx, "a reply has too many elements or levels");
    return code;
}

redisReply *broker_redis_reply(struct broker_redis *redis)
{
    redisContext *ctx = redis->ctx;
    int64_t deadline = kn_time_mono() + PATIENCE;
    size_t got = 0;
    void *reply = NULL;
    int code = REDIS_OK, done = 0;
    elements = 0;
    while (code == REDIS_OK && !done)
        code = redisBufferWrite(ctx, &done);
    if (code == REDIS_OK)
        code = next_reply(ctx, &reply);
    while (code == REDIS_OK && !reply) {
        code = read_some(ctx, redis->reply_max, &got);
        if (code == REDIS_OK)
            code = next_reply(ctx, &reply);
        if (code == REDIS_OK && !reply && kn_time_mono() > deadline)
            code = fail(ctx, "a reply does not end");
    }
    return code == REDIS_OK ? reply : NULL;
}
