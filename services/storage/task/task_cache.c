#include "services/storage/task/task_cache.h"

#include <stdlib.h>

/* A row takes some 500 bytes, and has a new one with each change. */
enum { RING = 8 << 20, ROW_MAX = RING / 16, SLOTS = 1 << 15, WAYS = 4 };

/* Where a row begins, counted from the first that was ever written. A place in the ring
 * holds what was written there last. */
struct task_cache_slot {
    uint64_t hash;
    uint64_t at; /* + 1; 0: free */
};

enum kn_status task_cache_init(struct task_cache *cache)
{
    *cache =
        (struct task_cache){.ring = malloc(RING), .slots = calloc(SLOTS, sizeof *cache->slots)};
    if (cache->ring && cache->slots)
        return KN_OK;
    task_cache_fini(cache);
    return KN_NOMEM;
}

void task_cache_fini(struct task_cache *cache)
{
    free(cache->ring);
    free(cache->slots);
    *cache = (struct task_cache){0};
}

void task_cache_clear(struct task_cache *cache)
{
    cache->floor = cache->head;
}

static bool is_there(const struct task_cache *cache, const struct task_cache_slot *slot)
{
    return slot->at && slot->at - 1 >= cache->floor && cache->head - (slot->at - 1) <= RING;
}

/* The slot of a hash, else the one to be replaced by it. */
static struct task_cache_slot *slot_for(const struct task_cache *cache, uint64_t hash)
{
    struct task_cache_slot *set = &cache->slots[hash % (SLOTS / WAYS) * WAYS], *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == hash)
            return &set[i];
        if (set[i].at < oldest->at)
            oldest = &set[i];
    }
    return oldest;
}

/* ---- a row: for each column its kind, then a number, or a text behind its length ------- */

static bool is_text(enum db_kind kind)
{
    return kind == DB_TEXT || kind == DB_BLOB;
}

static size_t size_of(const struct db_value *columns)
{
    size_t size = 0;
    for (size_t i = 0; i < TASK_COLUMNS; i++) {
        size += 1 + (columns[i].kind == DB_NULL ? 0 : sizeof(uint64_t));
        if (is_text(columns[i].kind))
            size += columns[i].str.len;
    }
    return size;
}

static void write_row(char *to, const struct db_value *columns)
{
    for (size_t i = 0; i < TASK_COLUMNS; i++) {
        const struct db_value *value = &columns[i];
        *to++ = (char)value->kind;
        if (value->kind == DB_NULL)
            continue;
        const void *number = value->kind == DB_F64   ? (const void *)&value->f64
                             : value->kind == DB_I64 ? (const void *)&value->i64
                                                     : (const void *)&value->str.len;
        memcpy(to, number, sizeof(uint64_t));
        to += sizeof(uint64_t);
        if (!is_text(value->kind))
            continue;
        if (value->str.len)
            memcpy(to, value->str.ptr, value->str.len);
        to += value->str.len;
    }
}

static void read_row(const char *from, struct db_value *ret)
{
    for (size_t i = 0; i < TASK_COLUMNS; i++) {
        struct db_value *value = &ret[i];
        *value = (struct db_value){.kind = (enum db_kind) * from++};
        if (value->kind == DB_NULL)
            continue;
        void *number = value->kind == DB_F64   ? (void *)&value->f64
                       : value->kind == DB_I64 ? (void *)&value->i64
                                               : (void *)&value->str.len;
        memcpy(number, from, sizeof(uint64_t));
        from += sizeof(uint64_t);
        if (!is_text(value->kind))
            continue;
        value->str.ptr = from;
        from += value->str.len;
    }
}
_Static_assert(sizeof(uint64_t) == sizeof(size_t) && sizeof(uint64_t) == sizeof(double),
               "all numbers have one size");

/* ---- keeping and finding ------------------------------------------------------------- */

void task_cache_put(struct task_cache *cache, const struct db_value columns[TASK_COLUMNS])
{
    struct task_row key;
    task_row_peek(columns, &key);
    struct task_cache_slot *slot = slot_for(cache, key.hash);
    size_t size = size_of(columns), left = RING - cache->head % RING;
    *slot = (struct task_cache_slot){0};
    if (size > ROW_MAX)
        return;
    if (size > left) /* a row is stored in one piece */
        cache->head += left;
    write_row(cache->ring + cache->head % RING, columns);
    *slot = (struct task_cache_slot){key.hash, cache->head + 1};
    cache->head += size;
}

bool task_cache_find(struct task_cache *cache, const struct task_row *key,
                     struct db_value ret[TASK_COLUMNS])
{
    struct task_row row;
    const struct task_cache_slot *slot = slot_for(cache, key->hash);
    if (slot->hash == key->hash && is_there(cache, slot)) {
        read_row(cache->ring + (slot->at - 1) % RING, ret);
        task_row_peek(ret, &row);
        if (row.source == key->source && kn_str_eq(row.id, key->id)) {
            cache->found++;
            return true;
        }
    }
    cache->missed++;
    return false;
}
