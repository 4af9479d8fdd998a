/* Between session.c and the two kinds of broker. */
#ifndef BROKER_SESSION_IMPL_H
#define BROKER_SESSION_IMPL_H

#include "services/broker/amqp/amqp.h"
#include "services/broker/redis/redis.h"
#include "services/broker/session.h"
#include "services/broker/waiting.h"
#include "services/common/data/arena.h"

struct broker_session {
    struct broker_options options;
    struct kn_buf error;
    char text[256]; /* the last error */

    struct broker_redis redis;
    redisReply *reply; /* that the last message lies in */

    struct broker_amqp amqp;    /* to publish */
    struct broker_amqp replies; /* of its own: what comes must not mix with answers */
    bool confirming;            /* the channel for confirmed messages is open */
    bool unprobed;              /* the user may not have an exchange for probes */
    amqp_envelope_t envelope;
    bool has_envelope;

    struct { /* the reply queue */
        bool open;
        bool left; /* it was lost with the connection, and may still be on the broker */
        struct kn_buf exchange, routing_key, queue;
    } replies_of;
};

/* Headers as a table of AMQP; what it is made of lies in the arena. TOO_BIG, NOMEM. */
enum kn_status broker_amqp_table(const struct broker_header *headers, size_t count,
                                 struct kn_arena *arena, amqp_table_t *ret) KN_MUST_CHECK;
/* Keeps the error, and hands the status on. */
enum kn_status broker_session_result(struct broker_session *s, enum kn_status status);
/* Whether a call failed on a connection that was cut while it was idle. */
bool broker_session_again(const struct broker_session *s, bool was_connected,
                          enum kn_status status);
bool broker_session_connected(const struct broker_session *s);

enum kn_status broker_redis_connect(struct broker_session *s) KN_MUST_CHECK;
/* A command; NULL when the connection was lost, which is closed then. An error is an answer
 * too. To be freed with freeReplyObject. */
redisReply *broker_redis_ask(struct broker_session *s, size_t count, const struct kn_str *args);
/* The key of the list of a queue and a priority, into an empty buffer. */
void broker_redis_list(const struct broker_options *options, struct kn_buf *key,
                       struct kn_str queue, int step);
enum kn_status broker_redis_fanout(struct broker_session *s, const char *exchange,
                                   const struct broker_outgoing *message,
                                   int64_t *ret_receivers) KN_MUST_CHECK;
enum kn_status broker_redis_send(struct broker_session *s, const char *queue,
                                 const struct broker_outgoing *message) KN_MUST_CHECK;
enum kn_status broker_redis_replies_open(struct broker_session *s) KN_MUST_CHECK;
enum kn_status broker_redis_replies_receive(struct broker_session *s, int64_t timeout_us,
                                            struct broker_message *ret) KN_MUST_CHECK;
void broker_redis_replies_close(struct broker_session *s);
enum kn_status broker_redis_clock(struct broker_session *s, int64_t *ret_us) KN_MUST_CHECK;
enum kn_status broker_redis_sweep(struct broker_session *s, const char *exchange,
                                  const char *prefix, size_t *ret_count) KN_MUST_CHECK;
enum kn_status broker_redis_look(struct broker_session *s, const struct broker_look *look,
                                 struct kn_arena *arena, struct broker_page *ret) KN_MUST_CHECK;
enum kn_status broker_redis_find(struct broker_session *s, struct kn_str queue, bool unacked,
                                 size_t max, bool (*is)(void *arg, struct kn_str value), void *arg,
                                 struct broker_found *ret) KN_MUST_CHECK;
enum kn_status broker_redis_take_out(struct broker_session *s, const struct broker_found *found,
                                     int64_t *ret_removed) KN_MUST_CHECK;
enum kn_status broker_redis_bindings(struct broker_session *s, struct kn_str exchange,
                                     struct kn_arena *arena, struct kn_str **ret,
                                     size_t *ret_count) KN_MUST_CHECK;
enum kn_status broker_redis_unacked(struct broker_session *s,
                                    const struct broker_unacked *unacked) KN_MUST_CHECK;
enum kn_status broker_redis_purge(struct broker_session *s, const struct broker_purge *purge,
                                  uint64_t *ret_count) KN_MUST_CHECK;
enum kn_status broker_redis_purged(struct broker_session *s, const char *keep, size_t limit,
                                   struct kn_arena *arena, struct broker_page *ret) KN_MUST_CHECK;
enum kn_status broker_redis_kept(struct broker_session *s, const char *kept, struct kn_arena *arena,
                                 struct broker_page *ret) KN_MUST_CHECK;
enum kn_status broker_redis_purged_end(struct broker_session *s, const char *kept,
                                       struct kn_str member) KN_MUST_CHECK;
enum kn_status broker_redis_move(struct broker_session *s, const struct broker_move *move,
                                 struct broker_moved *ret) KN_MUST_CHECK;
enum kn_status broker_redis_remove(struct broker_session *s, const struct broker_removal *removal,
                                   struct broker_removed *ret) KN_MUST_CHECK;

/* Connects, and opens the first channel. */
enum kn_status broker_amqp_connect(struct broker_session *s) KN_MUST_CHECK;
/* Whatever went wrong: the next call begins with a new connection. */
enum kn_status broker_amqp_give_up(struct broker_session *s, enum kn_status status);
/* Connects. AGAIN: RabbitMQ blocks publishers; the connection stays open. */
enum kn_status broker_amqp_may_publish(struct broker_session *s) KN_MUST_CHECK;
/* A message to a queue as it is, confirmed. NOT_FOUND, FULL: the broker did not take it. */
enum kn_status broker_amqp_put(struct broker_session *s, const char *queue,
                               const amqp_message_t *message) KN_MUST_CHECK;
enum kn_status broker_amqp_look(struct broker_session *s, const struct broker_look *look,
                                struct kn_arena *arena, struct broker_page *ret) KN_MUST_CHECK;
enum kn_status broker_amqp_no_stream(struct broker_session *s, const char *queue);
enum kn_status broker_amqp_purge(struct broker_session *s, const struct broker_purge *purge,
                                 uint64_t *ret_count) KN_MUST_CHECK;
enum kn_status broker_amqp_move(struct broker_session *s, const struct broker_move *move,
                                struct broker_moved *ret) KN_MUST_CHECK;
enum kn_status broker_amqp_remove(struct broker_session *s, const struct broker_removal *removal,
                                  struct broker_removed *ret) KN_MUST_CHECK;

enum kn_status broker_amqp_fanout(struct broker_session *s, const char *exchange,
                                  const struct broker_outgoing *message,
                                  int64_t *ret_receivers) KN_MUST_CHECK;
enum kn_status broker_amqp_send(struct broker_session *s, const char *queue,
                                const struct broker_outgoing *message) KN_MUST_CHECK;
enum kn_status broker_amqp_replies_open(struct broker_session *s) KN_MUST_CHECK;
enum kn_status broker_amqp_replies_receive(struct broker_session *s, int64_t timeout_us,
                                           struct broker_message *ret) KN_MUST_CHECK;
void broker_amqp_replies_close(struct broker_session *s);

#endif
