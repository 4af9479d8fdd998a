#include "services/celery/read/json_slice.h"

const char *celery_slice_start(const struct celery_reader *r)
{
    const char *p = r->p;
    while (p < r->end && memchr(", \t\r\n", *p, 5))
        p++;
    return p;
}

/* At p: the escape of a half of a surrogate pair, one of those that begin with \ud and
 * a digit of these. */
static bool is_half(const char *p, const char *end, const char *digits)
{
    return end - p >= 6 && p[0] == '\\' && p[1] == 'u' && (p[2] | 0x20) == 'd' &&
           memchr(digits, p[3] | 0x20, 4);
}

/* Half of a surrogate pair without the other one, which a reader of JSON may refuse. */
static bool has_half_pair(struct kn_str text)
{
    const char *end = text.ptr + text.len;
    for (const char *p = text.ptr; (p = memchr(p, '\\', (size_t)(end - p))) != NULL;) {
        bool high = is_half(p, end, "89ab");
        if (high && is_half(p + 6, end, "cdef"))
            p += 12;
        else if (high || is_half(p, end, "cdef"))
            return true;
        else
            p += 2; /* JSON has been read: something stands behind a backslash */
    }
    return false;
}

/* Whether JSON can say all that is in the value; reads it to its end. */
static enum kn_status look_through(struct celery_reader *r, const struct celery_token *token,
                                   bool *ret_sayable)
{
    bool container = token->kind == CELERY_LIST || token->kind == CELERY_MAP;
    unsigned depth = container ? r->depth - 1 : r->depth;
    struct celery_token t = *token;
    for (;;) {
        double number;
        if (t.kind == CELERY_BYTES || (t.kind == CELERY_FLOAT && !celery_token_f64(&t, &number)))
            *ret_sayable = false;
        if (r->depth == depth)
            return KN_OK;
        enum kn_status status = celery_reader_next(r, &t);
        if (status != KN_OK)
            return status;
    }
}

enum kn_status celery_slice(struct celery_reader *r, const struct celery_token *token,
                            const char *start, struct kn_arena *arena, struct kn_str *ret,
                            bool *ret_sayable)
{
    bool sayable = true;
    struct celery_reader again = *r;
    enum kn_status status = look_through(r, token, &sayable);
    if (status != KN_OK)
        return status;
    if (r->format == CELERY_JSON) {
        *ret = (struct kn_str){start, (size_t)(r->p - start)};
        sayable = sayable && !has_half_pair(*ret);
    } else if (sayable) {
        struct kn_buf json;
        kn_buf_init(&json, 0);
        status = celery_reader_json(&again, token, &json);
        if (status == KN_OK)
            *ret = kn_arena_str(arena, kn_buf_view(&json));
        kn_buf_fini(&json);
    }
    *ret_sayable = *ret_sayable && sayable;
    return status;
}
