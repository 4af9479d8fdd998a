#include "proto/mp.h"

#include <assert.h>

enum { DEPTH_LIMIT = 64 };

static bool take_uint(struct kn_mp_reader *r, unsigned bytes, uint64_t *ret)
{
    if ((size_t)(r->end - r->at) < bytes)
        return false;
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | r->at[i];
    r->at += bytes;
    *ret = value;
    return true;
}

static enum kn_status give_bytes(struct kn_mp_reader *r, enum kn_mp_type type, uint64_t len,
                                 struct kn_mp_value *ret)
{
    if ((uint64_t)(r->end - r->at) < len)
        return KN_TRUNCATED;
    ret->type = type;
    ret->str = (struct kn_str){(const char *)r->at, (size_t)len};
    r->at += len;
    return KN_OK;
}

static enum kn_status give_count(struct kn_mp_reader *r, enum kn_mp_type type, uint64_t count,
                                 struct kn_mp_value *ret)
{
    /* each value takes a byte at least, so a larger count is a lie */
    uint64_t least = type == KN_MP_MAP ? 2 * count : count;
    if ((uint64_t)(r->end - r->at) < least)
        return KN_TRUNCATED;
    ret->type = type;
    ret->count = (uint32_t)count;
    return KN_OK;
}

static enum kn_status give_int(struct kn_mp_value *ret, uint64_t bits, unsigned bytes,
                               bool is_signed)
{
    assert(bytes >= 1 && bytes <= 8);
    unsigned shift = 64 - 8 * bytes;
    int64_t value = (int64_t)(bits << shift) >> shift;
    if (is_signed && value < 0) {
        ret->type = KN_MP_INT;
        ret->i64 = value;
    } else {
        ret->type = KN_MP_UINT;
        ret->u64 = bits;
    }
    return KN_OK;
}

static enum kn_status give_float(struct kn_mp_value *ret, uint64_t bits, unsigned bytes)
{
    ret->type = KN_MP_F64;
    if (bytes == 4) {
        float f;
        uint32_t low = (uint32_t)bits;
        memcpy(&f, &low, sizeof f);
        ret->f64 = (double)f;
    } else {
        memcpy(&ret->f64, &bits, sizeof bits);
    }
    return KN_OK;
}

/* Formats 0xc4 to 0xdf, whose head byte is followed by a number. */
static enum kn_status next_sized(struct kn_mp_reader *r, unsigned char head,
                                 struct kn_mp_value *ret)
{
    /* bytes of the number that follows, by head - 0xc4 */
    static const unsigned char sizes[] = {1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8, 1, 2,
                                          4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
    unsigned bytes = sizes[head - 0xc4];
    uint64_t n;
    if (!take_uint(r, bytes, &n))
        return KN_TRUNCATED;
    if (head <= 0xc6)
        return give_bytes(r, KN_MP_BIN, n, ret);
    if (head <= 0xc9)
        return give_bytes(r, KN_MP_EXT, n + 1, ret); /* a byte for the ext's type */
    if (head <= 0xcb)
        return give_float(ret, n, bytes);
    if (head <= 0xcf)
        return give_int(ret, n, bytes, false);
    if (head <= 0xd3)
        return give_int(ret, n, bytes, true);
    if (head <= 0xd8)
        return give_bytes(r, KN_MP_EXT, (1u << (head - 0xd4)) + 1u, ret);
    if (head <= 0xdb)
        return give_bytes(r, KN_MP_STR, n, ret);
    return give_count(r, head <= 0xdd ? KN_MP_ARRAY : KN_MP_MAP, n, ret);
}

enum kn_status kn_mp_next(struct kn_mp_reader *r, struct kn_mp_value *ret)
{
    if (r->at == r->end)
        return KN_TRUNCATED;
    unsigned char head = *r->at++;
    if (head <= 0x7f)
        return give_int(ret, head, 8, false);
    if (head <= 0x8f)
        return give_count(r, KN_MP_MAP, head & 0x0f, ret);
    if (head <= 0x9f)
        return give_count(r, KN_MP_ARRAY, head & 0x0f, ret);
    if (head <= 0xbf)
        return give_bytes(r, KN_MP_STR, head & 0x1f, ret);
    if (head >= 0xe0)
        return give_int(ret, head, 1, true);
    switch (head) {
    case 0xc0:
        ret->type = KN_MP_NIL;
        return KN_OK;
    case 0xc1:
        return KN_INVALID;
    case 0xc2:
    case 0xc3:
        ret->type = KN_MP_BOOL;
        ret->boolean = head == 0xc3;
        return KN_OK;
    default:
        return next_sized(r, head, ret);
    }
}

enum kn_status kn_mp_skip(struct kn_mp_reader *r, unsigned depth)
{
    uint64_t left[DEPTH_LIMIT + 1]; /* values still to come, per level */
    unsigned level = 0;
    if (depth > DEPTH_LIMIT)
        depth = DEPTH_LIMIT;
    left[0] = 1;
    for (;;) {
        while (left[level] == 0) {
            if (level == 0)
                return KN_OK;
            level--;
        }
        left[level]--;
        struct kn_mp_value value;
        enum kn_status status = kn_mp_next(r, &value);
        if (status != KN_OK)
            return status;
        if (value.type != KN_MP_ARRAY && value.type != KN_MP_MAP)
            continue;
        if (level >= depth)
            return KN_TOO_DEEP;
        left[++level] = value.type == KN_MP_MAP ? 2 * (uint64_t)value.count : value.count;
    }
}
