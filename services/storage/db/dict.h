/* Maps repeated names to small numbers: sources, task names, queues, hosts. A bounded cache in
 * front of the table dict. 0 means "absent".
 *
 * Thread-safe: a lock guards the cache. Each thread uses its own connection. */
#ifndef KN_STORAGE_DB_DICT_H
#define KN_STORAGE_DB_DICT_H

#include "services/storage/db/db.h"

enum dict_kind { DICT_SOURCE = 1, DICT_NAME, DICT_QUEUE, DICT_HOST };

struct dict;

/* max: number of cached entries; a full cache is emptied. */
struct dict *dict_new(size_t max);
void dict_free(struct dict *dict);

/* The number of text; NOT_FOUND if it has none. */
enum kn_status dict_find(struct dict *dict, struct db *db, enum dict_kind kind, struct kn_str text,
                         int64_t *ret) KN_MUST_CHECK;
/* The same, but assigns a new number if needed. In a transaction. */
enum kn_status dict_number(struct dict *dict, struct db *db, enum dict_kind kind,
                           struct kn_str text, int64_t *ret) KN_MUST_CHECK;
/* The text of a number, copied into the arena; absent for 0 and unknown numbers. */
enum kn_status dict_text(struct dict *dict, struct db *db, int64_t number, struct kn_arena *arena,
                         struct kn_str *ret) KN_MUST_CHECK;
/* Clears the cache: numbers assigned in a transaction that was rolled back are invalid. */
void dict_forget(struct dict *dict);

/* All sources ever seen, by name; at most SOURCES_MAX. Texts are in the arena. */
enum { SOURCES_MAX = 100 };
struct dict_sources {
    struct dict_source {
        int64_t number;
        struct kn_str name;
    } items[SOURCES_MAX];
    size_t count;
    struct kn_arena *arena;
};
enum kn_status dict_sources(struct db *db, struct kn_arena *arena,
                            struct dict_sources *ret) KN_MUST_CHECK;

#endif
