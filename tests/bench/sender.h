/* Gives messages to Redis or RabbitMQ, many under way at once. */
#ifndef KN_BENCH_SENDER_H
#define KN_BENCH_SENDER_H

#include "services/broker/broker.h"
#include "tests/bench/ledger.h"

/* Messages that may be under way without an answer. */
enum { SENDER_WINDOW = 1024 };

/* One for each kind of broker. All return IO or CLOSED when the connection is lost,
 * with a sentence in error; what waits for an answer is then for ledger_lost. */
struct sender_kind {
    enum kn_status (*open)(void *self, const struct broker_options *options, bool confirm,
                           struct kn_buf *error);
    /* Keeps it, or sends it; takes answers when there are many to come. */
    enum kn_status (*publish)(void *self, const struct load_message *message, struct ledger *ledger,
                              struct kn_buf *error);
    /* Sends what is kept, and waits for every answer. */
    enum kn_status (*flush)(void *self, struct ledger *ledger, struct kn_buf *error);
    /* Safe when it is not open. */
    void (*close)(void *self);
    size_t size; /* of self, which begins as zeros */
};

extern const struct sender_kind sender_redis, sender_amqp;

#endif
