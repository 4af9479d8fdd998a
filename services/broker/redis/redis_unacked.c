/* Messages delivered to workers and not acknowledged: kombu keeps them in the hash
 * <key prefix>unacked, by delivery tag, as [message, exchange, routing key]. */
#include "services/broker/redis/redis_session.h"

#include "services/common/count.h"

#include <stdio.h>

enum { SCANS_MAX = 100000 }; /* a server might never end the walk */

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING;
}

/* One piece of the hash. */
static enum kn_status scan(struct redis_session *s, struct kn_str key, char cursor[32],
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
    broker_redis_key(&s->base.options, &key, KN_STR("unacked"));
    enum kn_status status = kn_buf_status(&key);
    if (status == KN_OK)
        status = broker_redis_connect(s);
    while (status == KN_OK) {
        status = scan(s, kn_buf_view(&key), cursor, unacked, &bytes);
        if (status == KN_OK && strcmp(cursor, "0") == 0)
            break;
        if (status == KN_OK && (bytes > unacked->bytes_max || ++scans > SCANS_MAX))
            status = KN_FULL;
    }
    kn_buf_fini(&key);
    return status;
}
