#include "services/broker/redis/redis_waiting.h"

#include <stdio.h>

void redis_call_add(struct redis_call *call, struct kn_str text)
{
    if (call->count < REDIS_ARGS_MAX)
        call->args[call->count++] = text;
}

void redis_call_number(struct redis_call *call, struct kn_arena *arena, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    redis_call_add(call, kn_arena_str(arena, kn_str_from(text)));
}

struct kn_str redis_list_of(struct redis_session *s, struct kn_arena *arena, const char *queue,
                            int step)
{
    struct kn_buf key;
    kn_buf_init(&key, 0);
    broker_redis_list(&s->base.options, &key, kn_str_from(queue), step);
    struct kn_str copy = kn_arena_str(arena, kn_buf_view(&key));
    kn_buf_fini(&key);
    return copy;
}

enum kn_status redis_call_run(struct redis_session *s, const struct redis_call *call, size_t least,
                              const redisReply **ret)
{
    const char *argv[REDIS_ARGS_MAX + 3] = {"EVAL", call->script};
    size_t lens[REDIS_ARGS_MAX + 3] = {4, strlen(call->script)};
    char keys[8];
    snprintf(keys, sizeof keys, "%zu", call->keys);
    argv[2] = keys;
    lens[2] = strlen(keys);
    for (size_t i = 0; i < call->count; i++) {
        if (!call->args[i].ptr)
            return KN_NOMEM;
        argv[3 + i] = call->args[i].ptr;
        lens[3 + i] = call->args[i].len;
    }
    freeReplyObject(s->reply);
    bool sent = redisAppendCommandArgv(s->redis.ctx, (int)call->count + 3, argv, lens) == REDIS_OK;
    s->reply = sent ? broker_redis_reply(&s->redis) : NULL;
    kn_buf_clear(&s->base.error);
    if (!s->reply) {
        kn_buf_text(&s->base.error, s->redis.ctx->errstr);
        broker_redis_close(&s->redis);
        return KN_IO;
    }
    if (s->reply->type == REDIS_REPLY_ERROR) {
        kn_buf_text(&s->base.error, s->reply->str);
        broker_redis_name_right(&s->base.error, KN_STR("EVAL"), call->args[0]);
        s->redis.stale = s->redis.stale || strncmp(s->reply->str, "READONLY", 8) == 0;
        return strncmp(s->reply->str, "OOM", 3) == 0 ? KN_FULL : KN_DENIED;
    }
    if (s->reply->type != REDIS_REPLY_ARRAY || s->reply->elements < least)
        return KN_INVALID;
    *ret = s->reply;
    return KN_OK;
}

uint64_t redis_number_at(const redisReply *reply, size_t i)
{
    const redisReply *element = reply->element[i];
    return element->type == REDIS_REPLY_INTEGER && element->integer > 0 ? (uint64_t)element->integer
                                                                        : 0;
}
