#include "services/broker/redis/redis_session.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

#define SLICE KN_SECOND /* of waiting for a reply; shorter than the socket's time-out */

struct broker_session *broker_redis_session_new(void)
{
    struct redis_session *s = calloc(1, sizeof(*s));
    return s ? &s->base : NULL;
}

void broker_redis_session_fini(struct broker_session *session)
{
    struct redis_session *s = redis_session_of(session);
    freeReplyObject(s->reply);
    broker_redis_close(&s->redis);
}

bool broker_redis_connected(const struct broker_session *session)
{
    const struct redis_session *s = (const struct redis_session *)session;
    return s->redis.ctx && !s->redis.stale;
}

enum kn_status broker_redis_connect(struct redis_session *s)
{
    if (s->redis.ctx && !s->redis.stale)
        return KN_OK;
    broker_redis_close(&s->redis);
    return broker_redis_open(&s->base.options, -1, &s->base.error, &s->redis);
}

redisReply *broker_redis_ask(struct redis_session *s, size_t count, const struct kn_str *args)
{
    redisReply *reply = broker_redis_command(&s->redis, &s->base.error, count, args);
    if (!reply)
        broker_redis_close(&s->redis);
    return reply;
}

/* A command whose answer is a number, if one wants to know. */
static enum kn_status run(struct redis_session *s, size_t count, const struct kn_str *args,
                          int64_t *ret_number)
{
    redisReply *reply = broker_redis_ask(s, count, args);
    if (!reply)
        return KN_IO;
    enum kn_status status = reply->type == REDIS_REPLY_ERROR ? KN_DENIED : KN_OK;
    if (status == KN_OK && ret_number)
        *ret_number = reply->integer;
    freeReplyObject(reply);
    return status;
}

static enum kn_status publish(struct redis_session *s, struct kn_str channel,
                              struct kn_str envelope, int64_t *ret_receivers)
{
    const struct kn_str args[] = {KN_STR("PUBLISH"), channel, envelope};
    return run(s, 3, args, ret_receivers);
}

enum kn_status broker_redis_fanout(struct broker_session *session, const char *exchange,
                                   const struct broker_outgoing *message, int64_t *ret_receivers)
{
    struct redis_session *s = redis_session_of(session);
    const char *prefix =
        s->base.options.fanout_prefix ? s->base.options.fanout_prefix : BROKER_REDIS_FANOUT;
    struct kn_buf channel;
    int64_t more = 0;
    bool first = false; /* channel has it */
    bool lost = false;
    kn_buf_init(&channel, 0);
    enum kn_status status = broker_redis_connect(s);
    if (status == KN_OK) {
        broker_redis_channel(&s->base.options, s->redis.host->db, prefix, &channel,
                             kn_str_from(exchange));
        status = kn_buf_status(&channel);
    }
    if (status == KN_OK) {
        status = publish(s, kn_buf_view(&channel), message->envelope, ret_receivers);
        first = status == KN_OK;
        lost = status == KN_IO;
    }
    if (status == KN_OK && s->base.options.url->sentinel && !s->base.options.fanout_prefix) {
        /* kombu before 5.4 listens at this when it uses sentinels */
        kn_buf_clear(&channel);
        kn_buf_printf(&channel, "%s" BROKER_REDIS_FANOUT "%s", s->base.options.key_prefix,
                      exchange);
        status = publish(s, kn_buf_view(&channel), message->envelope, &more);
        *ret_receivers += more;
    }
    kn_buf_fini(&channel);
    return message->once && (lost || (first && status != KN_OK)) ? KN_UNCERTAIN : status;
}

/* The step that a priority falls into, as kombu's bisect does it. */
static int step_of(const struct broker_options *options, uint8_t priority)
{
    int step = 0;
    for (size_t i = 0; i < options->priority_count; i++) {
        if (options->priority_steps[i] <= priority)
            step = options->priority_steps[i];
    }
    return step;
}

void broker_redis_list(const struct broker_options *options, struct kn_buf *key,
                       struct kn_str queue, int step)
{
    broker_redis_key(options, key, queue);
    if (step > 0)
        kn_buf_printf(key, "%s%d", options->separator, step);
}

/* A connection that works: one that was cut while it was idle would lose the message. */
static enum kn_status reconnect(struct redis_session *s)
{
    const struct kn_str ping[] = {KN_STR("PING")};
    if (s->redis.ctx && !s->redis.stale && run(s, 1, ping, NULL) == KN_OK)
        return KN_OK;
    broker_redis_close(&s->redis);
    kn_buf_clear(&s->base.error);
    return broker_redis_connect(s);
}

enum kn_status broker_redis_send(struct broker_session *session, const char *queue,
                                 const struct broker_outgoing *message)
{
    struct redis_session *s = redis_session_of(session);
    struct kn_buf key;
    kn_buf_init(&key, 0);
    enum kn_status status = reconnect(s);
    broker_redis_list(&s->base.options, &key, kn_str_from(queue),
                      step_of(&s->base.options, message->priority));
    if (status == KN_OK)
        status = kn_buf_status(&key);
    const struct kn_str args[] = {KN_STR("LPUSH"), kn_buf_view(&key), message->envelope};
    if (status == KN_OK) {
        status = run(s, 3, args, NULL);
        status = status == KN_IO ? KN_UNCERTAIN : status;
    }
    kn_buf_fini(&key);
    return status;
}

/* Adds our queue to the bindings of the exchange (kombu's Channel._queue_bind) once its
 * list is empty; or takes it out, and then the list, so that no late reply is left. */
static enum kn_status bind(struct redis_session *s, bool add)
{
    struct kn_buf set;
    struct kn_buf member;
    struct kn_buf name;
    struct kn_buf list;
    kn_buf_init(&set, 0);
    kn_buf_init(&member, 0);
    kn_buf_init(&name, 0);
    kn_buf_init(&list, 0);
    kn_buf_printf(&name, BROKER_REDIS_BINDING "%s", s->base.replies_of.exchange.data);
    broker_redis_key(&s->base.options, &set, kn_buf_view(&name));
    kn_buf_printf(&member, "%s%s%s%s", s->base.replies_of.routing_key.data,
                  s->base.options.separator, s->base.options.separator,
                  s->base.replies_of.queue.data);
    broker_redis_list(&s->base.options, &list, kn_buf_view(&s->base.replies_of.queue), 0);
    const struct kn_str change[] = {kn_str_from(add ? "SADD" : "SREM"), kn_buf_view(&set),
                                    kn_buf_view(&member)};
    const struct kn_str empty[] = {KN_STR("DEL"), kn_buf_view(&list)};
    enum kn_status status = add ? run(s, 2, empty, NULL) : run(s, 3, change, NULL);
    if (status == KN_OK)
        status = add ? run(s, 3, change, NULL) : run(s, 2, empty, NULL);
    kn_buf_fini(&set);
    kn_buf_fini(&member);
    kn_buf_fini(&name);
    kn_buf_fini(&list);
    return status;
}

enum kn_status broker_redis_replies_open(struct broker_session *session)
{
    struct redis_session *s = redis_session_of(session);
    enum kn_status status = broker_redis_connect(s);
    return status == KN_OK ? bind(s, true) : status;
}

void broker_redis_replies_close(struct broker_session *session)
{
    struct redis_session *s = redis_session_of(session);
    bool before = s->redis.ctx;
    enum kn_status status = broker_redis_connect(s);
    if (status == KN_OK)
        status = bind(s, false);
    if (status != KN_OK && before && !s->redis.ctx && broker_redis_connect(s) == KN_OK)
        status = bind(s, false); /* the connection had been cut without our notice */
    if (status != KN_OK)
        kn_buf_clear(&s->base.error);
}

/* One BRPOP over the lists of all priorities. */
static enum kn_status pop(struct redis_session *s, int64_t timeout_us, struct broker_message *ret)
{
    struct kn_buf keys[BROKER_STEPS_MAX];
    struct kn_str args[BROKER_STEPS_MAX + 2] = {KN_STR("BRPOP")};
    char seconds[32];
    size_t n = s->base.options.priority_count;
    for (size_t i = 0; i < n; i++) {
        kn_buf_init(&keys[i], 0);
        broker_redis_list(&s->base.options, &keys[i], kn_buf_view(&s->base.replies_of.queue),
                          s->base.options.priority_steps[i]);
        args[1 + i] = kn_buf_view(&keys[i]);
    }
    /* before Redis 6 the time-out is a whole number of seconds, and 0 is for ever */
    snprintf(seconds, sizeof(seconds), "%d", (int)((timeout_us + KN_SECOND - 1) / KN_SECOND));
    args[1 + n] = kn_str_from(seconds);
    s->reply = broker_redis_command(&s->redis, &s->base.error, n + 2, args);
    for (size_t i = 0; i < n; i++)
        kn_buf_fini(&keys[i]);
    if (!s->reply) {
        broker_redis_close(&s->redis);
        return KN_CLOSED;
    }
    if (s->reply->type == REDIS_REPLY_ERROR)
        return KN_DENIED;
    if (s->reply->type != REDIS_REPLY_ARRAY || s->reply->elements != 2)
        return KN_TIMEOUT;
    const redisReply *value = s->reply->element[1];
    *ret = (struct broker_message){.body = {value->str, value->len}, .received_at = kn_time_now()};
    return KN_OK;
}

enum kn_status broker_redis_replies_receive(struct broker_session *session, int64_t timeout_us,
                                            struct broker_message *ret)
{
    struct redis_session *s = redis_session_of(session);
    int64_t deadline = kn_time_mono() + timeout_us;
    enum kn_status status = KN_TIMEOUT;
    if (!s->redis.ctx)
        return KN_CLOSED;
    do {
        int64_t left = deadline - kn_time_mono();
        freeReplyObject(s->reply);
        s->reply = NULL;
        status = pop(s, left > SLICE ? SLICE : left > 0 ? left : 1, ret);
    } while (status == KN_TIMEOUT && kn_time_mono() < deadline);
    return status;
}

/* ---- reply queues that nobody takes away any more ------------------------------------- */

enum { PAGES_MAX = 100 };

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
        kn_str_to_u64(broker_redis_text(reply->element[0]), &seconds) &&
        kn_str_to_u64(broker_redis_text(reply->element[1]), &micros) &&
        seconds < INT64_MAX / KN_SECOND - 1)
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
    struct kn_str next = sound ? broker_redis_text(reply->element[0]) : KN_STR("0");
    snprintf(cursor, 32, "%.*s", KN_STR_ARG(next));
    for (size_t i = 0; members && i < members->elements && status == KN_OK; i++) {
        struct kn_str member = broker_redis_text(members->element[i]);
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
    snprintf(name, sizeof(name), BROKER_REDIS_BINDING "%s", exchange);
    broker_redis_key(&s->base.options, &set, kn_str_from(name));
    for (int page = 0; status == KN_OK && page < PAGES_MAX; page++) {
        status = sweep_page(s, kn_buf_view(&set), kn_str_from(prefix), now, cursor, ret_count);
        if (strcmp(cursor, "0") == 0)
            break;
    }
    kn_buf_fini(&set);
    return status;
}
