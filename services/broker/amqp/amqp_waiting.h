/* Messages that are held while they are read: what looking, moving and removing have in common.
 *
 * A channel of its own holds what was fetched: closing it gives everything back to its
 * place in the queue. In a move it is transactional: the broker publishes and
 * acknowledges a piece in tx.commit, or nothing when the channel ends before. */
#ifndef BROKER_AMQP_AMQP_WAITING_H
#define BROKER_AMQP_AMQP_WAITING_H

#include "services/broker/amqp/amqp_session.h"

#define AMQP_HOLD 3 /* the channel */

/* A message that the channel holds. Destroy it. */
struct amqp_held {
    amqp_message_t message;
    struct kn_str exchange, routing_key; /* in the arena */
    uint64_t tag;
    bool redelivered;
};

enum kn_status amqp_hold_open(struct amqp_session *s) KN_MUST_CHECK;
/* Gives back what is held. The outcome stays the first failure. */
enum kn_status amqp_hold_close(struct amqp_session *s, enum kn_status status);
enum kn_status amqp_hold_declare(struct amqp_session *s, const char *queue, uint64_t *ret_messages,
                                 int64_t *ret_consumers) KN_MUST_CHECK;
/* NOT_FOUND: nothing waits. */
enum kn_status amqp_hold_fetch(struct amqp_session *s, const char *queue, struct kn_arena *arena,
                               struct amqp_held *ret) KN_MUST_CHECK;
/* What callers see of it; its envelope is in the arena. */
enum kn_status amqp_hold_read(const struct amqp_session *s, const struct amqp_held *held,
                              struct kn_arena *arena, struct broker_waiting *ret) KN_MUST_CHECK;
/* UNSUPPORTED: the queue does not give back to its places. Closes the connection, with what was
 * handed out. */
enum kn_status amqp_check_type(struct amqp_session *s, const char *queue) KN_MUST_CHECK;
/* UNSUPPORTED: it is a stream. */
enum kn_status amqp_refuse_stream(struct amqp_session *s, const char *queue) KN_MUST_CHECK;
/* Says why; returns the status. */
enum kn_status amqp_refuse(struct amqp_session *s, enum kn_status status, const char *why);
/* TOO_DEEP in the buffer: its headers are nested too deeply. */
void amqp_write_envelope(struct kn_buf *out, const amqp_message_t *message, struct kn_str exchange,
                         struct kn_str routing_key);

#endif
