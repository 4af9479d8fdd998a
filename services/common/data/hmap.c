#include "services/common/data/hmap.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE_MIN = 64 };

void hmap_fini(struct hmap *map)
{
    free(map->slots);
    *map = (struct hmap){0};
}

void hmap_clear(struct hmap *map)
{
    if (map->used)
        memset(map->slots, 0, map->size * sizeof *map->slots);
    map->used = 0;
}

bool hmap_next(const struct hmap *map, uint64_t hash, size_t *at, uint32_t *ret)
{
    for (size_t i = *at; i < map->size; i++) {
        const struct hmap_slot *slot = &map->slots[(hash + i) & (map->size - 1)];
        if (!slot->value)
            return false;
        if (slot->hash == hash) {
            *at = i + 1;
            *ret = slot->value - 1;
            return true;
        }
    }
    return false;
}

static void put(struct hmap *map, uint64_t hash, uint32_t value)
{
    size_t i = hash & (map->size - 1);
    while (map->slots[i].value)
        i = (i + 1) & (map->size - 1);
    map->slots[i] = (struct hmap_slot){hash, value};
}

static enum kn_status grow(struct hmap *map)
{
    struct hmap bigger = {.size = map->size ? map->size * 2 : SIZE_MIN, .used = map->used};
    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (!bigger.slots)
        return KN_NOMEM;
    for (size_t i = 0; i < map->size; i++) {
        if (map->slots[i].value)
            put(&bigger, map->slots[i].hash, map->slots[i].value);
    }
    free(map->slots);
    *map = bigger;
    return KN_OK;
}

enum kn_status hmap_add(struct hmap *map, uint64_t hash, uint32_t value)
{
    if (map->used * 2 >= map->size) {
        enum kn_status status = grow(map);
        if (status != KN_OK)
            return status;
    }
    put(map, hash, value + 1);
    map->used++;
    return KN_OK;
}
