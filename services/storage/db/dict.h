/* Names that repeat, as small numbers: sources, task names, queues, hosts. A
 * bounded cache before the table dict. 0 stands for "absent".
 *
 * For several threads, each with its own connection; a lock guards the cache. */
#ifndef KN_STORAGE_DB_DICT_H
#define KN_STORAGE_DB_DICT_H

#include "services/storage/db/db.h"

enum dict_kind { DICT_SOURCE = 1, DICT_NAME, DICT_QUEUE, DICT_HOST };

struct dict;

/* max: entries that are cached; at the bound the cache begins anew. */
struct dict *dict_new(size_t max);
void dict_free(struct dict *dict);

/* The number of text; NOT_FOUND when it has none. */
enum kn_status dict_find(struct dict *dict, struct db *db, enum dict_kind kind, struct kn_str text,
                         int64_t *ret) KN_MUST_CHECK;
/* Likewise, but gives it one. In a transaction. */
enum kn_status dict_number(struct dict *dict, struct db *db, enum dict_kind kind,
                           struct kn_str text, int64_t *ret) KN_MUST_CHECK;
/* The text of a number, copied into the arena; absent for 0 and when it is unknown. */
enum kn_status dict_text(struct dict *dict, struct db *db, int64_t number, struct kn_arena *arena,
                         struct kn_str *ret) KN_MUST_CHECK;
/* Forgets the cache: numbers given in a transaction that was rolled back are void. */
void dict_forget(struct dict *dict);

/* All sources that were ever heard of, by name; at most SOURCES_MAX. Texts are in the arena. */
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
