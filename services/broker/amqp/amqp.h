/* A connection to RabbitMQ: found, over TLS if wanted, logged in. */
#ifndef BROKER_AMQP_AMQP_H
#define BROKER_AMQP_AMQP_H

#include "services/broker/amqp/rabbitmq.h"
#include "services/broker/broker.h"

#define BROKER_HEARTBEAT 20 /* seconds */
/* It has no queues. It is declared, not durable, if missing. */
#define BROKER_PROBE_EXCHANGE "kanchi.probe"

struct broker_tls;

struct broker_amqp {
    amqp_connection_state_t conn; /* NULL: not connected */
    struct broker_tls *tls;
    char blocked[64]; /* why the broker does not read what we publish; "" if it does */
    bool probing;     /* an answer to broker_amqp_probe or _accepted is outstanding */
    const struct broker_host *host; /* the host of the URL that it was opened for; NULL: none */
};

/* heartbeat: seconds; 0 for a connection that nobody reads from regularly (TCP's
 * keepalive watches it then). wake_fd as in net.h. On failure error gets a sentence
 * without secrets. */
enum kn_status broker_amqp_open(const struct broker_options *options, int heartbeat, int wake_fd,
                                struct kn_buf *error, struct broker_amqp *ret) KN_MUST_CHECK;
/* Says goodbye when the connection is still good. Safe on a zeroed struct. */
void broker_amqp_close(struct broker_amqp *amqp, bool good);

/* The outcome of the last call: OK; NOT_FOUND, DENIED, CONFLICT or IO when the
 * broker refused it (a channel that it closed for that may be opened again; NOT_FOUND
 * only if there is no such queue or exchange, IO if the node that has it is down);
 * CLOSED or TIMEOUT when the connection is no good any more; UNSUPPORTED likewise, as the
 * queue's type can't do that. */
enum kn_status broker_amqp_outcome(struct broker_amqp *amqp, struct kn_buf *error) KN_MUST_CHECK;
/* The same for a result of librabbitmq. */
enum kn_status broker_amqp_reply(amqp_rpc_reply_t reply, struct kn_buf *error) KN_MUST_CHECK;
/* Whether the connection lives after such an outcome. */
bool broker_amqp_alive(enum kn_status outcome);
enum kn_status broker_amqp_channel(struct broker_amqp *amqp, amqp_channel_t channel,
                                   struct kn_buf *error) KN_MUST_CHECK;
/* Opens a channel again that the broker closed because it refused something. */
enum kn_status broker_amqp_reopen(struct broker_amqp *amqp, amqp_channel_t channel,
                                  struct kn_buf *error) KN_MUST_CHECK;

/* Makes sure that an exchange is there, without touching one that is: declared
 * passively first. channel is open before and after. *ret_created may be NULL. */
enum kn_status broker_amqp_exchange(struct broker_amqp *amqp, amqp_channel_t channel,
                                    const char *name, const char *type, bool durable,
                                    struct kn_buf *error, bool *ret_created) KN_MUST_CHECK;

/* Takes note of connection.blocked and connection.unblocked. */
void broker_amqp_note(struct broker_amqp *amqp, const amqp_frame_t *frame);
/* Whether the broker would take what we publish. In a memory or disk alarm RabbitMQ stops
 * reading from connections that publish, and says so only to them. So this publishes an empty
 * message to the exchange, with a routing key that no queue is bound with, and waits for the
 * answer to a method behind it. channel is open, without confirms. AGAIN: it is blocked, and
 * error says by which alarm; nothing more must be sent. DENIED, NOT_FOUND: no such right or
 * exchange; the channel is closed. Other frames that come meanwhile are dropped. */
enum kn_status broker_amqp_probe(struct broker_amqp *amqp, amqp_channel_t channel,
                                 const char *exchange, int64_t timeout_us,
                                 struct kn_buf *error) KN_MUST_CHECK;
/* Whether the broker has accepted what was published before on this channel: without the right to,
 * RabbitMQ closes the channel (DENIED, NOT_FOUND). OK if it does not answer, or is blocked now:
 * then it is unknown, and the next probe awaits the answer. */
enum kn_status broker_amqp_accepted(struct broker_amqp *amqp, amqp_channel_t channel,
                                    int64_t timeout_us, struct kn_buf *error) KN_MUST_CHECK;

/* AMQP can't tell the type of a queue. But quorum queues and streams refuse a channel with a limit
 * for all consumers (global qos), as Celery's workers know, and close the connection before they
 * deliver anything. UNSUPPORTED: it is one of these, and the connection must be closed. OK: it is a
 * classic queue. It has delivered at most one message to the consumer BROKER_TRIAL_TAG, and gets it
 * back when the caller closes the channel. */
#define BROKER_TRIAL_TAG "kanchi.trial"
enum kn_status broker_amqp_classic(struct broker_amqp *amqp, amqp_channel_t channel,
                                   const char *queue, struct kn_buf *error) KN_MUST_CHECK;

/* The text of a header; absent when it has none of that name. */
struct kn_str broker_amqp_header(const amqp_basic_properties_t *properties, const char *name);
/* Fills everything but the body, the channel and the tag of a message. Texts point
 * into the properties. */
void broker_amqp_describe(const amqp_basic_properties_t *properties, struct broker_message *ret);

static inline struct kn_str broker_amqp_str(amqp_bytes_t bytes)
{
    return (struct kn_str){bytes.bytes ? bytes.bytes : "", bytes.len};
}

static inline amqp_bytes_t broker_amqp_bytes(struct kn_str s)
{
    return (amqp_bytes_t){.len = s.len, .bytes = (void *)s.ptr};
}

#endif
