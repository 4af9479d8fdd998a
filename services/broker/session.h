/* Writing to the broker: commands to workers and their replies, messages to
 * queues. Knows how kombu lays these out on each broker, and nothing of what is
 * in them.
 *
 * One thread at a time. Connects when it is first needed; after a failure (IO,
 * TIMEOUT) the next call connects anew. The process must ignore SIGPIPE. */
#ifndef BROKER_SESSION_H
#define BROKER_SESSION_H

#include "services/broker/broker.h"

struct broker_session;

/* The options are copied; what they point to must outlive the session. */
enum kn_status broker_session_new(const struct broker_options *options,
                                  struct broker_session **ret) KN_MUST_CHECK;
/* Closes the reply queue too. NULL is allowed. */
void broker_session_free(struct broker_session *session);
/* The last failure as a sentence without secrets; "" when there was none. */
const char *broker_session_error(const struct broker_session *session);

/* Of its broker. */
const struct broker_traits *broker_session_traits(const struct broker_session *session);

struct broker_header {
    const char *name; /* not looked at in a list */
    enum {
        BROKER_HEADER_STR,
        BROKER_HEADER_I64,
        BROKER_HEADER_F64,
        BROKER_HEADER_NULL,
        BROKER_HEADER_BOOL, /* i64 */
        BROKER_HEADER_LIST,
        BROKER_HEADER_TABLE,
    } type;
    struct kn_str str;
    int64_t i64;
    double f64;
    const struct broker_header *items; /* LIST, TABLE */
    size_t item_count;
};

/* A message to send. On Redis only envelope is looked at (kombu's JSON object
 * with everything in it), on RabbitMQ all but it; a caller that does not care
 * which broker it is fills both. Absent texts and zeros are left out. */
struct broker_outgoing {
    struct kn_str envelope;
    struct kn_str body;
    struct kn_str content_type, content_encoding;
    struct kn_str correlation_id, reply_to;
    struct kn_str exchange, routing_key; /* RabbitMQ: instead of the queue; absent: not */
    const struct broker_header *headers; /* with all that is in them, at most 1,000 */
    size_t header_count;
    uint8_t delivery_mode; /* 1 transient, 2 persistent */
    uint8_t priority;
    bool once; /* fanout: not sent again when the connection was lost on the way */
};

/* To everybody who listens at a fanout exchange ("celery.pidbox"): on RabbitMQ
 * an exchange that is made, not durable, when it is missing; on Redis the
 * channel <key prefix>/<db>.<exchange>. *ret_receivers (may be NULL): how many
 * got it, -1 when the broker does not say (RabbitMQ). With once, UNCERTAIN when the
 * connection was lost after the message was on its way; after every other failure
 * nobody has it. */
enum kn_status broker_session_fanout(struct broker_session *session, const char *exchange,
                                     const struct broker_outgoing *message,
                                     int64_t *ret_receivers) KN_MUST_CHECK;

/* To one queue: on RabbitMQ through the default exchange, confirmed by the
 * broker (or, with an exchange in message, through that), NOT_FOUND when there is
 * no such queue, or the exchange leads to none; on Redis to the list of the
 * queue and priority. Sent once: UNCERTAIN when the message was on its way and
 * the broker did not say whether it took it; after every other failure it did not.
 * AGAIN: RabbitMQ blocks publishers (memory or disk alarm); so with fanout, too. */
enum kn_status broker_session_send(struct broker_session *session, const char *queue,
                                   const struct broker_outgoing *message) KN_MUST_CHECK;

/* Makes a queue for replies, bound to a direct exchange (made, not durable, when
 * it is missing) under the routing key; one at a time, a second call closes the
 * first. RabbitMQ: exclusive, deleted with the connection. Redis: an entry of the
 * set <key prefix>_kombu.binding.<exchange>, removed at close; old content of the
 * list is thrown away. Texts are copied. */
enum kn_status broker_session_replies_open(struct broker_session *session, const char *exchange,
                                           const char *routing_key,
                                           const char *queue) KN_MUST_CHECK;
/* The next reply; its texts live until the next call with this session. On Redis
 * body is the envelope, and the other texts are absent. TIMEOUT when none came in
 * time; CLOSED when the queue is not open, or was lost with the connection. */
enum kn_status broker_session_replies_receive(struct broker_session *session, int64_t timeout_us,
                                              struct broker_message *ret) KN_MUST_CHECK;
/* After a lost connection too: what was made on the broker is taken away, when it can
 * be reached. */
void broker_session_replies_close(struct broker_session *session);

/* The broker's clock (Redis), or ours (RabbitMQ, which does not tell its own). */
enum kn_status broker_session_clock(struct broker_session *session, int64_t *ret_us) KN_MUST_CHECK;
/* Takes away the reply queues of the exchange that a process left behind when it was
 * killed: those whose routing key is the prefix, seconds since 1970 that have passed by
 * the broker's clock, and "-" with whatever follows. Does nothing on RabbitMQ, where they
 * go with their connection. */
enum kn_status broker_session_replies_sweep(struct broker_session *session, const char *exchange,
                                            const char *prefix, size_t *ret_count) KN_MUST_CHECK;

#endif
