/* A bounded table of things that have a source and a name. An entry begins with
 * a struct aggr_entry, and is zeroed when it is made. One thread. */
#ifndef AGGREGATION_TABLE_H
#define AGGREGATION_TABLE_H

#include "services/common/buf.h"

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->linked = false)
#include <uthash.h>

struct aggr_entry {
    struct kn_str source, name; /* in the entry's own memory */
    UT_hash_handle hh;
    bool linked;
};

struct aggr_table {
    struct aggr_entry *entries;
    size_t entry_size;
    size_t max;
    uint64_t left_out; /* how often there was no room, or no memory */
    struct kn_buf key;
};

void aggr_table_init(struct aggr_table *table, size_t entry_size, size_t max);
void aggr_table_fini(struct aggr_table *table);

/* NULL when there is none. */
struct aggr_entry *aggr_table_find(const struct aggr_table *table, struct kn_str source,
                                   struct kn_str name);
/* Makes it when there is none; NULL when the table is full or memory is out. */
struct aggr_entry *aggr_table_need(struct aggr_table *table, struct kn_str source,
                                   struct kn_str name);
void aggr_table_remove(struct aggr_table *table, struct aggr_entry *entry);

/* In the order in which they were made; NULL at the end. */
struct aggr_entry *aggr_table_first(const struct aggr_table *table);
struct aggr_entry *aggr_table_next(const struct aggr_entry *entry);
size_t aggr_table_count(const struct aggr_table *table);

#endif
