/* Queues on Redis, as kombu keeps them:
 *
 *   <prefix>_kombu.binding.<exchange>   set of "<routing key><sep><pattern><sep><queue>"
 *   <prefix><queue>                     list of messages of priority 0
 *   <prefix><queue><sep><step>          the same for the other priorities
 *   <prefix>unacked                     hash of [message, exchange, routing key] that
 *                                       workers hold, of all queues together */
#include "services/broker/redis/redis_session.h"
#include "services/common/text/json.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

#define BINDINGS_BYTES ((size_t)4 << 20)
#define SCANS_MAX 20      /* SCAN calls in one measurement */
#define SCAN_COUNT "500"  /* keys that one of them looks at */
#define MEMBERS_MAX 10000 /* of a set of bindings */
#define UNACKED_MAX 2000  /* messages whose queue is looked up */
#define UNACKED_BYTES ((size_t)8 << 20)
#define NUMBER_MAX 1000000 /* of a database */
#define UNACKED_SCANS 1000 /* HSCAN calls; a walk over so few messages ends sooner */

/* Bindings of kombu. */
struct binding {
    struct kn_str exchange, routing_key, queue;
};
struct bindings {
    struct kn_arena arena;
    struct binding *items; /* BROKER_QUEUES_MAX of them, or NULL */
    size_t count;
};

struct redis_meter {
    struct broker_meter base;
    struct broker_redis redis;
    struct bindings known, walking; /* of the last walk over all keys, and of this one so far */
    struct kn_buf cursor;           /* of SCAN; empty: a walk is to begin */
};

struct broker_meter *broker_redis_meter_new(void)
{
    struct redis_meter *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    kn_buf_init(&m->cursor, 64);
    kn_arena_init(&m->known.arena, BINDINGS_BYTES);
    kn_arena_init(&m->walking.arena, BINDINGS_BYTES);
    return &m->base;
}

void broker_redis_meter_fini(struct broker_meter *meter)
{
    struct redis_meter *m = (struct redis_meter *)meter;
    broker_redis_close(&m->redis);
    kn_arena_fini(&m->known.arena);
    kn_arena_fini(&m->walking.arena);
    kn_buf_fini(&m->cursor);
}

bool broker_redis_meter_connected(const struct broker_meter *meter)
{
    return ((const struct redis_meter *)meter)->redis.ctx;
}

/* A reply other than an error, or NULL with the error set. */
static redisReply *ask(struct redis_meter *m, size_t count, const struct kn_str *args)
{
    redisReply *reply = broker_redis_command(&m->redis, &m->base.error, count, args);
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        freeReplyObject(reply);
        return NULL;
    }
    if (!reply)
        broker_redis_close(&m->redis);
    return reply;
}

/* ---- bindings ------------------------------------------------------------------ */

/* Splits off the part before the separator. */
static struct kn_str split(struct kn_str *rest, const char *separator)
{
    size_t len = strlen(separator);
    const char *end = len && rest->len ? memmem(rest->ptr, rest->len, separator, len) : NULL;
    struct kn_str part = end ? (struct kn_str){rest->ptr, (size_t)(end - rest->ptr)} : *rest;
    size_t used = end ? part.len + len : rest->len;
    *rest = (struct kn_str){rest->ptr + used, rest->len - used};
    return part;
}

/* Of kombu.common.Broadcast, one for each process that ever consumed it: "bcast.<uuid>". Its
 * exchange is a fanout, which goes over publish and subscribe, so there is no list of this name. */
static bool is_broadcast(struct kn_str queue)
{
    return kn_str_starts(queue, KN_STR("bcast.")) && queue.len == 6 + 36;
}

static void add_binding(struct redis_meter *m, struct kn_str exchange, struct kn_str member)
{
    struct bindings *to = &m->walking;
    struct kn_str routing_key = split(&member, m->base.options.separator);
    (void)split(&member, m->base.options.separator); /* the pattern */
    if (!to->items)
        to->items = kn_arena_array(&to->arena, BROKER_QUEUES_MAX, sizeof(*to->items));
    if (!to->items || to->count == BROKER_QUEUES_MAX || member.len == 0 || is_broadcast(member))
        return;
    const struct binding binding = {kn_arena_str(&to->arena, exchange),
                                    kn_arena_str(&to->arena, routing_key),
                                    kn_arena_str(&to->arena, member)};
    if (binding.queue.ptr)
        to->items[to->count++] = binding;
}

/* Events and remote control go over publish and subscribe: their bindings name no lists. */
static bool is_fanout(const struct redis_meter *m, struct kn_str exchange)
{
    struct kn_str suffix = KN_STR(".pidbox");
    bool pidbox = exchange.len >= suffix.len &&
                  memcmp(exchange.ptr + exchange.len - suffix.len, suffix.ptr, suffix.len) == 0;
    return pidbox || kn_str_eq(exchange, kn_str_from(m->base.options.event_exchange));
}

static enum kn_status read_set(struct redis_meter *m, struct kn_str key, size_t head_len)
{
    struct kn_str exchange = {key.ptr + head_len, key.len - head_len};
    const struct kn_str size[] = {KN_STR("SCARD"), key};
    const struct kn_str members[] = {KN_STR("SMEMBERS"), key};
    if (is_fanout(m, exchange))
        return KN_OK;
    redisReply *reply = ask(m, 2, size);
    bool fits = reply && reply->type == REDIS_REPLY_INTEGER && reply->integer <= MEMBERS_MAX;
    freeReplyObject(reply);
    reply = fits ? ask(m, 2, members) : NULL;
    for (size_t i = 0; reply && i < reply->elements; i++)
        add_binding(m, exchange, broker_redis_text(reply->element[i]));
    freeReplyObject(reply);
    return m->redis.ctx ? KN_OK : KN_IO;
}

static void finish_walk(struct redis_meter *m)
{
    struct bindings old = m->known;
    m->known = m->walking;
    m->walking = old;
    kn_arena_reset(&m->walking.arena);
    m->walking.items = NULL;
    m->walking.count = 0;
}

/* One SCAN. *ret_done: the walk is complete. */
static enum kn_status scan_some(struct redis_meter *m, struct kn_str pattern, size_t head_len,
                                bool *ret_done)
{
    const struct kn_str args[] = {
        KN_STR("SCAN"),  m->cursor.len ? kn_buf_view(&m->cursor) : KN_STR("0"),
        KN_STR("MATCH"), pattern,
        KN_STR("COUNT"), KN_STR(SCAN_COUNT)};
    redisReply *reply = ask(m, 6, args);
    if (!reply)
        return KN_IO;
    enum kn_status status = KN_OK;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        status = KN_INVALID;
    struct kn_str next = status == KN_OK ? broker_redis_text(reply->element[0]) : KN_STR_ABSENT;
    for (size_t i = 0; status == KN_OK && i < reply->element[1]->elements; i++) {
        struct kn_str key = broker_redis_text(reply->element[1]->element[i]);
        if (key.len >= head_len)
            status = read_set(m, key, head_len);
    }
    *ret_done = kn_str_eq(next, KN_STR("0"));
    kn_buf_clear(&m->cursor);
    if (!*ret_done)
        kn_buf_str(&m->cursor, next);
    freeReplyObject(reply);
    return status;
}

static enum kn_status discover(struct redis_meter *m)
{
    struct kn_buf pattern;
    bool done = false;
    enum kn_status status = KN_OK;
    kn_buf_init(&pattern, 0);
    for (const char *c = m->base.options.key_prefix; *c; c++) {
        if (strchr("*?[]\\", *c))
            kn_buf_char(&pattern, '\\');
        kn_buf_char(&pattern, *c);
    }
    kn_buf_text(&pattern, BROKER_REDIS_BINDING "*");
    size_t head_len = strlen(m->base.options.key_prefix) + strlen(BROKER_REDIS_BINDING);
    for (int i = 0; i < SCANS_MAX && status == KN_OK && !done; i++)
        status = scan_some(m, kn_buf_view(&pattern), head_len, &done);
    if (status == KN_OK && done)
        finish_walk(m);
    kn_buf_fini(&pattern);
    return status;
}

/* ---- lengths ------------------------------------------------------------------- */

static void append_llen(struct redis_meter *m, struct kn_str queue, int step, struct kn_buf *key)
{
    broker_redis_list(&m->base.options, key, queue, step);
    const char *argv[] = {"LLEN", key->data};
    size_t lens[] = {4, key->len};
    if (kn_buf_status(key) == KN_OK)
        (void)redisAppendCommandArgv(m->redis.ctx, 2, argv, lens);
}

/* DENIED: we may not ask. */
static enum kn_status read_llen(struct redis_meter *m, struct kn_str queue, uint64_t *ret)
{
    redisReply *reply = broker_redis_reply(&m->redis);
    if (!reply) {
        kn_buf_clear(&m->base.error);
        kn_buf_text(&m->base.error, m->redis.ctx->errstr);
        broker_redis_close(&m->redis);
        return KN_IO;
    }
    /* a key of another type is no queue: an error, and no messages */
    *ret = reply->type == REDIS_REPLY_INTEGER && reply->integer > 0 ? (uint64_t)reply->integer : 0;
    bool denied = reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOPERM", 6) == 0;
    if (denied) {
        kn_buf_clear(&m->base.error);
        kn_buf_text(&m->base.error, reply->str);
        broker_redis_name_right(&m->base.error, KN_STR("LLEN"), queue);
    }
    freeReplyObject(reply);
    return denied ? KN_DENIED : KN_OK;
}

static enum kn_status read_lengths(struct redis_meter *m, struct kn_arena *arena,
                                   struct broker_depth *depth)
{
    size_t steps = m->base.options.priority_count;
    struct broker_priority_depth *list = kn_arena_array(arena, steps, sizeof(*list));
    bool denied = false;
    for (size_t i = 0; i < steps; i++) { /* read every reply */
        uint64_t messages = 0;
        enum kn_status status = read_llen(m, depth->name, &messages);
        denied = denied || status == KN_DENIED;
        if (status != KN_OK && status != KN_DENIED)
            return status;
        depth->messages += messages;
        if (list && messages)
            list[depth->priority_count++] =
                (struct broker_priority_depth){m->base.options.priority_steps[i], messages};
    }
    depth->priorities = list;
    return denied ? KN_DENIED : list ? KN_OK : KN_NOMEM;
}

/* A queue that we may not measure is left out: its depth is unknown, not 0. */
static enum kn_status measure_lengths(struct redis_meter *m, struct kn_arena *arena,
                                      struct broker_depths *depths)
{
    struct kn_buf key;
    enum kn_status status = KN_OK;
    kn_buf_init(&key, 0);
    for (size_t i = 0; i < depths->count; i++) {
        for (size_t p = 0; p < m->base.options.priority_count; p++)
            append_llen(m, depths->items[i].name, m->base.options.priority_steps[p], &key);
    }
    size_t kept = 0, count = depths->count;
    for (size_t i = 0; i < count && status == KN_OK; i++) {
        status = read_lengths(m, arena, &depths->items[i]);
        if (status == KN_OK)
            depths->items[kept++] = depths->items[i];
        else if (status == KN_DENIED)
            status = KN_OK;
    }
    depths->count = kept;
    kn_buf_fini(&key);
    return status;
}

/* ---- unacknowledged -------------------------------------------------------------- */

static struct broker_depth *find_depth(struct broker_depths *depths, struct kn_str name)
{
    for (size_t i = 0; i < depths->count; i++) {
        if (kn_str_eq(depths->items[i].name, name))
            return &depths->items[i];
    }
    return NULL;
}

static struct broker_depth *find_queue(struct redis_meter *m, struct broker_depths *depths,
                                       struct kn_str exchange, struct kn_str routing_key)
{
    for (size_t i = 0; i < m->known.count; i++) {
        const struct binding *b = &m->known.items[i];
        if (kn_str_eq(b->exchange, exchange) && kn_str_eq(b->routing_key, routing_key))
            return find_depth(depths, b->queue);
    }
    return find_depth(depths, routing_key); /* the default exchange */
}

/* Where the JSON string that ends before end begins; 0 when there is none. */
static size_t string_start(struct kn_str s, size_t end)
{
    while (end > 0 && s.ptr[end - 1] != '"')
        end--;
    for (size_t i = end > 0 ? end - 1 : 0; i > 0; i--) {
        if (s.ptr[i - 1] == '"' && (i < 2 || s.ptr[i - 2] != '\\'))
            return i - 1;
    }
    return 0;
}

/* The value ends in …, "exchange", "routing key"]: no need to read the message. */
static void count_unacked(struct redis_meter *m, struct broker_depths *depths, struct kn_str value)
{
    char tail[1024] = "[";
    size_t key_start = string_start(value, value.len);
    size_t start = key_start ? string_start(value, key_start) : 0;
    if (start == 0 || value.len - start > sizeof(tail) - 1)
        return;
    memcpy(tail + 1, value.ptr + start, value.len - start);
    json_t *pair = kn_json_load((struct kn_str){tail, 1 + value.len - start}, 0);
    const char *exchange = json_string_value(json_array_get(pair, 0));
    const char *routing_key = json_string_value(json_array_get(pair, 1));
    struct broker_depth *depth =
        exchange && routing_key
            ? find_queue(m, depths, kn_str_from(exchange), kn_str_from(routing_key))
            : NULL;
    if (depth)
        depth->unacked++;
    json_decref(pair);
}

/* Walks over the hash. False when there was too much of it, or it failed. */
static bool split_unacked(struct redis_meter *m, struct broker_depths *depths, struct kn_str key)
{
    char cursor[32] = "0";
    size_t bytes = 0, scans = 0;
    do {
        const struct kn_str args[] = {KN_STR("HSCAN"), key, kn_str_from(cursor), KN_STR("COUNT"),
                                      KN_STR("50")};
        redisReply *reply = ask(m, 5, args);
        bool good = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2;
        for (size_t i = 1; good && i < reply->element[1]->elements; i += 2) {
            struct kn_str value = broker_redis_text(reply->element[1]->element[i]);
            bytes += value.len;
            if (value.ptr)
                count_unacked(m, depths, value);
        }
        snprintf(cursor, sizeof(cursor), "%.*s",
                 good ? (int)broker_redis_text(reply->element[0]).len : 0,
                 good ? broker_redis_text(reply->element[0]).ptr : "");
        freeReplyObject(reply);
        if (!good || bytes > UNACKED_BYTES || ++scans > UNACKED_SCANS)
            return false;
    } while (strcmp(cursor, "0") != 0);
    return true;
}

static enum kn_status measure_unacked(struct redis_meter *m, struct broker_depths *depths)
{
    struct kn_buf key;
    kn_buf_init(&key, 0);
    broker_redis_key(&m->base.options, &key, KN_STR(BROKER_REDIS_UNACKED));
    const struct kn_str args[] = {KN_STR("HLEN"), kn_buf_view(&key)};
    redisReply *reply = ask(m, 2, args);
    bool known = reply && reply->type == REDIS_REPLY_INTEGER;
    if (known)
        depths->unacked_total = reply->integer;
    freeReplyObject(reply);
    for (size_t i = 0; known && i < depths->count; i++)
        depths->items[i].unacked = 0;
    if (depths->unacked_total > 0)
        known = depths->unacked_total <= UNACKED_MAX && split_unacked(m, depths, kn_buf_view(&key));
    for (size_t i = 0; !known && i < depths->count; i++)
        depths->items[i].unacked = -1;
    kn_buf_fini(&key);
    /* if only the walk failed, the measured depths still count */
    return m->redis.ctx || depths->unacked_total > 0 ? KN_OK : KN_IO;
}

static void add_found(struct broker_depths *depths, struct kn_arena *arena,
                      const struct bindings *bindings)
{
    for (size_t i = 0; i < bindings->count; i++)
        broker_depths_add(depths, arena, bindings->items[i].queue);
}

enum kn_status broker_redis_measure(struct broker_meter *meter, struct kn_arena *arena,
                                    struct broker_depths *depths)
{
    struct redis_meter *m = (struct redis_meter *)meter;
    enum kn_status status = KN_OK;
    if (!m->redis.ctx)
        status = broker_redis_open(&m->base.options, -1, &m->base.error, &m->redis);
    if (status == KN_OK)
        status = discover(m);
    if (status != KN_OK && m->redis.ctx)
        status = KN_OK; /* a missing right: known queues are still measured */
    add_found(depths, arena, &m->known);
    add_found(depths, arena, &m->walking);
    if (status == KN_OK)
        status = measure_lengths(m, arena, depths);
    if (status == KN_OK)
        status = measure_unacked(m, depths);
    if (status != KN_OK)
        broker_redis_close(&m->redis);
    return status;
}

/* ---- databases ------------------------------------------------------------------- */

static void add_number(int *list, size_t *count, size_t max, int64_t number)
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

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* A worker has a connection with a pattern subscription, for commands; its database is
 * the one in which it works. */
static size_t find_listening(struct kn_str clients, int *list, size_t max)
{
    size_t count = 0;
    while (clients.len) {
        const char *end = memchr(clients.ptr, '\n', clients.len);
        struct kn_str line = {clients.ptr, end ? (size_t)(end - clients.ptr) : clients.len};
        size_t used = line.len + (end != NULL);
        if (field_of(line, " psub=") >= 1)
            add_number(list, &count, max, field_of(line, " db="));
        clients = (struct kn_str){clients.ptr + used, clients.len - used};
    }
    qsort(list, count, sizeof *list, by_number);
    return count;
}

enum kn_status broker_redis_places(struct broker_meter *meter, struct kn_arena *arena,
                                   struct kn_str *ret, size_t max, size_t *ret_count)
{
    struct redis_meter *m = (struct redis_meter *)meter;
    const struct kn_str args[] = {KN_STR("CLIENT"), KN_STR("LIST")};
    enum kn_status status = KN_OK;
    int *numbers = kn_arena_array(arena, max, sizeof *numbers);
    if (!numbers)
        return KN_NOMEM;
    if (!m->redis.ctx)
        status = broker_redis_open(&m->base.options, -1, &m->base.error, &m->redis);
    redisReply *reply = status == KN_OK ? ask(m, 2, args) : NULL;
    struct kn_str clients = reply ? broker_redis_text(reply) : KN_STR_ABSENT;
    size_t count = find_listening(clients, numbers, max);
    for (size_t i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", numbers[i]);
        ret[i] = kn_arena_str(arena, kn_str_from(text));
    }
    freeReplyObject(reply);
    *ret_count = count;
    return status != KN_OK ? status : clients.ptr ? KN_OK : KN_UNSUPPORTED;
}
