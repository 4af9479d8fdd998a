/* Reads msgpack values one by one from memory, without copying and without building a tree:
 * https://github.com/msgpack/msgpack/blob/master/spec.md */
#ifndef KN_PROTO_MP_H
#define KN_PROTO_MP_H

#include "services/common/status.h"
#include "services/common/text/str.h"

struct kn_mp_reader {
    const unsigned char *at;
    const unsigned char *end;
};

enum kn_mp_type {
    KN_MP_NIL,
    KN_MP_BOOL,
    KN_MP_UINT, /* not negative */
    KN_MP_INT,  /* negative */
    KN_MP_F64,  /* 32-bit floats too */
    KN_MP_STR,
    KN_MP_BIN,
    KN_MP_ARRAY, /* count values follow */
    KN_MP_MAP,   /* count pairs of values follow */
    KN_MP_EXT
};

struct kn_mp_value {
    enum kn_mp_type type;
    union {
        bool boolean;
        uint64_t u64;
        int64_t i64;
        double f64;
        uint32_t count; /* never more than the remaining data can hold */
    };
    struct kn_str str; /* of STR, BIN, EXT: points into the data */
};

static inline struct kn_mp_reader kn_mp_reader(struct kn_str data)
{
    const unsigned char *p = (const unsigned char *)data.ptr;
    return (struct kn_mp_reader){p, p + data.len};
}

static inline bool kn_mp_at_end(const struct kn_mp_reader *reader)
{
    return reader->at == reader->end;
}

/* The next value; for arrays and maps only the header. TRUNCATED when the data ends early, INVALID
 * for the byte that msgpack never uses. */
enum kn_status kn_mp_next(struct kn_mp_reader *reader, struct kn_mp_value *ret) KN_MUST_CHECK;

/* Skips one whole value, including its contents. TOO_DEEP beyond depth levels of arrays and maps
 * (at most 64). */
enum kn_status kn_mp_skip(struct kn_mp_reader *reader, unsigned depth) KN_MUST_CHECK;

#endif
