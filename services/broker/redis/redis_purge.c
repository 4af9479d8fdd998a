#include "services/broker/redis/redis_waiting.h"

enum { KEPT_SECONDS = 3600 };

/* lists, then where to keep each and a set, or nothing · number of lists, expected, tolerance,
 * seconds, most messages or 0 for all, a member for the set. Answers whether it was done, and the
 * count. Of a list that is taken in part, the oldest (at its right end) are: the fewer move. */
static const char purge_script[] =
    "local lists, n = tonumber(ARGV[1]), 0\n"
    "for i = 1, lists do n = n + redis.call('LLEN', KEYS[i]) end\n"
    "local left, taken = tonumber(ARGV[5]), 0\n"
    "if left == 0 then\n"
    "  if math.abs(n - tonumber(ARGV[2])) > tonumber(ARGV[3]) then return {0, n} end\n"
    "  left = n\n"
    "end\n"
    "for i = 1, lists do\n"
    "  local keep, len = KEYS[lists + i], redis.call('LLEN', KEYS[i])\n"
    "  local k = math.min(len, left)\n"
    "  left, taken = left - k, taken + k\n"
    "  if k == 0 then\n"
    "  elseif not keep then redis.call('LTRIM', KEYS[i], 0, -k - 1)\n"
    "  elseif k < len - k then\n"
    "    for _ = 1, k do redis.call('RPOPLPUSH', KEYS[i], keep) end\n"
    "  else\n"
    "    redis.call('RENAME', KEYS[i], keep)\n"
    "    for _ = 1, len - k do redis.call('RPUSH', KEYS[i], redis.call('LPOP', keep)) end\n"
    "  end\n"
    "  if keep and k > 0 then redis.call('EXPIRE', keep, ARGV[4]) end\n"
    "end\n"
    "local kept = KEYS[2 * lists + 1]\n"
    "if kept and taken > 0 then\n"
    "  redis.call('SADD', kept, ARGV[6])\n"
    "  redis.call('EXPIRE', kept, ARGV[4])\n"
    "end\n"
    "return {1, taken}\n";

/* list · limit, bytes of a message, of all. Takes from the right end, and answers as
 * look_script does. */
static const char take_script[] =
    "local limit, max, left = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "local out, n = {redis.call('LLEN', KEYS[1]), 0, 0, ''}, 0\n"
    "local list = redis.call('LRANGE', KEYS[1], -limit, -1)\n"
    "for i = #list, 1, -1 do\n"
    "  local head = string.sub(list[i], 1, max)\n"
    "  left = left - #head\n"
    "  if left < 0 and n > 0 then break end\n"
    "  n = n + 1\n"
    "  out[#out + 1], out[#out + 2] = head, #list[i]\n"
    "end\n"
    "redis.call('LTRIM', KEYS[1], 0, -n - 1)\n"
    "return out\n";

enum kn_status broker_redis_purge(struct broker_session *session, const struct broker_purge *purge,
                                  uint64_t *ret_count)
{
    struct redis_session *s = redis_session_of(session);
    struct kn_arena arena;
    struct redis_call call = {.script = purge_script};
    const redisReply *reply = NULL;
    kn_arena_init(&arena, 64 << 10);
    for (size_t i = 0; i < s->base.options.priority_count; i++)
        redis_call_add(
            &call, redis_list_of(s, &arena, purge->queue, (int)s->base.options.priority_steps[i]));
    for (size_t i = 0; purge->keep && i < s->base.options.priority_count; i++)
        redis_call_add(
            &call, redis_list_of(s, &arena, purge->keep, (int)s->base.options.priority_steps[i]));
    if (purge->keep)
        redis_call_add(&call, redis_list_of(s, &arena, purge->kept, 0));
    call.keys = call.count;
    redis_call_number(&call, &arena, s->base.options.priority_count);
    redis_call_number(&call, &arena, purge->expected);
    redis_call_number(&call, &arena, purge->tolerance);
    redis_call_number(&call, &arena, KEPT_SECONDS);
    redis_call_number(&call, &arena, purge->max);
    if (purge->keep)
        redis_call_add(&call, purge->member);
    enum kn_status status = redis_call_run(s, &call, 2, &reply);
    if (status == KN_OK) {
        *ret_count = redis_number_at(reply, 1);
        status = redis_number_at(reply, 0) ? KN_OK : KN_CONFLICT;
    }
    kn_arena_fini(&arena);
    return status;
}

enum kn_status broker_redis_purged(struct broker_session *session, const char *keep, size_t limit,
                                   struct kn_arena *arena, struct broker_page *ret)
{
    struct redis_session *s = redis_session_of(session);
    limit = limit < BROKER_LOOK_MAX ? limit : BROKER_LOOK_MAX;
    ret->items = kn_arena_array(arena, limit + 1, sizeof *ret->items);
    enum kn_status status = ret->items ? broker_redis_connect(s) : KN_NOMEM;
    for (size_t i = 0; status == KN_OK && ret->count == 0 && i < s->base.options.priority_count;
         i++) {
        struct redis_call call = {.script = take_script, .keys = 1};
        const redisReply *reply = NULL;
        redis_call_add(&call,
                       redis_list_of(s, arena, keep, (int)s->base.options.priority_steps[i]));
        redis_call_number(&call, arena, limit);
        redis_call_number(&call, arena, s->base.options.message_max);
        redis_call_number(&call, arena, REDIS_PIECE_BYTES);
        status = redis_call_run(s, &call, 4, &reply);
        if (status == KN_OK)
            status = redis_take_messages(reply, arena, ret, limit);
    }
    return status;
}

enum kn_status broker_redis_kept(struct broker_session *session, const char *kept,
                                 struct kn_arena *arena, struct broker_page *ret)
{
    struct redis_session *s = redis_session_of(session);
    enum kn_status status = broker_redis_connect(s);
    const struct kn_str args[] = {KN_STR("SMEMBERS"), redis_list_of(s, arena, kept, 0)};
    redisReply *reply = status == KN_OK && args[1].ptr ? broker_redis_ask(s, 2, args) : NULL;
    if (status == KN_OK && !reply)
        status = args[1].ptr ? KN_IO : KN_NOMEM;
    if (status == KN_OK && reply->type != REDIS_REPLY_ARRAY)
        status = KN_DENIED;
    size_t count = status == KN_OK ? reply->elements : 0;
    ret->items = kn_arena_array(arena, count + 1, sizeof *ret->items);
    for (size_t i = 0; ret->items && i < count; i++) {
        if (reply->element[i]->type == REDIS_REPLY_STRING)
            ret->items[ret->count++].envelope = kn_arena_str(
                arena, (struct kn_str){reply->element[i]->str, reply->element[i]->len});
    }
    freeReplyObject(reply);
    return status == KN_OK && (!ret->items || arena->overflow) ? KN_NOMEM : status;
}

enum kn_status broker_redis_purged_end(struct broker_session *session, const char *kept,
                                       struct kn_str member)
{
    struct redis_session *s = redis_session_of(session);
    struct kn_buf key;
    kn_buf_init(&key, 0);
    broker_redis_list(&s->base.options, &key, kn_str_from(kept), 0);
    const struct kn_str args[] = {KN_STR("SREM"), kn_buf_view(&key), member};
    enum kn_status status = kn_buf_status(&key);
    redisReply *reply = status == KN_OK ? broker_redis_ask(s, 3, args) : NULL;
    if (status == KN_OK)
        status = !reply ? KN_IO : reply->type == REDIS_REPLY_ERROR ? KN_DENIED : KN_OK;
    freeReplyObject(reply);
    kn_buf_fini(&key);
    return status;
}
