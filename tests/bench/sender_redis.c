/* PUBLISH of kombu's envelope, pipelined. Its reply is the number of subscribers. */
#include "services/broker/redis/redis.h"
#include "services/celery/read/base64.h"
#include "tests/bench/dice.h"
#include "tests/bench/sender.h"

enum { PIPELINE = 64 }; /* messages that are written together */

struct redis {
    struct broker_redis connection;
    struct kn_buf channel;
    struct kn_buf envelope;
    size_t prefix;    /* bytes of channel before the routing key */
    size_t unwritten; /* messages */
    struct dice dice;
};

static enum kn_status redis_open(void *self, const struct broker_options *options, bool confirm,
                                 struct kn_buf *error)
{
    struct redis *redis = self;
    (void)confirm;
    kn_buf_init(&redis->channel, 0);
    kn_buf_init(&redis->envelope, 0);
    redis->unwritten = 0;
    kn_buf_printf(&redis->channel, "%s/%d.%s/", options->key_prefix ? options->key_prefix : "",
                  options->url->hosts[0].db, options->event_exchange);
    redis->prefix = redis->channel.len;
    return broker_redis_open(options, -1, error, &redis->connection);
}

static void redis_close(void *self)
{
    struct redis *redis = self;
    broker_redis_close(&redis->connection);
    kn_buf_fini(&redis->channel);
    kn_buf_fini(&redis->envelope);
}

static enum kn_status lost(struct redis *redis, struct kn_buf *error)
{
    kn_buf_text(error, redis->connection.ctx->errstr);
    return KN_CLOSED;
}

static enum kn_status take_answer(struct redis *redis, struct ledger *ledger, struct kn_buf *error)
{
    void *found = NULL;
    if (redisGetReply(redis->connection.ctx, &found) != REDIS_OK)
        return lost(redis, error);
    redisReply *reply = found;
    enum kn_status status = reply->type == REDIS_REPLY_INTEGER ? KN_OK : KN_IO;
    if (status == KN_OK)
        ledger_accepted(ledger, 1, (uint64_t)reply->integer);
    else
        kn_buf_append(error, reply->str, reply->len);
    freeReplyObject(reply);
    return status;
}

static enum kn_status take_answers(struct redis *redis, size_t leave, struct ledger *ledger,
                                   struct kn_buf *error)
{
    enum kn_status status = KN_OK;
    while (status == KN_OK && ledger_waiting(ledger) > leave)
        status = take_answer(redis, ledger, error);
    return status;
}

static enum kn_status write_out(struct redis *redis, struct kn_buf *error)
{
    int done = 0;
    redis->unwritten = 0;
    while (!done)
        if (redisBufferWrite(redis->connection.ctx, &done) != REDIS_OK)
            return lost(redis, error);
    return KN_OK;
}

/* kombu/transport/virtual/base.py, Channel.prepare_message and basic_publish. */
static void wrap(struct redis *redis, const struct load_message *message)
{
    struct kn_buf *out = &redis->envelope;
    uint64_t tag[2] = {dice_next(&redis->dice), dice_next(&redis->dice)};
    kn_buf_clear(out);
    kn_buf_text(out, "{\"body\": \"");
    celery_base64_encode(out, message->body);
    kn_buf_text(out, "\", \"content-encoding\": \"utf-8\", \"content-type\": \"application/json\", "
                     "\"headers\": {\"hostname\": \"");
    kn_buf_str(out, message->hostname);
    kn_buf_text(out, "\"}, \"properties\": {\"delivery_mode\": 1, \"delivery_info\": "
                     "{\"exchange\": \"celeryev\", \"routing_key\": \"");
    kn_buf_str(out, message->routing_key);
    kn_buf_printf(out,
                  "\"}, \"priority\": 0, \"body_encoding\": \"base64\", \"delivery_tag\": "
                  "\"%08x-%04x-4%03x-a%03x-%012llx\"}}",
                  (unsigned)tag[0], (unsigned)(tag[0] >> 32) & 0xffff,
                  (unsigned)(tag[0] >> 48) & 0xfff, (unsigned)(tag[1] >> 48) & 0xfff,
                  (unsigned long long)tag[1] & 0xffffffffffff);
}

static enum kn_status redis_publish(void *self, const struct load_message *message,
                                    struct ledger *ledger, struct kn_buf *error)
{
    struct redis *redis = self;
    wrap(redis, message);
    redis->channel.len = redis->prefix;
    kn_buf_str(&redis->channel, message->routing_key);
    if (kn_buf_status(&redis->envelope) != KN_OK || kn_buf_status(&redis->channel) != KN_OK)
        return KN_NOMEM;
    const char *words[] = {"PUBLISH", redis->channel.data, redis->envelope.data};
    const size_t sizes[] = {7, redis->channel.len, redis->envelope.len};
    if (redisAppendCommandArgv(redis->connection.ctx, 3, words, sizes) != REDIS_OK)
        return lost(redis, error);
    enum kn_status status = ledger_sent(ledger, message);
    if (status == KN_OK && ++redis->unwritten >= PIPELINE)
        status = write_out(redis, error);
    if (status == KN_OK && ledger_waiting(ledger) >= SENDER_WINDOW)
        status = take_answers(redis, SENDER_WINDOW / 2, ledger, error);
    return status;
}

static enum kn_status redis_flush(void *self, struct ledger *ledger, struct kn_buf *error)
{
    struct redis *redis = self;
    enum kn_status status = write_out(redis, error);
    return status == KN_OK ? take_answers(redis, 0, ledger, error) : status;
}

const struct sender_kind sender_redis = {redis_open, redis_publish, redis_flush, redis_close,
                                         sizeof(struct redis)};
