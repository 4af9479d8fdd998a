/* Events from RabbitMQ, through a durable queue of our own that survives us:
 *
 *   exchange celeryev (topic, durable, as Celery declares it) --#--> <prefix>.<instance>
 *
 * Messages are read frame by frame straight into chunks. Acknowledgements are
 * sent by this thread too, as librabbitmq wants one thread a connection.
 *
 * Celery sends events as transient messages: a restart of the broker loses what
 * is in the queue. To know of it, we leave a message of the same kind, transient in a
 * durable classic queue, as a marker in <prefix>.<instance>.marker; when it is gone at
 * reconnect, so are events, and that is a gap. The marker is published over a connection
 * of its own: a connection that publishes is no longer read in a memory alarm, and our
 * acknowledgements come over this one. */
#include "services/broker/amqp/amqp_session.h"

#include "services/common/text/time.h"

#include <poll.h>
#include <stdio.h>

#define MAIN 1  /* channel that consumes */
#define TRIAL 2 /* channel for what the broker may refuse */
#define NAME_MAX_BYTES 255
#define RENEW_US KN_HOUR
#define MARK_AGAIN_US KN_MINUTE
#define QUIET_MAX (BROKER_HEARTBEAT * KN_SECOND + KN_SECOND / 2)
#define MILLIS_MAX UINT32_C(4294967295) /* RabbitMQ's limit for x-expires and x-message-ttl */

struct intake {
    struct broker_receiver *r;
    struct broker_amqp amqp;
    struct kn_buf *error;
    char queue[NAME_MAX_BYTES + 1];
    char marker[NAME_MAX_BYTES + 1]; /* a queue, and the exchange that it is bound to */
    int64_t mark_at;                 /* monotonic; 0: the marker is there */
    int64_t renew_at;                /* monotonic */
    /* the delivery that is being read */
    bool open, skip;
    uint64_t tag, size, got;
    char routing_key[NAME_MAX_BYTES + 1];
    size_t routing_key_len;
    struct broker_message message;
    char *body;
    int64_t beat_at;  /* monotonic, of our last own heartbeat */
    int64_t heard_at; /* monotonic, of the last bytes, also of a heartbeat */
};

static enum kn_status lost(struct intake *in, struct kn_str why)
{
    kn_buf_clear(in->error);
    kn_buf_str(in->error, why);
    return KN_IO;
}

/* ---- set-up ------------------------------------------------------------------ */

static void add_number(amqp_table_t *table, const char *key, uint64_t value)
{
    amqp_table_entry_t *entry = &table->entries[table->num_entries++];
    entry->key = amqp_cstring_bytes(key);
    entry->value.kind = AMQP_FIELD_KIND_I64;
    entry->value.value.i64 = (int64_t)value;
}

static uint64_t millis(int64_t us)
{
    uint64_t ms = (uint64_t)us / 1000;
    return ms > MILLIS_MAX ? MILLIS_MAX : ms ? ms : 1;
}

static void add_text(amqp_table_t *table, const char *key, const char *value)
{
    amqp_table_entry_t *entry = &table->entries[table->num_entries++];
    entry->key = amqp_cstring_bytes(key);
    entry->value.kind = AMQP_FIELD_KIND_UTF8;
    entry->value.value.bytes = amqp_cstring_bytes(value);
}

static enum kn_status declare(struct intake *in, const char *queue, const amqp_table_t *table)
{
    amqp_queue_declare(in->amqp.conn, TRIAL, amqp_cstring_bytes(queue), 0, 1, 0, 0, *table);
    return broker_amqp_outcome(&in->amqp, in->error);
}

static bool says(const struct kn_buf *text, const char *what)
{
    return text->len && memmem(text->data, text->len, what, strlen(what));
}

/* The broker names only the first difference, so the type is tested over another connection. */
static bool is_classic(struct intake *in)
{
    struct broker_amqp amqp = {0};
    struct kn_buf error;
    kn_buf_init(&error, 4096);
    enum kn_status status = broker_amqp_open(&in->r->options, 0, in->r->wake_fd, &error, &amqp);
    if (status == KN_OK)
        status = broker_amqp_channel(&amqp, 1, &error);
    if (status == KN_OK)
        status = broker_amqp_classic(&amqp, 1, in->queue, &error);
    broker_amqp_close(&amqp, status == KN_OK);
    kn_buf_fini(&error);
    return status != KN_UNSUPPORTED;
}

/* An existing queue with different arguments is used unchanged. */
static enum kn_status use_other(struct intake *in)
{
    if (is_classic(in))
        broker_receiver_note(in->r, "Kanchi's queue on the broker has other limits than "
                                    "configured; delete the queue to apply the configured ones");
    else
        broker_receiver_note(
            in->r, "Kanchi's queue on the broker is a quorum queue or a stream, which may discard "
                   "events or keep them forever; delete the queue to get a classic one");
    return broker_amqp_reopen(&in->amqp, TRIAL, in->error);
}

/* The type is the last argument: a virtual host may have another default, and queues of
 * earlier versions were made without it. */
static enum kn_status declare_queue(struct intake *in)
{
    const struct broker_options *o = &in->r->options;
    amqp_table_entry_t entries[5];
    amqp_table_t table = {.entries = entries};
    if (o->queue_expires_us > 0)
        add_number(&table, "x-expires", millis(o->queue_expires_us));
    if (o->queue_ttl_us > 0)
        add_number(&table, "x-message-ttl", millis(o->queue_ttl_us));
    if (o->queue_bytes_max > 0) {
        add_number(&table, "x-max-length-bytes", o->queue_bytes_max);
        add_text(&table, "x-overflow", "drop-head");
    }
    add_text(&table, "x-queue-type", "classic");
    broker_receiver_note(in->r, "");
    enum kn_status status = declare(in, in->queue, &table);
    bool untyped = status == KN_CONFLICT && says(in->error, "x-queue-type") &&
                   !says(in->error, "quorum") && !says(in->error, "stream");
    if (untyped) {
        status = broker_amqp_reopen(&in->amqp, TRIAL, in->error);
        table.num_entries--;
        if (status == KN_OK)
            status = declare(in, in->queue, &table);
    }
    return status == KN_CONFLICT ? use_other(in) : status;
}

/* ---- the marker ---------------------------------------------------------------- */

static enum kn_status declare_marker(struct intake *in)
{
    amqp_table_entry_t entries[3];
    amqp_table_t table = {.entries = entries};
    if (in->r->options.queue_expires_us > 0)
        add_number(&table, "x-expires", millis(in->r->options.queue_expires_us));
    add_number(&table, "x-max-length", 1);
    add_text(&table, "x-queue-type", "classic");
    enum kn_status status = declare(in, in->marker, &table);
    return status == KN_CONFLICT ? broker_amqp_reopen(&in->amqp, TRIAL, in->error) : status;
}

static enum kn_status make_marker(struct intake *in)
{
    enum kn_status status =
        broker_amqp_exchange(&in->amqp, TRIAL, in->marker, "fanout", true, in->error, NULL);
    if (status == KN_OK)
        status = declare_marker(in);
    if (status != KN_OK)
        return status;
    amqp_queue_bind(in->amqp.conn, TRIAL, amqp_cstring_bytes(in->marker),
                    amqp_cstring_bytes(in->marker), amqp_empty_bytes, amqp_empty_table);
    return broker_amqp_outcome(&in->amqp, in->error);
}

/* *ret_there: the broker has kept transient messages since the marker was published. */
static enum kn_status look_for_marker(struct intake *in, bool *ret_there)
{
    const amqp_queue_declare_ok_t *ok = amqp_queue_declare(
        in->amqp.conn, TRIAL, amqp_cstring_bytes(in->marker), 1, 0, 0, 0, amqp_empty_table);
    bool there = ok && ok->message_count > 0;
    enum kn_status status = broker_amqp_outcome(&in->amqp, in->error);
    if (status == KN_NOT_FOUND)
        status = broker_amqp_reopen(&in->amqp, TRIAL, in->error);
    if (status == KN_OK)
        status = there ? declare_marker(in) : make_marker(in);
    in->renew_at = kn_time_mono() + RENEW_US;
    *ret_there = there;
    return status;
}

/* An unused queue expires, unless it is declared again. */
static enum kn_status renew_marker(struct intake *in)
{
    int64_t every = in->r->options.queue_expires_us / 4;
    if (kn_time_mono() < in->renew_at)
        return KN_OK;
    in->renew_at = kn_time_mono() + (every > 0 && every < RENEW_US ? every : RENEW_US);
    return declare_marker(in);
}

/* The probe is the message. Without the marker there is a gap at the next reconnect. */
static void put_marker(struct intake *in)
{
    struct broker_amqp amqp = {0};
    struct kn_buf error;
    if (in->mark_at == 0 || kn_time_mono() < in->mark_at || in->r->stopping)
        return;
    kn_buf_init(&error, 4096);
    enum kn_status status = broker_amqp_open(&in->r->options, 0, -1, &error, &amqp);
    if (status == KN_OK)
        status = broker_amqp_channel(&amqp, 1, &error);
    if (status == KN_OK)
        status = broker_amqp_probe(&amqp, 1, in->marker, in->r->options.connect_timeout_us, &error);
    if (status == KN_DENIED)
        broker_receiver_note(in->r,
                             "the user has no right to write to the exchange of Kanchi's marker: "
                             "each lost connection is recorded as a gap");
    in->mark_at = status == KN_OK ? 0 : kn_time_mono() + MARK_AGAIN_US;
    broker_amqp_close(&amqp, status == KN_OK);
    kn_buf_fini(&error);
}

/* ---- all of it ----------------------------------------------------------------- */

/* Makes exchange, queue and marker; records a gap when they show a loss. */
static enum kn_status set_up(struct intake *in)
{
    struct broker_receiver *r = in->r;
    struct broker_amqp *amqp = &in->amqp;
    bool marked = false, empty;
    broker_receiver_queue(&r->options, in->queue, sizeof(in->queue));
    snprintf(in->marker, sizeof(in->marker), "%s.%s.marker", r->options.queue_prefix,
             r->options.instance);
    enum kn_status status = broker_amqp_exchange(amqp, TRIAL, r->options.event_exchange, "topic",
                                                 true, in->error, NULL);
    if (status != KN_OK)
        return status;
    const amqp_queue_declare_ok_t *ok = amqp_queue_declare(
        amqp->conn, TRIAL, amqp_cstring_bytes(in->queue), 1, 0, 0, 0, amqp_empty_table);
    empty = !ok || ok->message_count == 0;
    status = broker_amqp_outcome(amqp, in->error);
    bool fresh = status == KN_NOT_FOUND;
    if (fresh)
        status = broker_amqp_reopen(amqp, TRIAL, in->error);
    if (status == KN_OK)
        status = declare_queue(in);
    if (status == KN_OK)
        status = look_for_marker(in, &marked);
    if (status != KN_OK)
        return status;
    in->mark_at = marked ? 0 : kn_time_mono();
    if (fresh || !marked || r->cancelled)
        broker_receiver_gap(r);
    if (!r->alive_at && empty) /* there may be no event before the broker restarts */
        r->alive_at = kn_time_now();
    r->cancelled = false;
    return KN_OK;
}

static enum kn_status consume(struct intake *in)
{
    struct broker_receiver *r = in->r;
    amqp_connection_state_t conn = in->amqp.conn;
    amqp_bytes_t queue = amqp_cstring_bytes(in->queue);
    unsigned prefetch = r->options.prefetch;
    amqp_queue_bind(conn, MAIN, queue, amqp_cstring_bytes(r->options.event_exchange),
                    amqp_cstring_bytes("#"), amqp_empty_table);
    enum kn_status status = broker_amqp_outcome(&in->amqp, in->error);
    if (status != KN_OK)
        return status;
    amqp_basic_qos(conn, MAIN, 0, (uint16_t)(prefetch > 65535 ? 65535 : prefetch), 0);
    status = broker_amqp_outcome(&in->amqp, in->error);
    if (status != KN_OK)
        return status;
    r->base = r->tag;
    amqp_basic_consume(conn, MAIN, queue, amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
    status = broker_amqp_outcome(&in->amqp, in->error);
    if (status == KN_OK)
        broker_receiver_connected(r);
    return status;
}

/* ---- deliveries -------------------------------------------------------------- */

/* A chunk with room for this many bytes. */
static enum kn_status make_room(struct broker_receiver *r, size_t need)
{
    if (r->chunk && r->chunk->cap - r->chunk->used >= need)
        return KN_OK;
    broker_receiver_flush(r);
    broker_chunk_put(&r->chunks, r->chunk);
    r->chunk = broker_chunk_get(&r->chunks, need);
    return r->chunk ? KN_OK : KN_NOMEM;
}

static void begin(struct intake *in, const amqp_basic_deliver_t *deliver)
{
    in->tag = deliver->delivery_tag;
    in->routing_key_len =
        deliver->routing_key.len < NAME_MAX_BYTES ? deliver->routing_key.len : NAME_MAX_BYTES;
    memcpy(in->routing_key, broker_amqp_str(deliver->routing_key).ptr, in->routing_key_len);
}

static void finish(struct intake *in)
{
    struct broker_receiver *r = in->r;
    in->open = false;
    r->tag = r->base + in->tag;
    r->alive_at = kn_time_now();
    if (in->skip) {
        broker_receiver_count(r, 0, 0, 1);
        return;
    }
    in->message.body = (struct kn_str){in->body, in->size};
    in->message.tag = r->tag;
    in->message.received_at = r->alive_at;
    if (broker_chunk_add(r->chunk, &in->message))
        broker_receiver_count(r, 1, in->size, 0);
    else
        broker_receiver_count(r, 0, 0, 1);
}

static enum kn_status header(struct intake *in, const amqp_frame_t *frame)
{
    const amqp_basic_properties_t *properties = frame->payload.properties.decoded;
    struct broker_message *m = &in->message;
    in->size = frame->payload.properties.body_size;
    in->got = 0;
    in->open = true;
    in->skip = in->size > in->r->options.message_max;
    if (!in->skip) {
        *m = (struct broker_message){.channel = {in->routing_key, in->routing_key_len}};
        broker_amqp_describe(properties, m);
        size_t need = m->channel.len + m->content_type.len + m->content_encoding.len +
                      m->compression.len + m->ticket.len + in->size;
        enum kn_status status = make_room(in->r, need);
        if (status != KN_OK)
            return status;
        struct broker_chunk *chunk = in->r->chunk;
        m->channel = broker_chunk_copy(chunk, m->channel);
        m->content_type = broker_chunk_copy(chunk, m->content_type);
        m->content_encoding = broker_chunk_copy(chunk, m->content_encoding);
        m->compression = broker_chunk_copy(chunk, m->compression);
        m->ticket = broker_chunk_copy(chunk, m->ticket);
        in->body = chunk->data + chunk->used;
        chunk->used += in->size;
    }
    if (in->size == 0)
        finish(in);
    return KN_OK;
}

static enum kn_status body(struct intake *in, amqp_bytes_t fragment)
{
    if (!in->open || fragment.len > in->size - in->got)
        return lost(in, KN_STR("the server does not speak the AMQP protocol"));
    if (!in->skip && fragment.len)
        memcpy(in->body + in->got, fragment.bytes, fragment.len);
    in->got += fragment.len;
    if (in->got == in->size)
        finish(in);
    return KN_OK;
}

static enum kn_status method(struct intake *in, const amqp_method_t *m)
{
    switch (m->id) {
    case AMQP_BASIC_DELIVER_METHOD:
        begin(in, m->decoded);
        return KN_OK;
    case AMQP_BASIC_CANCEL_METHOD: /* or its node is down, and its messages are lost */
        in->r->cancelled = true;
        return lost(in, KN_STR("Kanchi's queue on the broker was deleted"));
    case AMQP_CHANNEL_CLOSE_METHOD:
        return lost(in, broker_amqp_str(((amqp_channel_close_t *)m->decoded)->reply_text));
    case AMQP_CONNECTION_CLOSE_METHOD:
        return lost(in, broker_amqp_str(((amqp_connection_close_t *)m->decoded)->reply_text));
    default:
        return KN_OK;
    }
}

/* Reads one frame; AGAIN when there is none. */
static enum kn_status read_frame(struct intake *in)
{
    amqp_frame_t frame;
    struct timeval now = {0};
    if (!in->open)
        amqp_maybe_release_buffers(in->amqp.conn);
    int rc = amqp_simple_wait_frame_noblock(in->amqp.conn, &frame, &now);
    if (rc == AMQP_STATUS_TIMEOUT)
        return KN_AGAIN;
    if (rc != AMQP_STATUS_OK)
        return lost(in, kn_str_from(amqp_error_string2(rc)));
    if (frame.frame_type == AMQP_FRAME_METHOD)
        return method(in, &frame.payload.method);
    if (frame.frame_type == AMQP_FRAME_HEADER)
        return header(in, &frame);
    if (frame.frame_type == AMQP_FRAME_BODY)
        return body(in, frame.payload.body_fragment);
    return KN_OK;
}

/* ---- the loop ------------------------------------------------------------------ */

static enum kn_status send_acks(struct intake *in)
{
    struct broker_receiver *r = in->r;
    uint64_t to = r->ack_to;
    if (to <= r->acked || to <= r->base || to > r->tag)
        return KN_OK;
    r->acked = to;
    int rc = amqp_basic_ack(in->amqp.conn, MAIN, to - r->base, 1);
    return rc == AMQP_STATUS_OK ? KN_OK : lost(in, kn_str_from(amqp_error_string2(rc)));
}

/* librabbitmq sends heartbeats only when asked to read. */
static enum kn_status beat(struct intake *in)
{
    const amqp_frame_t frame = {.frame_type = AMQP_FRAME_HEARTBEAT};
    int64_t now = kn_time_mono();
    if (now - in->beat_at < BROKER_HEARTBEAT * KN_SECOND / 4)
        return KN_OK;
    in->beat_at = now;
    int rc = amqp_send_frame(in->amqp.conn, &frame);
    return rc == AMQP_STATUS_OK ? KN_OK : lost(in, kn_str_from(amqp_error_string2(rc)));
}

static void heard(struct intake *in)
{
    in->heard_at = kn_time_mono();
    broker_receiver_heard(in->r);
}

static void wait_for(struct intake *in, bool bytes)
{
    struct pollfd fds[2] = {{.fd = in->r->wake_fd, .events = POLLIN},
                            {.fd = amqp_get_sockfd(in->amqp.conn), .events = POLLIN}};
    (void)poll(fds, bytes ? 2 : 1, 1000);
    if (fds[0].revents)
        broker_wake_drain(in->r->wake_fd);
    if (!bytes || fds[1].revents)
        heard(in); /* what was not read says nothing */
    else if (kn_time_mono() - in->heard_at > QUIET_MAX)
        broker_receiver_quiet(in->r, "RabbitMQ does not respond");
}

static enum kn_status step(struct intake *in)
{
    struct broker_receiver *r = in->r;
    enum kn_status status = send_acks(in);
    if (status != KN_OK)
        return status;
    bool hand_over = r->stopping || (!in->open && broker_chunks_idle(&r->chunks));
    if (hand_over)
        broker_receiver_flush(r);
    if (r->stopping)
        broker_chunks_close(&r->chunks);
    if (r->stopping || (!in->open && broker_chunks_full(&r->chunks))) {
        wait_for(in, false);
        return beat(in);
    }
    status = read_frame(in);
    if (status != KN_AGAIN) {
        heard(in);
        return status;
    }
    put_marker(in);
    wait_for(in, true);
    return renew_marker(in);
}

enum kn_status broker_amqp_receive(struct broker_receiver *r, struct kn_buf *error)
{
    struct intake in = {.r = r, .error = error};
    broker_chunk_put(&r->chunks, r->chunk);
    r->chunk = NULL;
    enum kn_status status =
        broker_amqp_open(&r->options, BROKER_HEARTBEAT, r->wake_fd, error, &in.amqp);
    if (status == KN_OK)
        status = broker_amqp_channel(&in.amqp, MAIN, error);
    if (status == KN_OK)
        status = broker_amqp_channel(&in.amqp, TRIAL, error);
    if (status == KN_OK)
        status = set_up(&in);
    if (status == KN_OK)
        status = consume(&in);
    in.heard_at = kn_time_mono();
    while (status == KN_OK && !r->ending)
        status = step(&in);
    if (status == KN_OK)
        status = send_acks(&in);
    broker_amqp_close(&in.amqp, status == KN_OK);
    return status == KN_OK ? KN_CLOSED : status;
}
