/* Pipelines GETRANGE: like MGET, but a huge value costs at most max bytes. */
#include "services/broker/values.h"

#include "services/broker/port/driver.h"
#include "services/broker/redis/redis.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct broker_values {
    struct broker_options options;
    struct broker_redis redis;
    struct kn_buf error, key;
    char text[256]; /* the last error */
    redisReply *replies[BROKER_VALUES_MAX];
    size_t count;
};

bool broker_values_can(const struct broker_url *url)
{
    return url->driver == &broker_redis_driver;
}

enum kn_status broker_values_new(const struct broker_options *options, struct broker_values **ret)
{
    struct broker_values *v = calloc(1, sizeof(*v));
    if (!v)
        return KN_NOMEM;
    v->options = *options;
    kn_buf_init(&v->error, 4096);
    kn_buf_init(&v->key, 0);
    *ret = v;
    return KN_OK;
}

static void drop_replies(struct broker_values *v)
{
    for (size_t i = 0; i < v->count; i++)
        freeReplyObject(v->replies[i]);
    v->count = 0;
}

void broker_values_free(struct broker_values *v)
{
    if (!v)
        return;
    drop_replies(v);
    broker_redis_close(&v->redis);
    kn_buf_fini(&v->error);
    kn_buf_fini(&v->key);
    free(v);
}

const char *broker_values_error(const struct broker_values *values)
{
    return values->text;
}

static enum kn_status ask(struct broker_values *v, struct kn_str key, const char *last)
{
    broker_redis_key(&v->options, &v->key, key);
    const char *argv[] = {"GETRANGE", v->key.data ? v->key.data : "", "0", last};
    size_t lens[] = {8, v->key.len, 1, strlen(last)};
    enum kn_status status = kn_buf_status(&v->key);
    if (status == KN_OK && redisAppendCommandArgv(v->redis.ctx, 4, argv, lens) != REDIS_OK)
        status = KN_NOMEM;
    return status;
}

/* Every reply is read, so that the next call finds the connection in order. */
static enum kn_status answer(struct broker_values *v, struct kn_str *ret)
{
    redisReply *reply = broker_redis_reply(&v->redis);
    *ret = KN_STR_ABSENT;
    if (!reply) {
        kn_buf_clear(&v->error);
        kn_buf_text(&v->error, v->redis.ctx->errstr);
        return KN_IO;
    }
    v->replies[v->count++] = reply;
    if (reply->type == REDIS_REPLY_STRING && reply->len > 0)
        *ret = (struct kn_str){reply->str, reply->len};
    if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "WRONGTYPE", 9) == 0)
        return KN_OK;
    kn_buf_clear(&v->error);
    kn_buf_text(&v->error, reply->str);
    broker_redis_name_right(&v->error, KN_STR("GETRANGE"), kn_buf_view(&v->key));
    return KN_DENIED;
}

static enum kn_status get(struct broker_values *v, const struct kn_str *keys, size_t count,
                          size_t max, struct kn_str *ret)
{
    char last[24];
    enum kn_status status = KN_OK, worst = KN_OK;
    drop_replies(v);
    snprintf(last, sizeof(last), "%zu", max - 1);
    if (!v->redis.ctx)
        status = broker_redis_open(&v->options, -1, &v->error, &v->redis);
    for (size_t i = 0; i < count && status == KN_OK; i++)
        status = ask(v, keys[i], last);
    for (size_t i = 0; i < count && status == KN_OK; i++) {
        status = answer(v, &ret[i]);
        if (status == KN_DENIED) {
            worst = status;
            status = KN_OK;
        }
    }
    if (status != KN_OK)
        broker_redis_close(&v->redis);
    return status == KN_OK ? worst : status;
}

enum kn_status broker_values_get(struct broker_values *values, const struct kn_str *keys,
                                 size_t count, size_t max, struct kn_str *ret)
{
    assert(count <= BROKER_VALUES_MAX && max > 0);
    bool was_connected = values->redis.ctx;
    enum kn_status status = get(values, keys, count, max, ret);
    if (status == KN_IO && was_connected) /* cut while it was idle */
        status = get(values, keys, count, max, ret);
    if (status != KN_OK)
        snprintf(values->text, sizeof(values->text), "%.*s", (int)values->error.len,
                 values->error.len ? values->error.data : kn_status_text(status));
    kn_buf_clear(&values->error);
    return status;
}
