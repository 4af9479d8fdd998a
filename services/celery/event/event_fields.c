#include "services/celery/event/event_fields.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

enum { LOADAVG_MAX = 3 };

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

enum { FIELD_COUNT = KN_COUNT_OF(fields), FIELD_LEN_MAX = 11 };

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

/* A value that is not text, as Python would print it. */
static enum kn_status set_text(struct celery_decoder *d, const struct celery_token *token,
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
    *ret = celery_scratch_str(d, start);
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

static bool set_type(struct celery_decoder *d, const struct celery_token *token,
                     struct kn_msg_event *e)
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
    for (size_t i = 1; i <= KN_EVENT_WORKER_OFFLINE; i++) { /* what is behind is not Celery's */
        if (kn_str_eq(token->text, types[i]))
            e->type = (uint8_t)i;
    }
    e->type_name = e->type == KN_EVENT_CUSTOM ? token->text : KN_STR_ABSENT;
    return true;
}

/* The three numbers behind the bracket. INVALID when they are something else;
 * the reader is where it was then. */
static enum kn_status set_loadavg(struct celery_decoder *d, struct kn_f64s *ret)
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

/* A field that is not text: true when the value fits. */
static bool set_scalar(struct celery_decoder *d, const struct field *f,
                       const struct celery_token *token, struct kn_msg_event *e)
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

static enum kn_status add_extra(struct celery_decoder *d, struct kn_str key,
                                const struct celery_token *token)
{
    kn_buf_char(&d->scratch, d->has_extra ? ',' : '{');
    d->has_extra = true;
    kn_buf_json_str(&d->scratch, key);
    kn_buf_char(&d->scratch, ':');
    return celery_reader_json(&d->reader, token, &d->scratch);
}

static enum kn_status set_field(struct celery_decoder *d, const struct field *f, struct kn_str key,
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

enum kn_status celery_event_fields(struct celery_decoder *d, struct kn_msg_event *e)
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
