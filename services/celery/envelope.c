#include "services/celery/envelope.h"

#include "services/celery/reader.h"

#include <endian.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif
#include <strings.h>

/* ---- base64 -------------------------------------------------------------- */

enum { NOT_BASE64 = 0xff };

/* RFC 4648, section 4 */
static const uint8_t base64_values[256] = {
#define R4(n) [n] = NOT_BASE64, [n + 1] = NOT_BASE64, [n + 2] = NOT_BASE64, [n + 3] = NOT_BASE64
#define R16(n) R4(n), R4(n + 4), R4(n + 8), R4(n + 12)
    R16(0),
    R16(16),
    R4(32),
    R4(36),
    [40] = NOT_BASE64,
    [41] = NOT_BASE64,
    [42] = NOT_BASE64,
    ['+'] = 62,
    [44] = NOT_BASE64,
    [45] = NOT_BASE64,
    [46] = NOT_BASE64,
    ['/'] = 63,
    ['0'] = 52,
    ['1'] = 53,
    ['2'] = 54,
    ['3'] = 55,
    ['4'] = 56,
    ['5'] = 57,
    ['6'] = 58,
    ['7'] = 59,
    ['8'] = 60,
    ['9'] = 61,
    [58] = NOT_BASE64,
    [59] = NOT_BASE64,
    R4(60),
    [64] = NOT_BASE64,
    ['A'] = 0,
    ['B'] = 1,
    ['C'] = 2,
    ['D'] = 3,
    ['E'] = 4,
    ['F'] = 5,
    ['G'] = 6,
    ['H'] = 7,
    ['I'] = 8,
    ['J'] = 9,
    ['K'] = 10,
    ['L'] = 11,
    ['M'] = 12,
    ['N'] = 13,
    ['O'] = 14,
    ['P'] = 15,
    ['Q'] = 16,
    ['R'] = 17,
    ['S'] = 18,
    ['T'] = 19,
    ['U'] = 20,
    ['V'] = 21,
    ['W'] = 22,
    ['X'] = 23,
    ['Y'] = 24,
    ['Z'] = 25,
    [91] = NOT_BASE64,
    R4(92),
    [96] = NOT_BASE64,
    ['a'] = 26,
    ['b'] = 27,
    ['c'] = 28,
    ['d'] = 29,
    ['e'] = 30,
    ['f'] = 31,
    ['g'] = 32,
    ['h'] = 33,
    ['i'] = 34,
    ['j'] = 35,
    ['k'] = 36,
    ['l'] = 37,
    ['m'] = 38,
    ['n'] = 39,
    ['o'] = 40,
    ['p'] = 41,
    ['q'] = 42,
    ['r'] = 43,
    ['s'] = 44,
    ['t'] = 45,
    ['u'] = 46,
    ['v'] = 47,
    ['w'] = 48,
    ['x'] = 49,
    ['y'] = 50,
    ['z'] = 51,
    [123] = NOT_BASE64,
    R4(124),
    R16(128),
    R16(144),
    R16(160),
    R16(176),
    R16(192),
    R16(208),
    R16(224),
    R16(240),
#undef R16
#undef R4
};

/* Groups of four as long as all are of the alphabet; returns how many bytes of
 * text were read. */
static size_t decode_groups(struct kn_str text, char *out, size_t *written)
{
    const uint8_t *p = (const uint8_t *)text.ptr;
    size_t i = 0, n = *written;
    for (; i + 4 <= text.len; i += 4, n += 3) {
        uint32_t a = base64_values[p[i]], b = base64_values[p[i + 1]];
        uint32_t c = base64_values[p[i + 2]], d = base64_values[p[i + 3]];
        if ((a | b | c | d) & 0xc0)
            break;
        uint32_t four = htobe32(a << 26 | b << 20 | c << 14 | d << 8);
        memcpy(out + n, &four, 4); /* the fourth byte is for the next group */
    }
    *written = n;
    return i;
}

#ifdef __x86_64__
/* Sixteen characters at a time, as Wojciech Muła describes it
 * (http://0x80.pl/notesen/2016-01-17-sse-base64-decoding.html, "pshufb with
 * bitmask"): two look-ups by the halves of a character tell whether it is of the
 * alphabet, a third what to add to get its value. Stops where something else
 * stands, or near the end. Returns how many bytes of text were read. */
__attribute__((target("ssse3"))) static size_t decode_blocks(struct kn_str text, char *out,
                                                             size_t *written)
{
    const __m128i low_bits = _mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                                           0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
    const __m128i high_bits = _mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10,
                                            0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
    const __m128i shifts = _mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i order = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    const __m128i slash = _mm_set1_epi8('/');
    size_t i = 0, n = *written;
    for (; text.len - i >= 24; i += 16, n += 12) {
        __m128i chars = _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + i));
        __m128i high = _mm_and_si128(_mm_srli_epi32(chars, 4), slash);
        __m128i low = _mm_and_si128(chars, slash);
        __m128i wrong =
            _mm_and_si128(_mm_shuffle_epi8(low_bits, low), _mm_shuffle_epi8(high_bits, high));
        if (_mm_movemask_epi8(_mm_cmpgt_epi8(wrong, _mm_setzero_si128())))
            break;
        __m128i is_slash = _mm_cmpeq_epi8(chars, slash);
        __m128i values =
            _mm_add_epi8(chars, _mm_shuffle_epi8(shifts, _mm_add_epi8(is_slash, high)));
        __m128i pairs = _mm_maddubs_epi16(values, _mm_set1_epi32(0x01400140));
        __m128i threes = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00011000));
        _mm_storeu_si128((__m128i *)(void *)(out + n), _mm_shuffle_epi8(threes, order));
    }
    *written = n;
    return i;
}
#endif

/* One group that has other characters among it, or padding. Sets *ended at the
 * padding. Returns bytes read; 0 when the text is no base64. */
static size_t decode_odd(struct kn_str text, char *out, size_t *written, bool *ended)
{
    uint32_t bits = 0;
    unsigned have = 0, pads = 0;
    size_t i = 0;
    for (; i < text.len && have + pads < 4; i++) {
        uint8_t value = base64_values[(uint8_t)text.ptr[i]];
        if (text.ptr[i] == '=')
            pads += have >= 2;
        else if (value != NOT_BASE64 && pads == 0)
            bits = bits << 6 | value, have++;
    }
    *ended = pads > 0 || i == text.len;
    if (have == 0)
        return pads == 0 ? i : 0;
    if (have + pads != 4)
        return 0;
    bits <<= 6 * pads;
    for (unsigned n = 0; n < 3 - pads; n++)
        out[(*written)++] = (char)(bits >> (16 - 8 * n));
    return i;
}

bool celery_base64_decode(struct kn_str text, char *out, size_t *ret_len)
{
    size_t written = 0;
    bool ended = false;
    while (text.len && !ended) {
        size_t read = 0;
#ifdef __x86_64__
        if (text.len >= 24 && __builtin_cpu_supports("ssse3"))
            read = decode_blocks(text, out, &written);
        text.ptr += read;
        text.len -= read;
#endif
        read = decode_groups(text, out, &written);
        text.ptr += read;
        text.len -= read;
        if (text.len == 0)
            break;
        read = decode_odd(text, out, &written, &ended);
        if (read == 0)
            return false;
        text.ptr += read;
        text.len -= read;
    }
    *ret_len = written;
    return true;
}

/* ---- envelope ------------------------------------------------------------ */

struct envelope {
    struct celery_reader reader;
    struct celery_message message;
    struct kn_str body_encoding;
    const char *error;
};

/* A member of an object that is text goes here; others are skipped. */
struct member {
    struct kn_str name;
    struct kn_str *text;
};

static enum kn_status read_member(struct celery_reader *r, const struct member *members,
                                  struct kn_str key, const struct celery_token *value)
{
    for (const struct member *m = members; m->name.ptr; m++) {
        if (value->kind == CELERY_TEXT && kn_str_eq(key, m->name))
            *m->text = value->text;
    }
    return celery_reader_skip(r, value);
}

/* The members of the object that was just opened, and its end. */
static enum kn_status read_object(struct celery_reader *r, const struct member *members)
{
    for (;;) {
        struct celery_token key, value;
        enum kn_status status = celery_reader_next(r, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            return status;
        status = celery_reader_next(r, &value);
        if (status == KN_OK)
            status = read_member(r, members, key.text, &value);
        if (status != KN_OK)
            return status;
    }
}

static enum kn_status read_properties(struct envelope *e)
{
    struct celery_message *m = &e->message;
    const struct member members[] = {{KN_STR("body_encoding"), &e->body_encoding},
                                     {KN_STR("correlation_id"), &m->correlation_id},
                                     {KN_STR("reply_to"), &m->reply_to},
                                     {KN_STR_ABSENT, NULL}};
    const struct member delivery[] = {{KN_STR("exchange"), &m->exchange},
                                      {KN_STR("routing_key"), &m->routing_key},
                                      {KN_STR_ABSENT, NULL}};
    for (;;) {
        struct celery_token key, value;
        enum kn_status status = celery_reader_next(&e->reader, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            return status;
        status = celery_reader_next(&e->reader, &value);
        if (status != KN_OK)
            return status;
        if (value.kind == CELERY_MAP && kn_str_eq(key.text, KN_STR("delivery_info")))
            status = read_object(&e->reader, delivery);
        else
            status = read_member(&e->reader, members, key.text, &value);
        if (status != KN_OK)
            return status;
    }
}

static enum kn_status read_envelope(struct envelope *e)
{
    struct celery_message *m = &e->message;
    const struct member members[] = {{KN_STR("body"), &m->body},
                                     {KN_STR("content-type"), &m->content_type},
                                     {KN_STR("content-encoding"), &m->content_encoding},
                                     {KN_STR_ABSENT, NULL}};
    const struct member headers[] = {{KN_STR("compression"), &m->compression},
                                     {KN_STR("ticket"), &m->ticket},
                                     {KN_STR_ABSENT, NULL}};
    for (;;) {
        struct celery_token key, value;
        enum kn_status status = celery_reader_next(&e->reader, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            return status;
        status = celery_reader_next(&e->reader, &value);
        if (status != KN_OK)
            return status;
        if (value.kind == CELERY_MAP && kn_str_eq(key.text, KN_STR("headers")))
            status = read_object(&e->reader, headers);
        else if (value.kind == CELERY_MAP && kn_str_eq(key.text, KN_STR("properties")))
            status = read_properties(e);
        else
            status = read_member(&e->reader, members, key.text, &value);
        if (status != KN_OK)
            return status;
    }
}

/* Channel.decode_body: base64, or as it is. */
static enum kn_status decode_body(struct envelope *e, struct kn_arena *arena)
{
    struct kn_str encoding = e->body_encoding;
    struct kn_str *body = &e->message.body;
    if (encoding.len == 0 || (encoding.len == 5 && strncasecmp(encoding.ptr, "utf-8", 5) == 0))
        return KN_OK;
    if (!kn_str_eq(encoding, KN_STR("base64"))) {
        e->error = "a body_encoding that is not known";
        return KN_UNSUPPORTED;
    }
    size_t len;
    char *bytes = kn_arena_alloc(arena, body->len / 4 * 3 + 4);
    if (!bytes)
        return KN_NOMEM;
    if (!celery_base64_decode(*body, bytes, &len)) {
        e->error = "a body that is no base64";
        return KN_INVALID;
    }
    *body = (struct kn_str){bytes, len};
    return KN_OK;
}

/* All but the body, which may be anything and is looked at by who reads it. */
static bool texts_are_utf8(const struct celery_message *m)
{
    return kn_utf8_valid(m->content_type) && kn_utf8_valid(m->content_encoding) &&
           kn_utf8_valid(m->compression) && kn_utf8_valid(m->ticket) &&
           kn_utf8_valid(m->exchange) && kn_utf8_valid(m->routing_key) &&
           kn_utf8_valid(m->correlation_id) && kn_utf8_valid(m->reply_to);
}

enum kn_status celery_envelope_decode(struct kn_str payload, struct kn_arena *arena,
                                      struct celery_message *ret_message, const char **ret_error)
{
    struct envelope e;
    struct celery_token token;
    e.message = (struct celery_message){0};
    e.body_encoding = KN_STR_ABSENT;
    e.error = NULL;
    celery_reader_init(&e.reader, CELERY_JSON, payload, arena);
    enum kn_status status = celery_reader_next(&e.reader, &token);
    if (status == KN_OK && token.kind != CELERY_MAP) {
        e.error = "no JSON object";
        status = KN_INVALID;
    }
    if (status == KN_OK)
        status = read_envelope(&e);
    if (status == KN_OK && !celery_reader_at_end(&e.reader)) {
        e.error = "something behind the end";
        status = KN_INVALID;
    }
    if (status == KN_OK && !e.message.body.ptr) {
        e.error = "no body";
        status = KN_INVALID;
    }
    if (status == KN_OK)
        status = decode_body(&e, arena);
    if (status == KN_OK && !texts_are_utf8(&e.message)) {
        e.error = "not UTF-8";
        status = KN_INVALID;
    }
    if (status == KN_OK)
        *ret_message = e.message;
    else if (status != KN_NOMEM)
        *ret_error = e.error ? e.error : e.reader.error;
    return status;
}
