/* Failures of a period by task name and exception. The failed tasks are walked, the newest
 * first, as many as a request may look at; they are ordered by arrival and not by when
 * they failed, so the walk is over the numbers of all tasks that ended in the period. */
#include "services/storage/read/task_filter.h"

#include "services/common/text/time.h"

#include <stdlib.h>

enum {
    ROWS_MAX = 50000,
    GROUPS_MAX = 1000,
    SLOTS = 4096, /* of the table that finds a group; a power of two */
    SHOWN_DEFAULT = 20,
    SHOWN_MAX = 100,
    EXCEPTION_MAX = 100, /* bytes of a class */
    ERROR_MAX = 512,
};
#define TIME_MAX (30 * INT64_C(1000)) /* µs */

enum { C_NO, C_SOURCE, C_NAME, C_AT, C_ID, C_ERROR };

struct group {
    int64_t source, name;
    struct kn_msg_failure_group said;
};

struct walk {
    struct store_reader *reader;
    struct kn_arena *arena;
    const struct kn_msg_failures_get *get;
    int64_t sources[SOURCES_MAX];
    size_t n_sources;
    struct group *groups;
    size_t n_groups;
    uint16_t *slots; /* number of a group, from 1 */
    uint64_t counted, rows;
    int64_t deadline;
    bool stopped, full;
};

/* "ValueError('no')" is a ValueError; so is "module.ValueError: no". */
static struct kn_str class_of(struct kn_str error)
{
    size_t n = 0;
    while (n < error.len && n < EXCEPTION_MAX && error.ptr[n] != '(' && error.ptr[n] != ':' &&
           error.ptr[n] != '\n' && error.ptr[n] != ' ')
        n++;
    while (n < error.len && n && ((unsigned char)error.ptr[n] & 0xc0) == 0x80)
        n--; /* not within a character */
    return (struct kn_str){error.ptr, n};
}

static uint64_t hash_of(int64_t source, int64_t name, struct kn_str class)
{
    uint64_t hash = hmap_mix((uint64_t)source ^ hmap_mix((uint64_t)name));
    for (size_t i = 0; i < class.len; i++)
        hash = (hash ^ (unsigned char)class.ptr[i]) * UINT64_C(1099511628211);
    return hmap_mix(hash);
}

/* NULL when there are too many, or no memory. */
static struct group *group_of(struct walk *walk, int64_t source, int64_t name, struct kn_str class)
{
    size_t at = hash_of(source, name, class) % SLOTS;
    for (; walk->slots[at]; at = (at + 1) % SLOTS) {
        struct group *group = &walk->groups[walk->slots[at] - 1];
        if (group->source == source && group->name == name &&
            kn_str_eq(group->said.exception, class))
            return group;
    }
    if (walk->n_groups == GROUPS_MAX)
        return NULL;
    struct group *group = &walk->groups[walk->n_groups++];
    *group = (struct group){.source = source, .name = name};
    group->said.exception = kn_arena_str(walk->arena, class);
    walk->slots[at] = (uint16_t)walk->n_groups;
    return group;
}

static bool is_wanted(const struct walk *walk, int64_t source)
{
    for (size_t i = 0; i < walk->n_sources; i++)
        if (walk->sources[i] == source)
            return true;
    return walk->get->sources.count == 0;
}

static struct kn_str cut(struct kn_arena *arena, struct kn_str text, size_t max)
{
    if (text.len > max)
        text.len = max;
    return db_clean_text(arena, kn_arena_str(arena, text));
}

static enum kn_status count_failure(struct walk *walk, const struct db_value *columns, int64_t at)
{
    struct kn_str error = db_as_str(columns[C_ERROR]);
    struct kn_str class = error.ptr ? class_of(error) : KN_STR("");
    struct group *group =
        group_of(walk, db_as_i64(columns[C_SOURCE]), db_as_i64(columns[C_NAME]), class);
    walk->counted++;
    if (!group) {
        walk->full = true;
        return walk->arena->overflow ? KN_NOMEM : KN_OK;
    }
    struct kn_msg_failure_group *said = &group->said;
    said->count++;
    if (!said->first_at || at < said->first_at)
        said->first_at = at;
    if (at < said->last_at)
        return KN_OK;
    said->last_at = at;
    said->last_id = kn_arena_str(walk->arena, db_as_str(columns[C_ID]));
    said->last_error = error.ptr ? cut(walk->arena, error, ERROR_MAX) : KN_STR_ABSENT;
    return walk->arena->overflow ? KN_NOMEM : KN_OK;
}

static enum kn_status see_failure(void *arg, const struct db_value *columns)
{
    struct walk *walk = arg;
    int64_t at = db_as_i64(columns[C_AT]);
    enum kn_status status = KN_OK;
    if (at >= walk->get->from && at < walk->get->to &&
        is_wanted(walk, db_as_i64(columns[C_SOURCE])))
        status = count_failure(walk, columns, at);
    walk->stopped =
        ++walk->rows == ROWS_MAX || (walk->rows % 64 == 0 && kn_time_mono() > walk->deadline);
    return status == KN_OK && walk->stopped ? (enum kn_status)DB_STOP : status;
}

static int most_first(const void *a, const void *b)
{
    const struct kn_msg_failure_group *x = &((const struct group *)a)->said;
    const struct kn_msg_failure_group *y = &((const struct group *)b)->said;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return (x->last_at < y->last_at) - (x->last_at > y->last_at);
}

static enum kn_status name_groups(struct walk *walk, size_t shown, struct kn_msg_failure_list *ret)
{
    struct dict *dict = walk->reader->store->dict;
    struct db *db = walk->reader->db;
    ret->items.items = kn_arena_array(walk->arena, shown + 1, sizeof *ret->items.items);
    if (!ret->items.items)
        return KN_NOMEM;
    for (size_t i = 0; i < shown; i++) {
        struct group *group = &walk->groups[i];
        enum kn_status status =
            dict_text(dict, db, group->source, walk->arena, &group->said.source);
        if (status == KN_OK)
            status = dict_text(dict, db, group->name, walk->arena, &group->said.name);
        if (status != KN_OK)
            return status;
        ret->items.items[ret->items.count++] = group->said;
    }
    return KN_OK;
}

static enum kn_status choose_sources(struct walk *walk)
{
    const struct kn_strs *texts = &walk->get->sources;
    for (size_t i = 0; i < texts->count; i++) {
        enum kn_status status = dict_find(walk->reader->store->dict, walk->reader->db, DICT_SOURCE,
                                          texts->items[i], &walk->sources[walk->n_sources]);
        if (status == KN_OK)
            walk->n_sources++;
        else if (status != KN_NOT_FOUND)
            return status;
    }
    return KN_OK;
}

enum kn_status store_read_failures(struct store_reader *reader,
                                   const struct kn_msg_failures_get *get, struct kn_arena *arena,
                                   struct kn_msg_failure_list *ret, const char **ret_why)
{
    struct walk *walk = kn_arena_alloc(arena, sizeof *walk);
    size_t limit = get->limit ? get->limit : SHOWN_DEFAULT;
    struct kn_msg_failure_list list = {0};
    *ret_why = "limit must be from 1 to 100, with at most 100 sources";
    if (limit > SHOWN_MAX || get->sources.count > SOURCES_MAX)
        return KN_INVALID;
    *ret_why = NULL;
    if (!walk)
        return KN_NOMEM;
    *walk = (struct walk){.reader = reader,
                          .arena = arena,
                          .get = get,
                          .groups = kn_arena_array(arena, GROUPS_MAX, sizeof *walk->groups),
                          .slots = kn_arena_array(arena, SLOTS, sizeof *walk->slots),
                          .deadline = kn_time_mono() + TIME_MAX};
    if (!walk->groups || !walk->slots)
        return KN_NOMEM;
    struct task_span span;
    enum kn_status status = choose_sources(walk);
    if (status == KN_OK)
        status = store_span_of(reader, get->from, get->to, true, &span);
    if (status != KN_OK)
        return status;
    const struct db_value values[] = {db_i64(KN_TASK_FAILURE), db_i64(span.first),
                                      db_i64(span.last), db_i64(ROWS_MAX)};
    status = db_run(reader->db, SQL_FAILURES, values, see_failure, walk);
    if (status != KN_OK)
        return status;
    qsort(walk->groups, walk->n_groups, sizeof *walk->groups, most_first);
    status = name_groups(walk, walk->n_groups < limit ? walk->n_groups : limit, &list);
    list.counted = walk->counted;
    list.complete = !walk->stopped && !walk->full;
    if (status == KN_OK)
        *ret = list;
    return status;
}
