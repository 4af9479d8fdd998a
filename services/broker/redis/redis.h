/* Opens a connection to Redis (maybe through sentinels), authenticates, and selects the
 * database. */
#ifndef BROKER_REDIS_REDIS_H
#define BROKER_REDIS_REDIS_H

#include "services/broker/broker.h"

#include <hiredis/hiredis.h>

struct broker_tls;

/* kombu's names, after the key prefix: kombu/transport/redis.py. */
#define BROKER_REDIS_UNACKED "unacked"         /* hash of unacknowledged messages */
#define BROKER_REDIS_BINDING "_kombu.binding." /* followed by the exchange: a set */
#define BROKER_REDIS_FANOUT "/{db}."           /* fanout_prefix if enabled */

struct broker_redis {
    redisContext *ctx;
    struct broker_tls *tls;         /* NULL without TLS */
    const struct broker_host *host; /* the URL's host it was opened for; NULL: none */
    size_t reply_max;               /* bytes of one reply; a larger one closes the connection */
    bool stale;                     /* its server has become a replica: close and reopen it */
};

/* wake_fd: as in net.h. On failure error gets a sentence without secrets. */
enum kn_status broker_redis_open(const struct broker_options *options, int wake_fd,
                                 struct kn_buf *error, struct broker_redis *ret) KN_MUST_CHECK;
/* Safe on a zeroed struct. */
void broker_redis_close(struct broker_redis *redis);

/* Sends a command and waits for its reply; texts may contain any bytes. NULL when the connection is
 * lost. error (may be NULL) gets a sentence when the connection is lost or the reply is an error;
 * for a missing permission it names the command. Free the reply with freeReplyObject. */
redisReply *broker_redis_command(struct broker_redis *redis, struct kn_buf *error, size_t count,
                                 const struct kn_str *args) KN_MUST_CHECK;

/* The reply to a command appended with redisAppendCommandArgv; NULL when the connection is lost:
 * redis->ctx->errstr says why. Replies are limited to reply_max bytes and 250,000 elements. */
redisReply *broker_redis_reply(struct broker_redis *redis) KN_MUST_CHECK;
/* Sets these limits. Call once, before reading anything. */
void broker_redis_bound(redisContext *ctx);

/* Adds the command to the server's message about a missing permission, which does not name it. */
void broker_redis_name_right(struct kn_buf *error, struct kn_str command, struct kn_str key);

/* The text of a reply; absent if it is not text. */
static inline struct kn_str broker_redis_text(const redisReply *reply)
{
    bool text = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
    return text ? (struct kn_str){reply->str, reply->len} : KN_STR_ABSENT;
}

/* "<key prefix><name>" into an empty buffer. */
void broker_redis_key(const struct broker_options *options, struct kn_buf *buf, struct kn_str name);
/* "<key prefix><fanout prefix><exchange>", with the database number inserted. */
void broker_redis_channel(const struct broker_options *options, int db, const char *fanout_prefix,
                          struct kn_buf *buf, struct kn_str exchange);

#endif
