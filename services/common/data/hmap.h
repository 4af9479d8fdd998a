/* A hash table of numbers. The caller defines their meaning and compares entries with equal
 * hashes. Open addressing; grows; no removal. */
#ifndef KN_COMMON_DATA_HMAP_H
#define KN_COMMON_DATA_HMAP_H

#include "services/common/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hmap_slot {
    uint64_t hash;
    uint32_t value; /* + 1; 0: free */
};
struct hmap {
    struct hmap_slot *slots;
    size_t size; /* a power of two, or 0 */
    size_t used;
};

/* A zeroed struct is an empty table. */
void hmap_fini(struct hmap *map);
/* Empties it; keeps the memory. */
void hmap_clear(struct hmap *map);

/* The next value with this hash. Start with *at = 0; false if there are no more. */
bool hmap_next(const struct hmap *map, uint64_t hash, size_t *at, uint32_t *ret);
enum kn_status hmap_add(struct hmap *map, uint64_t hash, uint32_t value) KN_MUST_CHECK;

/* Spreads the bits of a number. */
static inline uint64_t hmap_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

#endif
