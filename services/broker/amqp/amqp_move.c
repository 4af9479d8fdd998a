#include "services/broker/amqp/amqp_waiting.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

enum { PIECE = 100 };
static const size_t PIECE_BYTES = 4 << 20;

struct mover {
    struct amqp_session *s;
    const struct broker_move *move;
    struct broker_moved *moved;
    struct kn_arena arena; /* of a piece */
    struct amqp_held piece[PIECE];
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
        amqp_maybe_release_buffers_on_channel(m->s->amqp.conn, AMQP_HOLD);
}

static bool is_wanted(struct mover *m, const struct amqp_held *held)
{
    struct broker_waiting message;
    if (!m->move->wanted)
        return true;
    return amqp_hold_read(m->s, held, &m->arena, &message) == KN_OK && !message.cut &&
           m->move->wanted(m->move->arg, message.envelope);
}

static enum kn_status publish(struct mover *m, const struct amqp_held *held)
{
    int rc = amqp_basic_publish(m->s->amqp.conn, AMQP_HOLD, amqp_empty_bytes,
                                amqp_cstring_bytes(m->move->to), 1, 0, &held->message.properties,
                                held->message.body);
    if (rc == AMQP_STATUS_OK)
        rc = amqp_basic_ack(m->s->amqp.conn, AMQP_HOLD, held->tag, 0);
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
static bool put_behind(struct mover *m, const struct amqp_held *held)
{
    if (broker_amqp_put(m->s, m->move->from, &held->message) != KN_OK ||
        amqp_basic_ack(m->s->amqp.conn, AMQP_HOLD, held->tag, 0) != AMQP_STATUS_OK)
        return false;
    amqp_tx_commit(m->s->amqp.conn, AMQP_HOLD);
    return broker_amqp_outcome(&m->s->amqp, &m->s->base.error) == KN_OK;
}

static enum kn_status give_up_first(struct mover *m, const struct amqp_held *held,
                                    enum kn_status status)
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
static enum kn_status try_first(struct mover *m, const struct amqp_held *held)
{
    enum kn_status status = broker_amqp_put(m->s, m->move->to, &held->message);
    if (status != KN_OK)
        return give_up_first(m, held, status);
    m->tried = true;
    m->moved->moved++;
    m->left--;
    if (amqp_basic_ack(m->s->amqp.conn, AMQP_HOLD, held->tag, 0) != AMQP_STATUS_OK)
        return KN_CLOSED;
    amqp_tx_commit(m->s->amqp.conn, AMQP_HOLD);
    return broker_amqp_outcome(&m->s->amqp, &m->s->base.error);
}

static enum kn_status fill_piece(struct mover *m)
{
    size_t bytes = 0;
    enum kn_status status = KN_OK;
    while (m->count < m->room && m->count < m->left && bytes < PIECE_BYTES &&
           (!m->move->wanted || m->passed < BROKER_LOOK_MAX)) {
        struct amqp_held *held = &m->piece[m->count];
        status = amqp_hold_fetch(m->s, m->move->from, &m->arena, held);
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
    amqp_tx_commit(m->s->amqp.conn, AMQP_HOLD);
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

/* A quorum queue can be moved as a whole: nothing is returned then, unless it fails. */
static enum kn_status check_source(struct mover *m)
{
    enum kn_status status = amqp_refuse_stream(m->s, m->move->from);
    if (status != KN_OK)
        return status;
    status = amqp_check_type(m->s, m->move->from);
    m->quorum = status == KN_UNSUPPORTED;
    if (m->quorum && m->move->wanted)
        return amqp_refuse(
            m->s, status,
            "the queue is a quorum queue, which would not return the other messages to "
            "their places: a quorum queue can only be moved as a whole");
    return status == KN_OK || m->quorum ? amqp_hold_open(m->s) : status;
}

static enum kn_status begin_move(struct mover *m)
{
    int64_t consumers;
    uint64_t waiting = 0;
    enum kn_status status = amqp_hold_open(m->s);
    if (status == KN_OK)
        status = check_source(m);
    if (status == KN_OK)
        status = amqp_refuse_stream(m->s, m->move->to);
    if (status == KN_OK)
        status = amqp_hold_declare(m->s, m->move->from, &waiting, &consumers);
    if (status != KN_OK)
        return status;
    m->moved->found = waiting;
    m->left = m->move->max < waiting ? m->move->max : waiting;
    amqp_tx_select(m->s->amqp.conn, AMQP_HOLD);
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
    return amqp_hold_close(s, status);
}
