#include "services/broker/redis/lists.h"

#include "services/broker/session_impl.h"

#include <inttypes.h>
#include <stdio.h>

enum { CHUNK = 200 };

struct search {
    struct broker_session *session;
    broker_lists_is *is;
    void *arg;
    size_t left;
    struct broker_found *found;
};

bool broker_lists_has(const struct broker_session *session)
{
    return session->options.url->kind == BROKER_REDIS;
}

static redisReply *run(struct broker_session *s, size_t count, const struct kn_str *args,
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
    const struct broker_options *options = &search->session->options;
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
    broker_redis_key(&search->session->options, &key, KN_STR("unacked"));
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

static enum kn_status find(struct search *search, struct kn_str queue, bool unacked)
{
    search->found->complete = true;
    enum kn_status status = broker_redis_connect(search->session);
    if (status == KN_OK && queue.len)
        status = search_queue(search, queue);
    else if (status == KN_OK)
        status = KN_NOT_FOUND;
    if (status == KN_NOT_FOUND && unacked)
        status = search_unacked(search);
    return status == KN_OK ? kn_buf_status(&search->found->value) : status;
}

enum kn_status broker_lists_find(struct broker_session *session, struct kn_str queue, bool unacked,
                                 size_t max, broker_lists_is *is, void *arg,
                                 struct broker_found *ret)
{
    struct search search = {.session = session, .is = is, .arg = arg, .left = max, .found = ret};
    if (!broker_lists_has(session))
        return KN_UNSUPPORTED;
    bool before = broker_session_connected(session);
    enum kn_status status = find(&search, queue, unacked);
    if (status != KN_NOT_FOUND && broker_session_again(session, before, status)) {
        search.left = max;
        status = find(&search, queue, unacked);
    }
    return broker_session_result(session, status);
}

enum kn_status broker_lists_remove(struct broker_session *session, struct kn_str list,
                                   struct kn_str value, int64_t *ret_removed)
{
    if (!broker_lists_has(session))
        return KN_UNSUPPORTED;
    enum kn_status status = broker_redis_connect(session);
    const struct kn_str args[] = {KN_STR("LREM"), list, KN_STR("1"), value};
    redisReply *reply = status == KN_OK ? run(session, 4, args, &status) : NULL;
    if (status == KN_OK)
        *ret_removed = reply->integer;
    freeReplyObject(reply);
    return status;
}

struct kn_str broker_lists_separator(const struct broker_session *session)
{
    return kn_str_from(session->options.separator);
}

static enum kn_status bindings(struct broker_session *s, struct kn_str exchange,
                               struct kn_arena *arena, struct kn_str **ret, size_t *ret_count)
{
    struct kn_buf name, key;
    kn_buf_init(&name, 0);
    kn_buf_init(&key, 0);
    kn_buf_printf(&name, "_kombu.binding.%.*s", KN_STR_ARG(exchange));
    broker_redis_key(&s->options, &key, kn_buf_view(&name));
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

enum kn_status broker_lists_bindings(struct broker_session *session, struct kn_str exchange,
                                     struct kn_arena *arena, struct kn_str **ret, size_t *ret_count)
{
    if (!broker_lists_has(session))
        return KN_UNSUPPORTED;
    bool before = broker_session_connected(session);
    enum kn_status status = bindings(session, exchange, arena, ret, ret_count);
    if (broker_session_again(session, before, status))
        status = bindings(session, exchange, arena, ret, ret_count);
    return broker_session_result(session, status);
}
