/* Between receiver.c and the two kinds of broker. */
#ifndef BROKER_RECEIVER_IMPL_H
#define BROKER_RECEIVER_IMPL_H

#include "services/broker/net.h"
#include "services/broker/receiver.h"

#include <stdatomic.h>

struct broker_receiver {
    struct broker_options options;
    struct broker_chunks chunks;
    struct broker_chunk *chunk; /* being filled; the thread's */
    int wake_fd;
    pthread_t thread;
    atomic_bool stopping; /* read no more */
    atomic_bool ending;   /* disconnect */
    _Atomic uint64_t ack_to;

    pthread_mutex_t lock; /* status and gaps */
    struct broker_receiver_status status;
    struct broker_gap gaps[64];
    size_t gap_first, gap_count;

    /* the thread's own */
    unsigned seed;
    /* All that was published before was received (Redis), or when the last message came or,
     * before the first, when we found our queue empty (RabbitMQ); 0 before that. */
    int64_t alive_at;
    uint64_t base; /* our tags are the broker's plus this */
    uint64_t tag;  /* last one given */
    uint64_t acked;
    bool cancelled; /* RabbitMQ cancelled our consumer */
};

/* Connects, and receives until the connection is lost or the receiver ends.
 * error gets why; CLOSED when it ends. */
enum kn_status broker_redis_receive(struct broker_receiver *r, struct kn_buf *error) KN_MUST_CHECK;
enum kn_status broker_amqp_receive(struct broker_receiver *r, struct kn_buf *error) KN_MUST_CHECK;

/* For these two: */
void broker_receiver_connected(struct broker_receiver *r);
void broker_receiver_note(struct broker_receiver *r, const char *note);
/* Something may have been lost since alive_at; if that was before our time, from now on
 * nothing is. */
void broker_receiver_gap(struct broker_receiver *r);
/* What was received is complete up to alive_at. */
void broker_receiver_complete(struct broker_receiver *r);
void broker_receiver_count(struct broker_receiver *r, uint64_t messages, uint64_t bytes,
                           uint64_t too_big);
/* Hands r->chunk over when it holds messages. */
void broker_receiver_flush(struct broker_receiver *r);

#endif
