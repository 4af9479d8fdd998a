/* The lists of a queue. A client pushes at the left, a worker takes at the right, so a
 * place is counted from the right end (1 is next): it only gets less while workers
 * take, and does not change while clients send. A cursor is, for each priority, the
 * place of the last message that was seen and a mark of its content; whoever has
 * it looks for the mark from that place on to the right. When it is gone it was
 * delivered, and so was all before it. */
#include "services/broker/redis/redis_session.h"

#include "services/broker/redis/reroute.h"
#include "services/common/text/time.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MARK_LEN = 16,
    PIECE = 100,           /* messages that a script handles */
    PIECE_BYTES = 4 << 20, /* and their bytes, but for the last one */
    KEPT_SECONDS = 3600,
    ARGS_MAX = 8 + 2 * BROKER_LOOK_MAX
};

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

/* lists, then where to keep each and a set, or nothing · number of lists, expected, tolerance,
 * seconds, a member for the set. Answers whether it was done, and the count. */
static const char purge_script[] =
    "local lists, n = tonumber(ARGV[1]), 0\n"
    "for i = 1, lists do n = n + redis.call('LLEN', KEYS[i]) end\n"
    "if math.abs(n - tonumber(ARGV[2])) > tonumber(ARGV[3]) then return {0, n} end\n"
    "for i = 1, lists do\n"
    "  local keep = KEYS[lists + i]\n"
    "  if not keep then redis.call('UNLINK', KEYS[i])\n"
    "  elseif redis.call('EXISTS', KEYS[i]) == 1 then\n"
    "    redis.call('RENAME', KEYS[i], keep)\n"
    "    redis.call('EXPIRE', keep, ARGV[4])\n"
    "  end\n"
    "end\n"
    "local kept = KEYS[2 * lists + 1]\n"
    "if kept and n > 0 then\n"
    "  redis.call('SADD', kept, ARGV[5])\n"
    "  redis.call('EXPIRE', kept, ARGV[4])\n"
    "end\n"
    "return {1, n}\n";

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

/* from, to · a message as it was, the same for its new place, and so on, next first.
 * Moves what is still there; what a worker took is passed over. Pushes first: when
 * that is refused, nothing was taken. */
static const char move_script[] =
    "local moved, k, next = 0, 1, redis.call('LINDEX', KEYS[1], -1)\n"
    "while k < #ARGV and ARGV[k] ~= next do k = k + 2 end\n"
    "while k < #ARGV and ARGV[k] == next do\n"
    "  redis.call('LPUSH', KEYS[2], ARGV[k + 1])\n"
    "  redis.call('RPOP', KEYS[1])\n"
    "  moved, k, next = moved + 1, k + 2, redis.call('LINDEX', KEYS[1], -1)\n"
    "end\n"
    "return {moved}\n";

/* The same for one message, wherever it is in the list. */
static const char move_one_script[] =
    "redis.call('LLEN', KEYS[2])\n"
    "local moved = redis.call('LREM', KEYS[1], -1, ARGV[1])\n"
    "if moved == 1 then redis.call('LPUSH', KEYS[2], ARGV[2]) end\n"
    "return {moved}\n";

/* list · a message, which is taken out. */
static const char remove_script[] = "return {redis.call('LREM', KEYS[1], -1, ARGV[1])}\n";

struct call {
    const char *script;
    struct kn_str args[ARGS_MAX]; /* keys first */
    size_t keys, count;
};

static void add(struct call *call, struct kn_str text)
{
    if (call->count < ARGS_MAX)
        call->args[call->count++] = text;
}

/* A number, written into the arena. */
static void add_number(struct call *call, struct kn_arena *arena, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    add(call, kn_arena_str(arena, kn_str_from(text)));
}

static struct kn_str list_of(struct redis_session *s, struct kn_arena *arena, const char *queue,
                             int step)
{
    struct kn_buf key;
    kn_buf_init(&key, 0);
    broker_redis_list(&s->base.options, &key, kn_str_from(queue), step);
    struct kn_str copy = kn_arena_str(arena, kn_buf_view(&key));
    kn_buf_fini(&key);
    return copy;
}

/* An answer that is a list of at least so many elements; it lives until the next one. */
static enum kn_status eval(struct redis_session *s, const struct call *call, size_t least,
                           const redisReply **ret)
{
    const char *argv[ARGS_MAX + 3] = {"EVAL", call->script};
    size_t lens[ARGS_MAX + 3] = {4, strlen(call->script)};
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

static uint64_t number_at(const redisReply *reply, size_t i)
{
    const redisReply *element = reply->element[i];
    return element->type == REDIS_REPLY_INTEGER && element->integer > 0 ? (uint64_t)element->integer
                                                                        : 0;
}

/* ---- looking -------------------------------------------------------------------------- */

struct place {
    uint64_t at;
    struct kn_str mark; /* empty: at the right end */
};

/* "<place>.<mark>,<place>.<mark>": one for each priority. */
static enum kn_status read_cursor(struct kn_str cursor, size_t steps, struct place *ret)
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
        if ((end == NULL) != (i == steps - 1) || (len != 0 && len != MARK_LEN))
            return KN_INVALID;
        ret[i].mark = (struct kn_str){cursor.ptr, len};
        cursor = end ? (struct kn_str){end + 1, cursor.len - len - 1} : cursor;
    }
    return KN_OK;
}

static struct kn_str write_cursor(const struct place *places, size_t steps, struct kn_arena *arena)
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

/* Copies what an answer of look_script has from its fifth element on. */
static enum kn_status take_messages(const redisReply *reply, struct kn_arena *arena,
                                    struct broker_page *page, size_t max)
{
    for (size_t i = 4; i + 1 < reply->elements && page->count < max; i += 2) {
        const redisReply *head = reply->element[i];
        if (head->type != REDIS_REPLY_STRING)
            return KN_INVALID;
        struct broker_waiting *message = &page->items[page->count++];
        message->envelope = kn_arena_str(arena, (struct kn_str){head->str, head->len});
        message->size = number_at(reply, i + 1);
        message->cut = message->size > head->len;
    }
    return arena->overflow ? KN_TOO_BIG : KN_OK;
}

/* One list, from a place on, which is moved behind what was read. */
static enum kn_status look_at(struct redis_session *s, struct kn_str key, size_t limit,
                              size_t bytes, struct place *place, struct kn_arena *arena,
                              const redisReply **ret)
{
    uint64_t at = place->at + PIECE / 4; /* one that was given back is pushed at the right */
    enum kn_status status = KN_OK;
    do {
        struct call call = {.script = look_script, .keys = 1};
        add(&call, key);
        add_number(&call, arena, at);
        add(&call, place->mark.len ? place->mark : KN_STR(""));
        add_number(&call, arena, PIECE);
        add_number(&call, arena, limit);
        add_number(&call, arena, s->base.options.message_max);
        add_number(&call, arena, bytes);
        status = eval(s, &call, 4, ret);
        if (status != KN_OK)
            return status;
        at = number_at(*ret, 1);
    } while (at > 0);
    const redisReply *mark = (*ret)->element[3];
    place->at = number_at(*ret, 2);
    place->mark = mark->type == REDIS_REPLY_STRING
                      ? kn_arena_str(arena, (struct kn_str){mark->str, mark->len})
                      : KN_STR("");
    return KN_OK;
}

enum kn_status broker_redis_look(struct broker_session *session, const struct broker_look *look,
                                 struct kn_arena *arena, struct broker_page *ret)
{
    struct redis_session *s = redis_session_of(session);
    struct place places[BROKER_STEPS_MAX] = {0};
    size_t limit = look->limit < BROKER_LOOK_MAX ? look->limit : BROKER_LOOK_MAX;
    size_t bytes = look->bytes_max;
    struct broker_page page = {.consumers = -1};
    page.items = kn_arena_array(arena, limit + 1, sizeof *page.items);
    enum kn_status status = page.items ? broker_redis_connect(s) : KN_NOMEM;
    if (status == KN_OK)
        status = read_cursor(look->cursor, s->base.options.priority_count, places);
    for (size_t i = 0; status == KN_OK && i < s->base.options.priority_count; i++) {
        const redisReply *reply = NULL;
        size_t before = page.count;
        bool full = page.count == limit || (page.count && bytes == 0);
        status = look_at(s, list_of(s, arena, look->queue, (int)s->base.options.priority_steps[i]),
                         full ? 0 : limit - page.count, bytes, &places[i], arena, &reply);
        if (status != KN_OK)
            break;
        status = take_messages(reply, arena, &page, limit);
        page.total += number_at(reply, 0);
        page.more = page.more || places[i].at < number_at(reply, 0);
        for (size_t k = before; k < page.count; k++)
            bytes -= bytes < page.items[k].envelope.len ? bytes : page.items[k].envelope.len;
    }
    if (status != KN_OK)
        return status;
    page.cursor = write_cursor(places, s->base.options.priority_count, arena);
    *ret = page;
    return arena->overflow ? KN_TOO_BIG : KN_OK;
}

/* ---- purging -------------------------------------------------------------------------- */

enum kn_status broker_redis_purge(struct broker_session *session, const struct broker_purge *purge,
                                  uint64_t *ret_count)
{
    struct redis_session *s = redis_session_of(session);
    struct kn_arena arena;
    struct call call = {.script = purge_script};
    const redisReply *reply = NULL;
    kn_arena_init(&arena, 64 << 10);
    for (size_t i = 0; i < s->base.options.priority_count; i++)
        add(&call, list_of(s, &arena, purge->queue, (int)s->base.options.priority_steps[i]));
    for (size_t i = 0; purge->keep && i < s->base.options.priority_count; i++)
        add(&call, list_of(s, &arena, purge->keep, (int)s->base.options.priority_steps[i]));
    if (purge->keep)
        add(&call, list_of(s, &arena, purge->kept, 0));
    call.keys = call.count;
    add_number(&call, &arena, s->base.options.priority_count);
    add_number(&call, &arena, purge->expected);
    add_number(&call, &arena, purge->tolerance);
    add_number(&call, &arena, KEPT_SECONDS);
    if (purge->keep)
        add(&call, purge->member);
    enum kn_status status = eval(s, &call, 2, &reply);
    if (status == KN_OK) {
        *ret_count = number_at(reply, 1);
        status = number_at(reply, 0) ? KN_OK : KN_CONFLICT;
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
        struct call call = {.script = take_script, .keys = 1};
        const redisReply *reply = NULL;
        add(&call, list_of(s, arena, keep, (int)s->base.options.priority_steps[i]));
        add_number(&call, arena, limit);
        add_number(&call, arena, s->base.options.message_max);
        add_number(&call, arena, PIECE_BYTES);
        status = eval(s, &call, 4, &reply);
        if (status == KN_OK)
            status = take_messages(reply, arena, ret, limit);
    }
    return status;
}

enum kn_status broker_redis_kept(struct broker_session *session, const char *kept,
                                 struct kn_arena *arena, struct broker_page *ret)
{
    struct redis_session *s = redis_session_of(session);
    enum kn_status status = broker_redis_connect(s);
    const struct kn_str args[] = {KN_STR("SMEMBERS"), list_of(s, arena, kept, 0)};
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

/* ---- moving --------------------------------------------------------------------------- */

/* move->to NULL: what is wanted is taken out. */
struct mover {
    struct redis_session *s;
    const struct broker_move *move;
    struct broker_moved *moved;
    void (*gone)(void *arg); /* or NULL */
    struct kn_arena arena;   /* of a piece */
    uint64_t left;           /* messages that may still be moved */
    int step;
};

static bool is_late(struct mover *m)
{
    m->moved->late = m->moved->late || kn_time_mono() >= m->move->deadline;
    return m->moved->late;
}

/* What is no envelope of kombu's goes as it is. */
static struct kn_str for_new_place(struct mover *m, struct kn_str envelope)
{
    struct kn_buf text;
    kn_buf_init(&text, 0);
    enum kn_status status = broker_reroute(envelope, kn_str_from(m->move->to), &text);
    struct kn_str copy =
        status == KN_INVALID ? envelope : kn_arena_str(&m->arena, kn_buf_view(&text));
    kn_buf_fini(&text);
    return status == KN_OK || status == KN_INVALID ? copy : KN_STR_ABSENT;
}

static enum kn_status run_move(struct mover *m, struct call *call, uint64_t *ret_moved)
{
    const redisReply *reply = NULL;
    enum kn_status status = eval(m->s, call, 1, &reply);
    if (status != KN_OK)
        return status;
    *ret_moved = number_at(reply, 0);
    m->moved->moved += *ret_moved;
    m->left -= *ret_moved < m->left ? *ret_moved : m->left;
    return KN_OK;
}

static void begin_move(struct mover *m, struct call *call, const char *script)
{
    *call = (struct call){.script = script};
    add(call, list_of(m->s, &m->arena, m->move->from, m->step));
    if (m->move->to)
        add(call, list_of(m->s, &m->arena, m->move->to, m->step));
    call->keys = call->count;
}

static enum kn_status too_long(struct mover *m, const struct broker_waiting *message)
{
    kn_buf_clear(&m->s->base.error);
    kn_buf_printf(&m->s->base.error, "a message of %llu bytes is too long to be moved",
                  (unsigned long long)message->size);
    return KN_TOO_BIG;
}

/* The next page of the one list. */
static enum kn_status read_piece(struct mover *m, size_t limit, struct place *place,
                                 struct broker_page *ret)
{
    const redisReply *reply = NULL;
    ret->items = kn_arena_array(&m->arena, PIECE + 1, sizeof *ret->items);
    if (!ret->items)
        return KN_NOMEM;
    enum kn_status status = look_at(m->s, list_of(m->s, &m->arena, m->move->from, m->step), limit,
                                    PIECE_BYTES, place, &m->arena, &reply);
    return status == KN_OK ? take_messages(reply, &m->arena, ret, PIECE) : status;
}

static enum kn_status move_piece(struct mover *m, bool *ret_empty)
{
    struct broker_page page = {0};
    struct place end = {0};
    struct call call;
    uint64_t moved;
    enum kn_status status = read_piece(m, m->left < PIECE ? (size_t)m->left : PIECE, &end, &page);
    if (status != KN_OK)
        return status;
    *ret_empty = page.count == 0;
    begin_move(m, &call, move_script);
    for (size_t i = 0; i < page.count && !page.items[i].cut; i++) {
        add(&call, page.items[i].envelope);
        add(&call, for_new_place(m, page.items[i].envelope));
    }
    if (page.count && page.items[0].cut)
        return too_long(m, &page.items[0]);
    return page.count ? run_move(m, &call, &moved) : KN_OK;
}

static enum kn_status move_all(struct mover *m)
{
    enum kn_status status = KN_OK;
    bool empty = false;
    while (status == KN_OK && !empty && m->left && !is_late(m)) {
        kn_arena_reset(&m->arena);
        status = move_piece(m, &empty);
    }
    return status;
}

/* As look_script has it. */
static void write_mark(struct kn_str message, char ret[MARK_LEN + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t tail = message.len < 256 ? message.len : 256;
    struct kn_buf text;
    kn_buf_init(&text, 0);
    kn_buf_printf(&text, "%zu:", message.len);
    kn_buf_append(&text, message.ptr + message.len - tail, tail);
    if (kn_buf_status(&text) == KN_OK &&
        EVP_Digest(text.data, text.len, digest, NULL, EVP_sha1(), NULL) == 1) {
        for (size_t i = 0; i < MARK_LEN / 2; i++)
            snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    }
    kn_buf_fini(&text);
}

/* Where a list is read on. */
struct walk {
    uint64_t at;
    char mark[MARK_LEN + 1];
    bool ended;
};

/* The place becomes that of the last message that stays. behind: of the last before one that
 * went; or NULL. */
static enum kn_status move_wanted(struct mover *m, const struct broker_page *page,
                                  struct walk *walk, struct walk *behind)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < page->count && m->left && !is_late(m); i++) {
        struct kn_str envelope = page->items[i].envelope;
        struct call call;
        uint64_t moved = 0;
        if (!page->items[i].cut && m->move->wanted(m->move->arg, envelope)) {
            begin_move(m, &call, m->move->to ? move_one_script : remove_script);
            add(&call, envelope);
            if (m->move->to)
                add(&call, for_new_place(m, envelope));
            status = run_move(m, &call, &moved);
            if (moved && m->gone)
                m->gone(m->move->arg);
            if (moved && behind)
                *behind = *walk;
        } else if (!page->items[i].cut) {
            write_mark(envelope, walk->mark);
        }
        walk->at += moved ? 0 : 1;
    }
    return status;
}

/* The next page. *ret_looked: its messages. */
static enum kn_status walk_on(struct mover *m, struct walk *walk, struct walk *behind,
                              size_t *ret_looked)
{
    struct broker_page page = {0};
    struct place place = {walk->at, kn_str_from(walk->mark)};
    kn_arena_reset(&m->arena);
    enum kn_status status = read_piece(m, PIECE, &place, &page);
    if (status != KN_OK)
        return status;
    walk->ended = page.count == 0;
    walk->at = place.at - page.count;
    if (place.at == page.count)
        walk->mark[0] = '\0'; /* the message of the mark has gone */
    *ret_looked = page.count;
    return move_wanted(m, &page, walk, behind);
}

static enum kn_status move_some(struct mover *m)
{
    struct walk walk = {0};
    enum kn_status status = KN_OK;
    size_t ignored;
    while (status == KN_OK && !walk.ended && m->left && !is_late(m))
        status = walk_on(m, &walk, NULL, &ignored);
    return status;
}

enum kn_status broker_redis_move(struct broker_session *session, const struct broker_move *move,
                                 struct broker_moved *ret)
{
    struct redis_session *s = redis_session_of(session);
    struct mover m = {.s = s, .move = move, .moved = ret};
    m.left = move->max < ret->found ? move->max : ret->found;
    kn_arena_init(&m.arena, 0);
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < s->base.options.priority_count && m.left; i++) {
        m.step = s->base.options.priority_steps[i];
        status = move->wanted ? move_some(&m) : move_all(&m);
    }
    kn_arena_fini(&m.arena);
    return status;
}

/* ---- removing ------------------------------------------------------------------------- */

static enum kn_status begin_walks(struct kn_str cursor, size_t steps, struct walk *ret)
{
    struct place places[BROKER_STEPS_MAX] = {0};
    enum kn_status status = read_cursor(cursor, steps, places);
    for (size_t i = 0; status == KN_OK && i < steps; i++) {
        ret[i].at = places[i].at;
        snprintf(ret[i].mark, sizeof ret[i].mark, "%.*s", KN_STR_ARG(places[i].mark));
    }
    return status;
}

static void end_walks(const struct walk *walks, const struct walk *behind, size_t steps,
                      struct kn_arena *arena, struct broker_removed *ret)
{
    struct place places[BROKER_STEPS_MAX];
    ret->complete = true;
    for (size_t i = 0; i < steps; i++) {
        places[i] = (struct place){behind[i].at, kn_str_from(behind[i].mark)};
        ret->complete = ret->complete && walks[i].ended;
    }
    kn_arena_reset(arena);
    snprintf(ret->cursor, sizeof ret->cursor, "%.*s",
             KN_STR_ARG(write_cursor(places, steps, arena)));
}

/* A page of each list in turn: a caller who goes on from the cursor wants what was sent
 * after what it wanted before, whatever its priority. */
static enum kn_status remove_some(struct mover *m, struct walk *walks, struct walk *behind,
                                  uint64_t look_max)
{
    enum kn_status status = KN_OK;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < m->s->base.options.priority_count; i++) {
            size_t looked = 0;
            if (walks[i].ended)
                continue;
            if (status != KN_OK || !m->left || !look_max || is_late(m))
                return status;
            m->step = m->s->base.options.priority_steps[i];
            status = walk_on(m, &walks[i], &behind[i], &looked);
            look_max -= looked < look_max ? looked : look_max;
            more = true;
        }
    }
    return status;
}

enum kn_status broker_redis_remove(struct broker_session *session,
                                   const struct broker_removal *removal, struct broker_removed *ret)
{
    struct redis_session *s = redis_session_of(session);
    struct walk walks[BROKER_STEPS_MAX] = {0}, behind[BROKER_STEPS_MAX];
    struct broker_moved moved = {0};
    const struct broker_move move = {.from = removal->queue,
                                     .deadline = removal->deadline,
                                     .wanted = removal->wanted,
                                     .arg = removal->arg};
    struct mover m = {
        .s = s, .move = &move, .moved = &moved, .gone = removal->gone, .left = removal->max};
    kn_arena_init(&m.arena, 0);
    enum kn_status status = begin_walks(removal->cursor, s->base.options.priority_count, walks);
    memcpy(behind, walks, sizeof behind);
    if (status == KN_OK)
        status = remove_some(&m, walks, behind, removal->look_max);
    end_walks(walks, behind, s->base.options.priority_count, &m.arena, ret);
    ret->removed = moved.moved;
    ret->complete = ret->complete || m.left == 0;
    kn_arena_fini(&m.arena);
    return status;
}
