#include "services/celery/read/reader_format.h"

void celery_reader_init(struct celery_reader *r, enum celery_format format, struct kn_str body,
                        struct kn_arena *arena)
{
    static const char nothing[1];
    const char *start = body.ptr ? body.ptr : nothing;
    r->format = format;
    r->start = r->p = start;
    r->end = start + body.len;
    r->arena = arena;
    r->error = NULL;
    r->not_utf8 = false;
    r->depth = 0;
    r->levels[0] = (struct celery_level){.left = 1};
}

enum kn_status celery_reader_next(struct celery_reader *r, struct celery_token *ret)
{
    return r->format == CELERY_JSON ? celery_json_next(r, ret) : celery_msgpack_next(r, ret);
}

enum kn_status celery_reader_skip(struct celery_reader *r, const struct celery_token *token)
{
    if (token->kind != CELERY_LIST && token->kind != CELERY_MAP)
        return KN_OK;
    unsigned depth = r->depth - 1;
    struct celery_token t;
    while (r->depth > depth) {
        enum kn_status status = celery_reader_next(r, &t);
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

enum kn_status celery_reader_recover(struct celery_reader *r, const char *from, unsigned depth)
{
    const char *p = r->format == CELERY_JSON ? celery_json_past(from, r->end)
                                             : celery_msgpack_past(from, r->end);
    if (!p || p == from)
        return celery_reader_wrong(r, "the body ends too early");
    r->p = p;
    r->depth = depth;
    r->levels[depth].value_next = false;
    r->levels[depth].begun = true;
    return KN_OK;
}

bool celery_reader_at_end(struct celery_reader *r)
{
    while (r->format == CELERY_JSON && r->p < r->end && memchr(" \t\r\n", *r->p, 4))
        r->p++;
    return r->depth == 0 && r->p == r->end;
}

bool celery_type_is(struct kn_str type, const char *name)
{
    const char *semicolon = type.len ? memchr(type.ptr, ';', type.len) : NULL;
    size_t len = semicolon ? (size_t)(semicolon - type.ptr) : type.len;
    return kn_str_eq_nocase((struct kn_str){type.ptr, len}, kn_str_from(name));
}

bool celery_format_of(struct kn_str type, enum celery_format *ret)
{
    *ret = type.len == 0 || celery_type_is(type, "application/json") ? CELERY_JSON : CELERY_MSGPACK;
    return *ret == CELERY_JSON || celery_type_is(type, "application/x-msgpack") ||
           celery_type_is(type, "application/msgpack");
}
