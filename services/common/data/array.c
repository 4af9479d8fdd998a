#include "services/common/data/array.h"

#include <stdlib.h>

bool kn_array_grow(void *items, size_t *cap, size_t count, size_t size)
{
    if (count < *cap)
        return true;
    size_t bigger = *cap ? *cap * 2 : 256;
    void *memory = realloc(*(void **)items, bigger * size);
    if (!memory)
        return false;
    *(void **)items = memory;
    *cap = bigger;
    return true;
}
