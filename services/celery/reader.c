#include "services/celery/reader.h"

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

static enum kn_status wrong(struct celery_reader *r, const char *error)
{
    r->error = error;
    return KN_INVALID;
}

static enum kn_status open_level(struct celery_reader *r, bool map, uint32_t left)
{
    if (r->depth >= CELERY_READER_DEPTH) {
        r->error = "nested too deep";
        return KN_TOO_DEEP;
    }
    r->levels[++r->depth] = (struct celery_level){.map = map, .left = left};
    return KN_OK;
}

/* ---- JSON ---------------------------------------------------------------- */

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

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits; -1 when there are none. */
static int32_t read_unit(const char *p, const char *end)
{
    int32_t unit = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);
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
        return wrong(r, "a text without an end");
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
            return wrong(r, "an escape that JSON does not know");
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
        return wrong(r, "a text without an end");
    if (*p == '\\')
        return read_escaped(r, start, ret);
    if (*p != '"')
        return wrong(r, "a control character in a text");
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
        return wrong(r, "a number that JSON does not know");
    if (p < end && *p == '.') {
        ret->kind = CELERY_FLOAT;
        digits = p + 1;
        p = skip_digits(digits, end);
        if (p == digits)
            return wrong(r, "a number that JSON does not know");
    }
    if (p < end && (*p | 0x20) == 'e') {
        ret->kind = CELERY_FLOAT;
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        digits = p;
        p = skip_digits(digits, end);
        if (p == digits)
            return wrong(r, "a number that JSON does not know");
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
    return wrong(r, "no value where one is expected");
}

static inline enum kn_status json_value(struct celery_reader *r, struct celery_token *ret)
{
    if (r->p >= r->end)
        return wrong(r, "the body ends too early");
    char c = *r->p;
    if (c == '"')
        return read_text(r, ret);
    if ((c >= '0' && c <= '9') || (c == '-' && (r->end - r->p < 2 || r->p[1] != 'I')))
        return read_number(r, ret);
    if (c != '{' && c != '[')
        return read_word(r, ret);
    ret->kind = c == '{' ? CELERY_MAP : CELERY_LIST;
    enum kn_status status = open_level(r, c == '{', 0);
    if (status == KN_OK)
        r->p++;
    return status;
}

static inline enum kn_status json_key(struct celery_reader *r, struct celery_token *ret)
{
    if (r->p >= r->end || *r->p != '"')
        return wrong(r, "no key where one is expected");
    enum kn_status status = read_text(r, ret);
    if (status != KN_OK)
        return status;
    skip_space(r);
    if (r->p >= r->end || *r->p != ':')
        return wrong(r, "no colon behind a key");
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
            return wrong(r, "no comma between two values");
        r->p++;
        skip_space(r);
    }
    level->begun = true;
    return KN_OK;
}

static inline enum kn_status json_next(struct celery_reader *r, struct celery_token *ret)
{
    struct celery_level *level = &r->levels[r->depth];
    skip_space(r);
    if (level->value_next) {
        level->value_next = false;
    } else if (r->depth == 0) {
        if (level->begun)
            return wrong(r, "something behind the end");
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

static const char *json_past(const char *p, const char *end)
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

/* ---- msgpack ------------------------------------------------------------- */

/* What a first byte says: how many bytes follow as a length or value, what it
 * is. From the specification, https://github.com/msgpack/msgpack/blob/master/spec.md */
struct msgpack_head {
    enum celery_kind kind;
    bool is_signed;
    bool is_ext;
    uint64_t value; /* integer, length, count, or the bits of a real */
    bool wide;      /* real: 64 bits */
};

static bool take_uint(const char **p, const char *end, unsigned bytes, uint64_t *ret)
{
    if ((size_t)(end - *p) < bytes)
        return false;
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char)(*p)[i];
    *p += bytes;
    *ret = value;
    return true;
}

static bool fixed_head(unsigned char c, struct msgpack_head *h)
{
    if (c < 0x80)
        *h = (struct msgpack_head){.kind = CELERY_INT, .value = c};
    else if (c < 0x90)
        *h = (struct msgpack_head){.kind = CELERY_MAP, .value = c & 0x0f};
    else if (c < 0xa0)
        *h = (struct msgpack_head){.kind = CELERY_LIST, .value = c & 0x0f};
    else if (c < 0xc0)
        *h = (struct msgpack_head){.kind = CELERY_TEXT, .value = c & 0x1f};
    else if (c >= 0xe0)
        *h = (struct msgpack_head){
            .kind = CELERY_INT, .is_signed = true, .value = (uint64_t)(int64_t)(int8_t)c};
    else
        return false;
    return true;
}

/* 0xc0 to 0xdf: kind, bytes of length or value. */
static const struct {
    uint8_t kind, bytes, flags;
} msgpack_heads[32] = {
    [0x00] = {CELERY_NULL, 0, 0},  [0x02] = {CELERY_BOOL, 0, 0},  [0x03] = {CELERY_BOOL, 0, 1},
    [0x04] = {CELERY_BYTES, 1, 0}, [0x05] = {CELERY_BYTES, 2, 0}, [0x06] = {CELERY_BYTES, 4, 0},
    [0x07] = {CELERY_BYTES, 1, 2}, [0x08] = {CELERY_BYTES, 2, 2}, [0x09] = {CELERY_BYTES, 4, 2},
    [0x0a] = {CELERY_FLOAT, 4, 0}, [0x0b] = {CELERY_FLOAT, 8, 0}, [0x0c] = {CELERY_INT, 1, 0},
    [0x0d] = {CELERY_INT, 2, 0},   [0x0e] = {CELERY_INT, 4, 0},   [0x0f] = {CELERY_INT, 8, 0},
    [0x10] = {CELERY_INT, 1, 1},   [0x11] = {CELERY_INT, 2, 1},   [0x12] = {CELERY_INT, 4, 1},
    [0x13] = {CELERY_INT, 8, 1},   [0x14] = {CELERY_BYTES, 0, 3}, [0x15] = {CELERY_BYTES, 0, 4},
    [0x16] = {CELERY_BYTES, 0, 5}, [0x17] = {CELERY_BYTES, 0, 6}, [0x18] = {CELERY_BYTES, 0, 7},
    [0x19] = {CELERY_TEXT, 1, 0},  [0x1a] = {CELERY_TEXT, 2, 0},  [0x1b] = {CELERY_TEXT, 4, 0},
    [0x1c] = {CELERY_LIST, 2, 0},  [0x1d] = {CELERY_LIST, 4, 0},  [0x1e] = {CELERY_MAP, 2, 0},
    [0x1f] = {CELERY_MAP, 4, 0},
};

/* fixext 1, 2, 4, 8, 16 have flags 3 to 7 */
static uint64_t fixext_len(uint8_t flags)
{
    return UINT64_C(1) << (flags - 3);
}

static uint64_t sign_extend(uint64_t value, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;
    return (uint64_t)((int64_t)(value << shift) >> shift);
}

static bool long_head(const char **p, const char *end, unsigned char c, struct msgpack_head *h)
{
    if (c == 0xc1)
        return false;
    uint8_t bytes = msgpack_heads[c & 0x1f].bytes, flags = msgpack_heads[c & 0x1f].flags;
    *h = (struct msgpack_head){.kind = msgpack_heads[c & 0x1f].kind};
    if (!take_uint(p, end, bytes, &h->value))
        return false;
    if (h->kind == CELERY_BOOL)
        h->value = flags;
    if (h->kind == CELERY_INT && flags) {
        h->is_signed = true;
        h->value = sign_extend(h->value, bytes);
    }
    if (h->kind == CELERY_BYTES && flags) {
        h->is_ext = true;
        h->value = (flags > 2 ? fixext_len(flags) : h->value) + 1; /* with its type */
    }
    h->wide = bytes == 8;
    return true;
}

static bool msgpack_head(const char **p, const char *end, struct msgpack_head *h)
{
    if (*p >= end)
        return false;
    unsigned char c = (unsigned char)*(*p)++;
    return fixed_head(c, h) || long_head(p, end, c, h);
}

static double msgpack_real(const struct msgpack_head *h)
{
    if (h->wide) {
        double real;
        memcpy(&real, &h->value, 8);
        return real;
    }
    uint32_t bits = (uint32_t)h->value;
    float real;
    memcpy(&real, &bits, 4);
    return (double)real;
}

static enum kn_status msgpack_string(struct celery_reader *r, const struct msgpack_head *h,
                                     struct celery_token *ret)
{
    if (h->value > (size_t)(r->end - r->p))
        return wrong(r, "the body ends too early");
    ret->text = (struct kn_str){r->p, (size_t)h->value};
    r->p += h->value;
    if (h->is_ext) {
        ret->text.ptr++;
        ret->text.len--;
    }
    if (h->kind == CELERY_TEXT && !kn_utf8_valid(ret->text)) {
        r->not_utf8 = true;
        return wrong(r, "a text that is not UTF-8");
    }
    return KN_OK;
}

static enum kn_status msgpack_container(struct celery_reader *r, const struct msgpack_head *h)
{
    bool map = h->kind == CELERY_MAP;
    uint64_t left = h->value * (map ? 2 : 1);
    if (left > (size_t)(r->end - r->p) || left > UINT32_MAX)
        return wrong(r, "the body ends too early");
    return open_level(r, map, (uint32_t)left);
}

static enum kn_status msgpack_value(struct celery_reader *r, struct celery_token *ret)
{
    struct msgpack_head h;
    const char *start = r->p;
    if (!msgpack_head(&r->p, r->end, &h))
        return wrong(r, "no msgpack");
    ret->kind = h.kind;
    switch (h.kind) {
    case CELERY_BOOL:
        ret->boolean = h.value;
        return KN_OK;
    case CELERY_INT:
        ret->negative = h.is_signed && (int64_t)h.value < 0;
        ret->integer = ret->negative ? ~h.value : h.value;
        ret->text = KN_STR_ABSENT;
        return KN_OK;
    case CELERY_FLOAT:
        ret->real = msgpack_real(&h);
        ret->text = KN_STR_ABSENT;
        return KN_OK;
    case CELERY_TEXT:
    case CELERY_BYTES:
        return msgpack_string(r, &h, ret);
    case CELERY_LIST:
    case CELERY_MAP: {
        enum kn_status status = msgpack_container(r, &h);
        if (status == KN_TOO_DEEP)
            r->p = start;
        return status;
    }
    default:
        return KN_OK;
    }
}

static enum kn_status msgpack_next(struct celery_reader *r, struct celery_token *ret)
{
    struct celery_level *level = &r->levels[r->depth];
    if (level->left == 0) {
        if (r->depth == 0)
            return wrong(r, "something behind the end");
        r->depth--;
        ret->kind = CELERY_CLOSE;
        return KN_OK;
    }
    level->left--;
    bool key = level->map && !level->value_next;
    level->value_next = key;
    enum kn_status status = msgpack_value(r, ret);
    if (status == KN_OK && key && ret->kind != CELERY_TEXT)
        return wrong(r, "a key that is no text");
    return status;
}

static const char *msgpack_past(const char *p, const char *end)
{
    struct msgpack_head h;
    uint64_t left = 1;
    while (left > 0) {
        if (!msgpack_head(&p, end, &h))
            return NULL;
        left--;
        if (h.kind == CELERY_TEXT || h.kind == CELERY_BYTES) {
            if (h.value > (size_t)(end - p))
                return NULL;
            p += h.value;
        } else if (h.kind == CELERY_LIST || h.kind == CELERY_MAP) {
            left += h.value * (h.kind == CELERY_MAP ? 2 : 1);
            if (left > (size_t)(end - p))
                return NULL;
        }
    }
    return p;
}

/* ---- both ---------------------------------------------------------------- */

enum kn_status celery_reader_next(struct celery_reader *r, struct celery_token *ret)
{
    return r->format == CELERY_JSON ? json_next(r, ret) : msgpack_next(r, ret);
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
    const char *p = r->format == CELERY_JSON ? json_past(from, r->end) : msgpack_past(from, r->end);
    if (!p || p == from)
        return wrong(r, "the body ends too early");
    r->p = p;
    r->depth = depth;
    r->levels[depth].value_next = false;
    r->levels[depth].begun = true;
    return KN_OK;
}

bool celery_reader_at_end(struct celery_reader *r)
{
    if (r->format == CELERY_JSON)
        skip_space(r);
    return r->depth == 0 && r->p == r->end;
}
