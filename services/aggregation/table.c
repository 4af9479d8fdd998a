#include "services/aggregation/table.h"

#include <stdlib.h>

void aggr_table_init(struct aggr_table *table, size_t entry_size, size_t max)
{
    *table = (struct aggr_table){.entry_size = entry_size, .max = max};
    kn_buf_init(&table->key, 0);
}

void aggr_table_fini(struct aggr_table *table)
{
    struct aggr_entry *entry, *next;
    HASH_ITER (hh, table->entries, entry, next)
        aggr_table_remove(table, entry);
    kn_buf_fini(&table->key);
}

/* The key is source and name, one after the other, with the length of the first
 * between them; entries keep it behind their own bytes. */
static bool write_key(const struct aggr_table *table, struct kn_str source, struct kn_str name)
{
    struct kn_buf *key = (struct kn_buf *)&table->key;
    size_t len = source.len;
    kn_buf_clear(key);
    kn_buf_str(key, source);
    kn_buf_str(key, name);
    kn_buf_append(key, &len, sizeof len);
    return kn_buf_status(key) == KN_OK;
}

struct aggr_entry *aggr_table_find(const struct aggr_table *table, struct kn_str source,
                                   struct kn_str name)
{
    if (!write_key(table, source, name))
        return NULL;
    struct aggr_entry *entry;
    HASH_FIND(hh, table->entries, table->key.data, table->key.len, entry);
    return entry;
}

static struct aggr_entry *entry_new(const struct aggr_table *table, size_t source_len,
                                    size_t name_len)
{
    struct aggr_entry *entry = calloc(1, table->entry_size + table->key.len);
    if (!entry)
        return NULL;
    char *key = (char *)entry + table->entry_size;
    memcpy(key, table->key.data, table->key.len);
    entry->source = (struct kn_str){key, source_len};
    entry->name = (struct kn_str){key + source_len, name_len};
    return entry;
}

struct aggr_entry *aggr_table_need(struct aggr_table *table, struct kn_str source,
                                   struct kn_str name)
{
    struct aggr_entry *entry = aggr_table_find(table, source, name);
    if (entry)
        return entry;
    if (aggr_table_count(table) < table->max && kn_buf_status(&table->key) == KN_OK)
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

void aggr_table_remove(struct aggr_table *table, struct aggr_entry *entry)
{
    HASH_DEL(table->entries, entry);
    free(entry);
}

struct aggr_entry *aggr_table_first(const struct aggr_table *table)
{
    return table->entries;
}

struct aggr_entry *aggr_table_next(const struct aggr_entry *entry)
{
    return entry->hh.next;
}

size_t aggr_table_count(const struct aggr_table *table)
{
    return HASH_COUNT(table->entries);
}
