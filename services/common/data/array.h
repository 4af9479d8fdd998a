/* Arrays on the heap that grow by doubling. */
#ifndef KN_COMMON_DATA_ARRAY_H
#define KN_COMMON_DATA_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Makes room for one more element. items: address of the pointer to the first, which may move;
 * count: number of elements. False: out of memory; nothing has changed. */
bool kn_array_grow(void *items, size_t *cap, size_t count, size_t size);

#endif
