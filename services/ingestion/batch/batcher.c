#include "services/ingestion/batch/batcher.h"

#include "services/celery/event/envelope.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH_BYTES ((size_t)8 << 20) /* of decoded events; a batch that has more is full */
#define ARENA_KEEP BATCH_BYTES        /* a bigger arena is given back after its batch */
#define SERIALIZERS_MAX 16
#define SENDERS_MAX 10000
#define WRONG_LATELY (10 * KN_MINUTE)

struct ingest_batcher {
    struct ingest_batcher_options options;
    struct celery_event_limits limits;
    struct ingest_clocks *clocks;
    struct kn_arena arena;
    struct kn_msg_event *events;
    size_t event_count, event_cap;
    uint64_t seq;      /* of the open batch */
    uint64_t tag;      /* last message in it */
    int64_t opened_at; /* monotonic; 0: nothing in it */
    int64_t oldest_at;
    int64_t newest_at;              /* of all batches: the last event's timestamp */
    int64_t begins_at, complete_to; /* of all batches so far */
    uint64_t received, invalid, lost;
    struct kn_msg_gap gaps[INGEST_GAPS_MAX];
    size_t gap_count;
    struct kn_log_limit log_limits[CELERY_CAUSE_COUNT]; /* a flood of one hides no other */
    uint64_t serializers[SERIALIZERS_MAX];              /* hashes of those that were warned of */
    size_t serializer_count;
    struct ingest_unread unread;
};

enum kn_status ingest_batcher_new(const struct ingest_batcher_options *options,
                                  struct ingest_batcher **ret)
{
    struct ingest_batcher *b = calloc(1, sizeof(*b));
    if (!b)
        return KN_NOMEM;
    b->clocks = ingest_clocks_new(SENDERS_MAX);
    if (!b->clocks) {
        free(b);
        return KN_NOMEM;
    }
    b->options = *options;
    b->seq = 1;
    b->limits = (struct celery_event_limits){.body_bytes = 2 * options->event_max,
                                             .event_bytes = 2 * options->event_max};
    /* a message and what it becomes, beside what the batch holds already */
    kn_arena_init(&b->arena, BATCH_BYTES + 16 * options->event_max);
    *ret = b;
    return KN_OK;
}

void ingest_batcher_free(struct ingest_batcher *batcher)
{
    if (!batcher)
        return;
    ingest_clocks_free(batcher->clocks);
    kn_arena_fini(&batcher->arena);
    free(batcher->events);
    free(batcher);
}

static void touch(struct ingest_batcher *b)
{
    if (b->opened_at == 0)
        b->opened_at = kn_time_mono();
}

/* ---- what is invalid --------------------------------------------------------- */

/* A serializer is named in a warning once. */
static bool first_time(struct ingest_batcher *b, struct kn_str serializer)
{
    uint64_t hash = kn_hash64(0, serializer.ptr, serializer.len);
    for (size_t i = 0; i < b->serializer_count; i++) {
        if (b->serializers[i] == hash)
            return false;
    }
    if (b->serializer_count == SERIALIZERS_MAX)
        return false;
    b->serializers[b->serializer_count++] = hash;
    return true;
}

static void note_unread(struct ingest_batcher *b, struct kn_str serializer)
{
    struct kn_str shown = kn_utf8_valid(serializer)
                              ? kn_utf8_head(serializer, sizeof(b->unread.serializer) - 1)
                              : KN_STR("?");
    snprintf(b->unread.serializer, sizeof(b->unread.serializer), "%.*s", KN_STR_ARG(shown));
    b->unread.messages++;
    b->unread.last_at = kn_time_mono();
}

static void tell(struct ingest_batcher *b, enum celery_cause cause, struct kn_str detail)
{
    uint64_t skipped = 0;
    if (cause == CELERY_CAUSE_SERIALIZER && detail.ptr) {
        note_unread(b, detail);
        if (first_time(b, detail))
            KN_WARN("event.serializer_unsupported", KN_F_STR("source", b->options.source),
                    KN_F_STR("serializer", detail),
                    KN_F_TEXT("remedy", "set event_serializer to json or msgpack"));
        return;
    }
    if (!kn_log_allow(&b->log_limits[cause], &skipped))
        return;
    KN_WARN("event.invalid", KN_F_STR("source", b->options.source),
            KN_F_TEXT("cause", celery_cause_name(cause)),
            KN_F_TEXT("text", celery_cause_text(cause)), KN_F_STR("detail", detail),
            KN_F_I64("skipped", skipped));
}

static void invalid(struct ingest_batcher *b, enum celery_cause cause, struct kn_str detail)
{
    b->received++;
    b->invalid++;
    tell(b, cause, detail);
}

/* ---- decoding ---------------------------------------------------------------- */

/* Reads the envelope, if there is one, and sees to it that the body is in the arena, where
 * it lives as long as the batch. */
static enum kn_status unwrap(struct ingest_batcher *b, const struct broker_message *message,
                             struct celery_message *ret, const char **ret_why)
{
    if (!b->options.enveloped) {
        *ret = (struct celery_message){.body = message->body,
                                       .content_type = message->content_type,
                                       .content_encoding = message->content_encoding,
                                       .compression = message->compression};
    } else {
        enum kn_status status = celery_envelope_decode(message->body, &b->arena, ret, ret_why);
        if (status != KN_OK)
            return status;
    }
    uintptr_t start = (uintptr_t)message->body.ptr;
    uintptr_t at = (uintptr_t)ret->body.ptr;
    if (at >= start && at <= start + message->body.len)
        ret->body = kn_arena_str(&b->arena, ret->body);
    return b->arena.overflow ? KN_NOMEM : KN_OK;
}

static bool append(struct ingest_batcher *b, const struct kn_msg_event *events, size_t count)
{
    if (b->event_count + count > b->event_cap) {
        size_t cap = b->event_cap ? b->event_cap : 64;
        while (cap < b->event_count + count)
            cap *= 2;
        struct kn_msg_event *more = realloc(b->events, cap * sizeof(*more));
        if (!more)
            return false;
        b->events = more;
        b->event_cap = cap;
    }
    if (count)
        memcpy(b->events + b->event_count, events, count * sizeof(*events));
    b->event_count += count;
    return true;
}

static void take(struct ingest_batcher *b, const struct celery_events *decoded, int64_t received_at)
{
    for (size_t i = 0; i < decoded->count; i++)
        ingest_clocks_event(b->clocks, &decoded->items[i]);
    size_t told = decoded->invalid < CELERY_INVALID_MAX ? decoded->invalid : CELERY_INVALID_MAX;
    if (!append(b, decoded->items, decoded->count)) {
        b->lost += decoded->count;
        return;
    }
    if (decoded->count) {
        int64_t at = decoded->items[decoded->count - 1].timestamp;
        b->newest_at = at < received_at ? at : received_at;
    }
    b->received += decoded->count + decoded->invalid;
    b->invalid += decoded->invalid;
    for (size_t i = 0; i < told; i++)
        tell(b, decoded->first[i].cause, decoded->first[i].detail);
}

void ingest_batcher_add(struct ingest_batcher *b, const struct broker_message *message)
{
    struct celery_message unwrapped;
    struct celery_events decoded;
    const char *why = NULL;
    touch(b);
    b->oldest_at = b->oldest_at ? b->oldest_at : message->received_at;
    b->tag = message->tag;
    enum kn_status status = unwrap(b, message, &unwrapped, &why);
    if (status == KN_OK)
        status = celery_event_decode_message(&unwrapped, &b->limits, message->received_at,
                                             &b->arena, &decoded);
    if (status == KN_OK)
        take(b, &decoded, message->received_at);
    else if (status == KN_NOMEM)
        invalid(b, CELERY_CAUSE_TOO_BIG, KN_STR_ABSENT);
    else
        invalid(b, CELERY_CAUSE_ENVELOPE, kn_str_from(why));
    b->arena.overflow = false;
}

void ingest_batcher_lost(struct ingest_batcher *b, uint64_t messages)
{
    if (messages)
        touch(b);
    b->lost += messages;
}

void ingest_batcher_too_big(struct ingest_batcher *b, uint64_t messages)
{
    if (messages == 0)
        return;
    touch(b);
    b->received += messages;
    b->invalid += messages;
    tell(b, CELERY_CAUSE_TOO_BIG, KN_STR("ingestion.event_max"));
}

bool ingest_batcher_gap(struct ingest_batcher *b, const struct broker_gap *gap,
                        struct kn_str reason)
{
    if (b->gap_count == INGEST_GAPS_MAX)
        return false;
    touch(b);
    b->gaps[b->gap_count++] = (struct kn_msg_gap){
        .source = b->options.source,
        .from = gap->from,
        .to = gap->to,
        .reason = reason,
    };
    return true;
}

void ingest_batcher_complete(struct ingest_batcher *b, int64_t begins_at, int64_t to)
{
    b->begins_at = begins_at;
    b->complete_to = to;
}

int64_t ingest_batcher_newest(const struct ingest_batcher *b)
{
    return b->newest_at;
}

void ingest_batcher_live(struct ingest_batcher *b, int64_t live_at)
{
    ingest_clocks_live(b->clocks, live_at);
}

void ingest_batcher_clock_set(struct ingest_batcher *b, int64_t by)
{
    ingest_clocks_set(b->clocks, by);
}

void ingest_batcher_wrong_clocks(const struct ingest_batcher *b, struct ingest_wrong_clocks *ret)
{
    ingest_clocks_wrong(b->clocks, kn_time_now() - WRONG_LATELY, ret);
}

const struct ingest_unread *ingest_batcher_unread(const struct ingest_batcher *b)
{
    return &b->unread;
}

/* ---- closing ------------------------------------------------------------------- */

bool ingest_batcher_full(const struct ingest_batcher *b)
{
    return b->event_count >= b->options.batch_events || b->arena.total > BATCH_BYTES;
}

bool ingest_batcher_any(const struct ingest_batcher *b)
{
    return b->opened_at != 0;
}

void ingest_batcher_age(struct ingest_batcher *b, int64_t batch_age_us)
{
    b->options.batch_age_us = batch_age_us;
}

int64_t ingest_batcher_time_left(const struct ingest_batcher *b)
{
    int64_t left = b->opened_at + b->options.batch_age_us - kn_time_mono();
    return left > 0 ? left : 0;
}

size_t ingest_batcher_events(const struct ingest_batcher *b, int64_t *ret_oldest_at)
{
    *ret_oldest_at = b->oldest_at;
    return b->event_count;
}

static void begin_next(struct ingest_batcher *b)
{
    size_t max = b->arena.max;
    if (b->arena.total > ARENA_KEEP) {
        kn_arena_fini(&b->arena);
        kn_arena_init(&b->arena, max);
    } else {
        kn_arena_reset(&b->arena);
    }
    if (b->event_cap > 4 * b->options.batch_events) {
        free(b->events);
        b->events = NULL;
        b->event_cap = 0;
    }
    b->event_count = 0;
    b->seq++;
    b->tag = 0;
    b->opened_at = 0;
    b->oldest_at = 0;
    b->received = b->invalid = b->lost = 0;
    b->gap_count = 0;
}

enum kn_status ingest_batcher_close(struct ingest_batcher *b, struct kn_msg_queue_depth *depths,
                                    size_t depth_count, struct ingest_batch **ret)
{
    const struct kn_msg_ingest_batch message = {.events = {b->events, b->event_count},
                                                .queues = {depths, depth_count},
                                                .gaps = {b->gaps, b->gap_count},
                                                .received = b->received,
                                                .invalid = b->invalid,
                                                .lost = b->lost,
                                                .begins_at = b->begins_at,
                                                .complete_to = b->complete_to};
    struct ingest_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return KN_NOMEM;
    batch->source = b->options.source;
    batch->epoch = b->options.epoch;
    batch->seq = b->seq;
    batch->events = b->event_count;
    batch->oldest_at = b->oldest_at ? b->oldest_at : kn_time_now();
    batch->tag = b->tag;
    batch->received = b->received;
    batch->invalid = b->invalid;
    batch->lost = b->lost;
    batch->gaps = b->gap_count;
    enum kn_status status = ingest_batch_encode(batch, &message);
    if (status != KN_OK) {
        ingest_batch_free(batch);
        return status;
    }
    begin_next(b);
    *ret = batch;
    return KN_OK;
}
