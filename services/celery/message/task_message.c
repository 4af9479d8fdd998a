#include "services/celery/message/task_message.h"

#include "services/celery/read/json_slice.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

struct parser {
    struct kn_arena *arena;
    struct celery_task_message *task;
};

/* ---- members ------------------------------------------------------------- */

static void take_number(const struct celery_token *value, struct kn_opt_i64 *to)
{
    int64_t number;
    if (value->kind == CELERY_INT && celery_token_i64(value, &number))
        *to = KN_SOME_I64(number);
}

/* [time_limit, soft_time_limit] */
static enum kn_status take_limits(struct celery_reader *r, const struct celery_token *list,
                                  struct celery_task_message *task)
{
    struct kn_opt_f64 *const to[] = {&task->time_limit, &task->soft_time_limit};
    if (list->kind != CELERY_LIST)
        return celery_reader_skip(r, list);
    for (size_t i = 0;; i++) {
        struct celery_token value;
        double seconds;
        enum kn_status status = celery_reader_next(r, &value);
        if (status != KN_OK || value.kind == CELERY_CLOSE)
            return status;
        if (i < 2 && celery_token_f64(&value, &seconds))
            *to[i] = KN_SOME_F64(seconds);
        status = celery_reader_skip(r, &value);
        if (status != KN_OK)
            return status;
    }
}

/* A member of the headers (protocol 2) or of the body (protocol 1). */
static enum kn_status take_member(struct celery_reader *r, struct kn_str key,
                                  const struct celery_token *value,
                                  struct celery_task_message *task)
{
    const struct {
        struct kn_str name;
        struct kn_str *to;
    } texts[] = {
        {KN_STR("task"), &task->name},
        {KN_STR("id"), &task->id},
        {KN_STR("root_id"), &task->root_id},
        {KN_STR("parent_id"), &task->parent_id},
        {KN_STR("group"), &task->group},
        {KN_STR("taskset"), &task->group},
        {KN_STR("shadow"), &task->shadow},
        {KN_STR("origin"), &task->origin},
        {KN_STR("eta"), &task->eta},
        {KN_STR("expires"), &task->expires},
        {KN_STR("argsrepr"), &task->argsrepr},
        {KN_STR("kwargsrepr"), &task->kwargsrepr},
        {KN_STR("compression"), &task->compression},
    };
    if (kn_str_eq(key, KN_STR("timelimit")))
        return take_limits(r, value, task);
    if (kn_str_eq(key, KN_STR("retries")))
        take_number(value, &task->retries);
    for (size_t i = 0; i < KN_COUNT_OF(texts) && value->kind == CELERY_TEXT; i++) {
        if (kn_str_eq(key, texts[i].name) && kn_utf8_valid(value->text))
            *texts[i].to = value->text;
    }
    return celery_reader_skip(r, value);
}

static enum kn_status open_object(struct celery_reader *r)
{
    struct celery_token token;
    enum kn_status status = celery_reader_next(r, &token);
    return status == KN_OK && token.kind != CELERY_MAP ? KN_INVALID : status;
}

static enum kn_status read_headers(struct parser *p)
{
    struct celery_reader r;
    struct celery_token key, value;
    if (!p->task->headers.ptr)
        return KN_OK;
    if (!kn_utf8_valid(p->task->headers))
        return KN_INVALID;
    celery_reader_init(&r, CELERY_JSON, p->task->headers, p->arena);
    enum kn_status status = open_object(&r);
    while (status == KN_OK) {
        status = celery_reader_next(&r, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            break;
        status = celery_reader_next(&r, &value);
        if (status == KN_OK)
            status = take_member(&r, key.text, &value, p->task);
    }
    return status == KN_OK && !celery_reader_at_end(&r) ? KN_INVALID : status;
}

static enum kn_status read_properties(struct parser *p, struct kn_str properties)
{
    struct celery_reader r;
    struct celery_token key, value;
    if (!properties.ptr)
        return KN_OK;
    celery_reader_init(&r, CELERY_JSON, properties, p->arena);
    enum kn_status status = open_object(&r);
    while (status == KN_OK) {
        status = celery_reader_next(&r, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            break;
        status = celery_reader_next(&r, &value);
        if (status == KN_OK && kn_str_eq(key.text, KN_STR("priority")))
            take_number(&value, &p->task->priority);
        if (status == KN_OK)
            status = celery_reader_skip(&r, &value);
    }
    return status;
}

/* ---- the body ------------------------------------------------------------- */

static enum kn_status take_json(struct parser *p, struct celery_reader *r,
                                const struct celery_token *token, const char *start,
                                struct kn_str *ret)
{
    bool sayable = true;
    enum kn_status status = celery_slice(r, token, start, p->arena, ret, &sayable);
    if (!sayable)
        p->task->unreadable = "it has a value that JSON can't represent";
    return status;
}

/* [args, kwargs, embed] */
static enum kn_status read_list(struct parser *p, struct celery_reader *r)
{
    struct celery_task_message *task = p->task;
    const struct {
        enum celery_kind kind;
        struct kn_str *to;
    } parts[] = {
        {CELERY_LIST, &task->args}, {CELERY_MAP, &task->kwargs}, {CELERY_MAP, &task->embed}};
    for (size_t i = 0; i < 3; i++) {
        struct celery_token token;
        const char *start = celery_slice_start(r);
        enum kn_status status = celery_reader_next(r, &token);
        if (status == KN_OK && token.kind != parts[i].kind)
            status = KN_INVALID;
        if (status == KN_OK)
            status = take_json(p, r, &token, start, parts[i].to);
        if (status != KN_OK)
            return status;
    }
    struct celery_token end;
    enum kn_status status = celery_reader_next(r, &end);
    return status == KN_OK && end.kind != CELERY_CLOSE ? KN_INVALID : status;
}

/* Protocol 1: one object with everything. */
static enum kn_status read_map(struct parser *p, struct celery_reader *r)
{
    for (;;) {
        struct celery_token key, value;
        enum kn_status status = celery_reader_next(r, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            return status;
        const char *start = celery_slice_start(r);
        status = celery_reader_next(r, &value);
        if (status != KN_OK)
            return status;
        if (kn_str_eq(key.text, KN_STR("args")) && value.kind == CELERY_LIST)
            status = take_json(p, r, &value, start, &p->task->args);
        else if (kn_str_eq(key.text, KN_STR("kwargs")) && value.kind == CELERY_MAP)
            status = take_json(p, r, &value, start, &p->task->kwargs);
        else
            status = take_member(r, key.text, &value, p->task);
        if (status != KN_OK)
            return status;
    }
}

/* Why a body of this type is not read; NULL when it is. */
static const char *find_format(const struct celery_task_message *task, enum celery_format *ret)
{
    struct kn_str type = task->content_type;
    if (task->compression.len)
        return "the message is compressed";
    *ret = CELERY_JSON;
    if (type.len == 0 || celery_type_is(type, "application/json"))
        return kn_utf8_valid(task->body) ? NULL : "the body is not UTF-8";
    *ret = CELERY_MSGPACK;
    if (celery_type_is(type, "application/x-msgpack") ||
        celery_type_is(type, "application/msgpack"))
        return NULL;
    if (celery_type_is(type, "application/x-python-serialize"))
        return "the body is a pickle, which is never read";
    if (celery_type_is(type, "application/x-yaml"))
        return "the body is YAML, which is not read";
    return "the serializer is unknown";
}

static enum kn_status read_body(struct parser *p)
{
    struct celery_task_message *task = p->task;
    enum celery_format format;
    struct celery_reader r;
    struct celery_token token;
    task->unreadable = find_format(task, &format);
    if (task->unreadable)
        return KN_OK;
    celery_reader_init(&r, format, task->body, p->arena);
    enum kn_status status = celery_reader_next(&r, &token);
    if (status == KN_OK && token.kind == CELERY_LIST && task->protocol == 2)
        status = read_list(p, &r);
    else if (status == KN_OK && token.kind == CELERY_MAP && task->protocol == 1)
        status = read_map(p, &r);
    else if (status == KN_OK)
        status = KN_INVALID;
    if (status == KN_OK && !celery_reader_at_end(&r))
        status = KN_INVALID;
    if (status == KN_INVALID)
        task->unreadable = "the body is not that of a task";
    else if (status == KN_TOO_DEEP)
        task->unreadable = "the body is nested too deeply";
    else if (status == KN_OK && !task->unreadable && (!task->args.ptr || !task->kwargs.ptr))
        task->unreadable = "the body has no arguments";
    return status == KN_NOMEM ? status : KN_OK;
}

enum kn_status celery_task_message_decode(const struct celery_message *message,
                                          struct kn_arena *arena, struct celery_task_message *ret)
{
    struct celery_task_message task = {
        .protocol = 1,
        .correlation_id = message->correlation_id,
        .reply_to = message->reply_to,
        .content_type = message->content_type,
        .content_encoding = message->content_encoding,
        .compression = message->compression,
        .headers = message->headers,
        .body = message->body,
    };
    struct parser p = {.arena = arena, .task = &task};
    enum kn_status status = read_headers(&p);
    if (status == KN_OK && task.name.ptr)
        task.protocol = 2;
    if (status == KN_OK)
        status = read_properties(&p, message->properties);
    if (status == KN_OK)
        status = read_body(&p);
    if (task.unreadable)
        task.args = task.kwargs = task.embed = KN_STR_ABSENT;
    if (status == KN_OK && (task.name.len == 0 || task.id.len == 0))
        status = KN_INVALID;
    if (status != KN_OK)
        return status;
    if (task.eta.ptr && !kn_time_parse(task.eta, &task.eta_us))
        task.eta_us = 0;
    if (task.expires.ptr && !kn_time_parse(task.expires, &task.expires_us))
        task.expires_us = 0;
    *ret = task;
    return KN_OK;
}

enum kn_status celery_task_message_decode_envelope(struct kn_str payload, struct kn_arena *arena,
                                                   struct celery_task_message *ret,
                                                   const char **ret_why)
{
    struct celery_message message;
    enum kn_status status = celery_envelope_decode(payload, arena, &message, ret_why);
    if (status != KN_OK)
        return status;
    status = celery_task_message_decode(&message, arena, ret);
    if (status != KN_OK)
        *ret_why = "no task message";
    return status;
}

enum kn_status celery_unacked_decode(struct kn_str value, struct kn_arena *arena,
                                     struct kn_str *ret_payload, struct kn_str *ret_exchange,
                                     struct kn_str *ret_routing_key)
{
    struct celery_reader r;
    struct celery_token token;
    struct kn_str parts[3] = {KN_STR_ABSENT};
    if (!kn_utf8_valid(value))
        return KN_INVALID;
    celery_reader_init(&r, CELERY_JSON, value, arena);
    enum kn_status status = celery_reader_next(&r, &token);
    if (status == KN_OK && token.kind != CELERY_LIST)
        status = KN_INVALID;
    for (size_t i = 0; i < 3 && status == KN_OK; i++) {
        bool sayable = true;
        const char *start = celery_slice_start(&r);
        status = celery_reader_next(&r, &token);
        if (status == KN_OK && token.kind != (i ? CELERY_TEXT : CELERY_MAP))
            status = KN_INVALID;
        if (status == KN_OK && i)
            parts[i] = token.text;
        else if (status == KN_OK)
            status = celery_slice(&r, &token, start, arena, &parts[i], &sayable);
    }
    if (status != KN_OK)
        return status;
    *ret_payload = parts[0];
    *ret_exchange = parts[1];
    *ret_routing_key = parts[2];
    return KN_OK;
}

/* kombu/transport/native_delayed_delivery.py: level_name, MAX_LEVEL; kombu 5.7 allows a prefix. */
bool celery_is_delay_queue(struct kn_str name)
{
    static const struct kn_str common = {"celery_delayed_", 15};
    uint64_t level;
    size_t digits = 0;
    while (digits < name.len && name.ptr[name.len - 1 - digits] != '_')
        digits++;
    if (digits > 2 || name.len < common.len + digits)
        return false;
    struct kn_str number = {name.ptr + name.len - digits, digits};
    size_t prefix = name.len - digits - common.len;
    struct kn_str rest = {name.ptr + prefix, common.len};
    return kn_str_eq(rest, common) && (prefix == 0 || name.ptr[prefix - 1] == '_') &&
           kn_str_to_u64(number, &level) && level <= 27;
}
