#include "services/broker/amqp/amqp_waiting.h"

#include "services/common/text/time.h"

enum kn_status amqp_refuse(struct amqp_session *s, enum kn_status status, const char *why)
{
    kn_buf_clear(&s->base.error);
    kn_buf_text(&s->base.error, why);
    return status;
}

/* ---- fetching ------------------------------------------------------------------------- */

enum kn_status amqp_hold_open(struct amqp_session *s)
{
    enum kn_status status = broker_amqp_connect(s);
    return status == KN_OK ? broker_amqp_channel(&s->amqp, AMQP_HOLD, &s->base.error) : status;
}

enum kn_status amqp_hold_close(struct amqp_session *s, enum kn_status status)
{
    if (s->amqp.conn && broker_amqp_alive(status)) {
        if (status == KN_NOT_FOUND || status == KN_DENIED || status == KN_CONFLICT ||
            status == KN_IO)
            return broker_amqp_give_up(s, status); /* the broker has closed it */
        enum kn_status closed = broker_amqp_reply(
            amqp_channel_close(s->amqp.conn, AMQP_HOLD, AMQP_REPLY_SUCCESS), &s->base.error);
        if (closed == KN_OK)
            return status;
        status = status == KN_OK ? closed : status;
    }
    return broker_amqp_give_up(s, status);
}

enum kn_status amqp_hold_declare(struct amqp_session *s, const char *queue, uint64_t *ret_messages,
                                 int64_t *ret_consumers)
{
    const amqp_queue_declare_ok_t *ok = amqp_queue_declare(
        s->amqp.conn, AMQP_HOLD, amqp_cstring_bytes(queue), 1, 0, 0, 0, amqp_empty_table);
    if (ok) {
        *ret_messages = ok->message_count;
        *ret_consumers = ok->consumer_count;
    }
    return broker_amqp_outcome(&s->amqp, &s->base.error);
}

enum kn_status amqp_hold_fetch(struct amqp_session *s, const char *queue, struct kn_arena *arena,
                               struct amqp_held *ret)
{
    amqp_rpc_reply_t reply = amqp_basic_get(s->amqp.conn, AMQP_HOLD, amqp_cstring_bytes(queue), 0);
    enum kn_status status = broker_amqp_reply(reply, &s->base.error);
    if (status != KN_OK)
        return status == KN_NOT_FOUND ? KN_CLOSED : status; /* the queue has just gone */
    if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD)
        return KN_NOT_FOUND;
    const amqp_basic_get_ok_t *ok = reply.reply.decoded;
    *ret = (struct amqp_held){
        .exchange = kn_arena_str(arena, broker_amqp_str(ok->exchange)),
        .routing_key = kn_arena_str(arena, broker_amqp_str(ok->routing_key)),
        .tag = ok->delivery_tag,
        .redelivered = ok->redelivered,
    };
    return broker_amqp_reply(amqp_read_message(s->amqp.conn, AMQP_HOLD, &ret->message, 0),
                             &s->base.error);
}

/* The message that the test of the queue's type has delivered; NOT_FOUND: none. Ends the test. */
static enum kn_status fetch_tried(struct amqp_session *s, struct kn_arena *arena,
                                  struct amqp_held *ret)
{
    const struct timeval now = {0};
    amqp_envelope_t envelope;
    amqp_basic_cancel(s->amqp.conn, AMQP_HOLD, amqp_cstring_bytes(BROKER_TRIAL_TAG));
    enum kn_status status = broker_amqp_outcome(&s->amqp, &s->base.error);
    if (status != KN_OK)
        return status;
    /* nothing is delivered after the answer; earlier messages are here by now */
    amqp_rpc_reply_t reply = amqp_consume_message(s->amqp.conn, &envelope, &now, 0);
    status = broker_amqp_reply(reply, &s->base.error);
    if (status != KN_OK)
        return status == KN_TIMEOUT ? KN_NOT_FOUND : status;
    *ret = (struct amqp_held){
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

enum kn_status amqp_hold_read(const struct amqp_session *s, const struct amqp_held *held,
                              struct kn_arena *arena, struct broker_waiting *ret)
{
    struct kn_buf text;
    *ret = (struct broker_waiting){.size = held->message.body.len,
                                   .redelivered = held->redelivered,
                                   .cut = held->message.body.len > s->base.options.message_max};
    kn_buf_init(&text, 0);
    if (!ret->cut)
        amqp_write_envelope(&text, &held->message, held->exchange, held->routing_key);
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
    enum kn_status status = page.items ? amqp_hold_open(s) : KN_NOMEM;
    if (status != KN_OK)
        return broker_amqp_give_up(s, status);
    status = amqp_hold_declare(s, look->queue, &page.total, &page.consumers);
    if (status == KN_NOT_FOUND)
        return amqp_hold_close(s, status);
    if (status == KN_OK && limit)
        status = broker_amqp_classic(&s->amqp, AMQP_HOLD, look->queue, &s->base.error);
    if (status == KN_UNSUPPORTED)
        status = amqp_refuse(
            s, status,
            "the queue is a quorum queue or a stream: looking at messages would reorder "
            "them and count as deliveries, so a delivery limit could discard them");
    bool tried = false;
    while (status == KN_OK && page.count < limit && (page.count == 0 || bytes < look->bytes_max)) {
        struct amqp_held held;
        status = KN_NOT_FOUND;
        if (!tried)
            status = fetch_tried(s, arena, &held);
        tried = true;
        if (status == KN_NOT_FOUND)
            status = amqp_hold_fetch(s, look->queue, arena, &held);
        if (status != KN_OK)
            break;
        bool spare = look->spare_redelivered && held.redelivered;
        if (!spare)
            status = amqp_hold_read(s, &held, arena, &page.items[page.count++]);
        bytes += held.message.body.len;
        amqp_destroy_message(&held.message);
        amqp_maybe_release_buffers_on_channel(s->amqp.conn, AMQP_HOLD);
        if (spare)
            break;
    }
    status = amqp_hold_close(s, status == KN_NOT_FOUND ? KN_OK : status);
    page.more = page.total > page.count;
    if (status == KN_OK)
        *ret = page;
    return status;
}

/* A passively declared stream reports no messages and no consumers, and refuses basic.get with an
 * error. Another queue like that is empty; a message that has just arrived is returned when the
 * channel is closed. */
enum kn_status amqp_refuse_stream(struct amqp_session *s, const char *queue)
{
    uint64_t waiting = 0;
    int64_t consumers = 0;
    struct kn_arena arena;
    struct amqp_held held;
    enum kn_status status = amqp_hold_declare(s, queue, &waiting, &consumers);
    if (status != KN_OK || waiting || consumers)
        return status;
    kn_arena_init(&arena, 0);
    status = amqp_hold_fetch(s, queue, &arena, &held);
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
    enum kn_status status = amqp_hold_open(s);
    if (status != KN_OK)
        return broker_amqp_give_up(s, status);
    return amqp_hold_close(s, amqp_refuse_stream(s, queue));
}

/* Takes up to max messages one by one, and forgets them in pieces: what is not acknowledged comes
 * back when the channel is closed. */
static enum kn_status take_some(struct amqp_session *s, const struct broker_purge *purge,
                                uint64_t *ret_count)
{
    enum { PIECE = 100 };
    struct kn_arena arena;
    enum kn_status status = KN_OK;
    uint64_t tag = 0;
    kn_arena_init(&arena, 0);
    *ret_count = 0;
    while (status == KN_OK && *ret_count < purge->max && kn_time_mono() < purge->deadline) {
        size_t n = 0;
        for (; status == KN_OK && n < PIECE && *ret_count + n < purge->max;) {
            struct amqp_held held;
            kn_arena_reset(&arena);
            status = amqp_hold_fetch(s, purge->queue, &arena, &held);
            if (status != KN_OK)
                break;
            tag = held.tag;
            amqp_destroy_message(&held.message);
            n++;
        }
        if (n && (status == KN_OK || status == KN_NOT_FOUND)) {
            if (amqp_basic_ack(s->amqp.conn, AMQP_HOLD, tag, 1) != AMQP_STATUS_OK)
                status = KN_CLOSED;
            *ret_count += n;
        }
    }
    kn_arena_fini(&arena);
    return status == KN_NOT_FOUND ? KN_OK : status;
}

enum kn_status broker_amqp_purge(struct broker_session *session, const struct broker_purge *purge,
                                 uint64_t *ret_count)
{
    struct amqp_session *s = amqp_session_of(session);
    uint64_t found = 0;
    int64_t consumers;
    enum kn_status status = amqp_hold_open(s);
    if (status != KN_OK)
        return broker_amqp_give_up(s, status);
    status = amqp_refuse_stream(s, purge->queue);
    if (status == KN_OK)
        status = amqp_hold_declare(s, purge->queue, &found, &consumers);
    if (status != KN_OK)
        return amqp_hold_close(s, status);
    *ret_count = found;
    if (purge->max && found > purge->max)
        return amqp_hold_close(s, take_some(s, purge, ret_count));
    uint64_t differs = found > purge->expected ? found - purge->expected : purge->expected - found;
    if (!purge->max && differs > purge->tolerance) {
        status = amqp_hold_close(s, KN_OK);
        return status == KN_OK ? KN_CONFLICT : status;
    }
    const amqp_queue_purge_ok_t *ok =
        amqp_queue_purge(s->amqp.conn, AMQP_HOLD, amqp_cstring_bytes(purge->queue));
    if (ok)
        *ret_count = ok->message_count;
    return amqp_hold_close(s, broker_amqp_outcome(&s->amqp, &s->base.error));
}

/* ---- removing ------------------------------------------------------------------------- */

enum kn_status amqp_check_type(struct amqp_session *s, const char *queue)
{
    enum kn_status status = broker_amqp_classic(&s->amqp, AMQP_HOLD, queue, &s->base.error);
    broker_amqp_close(&s->amqp, status == KN_OK); /* with what was handed out */
    s->confirming = false;
    return status;
}

static enum kn_status check_removal(struct amqp_session *s, const char *queue)
{
    uint64_t waiting;
    int64_t consumers = 0;
    enum kn_status status = amqp_hold_open(s);
    if (status == KN_OK)
        status = amqp_hold_declare(s, queue, &waiting, &consumers);
    if (status == KN_OK && consumers > 0) {
        status = amqp_hold_close(s, KN_OK);
        return status == KN_OK ? amqp_refuse(s, KN_CONFLICT, "the queue is consumed") : status;
    }
    return status == KN_OK ? amqp_check_type(s, queue) : amqp_hold_close(s, status);
}

static enum kn_status remove_if_wanted(struct amqp_session *s, const struct broker_removal *removal,
                                       struct kn_arena *arena, const struct amqp_held *held,
                                       struct broker_removed *removed)
{
    struct broker_waiting message;
    if (amqp_hold_read(s, held, arena, &message) != KN_OK || message.cut ||
        !removal->wanted(removal->arg, message.envelope))
        return KN_OK;
    if (amqp_basic_ack(s->amqp.conn, AMQP_HOLD, held->tag, 0) != AMQP_STATUS_OK)
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
        struct amqp_held held;
        kn_arena_reset(&arena);
        status = amqp_hold_fetch(s, removal->queue, &arena, &held);
        if (status != KN_OK)
            break;
        status = remove_if_wanted(s, removal, &arena, &held, removed);
        amqp_destroy_message(&held.message);
        amqp_maybe_release_buffers_on_channel(s->amqp.conn, AMQP_HOLD);
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
        status = amqp_hold_open(s);
    if (status != KN_OK)
        return broker_amqp_give_up(s, status);
    status = amqp_hold_close(s, remove_held(s, removal, &removed));
    if (status == KN_OK)
        *ret = removed;
    return status;
}
