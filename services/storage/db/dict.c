#include "services/storage/db/dict.h"

#include "services/common/data/hmap.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
    int64_t number;
    struct kn_str text;
    enum dict_kind kind; /* 0 when only the number was asked for */
};

struct dict {
    pthread_mutex_t lock; /* all below */
    struct entry *entries;
    size_t count;
    size_t max;
    struct kn_arena texts;
    struct hmap by_text;
    struct hmap by_number;
};

struct dict *dict_new(size_t max)
{
    struct dict *dict = calloc(1, sizeof *dict);
    if (!dict)
        return NULL;
    pthread_mutex_init(&dict->lock, NULL);
    kn_arena_init(&dict->texts, 0);
    dict->max = max;
    dict->entries = calloc(max, sizeof *dict->entries);
    if (!dict->entries) {
        dict_free(dict);
        return NULL;
    }
    return dict;
}

void dict_free(struct dict *dict)
{
    if (!dict)
        return;
    free(dict->entries);
    hmap_fini(&dict->by_text);
    hmap_fini(&dict->by_number);
    kn_arena_fini(&dict->texts);
    pthread_mutex_destroy(&dict->lock);
    free(dict);
}

static void forget(struct dict *dict)
{
    dict->count = 0;
    hmap_clear(&dict->by_text);
    hmap_clear(&dict->by_number);
    kn_arena_reset(&dict->texts);
}

void dict_forget(struct dict *dict)
{
    pthread_mutex_lock(&dict->lock);
    forget(dict);
    pthread_mutex_unlock(&dict->lock);
}

static uint64_t text_hash(enum dict_kind kind, struct kn_str text)
{
    return hmap_mix(kn_hash64((uint64_t)kind, text.ptr, text.len));
}

static bool cached_number(struct dict *dict, enum dict_kind kind, struct kn_str text, int64_t *ret)
{
    size_t at = 0;
    uint32_t i;
    uint64_t hash = text_hash(kind, text);
    bool found = false;
    pthread_mutex_lock(&dict->lock);
    while (!found && hmap_next(&dict->by_text, hash, &at, &i)) {
        const struct entry *entry = &dict->entries[i];
        if (entry->kind == kind && kn_str_eq(entry->text, text)) {
            *ret = entry->number;
            found = true;
        }
    }
    pthread_mutex_unlock(&dict->lock);
    return found;
}

/* That memory is out only means that it is not cached. */
static void remember(struct dict *dict, enum dict_kind kind, struct kn_str text, int64_t number)
{
    pthread_mutex_lock(&dict->lock);
    if (dict->count == dict->max)
        forget(dict);
    uint32_t i = (uint32_t)dict->count;
    struct kn_str copy = kn_arena_str(&dict->texts, text);
    if (copy.ptr) {
        dict->entries[i] = (struct entry){number, copy, kind};
        dict->count++;
        if ((kind && hmap_add(&dict->by_text, text_hash(kind, text), i) != KN_OK) ||
            hmap_add(&dict->by_number, hmap_mix((uint64_t)number), i) != KN_OK)
            forget(dict);
    }
    pthread_mutex_unlock(&dict->lock);
}

static enum kn_status take_number(void *arg, const struct db_value *columns)
{
    *(int64_t *)arg = db_as_i64(columns[0]);
    return KN_OK;
}

enum kn_status dict_find(struct dict *dict, struct db *db, enum dict_kind kind, struct kn_str text,
                         int64_t *ret)
{
    int64_t number = 0;
    if (!text.ptr) {
        *ret = 0;
        return KN_OK;
    }
    if (cached_number(dict, kind, text, ret))
        return KN_OK;
    const struct db_value values[] = {db_i64(kind), db_text(text)};
    enum kn_status status = db_run(db, SQL_DICT_FIND, values, take_number, &number);
    if (status != KN_OK)
        return status;
    if (!number)
        return KN_NOT_FOUND;
    remember(dict, kind, text, number);
    *ret = number;
    return KN_OK;
}

enum kn_status dict_number(struct dict *dict, struct db *db, enum dict_kind kind,
                           struct kn_str text, int64_t *ret)
{
    enum kn_status status = dict_find(dict, db, kind, text, ret);
    if (status != KN_NOT_FOUND)
        return status;
    const struct db_value values[] = {db_i64(kind), db_text(text)};
    status = db_run(db, SQL_DICT_NEW, values, NULL, NULL);
    if (status == KN_OK)
        status = dict_find(dict, db, kind, text, ret);
    return status == KN_NOT_FOUND ? KN_INTERNAL : status;
}

static bool cached_text(struct dict *dict, int64_t number, struct kn_arena *arena,
                        struct kn_str *ret)
{
    size_t at = 0;
    uint32_t i;
    bool found = false;
    pthread_mutex_lock(&dict->lock);
    while (!found && hmap_next(&dict->by_number, hmap_mix((uint64_t)number), &at, &i)) {
        if (dict->entries[i].number == number) {
            *ret = kn_arena_str(arena, dict->entries[i].text);
            found = true;
        }
    }
    pthread_mutex_unlock(&dict->lock);
    return found;
}

struct text_row {
    struct kn_arena *arena;
    struct kn_str text;
};

static enum kn_status take_text(void *arg, const struct db_value *columns)
{
    struct text_row *row = arg;
    row->text = kn_arena_str(row->arena, db_as_str(columns[0]));
    return row->text.ptr ? KN_OK : KN_NOMEM;
}

enum kn_status dict_text(struct dict *dict, struct db *db, int64_t number, struct kn_arena *arena,
                         struct kn_str *ret)
{
    struct kn_str text = KN_STR_ABSENT;
    if (number && !cached_text(dict, number, arena, &text)) {
        struct text_row row = {arena, KN_STR_ABSENT};
        const struct db_value values[] = {db_i64(number)};
        enum kn_status status = db_run(db, SQL_DICT_TEXT, values, take_text, &row);
        if (status != KN_OK)
            return status;
        text = row.text;
        if (text.ptr)
            remember(dict, 0, text, number);
    }
    *ret = text;
    return KN_OK;
}

/* ---- sources -------------------------------------------------------------------------- */

static enum kn_status take_source(void *arg, const struct db_value *columns)
{
    struct dict_sources *sources = arg;
    struct kn_str name = kn_arena_str(sources->arena, db_as_str(columns[1]));
    if (!name.ptr)
        return KN_NOMEM;
    sources->items[sources->count++] = (struct dict_source){db_as_i64(columns[0]), name};
    return KN_OK;
}

static int by_name(const void *a, const void *b)
{
    return kn_str_cmp(((const struct dict_source *)a)->name, ((const struct dict_source *)b)->name);
}

enum kn_status dict_sources(struct db *db, struct kn_arena *arena, struct dict_sources *ret)
{
    const struct db_value values[] = {db_i64(DICT_SOURCE), db_text(KN_STR("")),
                                      db_i64(SOURCES_MAX)};
    ret->count = 0;
    ret->arena = arena;
    enum kn_status status = db_run(db, SQL_DICT_OF_KIND, values, take_source, ret);
    if (ret->count)
        qsort(ret->items, ret->count, sizeof *ret->items, by_name);
    return status;
}
