/* Receives Celery's events: a thread that does nothing but drain the socket
 * into a bounded buffer, and reconnects for ever.
 *
 * Redis: pub/sub; when the buffer is full the oldest messages go, and are
 * counted; the time without a connection is recorded as a gap. RabbitMQ: a
 * durable queue of our own; when the buffer is full nothing is read, and the
 * queue keeps the messages; each stays there until it is acknowledged. */
#ifndef BROKER_RECEIVER_H
#define BROKER_RECEIVER_H

#include "services/broker/port/chunks.h"

struct broker_receiver;

#define BROKER_ERROR_TEXT 256
#define BROKER_QUEUE_TEXT 256

struct broker_receiver_status {
    enum broker_state state;
    int64_t since;                 /* when the state began */
    char error[BROKER_ERROR_TEXT]; /* the last failure, "" if none; never a secret */
    char lost[BROKER_ERROR_TEXT];  /* why the last connection ended; stays */
    char note[BROKER_ERROR_TEXT];  /* something to know that is no failure, or "" */
    uint64_t messages, bytes;      /* received */
    uint64_t dropped;              /* messages lost because the buffer was full (Redis) */
    uint64_t too_big;              /* messages skipped because of message_max */
    uint64_t connects;             /* successful ones */
    size_t buffered;               /* bytes waiting to be taken */
    /* Redis: when we began to listen, and until when all that was published since then has
     * been handed over or counted in a gap; 0: not yet. RabbitMQ keeps what we miss: there
     * begins_at is 0, unless it had lost our queue when we came. */
    int64_t begins_at, complete_to;
};

/* Time in which events may have been lost. */
struct broker_gap {
    int64_t from, to;
};

/* Starts the thread; a broker that is away is no failure. The options are
 * copied; what they point to must outlive the receiver. */
enum kn_status broker_receiver_start(const struct broker_options *options,
                                     struct broker_receiver **ret) KN_MUST_CHECK;

/* The oldest chunk of messages, at least one of them. OK, TIMEOUT, or CLOSED
 * when the receiver was stopped and all is taken. At a TIMEOUT, all up to the
 * complete_to of a status from before the call was taken. One thread only. Give the
 * chunk back with broker_receiver_release. */
enum kn_status broker_receiver_take(struct broker_receiver *receiver, int64_t timeout_us,
                                    struct broker_chunk **ret) KN_MUST_CHECK;
void broker_receiver_release(struct broker_receiver *receiver, struct broker_chunk *chunk);

/* All messages up to this tag, in the order they were taken, are safe. Sent to
 * RabbitMQ soon; what was not acknowledged before a connection is lost comes
 * again. Nothing to do on Redis. Any thread. */
void broker_receiver_ack(struct broker_receiver *receiver, uint64_t tag);

/* The name of our own queue on RabbitMQ. */
void broker_receiver_queue(const struct broker_options *options, char *ret, size_t size);

/* Changes buffer_max. Any thread. */
void broker_receiver_limit(struct broker_receiver *receiver, size_t buffer_max);

/* Any thread. */
void broker_receiver_status(struct broker_receiver *receiver, struct broker_receiver_status *ret);
/* The oldest gap that was not asked for yet. Up to 64 are kept, then the last
 * one is stretched. */
bool broker_receiver_next_gap(struct broker_receiver *receiver, struct broker_gap *ret);

/* Stops reading, but still acknowledges; what was received can be taken. */
void broker_receiver_stop(struct broker_receiver *receiver);
/* Sends the last acknowledgements, disconnects, ends the thread. NULL is allowed. */
void broker_receiver_free(struct broker_receiver *receiver);

#endif
