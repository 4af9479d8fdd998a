/* Quantile sketch: the distribution of a set of durations, with a relative error
 * below 1 %, in a few hundred bytes.
 *
 * It is a DDSketch (Masson, Rim, Lee, 2019) with the linearly interpolated
 * mapping: values are rounded to whole microseconds. Below 128 µs each value has its
 * own bucket; above that, each power of two is divided into 64 equal buckets. All
 * arithmetic is on integers, so equal multisets of values have equal sketches and
 * equal bytes, regardless of the machine and of the order in which values were added,
 * removed and merged. Buckets are never merged: added values can be removed exactly.
 *
 * Counts may be negative: such a sketch is subtracted from another one, and its
 * quantiles are meaningless.
 *
 * As bytes (all numbers are LEB128 varints in their shortest form, signed ones
 * zigzag): version 1 | number of buckets | per bucket: distance of its index from
 * the one before, minus 1 (the first: its index); count, not 0 | sum in µs. */
#ifndef KN_COMMON_DATA_SKETCH_H
#define KN_COMMON_DATA_SKETCH_H

#include "services/common/text/buf.h"

enum { KN_SKETCH_BUCKETS = 2880 }; /* the maximum number: 0 to 2^50 µs */

typedef __int128 kn_i128;

struct kn_sketch_bucket {
    uint32_t index;
    int64_t count;
};

/* Read the members through the functions below. */
struct kn_sketch {
    struct kn_sketch_bucket *buckets; /* by index, none with count 0 */
    uint32_t len;
    uint32_t cap;
    int64_t count;
    kn_i128 sum_us;
};

/* Allocates nothing yet. */
void kn_sketch_init(struct kn_sketch *sketch);
/* Frees; sketch may be used again. NULL is allowed. */
void kn_sketch_fini(struct kn_sketch *sketch);
/* Empties it; keeps the memory. */
void kn_sketch_clear(struct kn_sketch *sketch);

/* Adds the value n times, or removes it -n times. Values below 0 count as 0, above
 * 35 years as 35 years. INVALID for nan, TOO_BIG if a count overflows, NOMEM;
 * the sketch is unchanged on failure. */
enum kn_status kn_sketch_add(struct kn_sketch *sketch, double seconds, int64_t n) KN_MUST_CHECK;
/* Adds or removes all of other. Fails like kn_sketch_add. */
enum kn_status kn_sketch_merge(struct kn_sketch *sketch,
                               const struct kn_sketch *other) KN_MUST_CHECK;
enum kn_status kn_sketch_subtract(struct kn_sketch *sketch,
                                  const struct kn_sketch *other) KN_MUST_CHECK;

/* True if adding it to another sketch would change nothing. */
bool kn_sketch_is_zero(const struct kn_sketch *sketch);
/* Number of values; negative if more were removed than added. */
int64_t kn_sketch_count(const struct kn_sketch *sketch);
/* Seconds; exact to the microsecond of each value. */
double kn_sketch_sum(const struct kn_sketch *sketch);

/* True if there is a value; sets *ret (seconds). q from 0 to 1. The minimum and
 * maximum are those of their buckets. */
bool kn_sketch_mean(const struct kn_sketch *sketch, double *ret);
bool kn_sketch_quantile(const struct kn_sketch *sketch, double q, double *ret);
/* Several in one pass; q ascends. */
bool kn_sketch_quantiles(const struct kn_sketch *sketch, const double *q, size_t count,
                         double *ret);
bool kn_sketch_min(const struct kn_sketch *sketch, double *ret);
bool kn_sketch_max(const struct kn_sketch *sketch, double *ret);

/* Appends the bytes. Errors stay in out. */
void kn_sketch_encode(const struct kn_sketch *sketch, struct kn_buf *out);
/* Replaces the contents of sketch. Empty data is an empty sketch. VERSION, TRUNCATED,
 * INVALID or NOMEM; the sketch is empty on failure. */
enum kn_status kn_sketch_decode(struct kn_sketch *sketch, struct kn_str data) KN_MUST_CHECK;

#endif
