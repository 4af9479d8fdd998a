/* Holds messages while they are read: shared by looking, moving and removing.
 *
 * A separate channel holds the fetched messages; closing it returns them to their places in the
 * queue. For a move the channel is transactional: the broker publishes and acknowledges a batch in
 * tx.commit, or does nothing if the channel ends before. */
#ifndef BROKER_AMQP_AMQP_WAITING_H
#define BROKER_AMQP_AMQP_WAITING_H

#include "services/broker/amqp/amqp_session.h"

#define AMQP_HOLD 3 /* the channel */

/* A message held by the channel. The caller destroys it. */
struct amqp_held {
    amqp_message_t message;
    struct kn_str exchange, routing_key; /* in the arena */
    uint64_t tag;
    bool redelivered;
};

enum kn_status amqp_hold_open(struct amqp_session *s) KN_MUST_CHECK;
/* Returns held messages to the queue. Returns status, or the failure of closing if status is OK. */
enum kn_status amqp_hold_close(struct amqp_session *s, enum kn_status status);
enum kn_status amqp_hold_declare(struct amqp_session *s, const char *queue, uint64_t *ret_messages,
                                 int64_t *ret_consumers) KN_MUST_CHECK;
/* NOT_FOUND: the queue is empty. */
enum kn_status amqp_hold_fetch(struct amqp_session *s, const char *queue, struct kn_arena *arena,
                               struct amqp_held *ret) KN_MUST_CHECK;
/* The message as callers see it; its envelope is in the arena. */
enum kn_status amqp_hold_read(const struct amqp_session *s, const struct amqp_held *held,
                              struct kn_arena *arena, struct broker_waiting *ret) KN_MUST_CHECK;
/* UNSUPPORTED: the queue does not return messages to their places. Closes the connection, and with
 * it any delivered message. */
enum kn_status amqp_check_type(struct amqp_session *s, const char *queue) KN_MUST_CHECK;
/* UNSUPPORTED: the queue is a stream. */
enum kn_status amqp_refuse_stream(struct amqp_session *s, const char *queue) KN_MUST_CHECK;
/* Sets the error to why, and returns status. */
enum kn_status amqp_refuse(struct amqp_session *s, enum kn_status status, const char *why);
/* Sets the buffer's error to TOO_DEEP when headers are nested too deeply. */
void amqp_write_envelope(struct kn_buf *out, const amqp_message_t *message, struct kn_str exchange,
                         struct kn_str routing_key);

#endif
