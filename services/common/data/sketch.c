#include "services/common/data/sketch.h"

#include <math.h>
#include <stdlib.h>

enum { VERSION = 1, EXACT = 128, PER_OCTAVE = 64, VARINT_BYTES = 19 };
static const int64_t VALUE_MAX = (INT64_C(1) << 50) - 1;
static const int64_t COUNT_MAX = INT64_C(1) << 56; /* of one bucket, and of all */

/* ---- buckets ---------------------------------------------------------------- */

static uint32_t index_of(int64_t us)
{
    if (us < EXACT)
        return (uint32_t)us;
    unsigned shift = 63u - (unsigned)__builtin_clzll((unsigned long long)us) - 6u;
    return shift * PER_OCTAVE + (uint32_t)(us >> shift);
}

static int64_t lowest_of(uint32_t index)
{
    if (index < EXACT)
        return index;
    return (int64_t)(index % PER_OCTAVE + PER_OCTAVE) << (index / PER_OCTAVE - 1);
}

static int64_t highest_of(uint32_t index)
{
    return index < EXACT ? index : lowest_of(index) + (INT64_C(1) << (index / PER_OCTAVE - 1)) - 1;
}

static double seconds_of(uint32_t index)
{
    return ((double)lowest_of(index) + (double)highest_of(index)) / 2e6;
}

/* Where index is, or would be. */
static uint32_t find(const struct kn_sketch *sketch, uint32_t index)
{
    uint32_t low = 0, high = sketch->len;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sketch->buckets[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum kn_status grow(struct kn_sketch *sketch, uint32_t need)
{
    if (need <= sketch->cap)
        return KN_OK;
    uint32_t cap = sketch->cap ? sketch->cap : 8;
    while (cap < need)
        cap *= 2;
    struct kn_sketch_bucket *buckets = realloc(sketch->buckets, cap * sizeof *buckets);
    if (!buckets)
        return KN_NOMEM;
    sketch->buckets = buckets;
    sketch->cap = cap;
    return KN_OK;
}

static bool in_range(int64_t count)
{
    return count <= COUNT_MAX && count >= -COUNT_MAX;
}

static bool sum_in_range(kn_i128 sum)
{
    const kn_i128 max = (kn_i128)VALUE_MAX * COUNT_MAX;
    return sum <= max && sum >= -max;
}

/* ---- life --------------------------------------------------------------------- */

void kn_sketch_init(struct kn_sketch *sketch)
{
    *sketch = (struct kn_sketch){0};
}

void kn_sketch_fini(struct kn_sketch *sketch)
{
    if (!sketch)
        return;
    free(sketch->buckets);
    kn_sketch_init(sketch);
}

void kn_sketch_clear(struct kn_sketch *sketch)
{
    sketch->len = 0;
    sketch->count = 0;
    sketch->sum_us = 0;
}

/* ---- adding ------------------------------------------------------------------- */

static enum kn_status insert(struct kn_sketch *sketch, uint32_t at, uint32_t index, int64_t n)
{
    enum kn_status status = grow(sketch, sketch->len + 1);
    if (status != KN_OK)
        return status;
    struct kn_sketch_bucket *bucket = sketch->buckets + at;
    memmove(bucket + 1, bucket, (sketch->len - at) * sizeof *bucket);
    *bucket = (struct kn_sketch_bucket){.index = index, .count = n};
    sketch->len++;
    return KN_OK;
}

static enum kn_status bump(struct kn_sketch *sketch, uint32_t index, int64_t n)
{
    uint32_t at = find(sketch, index);
    if (at == sketch->len || sketch->buckets[at].index != index)
        return insert(sketch, at, index, n);
    struct kn_sketch_bucket *bucket = sketch->buckets + at;
    if (!in_range(bucket->count + n))
        return KN_TOO_BIG;
    bucket->count += n;
    if (bucket->count == 0) {
        sketch->len--;
        memmove(bucket, bucket + 1, (sketch->len - at) * sizeof *bucket);
    }
    return KN_OK;
}

enum kn_status kn_sketch_add(struct kn_sketch *sketch, double seconds, int64_t n)
{
    if (isnan(seconds))
        return KN_INVALID;
    if (n == 0)
        return KN_OK;
    if (!in_range(n) || !in_range(sketch->count + n))
        return KN_TOO_BIG;
    double us = seconds * 1e6;
    int64_t value = us <= 0 ? 0 : us >= (double)VALUE_MAX ? VALUE_MAX : llround(us);
    kn_i128 sum = sketch->sum_us + (kn_i128)value * n;
    if (!sum_in_range(sum))
        return KN_TOO_BIG;
    enum kn_status status = bump(sketch, index_of(value), n);
    if (status != KN_OK)
        return status;
    sketch->count += n;
    sketch->sum_us = sum;
    return KN_OK;
}

/* How many buckets of other are not in sketch, and whether all sums are in range. */
static enum kn_status compare(const struct kn_sketch *sketch, const struct kn_sketch *other,
                              int sign, uint32_t *ret_extra)
{
    uint32_t extra = 0;
    for (uint32_t i = 0, at = 0; i < other->len; i++) {
        while (at < sketch->len && sketch->buckets[at].index < other->buckets[i].index)
            at++;
        if (at == sketch->len || sketch->buckets[at].index != other->buckets[i].index)
            extra++;
        else if (!in_range(sketch->buckets[at].count + sign * other->buckets[i].count))
            return KN_TOO_BIG;
    }
    *ret_extra = extra;
    return KN_OK;
}

static void drop_empty(struct kn_sketch *sketch)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < sketch->len; i++)
        if (sketch->buckets[i].count != 0)
            sketch->buckets[kept++] = sketch->buckets[i];
    sketch->len = kept;
}

/* Both sides are sorted: one pass from the end, in place after making room; what lies
 * before the first of other stays where it is. */
static enum kn_status combine(struct kn_sketch *sketch, const struct kn_sketch *other, int sign)
{
    uint32_t extra;
    if (!in_range(sketch->count + sign * other->count) ||
        !sum_in_range(sketch->sum_us + sign * other->sum_us))
        return KN_TOO_BIG;
    enum kn_status status = compare(sketch, other, sign, &extra);
    if (status == KN_OK)
        status = grow(sketch, sketch->len + extra);
    if (status != KN_OK)
        return status;

    struct kn_sketch_bucket *all = sketch->buckets;
    bool empty = false;
    int64_t mine = (int64_t)sketch->len - 1, theirs = (int64_t)other->len - 1;
    for (int64_t to = mine + extra; theirs >= 0; to--) {
        const struct kn_sketch_bucket *add = other->buckets + theirs;
        if (mine >= 0 && all[mine].index > add->index) {
            all[to] = all[mine--];
            continue;
        }
        int64_t count = sign * add->count;
        if (mine >= 0 && all[mine].index == add->index)
            count += all[mine--].count;
        empty |= count == 0;
        all[to] = (struct kn_sketch_bucket){.index = add->index, .count = count};
        theirs--;
    }
    sketch->len += extra;
    if (empty)
        drop_empty(sketch);
    sketch->count += sign * other->count;
    sketch->sum_us += sign * other->sum_us;
    return KN_OK;
}

enum kn_status kn_sketch_merge(struct kn_sketch *sketch, const struct kn_sketch *other)
{
    return combine(sketch, other, 1);
}

enum kn_status kn_sketch_subtract(struct kn_sketch *sketch, const struct kn_sketch *other)
{
    if (sketch == other) {
        kn_sketch_clear(sketch);
        return KN_OK;
    }
    return combine(sketch, other, -1);
}

/* ---- asking ------------------------------------------------------------------- */

bool kn_sketch_is_zero(const struct kn_sketch *sketch)
{
    return sketch->len == 0 && sketch->sum_us == 0;
}

int64_t kn_sketch_count(const struct kn_sketch *sketch)
{
    return sketch->count;
}

double kn_sketch_sum(const struct kn_sketch *sketch)
{
    return (double)sketch->sum_us / 1e6;
}

bool kn_sketch_mean(const struct kn_sketch *sketch, double *ret)
{
    if (sketch->count <= 0)
        return false;
    *ret = kn_sketch_sum(sketch) / (double)sketch->count;
    return true;
}

bool kn_sketch_quantiles(const struct kn_sketch *sketch, const double *q, size_t count, double *ret)
{
    int64_t total = 0, passed = 0;
    for (uint32_t i = 0; i < sketch->len; i++)
        total += sketch->buckets[i].count > 0 ? sketch->buckets[i].count : 0;
    if (sketch->count <= 0 || total <= 0)
        return false;
    uint32_t i = 0, last = 0;
    for (size_t n = 0; n < count; n++) {
        double rank = (q[n] < 0 ? 0 : q[n] > 1 ? 1 : q[n]) * (double)(total - 1);
        for (; i < sketch->len && (passed == 0 || (double)passed <= rank); i++) {
            if (sketch->buckets[i].count <= 0)
                continue;
            passed += sketch->buckets[i].count;
            last = sketch->buckets[i].index;
        }
        ret[n] = seconds_of(last);
    }
    return true;
}

bool kn_sketch_quantile(const struct kn_sketch *sketch, double q, double *ret)
{
    return kn_sketch_quantiles(sketch, &q, 1, ret);
}

bool kn_sketch_min(const struct kn_sketch *sketch, double *ret)
{
    return kn_sketch_quantile(sketch, 0, ret);
}

bool kn_sketch_max(const struct kn_sketch *sketch, double *ret)
{
    return kn_sketch_quantile(sketch, 1, ret);
}

/* ---- bytes -------------------------------------------------------------------- */

static void put(struct kn_buf *out, unsigned __int128 value)
{
    char bytes[VARINT_BYTES];
    size_t len = 0;
    do {
        bytes[len] = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
        len++;
    } while (value);
    kn_buf_append(out, bytes, len);
}

static unsigned __int128 zigzag(__int128 value)
{
    return ((unsigned __int128)value << 1) ^ (value < 0 ? ~(unsigned __int128)0 : 0);
}

static __int128 unzigzag(unsigned __int128 value)
{
    __int128 half = (__int128)(value >> 1);
    return value & 1 ? -half - 1 : half;
}

void kn_sketch_encode(const struct kn_sketch *sketch, struct kn_buf *out)
{
    put(out, VERSION);
    put(out, sketch->len);
    int64_t before = -1;
    for (uint32_t i = 0; i < sketch->len; i++) {
        put(out, (unsigned __int128)(sketch->buckets[i].index - before - 1));
        put(out, zigzag(sketch->buckets[i].count));
        before = sketch->buckets[i].index;
    }
    put(out, zigzag(sketch->sum_us));
}

struct reader {
    struct kn_str data;
    enum kn_status status;
};

/* The next number, 0 after an error. */
static unsigned __int128 get_long(struct reader *in)
{
    unsigned __int128 value = 0;
    for (unsigned i = 0; in->status == KN_OK; i++) {
        if (in->data.len == 0) {
            in->status = KN_TRUNCATED;
            break;
        }
        uint8_t byte = (uint8_t)*in->data.ptr;
        in->data.ptr++;
        in->data.len--;
        if (i == VARINT_BYTES - 1 && byte > 3) {
            in->status = KN_INVALID; /* beyond 128 bits */
            break;
        }
        value |= (unsigned __int128)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            if (byte == 0 && i > 0)
                in->status = KN_INVALID; /* not the shortest form */
            return in->status == KN_OK ? value : 0;
        }
    }
    return 0;
}

/* Nearly all have one byte. */
static unsigned __int128 get(struct reader *in)
{
    if (in->status != KN_OK || in->data.len == 0 || (uint8_t)*in->data.ptr > 0x7f)
        return get_long(in);
    in->data.len--;
    return (uint8_t)*in->data.ptr++;
}

static enum kn_status read_buckets(struct kn_sketch *sketch, struct reader *in, uint32_t len)
{
    int64_t before = -1;
    for (uint32_t i = 0; i < len; i++) {
        unsigned __int128 distance = get(in);
        __int128 count = unzigzag(get(in));
        if (in->status != KN_OK)
            return in->status;
        if (distance >= (unsigned __int128)(KN_SKETCH_BUCKETS - 1 - before) || count == 0 ||
            count > COUNT_MAX || count < -COUNT_MAX || !in_range(sketch->count + (int64_t)count))
            return KN_INVALID;
        before += 1 + (int64_t)distance;
        uint32_t index = (uint32_t)before;
        sketch->buckets[sketch->len++] =
            (struct kn_sketch_bucket){.index = index, .count = (int64_t)count};
        sketch->count += (int64_t)count;
    }
    kn_i128 sum = unzigzag(get(in));
    if (in->status != KN_OK)
        return in->status;
    if (!sum_in_range(sum))
        return KN_INVALID;
    sketch->sum_us = sum;
    return in->data.len == 0 ? KN_OK : KN_INVALID;
}

enum kn_status kn_sketch_decode(struct kn_sketch *sketch, struct kn_str data)
{
    kn_sketch_clear(sketch);
    if (data.len == 0)
        return KN_OK;
    struct reader in = {.data = data};
    unsigned __int128 version = get(&in);
    unsigned __int128 len = get(&in);
    enum kn_status status = in.status;
    if (status == KN_OK && version != VERSION)
        status = KN_VERSION;
    if (status == KN_OK && len > KN_SKETCH_BUCKETS)
        status = KN_INVALID;
    if (status == KN_OK)
        status = grow(sketch, (uint32_t)len);
    if (status == KN_OK)
        status = read_buckets(sketch, &in, (uint32_t)len);
    if (status != KN_OK)
        kn_sketch_clear(sketch);
    return status;
}
