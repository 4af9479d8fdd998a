#include "services/celery/message/result_meta.h"

#include "services/celery/read/reader.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

enum { NAME_MAX_BYTES = 1024 };

struct meta {
    enum celery_format format;
    struct kn_str value;
    bool whole;
    struct kn_arena *arena;
    struct kn_msg_event *event;
};

/* A pickle begins with 0x80, which in msgpack is an empty map. */
static bool find_format(struct kn_str value, enum celery_format *ret)
{
    unsigned char first = value.len ? (unsigned char)value.ptr[0] : 0;
    *ret = first == '{' ? CELERY_JSON : CELERY_MSGPACK;
    return first == '{' || (first > 0x80 && first <= 0x8f) || first == 0xde;
}

static enum kn_status begin(const struct meta *m, struct celery_reader *r)
{
    struct celery_token token;
    celery_reader_init(r, m->format, m->value, m->arena);
    enum kn_status status = celery_reader_next(r, &token);
    return status == KN_OK && token.kind != CELERY_MAP ? KN_INVALID : status;
}

/* The next member of the map that is open. *ret_key is absent at its end. */
static enum kn_status next_member(struct celery_reader *r, struct kn_str *ret_key,
                                  struct celery_token *ret_value)
{
    struct celery_token token;
    enum kn_status status = celery_reader_next(r, &token);
    *ret_key = KN_STR_ABSENT;
    if (status != KN_OK || token.kind == CELERY_CLOSE)
        return status;
    if (token.kind != CELERY_TEXT)
        return KN_INVALID;
    *ret_key = token.text;
    return celery_reader_next(r, ret_value);
}

/* ---- texts ------------------------------------------------------------------------- */

static struct kn_str keep(struct meta *m, const struct kn_buf *text)
{
    struct kn_str view = kn_buf_view(text);
    return kn_arena_str(m->arena, view.ptr ? view : KN_STR(""));
}

static void cut(struct kn_buf *text)
{
    if (text->len <= CELERY_RESULT_WHOLE)
        return;
    text->len = kn_utf8_head(kn_buf_view(text), CELERY_RESULT_CUT).len;
    kn_buf_text(text, "...");
}

/* kombu writes dates, decimals and the like as {"__type__": …, "__value__": …}. */
static bool is_certain(const struct kn_buf *text)
{
    return text->len == 0 || !memmem(text->data, text->len, "'__type__': ", 12);
}

static enum kn_status take_python(struct meta *m, struct celery_reader *r,
                                  const struct celery_token *token, struct kn_str *ret)
{
    struct kn_buf text;
    kn_buf_init(&text, 0);
    enum kn_status status = celery_reader_python(r, token, &text);
    if (status == KN_OK && is_certain(&text)) {
        cut(&text);
        *ret = keep(m, &text);
    }
    kn_buf_fini(&text);
    return status;
}

/* "[1, 2]" as "(1, 2)", and "[1]" as "(1,)". */
static enum kn_status take_arguments(struct meta *m, struct celery_reader *r,
                                     const struct celery_token *token, struct kn_str *ret)
{
    struct celery_token item;
    struct kn_buf text;
    size_t count = 0;
    enum kn_status status = KN_OK;
    if (token->kind != CELERY_LIST)
        return celery_reader_skip(r, token);
    kn_buf_init(&text, 0);
    kn_buf_char(&text, '(');
    for (;; count++) {
        status = celery_reader_next(r, &item);
        if (status != KN_OK || item.kind == CELERY_CLOSE)
            break;
        kn_buf_text(&text, count ? ", " : "");
        status = celery_reader_python(r, &item, &text);
        if (status != KN_OK)
            break;
    }
    kn_buf_text(&text, count == 1 ? ",)" : ")");
    if (status == KN_OK && is_certain(&text)) {
        cut(&text);
        *ret = keep(m, &text);
    }
    kn_buf_fini(&text);
    return status;
}

/* ---- members ----------------------------------------------------------------------- */

static const struct {
    struct kn_str status;
    enum kn_event_type type;
} states[] = {
    {{"SUCCESS", 7}, KN_EVENT_TASK_SUCCEEDED},
    {{"FAILURE", 7}, KN_EVENT_TASK_FAILED},
    {{"REVOKED", 7}, KN_EVENT_TASK_REVOKED},
};

static void take_status(struct meta *m, struct kn_str status)
{
    for (size_t i = 0; i < KN_COUNT_OF(states); i++) {
        if (kn_str_eq(status, states[i].status))
            m->event->type = (uint8_t)states[i].type;
    }
    m->event->type_name = status;
}

static enum kn_status take_member(struct meta *m, struct celery_reader *r, struct kn_str key,
                                  const struct celery_token *value)
{
    struct kn_msg_event *e = m->event;
    bool text = value->kind == CELERY_TEXT;
    bool short_text = text && value->text.len <= NAME_MAX_BYTES;
    if (kn_str_eq(key, KN_STR("args")))
        return take_arguments(m, r, value, &e->args_repr);
    if (kn_str_eq(key, KN_STR("kwargs")) && value->kind == CELERY_MAP)
        return take_python(m, r, value, &e->kwargs_repr);
    if (kn_str_eq(key, KN_STR("status")) && short_text)
        take_status(m, value->text);
    else if (kn_str_eq(key, KN_STR("traceback")) && text)
        e->traceback = value->text;
    else if (kn_str_eq(key, KN_STR("date_done")) && text)
        (void)kn_time_parse(value->text, &e->timestamp);
    else if (kn_str_eq(key, KN_STR("name")) && short_text)
        e->name = value->text;
    else if (kn_str_eq(key, KN_STR("worker")) && short_text)
        e->hostname = value->text;
    else if (kn_str_eq(key, KN_STR("retries")))
        e->retries.set = celery_token_i64(value, &e->retries.value);
    return celery_reader_skip(r, value);
}

static enum kn_status take_members(struct meta *m)
{
    struct celery_reader r;
    struct celery_token value;
    struct kn_str key;
    enum kn_status status = begin(m, &r);
    while (status == KN_OK) {
        status = next_member(&r, &key, &value);
        if (status != KN_OK || !key.ptr)
            break;
        status = take_member(m, &r, key, &value);
    }
    return status;
}

/* ---- the result -------------------------------------------------------------------- */

/* The value of "result", as a token that has just been read. NOT_FOUND. */
static enum kn_status seek_result(const struct meta *m, struct celery_reader *r,
                                  struct celery_token *ret)
{
    struct kn_str key;
    enum kn_status status = begin(m, r);
    while (status == KN_OK) {
        status = next_member(r, &key, ret);
        if (status == KN_OK && !key.ptr)
            return KN_NOT_FOUND;
        if (status == KN_OK && kn_str_eq(key, KN_STR("result")))
            return KN_OK;
        if (status == KN_OK)
            status = celery_reader_skip(r, ret);
    }
    return status;
}

/* "('why',)" as "('why')": an exception's repr has no comma behind its only argument. */
static void write_exception(struct kn_buf *out, struct kn_str type, struct kn_str arguments)
{
    kn_buf_str(out, type);
    if (arguments.len > 2 && arguments.ptr[arguments.len - 2] == ',')
        kn_buf_printf(out, "%.*s)", (int)arguments.len - 2, arguments.ptr);
    else
        kn_buf_str(out, arguments);
}

/* {"exc_type": …, "exc_message": …}; NOT_FOUND when it is something else. */
static enum kn_status read_exception(struct meta *m, struct celery_reader *r)
{
    struct kn_str type = KN_STR_ABSENT, arguments = KN_STR_ABSENT, key;
    struct celery_token value;
    struct kn_buf text;
    for (;;) {
        enum kn_status status = next_member(r, &key, &value);
        if (status != KN_OK)
            return status;
        if (!key.ptr)
            break;
        bool message = kn_str_eq(key, KN_STR("exc_message"));
        if (kn_str_eq(key, KN_STR("exc_type")) && value.kind == CELERY_TEXT)
            type = value.text;
        if (message && value.kind == CELERY_LIST)
            status = take_arguments(m, r, &value, &arguments);
        else if (message)
            status = take_python(m, r, &value, &arguments);
        else
            status = celery_reader_skip(r, &value);
        if (status != KN_OK)
            return status;
    }
    if (!type.len)
        return KN_NOT_FOUND;
    kn_buf_init(&text, 0);
    bool bare = arguments.len && arguments.ptr[0] != '(';
    if (bare)
        kn_buf_printf(&text, "%.*s(%.*s)", KN_STR_ARG(type), KN_STR_ARG(arguments));
    else
        write_exception(&text, type, arguments.ptr ? arguments : KN_STR("(...)"));
    m->event->exception = keep(m, &text);
    kn_buf_fini(&text);
    if (m->event->type == KN_EVENT_TASK_REVOKED) { /* TaskRevokedError('terminated') */
        m->event->terminated = kn_str_eq(arguments, KN_STR("('terminated',)"));
        m->event->expired = kn_str_eq(arguments, KN_STR("('expired',)"));
    }
    return KN_OK;
}

static enum kn_status take_result(struct meta *m)
{
    struct celery_reader r;
    struct celery_token value;
    enum kn_status status = seek_result(m, &r, &value);
    if (status != KN_OK)
        return status;
    if (m->event->type == KN_EVENT_TASK_SUCCEEDED)
        return take_python(m, &r, &value, &m->event->result_repr);
    if (value.kind == CELERY_MAP) {
        status = read_exception(m, &r);
        if (status != KN_NOT_FOUND)
            return status;
        status = seek_result(m, &r, &value);
        if (status != KN_OK)
            return status;
    }
    return value.kind == CELERY_NULL ? KN_OK : take_python(m, &r, &value, &m->event->exception);
}

enum kn_status celery_result_meta(struct kn_str value, bool whole, struct kn_arena *arena,
                                  struct kn_msg_event *ret)
{
    struct kn_msg_event event = {.origin = KN_ORIGIN_BACKEND};
    struct meta m = {.value = value, .whole = whole, .arena = arena, .event = &event};
    if (!find_format(value, &m.format))
        return KN_UNSUPPORTED;
    if (!whole)
        m.value = kn_utf8_head(value, value.len);
    if (m.format == CELERY_JSON && !kn_utf8_valid(m.value))
        return KN_INVALID;
    enum kn_status status = take_members(&m);
    if (status == KN_INVALID && !whole && event.type_name.len)
        status = KN_OK; /* the start says how it ended; its result is not shown */
    else if (status == KN_OK && event.type)
        status = take_result(&m);
    if (status == KN_NOT_FOUND)
        status = KN_OK; /* no result is said */
    if (status == KN_OK && arena->overflow)
        status = KN_NOMEM;
    if (status != KN_OK)
        return status;
    if (!event.type_name.len)
        return KN_NOT_FOUND;
    *ret = event;
    if (event.type)
        ret->type_name = KN_STR_ABSENT;
    else
        *ret = (struct kn_msg_event){.type_name = event.type_name, .origin = KN_ORIGIN_BACKEND};
    return KN_OK;
}
