/* Memory that is freed as a whole: one arena per batch, message or request.
 * Not thread-safe. */
#ifndef KN_COMMON_DATA_ARENA_H
#define KN_COMMON_DATA_ARENA_H

#include "services/common/budget.h"
#include "services/common/status.h"
#include "services/common/text/str.h"

struct kn_arena_block;

struct kn_arena {
    struct kn_arena_block *blocks;
    size_t total;             /* bytes in all blocks */
    size_t max;               /* bytes; an allocation beyond it fails */
    bool overflow;            /* an allocation failed since the last reset */
    struct kn_budget *budget; /* charged for its blocks; NULL: none */
};

/* max: maximum size in bytes, 0 for 1 GiB. Allocates nothing yet. Set a budget
 * right after. */
void kn_arena_init(struct kn_arena *arena, size_t max);
void kn_arena_fini(struct kn_arena *arena);
/* Frees everything except the largest block, which is reused. */
void kn_arena_reset(struct kn_arena *arena);

/* Aligned for any type, zeroed. NULL if max or the budget is reached or memory is exhausted;
 * this also sets overflow, which can be checked once at the end. */
void *kn_arena_alloc(struct kn_arena *arena, size_t size);
/* count * size, checked. */
void *kn_arena_array(struct kn_arena *arena, size_t count, size_t size);
/* A copy of s; an absent string stays absent. Absent if out of memory. The copy ends with
 * a NUL that is not counted. */
struct kn_str kn_arena_str(struct kn_arena *arena, struct kn_str s);

#endif
