#include "services/celery/message/result_parts.h"

#include "services/celery/read/json_slice.h"
#include "services/common/count.h"

/* A pickle begins with 0x80, which in msgpack is an empty map. */
static bool find_format(struct kn_str value, enum celery_format *ret)
{
    unsigned char first = value.len ? (unsigned char)value.ptr[0] : 0;
    *ret = first == '{' ? CELERY_JSON : CELERY_MSGPACK;
    return first == '{' || (first > 0x80 && first <= 0x8f) || first == 0xde;
}

static enum kn_status take(struct celery_reader *r, struct kn_arena *arena, struct kn_str key,
                           struct celery_result_parts *parts)
{
    const struct {
        struct kn_str name;
        struct kn_str *text, *json;
        bool *unsayable;
    } members[] = {
        {KN_STR("status"), &parts->status, NULL, NULL},
        {KN_STR("traceback"), &parts->traceback, NULL, NULL},
        {KN_STR("date_done"), &parts->date_done, NULL, NULL},
        {KN_STR("name"), &parts->name, NULL, NULL},
        {KN_STR("worker"), &parts->worker, NULL, NULL},
        {KN_STR("queue"), &parts->queue, NULL, NULL},
        {KN_STR("result"), NULL, &parts->result, &parts->unsayable},
        {KN_STR("args"), NULL, &parts->args, &parts->arguments_unsayable},
        {KN_STR("kwargs"), NULL, &parts->kwargs, &parts->arguments_unsayable},
        {KN_STR("children"), NULL, &parts->children, NULL},
    };
    struct celery_token token;
    const char *start = celery_slice_start(r);
    enum kn_status status = celery_reader_next(r, &token);
    for (size_t i = 0; i < KN_COUNT_OF(members) && status == KN_OK; i++) {
        if (!kn_str_eq(key, members[i].name))
            continue;
        if (members[i].json) {
            struct kn_str json = KN_STR_ABSENT;
            bool sayable = true;
            status = celery_slice(r, &token, start, arena, &json, &sayable);
            *members[i].json = sayable ? json : KN_STR_ABSENT;
            if (members[i].unsayable && !sayable)
                *members[i].unsayable = true;
            return status;
        }
        if (token.kind == CELERY_TEXT)
            *members[i].text = token.text;
    }
    return status == KN_OK ? celery_reader_skip(r, &token) : status;
}

enum kn_status celery_result_parts(struct kn_str value, struct kn_arena *arena,
                                   struct celery_result_parts *ret)
{
    struct celery_result_parts parts = {0};
    struct celery_reader r;
    struct celery_token token;
    enum celery_format format;
    if (!find_format(value, &format))
        return KN_UNSUPPORTED;
    if (format == CELERY_JSON && !kn_utf8_valid(value))
        return KN_INVALID;
    celery_reader_init(&r, format, value, arena);
    enum kn_status status = celery_reader_next(&r, &token);
    if (status == KN_OK && token.kind != CELERY_MAP)
        status = KN_INVALID;
    while (status == KN_OK) {
        status = celery_reader_next(&r, &token);
        if (status != KN_OK || token.kind == CELERY_CLOSE)
            break;
        status = take(&r, arena, token.text, &parts);
    }
    if (status == KN_OK && !celery_reader_at_end(&r))
        status = KN_INVALID;
    if (status == KN_OK)
        *ret = parts;
    return status;
}
