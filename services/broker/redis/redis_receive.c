/* Events over Redis' publish and subscribe. kombu publishes a fanout message to
 *
 *   <global_keyprefix><fanout_prefix><exchange>[/<routing key>]
 *
 * with "/<db>." as the fanout prefix, unless fanout_prefix is off, and the
 * routing key unless fanout_patterns is off. Up to kombu 5.3 the sentinel
 * transport forgot to put the database in, and published to "/{db}.…".
 *
 * A ping a second, whose answer comes after all that was published before it, tells up to
 * when nothing is missing. Without an answer for QUIET_MAX, Redis is reported as away, but the
 * connection is kept until SILENCE_MAX: a server that resumes still sends all. The time of the last
 * bytes does not: they may have lain in a buffer for long, and what came after them been dropped
 * with the connection. */
#include "services/broker/redis/redis_session.h"

#include "services/broker/redis/resp.h"
#include "services/common/text/time.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define PATTERNS_MAX 8
#define READ_MIN ((size_t)16 << 10)
#define PING_EVERY KN_SECOND
#define QUIET_MAX (5 * KN_SECOND / 2)
#define SILENCE_MAX (15 * KN_SECOND)

struct link {
    struct broker_receiver *r;
    struct broker_redis redis;
    struct kn_buf *error;
    struct kn_str patterns[PATTERNS_MAX]; /* the first one is Celery's default */
    size_t pattern_count;
    size_t answered;                   /* subscriptions */
    size_t parsed;                     /* bytes of r->chunk's data that are messages */
    size_t need;                       /* bytes that the message after them has at least */
    size_t skip;                       /* bytes to throw away */
    uint64_t messages, bytes, too_big; /* not counted in the status yet */
    int64_t heard_at, pinged_at;       /* monotonic */
    int64_t asked_at;                  /* when a ping was sent that is not answered yet; 0: none */
};

static void append_escaped(struct kn_buf *buf, struct kn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (strchr("*?[]\\", s.ptr[i]))
            kn_buf_char(buf, '\\');
        kn_buf_char(buf, s.ptr[i]);
    }
}

/* The channel and everything below it, as two patterns. */
static enum kn_status add_patterns(struct link *l, const char *fanout_prefix)
{
    static const char *const ends[] = {"/*", ""};
    const struct broker_options *options = &l->r->options;
    struct kn_buf channel;
    kn_buf_init(&channel, 0);
    if (fanout_prefix[0] == '\1') { /* literally, as kombu's sentinel transport once did */
        kn_buf_printf(&channel, "%s%s%s", options->key_prefix, fanout_prefix + 1,
                      options->event_exchange);
    } else {
        broker_redis_channel(options, l->redis.host->db, fanout_prefix, &channel,
                             kn_str_from(options->event_exchange));
    }
    for (size_t i = 0; i < 2; i++) {
        struct kn_buf pattern;
        kn_buf_init(&pattern, 0);
        append_escaped(&pattern, kn_buf_view(&channel));
        kn_buf_text(&pattern, ends[i]);
        size_t len = 0;
        char *text = kn_buf_take(&pattern, &len);
        if (text)
            l->patterns[l->pattern_count++] = (struct kn_str){text, len};
    }
    enum kn_status status = kn_buf_status(&channel);
    kn_buf_fini(&channel);
    return status;
}

static enum kn_status make_patterns(struct link *l)
{
    const struct broker_options *options = &l->r->options;
    if (options->fanout_prefix)
        return add_patterns(l, options->fanout_prefix);
    enum kn_status status = add_patterns(l, BROKER_REDIS_FANOUT);
    if (status == KN_OK)
        status = add_patterns(l, "");
    if (status == KN_OK && options->url->sentinel)
        status = add_patterns(l, "\1" BROKER_REDIS_FANOUT);
    return status;
}

/* One command for each pattern: an ACL may allow the first and refuse others. */
static enum kn_status subscribe(struct link *l)
{
    for (size_t i = 0; i < l->pattern_count; i++) {
        const char *argv[] = {"PSUBSCRIBE", l->patterns[i].ptr};
        size_t lens[] = {10, l->patterns[i].len};
        if (redisAppendCommandArgv(l->redis.ctx, 2, argv, lens) != REDIS_OK)
            return KN_NOMEM;
    }
    for (int done = 0; !done;) {
        if (redisBufferWrite(l->redis.ctx, &done) != REDIS_OK) {
            kn_buf_text(l->error, l->redis.ctx->errstr);
            return KN_IO;
        }
    }
    return KN_OK;
}

static enum kn_status lost(struct link *l, const char *why)
{
    kn_buf_clear(l->error);
    kn_buf_text(l->error, why);
    return KN_IO;
}

static enum kn_status subscribed(struct link *l, bool refused, struct kn_str text)
{
    if (l->answered < l->pattern_count)
        l->answered++;
    if (refused && l->answered == 1) {
        kn_buf_clear(l->error);
        kn_buf_str(l->error, text);
        broker_redis_name_right(l->error, KN_STR("PSUBSCRIBE"), l->patterns[0]);
        return KN_DENIED;
    }
    if (l->answered == 1) {
        broker_receiver_gap(l->r);
        l->r->alive_at = kn_time_now();
        broker_receiver_connected(l->r);
    }
    return KN_OK;
}

static void answered(struct link *l)
{
    if (l->asked_at)
        l->r->alive_at = l->asked_at;
    l->asked_at = 0;
    broker_receiver_complete(l->r);
}

static enum kn_status handle(struct link *l, const struct broker_resp *resp, int64_t now)
{
    const struct kn_str *items = resp->items;
    if (resp->type == '*' && resp->count == 4 && kn_str_eq(items[0], KN_STR("pmessage"))) {
        struct broker_message message = {.channel = items[2], .body = items[3], .received_at = now};
        l->messages++;
        l->bytes += items[3].len;
        return broker_chunk_add(l->r->chunk, &message) ? KN_OK : KN_NOMEM;
    }
    if (resp->type == '*' && resp->count > 0 && kn_str_eq(items[0], KN_STR("psubscribe")))
        return subscribed(l, false, KN_STR_ABSENT);
    if (resp->type == '-')
        return subscribed(l, true, items[0]);
    if (resp->type == '*' && resp->count > 0 && kn_str_eq(items[0], KN_STR("pong")))
        answered(l);
    return KN_OK; /* also what later servers may add */
}

/* Reads what is complete in the chunk. */
static enum kn_status parse(struct link *l)
{
    struct broker_chunk *chunk = l->r->chunk;
    int64_t now = kn_time_now();
    for (;;) {
        struct broker_resp resp;
        struct kn_str rest = {chunk->data + l->parsed, chunk->used - l->parsed};
        enum kn_status status = broker_resp_next(rest, l->r->options.message_max, &resp);
        l->need = resp.size;
        if (status == KN_AGAIN)
            return KN_OK;
        if (status == KN_TOO_BIG) {
            l->too_big++;
            l->skip = resp.size > rest.len ? resp.size - rest.len : 0;
        } else if (status != KN_OK) {
            return lost(l, "the server does not speak the Redis protocol");
        } else {
            status = handle(l, &resp, now);
            if (status != KN_OK)
                return status;
        }
        l->parsed += resp.size < rest.len ? resp.size : rest.len;
    }
}

/* A chunk with room for the next bytes; what is begun moves to it. */
static enum kn_status make_room(struct link *l)
{
    struct broker_receiver *r = l->r;
    size_t tail = r->chunk ? r->chunk->used - l->parsed : 0;
    size_t want = l->need > tail + READ_MIN ? l->need : tail + READ_MIN;
    bool ready = r->chunk && r->chunk->count > 0 && broker_chunks_idle(&r->chunks);
    if (r->chunk && !ready && r->chunk->cap - l->parsed >= want)
        return KN_OK;
    struct broker_chunk *fresh = broker_chunk_get(&r->chunks, want);
    if (!fresh)
        return KN_NOMEM;
    if (r->chunk) {
        (void)broker_chunk_copy(fresh, (struct kn_str){r->chunk->data + l->parsed, tail});
        if (r->chunk->count > 0)
            broker_receiver_flush(r);
        else
            broker_chunk_put(&r->chunks, r->chunk);
    }
    r->chunk = fresh;
    l->parsed = 0;
    return KN_OK;
}

static enum kn_status keep_alive(struct link *l)
{
    static const char ping[] = "*1\r\n$4\r\nPING\r\n", silent[] = "Redis does not respond";
    int64_t now = kn_time_mono();
    if (now - l->heard_at > SILENCE_MAX)
        return lost(l, silent);
    if (l->asked_at && now - l->pinged_at > QUIET_MAX && now - l->heard_at > QUIET_MAX)
        broker_receiver_quiet(l->r, silent);
    if (l->answered == 0 || l->asked_at || now - l->pinged_at < PING_EVERY)
        return KN_OK;
    l->pinged_at = now;
    int64_t asked_at = kn_time_now();
    ssize_t n = send(l->redis.ctx->fd, ping, sizeof(ping) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno != EAGAIN ? lost(l, strerror(errno)) : KN_OK;
    l->asked_at = asked_at;
    return KN_OK;
}

static enum kn_status read_some(struct link *l)
{
    struct broker_chunk *chunk = l->r->chunk;
    ssize_t n =
        recv(l->redis.ctx->fd, chunk->data + chunk->used, chunk->cap - chunk->used, MSG_DONTWAIT);
    if (n == 0)
        return lost(l, "Redis closed the connection");
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? KN_AGAIN : lost(l, strerror(errno));
    l->heard_at = kn_time_mono();
    broker_receiver_heard(l->r);
    size_t skipped = l->skip < (size_t)n ? l->skip : (size_t)n;
    l->skip -= skipped;
    if (skipped)
        memmove(chunk->data + chunk->used, chunk->data + chunk->used + skipped,
                (size_t)n - skipped);
    chunk->used += (size_t)n - skipped;
    enum kn_status status = parse(l);
    broker_receiver_count(l->r, l->messages, l->bytes, l->too_big);
    l->messages = l->bytes = l->too_big = 0;
    return status;
}

static enum kn_status wait_for_bytes(struct link *l)
{
    struct pollfd fds[2] = {{.fd = l->redis.ctx->fd, .events = POLLIN},
                            {.fd = l->r->wake_fd, .events = POLLIN}};
    (void)poll(fds, 2, 1000);
    if (fds[1].revents)
        broker_wake_drain(l->r->wake_fd);
    return KN_OK;
}

static enum kn_status drain(struct link *l)
{
    enum kn_status status = KN_OK;
    l->heard_at = kn_time_mono();
    while (status == KN_OK && !l->r->stopping) {
        status = make_room(l);
        if (status == KN_OK)
            status = read_some(l);
        if (status == KN_AGAIN)
            status = wait_for_bytes(l);
        if (status == KN_OK)
            status = keep_alive(l);
    }
    return status == KN_OK ? KN_CLOSED : status;
}

enum kn_status broker_redis_receive(struct broker_receiver *r, struct kn_buf *error)
{
    struct link l = {.r = r, .error = error};
    broker_chunk_put(&r->chunks, r->chunk);
    r->chunk = NULL;
    enum kn_status status = broker_redis_open(&r->options, r->wake_fd, error, &l.redis);
    if (status == KN_OK)
        status = make_patterns(&l);
    if (status == KN_OK)
        status = subscribe(&l);
    if (status == KN_OK)
        status = drain(&l);
    broker_redis_close(&l.redis);
    for (size_t i = 0; i < l.pattern_count; i++)
        free((char *)l.patterns[i].ptr);
    return status;
}
