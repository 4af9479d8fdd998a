/* A channel of its own holds what was fetched: closing it gives everything back to its
 * place in the queue. In a move it is transactional: the broker publishes and
 * acknowledges a piece in tx.commit, or nothing when the channel ends before. */
#include "services/broker/amqp/amqp_session.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <openssl/evp.h>

#define HOLD 3 /* the channel */

enum { PIECE = 100, DEPTH_MAX = 8 };
static const size_t PIECE_BYTES = 4 << 20;

/* ---- a message as kombu writes it on Redis ------------------------------------------- */

static void write_table(struct kn_buf *out, const amqp_table_t *table, int depth);

static void write_value(struct kn_buf *out, const amqp_field_value_t *value, int depth)
{
    switch (value->kind) {
    case AMQP_FIELD_KIND_BOOLEAN:
        kn_buf_text(out, value->value.boolean ? "true" : "false");
        break;
    case AMQP_FIELD_KIND_I8:
        kn_buf_printf(out, "%d", value->value.i8);
        break;
    case AMQP_FIELD_KIND_U8:
        kn_buf_printf(out, "%u", value->value.u8);
        break;
    case AMQP_FIELD_KIND_I16:
        kn_buf_printf(out, "%d", value->value.i16);
        break;
    case AMQP_FIELD_KIND_U16:
        kn_buf_printf(out, "%u", value->value.u16);
        break;
    case AMQP_FIELD_KIND_I32:
        kn_buf_printf(out, "%d", value->value.i32);
        break;
    case AMQP_FIELD_KIND_U32:
        kn_buf_printf(out, "%u", value->value.u32);
        break;
    case AMQP_FIELD_KIND_I64:
        kn_buf_printf(out, "%lld", (long long)value->value.i64);
        break;
    case AMQP_FIELD_KIND_U64:
    case AMQP_FIELD_KIND_TIMESTAMP:
        kn_buf_printf(out, "%llu", (unsigned long long)value->value.u64);
        break;
    case AMQP_FIELD_KIND_F32:
        kn_buf_json_f64(out, value->value.f32);
        break;
    case AMQP_FIELD_KIND_F64:
        kn_buf_json_f64(out, value->value.f64);
        break;
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
        kn_buf_json_str(out, broker_amqp_str(value->value.bytes));
        break;
    case AMQP_FIELD_KIND_ARRAY:
        if (depth == DEPTH_MAX) {
            kn_buf_fail(out, KN_TOO_DEEP);
            break;
        }
        kn_buf_char(out, '[');
        for (int i = 0; i < value->value.array.num_entries; i++) {
            kn_buf_text(out, i ? "," : "");
            write_value(out, &value->value.array.entries[i], depth + 1);
        }
        kn_buf_char(out, ']');
        break;
    case AMQP_FIELD_KIND_TABLE:
        write_table(out, &value->value.table, depth + 1);
        break;
    default:
        kn_buf_text(out, "null");
    }
}

static void write_table(struct kn_buf *out, const amqp_table_t *table, int depth)
{
    if (depth > DEPTH_MAX)
        kn_buf_fail(out, KN_TOO_DEEP);
    if (kn_buf_status(out) != KN_OK)
        return;
    kn_buf_char(out, '{');
    for (int i = 0; i < table->num_entries; i++) {
        kn_buf_text(out, i ? "," : "");
        kn_buf_json_str(out, broker_amqp_str(table->entries[i].key));
        kn_buf_char(out, ':');
        write_value(out, &table->entries[i].value, depth);
    }
    kn_buf_char(out, '}');
}

static void write_text(struct kn_buf *out, const char *key, const amqp_basic_properties_t *p,
                       amqp_flags_t flag, amqp_bytes_t text)
{
    if (!(p->_flags & flag))
        return;
    kn_buf_printf(out, "\"%s\":", key);
    kn_buf_json_str(out, broker_amqp_str(text));
    kn_buf_char(out, ',');
}

static void write_body(struct kn_buf *out, amqp_bytes_t body)
{
    char *to = kn_buf_reserve(out, (body.len + 2) / 3 * 4 + 1);
    if (to && body.len)
        out->len += (size_t)EVP_EncodeBlock((unsigned char *)to, body.bytes, (int)body.len);
}

static void write_envelope(struct kn_buf *out, const amqp_message_t *message,
                           struct kn_str exchange, struct kn_str routing_key)
{
    const amqp_basic_properties_t *p = &message->properties;
    static const amqp_table_t none = {0};
    kn_buf_char(out, '{');
    write_text(out, "content-type", p, AMQP_BASIC_CONTENT_TYPE_FLAG, p->content_type);
    write_text(out, "content-encoding", p, AMQP_BASIC_CONTENT_ENCODING_FLAG, p->content_encoding);
    kn_buf_text(out, "\"headers\":");
    write_table(out, p->_flags & AMQP_BASIC_HEADERS_FLAG ? &p->headers : &none, 0);
    kn_buf_text(out, ",\"properties\":{");
    write_text(out, "correlation_id", p, AMQP_BASIC_CORRELATION_ID_FLAG, p->correlation_id);
    write_text(out, "reply_to", p, AMQP_BASIC_REPLY_TO_FLAG, p->reply_to);
    write_text(out, "expiration", p, AMQP_BASIC_EXPIRATION_FLAG, p->expiration);
    if (p->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG)
        kn_buf_printf(out, "\"delivery_mode\":%u,", p->delivery_mode);
    if (p->_flags & AMQP_BASIC_PRIORITY_FLAG)
        kn_buf_printf(out, "\"priority\":%u,", p->priority);
    kn_buf_text(out, "\"delivery_info\":{\"exchange\":");
    kn_buf_json_str(out, exchange);
    kn_buf_text(out, ",\"routing_key\":");
    kn_buf_json_str(out, routing_key);
    kn_buf_text(out, "},\"body_encoding\":\"base64\"},\"body\":\"");
    write_body(out, message->body);
    kn_buf_text(out, "\"}");
}

static enum kn_status refuse(struct amqp_session *s, enum kn_status status, const char *why)
{
    kn_buf_clear(&s->base.error);
    kn_buf_text(&s->base.error, why);
    return status;
}

/* ---- fetching ------------------------------------------------------------------------- */

/* A message that the channel holds. Destroy it. */
struct held {
    amqp_message_t message;
    struct kn_str exchange, routing_key; /* in the arena */
    uint64_t tag;
    bool redelivered;
};

static enum kn_status open_channel(struct amqp_session *s)
{
    enum kn_status status = broker_amqp_connect(s);
    return status == KN_OK ? broker_amqp_channel(&s->amqp, HOLD, &s->base.error) : status;
}

/* Gives back what is held. The outcome stays the first failure. */
static enum kn_status close_channel(struct amqp_session *s, enum kn_status status)
{
    if (s->amqp.conn && broker_amqp_alive(status)) {
        if (status == KN_NOT_FOUND || status == KN_DENIED || status == KN_CONFLICT ||
            status == KN_IO)
            return broker_amqp_give_up(s, status); /* the broker has closed it */
        enum kn_status closed = broker_amqp_reply(
            amqp_channel_close(s->amqp.conn, HOLD, AMQP_REPLY_SUCCESS), &s->base.error);
        if (closed == KN_OK)
            return status;
        status = status == KN_OK ? closed : status;
    }
    return broker_amqp_give_up(s, status);
}

static enum kn_status declare(struct amqp_session *s, const char *queue, uint64_t *ret_messages,
                              int64_t *ret_consumers)
{
    const amqp_queue_declare_ok_t *ok = amqp_queue_declare(
        s->amqp.conn, HOLD, amqp_cstring_bytes(queue), 1, 0, 0, 0, amqp_empty_table);
    if (ok) {
        *ret_messages = ok->message_count;
        *ret_consumers = ok->consumer_count;
    }
    return broker_amqp_outcome(&s->amqp, &s->base.error);
}

/* NOT_FOUND: nothing waits. */
static enum kn_status fetch(struct amqp_session *s, const char *queue, struct kn_arena *arena,
                            struct held *ret)
{
    amqp_rpc_reply_t reply = amqp_basic_get(s->amqp.conn, HOLD, amqp_cstring_bytes(queue), 0);
    enum kn_status status = broker_amqp_reply(reply, &s->base.error);
    if (status != KN_OK)
        return status == KN_NOT_FOUND ? KN_CLOSED : status; /* the queue has just gone */
    if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD)
        return KN_NOT_FOUND;
    const amqp_basic_get_ok_t *ok = reply.reply.decoded;
    *ret = (struct held){
        .exchange = kn_arena_str(arena, broker_amqp_str(ok->exchange)),
        .routing_key = kn_arena_str(arena, broker_amqp_str(ok->routing_key)),
        .tag = ok->delivery_tag,
        .redelivered = ok->redelivered,
    };
    return broker_amqp_reply(amqp_read_message(s->amqp.conn, HOLD, &ret->message, 0),
                             &s->base.error);
}

/* The message that the test of the queue's type has delivered; NOT_FOUND: none. Ends the test. */
static enum kn_status fetch_tried(struct amqp_session *s, struct kn_arena *arena, struct held *ret)
{
    const struct timeval now = {0};
    amqp_envelope_t envelope;
    amqp_basic_cancel(s->amqp.conn, HOLD, amqp_cstring_bytes(BROKER_TRIAL_TAG));
    enum kn_status status = broker_amqp_outcome(&s->amqp, &s->base.error);
    if (status != KN_OK)
        return status;
    /* nothing is delivered after the answer; earlier messages are here by now */
    amqp_rpc_reply_t reply = amqp_consume_message(s->amqp.conn, &envelope, &now, 0);
    status = broker_amqp_reply(reply, &s->base.error);
    if (status != KN_OK)
        return status == KN_TIMEOUT ? KN_NOT_FOUND : status;
    *ret = (struct held){
        .message = envelope.message,
        .exchange = kn_arena_str(arena, broker_amqp_str(envelope.exchange)),
        .routing_key = kn_arena_str(arena, broker_amqp_str(envelope.routing_key)),
        .tag = envelope.delivery_tag,
        .redelivered = envelope.redelivered,
    };
    amqp_bytes_free(envelope.exchange);
    amqp_bytes_free(envelope.routing_key);
    amqp_bytes_free(envelope.consumer_tag);
    return KN_OK;
}

static enum kn_status keep(const struct amqp_session *s, const struct held *held,
                           struct kn_arena *arena, struct broker_waiting *ret)
{
    struct kn_buf text;
    *ret = (struct broker_waiting){.size = held->message.body.len,
                                   .redelivered = held->redelivered,
                                   .cut = held->message.body.len > s->base.options.message_max};
    kn_buf_init(&text, 0);
    if (!ret->cut)
        write_envelope(&text, &held->message, held->exchange, held->routing_key);
    enum kn_status status = kn_buf_status(&text);
    ret->cut = ret->cut || status == KN_TOO_DEEP;
    ret->envelope = ret->cut ? KN_STR("") : kn_arena_str(arena, kn_buf_view(&text));
    kn_buf_fini(&text);
    return status == KN_NOMEM || arena->overflow ? KN_TOO_BIG : KN_OK;
}

enum kn_status broker_amqp_look(struct broker_session *session, const struct broker_look *look,
                                struct kn_arena *arena, struct broker_page *ret)
{
    struct amqp_session *s = amqp_session_of(session);
    struct broker_page page = {0};
    size_t limit = look->limit < BROKER_LOOK_MAX ? look->limit : BROKER_LOOK_MAX, bytes = 0;
    page.items = kn_arena_array(arena, limit + 1, sizeof *page.items);
    enum kn_status status = page.items ? open_channel(s) : KN_NOMEM;
    if (status != KN_OK)
        return broker_amqp_give_up(s, status);
    status = declare(s, look->queue, &page.total, &page.consumers);
    if (status == KN_NOT_FOUND)
        return close_channel(s, status);
    if (status == KN_OK && limit)
        status = broker_amqp_classic(&s->amqp, HOLD, look->queue, &s->base.error);
    if (status == KN_UNSUPPORTED)
        status =
            refuse(s, status,
                   "the queue is a quorum queue or a stream: looking at messages would reorder "
                   "them and count as deliveries, so a delivery limit could discard them");
    bool tried = false;
    while (status == KN_OK && page.count < limit && (page.count == 0 || bytes < look->bytes_max)) {
        struct held held;
        status = KN_NOT_FOUND;
        if (!tried)
            status = fetch_tried(s, arena, &held);
        tried = true;
        if (status == KN_NOT_FOUND)
            status = fetch(s, look->queue, arena, &held);
        if (status != KN_OK)
            break;
        bool spare = look->spare_redelivered && held.redelivered;
        if (!spare)
            status = keep(s, &held, arena, &page.items[page.count++]);
        bytes += held.message.body.len;
        amqp_destroy_message(&held.message);
        amqp_maybe_release_buffers_on_channel(s->amqp.conn, HOLD);
        if (spare)
            break;
    }
    status = close_channel(s, status == KN_NOT_FOUND ? KN_OK : status);
    page.more = page.total > page.count;
    if (status == KN_OK)
        *ret = page;
    return status;
}

/* A stream has no messages and no consumers for who declares it passively, and hands out nothing
 * to who gets, which it says. Another queue like that is empty: what may just have come is given
 * back when the channel is closed. */
static enum kn_status refuse_stream(struct amqp_session *s, const char *queue)
{
    uint64_t waiting = 0;
    int64_t consumers = 0;
    struct kn_arena arena;
    struct held held;
    enum kn_status status = declare(s, queue, &waiting, &consumers);
    if (status != KN_OK || waiting || consumers)
        return status;
    kn_arena_init(&arena, 0);
    status = fetch(s, queue, &arena, &held);
    if (status == KN_OK)
        amqp_destroy_message(&held.message);
    kn_arena_fini(&arena);
    if (status == KN_UNSUPPORTED) {
        kn_buf_clear(&s->base.error);
        kn_buf_printf(
            &s->base.error,
            "\"%s\" is a stream: its messages can't be taken out, so nothing can be moved "
            "into it or out of it, and it can't be purged",
            queue);
    }
    return status == KN_NOT_FOUND ? KN_OK : status;
}

enum kn_status broker_amqp_no_stream(struct broker_session *session, const char *queue)
{
    struct amqp_session *s = amqp_session_of(session);
    enum kn_status status = open_channel(s);
    if (status != KN_OK)
        return broker_amqp_give_up(s, status);
    return close_channel(s, refuse_stream(s, queue));
}

enum kn_status broker_amqp_purge(struct broker_session *session, const struct broker_purge *purge,
                                 uint64_t *ret_count)
{
    struct amqp_session *s = amqp_session_of(session);
    uint64_t found = 0;
    int64_t consumers;
    enum kn_status status = open_channel(s);
    if (status != KN_OK)
        return broker_amqp_give_up(s, status);
    status = refuse_stream(s, purge->queue);
    if (status == KN_OK)
        status = declare(s, purge->queue, &found, &consumers);
    if (status != KN_OK)
        return close_channel(s, status);
    *ret_count = found;
    uint64_t differs = found > purge->expected ? found - purge->expected : purge->expected - found;
    if (differs > purge->tolerance) {
        status = close_channel(s, KN_OK);
        return status == KN_OK ? KN_CONFLICT : status;
    }
    const amqp_queue_purge_ok_t *ok =
        amqp_queue_purge(s->amqp.conn, HOLD, amqp_cstring_bytes(purge->queue));
    if (ok)
        *ret_count = ok->message_count;
    return close_channel(s, broker_amqp_outcome(&s->amqp, &s->base.error));
}

/* ---- moving --------------------------------------------------------------------------- */

struct mover {
    struct amqp_session *s;
    const struct broker_move *move;
    struct broker_moved *moved;
    struct kn_arena arena; /* of a piece */
    struct held piece[PIECE];
    bool quorum;          /* the source: what is given back counts as a delivery */
    bool tried;           /* the other queue has taken one message */
    size_t room;          /* of the next piece: it grows, as a full queue spoils a whole one */
    size_t count, passed; /* messages of the piece; others that are held and stay */
    uint64_t left;
    bool empty;
};

static void end_piece(struct mover *m)
{
    for (size_t i = 0; i < m->count; i++)
        amqp_destroy_message(&m->piece[i].message);
    m->count = 0;
    kn_arena_reset(&m->arena);
    if (m->s->amqp.conn)
        amqp_maybe_release_buffers_on_channel(m->s->amqp.conn, HOLD);
}

static bool is_wanted(struct mover *m, const struct held *held)
{
    struct broker_waiting message;
    if (!m->move->wanted)
        return true;
    return keep(m->s, held, &m->arena, &message) == KN_OK && !message.cut &&
           m->move->wanted(m->move->arg, message.envelope);
}

static enum kn_status publish(struct mover *m, const struct held *held)
{
    int rc =
        amqp_basic_publish(m->s->amqp.conn, HOLD, amqp_empty_bytes, amqp_cstring_bytes(m->move->to),
                           1, 0, &held->message.properties, held->message.body);
    if (rc == AMQP_STATUS_OK)
        rc = amqp_basic_ack(m->s->amqp.conn, HOLD, held->tag, 0);
    return rc == AMQP_STATUS_OK ? KN_OK : KN_CLOSED;
}

/* RabbitMQ would deliver it to the queues in CC again. The delivery count does not apply to another
 * queue. */
static void drop_headers(amqp_basic_properties_t *p)
{
    static const char *const dropped[] = {"CC", "BCC", "x-delivery-count"};
    int kept = 0;
    if (!(p->_flags & AMQP_BASIC_HEADERS_FLAG))
        return;
    for (int i = 0; i < p->headers.num_entries; i++) {
        bool drop = false;
        for (size_t j = 0; j < KN_COUNT_OF(dropped); j++)
            drop = drop ||
                   kn_str_eq(broker_amqp_str(p->headers.entries[i].key), kn_str_from(dropped[j]));
        if (!drop)
            p->headers.entries[kept++] = p->headers.entries[i];
    }
    p->headers.num_entries = kept;
}

/* Puts it behind the others, because a delivery limit could discard what is given back. */
static bool put_behind(struct mover *m, const struct held *held)
{
    if (broker_amqp_put(m->s, m->move->from, &held->message) != KN_OK ||
        amqp_basic_ack(m->s->amqp.conn, HOLD, held->tag, 0) != AMQP_STATUS_OK)
        return false;
    amqp_tx_commit(m->s->amqp.conn, HOLD);
    return broker_amqp_outcome(&m->s->amqp, &m->s->base.error) == KN_OK;
}

static enum kn_status give_up_first(struct mover *m, const struct held *held, enum kn_status status)
{
    if (status != KN_FULL && status != KN_NOT_FOUND)
        return status;
    bool behind = m->quorum && put_behind(m, held);
    kn_buf_clear(&m->s->base.error);
    kn_buf_printf(&m->s->base.error, "the other queue %s%s",
                  status == KN_FULL ? "is full and accepts no messages" : "no longer exists",
                  behind ? "; the first message is now behind the others in its queue" : "");
    return status == KN_FULL ? status : KN_AGAIN;
}

/* The first message is confirmed before anything is acknowledged: a queue that is full, and
 * rejects, leaves everything as it was. */
static enum kn_status try_first(struct mover *m, const struct held *held)
{
    enum kn_status status = broker_amqp_put(m->s, m->move->to, &held->message);
    if (status != KN_OK)
        return give_up_first(m, held, status);
    m->tried = true;
    m->moved->moved++;
    m->left--;
    if (amqp_basic_ack(m->s->amqp.conn, HOLD, held->tag, 0) != AMQP_STATUS_OK)
        return KN_CLOSED;
    amqp_tx_commit(m->s->amqp.conn, HOLD);
    return broker_amqp_outcome(&m->s->amqp, &m->s->base.error);
}

static enum kn_status fill_piece(struct mover *m)
{
    size_t bytes = 0;
    enum kn_status status = KN_OK;
    while (m->count < m->room && m->count < m->left && bytes < PIECE_BYTES &&
           (!m->move->wanted || m->passed < BROKER_LOOK_MAX)) {
        struct held *held = &m->piece[m->count];
        status = fetch(m->s, m->move->from, &m->arena, held);
        if (status != KN_OK)
            break;
        bytes += held->message.body.len;
        bool wanted = is_wanted(m, held);
        drop_headers(&held->message.properties);
        if (wanted && m->tried) {
            m->count++;
            status = publish(m, held);
        } else {
            if (wanted)
                status = try_first(m, held);
            else
                m->passed++;
            amqp_destroy_message(&held->message);
        }
        if (status != KN_OK)
            break;
    }
    m->empty = status == KN_NOT_FOUND || m->passed == BROKER_LOOK_MAX;
    return m->empty ? KN_OK : status;
}

/* How many of the piece came back, for the queue no longer exists: the last ones. */
static size_t count_returned(struct mover *m)
{
    size_t count = 0;
    while (amqp_frames_enqueued(m->s->amqp.conn)) {
        amqp_frame_t frame;
        if (amqp_simple_wait_frame(m->s->amqp.conn, &frame) != AMQP_STATUS_OK)
            break;
        count += frame.frame_type == AMQP_FRAME_METHOD &&
                 frame.payload.method.id == AMQP_BASIC_RETURN_METHOD;
    }
    return count < m->count ? count : m->count;
}

/* Puts the last ones of the piece back: their place is lost, they are not. */
static enum kn_status put_back(struct mover *m, size_t count)
{
    enum kn_status status = KN_OK;
    for (size_t i = m->count - count; status == KN_OK && i < m->count; i++)
        status = broker_amqp_put(m->s, m->move->from, &m->piece[i].message);
    return status;
}

/* A broker that refuses a part of a piece (a full queue that rejects) does not say
 * which: all of it is put back, rather doubled than lost. */
static enum kn_status commit_piece(struct mover *m)
{
    amqp_tx_commit(m->s->amqp.conn, HOLD);
    enum kn_status status = broker_amqp_outcome(&m->s->amqp, &m->s->base.error);
    if (status == KN_OK) {
        size_t returned = count_returned(m);
        m->room = m->room * 2 < PIECE ? m->room * 2 : PIECE;
        m->moved->moved += m->count - returned;
        m->left -= m->count - returned;
        if (returned == 0)
            return KN_OK;
        status = put_back(m, returned);
        kn_buf_clear(&m->s->base.error);
        kn_buf_text(&m->s->base.error, "the other queue no longer exists");
        return status == KN_OK ? KN_AGAIN : status;
    }
    if (status == KN_CONFLICT && put_back(m, m->count) != KN_OK)
        status = KN_CLOSED;
    if (status == KN_CONFLICT) {
        kn_buf_clear(&m->s->base.error);
        kn_buf_printf(&m->s->base.error,
                      "the other queue is full and rejected some of the next %zu messages; these "
                      "are back in their queue, after the others, and some are in both queues",
                      m->count);
    }
    return status;
}

static enum kn_status move_pieces(struct mover *m)
{
    enum kn_status status = KN_OK;
    while (status == KN_OK && m->left && !m->empty && !m->moved->late) {
        m->moved->late = kn_time_mono() >= m->move->deadline;
        status = m->moved->late ? KN_OK : fill_piece(m);
        if (status == KN_OK && m->count)
            status = commit_piece(m);
        end_piece(m);
    }
    return status;
}

static enum kn_status check_type(struct amqp_session *s, const char *queue)
{
    enum kn_status status = broker_amqp_classic(&s->amqp, HOLD, queue, &s->base.error);
    broker_amqp_close(&s->amqp, status == KN_OK); /* with what was handed out */
    s->confirming = false;
    return status;
}

/* A quorum queue can be moved as a whole: nothing is returned then, unless it fails. */
static enum kn_status check_source(struct mover *m)
{
    enum kn_status status = refuse_stream(m->s, m->move->from);
    if (status != KN_OK)
        return status;
    status = check_type(m->s, m->move->from);
    m->quorum = status == KN_UNSUPPORTED;
    if (m->quorum && m->move->wanted)
        return refuse(m->s, status,
                      "the queue is a quorum queue, which would not return the other messages to "
                      "their places: a quorum queue can only be moved as a whole");
    return status == KN_OK || m->quorum ? open_channel(m->s) : status;
}

static enum kn_status begin_move(struct mover *m)
{
    int64_t consumers;
    uint64_t waiting = 0;
    enum kn_status status = open_channel(m->s);
    if (status == KN_OK)
        status = check_source(m);
    if (status == KN_OK)
        status = refuse_stream(m->s, m->move->to);
    if (status == KN_OK)
        status = declare(m->s, m->move->from, &waiting, &consumers);
    if (status != KN_OK)
        return status;
    m->moved->found = waiting;
    m->left = m->move->max < waiting ? m->move->max : waiting;
    amqp_tx_select(m->s->amqp.conn, HOLD);
    return broker_amqp_outcome(&m->s->amqp, &m->s->base.error);
}

enum kn_status broker_amqp_move(struct broker_session *session, const struct broker_move *move,
                                struct broker_moved *ret)
{
    struct amqp_session *s = amqp_session_of(session);
    struct mover m = {.s = s, .move = move, .moved = ret, .room = 1};
    enum kn_status status = broker_amqp_may_publish(s);
    if (status == KN_AGAIN)
        return status; /* the channel could not be closed until the alarm is over */
    if (status != KN_OK)
        return broker_amqp_give_up(s, status);
    kn_arena_init(&m.arena, 0);
    status = begin_move(&m);
    if (status == KN_OK)
        status = move_pieces(&m);
    kn_arena_fini(&m.arena);
    return close_channel(s, status);
}

/* ---- removing ------------------------------------------------------------------------- */

static enum kn_status check_removal(struct amqp_session *s, const char *queue)
{
    uint64_t waiting;
    int64_t consumers = 0;
    enum kn_status status = open_channel(s);
    if (status == KN_OK)
        status = declare(s, queue, &waiting, &consumers);
    if (status == KN_OK && consumers > 0) {
        status = close_channel(s, KN_OK);
        return status == KN_OK ? refuse(s, KN_CONFLICT, "the queue is consumed") : status;
    }
    return status == KN_OK ? check_type(s, queue) : close_channel(s, status);
}

static enum kn_status remove_if_wanted(struct amqp_session *s, const struct broker_removal *removal,
                                       struct kn_arena *arena, const struct held *held,
                                       struct broker_removed *removed)
{
    struct broker_waiting message;
    if (keep(s, held, arena, &message) != KN_OK || message.cut ||
        !removal->wanted(removal->arg, message.envelope))
        return KN_OK;
    if (amqp_basic_ack(s->amqp.conn, HOLD, held->tag, 0) != AMQP_STATUS_OK)
        return KN_CLOSED;
    removed->removed++;
    removal->gone(removal->arg);
    return KN_OK;
}

/* Holds one after the other. What was acknowledged is gone when the channel is closed in
 * peace; the rest has its places again then. */
static enum kn_status remove_held(struct amqp_session *s, const struct broker_removal *removal,
                                  struct broker_removed *removed)
{
    struct kn_arena arena;
    enum kn_status status = KN_OK;
    kn_arena_init(&arena, 0);
    for (uint64_t i = 0; status == KN_OK && removed->removed < removal->max &&
                         i < removal->look_max && kn_time_mono() < removal->deadline;
         i++) {
        struct held held;
        kn_arena_reset(&arena);
        status = fetch(s, removal->queue, &arena, &held);
        if (status != KN_OK)
            break;
        status = remove_if_wanted(s, removal, &arena, &held, removed);
        amqp_destroy_message(&held.message);
        amqp_maybe_release_buffers_on_channel(s->amqp.conn, HOLD);
    }
    kn_arena_fini(&arena);
    removed->complete = status == KN_NOT_FOUND || removed->removed == removal->max;
    return status == KN_NOT_FOUND ? KN_OK : status;
}

enum kn_status broker_amqp_remove(struct broker_session *session,
                                  const struct broker_removal *removal, struct broker_removed *ret)
{
    struct amqp_session *s = amqp_session_of(session);
    struct broker_removed removed = {0};
    enum kn_status status = check_removal(s, removal->queue);
    if (status == KN_OK)
        status = open_channel(s);
    if (status != KN_OK)
        return broker_amqp_give_up(s, status);
    status = close_channel(s, remove_held(s, removal, &removed));
    if (status == KN_OK)
        *ret = removed;
    return status;
}
