/* A bounded table of things that have a source and a name. An entry begins with
 * a struct kn_table_entry, and is zeroed when it is made. One thread. */
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
    uint64_t left_out; /* how often there was no room, or no memory */
    struct kn_buf key;
};

void kn_table_init(struct kn_table *table, size_t entry_size, size_t max);
void kn_table_fini(struct kn_table *table);

/* NULL when there is none. */
struct kn_table_entry *kn_table_find(const struct kn_table *table, struct kn_str source,
                                     struct kn_str name);
/* Makes it when there is none; NULL when the table is full or memory is out. */
struct kn_table_entry *kn_table_need(struct kn_table *table, struct kn_str source,
                                     struct kn_str name);
/* The same, but in a full table the entry that was made first makes room. */
struct kn_table_entry *kn_table_need_newest(struct kn_table *table, struct kn_str source,
                                            struct kn_str name);
void kn_table_remove(struct kn_table *table, struct kn_table_entry *entry);

/* In the order in which they were made; NULL at the end. */
struct kn_table_entry *kn_table_first(const struct kn_table *table);
struct kn_table_entry *kn_table_next(const struct kn_table_entry *entry);
size_t kn_table_count(const struct kn_table *table);

#endif
