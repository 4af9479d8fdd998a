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
    LEARNED_MAX = 5000,  /* failures learned from the result backend */
    ERROR_MAX = 512,
};
#define TIME_MAX (30 * INT64_C(1000)) /* µs */

enum { C_NO, C_SOURCE, C_NAME, C_AT, C_ID, C_ERROR, C_LEARNED };

struct group {
    int64_t source, name;
    struct kn_msg_failure_group said;
};

struct failure {
    int64_t no, source, name, at;
    struct kn_str id, error;
};

struct walk {
    struct store_reader *reader;
    struct kn_arena *arena;
    const struct kn_msg_failures_get *get;
    int64_t sources[SOURCES_MAX];
    size_t n_sources;
    struct group *groups;
    size_t n_groups;
    uint16_t *slots;         /* number of a group, from 1 */
    struct failure *learned; /* whose error is not in its row */
    size_t n_learned;
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

static enum kn_status count_failure(struct walk *walk, const struct failure *failure)
{
    struct kn_str class = failure->error.ptr ? class_of(failure->error) : KN_STR("");
    struct group *group = group_of(walk, failure->source, failure->name, class);
    walk->counted++;
    if (!group) {
        walk->full = true;
        return walk->arena->overflow ? KN_NOMEM : KN_OK;
    }
    struct kn_msg_failure_group *said = &group->said;
    said->count++;
    if (!said->first_at || failure->at < said->first_at)
        said->first_at = failure->at;
    if (failure->at < said->last_at)
        return KN_OK;
    said->last_at = failure->at;
    said->last_id = kn_arena_str(walk->arena, failure->id);
    said->last_error =
        failure->error.ptr ? cut(walk->arena, failure->error, ERROR_MAX) : KN_STR_ABSENT;
    return walk->arena->overflow ? KN_NOMEM : KN_OK;
}

/* The row has what events said, such as the error of an earlier attempt. */
static enum kn_status keep_learned(struct walk *walk, const struct failure *failure)
{
    if (walk->n_learned == LEARNED_MAX)
        walk->full = true;
    else
        walk->learned[walk->n_learned++] = (struct failure){
            failure->no, failure->source, failure->name, failure->at, .id = KN_STR_ABSENT};
    return KN_OK;
}

static enum kn_status see_failure(void *arg, const struct db_value *columns)
{
    struct walk *walk = arg;
    const struct failure failure = {
        .no = db_as_i64(columns[C_NO]),
        .source = db_as_i64(columns[C_SOURCE]),
        .name = db_as_i64(columns[C_NAME]),
        .at = db_as_i64(columns[C_AT]),
        .id = db_as_str(columns[C_ID]),
        .error = db_as_str(columns[C_ERROR]),
    };
    enum kn_status status = KN_OK;
    if (failure.at >= walk->get->from && failure.at < walk->get->to &&
        is_wanted(walk, failure.source))
        status = db_as_i64(columns[C_LEARNED]) ? keep_learned(walk, &failure)
                                               : count_failure(walk, &failure);
    walk->stopped =
        ++walk->rows == ROWS_MAX || (walk->rows % 64 == 0 && kn_time_mono() > walk->deadline);
    return status == KN_OK && walk->stopped ? (enum kn_status)DB_STOP : status;
}

static enum kn_status count_learned(struct walk *walk)
{
    enum kn_status status = KN_OK;
    struct kn_arena scratch;
    kn_arena_init(&scratch, 0);
    for (size_t i = 0; status == KN_OK && i < walk->n_learned; i++) {
        struct failure *failure = &walk->learned[i];
        struct kn_msg_task_list list = {0};
        if (i % 64 == 63 && kn_time_mono() > walk->deadline + TIME_MAX) {
            walk->stopped = true;
            break;
        }
        kn_arena_reset(&scratch);
        status = store_tasks_by_no(walk->reader, &failure->no, 1, &scratch, &list);
        if (status != KN_OK || !list.items.count)
            continue;
        failure->id = list.items.items[0].id;
        failure->error = list.items.items[0].error;
        status = count_failure(walk, failure);
    }
    kn_arena_fini(&scratch);
    return status;
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
                          .learned = kn_arena_array(arena, LEARNED_MAX, sizeof *walk->learned),
                          .deadline = kn_time_mono() + TIME_MAX};
    if (!walk->groups || !walk->slots || !walk->learned)
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
    if (status == KN_OK)
        status = count_learned(walk);
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
