/* Reply queues that nobody takes away any more. */
#include "services/broker/redis/redis_session.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdio.h>

enum { PAGES_MAX = 100 };

static struct kn_str text_of(const redisReply *reply)
{
    bool text = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
    return text ? (struct kn_str){reply->str, reply->len} : KN_STR_ABSENT;
}

enum kn_status broker_redis_clock(struct broker_session *session, int64_t *ret_us)
{
    struct redis_session *s = redis_session_of(session);
    const struct kn_str args[] = {KN_STR("TIME")};
    uint64_t seconds, micros;
    enum kn_status status = broker_redis_connect(s);
    if (status != KN_OK)
        return status;
    redisReply *reply = broker_redis_ask(s, 1, args);
    if (!reply)
        return KN_IO;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        kn_str_to_u64(text_of(reply->element[0]), &seconds) &&
        kn_str_to_u64(text_of(reply->element[1]), &micros) && seconds < INT64_MAX / KN_SECOND - 1)
        *ret_us = (int64_t)seconds * KN_SECOND + (int64_t)micros;
    else
        status = KN_DENIED;
    freeReplyObject(reply);
    return status;
}

/* The queue in a member that is ours and overdue; absent for any other. */
static struct kn_str overdue(const struct redis_session *s, struct kn_str member,
                             struct kn_str prefix, int64_t now)
{
    uint64_t deadline;
    if (!kn_str_starts(member, prefix))
        return KN_STR_ABSENT;
    const char *from = member.ptr + prefix.len, *end = member.ptr + member.len;
    const char *dash = memchr(from, '-', (size_t)(end - from));
    if (!dash || !kn_str_to_u64((struct kn_str){from, (size_t)(dash - from)}, &deadline) ||
        deadline >= (uint64_t)(now / KN_SECOND))
        return KN_STR_ABSENT;
    struct kn_str separator = kn_str_from(s->base.options.separator);
    const char *at = from, *queue = NULL;
    while (separator.len && (at = memmem(at, (size_t)(end - at), separator.ptr, separator.len)))
        queue = at += separator.len;
    return queue ? (struct kn_str){queue, (size_t)(end - queue)} : KN_STR_ABSENT;
}

static enum kn_status remove_queue(struct redis_session *s, struct kn_str set, struct kn_str member,
                                   struct kn_str queue)
{
    struct kn_buf list;
    kn_buf_init(&list, 0);
    broker_redis_key(&s->base.options, &list, queue);
    const struct kn_str unbind[] = {KN_STR("SREM"), set, member};
    const struct kn_str drop[] = {KN_STR("DEL"), kn_buf_view(&list)};
    enum kn_status status = kn_buf_status(&list);
    redisReply *reply = status == KN_OK ? broker_redis_ask(s, 3, unbind) : NULL;
    bool good = reply && reply->type != REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    reply = good ? broker_redis_ask(s, 2, drop) : NULL;
    good = reply && reply->type != REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    kn_buf_fini(&list);
    return good ? KN_OK : status != KN_OK ? status : KN_IO;
}

/* One page of the set; *cursor is moved on, and "0" at the end. */
static enum kn_status sweep_page(struct redis_session *s, struct kn_str set, struct kn_str prefix,
                                 int64_t now, char cursor[32], size_t *count)
{
    char pattern[64];
    snprintf(pattern, sizeof(pattern), "%.*s*", KN_STR_ARG(prefix));
    const struct kn_str args[] = {
        KN_STR("SSCAN"), set,           kn_str_from(cursor), KN_STR("MATCH"), kn_str_from(pattern),
        KN_STR("COUNT"), KN_STR("1000")};
    redisReply *reply = broker_redis_ask(s, KN_COUNT_OF(args), args);
    if (!reply)
        return KN_IO;
    enum kn_status status = KN_OK;
    bool sound = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                 reply->element[1]->type == REDIS_REPLY_ARRAY;
    const redisReply *members = sound ? reply->element[1] : NULL;
    struct kn_str next = sound ? text_of(reply->element[0]) : KN_STR("0");
    snprintf(cursor, 32, "%.*s", KN_STR_ARG(next));
    for (size_t i = 0; members && i < members->elements && status == KN_OK; i++) {
        struct kn_str member = text_of(members->element[i]);
        struct kn_str queue = overdue(s, member, prefix, now);
        if (!queue.ptr)
            continue;
        status = remove_queue(s, set, member, queue);
        *count += status == KN_OK;
    }
    freeReplyObject(reply);
    return status;
}

enum kn_status broker_redis_sweep(struct broker_session *session, const char *exchange,
                                  const char *prefix, size_t *ret_count)
{
    struct redis_session *s = redis_session_of(session);
    struct kn_buf set;
    char name[256], cursor[32] = "0";
    int64_t now;
    enum kn_status status = broker_redis_clock(session, &now);
    kn_buf_init(&set, 0);
    snprintf(name, sizeof(name), "_kombu.binding.%s", exchange);
    broker_redis_key(&s->base.options, &set, kn_str_from(name));
    for (int page = 0; status == KN_OK && page < PAGES_MAX; page++) {
        status = sweep_page(s, kn_buf_view(&set), kn_str_from(prefix), now, cursor, ret_count);
        if (strcmp(cursor, "0") == 0)
            break;
    }
    kn_buf_fini(&set);
    return status;
}
