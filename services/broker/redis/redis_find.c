/* One message among those that wait or are unacknowledged: found, and taken out. kombu
 * (kombu/transport/redis.py) LPUSHes to the list of a queue, or of the queue and a step of
 * priority, and takes from the other end; what a worker has taken and not acknowledged is in the
 * hash "unacked": [message, exchange, routing key]. */
#include "services/broker/redis/redis_session.h"

#include "services/common/count.h"

#include <inttypes.h>
#include <stdio.h>

enum { CHUNK = 200 };

struct search {
    struct redis_session *session;
    bool (*is)(void *arg, struct kn_str value);
    void *arg;
    size_t left;
    struct broker_found *found;
};

static redisReply *run(struct redis_session *s, size_t count, const struct kn_str *args,
                       enum kn_status *ret_status)
{
    redisReply *reply = broker_redis_ask(s, count, args);
    *ret_status = !reply ? KN_IO : reply->type == REDIS_REPLY_ERROR ? KN_DENIED : KN_OK;
    return reply;
}

static bool look(struct search *search, const redisReply *value)
{
    if (value->type != REDIS_REPLY_STRING)
        return false;
    struct kn_str text = {value->str, value->len};
    if (!search->is(search->arg, text))
        return false;
    kn_buf_clear(&search->found->value);
    kn_buf_str(&search->found->value, text);
    return true;
}

/* From the end where new ones come: those that come meanwhile only make one be seen
 * twice, and those that are taken are at the other end. */
static enum kn_status search_list(struct search *search, struct kn_str list)
{
    for (size_t from = 0;;) {
        char first[24], last[24];
        enum kn_status status;
        size_t step = search->left < CHUNK ? search->left : CHUNK;
        if (!step) {
            search->found->complete = false;
            return KN_NOT_FOUND;
        }
        snprintf(first, sizeof first, "%zu", from);
        snprintf(last, sizeof last, "%zu", from + step - 1);
        const struct kn_str args[] = {KN_STR("LRANGE"), list, kn_str_from(first),
                                      kn_str_from(last)};
        redisReply *reply = run(search->session, 4, args, &status);
        size_t count = status == KN_OK && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
        bool found = false;
        for (size_t i = 0; i < count && !found; i++)
            found = look(search, reply->element[i]);
        freeReplyObject(reply);
        search->left -= count;
        from += count;
        if (status != KN_OK || found)
            return status;
        if (count < step)
            return KN_NOT_FOUND;
    }
}

static enum kn_status search_queue(struct search *search, struct kn_str queue)
{
    const struct broker_options *options = &search->session->base.options;
    for (size_t i = 0; i < options->priority_count; i++) {
        struct kn_buf *list = &search->found->list;
        kn_buf_clear(list);
        broker_redis_list(options, list, queue, options->priority_steps[i]);
        enum kn_status status = kn_buf_status(list);
        if (status == KN_OK)
            status = search_list(search, kn_buf_view(list));
        if (status != KN_NOT_FOUND)
            return status;
    }
    kn_buf_clear(&search->found->list);
    return KN_NOT_FOUND;
}

/* What HSCAN gave: its place, and keys and values in turns. */
static bool look_through(struct search *search, const redisReply *reply, char place[24])
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY) {
        snprintf(place, 24, "0");
        return false;
    }
    const redisReply *items = reply->element[1];
    snprintf(place, 24, "%.23s", reply->element[0]->str);
    for (size_t i = 1; i < items->elements; i += 2) {
        search->left -= search->left > 0;
        if (look(search, items->element[i]))
            return true;
    }
    return false;
}

static enum kn_status search_unacked(struct search *search)
{
    char place[24] = "0";
    struct kn_buf key;
    kn_buf_init(&key, 0);
    broker_redis_key(&search->session->base.options, &key, KN_STR(BROKER_REDIS_UNACKED));
    enum kn_status status = kn_buf_status(&key);
    bool found = false;
    do {
        const struct kn_str args[] = {KN_STR("HSCAN"), kn_buf_view(&key), kn_str_from(place),
                                      KN_STR("COUNT"), KN_STR("200")};
        redisReply *reply = status == KN_OK ? run(search->session, 5, args, &status) : NULL;
        if (status == KN_OK)
            found = look_through(search, reply, place);
        freeReplyObject(reply);
    } while (status == KN_OK && !found && strcmp(place, "0") != 0 && search->left > 0);
    search->found->complete = search->found->complete && (found || strcmp(place, "0") == 0);
    kn_buf_fini(&key);
    return status == KN_OK && !found ? KN_NOT_FOUND : status;
}

enum kn_status broker_redis_find(struct broker_session *session, struct kn_str queue, bool unacked,
                                 size_t max, bool (*is)(void *arg, struct kn_str value), void *arg,
                                 struct broker_found *ret)
{
    struct redis_session *s = redis_session_of(session);
    struct search search = {.session = s, .is = is, .arg = arg, .left = max, .found = ret};
    ret->complete = true;
    enum kn_status status = broker_redis_connect(s);
    if (status == KN_OK && queue.len)
        status = search_queue(&search, queue);
    else if (status == KN_OK)
        status = KN_NOT_FOUND;
    if (status == KN_NOT_FOUND && unacked)
        status = search_unacked(&search);
    return status == KN_OK ? kn_buf_status(&ret->value) : status;
}

enum kn_status broker_redis_take_out(struct broker_session *session,
                                     const struct broker_found *found, int64_t *ret_removed)
{
    struct redis_session *s = redis_session_of(session);
    enum kn_status status = broker_redis_connect(s);
    const struct kn_str args[] = {KN_STR("LREM"), kn_buf_view(&found->list), KN_STR("1"),
                                  kn_buf_view(&found->value)};
    redisReply *reply = status == KN_OK ? run(s, 4, args, &status) : NULL;
    if (status == KN_OK)
        *ret_removed = reply->integer;
    freeReplyObject(reply);
    return status;
}

enum kn_status broker_redis_bindings(struct broker_session *session, struct kn_str exchange,
                                     struct kn_arena *arena, struct kn_str **ret, size_t *ret_count)
{
    struct redis_session *s = redis_session_of(session);
    struct kn_buf name, key;
    kn_buf_init(&name, 0);
    kn_buf_init(&key, 0);
    kn_buf_printf(&name, BROKER_REDIS_BINDING "%.*s", KN_STR_ARG(exchange));
    broker_redis_key(&s->base.options, &key, kn_buf_view(&name));
    enum kn_status status = broker_redis_connect(s);
    if (status == KN_OK)
        status = kn_buf_status(&key);
    const struct kn_str args[] = {KN_STR("SMEMBERS"), kn_buf_view(&key)};
    redisReply *reply = status == KN_OK ? run(s, 2, args, &status) : NULL;
    size_t count = status == KN_OK && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    struct kn_str *found = kn_arena_array(arena, count + 1, sizeof *found);
    size_t n = 0;
    for (size_t i = 0; found && i < count; i++) {
        const redisReply *member = reply->element[i];
        if (member->type == REDIS_REPLY_STRING)
            found[n++] = kn_arena_str(arena, (struct kn_str){member->str, member->len});
    }
    freeReplyObject(reply);
    kn_buf_fini(&name);
    kn_buf_fini(&key);
    if (status == KN_OK && arena->overflow)
        status = KN_NOMEM;
    if (status == KN_OK) {
        *ret = found;
        *ret_count = n;
    }
    return status;
}

/* ---- all that is unacknowledged ------------------------------------------------------- */

enum { SCANS_MAX = 100000 }; /* a server might never end the walk */

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING;
}

/* One piece of the hash. */
static enum kn_status scan_unacked(struct redis_session *s, struct kn_str key, char cursor[32],
                                   const struct broker_unacked *unacked, size_t *bytes)
{
    const struct kn_str args[] = {KN_STR("HSCAN"), key, kn_str_from(cursor), KN_STR("COUNT"),
                                  KN_STR("100")};
    redisReply *reply = broker_redis_ask(s, KN_COUNT_OF(args), args);
    if (!reply)
        return KN_IO;
    bool good = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                is_text(reply->element[0]) && reply->element[1]->type == REDIS_REPLY_ARRAY;
    for (size_t i = 1; good && i < reply->element[1]->elements; i += 2) {
        const redisReply *value = reply->element[1]->element[i];
        if (!is_text(value))
            continue;
        *bytes += value->len;
        unacked->each(unacked->arg, (struct kn_str){value->str, value->len});
    }
    enum kn_status status = good                               ? KN_OK
                            : reply->type == REDIS_REPLY_ERROR ? KN_DENIED
                                                               : KN_INVALID;
    if (good)
        snprintf(cursor, 32, "%s", reply->element[0]->str);
    freeReplyObject(reply);
    return status;
}

enum kn_status broker_redis_unacked(struct broker_session *session,
                                    const struct broker_unacked *unacked)
{
    struct redis_session *s = redis_session_of(session);
    struct kn_buf key;
    char cursor[32] = "0";
    size_t bytes = 0, scans = 0;
    kn_buf_init(&key, 0);
    broker_redis_key(&s->base.options, &key, KN_STR(BROKER_REDIS_UNACKED));
    enum kn_status status = kn_buf_status(&key);
    if (status == KN_OK)
        status = broker_redis_connect(s);
    while (status == KN_OK) {
        status = scan_unacked(s, kn_buf_view(&key), cursor, unacked, &bytes);
        if (status == KN_OK && strcmp(cursor, "0") == 0)
            break;
        if (status == KN_OK && (bytes > unacked->bytes_max || ++scans > SCANS_MAX))
            status = KN_FULL;
    }
    kn_buf_fini(&key);
    return status;
}
