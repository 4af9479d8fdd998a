/* One pass over the text, without recursion: a stack of open brackets, and JSON
 * written as it goes. What JSON cannot say is read on to the end, to know that
 * the rest is a literal, and refused then. */
#include "services/celery/python/pyliteral_parts.h"

#include "services/common/count.h"

enum { DEFAULT_BYTES = 1 << 20, DEFAULT_DEPTH = 100 };

static enum kn_status open_frame(struct literal *l, char open)
{
    if (l->depth >= l->depth_max)
        return KN_TOO_DEEP;
    l->frames[++l->depth] = (struct frame){.open = open, .start = l->json->len};
    kn_buf_char(l->json, open == '{' ? '{' : '[');
    return KN_OK;
}

static bool closes(char open, int c)
{
    return (c == ')' && (open == '(' || open == 'f')) || (c == ']' && open == '[') ||
           (c == '}' && open == '{');
}

/* At a closing bracket. *ret_kind: of the value that ended here. */
static enum kn_status close_frame(struct literal *l, enum value_kind *ret_kind)
{
    struct frame *f = &l->frames[l->depth];
    if (!closes(f->open, celery_literal_peek(l, 0)) || f->key_done)
        return KN_INVALID;
    l->p++;
    l->depth--;
    *ret_kind = VALUE_OTHER;
    if (f->comma && f->count == 0)
        return KN_INVALID;
    if (kn_buf_status(l->json) != KN_OK)
        return kn_buf_status(l->json);
    if (f->open == '(' && f->count == 1 && !f->comma) { /* just brackets around a value */
        size_t len = l->json->len - f->start - 1;
        memmove(l->json->data + f->start, l->json->data + f->start + 1, len);
        l->json->len--;
        if (len && l->json->data[f->start] == '"')
            *ret_kind = VALUE_TEXT;
        return KN_OK;
    }
    if (f->comma)
        l->json->len--;
    if (f->open == 'f' || (f->open == '{' && f->count && !f->is_dict))
        l->unsupported = true;
    kn_buf_char(l->json, f->open == '{' ? '}' : ']');
    return KN_OK;
}

/* What may stand behind a value: a colon, a comma. Brackets are left. */
static enum kn_status after_value(struct literal *l, enum value_kind kind)
{
    struct frame *f = &l->frames[l->depth];
    f->comma = false;
    celery_literal_space(l);
    int c = celery_literal_peek(l, 0);
    if (c == ':') {
        if (f->open != '{' || f->key_done || (f->count && !f->is_dict))
            return KN_INVALID;
        if (kind != VALUE_TEXT)
            l->unsupported = true;
        f->is_dict = f->key_done = true;
        kn_buf_char(l->json, ':');
        l->p++;
        return KN_OK;
    }
    if (f->is_dict && !f->key_done)
        return KN_INVALID;
    f->key_done = false;
    f->count++;
    if (c == ',' && f->open != 'f') {
        f->comma = true;
        kn_buf_char(l->json, ',');
        l->p++;
        return KN_OK;
    }
    return c < 0 || strchr(")]}", c) ? KN_OK : KN_INVALID;
}

static bool read_constant(struct literal *l)
{
    static const struct {
        const char *python, *json;
    } constants[] = {{"None", "null"}, {"True", "true"}, {"False", "false"}};
    for (size_t i = 0; i < KN_COUNT_OF(constants); i++) {
        if (celery_literal_word(l, constants[i].python)) {
            kn_buf_text(l->json, constants[i].json);
            return true;
        }
    }
    return false;
}

/* set() and frozenset({…}): how saferepr writes what has no literal. */
static bool read_set_call(struct literal *l)
{
    if (!celery_literal_word(l, "set") && !celery_literal_word(l, "frozenset"))
        return false;
    return celery_literal_peek(l, 0) == '(';
}

/* One value that is no container, or the opening of one (*ret_opened). */
static enum kn_status read_value(struct literal *l, enum value_kind *ret_kind, bool *ret_opened)
{
    int c = celery_literal_peek(l, 0);
    struct quoting q;
    *ret_opened = false;
    *ret_kind = VALUE_OTHER;
    if (c == '(' || c == '[' || c == '{') {
        *ret_opened = true;
        l->p++;
        return open_frame(l, (char)c);
    }
    if (celery_is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'n' || c == 'i') {
        *ret_kind = VALUE_NUMBER;
        return celery_literal_number(l);
    }
    if (celery_literal_prefix(l, &q))
        return celery_literal_text(l, q, ret_kind) ? KN_OK : KN_INVALID;
    if (read_constant(l))
        return KN_OK;
    if (!read_set_call(l))
        return KN_INVALID;
    *ret_opened = true;
    l->p++;
    return open_frame(l, 'f');
}

static bool expects_value(const struct literal *l)
{
    const struct frame *f = &l->frames[l->depth];
    return f->count == 0 || f->comma || f->key_done;
}

static enum kn_status parse(struct literal *l)
{
    for (;;) {
        celery_literal_space(l);
        enum value_kind kind;
        enum kn_status status;
        int c = celery_literal_peek(l, 0);
        if (l->depth == 0 && c < 0)
            return l->frames[0].count ? KN_OK : KN_INVALID;
        if (c == ')' || c == ']' || c == '}') {
            status = close_frame(l, &kind);
        } else {
            bool opened;
            if (!expects_value(l))
                return KN_INVALID;
            status = read_value(l, &kind, &opened);
            if (status == KN_OK && opened)
                continue;
        }
        if (status == KN_OK)
            status = after_value(l, kind);
        if (status != KN_OK)
            return status;
    }
}

/* "1, 2" without brackets is a tuple too. */
static void finish_top(struct literal *l, size_t start)
{
    struct frame *top = &l->frames[0];
    if ((top->count == 1 && !top->comma) || kn_buf_status(l->json) != KN_OK)
        return;
    if (top->comma)
        l->json->len--;
    kn_buf_char(l->json, ']');
    if (!kn_buf_reserve(l->json, 1))
        return;
    memmove(l->json->data + start + 1, l->json->data + start, l->json->len - start);
    l->json->data[start] = '[';
    l->json->len++;
}

static struct kn_str trim(struct kn_str s)
{
    while (s.len && strchr(" \t\r\n\f", s.ptr[0] ? s.ptr[0] : 'x'))
        s.ptr++, s.len--;
    while (s.len && strchr(" \t\r\n\f", s.ptr[s.len - 1] ? s.ptr[s.len - 1] : 'x'))
        s.len--;
    return s;
}

enum kn_status celery_literal_to_json(struct kn_str text,
                                      const struct celery_literal_limits *limits,
                                      struct kn_buf *json, struct celery_literal_info *ret_info)
{
    size_t bytes = limits && limits->bytes ? limits->bytes : DEFAULT_BYTES;
    unsigned depth = limits && limits->depth ? limits->depth : DEFAULT_DEPTH;
    if (kn_buf_status(json) != KN_OK)
        return kn_buf_status(json);
    if (celery_repr_is_cut(text))
        return KN_TRUNCATED;
    if (text.len > bytes)
        return KN_TOO_BIG;
    if (!kn_utf8_valid(text))
        return KN_INVALID;
    struct kn_str body = trim(text);
    if (body.len == 0)
        return KN_INVALID;
    struct literal l = {.p = body.ptr, .end = body.ptr + body.len, .json = json};
    l.depth_max = depth < CELERY_LITERAL_DEPTH_MAX ? depth : CELERY_LITERAL_DEPTH_MAX;
    size_t start = json->len;
    l.frames[0] = (struct frame){.open = 't', .start = start};
    enum kn_status status = parse(&l);
    if (status == KN_OK)
        finish_top(&l, start);
    if (status == KN_OK)
        status = kn_buf_status(json);
    if (status == KN_OK && l.unsupported)
        status = KN_UNSUPPORTED;
    if (status != KN_OK)
        json->len = start;
    else if (ret_info)
        ret_info->ambiguous = l.ambiguous;
    return status;
}
