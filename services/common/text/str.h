/* A borrowed string (or bytes): a pointer and a length, without a terminating
 * NUL. {NULL, 0} means "absent"; an empty string has a pointer. */
#ifndef KN_COMMON_TEXT_STR_H
#define KN_COMMON_TEXT_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct kn_str {
    const char *ptr;
    size_t len;
};

#define KN_STR(literal) ((struct kn_str){"" literal, sizeof(literal) - 1})
#define KN_STR_ABSENT ((struct kn_str){NULL, 0})
/* For printf's "%.*s". */
#define KN_STR_ARG(s) (int)((s).len), (s).ptr ? (s).ptr : ""

static inline struct kn_str kn_str_from(const char *text)
{
    return (struct kn_str){text, text ? strlen(text) : 0};
}

static inline bool kn_str_eq(struct kn_str a, struct kn_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Compares bytes; a prefix sorts first. */
static inline int kn_str_cmp(struct kn_str a, struct kn_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool kn_str_starts(struct kn_str s, struct kn_str with)
{
    return s.len >= with.len && (with.len == 0 || memcmp(s.ptr, with.ptr, with.len) == 0);
}

/* Equal, ignoring the case of ASCII letters. */
bool kn_str_eq_nocase(struct kn_str a, struct kn_str b);
/* True if text contains part, ignoring the case of ASCII letters. Every text contains "". */
bool kn_str_has_nocase(struct kn_str text, struct kn_str part);

/* The value of a hexadecimal digit; -1 for any other character. */
static inline int kn_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* True if the bytes are valid UTF-8 (RFC 3629): no overlong forms, no
 * surrogates, nothing above U+10FFFF. */
bool kn_utf8_valid(struct kn_str s);

/* The longest prefix of s of at most max bytes that does not split a UTF-8
 * sequence. */
struct kn_str kn_utf8_head(struct kn_str s, size_t max);

/* FNV-1a, 64 bits, continued from seed (0 to begin). Not keyed: for identities
 * that are stored, not for tables that an attacker may fill. */
uint64_t kn_hash64(uint64_t seed, const void *data, size_t len);

/* Number in text, whole text, base 10. INVALID for anything else or beyond
 * the range of the type. Returns true when *ret was set. */
bool kn_str_to_i64(struct kn_str s, int64_t *ret);
bool kn_str_to_u64(struct kn_str s, uint64_t *ret);
/* A finite decimal number; not hexadecimal, no inf, no nan. */
bool kn_str_to_f64(struct kn_str s, double *ret);

#endif
