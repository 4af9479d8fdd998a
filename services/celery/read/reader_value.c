/* Values of tokens, and whole values as text. */
#include "services/celery/read/reader.h"

#include <inttypes.h>
#include <math.h>

/* Digits that fit into a double or an int64_t without a doubt. */
enum { SAFE_DIGITS = 15 };

/* An integer of JSON with few digits. */
static bool short_integer(struct kn_str text, int64_t *ret)
{
    bool negative = text.ptr[0] == '-';
    int64_t value = 0;
    if (text.len - negative > SAFE_DIGITS)
        return false;
    for (size_t i = negative; i < text.len; i++)
        value = value * 10 + (text.ptr[i] - '0');
    *ret = negative ? -value : value;
    return true;
}

/* A real of JSON with few digits and no exponent: a quotient of two numbers
 * that a double holds exactly is the double next to the true value. */
static bool short_real(struct kn_str text, double *ret)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool negative = text.ptr[0] == '-';
    int64_t value = 0;
    size_t digits = 0, fraction = 0;
    for (size_t i = negative; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && i + 1 < text.len) {
            fraction = text.len - i - 1;
            continue;
        }
        if (c < '0' || c > '9' || ++digits > SAFE_DIGITS)
            return false;
        value = value * 10 + (c - '0');
    }
    double real = (double)value / powers[fraction];
    *ret = negative ? -real : real;
    return true;
}

bool celery_token_f64(const struct celery_token *token, double *ret)
{
    double value;
    if (token->kind != CELERY_INT && token->kind != CELERY_FLOAT)
        return false;
    if (token->text.ptr) {
        if (!short_real(token->text, &value) && !kn_str_to_f64(token->text, &value))
            return false;
    } else if (token->kind == CELERY_FLOAT) {
        value = token->real;
    } else {
        value = token->negative ? -1 - (double)token->integer : (double)token->integer;
    }
    if (!isfinite(value))
        return false;
    *ret = value;
    return true;
}

bool celery_token_i64(const struct celery_token *token, int64_t *ret)
{
    if (token->kind == CELERY_INT) {
        if (token->text.ptr)
            return short_integer(token->text, ret) || kn_str_to_i64(token->text, ret);
        if (token->integer > INT64_MAX)
            return false;
        *ret = token->negative ? -1 - (int64_t)token->integer : (int64_t)token->integer;
        return true;
    }
    double value;
    if (!celery_token_f64(token, &value) || !(fabs(value) < 9.2e18))
        return false;
    *ret = (int64_t)value;
    return true;
}

bool celery_token_u64(const struct celery_token *token, uint64_t *ret)
{
    if (token->kind == CELERY_INT) {
        if (token->text.ptr && token->text.len > SAFE_DIGITS)
            return kn_str_to_u64(token->text, ret);
        if (!token->text.ptr && token->negative)
            return false;
        if (!token->text.ptr) {
            *ret = token->integer;
            return true;
        }
    }
    int64_t value;
    if (!celery_token_i64(token, &value) || value < 0)
        return false;
    *ret = (uint64_t)value;
    return true;
}

/* Plain decimals, without a double between: exact, and faster. */
static bool decimal_seconds(struct kn_str text, int64_t *ret_us)
{
    const char *p = text.ptr, *end = p + text.len;
    int64_t whole = 0, fraction = 0, unit = 100000;
    size_t digits = 0;
    bool negative = p < end && *p == '-';
    for (p += negative; p < end && *p >= '0' && *p <= '9'; p++, digits++)
        whole = digits < 12 ? whole * 10 + (*p - '0') : INT64_MAX;
    if (digits == 0 || digits > 12)
        return false;
    bool rounded = false;
    if (p < end && *p == '.') {
        for (p++; p < end && *p >= '0' && *p <= '9'; p++) {
            fraction += unit ? unit * (*p - '0') : !rounded && *p >= '5';
            rounded = unit == 0;
            unit /= 10;
        }
    }
    if (p != end)
        return false;
    int64_t us = whole * 1000000 + fraction;
    *ret_us = negative ? -us : us;
    return true;
}

bool celery_token_seconds(const struct celery_token *token, int64_t *ret_us)
{
    double value;
    if (token->kind != CELERY_INT && token->kind != CELERY_FLOAT)
        return false;
    if (token->text.ptr && decimal_seconds(token->text, ret_us))
        return true;
    if (!celery_token_f64(token, &value) || !(fabs(value) < 1e12))
        return false;
    *ret_us = (int64_t)llround(value * 1e6);
    return true;
}

bool celery_token_bool(const struct celery_token *token, bool *ret)
{
    double value;
    if (token->kind == CELERY_BOOL) {
        *ret = token->boolean;
        return true;
    }
    if (!celery_token_f64(token, &value))
        return false;
    *ret = value != 0;
    return true;
}

/* ---- text ---------------------------------------------------------------- */

static void write_number(struct kn_buf *out, const struct celery_token *t, bool python)
{
    if (!t->text.ptr && t->kind == CELERY_INT) {
        kn_buf_printf(out, "%s%" PRIu64, t->negative ? "-" : "", t->integer + t->negative);
        return;
    }
    char first = t->text.ptr ? t->text.ptr[t->text.ptr[0] == '-'] : '0';
    bool nan = t->text.ptr ? first == 'N' : isnan(t->real);
    bool inf = t->text.ptr ? first == 'I' : isinf(t->real);
    bool minus = t->text.ptr ? t->text.ptr[0] == '-' : t->real < 0;
    if (nan || inf) {
        kn_buf_text(out, !python ? "null" : nan ? "nan" : minus ? "-inf" : "inf");
    } else if (t->text.ptr) {
        kn_buf_str(out, t->text);
    } else {
        kn_buf_json_f64(out, t->real);
    }
}

/* As Python's repr: ' unless the text has one, and no ". */
static void write_python_text(struct kn_buf *out, struct kn_str s, bool bytes)
{
    char quote = s.len && memchr(s.ptr, '\'', s.len) && !memchr(s.ptr, '"', s.len) ? '"' : '\'';
    if (bytes)
        kn_buf_char(out, 'b');
    kn_buf_char(out, quote);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '\\' || c == (unsigned char)quote)
            kn_buf_printf(out, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            kn_buf_text(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else if (c < 0x20 || c == 0x7f || (bytes && c >= 0x80))
            kn_buf_printf(out, "\\x%02x", c);
        else
            kn_buf_char(out, (char)c);
    }
    kn_buf_char(out, quote);
}

static void write_json(struct kn_buf *out, const struct celery_token *t)
{
    switch (t->kind) {
    case CELERY_BOOL:
        kn_buf_text(out, t->boolean ? "true" : "false");
        break;
    case CELERY_INT:
    case CELERY_FLOAT:
        write_number(out, t, false);
        break;
    case CELERY_TEXT:
        kn_buf_json_str(out, t->text);
        break;
    case CELERY_BYTES:
        kn_buf_json_str(out, kn_utf8_valid(t->text) ? t->text : KN_STR_ABSENT);
        break;
    default:
        kn_buf_text(out, "null");
    }
}

static void write_python(struct kn_buf *out, const struct celery_token *t)
{
    switch (t->kind) {
    case CELERY_BOOL:
        kn_buf_text(out, t->boolean ? "True" : "False");
        break;
    case CELERY_INT:
    case CELERY_FLOAT:
        write_number(out, t, true);
        break;
    case CELERY_TEXT:
    case CELERY_BYTES:
        write_python_text(out, t->text, t->kind == CELERY_BYTES);
        break;
    default:
        kn_buf_text(out, "None");
    }
}

/* Punctuation of a language that writes lists in [] and maps in {}. */
struct style {
    const char *comma, *colon;
    void (*scalar)(struct kn_buf *out, const struct celery_token *t);
};

static enum kn_status write_value(struct celery_reader *r, const struct celery_token *token,
                                  const struct style *style, struct kn_buf *out)
{
    struct celery_token t = *token;
    bool container = t.kind == CELERY_LIST || t.kind == CELERY_MAP;
    unsigned depth = container ? r->depth - 1 : r->depth;
    uint64_t maps = 0; /* bit n: the container that is n deep is a map */
    bool comma = false;
    for (;;) {
        bool opens = t.kind == CELERY_LIST || t.kind == CELERY_MAP;
        bool key =
            !opens && t.kind != CELERY_CLOSE && r->levels[r->depth].value_next && r->depth > depth;
        if (comma && t.kind != CELERY_CLOSE)
            kn_buf_text(out, style->comma);
        if (opens) {
            uint64_t bit = UINT64_C(1) << ((r->depth - 1) % 64);
            maps = t.kind == CELERY_MAP ? maps | bit : maps & ~bit;
            kn_buf_char(out, t.kind == CELERY_MAP ? '{' : '[');
        } else if (t.kind == CELERY_CLOSE) {
            kn_buf_char(out, (maps >> (r->depth % 64)) & 1 ? '}' : ']');
        } else {
            style->scalar(out, &t);
        }
        if (key)
            kn_buf_text(out, style->colon);
        comma = !opens && !key;
        if (r->depth == depth)
            return kn_buf_status(out);
        enum kn_status status = celery_reader_next(r, &t);
        if (status != KN_OK)
            return status;
    }
}

enum kn_status celery_reader_json(struct celery_reader *r, const struct celery_token *token,
                                  struct kn_buf *out)
{
    static const struct style json = {",", ":", write_json};
    return write_value(r, token, &json, out);
}

enum kn_status celery_reader_python(struct celery_reader *r, const struct celery_token *token,
                                    struct kn_buf *out)
{
    static const struct style python = {", ", ": ", write_python};
    return write_value(r, token, &python, out);
}
