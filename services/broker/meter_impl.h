/* Between meter.c and the two kinds of broker. */
#ifndef BROKER_METER_IMPL_H
#define BROKER_METER_IMPL_H

#include "services/broker/amqp/amqp.h"
#include "services/broker/meter.h"
#include "services/broker/redis/redis.h"
#include "services/common/data/table.h"

#include <stdio.h>

#define BROKER_QUEUES_MAX 1000

/* Bindings of kombu that were found on Redis. */
struct broker_binding {
    struct kn_str exchange, routing_key, queue;
};
struct broker_bindings {
    struct kn_arena arena;
    struct broker_binding *items; /* BROKER_QUEUES_MAX of them, or NULL */
    size_t count;
};

struct broker_meter {
    struct broker_options options;
    struct broker_redis redis;
    struct broker_amqp amqp;
    struct kn_table gone;     /* RabbitMQ: queues that were not there */
    struct broker_amqp alarm; /* a separate one: in an alarm it answers nothing else */
    bool unprobed;            /* the user may not have an exchange for probes */
    struct kn_buf error;
    char text[256]; /* the last error */
    /* Redis: what the last walk over all keys found, and the present one so far */
    struct broker_bindings known, walking;
    struct kn_buf cursor; /* of SCAN; empty: a walk is to begin */
};

/* Adds a queue to be measured, once. */
void broker_depths_add(struct broker_depths *depths, struct kn_arena *arena, struct kn_str name);

/* Keeps the error at hand for broker_meter_error. */
void broker_meter_keep_error(struct broker_meter *meter);

/* Adds what can be discovered, and measures all. */
enum kn_status broker_redis_measure(struct broker_meter *meter, struct kn_arena *arena,
                                    struct broker_depths *depths) KN_MUST_CHECK;
enum kn_status broker_redis_places(struct broker_meter *meter, struct kn_arena *arena,
                                   struct kn_str *ret, size_t max, size_t *ret_count) KN_MUST_CHECK;
enum kn_status broker_amqp_places(struct broker_meter *meter, struct kn_arena *arena,
                                  struct kn_str *ret, size_t max, size_t *ret_count) KN_MUST_CHECK;
void broker_amqp_meter_init(struct broker_meter *meter);
enum kn_status broker_amqp_measure(struct broker_meter *meter, struct kn_arena *arena,
                                   struct broker_depths *depths) KN_MUST_CHECK;

#endif
