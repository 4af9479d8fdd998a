/* Quoted texts: Python's "String and Bytes literals". */
#include "services/celery/python/pyliteral_parts.h"

static void put_char(struct literal *l, uint32_t code)
{
    char utf8[4];
    size_t n;
    if (code >= 0xd800 && code < 0xe000) {
        l->unsupported = true;
        return;
    }
    if (code < 0x20 || code == '"' || code == '\\') {
        switch (code) {
        case '"':
            kn_buf_append(l->json, "\\\"", 2);
            return;
        case '\\':
            kn_buf_append(l->json, "\\\\", 2);
            return;
        case '\n':
            kn_buf_append(l->json, "\\n", 2);
            return;
        case '\r':
            kn_buf_append(l->json, "\\r", 2);
            return;
        case '\t':
            kn_buf_append(l->json, "\\t", 2);
            return;
        default:
            kn_buf_printf(l->json, "\\u%04x", (unsigned)code);
            return;
        }
    }
    if (code < 0x80) {
        utf8[0] = (char)code;
        n = 1;
    } else if (code < 0x800) {
        utf8[0] = (char)(0xc0 | code >> 6);
        utf8[1] = (char)(0x80 | (code & 0x3f));
        n = 2;
    } else if (code < 0x10000) {
        utf8[0] = (char)(0xe0 | code >> 12);
        utf8[1] = (char)(0x80 | (code >> 6 & 0x3f));
        utf8[2] = (char)(0x80 | (code & 0x3f));
        n = 3;
    } else {
        utf8[0] = (char)(0xf0 | code >> 18);
        utf8[1] = (char)(0x80 | (code >> 12 & 0x3f));
        utf8[2] = (char)(0x80 | (code >> 6 & 0x3f));
        utf8[3] = (char)(0x80 | (code & 0x3f));
        n = 4;
    }
    kn_buf_append(l->json, utf8, n);
}

/* Exactly digits hexadecimal digits. */
static bool read_hex(struct literal *l, unsigned digits, uint32_t *ret)
{
    uint32_t code = 0;
    for (unsigned i = 0; i < digits; i++) {
        int d = celery_digit_of(celery_literal_peek(l, 0));
        if (d > 15)
            return false;
        code = code << 4 | (uint32_t)d;
        l->p++;
    }
    *ret = code;
    return code <= 0x10ffff;
}

static uint32_t read_octal(struct literal *l)
{
    uint32_t code = 0;
    for (unsigned i = 0;
         i < 3 && celery_literal_peek(l, 0) >= '0' && celery_literal_peek(l, 0) <= '7'; i++)
        code = code << 3 | (uint32_t)(*l->p++ - '0');
    return code;
}

/* \N{NAME}: the form is checked, the name is unknown. */
static bool read_named(struct literal *l)
{
    if (celery_literal_peek(l, 0) != '{')
        return false;
    const char *close = memchr(l->p, '}', (size_t)(l->end - l->p));
    if (!close)
        return false;
    l->unsupported = true;
    l->p = close + 1;
    return true;
}

/* After a backslash. Python's "String and Bytes literals", escape sequences. */
static bool read_escape(struct literal *l, const struct quoting *q)
{
    static const char simple[] = "abfnrtv\\'\"";
    static const char meant[] = "\a\b\f\n\r\t\v\\'\"";
    int c = celery_literal_peek(l, 0);
    if (c < 0)
        return false;
    const char *known = c ? strchr(simple, c) : NULL;
    uint32_t code = 0;
    const char *start = l->p;
    if (known) {
        l->p++;
        code = (unsigned char)meant[known - simple];
    } else if (c == '\n' || c == '\r') {
        l->p += c == '\r' && celery_literal_peek(l, 1) == '\n' ? 2 : 1;
        l->ambiguous = true;
        return true;
    } else if (c >= '0' && c <= '7') {
        code = read_octal(l);
    } else if (c == 'x' || (!q->bytes && (c == 'u' || c == 'U'))) {
        l->p++;
        if (!read_hex(l, c == 'x' ? 2 : c == 'u' ? 4 : 8, &code))
            return false;
    } else if (c == 'N' && !q->bytes) {
        l->p++;
        l->ambiguous = true;
        return read_named(l);
    } else { /* unknown: the backslash stays, what follows is read as usual */
        code = '\\';
    }
    if (l->p != start && c != '\'')
        l->ambiguous = true;
    if (!q->bytes)
        put_char(l, code);
    return true;
}

static bool at_close(const struct literal *l, const struct quoting *q)
{
    return celery_literal_peek(l, 0) == q->quote &&
           (!q->triple ||
            (celery_literal_peek(l, 1) == q->quote && celery_literal_peek(l, 2) == q->quote));
}

/* saferepr does not escape a backslash that is a text's last character: what
 * looks like an escaped quote may then be the end. */
static void look_behind_quote(struct literal *l)
{
    int next = celery_literal_peek(l, 1);
    if (next < 0 || strchr(",)]}: ", next))
        l->ambiguous = true;
}

static bool read_raw_backslash(struct literal *l, const struct quoting *q)
{
    if (!q->bytes)
        put_char(l, '\\');
    int next = celery_literal_peek(l, 0);
    if (next == q->quote || next == '\\') {
        if (!q->bytes)
            put_char(l, (uint32_t)next);
        l->p++;
    }
    return next >= 0;
}

/* Everything up to what needs a thought. */
static void read_plain(struct literal *l, const struct quoting *q)
{
    const char *start = l->p;
    while (l->p < l->end) {
        unsigned char c = (unsigned char)*l->p;
        if (c < 0x20 || c == '\\' || c == '"' || c == (unsigned char)q->quote)
            break;
        l->p++;
    }
    if (!q->bytes)
        kn_buf_append(l->json, start, (size_t)(l->p - start));
}

static bool read_special(struct literal *l, const struct quoting *q)
{
    int c = celery_literal_peek(l, 0);
    if (c == '\\') {
        l->p++;
        if (q->raw)
            return read_raw_backslash(l, q);
        if (celery_literal_peek(l, 0) == '\'' && q->quote == '\'')
            look_behind_quote(l);
        return read_escape(l, q);
    }
    if (c == 0)
        return false;
    if (c == '\n' || c == '\r') {
        if (!q->triple)
            return false;
        if (c == '\r' && celery_literal_peek(l, 1) == '\n')
            l->p++;
        c = '\n';
    }
    if (!q->bytes)
        put_char(l, (uint32_t)c);
    l->p++;
    return true;
}

/* From behind the opening quotes to behind the closing ones. */
static bool read_quoted(struct literal *l, const struct quoting *q)
{
    for (;;) {
        read_plain(l, q);
        if (l->p >= l->end)
            return false;
        if (at_close(l, q)) {
            l->p += q->triple ? 3 : 1;
            return true;
        }
        if (!read_special(l, q))
            return false;
    }
}

bool celery_literal_prefix(struct literal *l, struct quoting *ret)
{
    struct quoting q = {0};
    bool unicode = false;
    size_t n = 0;
    for (; n < 3; n++) {
        int c = celery_literal_peek(l, n);
        if (c == '\'' || c == '"') {
            q.quote = (char)c;
            break;
        }
        c |= 0x20;
        if (c == 'r' && !q.raw && !unicode)
            q.raw = true;
        else if (c == 'b' && !q.bytes && !unicode)
            q.bytes = true;
        else if (c == 'u' && n == 0)
            unicode = true;
        else
            return false;
    }
    if (!q.quote)
        return false;
    l->p += n + 1;
    if (celery_literal_peek(l, 0) == q.quote && celery_literal_peek(l, 1) == q.quote) {
        q.triple = true;
        l->p += 2;
    }
    *ret = q;
    return true;
}

bool celery_literal_text(struct literal *l, struct quoting q, enum value_kind *ret_kind)
{
    bool bytes = q.bytes;
    if (bytes)
        l->unsupported = true;
    else
        kn_buf_char(l->json, '"');
    do {
        if (q.bytes != bytes || !read_quoted(l, &q))
            return false;
        celery_literal_space(l);
    } while (celery_literal_prefix(l, &q));
    if (!bytes)
        kn_buf_char(l->json, '"');
    *ret_kind = bytes ? VALUE_OTHER : VALUE_TEXT;
    return true;
}
