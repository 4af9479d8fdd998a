/* Measures queues, on a connection of its own. One thread at a time; connects
 * when it is needed, and again after a failure. */
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
    int64_t unacked;                                /* -1: not known */
    int64_t consumers;                              /* -1: not known */
    const struct broker_priority_depth *priorities; /* those that hold messages (Redis) */
    size_t priority_count;
};

struct broker_depths {
    struct broker_depth *items;
    size_t count;
    int64_t unacked_total; /* Redis: over all queues; -1: not known */
};

/* The options are copied; what they point to must outlive the meter. */
enum kn_status broker_meter_new(const struct broker_options *options,
                                struct broker_meter **ret) KN_MUST_CHECK;
void broker_meter_free(struct broker_meter *meter);
/* The last failure as a sentence without secrets; "" when there was none. */
const char *broker_meter_error(const struct broker_meter *meter);

/* RabbitMQ: by which alarm it blocks publishers ("memory alarm"), at the last measurement; ""
 * when it does not. */
const char *broker_meter_alarm(const struct broker_meter *meter);

/* Measures the named queues and those that can be discovered: on Redis by
 * kombu's bindings (a bounded part of the keys is looked at in each call), on
 * RabbitMQ by the management API. A named queue that does not exist is left out
 * on RabbitMQ (and asked for again after 5 s, then less and less often, at least every 5
 * minutes), and has no messages on Redis. At most 1,000 queues. */
enum kn_status broker_meter_measure(struct broker_meter *meter, const struct kn_str *names,
                                    size_t name_count, struct kn_arena *arena,
                                    struct broker_depths *ret) KN_MUST_CHECK;

/* The virtual hosts in which workers run, or the numbers of the databases in which they listen or
 * have listened, ascending; ours too, at most max, in the arena. UNSUPPORTED when it can't be told:
 * on RabbitMQ without the management API, which tells what its user may see. */
enum kn_status broker_meter_places(struct broker_meter *meter, struct kn_arena *arena,
                                   struct kn_str *ret, size_t max, size_t *ret_count) KN_MUST_CHECK;

#endif
