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

/* ---- looking -------------------------------------------------------------------------- */

/* Looks for a mark in a part of a list, and reads on from there.
 * list · place, mark ("" for the right end), part, limit, bytes of a message, of a page.
 * Answers the length, the place to look on at (0: found, or gone), place and mark of the
 * last message, then beginning and size of each. */
static const char look_script[] =
    "local key, place, mark, part = KEYS[1], tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])\n"
    "local limit, max, left = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])\n"
    "local function mark_of(v)\n"
    "  return string.sub(redis.sha1hex(#v .. ':' .. string.sub(v, -256)), 1, 16)\n"
    "end\n"
    "local n, at = redis.call('LLEN', key), 0\n"
    "local high = math.min(place, n)\n"
    "if mark ~= '' and high > 0 then\n"
    "  local low = math.max(high - part + 1, 1)\n"
    "  local list = redis.call('LRANGE', key, -high, -low)\n"
    "  for i = 1, #list do\n"
    "    if mark_of(list[i]) == mark then at = high - i + 1 break end\n"
    "  end\n"
    "  if at == 0 and low > 1 then return {n, low - 1, 0, ''} end\n"
    "end\n"
    "local out = {n, 0, at, at > 0 and mark or ''}\n"
    "if limit == 0 then return out end\n"
    "local list = redis.call('LRANGE', key, -(at + limit), -(at + 1))\n"
    "for i = #list, 1, -1 do\n"
    "  local head = string.sub(list[i], 1, max)\n"
    "  left = left - #head\n"
    "  if left < 0 and i < #list then break end\n"
    "  out[#out + 1], out[#out + 2] = head, #list[i]\n"
    "  out[3], out[4] = out[3] + 1, list[i]\n"
    "end\n"
    "if #out > 4 then out[4] = mark_of(out[4]) end\n"
    "return out\n";

enum kn_status redis_cursor_read(struct kn_str cursor, size_t steps, struct redis_place *ret)
{
    if (cursor.len == 0)
        return KN_OK;
    for (size_t i = 0; i < steps; i++) {
        const char *dot = memchr(cursor.ptr, '.', cursor.len);
        size_t number = dot ? (size_t)(dot - cursor.ptr) : 0;
        if (!dot || !kn_str_to_u64((struct kn_str){cursor.ptr, number}, &ret[i].at) ||
            ret[i].at > UINT32_MAX)
            return KN_INVALID;
        cursor = (struct kn_str){dot + 1, cursor.len - number - 1};
        const char *end = memchr(cursor.ptr, ',', cursor.len);
        size_t len = end ? (size_t)(end - cursor.ptr) : cursor.len;
        if ((end == NULL) != (i == steps - 1) || (len != 0 && len != REDIS_MARK_LEN))
            return KN_INVALID;
        ret[i].mark = (struct kn_str){cursor.ptr, len};
        cursor = end ? (struct kn_str){end + 1, cursor.len - len - 1} : cursor;
    }
    return KN_OK;
}

struct kn_str redis_cursor_write(const struct redis_place *places, size_t steps,
                                 struct kn_arena *arena)
{
    struct kn_buf text;
    kn_buf_init(&text, 0);
    for (size_t i = 0; i < steps; i++)
        kn_buf_printf(&text, "%s%llu.%.*s", i ? "," : "", (unsigned long long)places[i].at,
                      KN_STR_ARG(places[i].mark));
    struct kn_str copy = kn_arena_str(arena, kn_buf_view(&text));
    kn_buf_fini(&text);
    return copy;
}

enum kn_status redis_take_messages(const redisReply *reply, struct kn_arena *arena,
                                   struct broker_page *page, size_t max)
{
    for (size_t i = 4; i + 1 < reply->elements && page->count < max; i += 2) {
        const redisReply *head = reply->element[i];
        if (head->type != REDIS_REPLY_STRING)
            return KN_INVALID;
        struct broker_waiting *message = &page->items[page->count++];
        message->envelope = kn_arena_str(arena, (struct kn_str){head->str, head->len});
        message->size = redis_number_at(reply, i + 1);
        message->cut = message->size > head->len;
    }
    return arena->overflow ? KN_TOO_BIG : KN_OK;
}

enum kn_status redis_look_at(struct redis_session *s, struct kn_str key, size_t limit, size_t bytes,
                             struct redis_place *place, struct kn_arena *arena,
                             const redisReply **ret)
{
    uint64_t at = place->at + REDIS_PIECE / 4; /* one that was given back is pushed at the right */
    enum kn_status status = KN_OK;
    do {
        struct redis_call call = {.script = look_script, .keys = 1};
        redis_call_add(&call, key);
        redis_call_number(&call, arena, at);
        redis_call_add(&call, place->mark.len ? place->mark : KN_STR(""));
        redis_call_number(&call, arena, REDIS_PIECE);
        redis_call_number(&call, arena, limit);
        redis_call_number(&call, arena, s->base.options.message_max);
        redis_call_number(&call, arena, bytes);
        status = redis_call_run(s, &call, 4, ret);
        if (status != KN_OK)
            return status;
        at = redis_number_at(*ret, 1);
    } while (at > 0);
    const redisReply *mark = (*ret)->element[3];
    place->at = redis_number_at(*ret, 2);
    place->mark = mark->type == REDIS_REPLY_STRING
                      ? kn_arena_str(arena, (struct kn_str){mark->str, mark->len})
                      : KN_STR("");
    return KN_OK;
}

enum kn_status broker_redis_look(struct broker_session *session, const struct broker_look *look,
                                 struct kn_arena *arena, struct broker_page *ret)
{
    struct redis_session *s = redis_session_of(session);
    struct redis_place places[BROKER_STEPS_MAX] = {0};
    size_t limit = look->limit < BROKER_LOOK_MAX ? look->limit : BROKER_LOOK_MAX;
    size_t bytes = look->bytes_max;
    struct broker_page page = {.consumers = -1};
    page.items = kn_arena_array(arena, limit + 1, sizeof *page.items);
    enum kn_status status = page.items ? broker_redis_connect(s) : KN_NOMEM;
    if (status == KN_OK)
        status = redis_cursor_read(look->cursor, s->base.options.priority_count, places);
    for (size_t i = 0; status == KN_OK && i < s->base.options.priority_count; i++) {
        const redisReply *reply = NULL;
        size_t before = page.count;
        bool full = page.count == limit || (page.count && bytes == 0);
        status = redis_look_at(
            s, redis_list_of(s, arena, look->queue, (int)s->base.options.priority_steps[i]),
            full ? 0 : limit - page.count, bytes, &places[i], arena, &reply);
        if (status != KN_OK)
            break;
        status = redis_take_messages(reply, arena, &page, limit);
        page.total += redis_number_at(reply, 0);
        page.more = page.more || places[i].at < redis_number_at(reply, 0);
        for (size_t k = before; k < page.count; k++)
            bytes -= bytes < page.items[k].envelope.len ? bytes : page.items[k].envelope.len;
    }
    if (status != KN_OK)
        return status;
    page.cursor = redis_cursor_write(places, s->base.options.priority_count, arena);
    *ret = page;
    return arena->overflow ? KN_TOO_BIG : KN_OK;
}
