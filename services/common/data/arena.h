/* Memory that is freed all at once: one arena per batch, message or request.
 * Not safe for several threads. */
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
    struct kn_budget *budget; /* that its blocks are taken from; NULL: none */
};

/* max: the most bytes that it may hold, 0 for 1 GiB. Allocates nothing yet. A budget is set
 * right after. */
void kn_arena_init(struct kn_arena *arena, size_t max);
void kn_arena_fini(struct kn_arena *arena);
/* Forgets everything but keeps the largest block for the next round. */
void kn_arena_reset(struct kn_arena *arena);

/* Aligned for any type, zeroed. NULL when max is reached, or budget or memory is out
 * (overflow is set then, so that it can be asked once at the end). */
void *kn_arena_alloc(struct kn_arena *arena, size_t size);
/* count * size, checked. */
void *kn_arena_array(struct kn_arena *arena, size_t count, size_t size);
/* A copy of s; absent stays absent, also when memory is out. The copy ends with
 * a NUL that is not counted. */
struct kn_str kn_arena_str(struct kn_arena *arena, struct kn_str s);

#endif
