#include "services/common/text/str.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool same_nocase(const char *a, const char *b, size_t len)
{
    size_t i = 0;
    while (i < len && lower(a[i]) == lower(b[i]))
        i++;
    return i == len;
}

bool kn_str_eq_nocase(struct kn_str a, struct kn_str b)
{
    return a.len == b.len && same_nocase(a.ptr, b.ptr, a.len);
}

bool kn_str_has_nocase(struct kn_str text, struct kn_str part)
{
    char first = part.len ? lower(part.ptr[0]) : '\0';
    if (!part.len)
        return true;
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (lower(text.ptr[i]) == first && same_nocase(text.ptr + i, part.ptr, part.len))
            return true;
    return false;
}

/* Length of the valid sequence that begins at p, 0 if there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2)
        return 0;
    if (p[0] < 0xe0)
        return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (p[0] < 0xf0) {
        if (left < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
            return 0;
        bool overlong = p[0] == 0xe0 && p[1] < 0xa0;
        bool surrogate = p[0] == 0xed && p[1] > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    if (p[0] > 0xf4 || left < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
        (p[3] & 0xc0) != 0x80)
        return 0;
    bool overlong = p[0] == 0xf0 && p[1] < 0x90;
    bool beyond = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || beyond ? 0 : 4;
}

bool kn_utf8_valid(struct kn_str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    for (size_t i = 0; i < s.len;) {
        uint64_t word;
        if (s.len - i >= sizeof word) {
            memcpy(&word, p + i, sizeof word);
            if (!(word & UINT64_C(0x8080808080808080))) {
                i += sizeof word;
                continue;
            }
        }
        size_t n = utf8_sequence(p + i, s.len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

struct kn_str kn_utf8_head(struct kn_str s, size_t max)
{
    if (s.len <= max)
        return s;
    size_t n = max;
    while (n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
        n--;
    return (struct kn_str){s.ptr, n};
}

uint64_t kn_hash64(uint64_t seed, const void *data, size_t len)
{
    uint64_t hash = seed ? seed : UINT64_C(0xcbf29ce484222325);
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

enum { NUMBER_MAX = 64 };

/* A copy that ends with NUL, for the C library. False when s can be no number. */
static bool number_copy(struct kn_str s, char out[NUMBER_MAX])
{
    if (s.len == 0 || s.len >= NUMBER_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!strchr("0123456789+-.eE", s.ptr[i]) || s.ptr[i] == '\0')
            return false;
    }
    memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
    return true;
}

bool kn_str_to_i64(struct kn_str s, int64_t *ret)
{
    char text[NUMBER_MAX], *end;
    if (!number_copy(s, text))
        return false;
    errno = 0;
    intmax_t value = strtoimax(text, &end, 10);
    if (errno || *end || end == text)
        return false;
    *ret = value;
    return true;
}

bool kn_str_to_u64(struct kn_str s, uint64_t *ret)
{
    char text[NUMBER_MAX], *end;
    if (!number_copy(s, text) || text[0] == '-')
        return false;
    errno = 0;
    uintmax_t value = strtoumax(text, &end, 10);
    if (errno || *end || end == text)
        return false;
    *ret = value;
    return true;
}

bool kn_str_to_f64(struct kn_str s, double *ret)
{
    char text[NUMBER_MAX], *end;
    if (!number_copy(s, text))
        return false;
    double value = strtod(text, &end);
    if (*end || end == text || !isfinite(value))
        return false;
    *ret = value;
    return true;
}
