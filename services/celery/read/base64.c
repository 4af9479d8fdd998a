#include "services/celery/read/base64.h"

#include <endian.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

/* The value of each character of the alphabet, plus one; 0 for all others. */
static const uint8_t base64_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
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
        if (!a || !b || !c || !d)
            break;
        uint32_t four = htobe32((a - 1) << 26 | (b - 1) << 20 | (c - 1) << 14 | (d - 1) << 8);
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
        else if (value && pads == 0)
            bits = bits << 6 | (value - 1u), have++;
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

void celery_base64_encode(struct kn_buf *out, struct kn_str s)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t bits = (uint32_t)(unsigned char)s.ptr[i] << 16;
        if (i + 1 < s.len)
            bits |= (uint32_t)(unsigned char)s.ptr[i + 1] << 8;
        if (i + 2 < s.len)
            bits |= (unsigned char)s.ptr[i + 2];
        char group[4] = {letters[bits >> 18], letters[bits >> 12 & 0x3f], '=', '='};
        if (i + 1 < s.len)
            group[2] = letters[bits >> 6 & 0x3f];
        if (i + 2 < s.len)
            group[3] = letters[bits & 0x3f];
        kn_buf_append(out, group, 4);
    }
}
