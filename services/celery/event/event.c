#include "services/celery/event/event_fields.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

enum { LIST_ROOM = 8 };

#define LATEST_US (INT64_C(4102444800) * KN_SECOND) /* 2100: later ones are invalid */

static const struct celery_event_limits default_limits = {
    .body_bytes = 64 << 20,
    .event_bytes = 32 << 20,
    .events = 10000,
    .id_bytes = 4096,
    .earliest_us = INT64_C(946684800) * KN_SECOND,
    .ahead_us = KN_DAY,
};

const char *celery_cause_name(enum celery_cause cause)
{
    static const char *const names[] = {
#define X(name, key, text) key,
        CELERY_CAUSE_MAP(X)
#undef X
    };
    return (unsigned)cause < CELERY_CAUSE_COUNT ? names[cause] : "unknown";
}

const char *celery_cause_text(enum celery_cause cause)
{
    static const char *const texts[] = {
#define X(name, key, text) text,
        CELERY_CAUSE_MAP(X)
#undef X
    };
    return (unsigned)cause < CELERY_CAUSE_COUNT ? texts[cause] : "unknown";
}

/* ---- events -------------------------------------------------------------- */

static void add_invalid(struct celery_events *events, enum celery_cause cause, size_t index,
                        struct kn_str detail)
{
    if (events->invalid < CELERY_INVALID_MAX)
        events->first[events->invalid] = (struct celery_invalid){cause, index, detail};
    events->invalid++;
    events->causes[cause]++;
}

static struct kn_msg_event *next_slot(struct celery_decoder *d)
{
    struct celery_events *events = &d->events;
    if (events->count == d->room) {
        size_t room = d->room ? d->room * 2 : d->list ? LIST_ROOM : 1;
        struct kn_msg_event *items = kn_arena_array(d->arena, room, sizeof *items);
        if (!items)
            return NULL;
        if (events->count)
            memcpy(items, events->items, events->count * sizeof *items);
        events->items = items;
        d->room = room;
    }
    struct kn_msg_event *e = &events->items[events->count];
    if (events->invalid) /* the slot may have been used */
        memset(e, 0, sizeof *e);
    return e;
}

static bool is_task(unsigned type)
{
    return type >= KN_EVENT_TASK_SENT && type <= KN_EVENT_TASK_RETRIED;
}

static bool is_worker(unsigned type)
{
    return type >= KN_EVENT_WORKER_ONLINE && type <= KN_EVENT_WORKER_OFFLINE;
}

static const char *too_long(const struct kn_msg_event *e, size_t max)
{
    return e->uuid.len > max        ? "uuid"
           : e->hostname.len > max  ? "hostname"
           : e->type_name.len > max ? "type"
                                    : NULL;
}

/* A clock that is off by a day or more is useless: the time of arrival is used, with the difference
 * as skew. */
static void settle_time(const struct celery_decoder *d, struct kn_msg_event *e)
{
    if (e->timestamp >= d->limits->earliest_us && e->timestamp <= d->now_us + d->limits->ahead_us)
        return;
    e->skew = e->timestamp - d->now_us;
    e->timestamp = d->now_us;
}

/* Whether the fields make an event; *ret_cause and *ret_detail when not. */
static bool judge(const struct celery_decoder *d, const struct kn_msg_event *e, struct kn_str bytes,
                  enum celery_cause *ret_cause, struct kn_str *ret_detail)
{
    const struct celery_event_limits *l = d->limits;
    const char *long_field = too_long(e, l->id_bytes);
    *ret_detail = KN_STR_ABSENT;
    if (!d->utf8 && d->reader.format == CELERY_JSON && !kn_utf8_valid(bytes)) {
        *ret_cause = CELERY_CAUSE_UTF8;
    } else if (bytes.len > l->event_bytes || long_field) {
        *ret_cause = CELERY_CAUSE_TOO_BIG;
        *ret_detail = kn_str_from(long_field);
    } else if (!d->has_type) {
        *ret_cause = CELERY_CAUSE_NO_TYPE;
    } else if (!d->has_timestamp || e->timestamp < 0 || e->timestamp > LATEST_US) {
        *ret_cause = CELERY_CAUSE_TIMESTAMP;
    } else if (is_task(e->type) && e->uuid.len == 0) {
        *ret_cause = CELERY_CAUSE_NO_UUID;
    } else if (is_worker(e->type) && e->hostname.len == 0) {
        *ret_cause = CELERY_CAUSE_NO_HOSTNAME;
    } else {
        return true;
    }
    return false;
}

static enum kn_status finish_event(struct celery_decoder *d, struct kn_msg_event *e)
{
    e->received_at = d->now_us;
    settle_time(d, e);
    if ((e->type == KN_EVENT_TASK_FAILED || e->type == KN_EVENT_TASK_RETRIED) &&
        celery_event_failure(d, e) != KN_OK)
        return KN_NOMEM;
    if (d->has_extra) {
        kn_buf_char(&d->scratch, '}');
        if (kn_buf_status(&d->scratch) != KN_OK)
            return KN_NOMEM;
        e->extra = celery_scratch_str(d, 0);
        if (!e->extra.ptr)
            return KN_NOMEM;
    }
    d->events.count++;
    return KN_OK;
}

static enum celery_cause cause_of(const struct celery_decoder *d, enum kn_status status)
{
    if (status == KN_TOO_DEEP)
        return CELERY_CAUSE_TOO_DEEP;
    if (d->reader.not_utf8 || (d->reader.format == CELERY_JSON && !d->utf8))
        return CELERY_CAUSE_UTF8;
    return CELERY_CAUSE_SYNTAX;
}

/* Decodes the event whose first token was read; from is its first byte, depth its level. NOMEM, or
 * OK, with valid and invalid events in d->events. INVALID when the reader cannot continue. */
static enum kn_status read_event(struct celery_decoder *d, const struct celery_token *first,
                                 enum kn_status status, const char *from, unsigned depth,
                                 size_t index)
{
    struct kn_msg_event *e = next_slot(d);
    if (!e)
        return KN_NOMEM;
    kn_buf_clear(&d->scratch);
    d->has_extra = d->has_timestamp = d->has_type = false;
    bool is_object = status == KN_OK && first->kind == CELERY_MAP;
    if (is_object)
        status = celery_event_fields(d, e);
    else if (status == KN_OK)
        status = celery_reader_skip(&d->reader, first);
    if (status == KN_NOMEM || status == KN_TOO_BIG)
        return KN_NOMEM;
    if (status != KN_OK) {
        add_invalid(&d->events, cause_of(d, status), index, kn_str_from(d->reader.error));
        d->reader.not_utf8 = false;
        return depth ? celery_reader_recover(&d->reader, from, depth) : KN_INVALID;
    }
    enum celery_cause cause = CELERY_CAUSE_NO_OBJECT;
    struct kn_str detail = KN_STR_ABSENT;
    struct kn_str bytes = {from, (size_t)(d->reader.p - from)};
    if (is_object && judge(d, e, bytes, &cause, &detail))
        return finish_event(d, e);
    add_invalid(&d->events, cause, index, detail);
    return KN_OK;
}

/* Where the value begins that comes next, behind a comma and white space. */
static const char *value_start(const struct celery_reader *r)
{
    const char *p = r->p;
    if (r->format == CELERY_JSON) {
        while (p < r->end && strchr(" \t\r\n,", *p ? *p : 'x'))
            p++;
    }
    return p;
}

static enum kn_status read_list(struct celery_decoder *d)
{
    unsigned depth = d->reader.depth;
    for (size_t index = 0;; index++) {
        struct celery_token token;
        const char *from = value_start(&d->reader);
        enum kn_status status = celery_reader_next(&d->reader, &token);
        if (status == KN_OK && token.kind == CELERY_CLOSE && d->reader.depth < depth)
            return KN_OK;
        if (index == d->limits->events) {
            add_invalid(&d->events, CELERY_CAUSE_TOO_BIG, index, KN_STR("too many events"));
            return KN_INVALID;
        }
        status = read_event(d, &token, status, from, depth, index);
        if (status != KN_OK)
            return status;
    }
}

/* One event, or a list. INVALID: the rest cannot be read, and that is counted. */
static enum kn_status read_body(struct celery_decoder *d)
{
    struct celery_token token;
    const char *from = value_start(&d->reader);
    enum kn_status status = celery_reader_next(&d->reader, &token);
    bool list = d->list = status == KN_OK && token.kind == CELERY_LIST;
    status = list ? read_list(d) : read_event(d, &token, status, from, 0, 0);
    if (status != KN_OK || celery_reader_at_end(&d->reader))
        return status;
    if (!list)
        d->events.count = 0;
    if (d->events.invalid == 0 || list)
        add_invalid(&d->events, CELERY_CAUSE_SYNTAX, 0, KN_STR("trailing data"));
    return KN_INVALID;
}

/* ---- messages ------------------------------------------------------------ */

static bool find_encoding(const struct celery_message *m)
{
    static const char *const known[] = {"utf-8", "utf8", "us-ascii", "ascii", "binary"};
    if (!m->content_encoding.len)
        return true;
    for (size_t i = 0; i < KN_COUNT_OF(known); i++) {
        if (celery_type_is(m->content_encoding, known[i]))
            return true;
    }
    return false;
}

static struct celery_event_limits full_limits(const struct celery_event_limits *given)
{
    struct celery_event_limits l = default_limits;
    if (!given)
        return l;
    if (given->body_bytes)
        l.body_bytes = given->body_bytes;
    if (given->event_bytes)
        l.event_bytes = given->event_bytes;
    if (given->events)
        l.events = given->events;
    if (given->id_bytes)
        l.id_bytes = given->id_bytes;
    if (given->earliest_us)
        l.earliest_us = given->earliest_us;
    if (given->ahead_us)
        l.ahead_us = given->ahead_us;
    return l;
}

/* One invalid message, and nothing else. */
static enum kn_status refuse(struct celery_events *ret, enum celery_cause cause,
                             struct kn_str detail)
{
    *ret = (struct celery_events){0};
    add_invalid(ret, cause, 0, detail);
    return KN_OK;
}

enum kn_status celery_event_decode_message(const struct celery_message *m,
                                           const struct celery_event_limits *limits, int64_t now_us,
                                           struct kn_arena *arena, struct celery_events *ret_events)
{
    struct celery_event_limits l = full_limits(limits);
    enum celery_format format;
    if (!celery_format_of(m->content_type, &format))
        return refuse(ret_events, CELERY_CAUSE_SERIALIZER, m->content_type);
    if (format == CELERY_JSON && !find_encoding(m))
        return refuse(ret_events, CELERY_CAUSE_SERIALIZER, m->content_encoding);
    if (m->compression.len)
        return refuse(ret_events, CELERY_CAUSE_COMPRESSION, m->compression);
    if (m->body.len > l.body_bytes)
        return refuse(ret_events, CELERY_CAUSE_TOO_BIG, KN_STR_ABSENT);
    struct celery_decoder d;
    d.arena = arena;
    d.limits = &l;
    d.now_us = now_us;
    d.room = 0;
    d.events = (struct celery_events){0};
    d.utf8 = format == CELERY_JSON && kn_utf8_valid(m->body);
    kn_buf_init(&d.scratch, 0);
    celery_reader_init(&d.reader, format, m->body, arena);
    enum kn_status status = read_body(&d);
    kn_buf_fini(&d.scratch);
    if (status == KN_NOMEM)
        return status;
    *ret_events = d.events;
    return KN_OK;
}

enum kn_status celery_event_decode_envelope(struct kn_str payload,
                                            const struct celery_event_limits *limits,
                                            int64_t now_us, struct kn_arena *arena,
                                            struct celery_events *ret_events)
{
    struct celery_message message;
    const char *error = NULL;
    if (payload.len / 2 > full_limits(limits).body_bytes)
        return refuse(ret_events, CELERY_CAUSE_TOO_BIG, KN_STR_ABSENT);
    enum kn_status status = celery_envelope_decode(payload, arena, &message, &error);
    if (status == KN_NOMEM)
        return status;
    if (status != KN_OK)
        return refuse(ret_events, CELERY_CAUSE_ENVELOPE, kn_str_from(error));
    return celery_event_decode_message(&message, limits, now_us, arena, ret_events);
}
