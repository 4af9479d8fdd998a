/* Which databases of a Redis have Celery in them. */
#include "services/control/doctor/doctor.h"

#include "services/broker/redis/redis.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_MAX = 1000000 };

static void add(int *list, size_t *count, size_t max, int64_t number)
{
    if (number < 0 || number >= NUMBER_MAX)
        return;
    for (size_t i = 0; i < *count; i++)
        if (list[i] == (int)number)
            return;
    if (*count < max)
        list[(*count)++] = (int)number;
}

/* The number behind a name as " db=" in a line; -1 when there is none. */
static int64_t field_of(struct kn_str line, const char *name)
{
    const char *at = memmem(line.ptr, line.len, name, strlen(name));
    if (!at)
        return -1;
    const char *end = line.ptr + line.len, *digits = at + strlen(name), *stop = digits;
    while (stop < end && isdigit((unsigned char)*stop))
        stop++;
    uint64_t number;
    return kn_str_to_u64((struct kn_str){digits, (size_t)(stop - digits)}, &number) &&
                   number < NUMBER_MAX
               ? (int64_t)number
               : -1;
}

static redisReply *ask(struct broker_redis *redis, const char *one, const char *two,
                       struct kn_str three)
{
    const struct kn_str args[] = {kn_str_from(one), kn_str_from(two), three};
    return broker_redis_command(redis, NULL, three.ptr ? 3 : 2, args);
}

/* A worker has a connection with a pattern subscription, for commands; its database is
 * the one in which it works. */
static void add_listening(struct broker_redis *redis, int *list, size_t *count, size_t max)
{
    redisReply *reply = ask(redis, "CLIENT", "LIST", KN_STR_ABSENT);
    bool listed = reply && reply->type == REDIS_REPLY_STRING;
    for (const char *at = listed ? reply->str : ""; *at;) {
        struct kn_str line = {at, strcspn(at, "\n")};
        if (field_of(line, " psub=") >= 1)
            add(list, count, max, field_of(line, " db="));
        at += line.len + (at[line.len] == '\n');
    }
    freeReplyObject(reply);
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

size_t control_doctor_databases(const struct broker_options *broker, int *ret, size_t max)
{
    struct broker_redis redis = {0};
    struct kn_buf error;
    size_t count = 0;
    kn_buf_init(&error, 0);
    if (broker_redis_open(broker, -1, &error, &redis) == KN_OK)
        add_listening(&redis, ret, &count, max);
    qsort(ret, count, sizeof *ret, by_number);
    broker_redis_close(&redis);
    kn_buf_fini(&error);
    return count;
}
