/* basic.publish to the exchange celeryev, as kombu's pyamqp does it. Without
 * confirms a message counts when it was written to the socket. */
#include "services/broker/amqp/amqp.h"
#include "tests/bench/sender.h"

enum { CHANNEL = 1 };

struct amqp {
    struct broker_amqp connection;
    const char *exchange;
    bool confirm;
    uint64_t confirmed; /* the latest delivery tag that the broker has answered for */
};

static enum kn_status amqp_open(void *self, const struct broker_options *options, bool confirm,
                                struct kn_buf *error)
{
    struct amqp *amqp = self;
    amqp->exchange = options->event_exchange;
    amqp->confirm = confirm;
    amqp->confirmed = 0;
    enum kn_status status = broker_amqp_open(options, 0, -1, error, &amqp->connection);
    if (status == KN_OK)
        status = broker_amqp_channel(&amqp->connection, CHANNEL, error);
    if (status == KN_OK)
        status = broker_amqp_exchange(&amqp->connection, CHANNEL, amqp->exchange, "topic", true,
                                      error, NULL);
    if (status == KN_OK && confirm) {
        amqp_confirm_select(amqp->connection.conn, CHANNEL);
        status = broker_amqp_outcome(&amqp->connection, error);
    }
    return status;
}

static void amqp_close(void *self)
{
    struct amqp *amqp = self;
    broker_amqp_close(&amqp->connection, true);
}

static enum kn_status refuse(struct kn_buf *error, const char *text)
{
    kn_buf_text(error, text);
    return KN_CLOSED;
}

/* The next answer of the broker; it may be for several messages. */
static enum kn_status take_answer(struct amqp *amqp, struct ledger *ledger, struct kn_buf *error)
{
    amqp_frame_t frame;
    amqp_maybe_release_buffers(amqp->connection.conn);
    int code = amqp_simple_wait_frame(amqp->connection.conn, &frame);
    if (code != AMQP_STATUS_OK)
        return refuse(error, amqp_error_string2(code));
    if (frame.frame_type != AMQP_FRAME_METHOD)
        return KN_OK;
    if (frame.payload.method.id == AMQP_BASIC_NACK_METHOD)
        return refuse(error, "the broker has refused a message");
    if (frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
        return refuse(error, "the broker has closed the channel or the connection");
    const amqp_basic_ack_t *ack = frame.payload.method.decoded;
    if (!ack->multiple && ack->delivery_tag != amqp->confirmed + 1)
        return refuse(error, "the broker has confirmed messages out of their order");
    if (ack->delivery_tag > amqp->confirmed)
        ledger_accepted(ledger, ack->delivery_tag - amqp->confirmed, 0);
    amqp->confirmed = ack->delivery_tag;
    return KN_OK;
}

static enum kn_status take_answers(struct amqp *amqp, size_t leave, struct ledger *ledger,
                                   struct kn_buf *error)
{
    enum kn_status status = KN_OK;
    while (status == KN_OK && ledger_waiting(ledger) > leave)
        status = take_answer(amqp, ledger, error);
    return status;
}

static amqp_bytes_t bytes(struct kn_str s)
{
    return (amqp_bytes_t){s.len, (void *)s.ptr};
}

static enum kn_status amqp_publish(void *self, const struct load_message *message,
                                   struct ledger *ledger, struct kn_buf *error)
{
    struct amqp *amqp = self;
    amqp_table_entry_t header = {
        .key = amqp_cstring_bytes("hostname"),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = bytes(message->hostname)}};
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG |
                  AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                  AMQP_BASIC_PRIORITY_FLAG,
        .content_type = amqp_cstring_bytes("application/json"),
        .content_encoding = amqp_cstring_bytes("utf-8"),
        .headers = {.num_entries = 1, .entries = &header},
        .delivery_mode = 1,
        .priority = 0};
    enum kn_status status = ledger_sent(ledger, message);
    if (status != KN_OK)
        return status;
    int code =
        amqp_basic_publish(amqp->connection.conn, CHANNEL, amqp_cstring_bytes(amqp->exchange),
                           bytes(message->routing_key), 0, 0, &properties, bytes(message->body));
    if (code != AMQP_STATUS_OK)
        return refuse(error, amqp_error_string2(code));
    if (!amqp->confirm)
        ledger_accepted(ledger, 1, 0);
    else if (ledger_waiting(ledger) >= SENDER_WINDOW)
        status = take_answers(amqp, SENDER_WINDOW / 2, ledger, error);
    return status;
}

static enum kn_status amqp_flush(void *self, struct ledger *ledger, struct kn_buf *error)
{
    return take_answers(self, 0, ledger, error);
}

const struct sender_kind sender_amqp = {amqp_open, amqp_publish, amqp_flush, amqp_close,
                                        sizeof(struct amqp)};
