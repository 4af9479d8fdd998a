/* Measures queues, on its own connection. One thread at a time. Connects on first use,
 * and again after a failure. */
#ifndef BROKER_METER_H
#define BROKER_METER_H

#include "services/broker/broker.h"
#include "services/common/data/arena.h"

struct broker_meter;

struct broker_priority_depth {
    int priority;
    uint64_t messages;
};

struct broker_depth {
    struct kn_str name;
    uint64_t messages;                              /* ready, all priorities together */
    int64_t unacked;                                /* -1: unknown */
    int64_t consumers;                              /* -1: unknown */
    const struct broker_priority_depth *priorities; /* those with messages (Redis) */
    size_t priority_count;
};

struct broker_depths {
    struct broker_depth *items;
    size_t count;
    int64_t unacked_total; /* Redis: all queues together; -1: unknown */
};

/* The options are copied; what they point to must outlive the meter. */
enum kn_status broker_meter_new(const struct broker_options *options,
                                struct broker_meter **ret) KN_MUST_CHECK;
void broker_meter_free(struct broker_meter *meter);
/* The last failure as a sentence without secrets; "" if none. */
const char *broker_meter_error(const struct broker_meter *meter);

/* RabbitMQ: the alarm that blocked publishers at the last measurement ("memory alarm"), or "". */
const char *broker_meter_alarm(const struct broker_meter *meter);

/* Measures the named queues and those that can be discovered: on Redis by
 * kombu's bindings (each call examines a limited number of keys), on RabbitMQ by the
 * management API. A named queue that does not exist has no messages on Redis, and is
 * omitted on RabbitMQ (and checked again after 5 s, then at growing intervals of up to 5
 * minutes). At most 1,000 queues. */
enum kn_status broker_meter_measure(struct broker_meter *meter, const struct kn_str *names,
                                    size_t name_count, struct kn_arena *arena,
                                    struct broker_depths *ret) KN_MUST_CHECK;

/* RabbitMQ: the virtual hosts with workers that the management API's user may see; UNSUPPORTED
 * without the management API. Redis: the numbers of the databases where workers listen or have
 * listened, ascending. Includes our own; at most max, in the arena. */
enum kn_status broker_meter_places(struct broker_meter *meter, struct kn_arena *arena,
                                   struct kn_str *ret, size_t max, size_t *ret_count) KN_MUST_CHECK;

#endif
