/* Receives Celery's events: one thread reads the socket into a bounded buffer and
 * reconnects indefinitely.
 *
 * Redis: pub/sub. If the buffer is full, the oldest messages are dropped and
 * counted; time without a connection is recorded as a gap. RabbitMQ: our own durable
 * queue, which keeps each message until it is acknowledged. If the buffer is full,
 * nothing is read. */
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
    char lost[BROKER_ERROR_TEXT];  /* why the last connection ended; kept after a reconnect */
    char note[BROKER_ERROR_TEXT];  /* information that is not a failure, or "" */
    uint64_t messages, bytes;      /* received */
    uint64_t dropped;              /* messages lost because the buffer was full (Redis) */
    uint64_t too_big;              /* messages skipped because of message_max */
    uint64_t connects;             /* successful ones */
    size_t buffered;               /* bytes waiting to be taken */
    /* Redis: begins_at is when listening began. Everything published from then until complete_to
     * was handed over or is in a gap; 0: not yet. RabbitMQ keeps missed messages: begins_at is 0,
     * unless our queue was missing when we connected. */
    int64_t begins_at, complete_to;
};

/* A period in which events may have been lost. */
struct broker_gap {
    int64_t from, to;
};

/* Starts the thread; an unavailable broker is not a failure. The options are
 * copied; what they point to must outlive the receiver. */
enum kn_status broker_receiver_start(const struct broker_options *options,
                                     struct broker_receiver **ret) KN_MUST_CHECK;

/* The oldest chunk, with at least one message. OK, TIMEOUT, or CLOSED if the receiver
 * was stopped and everything was taken. TIMEOUT also means that everything was taken up
 * to the complete_to of a status read before the call. One thread only. Return the chunk
 * with broker_receiver_release. */
enum kn_status broker_receiver_take(struct broker_receiver *receiver, int64_t timeout_us,
                                    struct broker_chunk **ret) KN_MUST_CHECK;
void broker_receiver_release(struct broker_receiver *receiver, struct broker_chunk *chunk);

/* Acknowledges all messages up to this tag, in the order they were taken. RabbitMQ is
 * told soon after; it delivers messages again that were not acknowledged before a connection
 * was lost. No effect on Redis. Any thread. */
void broker_receiver_ack(struct broker_receiver *receiver, uint64_t tag);

/* The name of our own queue on RabbitMQ. */
void broker_receiver_queue(const struct broker_options *options, char *ret, size_t size);

/* Changes buffer_max. Any thread. */
void broker_receiver_limit(struct broker_receiver *receiver, size_t buffer_max);

/* Any thread. */
void broker_receiver_status(struct broker_receiver *receiver, struct broker_receiver_status *ret);
/* Takes the oldest gap; false if there is none. Up to 64 are kept; then the last one is
 * extended. */
bool broker_receiver_next_gap(struct broker_receiver *receiver, struct broker_gap *ret);

/* Stops reading, but still acknowledges; received messages can still be taken. */
void broker_receiver_stop(struct broker_receiver *receiver);
/* Sends the last acknowledgements, disconnects, and stops the thread. NULL is allowed. */
void broker_receiver_free(struct broker_receiver *receiver);

#endif
