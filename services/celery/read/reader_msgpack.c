/* msgpack, https://github.com/msgpack/msgpack/blob/master/spec.md */
#include "services/celery/read/reader_format.h"

#include <assert.h>

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
    assert(bytes >= 1 && bytes <= 8);
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
        return celery_reader_wrong(r, "the body ends too early");
    ret->text = (struct kn_str){r->p, (size_t)h->value};
    r->p += h->value;
    if (h->is_ext) {
        ret->text.ptr++;
        ret->text.len--;
    }
    if (h->kind == CELERY_TEXT && !kn_utf8_valid(ret->text)) {
        r->not_utf8 = true;
        return celery_reader_wrong(r, "a text that is not UTF-8");
    }
    return KN_OK;
}

static enum kn_status msgpack_container(struct celery_reader *r, const struct msgpack_head *h)
{
    bool map = h->kind == CELERY_MAP;
    uint64_t left = h->value * (map ? 2 : 1);
    if (left > (size_t)(r->end - r->p) || left > UINT32_MAX)
        return celery_reader_wrong(r, "the body ends too early");
    return celery_reader_open(r, map, (uint32_t)left);
}

static enum kn_status msgpack_value(struct celery_reader *r, struct celery_token *ret)
{
    struct msgpack_head h;
    const char *start = r->p;
    if (!msgpack_head(&r->p, r->end, &h))
        return celery_reader_wrong(r, "no msgpack");
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

enum kn_status celery_msgpack_next(struct celery_reader *r, struct celery_token *ret)
{
    struct celery_level *level = &r->levels[r->depth];
    if (level->left == 0) {
        if (r->depth == 0)
            return celery_reader_wrong(r, "trailing data");
        r->depth--;
        ret->kind = CELERY_CLOSE;
        return KN_OK;
    }
    level->left--;
    bool key = level->map && !level->value_next;
    level->value_next = key;
    enum kn_status status = msgpack_value(r, ret);
    if (status == KN_OK && key && ret->kind != CELERY_TEXT)
        return celery_reader_wrong(r, "a key that is no text");
    return status;
}

const char *celery_msgpack_past(const char *p, const char *end)
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
