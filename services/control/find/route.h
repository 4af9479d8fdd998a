/* Where a message sent to an exchange arrives. */
#ifndef CONTROL_FIND_ROUTE_H
#define CONTROL_FIND_ROUTE_H

#include "services/control/call/call.h"

/* exchange "": the default exchange, whose routing key is the queue. */
struct control_route {
    struct kn_str queue, exchange, routing_key;
};

/* The route in task-sent, normalized: the queue itself for the default exchange, and never the
 * exchange that merely delays a message (celery_delayed_N). All absent: unknown. */
struct control_route control_route_of(struct kn_str queue, struct kn_str exchange,
                                      struct kn_str routing_key);

/* The queues a key leads to, from an exchange's bindings on Redis ("<key><sep><pattern>
 * <sep><queue>", kombu/transport/redis.py; only a topic exchange has patterns). No I/O. */
enum kn_status control_route_match(const struct kn_str *bindings, size_t count,
                                   struct kn_str separator, struct kn_str routing_key,
                                   struct kn_arena *arena, struct kn_strs *ret) KN_MUST_CHECK;

/* The queues of a route, if the broker can list them (Redis); UNSUPPORTED on RabbitMQ, for a named
 * exchange. */
enum kn_status control_route_queues(struct control_call *call, const struct control_route *route,
                                    struct kn_strs *ret) KN_MUST_CHECK;

#endif
