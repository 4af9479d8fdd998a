/* JSON, RFC 8259, and what Python's json module writes beyond it. */
#include "services/celery/read/reader_format.h"

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* A bit in each of the eight bytes that is a quote, a backslash or below 0x20;
 * bytes behind the first such one may have it without reason. */
static inline uint64_t find_in_word(uint64_t word)
{
    uint64_t quote = word ^ EACH('"');
    uint64_t slash = word ^ EACH('\\');
    uint64_t found =
        ((quote - EACH(1)) & ~quote) | ((slash - EACH(1)) & ~slash) | ((word - EACH(0x20)) & ~word);
    return found & EACH(0x80);
}

/* The first quote, backslash or control character from p on; end if none. */
static inline const char *find_special(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        int found = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), control));
        if (found)
            return p + __builtin_ctz((unsigned)found);
    }
#endif
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        uint64_t found = find_in_word(le64toh(word));
        if (found)
            return p + __builtin_ctzll(found) / 8;
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
        p++;
    return p;
}

static inline void skip_space(struct celery_reader *r)
{
    while (r->p < r->end && (unsigned char)*r->p <= ' ' &&
           (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
        r->p++;
}

/* Four hexadecimal digits; -1 when there are none. */
static int32_t read_unit(const char *p, const char *end)
{
    int32_t unit = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int d = kn_hex_digit(p[i]);
        if (d < 0)
            return -1;
        unit = unit << 4 | d;
    }
    return unit;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

/* Behind \u: one unit, or the two of a surrogate pair. NULL when malformed. */
static const char *read_unicode(const char *p, const char *end, uint32_t *ret)
{
    int32_t unit = read_unit(p, end);
    if (unit < 0)
        return NULL;
    p += 4;
    if (unit < 0xd800 || unit > 0xdfff) {
        *ret = (uint32_t)unit;
        return p;
    }
    *ret = 0xfffd;
    if (unit < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        int32_t low = read_unit(p + 2, end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *ret = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
            return p + 6;
        }
    }
    return p;
}

/* One escape behind its backslash. Returns where to go on, NULL when malformed. */
static const char *unescape_one(const char *p, const char *end, char **out)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    uint32_t code;
    if (p >= end)
        return NULL;
    if (*p == 'u') {
        p = read_unicode(p + 1, end, &code);
        if (p)
            *out = put_utf8(*out, code);
        return p;
    }
    const char *at = *p ? strchr(letters, *p) : NULL;
    if (!at)
        return NULL;
    *(*out)++ = meant[at - letters];
    return p + 1;
}

/* Behind the closing quote that belongs to the text from p on; NULL if none. */
static const char *text_end(const char *p, const char *end)
{
    for (;;) {
        p = find_special(p, end);
        if (p >= end || (unsigned char)*p < 0x20)
            return NULL;
        if (*p == '"')
            return p;
        p += 2;
        if (p > end)
            return NULL;
    }
}

/* A text with escapes: start is behind its opening quote. */
static enum kn_status read_escaped(struct celery_reader *r, const char *start,
                                   struct celery_token *ret)
{
    const char *end = text_end(start, r->end);
    if (!end)
        return celery_reader_wrong(r, "a text without an end");
    char *text = kn_arena_alloc(r->arena, (size_t)(end - start) + 1);
    if (!text)
        return KN_NOMEM;
    char *out = text;
    for (const char *p = start; p < end;) {
        const char *special = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((special ? special : end) - p);
        memcpy(out, p, plain);
        out += plain;
        if (!special)
            break;
        p = unescape_one(special + 1, end, &out);
        if (!p)
            return celery_reader_wrong(r, "an escape that JSON does not know");
    }
    ret->text = (struct kn_str){text, (size_t)(out - text)};
    r->p = end + 1;
    return KN_OK;
}

static inline enum kn_status read_text(struct celery_reader *r, struct celery_token *ret)
{
    const char *start = r->p + 1;
    const char *p = find_special(start, r->end);
    ret->kind = CELERY_TEXT;
    if (p >= r->end)
        return celery_reader_wrong(r, "a text without an end");
    if (*p == '\\')
        return read_escaped(r, start, ret);
    if (*p != '"')
        return celery_reader_wrong(r, "a control character in a text");
    ret->text = (struct kn_str){start, (size_t)(p - start)};
    r->p = p + 1;
    return KN_OK;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static bool take_word(struct celery_reader *r, const char *word, size_t len)
{
    if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
        return false;
    r->p += len;
    return true;
}

static enum kn_status read_number(struct celery_reader *r, struct celery_token *ret)
{
    const char *start = r->p, *p = start, *end = r->end;
    ret->kind = CELERY_INT;
    if (p < end && *p == '-')
        p++;
    const char *digits = p;
    p = skip_digits(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1))
        return celery_reader_wrong(r, "a number that JSON does not know");
    if (p < end && *p == '.') {
        ret->kind = CELERY_FLOAT;
        digits = p + 1;
        p = skip_digits(digits, end);
        if (p == digits)
            return celery_reader_wrong(r, "a number that JSON does not know");
    }
    if (p < end && (*p | 0x20) == 'e') {
        ret->kind = CELERY_FLOAT;
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        digits = p;
        p = skip_digits(digits, end);
        if (p == digits)
            return celery_reader_wrong(r, "a number that JSON does not know");
    }
    ret->text = (struct kn_str){start, (size_t)(p - start)};
    r->p = p;
    return KN_OK;
}

static enum kn_status read_word(struct celery_reader *r, struct celery_token *ret)
{
    const char *start = r->p;
    ret->kind = CELERY_BOOL;
    ret->boolean = *start == 't';
    if (take_word(r, "true", 4) || take_word(r, "false", 5))
        return KN_OK;
    ret->kind = CELERY_NULL;
    if (take_word(r, "null", 4))
        return KN_OK;
    ret->kind = CELERY_FLOAT;
    if (take_word(r, "NaN", 3) || take_word(r, "Infinity", 8) || take_word(r, "-Infinity", 9)) {
        ret->text = (struct kn_str){start, (size_t)(r->p - start)};
        return KN_OK;
    }
    return celery_reader_wrong(r, "no value where one is expected");
}

static inline enum kn_status json_value(struct celery_reader *r, struct celery_token *ret)
{
    if (r->p >= r->end)
        return celery_reader_wrong(r, "the body ends too early");
    char c = *r->p;
    if (c == '"')
        return read_text(r, ret);
    if ((c >= '0' && c <= '9') || (c == '-' && (r->end - r->p < 2 || r->p[1] != 'I')))
        return read_number(r, ret);
    if (c != '{' && c != '[')
        return read_word(r, ret);
    ret->kind = c == '{' ? CELERY_MAP : CELERY_LIST;
    enum kn_status status = celery_reader_open(r, c == '{', 0);
    if (status == KN_OK)
        r->p++;
    return status;
}

static inline enum kn_status json_key(struct celery_reader *r, struct celery_token *ret)
{
    if (r->p >= r->end || *r->p != '"')
        return celery_reader_wrong(r, "no key where one is expected");
    enum kn_status status = read_text(r, ret);
    if (status != KN_OK)
        return status;
    skip_space(r);
    if (r->p >= r->end || *r->p != ':')
        return celery_reader_wrong(r, "no colon behind a key");
    r->p++;
    return KN_OK;
}

/* Before an element of a list or a key of a map: its comma, or the end. */
static inline enum kn_status json_separator(struct celery_reader *r, struct celery_level *level,
                                            struct celery_token *ret)
{
    if (r->p < r->end && *r->p == (level->map ? '}' : ']')) {
        r->p++;
        r->depth--;
        ret->kind = CELERY_CLOSE;
        return KN_OK;
    }
    ret->kind = CELERY_NULL;
    if (level->begun) {
        if (r->p >= r->end || *r->p != ',')
            return celery_reader_wrong(r, "no comma between two values");
        r->p++;
        skip_space(r);
    }
    level->begun = true;
    return KN_OK;
}

enum kn_status celery_json_next(struct celery_reader *r, struct celery_token *ret)
{
    struct celery_level *level = &r->levels[r->depth];
    skip_space(r);
    if (level->value_next) {
        level->value_next = false;
    } else if (r->depth == 0) {
        if (level->begun)
            return celery_reader_wrong(r, "trailing data");
        level->begun = true;
    } else {
        enum kn_status status = json_separator(r, level, ret);
        if (status != KN_OK || ret->kind == CELERY_CLOSE)
            return status;
        if (level->map) {
            level->value_next = true;
            return json_key(r, ret);
        }
    }
    return json_value(r, ret);
}

const char *celery_json_past(const char *p, const char *end)
{
    size_t open = 0;
    while (p < end) {
        char c = *p++;
        if (c == '"') {
            p = text_end(p, end);
            if (!p)
                return NULL;
            p++;
        } else if (c == '{' || c == '[') {
            open++;
        } else if (c == '}' || c == ']') {
            if (open == 0)
                return p - 1;
            open--;
        } else if (c == ',' && open == 0) {
            return p - 1;
        } else {
            continue;
        }
        if (open == 0)
            return p;
    }
    return NULL;
}
