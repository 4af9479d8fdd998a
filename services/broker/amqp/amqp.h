/* Opens a connection to RabbitMQ: resolves the host, optionally uses TLS, and logs in. */
#ifndef BROKER_AMQP_AMQP_H
#define BROKER_AMQP_AMQP_H

#include "services/broker/amqp/rabbitmq.h"
#include "services/broker/broker.h"

/* Seconds. RabbitMQ sends one every half of it, so a silent server is noticed soon. It disconnects
 * a client after twice as long. */
#define BROKER_HEARTBEAT 3
/* This exchange has no queues. Declared, not durable, if missing. */
#define BROKER_PROBE_EXCHANGE "kanchi.probe"

struct broker_tls;

struct broker_amqp {
    amqp_connection_state_t conn; /* NULL: not connected */
    struct broker_tls *tls;
    char blocked[64];               /* why the broker blocks our publishing; "" if it does not */
    bool probing;                   /* an answer to broker_amqp_probe or _accepted is outstanding */
    const struct broker_host *host; /* the URL's host it was opened for; NULL: none */
};

/* heartbeat: seconds; 0 for a connection that is not read regularly and relies on TCP keepalive.
 * wake_fd: as in net.h. On failure error gets a sentence without secrets. */
enum kn_status broker_amqp_open(const struct broker_options *options, int heartbeat, int wake_fd,
                                struct kn_buf *error, struct broker_amqp *ret) KN_MUST_CHECK;
/* good: the connection still works, so close it properly. Safe on a zeroed struct. */
void broker_amqp_close(struct broker_amqp *amqp, bool good);

/* The outcome of the last call: OK; NOT_FOUND, DENIED, CONFLICT or IO when the broker refused the
 * call. If it closed the channel, the channel may be opened again. NOT_FOUND: no such queue or
 * exchange; IO: the node that hosts it is down. CLOSED or TIMEOUT: the connection is unusable.
 * UNSUPPORTED: likewise, because the queue's type does not support the call. */
enum kn_status broker_amqp_outcome(struct broker_amqp *amqp, struct kn_buf *error) KN_MUST_CHECK;
/* The same for a result of librabbitmq. */
enum kn_status broker_amqp_reply(amqp_rpc_reply_t reply, struct kn_buf *error) KN_MUST_CHECK;
/* Whether the connection is still usable after this outcome. */
bool broker_amqp_alive(enum kn_status outcome);
enum kn_status broker_amqp_channel(struct broker_amqp *amqp, amqp_channel_t channel,
                                   struct kn_buf *error) KN_MUST_CHECK;
/* Reopens a channel that the broker closed because it refused a call. */
enum kn_status broker_amqp_reopen(struct broker_amqp *amqp, amqp_channel_t channel,
                                  struct kn_buf *error) KN_MUST_CHECK;

/* Creates an exchange if missing, and leaves an existing one unchanged, by declaring it passively
 * first. channel is open before and after. *ret_created may be NULL. */
enum kn_status broker_amqp_exchange(struct broker_amqp *amqp, amqp_channel_t channel,
                                    const char *name, const char *type, bool durable,
                                    struct kn_buf *error, bool *ret_created) KN_MUST_CHECK;

/* Records connection.blocked and connection.unblocked. */
void broker_amqp_note(struct broker_amqp *amqp, const amqp_frame_t *frame);
/* Whether the broker accepts messages now. During a memory or disk alarm RabbitMQ stops reading
 * from publishing connections, and tells only them. So this publishes an empty message to the
 * exchange, with an unbound routing key, and waits for the answer to a method sent after it.
 * channel is open, without confirms. AGAIN: blocked; error names the alarm, and nothing more may be
 * sent. DENIED, NOT_FOUND: no permission or no exchange; the channel is closed. Other frames
 * received meanwhile are dropped. */
enum kn_status broker_amqp_probe(struct broker_amqp *amqp, amqp_channel_t channel,
                                 const char *exchange, int64_t timeout_us,
                                 struct kn_buf *error) KN_MUST_CHECK;
/* Whether the broker accepted the messages published on this channel. Without permission RabbitMQ
 * closes the channel (DENIED, NOT_FOUND). OK also if it does not answer or is blocked now: the
 * result is then unknown, and the next probe waits for the answer. */
enum kn_status broker_amqp_accepted(struct broker_amqp *amqp, amqp_channel_t channel,
                                    int64_t timeout_us, struct kn_buf *error) KN_MUST_CHECK;

/* Checks for a classic queue. AMQP does not report a queue's type, but quorum queues and streams
 * refuse a channel with a limit for all consumers (global QoS), as Celery's workers also use, and
 * close the connection before they deliver anything. UNSUPPORTED: a quorum queue or stream; the
 * connection must be closed. OK: a classic queue. It has delivered at most one message to the
 * consumer BROKER_TRIAL_TAG, which returns to the queue when the caller closes the channel. */
#define BROKER_TRIAL_TAG "kanchi.trial"
enum kn_status broker_amqp_classic(struct broker_amqp *amqp, amqp_channel_t channel,
                                   const char *queue, struct kn_buf *error) KN_MUST_CHECK;

/* The text of a header; absent if there is none. */
struct kn_str broker_amqp_header(const amqp_basic_properties_t *properties, const char *name);
/* Fills everything except the body, the channel and the tag of a message. Texts point into the
 * properties. */
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
