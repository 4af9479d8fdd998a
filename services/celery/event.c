#include "services/celery/event.h"

#include "services/celery/reader.h"
#include "services/common/time.h"

#include <strings.h>

enum { LIST_ROOM = 8, LOADAVG_MAX = 3 };

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

/* ---- fields -------------------------------------------------------------- */

enum field_kind {
    FIELD_TEXT,
    FIELD_TIME, /* seconds since 1970 */
    FIELD_WHEN, /* ISO 8601, or seconds since 1970 */
    FIELD_U64,
    FIELD_I64,
    FIELD_OPT_I64,
    FIELD_OPT_F64,
    FIELD_BOOL,
    FIELD_LOADAVG,
    FIELD_TYPE,
};

struct field {
    uint8_t len;
    uint8_t kind;
    uint16_t offset;
    const char *name;
};

#define FIELD(celery, member, what)                                                                \
    {                                                                                              \
        sizeof celery - 1, FIELD_##what, offsetof(struct kn_msg_event, member), celery             \
    }

/* Celery's names of the fields (celery/app/amqp.py, celery/worker/strategy.py,
 * celery/worker/request.py, celery/worker/heartbeat.py), ordered by length. */
static const struct field fields[] = {
    FIELD("pid", pid, U64),
    FIELD("eta", eta, WHEN),
    FIELD("type", type, TYPE),
    FIELD("uuid", uuid, TEXT),
    FIELD("name", name, TEXT),
    FIELD("args", args_repr, TEXT),
    FIELD("freq", freq, OPT_F64),
    FIELD("clock", clock, U64),
    FIELD("queue", queue, TEXT),
    FIELD("kwargs", kwargs_repr, TEXT),
    FIELD("result", result_repr, TEXT),
    FIELD("signum", signum, TEXT),
    FIELD("sw_ver", sw_ver, TEXT),
    FIELD("sw_sys", sw_sys, TEXT),
    FIELD("active", active, OPT_I64),
    FIELD("root_id", root_id, TEXT),
    FIELD("retries", retries, OPT_I64),
    FIELD("expires", expires, WHEN),
    FIELD("runtime", runtime, OPT_F64),
    FIELD("expired", expired, BOOL),
    FIELD("requeue", requeue, BOOL),
    FIELD("loadavg", loadavg, LOADAVG),
    FIELD("hostname", hostname, TEXT),
    FIELD("exchange", exchange, TEXT),
    FIELD("sw_ident", sw_ident, TEXT),
    FIELD("timestamp", timestamp, TIME),
    FIELD("utcoffset", utcoffset, I64),
    FIELD("parent_id", parent_id, TEXT),
    FIELD("exception", exception, TEXT),
    FIELD("traceback", traceback, TEXT),
    FIELD("processed", processed, OPT_I64),
    FIELD("terminated", terminated, BOOL),
    FIELD("routing_key", routing_key, TEXT),
};

enum { FIELD_COUNT = sizeof fields / sizeof *fields, FIELD_LEN_MAX = 11 };

/* Index of the first field of each length; must agree with the table above. */
static const uint8_t fields_from[FIELD_LEN_MAX + 2] = {
    0, 0, 0, 0, 2, 7, 9, 15, 22, 25, 31, FIELD_COUNT - 1, FIELD_COUNT};

/* memcmp of three to 16 bytes, in line: the hottest comparison there is. */
static inline bool same_name(const char *a, const char *b, size_t len)
{
    if (len >= 8)
        return memcmp(a, b, 8) == 0 && memcmp(a + len - 8, b + len - 8, 8) == 0;
    if (len >= 4)
        return memcmp(a, b, 4) == 0 && memcmp(a + len - 4, b + len - 4, 4) == 0;
    return memcmp(a, b, 2) == 0 && a[2] == b[2];
}

static const struct field *find_field(struct kn_str name)
{
    if (name.len < 3 || name.len > FIELD_LEN_MAX)
        return NULL;
    const struct field *f = fields + fields_from[name.len];
    const struct field *end = fields + fields_from[name.len + 1];
    for (; f < end; f++) {
        if (same_name(f->name, name.ptr, name.len))
            return f;
    }
    return NULL;
}

struct decoder {
    struct celery_reader reader;
    struct kn_arena *arena;
    const struct celery_event_limits *limits;
    int64_t now_us;
    bool utf8;             /* the whole body is */
    bool list;             /* the body is a list of events */
    struct kn_buf scratch; /* extra of the current event, or a text in the making */
    bool has_extra;
    bool has_timestamp;
    bool has_type;
    size_t room; /* in events.items */
    struct celery_events events;
};

/* kombu's JSON writes values that JSON has no type for as
 * {"__type__": "uuid", "__value__": "…"} (kombu/utils/json.py). When token opens
 * such a map, it becomes the value; otherwise nothing changes. */
static void unwrap_typed(struct celery_reader *r, struct celery_token *token)
{
    struct celery_reader before = *r;
    struct celery_token key, type, value, close;
    bool typed = celery_reader_next(r, &key) == KN_OK && key.kind == CELERY_TEXT &&
                 kn_str_eq(key.text, KN_STR("__type__")) && celery_reader_next(r, &type) == KN_OK &&
                 type.kind == CELERY_TEXT && celery_reader_next(r, &key) == KN_OK &&
                 key.kind == CELERY_TEXT && kn_str_eq(key.text, KN_STR("__value__")) &&
                 celery_reader_next(r, &value) == KN_OK && value.kind == CELERY_TEXT &&
                 celery_reader_next(r, &close) == KN_OK && close.kind == CELERY_CLOSE;
    if (typed)
        *token = value;
    else
        *r = before;
}

static struct kn_str buf_to_arena(struct decoder *d, const struct kn_buf *buf, size_t from)
{
    return kn_arena_str(d->arena, (struct kn_str){buf->data + from, buf->len - from});
}

/* What is no text, as Python would print it. */
static enum kn_status set_text(struct decoder *d, const struct celery_token *token,
                               struct kn_str *ret)
{
    if (token->kind == CELERY_TEXT || (token->kind == CELERY_INT && token->text.ptr)) {
        *ret = token->text;
        return KN_OK;
    }
    size_t start = d->scratch.len;
    enum kn_status status = celery_reader_python(&d->reader, token, &d->scratch);
    if (status != KN_OK)
        return status;
    *ret = buf_to_arena(d, &d->scratch, start);
    d->scratch.len = start;
    return ret->ptr ? KN_OK : KN_NOMEM;
}

static bool set_when(const struct celery_token *token, int64_t *ret_us)
{
    if (token->kind == CELERY_TEXT)
        return kn_time_parse(token->text, ret_us);
    return celery_token_seconds(token, ret_us);
}

static bool set_opt_i64(const struct celery_token *token, struct kn_opt_i64 *ret)
{
    return ret->set = celery_token_i64(token, &ret->value);
}

static bool set_opt_f64(const struct celery_token *token, struct kn_opt_f64 *ret)
{
    return ret->set = celery_token_f64(token, &ret->value);
}

static bool set_type(struct decoder *d, const struct celery_token *token, struct kn_msg_event *e)
{
    static const struct kn_str types[] = {
#define X(number, name, text) [number] = {text, sizeof text - 1},
        KN_EVENT_TYPE_MAP(X)
#undef X
    };
    if (token->kind != CELERY_TEXT || token->text.len == 0)
        return false;
    d->has_type = true;
    e->type = KN_EVENT_CUSTOM;
    for (size_t i = 1; i < sizeof types / sizeof *types; i++) {
        if (kn_str_eq(token->text, types[i]))
            e->type = (uint8_t)i;
    }
    e->type_name = e->type == KN_EVENT_CUSTOM ? token->text : KN_STR_ABSENT;
    return true;
}

/* The three numbers behind the bracket. INVALID when they are something else;
 * the reader is where it was then. */
static enum kn_status set_loadavg(struct decoder *d, struct kn_f64s *ret)
{
    struct celery_reader before = d->reader;
    double values[LOADAVG_MAX];
    struct celery_token token;
    size_t count = 0;
    enum kn_status status;
    while ((status = celery_reader_next(&d->reader, &token)) == KN_OK &&
           token.kind != CELERY_CLOSE) {
        if (count == LOADAVG_MAX || !celery_token_f64(&token, &values[count])) {
            d->reader = before;
            return KN_INVALID;
        }
        count++;
    }
    if (status != KN_OK) {
        d->reader = before;
        return KN_INVALID;
    }
    double *items = kn_arena_array(d->arena, LOADAVG_MAX, sizeof *items);
    if (!items)
        return KN_NOMEM;
    memcpy(items, values, count * sizeof *items);
    *ret = (struct kn_f64s){items, count};
    return KN_OK;
}

/* A field that is no text: true when the value fits. */
static bool set_scalar(struct decoder *d, const struct field *f, const struct celery_token *token,
                       struct kn_msg_event *e)
{
    void *member = (char *)e + f->offset;
    switch ((enum field_kind)f->kind) {
    case FIELD_TIME:
        return d->has_timestamp = celery_token_seconds(token, member);
    case FIELD_WHEN:
        return set_when(token, member);
    case FIELD_U64:
        return celery_token_u64(token, member);
    case FIELD_I64:
        return celery_token_i64(token, member);
    case FIELD_OPT_I64:
        return set_opt_i64(token, member);
    case FIELD_OPT_F64:
        return set_opt_f64(token, member);
    case FIELD_BOOL:
        return celery_token_bool(token, member);
    case FIELD_TYPE:
        return set_type(d, token, e);
    default:
        return false;
    }
}

static enum kn_status add_extra(struct decoder *d, struct kn_str key,
                                const struct celery_token *token)
{
    kn_buf_char(&d->scratch, d->has_extra ? ',' : '{');
    d->has_extra = true;
    kn_buf_json_str(&d->scratch, key);
    kn_buf_char(&d->scratch, ':');
    return celery_reader_json(&d->reader, token, &d->scratch);
}

static enum kn_status set_field(struct decoder *d, const struct field *f, struct kn_str key,
                                struct celery_token *token, struct kn_msg_event *e)
{
    if (token->kind == CELERY_MAP)
        unwrap_typed(&d->reader, token);
    if (f->kind == FIELD_TEXT)
        return set_text(d, token, (struct kn_str *)((char *)e + f->offset));
    if (f->kind == FIELD_LOADAVG && token->kind == CELERY_LIST) {
        enum kn_status status = set_loadavg(d, (struct kn_f64s *)((char *)e + f->offset));
        return status == KN_INVALID ? add_extra(d, key, token) : status;
    }
    return set_scalar(d, f, token, e) ? KN_OK : add_extra(d, key, token);
}

static enum kn_status read_fields(struct decoder *d, struct kn_msg_event *e)
{
    for (;;) {
        struct celery_token key, value;
        enum kn_status status = celery_reader_next(&d->reader, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            return status;
        status = celery_reader_next(&d->reader, &value);
        if (status != KN_OK)
            return status;
        const struct field *f = find_field(key.text);
        if (!f)
            status = add_extra(d, key.text, &value);
        else if (value.kind != CELERY_NULL)
            status = set_field(d, f, key.text, &value, e);
        if (status != KN_OK)
            return status;
    }
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

static struct kn_msg_event *next_slot(struct decoder *d)
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

/* Whether the fields make an event; *ret_cause and *ret_detail when not. */
static bool judge(const struct decoder *d, const struct kn_msg_event *e, struct kn_str bytes,
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
    } else if (!d->has_timestamp || e->timestamp < l->earliest_us ||
               e->timestamp > d->now_us + l->ahead_us) {
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

static enum kn_status finish_event(struct decoder *d, struct kn_msg_event *e)
{
    e->received_at = d->now_us;
    if (d->has_extra) {
        kn_buf_char(&d->scratch, '}');
        if (kn_buf_status(&d->scratch) != KN_OK)
            return KN_NOMEM;
        e->extra = buf_to_arena(d, &d->scratch, 0);
        if (!e->extra.ptr)
            return KN_NOMEM;
    }
    d->events.count++;
    return KN_OK;
}

static enum celery_cause cause_of(const struct decoder *d, enum kn_status status)
{
    if (status == KN_TOO_DEEP)
        return CELERY_CAUSE_TOO_DEEP;
    if (d->reader.not_utf8 || (d->reader.format == CELERY_JSON && !d->utf8))
        return CELERY_CAUSE_UTF8;
    return CELERY_CAUSE_SYNTAX;
}

/* The event whose first token was read; from is its first byte, depth the level
 * it lies in. NOMEM, or OK; whether it is valid shows in d->events. INVALID when
 * the reader lost its way and there is no going on. */
static enum kn_status read_event(struct decoder *d, const struct celery_token *first,
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
        status = read_fields(d, e);
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

static enum kn_status read_list(struct decoder *d)
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
static enum kn_status read_body(struct decoder *d)
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
        add_invalid(&d->events, CELERY_CAUSE_SYNTAX, 0, KN_STR("something behind the end"));
    return KN_INVALID;
}

/* ---- messages ------------------------------------------------------------ */

/* Without parameters ("; charset=…"), whatever the case. */
static bool type_is(struct kn_str type, const char *name)
{
    const char *semicolon = type.len ? memchr(type.ptr, ';', type.len) : NULL;
    size_t len = semicolon ? (size_t)(semicolon - type.ptr) : type.len;
    return len == strlen(name) && strncasecmp(type.ptr, name, len) == 0;
}

/* kombu/serialization.py registers these; the shorter name is msgpack's own. */
static bool find_format(const struct celery_message *m, enum celery_format *ret)
{
    *ret = CELERY_JSON;
    if (!m->content_type.len || type_is(m->content_type, "application/json"))
        return true;
    *ret = CELERY_MSGPACK;
    return type_is(m->content_type, "application/x-msgpack") ||
           type_is(m->content_type, "application/msgpack");
}

static bool find_encoding(const struct celery_message *m)
{
    static const char *const known[] = {"utf-8", "utf8", "us-ascii", "ascii", "binary"};
    if (!m->content_encoding.len)
        return true;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (type_is(m->content_encoding, known[i]))
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
    if (!find_format(m, &format))
        return refuse(ret_events, CELERY_CAUSE_SERIALIZER, m->content_type);
    if (format == CELERY_JSON && !find_encoding(m))
        return refuse(ret_events, CELERY_CAUSE_SERIALIZER, m->content_encoding);
    if (m->compression.len)
        return refuse(ret_events, CELERY_CAUSE_COMPRESSION, m->compression);
    if (m->body.len > l.body_bytes)
        return refuse(ret_events, CELERY_CAUSE_TOO_BIG, KN_STR_ABSENT);
    struct decoder d;
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

enum kn_status celery_event_decode_redis(struct kn_str payload,
                                         const struct celery_event_limits *limits, int64_t now_us,
                                         struct kn_arena *arena, struct celery_events *ret_events)
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
