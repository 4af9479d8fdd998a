/* Memory and disk alarms of RabbitMQ. */
#include "services/broker/amqp/amqp.h"

#include "services/common/text/time.h"

#include <stdio.h>
#include <sys/time.h>

/* RabbitMQ's reasons are "low on memory", "low on disk" or both. */
static const char *alarm_of(struct kn_str reason)
{
    bool memory = memmem(reason.ptr, reason.len, "memory", 6);
    bool disk = memmem(reason.ptr, reason.len, "disk", 4);
    return memory && disk ? "memory and disk alarm"
           : memory       ? "memory alarm"
           : disk         ? "disk alarm"
                          : "resource alarm";
}

void broker_amqp_note(struct broker_amqp *amqp, const amqp_frame_t *frame)
{
    if (frame->frame_type != AMQP_FRAME_METHOD || frame->channel != 0)
        return;
    if (frame->payload.method.id == AMQP_CONNECTION_UNBLOCKED_METHOD)
        amqp->blocked[0] = '\0';
    if (frame->payload.method.id == AMQP_CONNECTION_BLOCKED_METHOD) {
        const amqp_connection_blocked_t *blocked = frame->payload.method.decoded;
        snprintf(amqp->blocked, sizeof(amqp->blocked), "%s",
                 alarm_of(broker_amqp_str(blocked->reason)));
    }
}

/* Reads what the broker sent. OK: something; TIMEOUT: nothing in time. */
static enum kn_status read_one(struct broker_amqp *amqp, int64_t timeout_us, amqp_frame_t *ret,
                               struct kn_buf *error)
{
    struct timeval tv = {.tv_sec = timeout_us > 0 ? timeout_us / KN_SECOND : 0,
                         .tv_usec = timeout_us > 0 ? timeout_us % KN_SECOND : 0};
    int rc = amqp_simple_wait_frame_noblock(amqp->conn, ret, &tv);
    if (rc == AMQP_STATUS_TIMEOUT)
        return KN_TIMEOUT;
    if (rc != AMQP_STATUS_OK) {
        kn_buf_clear(error);
        kn_buf_text(error, amqp_error_string2(rc));
        return KN_CLOSED;
    }
    broker_amqp_note(amqp, ret);
    return KN_OK;
}

static bool is_close(const amqp_frame_t *frame, amqp_channel_t channel)
{
    amqp_method_number_t id = frame->frame_type == AMQP_FRAME_METHOD ? frame->payload.method.id : 0;
    return id == AMQP_CONNECTION_CLOSE_METHOD ||
           (id == AMQP_CHANNEL_CLOSE_METHOD && frame->channel == channel);
}

/* published: the outcome of what is to be answered for. */
static enum kn_status send_question(struct broker_amqp *amqp, amqp_channel_t channel, int published,
                                    struct kn_buf *error)
{
    amqp_basic_qos_t qos = {0}; /* changes nothing: nobody consumes on this channel */
    int rc = published;
    if (rc == AMQP_STATUS_OK)
        rc = amqp_send_method(amqp->conn, channel, AMQP_BASIC_QOS_METHOD, &qos);
    amqp->probing = rc == AMQP_STATUS_OK;
    if (rc == AMQP_STATUS_OK)
        return KN_OK;
    kn_buf_clear(error);
    kn_buf_text(error, amqp_error_string2(rc));
    return KN_CLOSED;
}

static enum kn_status send_probe(struct broker_amqp *amqp, amqp_channel_t channel,
                                 const char *exchange, struct kn_buf *error)
{
    const amqp_basic_properties_t none = {0};
    int rc = amqp_basic_publish(amqp->conn, channel, amqp_cstring_bytes(exchange),
                                amqp_cstring_bytes("kanchi.nobody"), 0, 0, &none, amqp_empty_bytes);
    return send_question(amqp, channel, rc, error);
}

static enum kn_status blocked(const struct broker_amqp *amqp, struct kn_buf *error)
{
    kn_buf_clear(error);
    kn_buf_printf(error, "RabbitMQ blocks publishers: %s", amqp->blocked);
    return KN_AGAIN;
}

/* Waits for the answer to the method after the probe; also if the broker was blocked at first and
 * no longer is. */
static enum kn_status await_answer(struct broker_amqp *amqp, amqp_channel_t channel,
                                   int64_t timeout_us, struct kn_buf *error)
{
    int64_t deadline = kn_time_mono() + timeout_us;
    for (;;) {
        amqp_frame_t frame;
        enum kn_status status = read_one(amqp, deadline - kn_time_mono(), &frame, error);
        if (status == KN_TIMEOUT && amqp->blocked[0])
            return blocked(amqp, error);
        if (status != KN_OK)
            return status;
        amqp->probing = amqp->probing && !is_close(&frame, channel);
        if (is_close(&frame, channel))
            return broker_amqp_reply(
                (amqp_rpc_reply_t){.reply_type = AMQP_RESPONSE_SERVER_EXCEPTION,
                                   .reply = frame.payload.method},
                error);
        if (frame.frame_type == AMQP_FRAME_METHOD && frame.channel == channel &&
            frame.payload.method.id == AMQP_BASIC_QOS_OK_METHOD)
            break;
        if (amqp->blocked[0])
            deadline = kn_time_mono();
    }
    amqp_maybe_release_buffers(amqp->conn);
    amqp->probing = false;
    return KN_OK;
}

enum kn_status broker_amqp_probe(struct broker_amqp *amqp, amqp_channel_t channel,
                                 const char *exchange, int64_t timeout_us, struct kn_buf *error)
{
    enum kn_status status = amqp->probing ? KN_OK : send_probe(amqp, channel, exchange, error);
    if (status != KN_OK)
        return status;
    return await_answer(amqp, channel, amqp->blocked[0] ? 0 : timeout_us, error);
}

enum kn_status broker_amqp_accepted(struct broker_amqp *amqp, amqp_channel_t channel,
                                    int64_t timeout_us, struct kn_buf *error)
{
    enum kn_status status = send_question(amqp, channel, AMQP_STATUS_OK, error);
    if (status == KN_OK)
        status = await_answer(amqp, channel, timeout_us, error);
    return status == KN_AGAIN || status == KN_TIMEOUT ? KN_OK : status;
}
