/* Counts and percentiles of a period, from the stored rollups: whole days and
 * hours from the rows of a day and of an hour, the rest from those of a minute; of
 * these the totals, unless queues or workers are asked for, and the row of all
 * names, unless names are. */
#include "services/common/count.h"
#include "services/common/text/time.h"
#include "services/storage/read/rollup_groups.h"
#include "services/storage/write/rollups.h"

#include <stdlib.h>

enum { GROUPS_DEFAULT = 50, POINTS_MAX = 2000, VALUES_MAX = 100 };
/* Of one source and one row's period, the first NAMES_READ names are read: those that have been
 * known longest. */
enum { NAMES_READ = 1000, ROWS_A_PAGE = 2000 };
static bool asks_for(const struct rollups *r, enum dimension dimension)
{
    return r->choices[dimension].set || r->group_by == dimension;
}

/* ---- rows of chosen names: looked up one by one, so that others cost nothing -------- */

enum { KEY_WIDTH = 5, KEYS_AT_ONCE = 500 };

struct keys {
    struct rollups *r;
    enum sql_id statement;
    struct db_value values[KEYS_AT_ONCE * KEY_WIDTH];
    size_t count;
};

static enum kn_status look_up(struct keys *keys)
{
    size_t count = keys->count;
    keys->count = 0;
    return count ? db_each(keys->r->reader->db, keys->statement, keys->values, count,
                           rollups_add_row, keys->r, NULL)
                 : KN_OK;
}

static enum kn_status add_key(struct keys *keys, int64_t step, int64_t minute, int64_t source,
                              int64_t name)
{
    struct db_value *key = keys->values + keys->count++ * KEY_WIDTH;
    key[0] = db_i64(step);
    key[1] = db_i64(ROLLUPS_BY_NAME);
    key[2] = db_i64(minute);
    key[3] = db_i64(source);
    key[4] = db_i64(name);
    return keys->count == KEYS_AT_ONCE ? look_up(keys) : KN_OK;
}

static enum kn_status add_minute(struct keys *keys, int64_t step, int64_t minute)
{
    const struct choice *sources = &keys->r->choices[BY_SOURCE];
    const struct choice *names = &keys->r->choices[BY_NAME];
    enum kn_status status = KN_OK;
    for (size_t s = 0; s < sources->count; s++)
        for (size_t n = 0; status == KN_OK && n < names->count; n++)
            status = add_key(keys, step, minute, sources->values[s], names->values[n]);
    return status;
}

static enum kn_status take_ends(void *arg, const struct db_value *columns)
{
    int64_t *ends = arg;
    for (size_t i = 0; i < 2; i++)
        if (columns[i].kind == DB_I64)
            ends[i] = columns[i].i64;
    return KN_OK;
}

static enum kn_status take_source(void *arg, const struct db_value *columns)
{
    struct choice *sources = arg;
    sources->values[sources->count++] = db_as_i64(columns[0]);
    return KN_OK;
}

/* Which sources the names may be of. */
static enum kn_status choose_all_sources(struct rollups *r)
{
    struct choice *sources = &r->choices[BY_SOURCE];
    const struct db_value values[] = {db_i64(DICT_SOURCE), db_text(KN_STR("")), db_i64(VALUES_MAX)};
    if (sources->set)
        return KN_OK;
    sources->set = true;
    return db_run(r->reader->db, SQL_DICT_OF_KIND, values, take_source, sources);
}

static enum kn_status add_names(struct rollups *r, enum sql_id statement, int64_t step,
                                int64_t from, int64_t to)
{
    int64_t ends[] = {0, -1}; /* of what is stored */
    const struct db_value values[] = {db_i64(step)};
    struct keys *keys = kn_arena_alloc(r->arena, sizeof *keys);
    if (!keys)
        return KN_NOMEM;
    keys->r = r;
    keys->statement = statement;
    keys->count = 0;
    enum kn_status status = choose_all_sources(r);
    if (status == KN_OK)
        status = db_run(r->reader->db, SQL_ROLLUPS_OLDEST, values, take_ends, ends);
    int64_t first = from > ends[0] ? from : ends[0], last = to <= ends[1] ? to - 1 : ends[1];
    for (int64_t minute = first; status == KN_OK && minute <= last; minute += step)
        status = add_minute(keys, step, minute);
    return status == KN_OK ? look_up(keys) : status;
}

/* ---- rows of all names, in pages, for a flood of names to be passed over ------------- */

struct page {
    struct rollups *r;
    int64_t minute, source, name; /* of the last row */
    size_t names;                 /* of its minute and source */
    size_t rows;
};

static enum kn_status take_row(void *arg, const struct db_value *columns)
{
    struct page *page = arg;
    int64_t minute = db_as_i64(columns[0]), source = db_as_i64(columns[1]);
    bool same = minute == page->minute && source == page->source;
    page->names = same ? page->names + 1 : 1;
    page->minute = minute;
    page->source = source;
    page->name = db_as_i64(columns[2]);
    page->rows++;
    if (page->names <= NAMES_READ)
        return rollups_add_row(page->r, columns);
    page->r->skipped = true;
    return KN_OK;
}

static enum kn_status add_pages(struct rollups *r, enum sql_id statement, int64_t step,
                                int64_t from, int64_t to)
{
    struct page page = {.r = r, .minute = from, .source = -1, .name = -1};
    enum kn_status status;
    do {
        const struct db_value values[] = {db_i64(step),        db_i64(ROLLUPS_BY_NAME),
                                          db_i64(page.minute), db_i64(page.source),
                                          db_i64(page.name),   db_i64(to),
                                          db_i64(ROWS_A_PAGE)};
        page.rows = 0;
        status = db_run(r->reader->db, statement, values, take_row, &page);
        if (page.names > NAMES_READ)
            page.name = INT64_MAX;
    } while (status == KN_OK && page.rows == ROWS_A_PAGE);
    return status;
}

static enum kn_status add_range(struct rollups *r, int64_t row_step, int64_t from, int64_t to)
{
    bool cells = asks_for(r, BY_QUEUE) || asks_for(r, BY_WORKER);
    if (from >= to)
        return KN_OK;
    if (r->choices[BY_NAME].set)
        return add_names(r, cells ? SQL_ROLLUP_CELLS_AT : SQL_ROLLUP_TOTALS_AT, row_step, from, to);
    if (asks_for(r, BY_NAME))
        return add_pages(r, cells ? SQL_ROLLUPS_CELLS_PAGE : SQL_ROLLUPS_TOTALS_PAGE, row_step,
                         from, to);
    const struct db_value values[] = {db_i64(row_step), db_i64(ROLLUPS_ALL_NAMES), db_i64(from),
                                      db_i64(to)};
    return db_run(r->reader->db, cells ? SQL_ROLLUPS_CELLS : SQL_ROLLUPS_TOTALS, values,
                  rollups_add_row, r);
}

static int64_t round_up(int64_t value, int64_t to)
{
    return (value + to - 1) / to * to;
}

/* The period, in rows as large as fit: those of `large` in the middle, smaller ones
 * at the ends. Rows larger than a point, or across points, do not fit. */
static enum kn_status add_period(struct rollups *r, int64_t from, int64_t to, size_t level)
{
    int64_t size = rollup_steps[level];
    if (level == 0)
        return add_range(r, 1, from, to);
    bool fits = !r->step || (r->step % size == 0 && r->from % size == 0);
    int64_t first = round_up(from, size), last = to / size * size;
    if (!fits || first >= last)
        return add_period(r, from, to, level - 1);
    enum kn_status status = add_period(r, from, first, level - 1);
    if (status == KN_OK)
        status = add_range(r, size, first, last);
    return status == KN_OK ? add_period(r, last, to, level - 1) : status;
}

/* ---- too many groups: the largest are chosen, and read again, exactly ----------------- */

static enum kn_status choose_groups(struct rollups *r, size_t limit)
{
    struct choice chosen = {.set = true};
    qsort(r->groups, r->n_groups, sizeof *r->groups, rollups_largest_first);
    while (chosen.count < limit && chosen.count < r->n_groups) {
        chosen.values[chosen.count] = r->groups[chosen.count].key;
        chosen.count++;
    }
    r->n_seen = r->n_groups;
    rollups_drop(r);
    r->counting = r->skipped = false;
    r->point = 0;
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < chosen.count && status == KN_OK; i++) {
        struct group *group;
        status = rollups_group_of(r, chosen.values[i], &group);
    }
    r->closed = true;
    if (r->group_by == BY_NAME)
        r->choices[BY_NAME] = chosen;
    return status == KN_OK && r->counting ? KN_TOO_BIG : status;
}

static enum kn_status read_period(struct rollups *r)
{
    enum kn_status status = add_period(r, r->from, r->to, ROLLUP_STEPS - 1);
    return status == KN_OK ? rollups_go_to(r, r->n_points) : status;
}

/* ---- the request --------------------------------------------------------------------- */

static enum kn_status choose(struct rollups *r, const struct kn_msg_rollups_get *get)
{
    const struct kn_strs *lists[DIMENSIONS] = {[BY_SOURCE] = &get->sources,
                                               [BY_NAME] = &get->names,
                                               [BY_QUEUE] = &get->queues,
                                               [BY_WORKER] = &get->workers};
    static const enum dict_kind kinds[DIMENSIONS] = {[BY_SOURCE] = DICT_SOURCE,
                                                     [BY_NAME] = DICT_NAME,
                                                     [BY_QUEUE] = DICT_QUEUE,
                                                     [BY_WORKER] = DICT_HOST};
    for (size_t c = 0; c < KN_COUNT_OF(lists); c++) {
        struct choice *choice = &r->choices[c];
        choice->set = lists[c]->count > 0;
        if (lists[c]->count > VALUES_MAX)
            return KN_TOO_BIG;
        for (size_t i = 0; i < lists[c]->count; i++) {
            enum kn_status status = dict_find(r->reader->store->dict, r->reader->db, kinds[c],
                                              lists[c]->items[i], &choice->values[choice->count]);
            if (status == KN_OK)
                choice->count++;
            else if (status != KN_NOT_FOUND)
                return status;
        }
    }
    return KN_OK;
}

static bool read_group(struct kn_str by, enum dimension *ret)
{
    static const char *const names[DIMENSIONS] = {
        [BY_SOURCE] = "source", [BY_NAME] = "name", [BY_QUEUE] = "queue", [BY_WORKER] = "worker"};
    *ret = BY_NOTHING;
    for (int i = 0; i < DIMENSIONS; i++) {
        if (kn_str_eq(by, kn_str_from(names[i])))
            *ret = (enum dimension)i;
    }
    return *ret != BY_NOTHING || !by.len;
}

static enum kn_status read_request(struct rollups *r, const struct kn_msg_rollups_get *get,
                                   const char **ret_why)
{
    r->from = get->from / KN_MINUTE;
    r->to = round_up(get->to, KN_MINUTE) / KN_MINUTE;
    r->step = (int64_t)(get->step / 60);
    *ret_why = "from must be before to";
    if (get->from < 0 || get->to <= get->from || get->to > 10000 * 366 * KN_DAY)
        return KN_INVALID;
    *ret_why = "step must be a multiple of 60 seconds";
    if (get->step % 60 || get->step > 366 * 86400)
        return KN_INVALID;
    if (r->step)
        r->from -= r->from % r->step;
    *ret_why = "the period has more than 2000 steps";
    r->n_points = r->step ? (size_t)((r->to - r->from + r->step - 1) / r->step) : 1;
    if (r->n_points > POINTS_MAX)
        return KN_INVALID;
    *ret_why = "group_by must be name, queue, worker or source";
    if (!read_group(get->group_by, &r->group_by))
        return KN_INVALID;
    *ret_why = "at most 100 values of one filter";
    return choose(r, get);
}

enum kn_status store_read_rollups(struct store_reader *reader, const struct kn_msg_rollups_get *get,
                                  struct kn_arena *arena, struct kn_msg_series_list *ret,
                                  const char **ret_why)
{
    struct rollups r = {.reader = reader, .arena = arena};
    size_t limit = get->limit ? get->limit : GROUPS_DEFAULT;
    kn_sketch_init(&r.scratch);
    *ret_why = "limit must be from 1 to 1000";
    if (limit > GROUPS_MAX)
        return KN_INVALID;
    enum kn_status status = read_request(&r, get, ret_why);
    if (status == KN_OK)
        status = read_period(&r);
    if (status == KN_OK && (r.counting || r.skipped)) {
        *ret_why = "limit times points is too large";
        status = choose_groups(&r, limit);
        if (status == KN_OK)
            status = read_period(&r);
    }
    if (status == KN_OK)
        status = rollups_answer(&r, limit, ret);
    rollups_fini(&r);
    return status;
}
