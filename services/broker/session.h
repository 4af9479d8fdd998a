/* Writes to the broker: commands to workers, with their replies, and messages to
 * queues. Knows kombu's layout on each broker, but not the contents of messages.
 *
 * One thread at a time. Connects on first use; after a failure (IO, TIMEOUT) the next
 * call reconnects. The process must ignore SIGPIPE. */
#ifndef BROKER_SESSION_H
#define BROKER_SESSION_H

#include "services/broker/broker.h"

struct broker_session;

/* Copies the options; what they point to must outlive the session. */
enum kn_status broker_session_new(const struct broker_options *options,
                                  struct broker_session **ret) KN_MUST_CHECK;
/* Closes the reply queue too. NULL is allowed. */
void broker_session_free(struct broker_session *session);
/* The last failure as a sentence without secrets; "" if none. */
const char *broker_session_error(const struct broker_session *session);

/* The traits of its broker. */
const struct broker_traits *broker_session_traits(const struct broker_session *session);

struct broker_header {
    const char *name; /* ignored in a list */
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

/* A message to send. Redis uses only envelope (kombu's JSON object with everything
 * in it), RabbitMQ uses everything else; a caller that works with any broker sets
 * both. Absent texts and zeros are omitted. */
struct broker_outgoing {
    struct kn_str envelope;
    struct kn_str body;
    struct kn_str content_type, content_encoding;
    struct kn_str correlation_id, reply_to;
    struct kn_str exchange, routing_key; /* RabbitMQ: instead of the queue; absent: unused */
    const struct broker_header *headers; /* at most 1,000, including nested ones */
    size_t header_count;
    uint8_t delivery_mode; /* 1 transient, 2 persistent */
    uint8_t priority;
    bool once; /* fanout: not repeated if the connection is lost while sending */
};

/* Sends to all listeners of a fanout exchange ("celery.pidbox"). RabbitMQ: creates
 * the exchange, not durable, if it is missing. Redis: publishes to the channel
 * <key prefix>/<db>.<exchange>. *ret_receivers (may be NULL): number of receivers, -1
 * if the broker does not report it (RabbitMQ). With once, UNCERTAIN if the connection
 * was lost after sending began; after any other failure nobody received it. */
enum kn_status broker_session_fanout(struct broker_session *session, const char *exchange,
                                     const struct broker_outgoing *message,
                                     int64_t *ret_receivers) KN_MUST_CHECK;

/* Sends to one queue, once. RabbitMQ: through the exchange in message or the default
 * exchange, confirmed by the broker; NOT_FOUND if the queue does not exist or the exchange
 * leads to no queue. Redis: to the list of the queue and priority. UNCERTAIN if sending
 * began and the broker did not confirm; after any other failure the broker does not have
 * the message. AGAIN: RabbitMQ blocks publishers (memory or disk alarm); also for fanout. */
enum kn_status broker_session_send(struct broker_session *session, const char *queue,
                                   const struct broker_outgoing *message) KN_MUST_CHECK;

/* Creates a queue for replies, bound with the routing key to a direct exchange, which is
 * created, not durable, if it is missing. A session has one such queue: a second call closes
 * the first. RabbitMQ: exclusive, deleted with the connection. Redis: an entry of the set
 * <key prefix>_kombu.binding.<exchange>, removed on close; old contents of the list are
 * deleted. Texts are copied. */
enum kn_status broker_session_replies_open(struct broker_session *session, const char *exchange,
                                           const char *routing_key,
                                           const char *queue) KN_MUST_CHECK;
/* The next reply; its texts are valid until the next call with this session. On Redis
 * body is the envelope, and the other texts are absent. TIMEOUT if none arrived in
 * time; CLOSED if the queue is not open, or was lost with the connection. */
enum kn_status broker_session_replies_receive(struct broker_session *session, int64_t timeout_us,
                                              struct broker_message *ret) KN_MUST_CHECK;
/* Deletes the queue, also after a lost connection if the broker is reachable. */
void broker_session_replies_close(struct broker_session *session);

/* The broker's clock (Redis), or ours (RabbitMQ, which does not report its clock). */
enum kn_status broker_session_clock(struct broker_session *session, int64_t *ret_us) KN_MUST_CHECK;
/* Deletes reply queues of the exchange that killed processes left behind. Their routing key
 * is the prefix, an expiry in seconds since 1970 that has passed by the broker's clock, "-"
 * and any text. No effect on RabbitMQ, which deletes them with their connection. */
enum kn_status broker_session_replies_sweep(struct broker_session *session, const char *exchange,
                                            const char *prefix, size_t *ret_count) KN_MUST_CHECK;

#endif
