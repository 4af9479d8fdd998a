/* A session with Redis, and the functions in its driver. */
#ifndef BROKER_REDIS_REDIS_SESSION_H
#define BROKER_REDIS_REDIS_SESSION_H

#include "services/broker/port/driver.h"
#include "services/broker/redis/redis.h"

struct redis_session {
    struct broker_session base;
    struct broker_redis redis;
    redisReply *reply; /* holds the last message */
};

static inline struct redis_session *redis_session_of(struct broker_session *session)
{
    return (struct redis_session *)session;
}

enum kn_status broker_redis_connect(struct redis_session *s) KN_MUST_CHECK;
/* Sends a command. NULL when the connection was lost; it is then closed. An error reply is returned
 * like any other. Free it with freeReplyObject. */
redisReply *broker_redis_ask(struct redis_session *s, size_t count, const struct kn_str *args);
/* Writes the key of the list for a queue and priority into an empty buffer. */
void broker_redis_list(const struct broker_options *options, struct kn_buf *key,
                       struct kn_str queue, int step);

/* ---- for the driver: see driver.h ------------------------------------------------------ */

enum kn_status broker_redis_receive(struct broker_receiver *r, struct kn_buf *error) KN_MUST_CHECK;
struct broker_meter *broker_redis_meter_new(void);
void broker_redis_meter_fini(struct broker_meter *meter);
bool broker_redis_meter_connected(const struct broker_meter *meter);
enum kn_status broker_redis_measure(struct broker_meter *meter, struct kn_arena *arena,
                                    struct broker_depths *depths) KN_MUST_CHECK;
enum kn_status broker_redis_places(struct broker_meter *meter, struct kn_arena *arena,
                                   struct kn_str *ret, size_t max, size_t *ret_count) KN_MUST_CHECK;

struct broker_session *broker_redis_session_new(void);
void broker_redis_session_fini(struct broker_session *s);
bool broker_redis_connected(const struct broker_session *s);
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

#endif
