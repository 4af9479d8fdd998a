/* One pass over the text, without recursion: a stack of open brackets, and JSON
 * written as it goes. What JSON cannot say is read on to the end, to know that
 * the rest is a literal, and refused then. */
#include "services/celery/pyliteral.h"

#include <stdlib.h>

enum {
    DEFAULT_BYTES = 1 << 20,
    DEFAULT_DEPTH = 100,
    FLOAT_TEXT_MAX = 400,
    BIG_DIGITS_MAX = 4300, /* Python's own limit, sys.int_info.default_max_str_digits */
};

enum value_kind { VALUE_TEXT, VALUE_NUMBER, VALUE_OTHER };

struct frame {
    char open;      /* '(' '[' '{', 'f' for set( and frozenset(, 't' for the top */
    bool comma;     /* the last thing was a comma */
    bool is_dict;   /* '{' with a colon seen */
    bool key_done;  /* a key and its colon, the value is awaited */
    uint32_t count; /* values so far, keys not counted in a dict */
    size_t start;   /* of its JSON */
};

struct literal {
    const char *p;
    const char *end;
    struct kn_buf *json;
    bool unsupported;
    bool ambiguous;
    unsigned depth; /* index of the frame that is open */
    unsigned depth_max;
    struct frame frames[CELERY_LITERAL_DEPTH_MAX + 1];
};

static int peek(const struct literal *l, size_t ahead)
{
    return (size_t)(l->end - l->p) > ahead ? (unsigned char)l->p[ahead] : -1;
}

static void skip_space(struct literal *l)
{
    for (; l->p < l->end; l->p++) {
        char c = *l->p;
        if (c == ' ' || c == '\t' || c == '\f')
            continue;
        if ((c == '\n' || c == '\r') && l->depth > 0)
            continue;
        if (c == '\\' && peek(l, 1) == '\n') {
            l->p++;
            continue;
        }
        break;
    }
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(int c)
{
    return (c | 0x20) >= 'a' ? (c | 0x20) <= 'z' || c >= 0x80 || c == '_' : is_digit(c) || c == '_';
}

static int digit_of(int c)
{
    if (is_digit(c))
        return c - '0';
    int low = c | 0x20;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : 99;
}

/* ---- text ---------------------------------------------------------------- */

struct quoting {
    bool raw;
    bool bytes;
    char quote;
    bool triple;
};

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
        int d = digit_of(peek(l, 0));
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
    for (unsigned i = 0; i < 3 && peek(l, 0) >= '0' && peek(l, 0) <= '7'; i++)
        code = code << 3 | (uint32_t)(*l->p++ - '0');
    return code;
}

/* \N{NAME}: the form is checked, the name is not known. */
static bool read_named(struct literal *l)
{
    if (peek(l, 0) != '{')
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
    int c = peek(l, 0);
    if (c < 0)
        return false;
    const char *known = c ? strchr(simple, c) : NULL;
    uint32_t code = 0;
    const char *start = l->p;
    if (known) {
        l->p++;
        code = (unsigned char)meant[known - simple];
    } else if (c == '\n' || c == '\r') {
        l->p += c == '\r' && peek(l, 1) == '\n' ? 2 : 1;
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
    return peek(l, 0) == q->quote &&
           (!q->triple || (peek(l, 1) == q->quote && peek(l, 2) == q->quote));
}

/* saferepr does not escape a backslash that is a text's last character: what
 * looks like an escaped quote may then be the end. */
static void look_behind_quote(struct literal *l)
{
    int next = peek(l, 1);
    if (next < 0 || strchr(",)]}: ", next))
        l->ambiguous = true;
}

static bool read_raw_backslash(struct literal *l, const struct quoting *q)
{
    if (!q->bytes)
        put_char(l, '\\');
    int next = peek(l, 0);
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
    int c = peek(l, 0);
    if (c == '\\') {
        l->p++;
        if (q->raw)
            return read_raw_backslash(l, q);
        if (peek(l, 0) == '\'' && q->quote == '\'')
            look_behind_quote(l);
        return read_escape(l, q);
    }
    if (c == 0)
        return false;
    if (c == '\n' || c == '\r') {
        if (!q->triple)
            return false;
        if (c == '\r' && peek(l, 1) == '\n')
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

/* Letters and opening quotes of a text; false when there is none here. */
static bool read_prefix(struct literal *l, struct quoting *ret)
{
    struct quoting q = {0};
    bool unicode = false;
    size_t n = 0;
    for (; n < 3; n++) {
        int c = peek(l, n);
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
    if (peek(l, 0) == q.quote && peek(l, 1) == q.quote) {
        q.triple = true;
        l->p += 2;
    }
    *ret = q;
    return true;
}

/* One text, or several that stand behind one another and are one. */
static bool read_text(struct literal *l, struct quoting q, enum value_kind *ret_kind)
{
    bool bytes = q.bytes;
    if (bytes)
        l->unsupported = true;
    else
        kn_buf_char(l->json, '"');
    do {
        if (q.bytes != bytes || !read_quoted(l, &q))
            return false;
        skip_space(l);
    } while (read_prefix(l, &q));
    if (!bytes)
        kn_buf_char(l->json, '"');
    *ret_kind = bytes ? VALUE_OTHER : VALUE_TEXT;
    return true;
}

/* ---- numbers ------------------------------------------------------------- */

/* Digits with single underscores between them, appended without these.
 * Returns how many digits; sets *bad for an underscore in a wrong place. */
static size_t read_digits(struct literal *l, int base, struct kn_buf *out, bool *bad)
{
    size_t count = 0;
    for (;;) {
        int c = peek(l, 0);
        if (c == '_' && count > 0 && digit_of(peek(l, 1)) < base) {
            l->p++;
            continue;
        }
        if (digit_of(c) >= base)
            break;
        if (out)
            kn_buf_char(out, (char)c);
        count++;
        l->p++;
    }
    if (peek(l, 0) == '_')
        *bad = true;
    return count;
}

/* 0x…, 0o…, 0b… in decimal. */
static enum kn_status read_based(struct literal *l, bool negative)
{
    int letter = peek(l, 1) | 0x20;
    int base = letter == 'x' ? 16 : letter == 'o' ? 8 : 2;
    uint32_t limbs[BIG_DIGITS_MAX / 9 + 2] = {0}; /* each nine decimal digits */
    size_t used = 1, digits = 0;
    l->p += 2;
    for (;; l->p++) {
        int c = peek(l, 0);
        if (c == '_' && digit_of(peek(l, 1)) < base)
            continue;
        if (digit_of(c) >= base)
            break;
        uint64_t carry = (uint64_t)digit_of(c);
        for (size_t i = 0; i < used; i++) {
            carry += (uint64_t)limbs[i] * (uint64_t)base;
            limbs[i] = (uint32_t)(carry % 1000000000);
            carry /= 1000000000;
        }
        if (carry) {
            if (used == sizeof limbs / sizeof *limbs)
                return KN_TOO_BIG;
            limbs[used++] = (uint32_t)carry;
        }
        digits++;
    }
    if (digits == 0 || is_name(peek(l, 0)))
        return KN_INVALID;
    bool zero = used == 1 && limbs[0] == 0;
    kn_buf_printf(l->json, "%s%u", negative && !zero ? "-" : "", limbs[used - 1]);
    for (size_t i = used - 1; i-- > 0;)
        kn_buf_printf(l->json, "%09u", limbs[i]);
    return KN_OK;
}

/* Removes zeros before the first digit that counts; from: index in json. */
static size_t strip_zeros(struct kn_buf *json, size_t from)
{
    size_t zeros = 0;
    while (from + zeros + 1 < json->len && json->data[from + zeros] == '0' &&
           is_digit(json->data[from + zeros + 1]))
        zeros++;
    if (zeros) {
        memmove(json->data + from, json->data + from + zeros, json->len - from - zeros);
        json->len -= zeros;
    }
    return zeros;
}

static bool overflows(const char *text, size_t len)
{
    double value;
    return !kn_str_to_f64((struct kn_str){text, len}, &value);
}

/* Whether what stands at start in json is only zeros. */
static bool all_zero(const struct kn_buf *json, size_t start)
{
    for (size_t i = start; i < json->len; i++) {
        if (json->data[i] != '0')
            return false;
    }
    return true;
}

static enum kn_status read_fraction(struct literal *l, bool *bad)
{
    if (peek(l, 0) == '.') {
        l->p++;
        kn_buf_char(l->json, '.');
        if (read_digits(l, 10, l->json, bad) == 0)
            kn_buf_char(l->json, '0');
    }
    if ((peek(l, 0) | 0x20) != 'e')
        return KN_OK;
    l->p++;
    kn_buf_char(l->json, 'e');
    if (peek(l, 0) == '+' || peek(l, 0) == '-')
        kn_buf_char(l->json, *l->p++);
    return read_digits(l, 10, l->json, bad) ? KN_OK : KN_INVALID;
}

/* A decimal number without its sign; *ret_imaginary when a j follows. */
static enum kn_status read_decimal(struct literal *l, bool negative, bool *ret_imaginary)
{
    size_t sign = l->json->len;
    if (negative)
        kn_buf_char(l->json, '-');
    size_t start = l->json->len;
    bool bad = false;
    size_t whole = read_digits(l, 10, l->json, &bad);
    int next = peek(l, 0);
    bool is_float = next == '.' || (whole && (next | 0x20) == 'e');
    if (!whole && (next != '.' || !is_digit(peek(l, 1))))
        return KN_INVALID;
    if (!whole)
        kn_buf_char(l->json, '0');
    if (is_float && read_fraction(l, &bad) != KN_OK)
        return KN_INVALID;
    *ret_imaginary = (peek(l, 0) | 0x20) == 'j';
    if (*ret_imaginary)
        l->p++;
    if (bad || is_name(peek(l, 0)))
        return KN_INVALID;
    if (kn_buf_status(l->json) != KN_OK)
        return kn_buf_status(l->json);
    bool zero = !is_float && all_zero(l->json, start);
    if (strip_zeros(l->json, start) && !is_float && !*ret_imaginary && !zero)
        return KN_INVALID; /* 0777 */
    if (zero && negative) {
        l->json->len = sign;
        kn_buf_char(l->json, '0');
    }
    size_t len = l->json->len - start;
    if (is_float && len > FLOAT_TEXT_MAX)
        return KN_TOO_BIG;
    if (is_float && overflows(l->json->data + start, len))
        l->unsupported = true; /* infinite, in Python */
    return KN_OK;
}

static bool read_word(struct literal *l, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(l->end - l->p) < n || memcmp(l->p, word, n) != 0 || is_name(peek(l, n)))
        return false;
    l->p += n;
    return true;
}

static enum kn_status read_unsigned(struct literal *l, bool negative, bool *ret_imaginary)
{
    *ret_imaginary = false;
    /* str(float('nan')): what saferepr writes, though no literal to Python */
    if (read_word(l, "nan") || read_word(l, "inf")) {
        l->unsupported = true;
        return KN_OK;
    }
    int next = peek(l, 1) | 0x20;
    if (peek(l, 0) == '0' && (next == 'x' || next == 'o' || next == 'b'))
        return read_based(l, negative);
    return read_decimal(l, negative, ret_imaginary);
}

/* A number with its sign, or a complex one: real +/- imaginary. */
static enum kn_status read_number(struct literal *l)
{
    int sign = peek(l, 0);
    if (sign == '-' || sign == '+') {
        l->p++;
        skip_space(l);
    }
    bool imaginary;
    enum kn_status status = read_unsigned(l, sign == '-', &imaginary);
    if (status != KN_OK)
        return status;
    if (imaginary) {
        l->unsupported = true;
        return KN_OK;
    }
    skip_space(l);
    sign = peek(l, 0);
    if (sign != '-' && sign != '+')
        return KN_OK;
    l->p++;
    skip_space(l);
    status = read_unsigned(l, false, &imaginary);
    l->unsupported = true;
    return status == KN_OK && !imaginary ? KN_INVALID : status;
}

/* ---- structure ----------------------------------------------------------- */

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
    if (!closes(f->open, peek(l, 0)) || f->key_done)
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
    skip_space(l);
    int c = peek(l, 0);
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
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (read_word(l, constants[i].python)) {
            kn_buf_text(l->json, constants[i].json);
            return true;
        }
    }
    return false;
}

/* set() and frozenset({…}): how saferepr writes what has no literal. */
static bool read_set_call(struct literal *l)
{
    if (!read_word(l, "set") && !read_word(l, "frozenset"))
        return false;
    return peek(l, 0) == '(';
}

/* One value that is no container, or the opening of one (*ret_opened). */
static enum kn_status read_value(struct literal *l, enum value_kind *ret_kind, bool *ret_opened)
{
    int c = peek(l, 0);
    struct quoting q;
    *ret_opened = false;
    *ret_kind = VALUE_OTHER;
    if (c == '(' || c == '[' || c == '{') {
        *ret_opened = true;
        l->p++;
        return open_frame(l, (char)c);
    }
    if (is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'n' || c == 'i') {
        *ret_kind = VALUE_NUMBER;
        return read_number(l);
    }
    if (read_prefix(l, &q))
        return read_text(l, q, ret_kind) ? KN_OK : KN_INVALID;
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
        skip_space(l);
        enum value_kind kind;
        enum kn_status status;
        int c = peek(l, 0);
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
