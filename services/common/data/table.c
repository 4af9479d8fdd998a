#include "services/common/data/table.h"

#include <stdlib.h>

void kn_table_init(struct kn_table *table, size_t entry_size, size_t max)
{
    *table = (struct kn_table){.entry_size = entry_size, .max = max};
    kn_buf_init(&table->key, 0);
}

void kn_table_fini(struct kn_table *table)
{
    struct kn_table_entry *entry, *next;
    HASH_ITER (hh, table->entries, entry, next)
        kn_table_remove(table, entry);
    kn_buf_fini(&table->key);
}

/* The key is source and name, one after the other, with the length of the first
 * between them; entries keep it behind their own bytes. */
static bool write_key(const struct kn_table *table, struct kn_str source, struct kn_str name)
{
    struct kn_buf *key = (struct kn_buf *)&table->key;
    size_t len = source.len;
    kn_buf_clear(key);
    kn_buf_str(key, source);
    kn_buf_str(key, name);
    kn_buf_append(key, &len, sizeof len);
    return kn_buf_status(key) == KN_OK;
}

struct kn_table_entry *kn_table_find(const struct kn_table *table, struct kn_str source,
                                     struct kn_str name)
{
    if (!write_key(table, source, name))
        return NULL;
    struct kn_table_entry *entry;
    HASH_FIND(hh, table->entries, table->key.data, table->key.len, entry);
    return entry;
}

static struct kn_table_entry *entry_new(const struct kn_table *table, size_t source_len,
                                        size_t name_len)
{
    struct kn_table_entry *entry = calloc(1, table->entry_size + table->key.len);
    if (!entry)
        return NULL;
    char *key = (char *)entry + table->entry_size;
    memcpy(key, table->key.data, table->key.len);
    entry->source = (struct kn_str){key, source_len};
    entry->name = (struct kn_str){key + source_len, name_len};
    return entry;
}

struct kn_table_entry *kn_table_need(struct kn_table *table, struct kn_str source,
                                     struct kn_str name)
{
    struct kn_table_entry *entry = kn_table_find(table, source, name);
    if (entry)
        return entry;
    if (kn_table_count(table) < table->max && kn_buf_status(&table->key) == KN_OK)
        entry = entry_new(table, source.len, name.len);
    if (entry) {
        entry->linked = true;
        HASH_ADD_KEYPTR(hh, table->entries, entry->source.ptr, table->key.len, entry);
        if (!entry->linked) {
            free(entry);
            entry = NULL;
        }
    }
    table->left_out += entry == NULL;
    return entry;
}

struct kn_table_entry *kn_table_need_newest(struct kn_table *table, struct kn_str source,
                                            struct kn_str name)
{
    if (kn_table_count(table) == table->max && !kn_table_find(table, source, name))
        kn_table_remove(table, kn_table_first(table));
    return kn_table_need(table, source, name);
}

void kn_table_remove(struct kn_table *table, struct kn_table_entry *entry)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow uthash */
    HASH_DEL(table->entries, entry);
    free(entry);
}

struct kn_table_entry *kn_table_first(const struct kn_table *table)
{
    return table->entries;
}

struct kn_table_entry *kn_table_next(const struct kn_table_entry *entry)
{
    return entry->hh.next;
}

size_t kn_table_count(const struct kn_table *table)
{
    return HASH_COUNT(table->entries);
}
