/* One message among those that wait in the lists of a Redis: found, and taken out. Knows
 * nothing of what is in it. On RabbitMQ a message can't be looked at without taking it:
 * UNSUPPORTED.
 *
 * kombu (kombu/transport/redis.py) LPUSHes to the list of a queue, or of the queue and a
 * step of priority, and takes from the other end; what a worker has taken and not
 * acknowledged is in the hash "unacked": [message, exchange, routing key]. */
#ifndef BROKER_REDIS_LISTS_H
#define BROKER_REDIS_LISTS_H

#include "services/broker/session.h"
#include "services/common/data/arena.h"

/* Whether it is this one. */
typedef bool broker_lists_is(void *arg, struct kn_str value);

struct broker_found {
    struct kn_buf value; /* to be given back by the caller, initialised before */
    struct kn_buf list;  /* the key that it is in; empty: in "unacked" */
    bool complete;       /* false: there were more than max values, and it is not found */
};

/* Looks through the lists of a queue, then (unacked) through what is not acknowledged, at
 * up to max values. NOT_FOUND. A value that moves from one to the other meanwhile is
 * missed rarely, and never found twice. */
enum kn_status broker_lists_find(struct broker_session *session, struct kn_str queue, bool unacked,
                                 size_t max, broker_lists_is *is, void *arg,
                                 struct broker_found *ret) KN_MUST_CHECK;

/* Takes the value out of the list, if it is still there, byte for byte: at once.
 * *ret_removed: 1 or 0. */
enum kn_status broker_lists_remove(struct broker_session *session, struct kn_str list,
                                   struct kn_str value, int64_t *ret_removed) KN_MUST_CHECK;

/* The members of the set of an exchange's bindings, in the arena; what stands between the
 * parts of each. UNSUPPORTED on RabbitMQ. */
enum kn_status broker_lists_bindings(struct broker_session *session, struct kn_str exchange,
                                     struct kn_arena *arena, struct kn_str **ret,
                                     size_t *ret_count) KN_MUST_CHECK;
struct kn_str broker_lists_separator(const struct broker_session *session);

/* Whether the session is with a Redis. */
bool broker_lists_has(const struct broker_session *session);

#endif
