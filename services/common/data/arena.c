#include "services/common/data/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { BLOCK_MIN = 16 * 1024 };

struct kn_arena_block {
    struct kn_arena_block *next;
    size_t used;
    size_t cap;
    alignas(max_align_t) char data[];
};

void kn_arena_init(struct kn_arena *arena, size_t max)
{
    *arena = (struct kn_arena){.max = max ? max : (size_t)1 << 30};
}

static void free_blocks(struct kn_arena *arena, struct kn_arena_block *block)
{
    while (block) {
        struct kn_arena_block *next = block->next;
        kn_budget_give(arena->budget, block->cap);
        free(block);
        block = next;
    }
}

void kn_arena_fini(struct kn_arena *arena)
{
    free_blocks(arena, arena->blocks);
    *arena = (struct kn_arena){.max = arena->max, .budget = arena->budget};
}

void kn_arena_reset(struct kn_arena *arena)
{
    /* the newest block is the largest: each is at least twice the one before */
    struct kn_arena_block *keep = arena->blocks;
    arena->overflow = false;
    if (!keep)
        return;
    free_blocks(arena, keep->next);
    keep->next = NULL;
    keep->used = 0;
    arena->total = keep->cap;
}

static struct kn_arena_block *add_block(struct kn_arena *arena, size_t size)
{
    size_t cap = arena->blocks ? arena->blocks->cap * 2 : BLOCK_MIN;
    size_t left = arena->max - arena->total;
    if (cap < size)
        cap = size;
    if (cap > left)
        cap = left;
    if (cap < size)
        return NULL;
    if (!kn_budget_take(arena->budget, cap))
        return NULL;
    struct kn_arena_block *block = malloc(sizeof *block + cap);
    if (!block) {
        kn_budget_give(arena->budget, cap);
        return NULL;
    }
    block->used = 0;
    block->cap = cap;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->total += cap;
    return block;
}

/* Not zeroed. */
static void *take(struct kn_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > arena->max) {
        arena->overflow = true;
        return NULL;
    }
    size = (size + align - 1) / align * align;
    struct kn_arena_block *block = arena->blocks;
    if (!block || block->cap - block->used < size)
        block = add_block(arena, size);
    if (!block) {
        arena->overflow = true;
        return NULL;
    }
    void *p = block->data + block->used;
    block->used += size;
    return p;
}

void *kn_arena_alloc(struct kn_arena *arena, size_t size)
{
    void *p = take(arena, size);
    return p ? memset(p, 0, size) : NULL;
}

void *kn_arena_array(struct kn_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        arena->overflow = true;
        return NULL;
    }
    return kn_arena_alloc(arena, bytes);
}

struct kn_str kn_arena_str(struct kn_arena *arena, struct kn_str s)
{
    if (!s.ptr)
        return KN_STR_ABSENT;
    char *p = take(arena, s.len + 1);
    if (!p)
        return KN_STR_ABSENT;
    if (s.len)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return (struct kn_str){p, s.len};
}
