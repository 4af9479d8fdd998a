/* A bounded table of entries with a source and a name. An entry begins with
 * a struct kn_table_entry and is zeroed when created. Not thread-safe. */
#ifndef KN_COMMON_DATA_TABLE_H
#define KN_COMMON_DATA_TABLE_H

#include "services/common/text/buf.h"

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->linked = false)
#include <uthash.h>

struct kn_table_entry {
    struct kn_str source, name; /* in the entry's own memory */
    UT_hash_handle hh;
    bool linked;
};

struct kn_table {
    struct kn_table_entry *entries;
    size_t entry_size;
    size_t max;
    uint64_t left_out; /* insertions refused for lack of room or memory */
    struct kn_buf key;
};

void kn_table_init(struct kn_table *table, size_t entry_size, size_t max);
void kn_table_fini(struct kn_table *table);

/* NULL when there is none. */
struct kn_table_entry *kn_table_find(const struct kn_table *table, struct kn_str source,
                                     struct kn_str name);
/* Creates the entry if missing; NULL if the table is full or out of memory. */
struct kn_table_entry *kn_table_need(struct kn_table *table, struct kn_str source,
                                     struct kn_str name);
/* The same, but a full table evicts its oldest entry. */
struct kn_table_entry *kn_table_need_newest(struct kn_table *table, struct kn_str source,
                                            struct kn_str name);
void kn_table_remove(struct kn_table *table, struct kn_table_entry *entry);

/* In order of creation; NULL at the end. */
struct kn_table_entry *kn_table_first(const struct kn_table *table);
struct kn_table_entry *kn_table_next(const struct kn_table_entry *entry);
size_t kn_table_count(const struct kn_table *table);

#endif
