#include "services/broker/amqp/amqp_session.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdlib.h>
#include <sys/time.h>

#define PUBLISH 1 /* channels of the connection that publishes */
#define CONFIRM 2
#define REPLIES 1 /* channel of the connection for replies */

static enum kn_status connect_amqp(struct amqp_session *s, struct broker_amqp *amqp,
                                   amqp_channel_t channel)
{
    if (amqp->conn)
        return KN_OK;
    enum kn_status status = broker_amqp_open(&s->base.options, 0, -1, &s->base.error, amqp);
    if (status == KN_OK)
        status = broker_amqp_channel(amqp, channel, &s->base.error);
    if (status != KN_OK)
        broker_amqp_close(amqp, false);
    return status;
}

struct broker_session *broker_amqp_session_new(void)
{
    struct amqp_session *s = calloc(1, sizeof(*s));
    return s ? &s->base : NULL;
}

void broker_amqp_session_fini(struct broker_session *session)
{
    broker_amqp_close(&amqp_session_of(session)->amqp, true);
}

bool broker_amqp_connected(const struct broker_session *session)
{
    return ((const struct amqp_session *)session)->amqp.conn;
}

enum kn_status broker_amqp_connect(struct amqp_session *s)
{
    if (s->amqp.blocked[0]) /* it does not answer until the alarm is over */
        broker_amqp_close(&s->amqp, false);
    s->confirming = s->confirming && s->amqp.conn;
    return connect_amqp(s, &s->amqp, PUBLISH);
}

enum kn_status broker_amqp_give_up(struct amqp_session *s, enum kn_status status)
{
    if (status != KN_OK)
        broker_amqp_close(&s->amqp, false);
    s->confirming = s->confirming && s->amqp.conn;
    return broker_amqp_alive(status) || status == KN_TIMEOUT || status == KN_UNSUPPORTED ? status
                                                                                         : KN_IO;
}

static enum kn_status set_headers(const struct broker_outgoing *message, amqp_basic_properties_t *p,
                                  struct kn_arena *arena)
{
    p->_flags |= AMQP_BASIC_HEADERS_FLAG;
    return broker_amqp_table(message->headers, message->header_count, arena, &p->headers);
}

static enum kn_status set_properties(const struct broker_outgoing *message,
                                     amqp_basic_properties_t *p, struct kn_arena *arena)
{
    const struct {
        struct kn_str text;
        amqp_bytes_t *to;
        amqp_flags_t flag;
    } texts[] = {
        {message->content_type, &p->content_type, AMQP_BASIC_CONTENT_TYPE_FLAG},
        {message->content_encoding, &p->content_encoding, AMQP_BASIC_CONTENT_ENCODING_FLAG},
        {message->correlation_id, &p->correlation_id, AMQP_BASIC_CORRELATION_ID_FLAG},
        {message->reply_to, &p->reply_to, AMQP_BASIC_REPLY_TO_FLAG},
    };
    for (size_t i = 0; i < KN_COUNT_OF(texts); i++) {
        if (!texts[i].text.ptr)
            continue;
        *texts[i].to = broker_amqp_bytes(texts[i].text);
        p->_flags |= texts[i].flag;
    }
    if (message->delivery_mode) {
        p->delivery_mode = message->delivery_mode;
        p->_flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
    }
    p->priority = message->priority; /* kombu always says it */
    p->_flags |= AMQP_BASIC_PRIORITY_FLAG;
    return set_headers(message, p, arena);
}

static enum kn_status publish(struct amqp_session *s, amqp_channel_t channel,
                              struct kn_str exchange, struct kn_str routing_key, bool mandatory,
                              const struct broker_outgoing *message)
{
    amqp_basic_properties_t properties = {0};
    struct kn_arena arena;
    kn_arena_init(&arena, 1 << 20);
    enum kn_status status = set_properties(message, &properties, &arena);
    int rc = AMQP_STATUS_OK;
    if (status == KN_OK)
        rc = amqp_basic_publish(s->amqp.conn, channel, broker_amqp_bytes(exchange),
                                broker_amqp_bytes(routing_key), mandatory, 0, &properties,
                                broker_amqp_bytes(message->body));
    kn_arena_fini(&arena);
    if (rc == AMQP_STATUS_OK)
        return status;
    kn_buf_clear(&s->base.error);
    kn_buf_text(&s->base.error, amqp_error_string2(rc));
    return KN_CLOSED;
}

/* ---- alarms ------------------------------------------------------------------------ */

/* Before anything is published. AGAIN: the broker is blocked; the connection stays open to notice
 * the end of the alarm. exchange: where the message goes, or one of our own without queues. */
static enum kn_status may_publish(struct amqp_session *s, const char *exchange)
{
    return broker_amqp_probe(&s->amqp, PUBLISH, exchange, s->base.options.connect_timeout_us,
                             &s->base.error);
}

enum kn_status broker_amqp_may_publish(struct amqp_session *s)
{
    enum kn_status status = broker_amqp_connect(s);
    return status == KN_OK ? may_publish(s, "") : status;
}

/* Declaring the probe exchange needs a permission that nothing else needs. Without it, only wait
 * for an outstanding answer, which a later command must not take for its own. */
static enum kn_status probe_apart(struct amqp_session *s)
{
    enum kn_status status = KN_OK;
    if (s->unprobed && !s->amqp.probing)
        return KN_OK;
    if (!s->amqp.probing)
        status = broker_amqp_exchange(&s->amqp, PUBLISH, BROKER_PROBE_EXCHANGE, "fanout", false,
                                      &s->base.error, NULL);
    if (status == KN_OK)
        status = may_publish(s, BROKER_PROBE_EXCHANGE);
    if (status != KN_DENIED)
        return status;
    s->unprobed = true;
    return broker_amqp_reopen(&s->amqp, PUBLISH, &s->base.error);
}

/* ---- to everybody ------------------------------------------------------------------ */

/* And so the connection is known to be good. */
static enum kn_status need_exchange(struct amqp_session *s, const char *exchange)
{
    enum kn_status status = connect_amqp(s, &s->amqp, PUBLISH);
    if (status == KN_OK)
        status = probe_apart(s);
    if (status == KN_OK)
        status = broker_amqp_exchange(&s->amqp, PUBLISH, exchange, "fanout", false, &s->base.error,
                                      NULL);
    return status;
}

enum kn_status broker_amqp_fanout(struct broker_session *session, const char *exchange,
                                  const struct broker_outgoing *message, int64_t *ret_receivers)
{
    struct amqp_session *s = amqp_session_of(session);
    bool before = s->amqp.conn;
    enum kn_status status = need_exchange(s, exchange);
    if (status != KN_OK && before && !broker_amqp_alive(status)) {
        /* it was cut without notice; nothing was published yet */
        (void)!broker_amqp_give_up(s, status);
        status = need_exchange(s, exchange);
    }
    *ret_receivers = -1;
    if (status == KN_AGAIN)
        return status;
    bool sent = false; /* perhaps in part only */
    if (status == KN_OK) {
        status = publish(s, PUBLISH, kn_str_from(exchange), KN_STR(""), false, message);
        sent = status == KN_OK || status == KN_CLOSED;
    }
    if (status == KN_OK)
        status = broker_amqp_accepted(&s->amqp, PUBLISH, s->base.options.connect_timeout_us,
                                      &s->base.error);
    if (message->once && sent && !broker_amqp_alive(status))
        status = KN_UNCERTAIN;
    return broker_amqp_give_up(s, status);
}

/* ---- confirmed messages ------------------------------------------------------------ */

static enum kn_status start_confirming(struct amqp_session *s)
{
    if (s->confirming)
        return KN_OK;
    enum kn_status status = broker_amqp_channel(&s->amqp, CONFIRM, &s->base.error);
    if (status != KN_OK)
        return status;
    amqp_confirm_select(s->amqp.conn, CONFIRM);
    status = broker_amqp_outcome(&s->amqp, &s->base.error);
    s->confirming = status == KN_OK;
    return status;
}

/* The broker closed the channel instead of taking the message. */
static enum kn_status refused(struct amqp_session *s, const amqp_frame_t *frame)
{
    const amqp_rpc_reply_t reply = {.reply_type = AMQP_RESPONSE_SERVER_EXCEPTION,
                                    .reply = frame->payload.method};
    s->confirming = false;
    return broker_amqp_reply(reply, &s->base.error) == KN_NOT_FOUND ? KN_NOT_FOUND : KN_DENIED;
}

/* What the broker says to the one message that is under way. */
static enum kn_status judge(struct amqp_session *s, const amqp_frame_t *frame, bool *ret_done)
{
    if (frame->frame_type != AMQP_FRAME_METHOD || frame->channel != CONFIRM)
        return KN_OK; /* content of a message that came back */
    switch (frame->payload.method.id) {
    case AMQP_BASIC_ACK_METHOD:
        *ret_done = true;
        return KN_OK;
    case AMQP_BASIC_RETURN_METHOD:
        kn_buf_clear(&s->base.error);
        kn_buf_text(&s->base.error, "unknown queue");
        return KN_OK; /* the ack follows */
    case AMQP_BASIC_NACK_METHOD:
        *ret_done = true;
        return KN_FULL;
    case AMQP_CHANNEL_CLOSE_METHOD:
        return refused(s, frame);
    default:
        return KN_CLOSED;
    }
}

static enum kn_status await_confirm(struct amqp_session *s)
{
    int64_t deadline = kn_time_mono() + s->base.options.connect_timeout_us;
    enum kn_status status = KN_OK;
    bool done = false;
    bool returned = false;
    while (status == KN_OK && !done) {
        amqp_frame_t frame;
        int64_t left = deadline - kn_time_mono();
        struct timeval tv = {.tv_sec = left > 0 ? left / KN_SECOND : 0,
                             .tv_usec = left > 0 ? left % KN_SECOND : 0};
        int rc = amqp_simple_wait_frame_noblock(s->amqp.conn, &frame, &tv);
        if (rc == AMQP_STATUS_TIMEOUT)
            return KN_TIMEOUT;
        if (rc != AMQP_STATUS_OK)
            return KN_CLOSED;
        broker_amqp_note(&s->amqp, &frame);
        returned = returned || (frame.frame_type == AMQP_FRAME_METHOD &&
                                frame.payload.method.id == AMQP_BASIC_RETURN_METHOD);
        status = judge(s, &frame, &done);
    }
    amqp_maybe_release_buffers(s->amqp.conn);
    return status == KN_OK && returned ? KN_NOT_FOUND : status;
}

static void tell_unconfirmed(struct amqp_session *s, enum kn_status status)
{
    kn_buf_clear(&s->base.error);
    if (s->amqp.blocked[0])
        kn_buf_printf(&s->base.error,
                      "RabbitMQ blocks publishers (%s), and may still accept the message later",
                      s->amqp.blocked);
    else
        kn_buf_text(&s->base.error,
                    status == KN_TIMEOUT
                        ? "the broker did not confirm the message in time"
                        : "the connection was lost before the message was confirmed");
}

/* Waits for the confirmation of a published message. */
static enum kn_status confirm(struct amqp_session *s, enum kn_status published)
{
    enum kn_status status = published == KN_OK ? await_confirm(s) : published;
    if (status != KN_TIMEOUT && status != KN_CLOSED)
        return status;
    if (published == KN_OK)
        tell_unconfirmed(s, status);
    return KN_UNCERTAIN;
}

/* Nothing was published when it fails. */
static enum kn_status ready_to_send(struct amqp_session *s)
{
    enum kn_status status = connect_amqp(s, &s->amqp, PUBLISH);
    if (status == KN_OK)
        status = may_publish(s, "");
    if (status == KN_OK)
        status = start_confirming(s);
    return status;
}

enum kn_status broker_amqp_send(struct broker_session *session, const char *queue,
                                const struct broker_outgoing *message)
{
    struct amqp_session *s = amqp_session_of(session);
    bool before = s->amqp.conn, named = message->exchange.len;
    struct kn_str exchange = named ? message->exchange : KN_STR("");
    struct kn_str key = named ? message->routing_key : kn_str_from(queue);
    enum kn_status status = ready_to_send(s);
    if (status != KN_OK && before && !broker_amqp_alive(status)) {
        /* it was cut without notice */
        (void)!broker_amqp_give_up(s, status);
        kn_buf_clear(&s->base.error);
        status = ready_to_send(s);
    }
    if (status == KN_OK)
        status = confirm(s, publish(s, CONFIRM, exchange, key, true, message));
    if (status == KN_AGAIN || (status == KN_NOT_FOUND && s->confirming) || status == KN_FULL ||
        status == KN_TOO_BIG)
        return status;
    return broker_amqp_give_up(s, status);
}

enum kn_status broker_amqp_put(struct amqp_session *s, const char *queue,
                               const amqp_message_t *message)
{
    enum kn_status status = start_confirming(s);
    if (status != KN_OK)
        return status;
    int rc = amqp_basic_publish(s->amqp.conn, CONFIRM, amqp_empty_bytes, amqp_cstring_bytes(queue),
                                1, 0, &message->properties, message->body);
    status = rc == AMQP_STATUS_OK ? await_confirm(s) : KN_CLOSED;
    if (status == KN_TIMEOUT || status == KN_CLOSED)
        tell_unconfirmed(s, status);
    return status;
}

/* ---- replies ----------------------------------------------------------------------- */

static void drop_envelope(struct amqp_session *s)
{
    if (s->has_envelope)
        amqp_destroy_envelope(&s->envelope);
    s->has_envelope = false;
}

static enum kn_status make_queue(struct amqp_session *s)
{
    struct broker_amqp *amqp = &s->replies;
    amqp_bytes_t queue = amqp_cstring_bytes(s->base.replies_of.queue.data);
    enum kn_status status = broker_amqp_exchange(amqp, REPLIES, s->base.replies_of.exchange.data,
                                                 "direct", false, &s->base.error, NULL);
    if (status != KN_OK)
        return status;
    amqp_queue_declare(amqp->conn, REPLIES, queue, 0, 0, 1, 1, amqp_empty_table);
    status = broker_amqp_outcome(amqp, &s->base.error);
    if (status != KN_OK)
        return status;
    amqp_queue_bind(amqp->conn, REPLIES, queue,
                    amqp_cstring_bytes(s->base.replies_of.exchange.data),
                    amqp_cstring_bytes(s->base.replies_of.routing_key.data), amqp_empty_table);
    status = broker_amqp_outcome(amqp, &s->base.error);
    if (status != KN_OK)
        return status;
    amqp_basic_consume(amqp->conn, REPLIES, queue, amqp_empty_bytes, 0, 1, 1, amqp_empty_table);
    return broker_amqp_outcome(amqp, &s->base.error);
}

enum kn_status broker_amqp_replies_open(struct broker_session *session)
{
    struct amqp_session *s = amqp_session_of(session);
    enum kn_status status = connect_amqp(s, &s->replies, REPLIES);
    if (status == KN_OK)
        status = make_queue(s);
    if (status != KN_OK)
        broker_amqp_close(&s->replies, false);
    return status == KN_CLOSED ? KN_IO : status;
}

/* The queue goes with its connection. */
void broker_amqp_replies_close(struct broker_session *session)
{
    struct amqp_session *s = amqp_session_of(session);
    drop_envelope(s);
    broker_amqp_close(&s->replies, true);
}

enum kn_status broker_amqp_replies_receive(struct broker_session *session, int64_t timeout_us,
                                           struct broker_message *ret)
{
    struct amqp_session *s = amqp_session_of(session);
    struct timeval tv = {.tv_sec = timeout_us / KN_SECOND, .tv_usec = timeout_us % KN_SECOND};
    drop_envelope(s);
    if (!s->replies.conn)
        return KN_CLOSED;
    amqp_maybe_release_buffers(s->replies.conn);
    amqp_rpc_reply_t reply = amqp_consume_message(s->replies.conn, &s->envelope, &tv, 0);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        s->has_envelope = true;
        *ret = (struct broker_message){
            .channel = broker_amqp_str(s->envelope.routing_key),
            .body = broker_amqp_str(s->envelope.message.body),
            .received_at = kn_time_now(),
        };
        broker_amqp_describe(&s->envelope.message.properties, ret);
        return KN_OK;
    }
    enum kn_status status = broker_amqp_reply(reply, &s->base.error);
    if (status == KN_TIMEOUT)
        return status;
    broker_amqp_close(&s->replies, false);
    return KN_CLOSED;
}
