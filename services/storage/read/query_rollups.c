/* Counts and percentiles of a period, from the stored rollups: whole days and
 * hours from the rows of a day and of an hour, the rest from those of a minute; of
 * these the totals, unless queues or workers are asked for, and the row of all
 * names, unless names are. */
#include "services/common/count.h"
#include "services/common/data/array.h"
#include "services/common/data/sketch.h"
#include "services/common/text/time.h"
#include "services/storage/read/read.h"
#include "services/storage/task/cells.h"
#include "services/storage/write/rollups.h"

#include <assert.h>
#include <stdlib.h>

enum { GROUPS_DEFAULT = 50, GROUPS_MAX = 500, POINTS_MAX = 2000, VALUES_MAX = 100 };
/* Beyond BUCKETS_MAX groups times points, groups are only counted, and the largest are read
 * again. Of one source and one row's period, the first NAMES_READ names are read: those that
 * have been known longest. */
enum { BUCKETS_MAX = 100000, NAMES_READ = 1000, ROWS_A_PAGE = 2000 };
/* What a question may choose and group by. */
enum dimension { BY_NOTHING = -1, BY_SOURCE, BY_NAME, BY_QUEUE, BY_WORKER, DIMENSIONS };

/* Sketches are held for one point of time alone, the one whose rows are being read; of
 * those before there is what the answer says. */
struct group {
    int64_t key;
    int64_t total;
    struct kn_msg_point *points; /* filled up to the point that is read */
    bool used;                   /* by the point that is read, as all that follows */
    int64_t counts[KN_TASK_STATUS_COUNT];
    struct kn_sketch runtime;
    struct kn_sketch wait;
};

struct choice {
    int64_t values[GROUPS_MAX];
    size_t count;
    bool set;
};

struct rollups {
    struct store_reader *reader;
    struct kn_arena *arena;
    struct choice choices[DIMENSIONS];
    enum dimension group_by;
    int64_t from, to, step; /* minutes */
    size_t n_points;
    size_t point;  /* the one that is read */
    bool counting; /* more groups than BUCKETS_MAX: totals alone */
    bool skipped;  /* names beyond NAMES_READ */
    bool closed;   /* the groups are chosen: others are passed over */
    struct group *groups;
    size_t n_groups, cap_groups;
    size_t n_seen; /* before they were chosen */
    struct hmap map;
    struct kn_sketch scratch;
};

/* ---- what is said of a point --------------------------------------------------------- */

static struct kn_msg_quantiles no_values;

static struct kn_msg_quantiles *quantiles(struct kn_arena *arena, const struct kn_sketch *sketch)
{
    int64_t count = kn_sketch_count(sketch);
    struct kn_msg_quantiles *q = count > 0 ? kn_arena_alloc(arena, sizeof *q) : &no_values;
    if (!q || count <= 0)
        return q;
    q->count = (uint64_t)count;
    q->mean.set = kn_sketch_mean(sketch, &q->mean.value);
    static const double asked[] = {0, 0.50, 0.95, 0.99, 1};
    struct kn_opt_f64 *answers[] = {&q->min, &q->p50, &q->p95, &q->p99, &q->max};
    double values[KN_COUNT_OF(asked)];
    bool any = kn_sketch_quantiles(sketch, asked, KN_COUNT_OF(asked), values);
    for (size_t i = 0; any && i < KN_COUNT_OF(asked); i++)
        *answers[i] = KN_SOME_F64(values[i]);
    return q;
}

static struct kn_msg_event_counts *event_counts(struct kn_arena *arena, const int64_t *counts)
{
    struct kn_msg_event_counts *ret = kn_arena_alloc(arena, sizeof *ret);
    if (ret)
        *ret = (struct kn_msg_event_counts){
            .pending = counts[KN_TASK_PENDING],
            .received = counts[KN_TASK_RECEIVED],
            .started = counts[KN_TASK_STARTED],
            .success = counts[KN_TASK_SUCCESS],
            .failure = counts[KN_TASK_FAILURE],
            .retry = counts[KN_TASK_RETRY],
            .revoked = counts[KN_TASK_REVOKED],
            .rejected = counts[KN_TASK_REJECTED],
            .orphaned = counts[KN_TASK_ORPHANED],
        };
    return ret;
}

/* Ends the point that was read, for all groups, and begins a later one: rows come in the
 * order of time. */
static enum kn_status go_to(struct rollups *r, size_t point)
{
    assert(point >= r->point);
    if (point == r->point)
        return KN_OK;
    for (size_t g = 0; g < r->n_groups; g++) {
        struct group *group = &r->groups[g];
        if (!group->used || r->counting)
            continue;
        struct kn_msg_point *ended = &group->points[r->point];
        ended->counts = event_counts(r->arena, group->counts);
        ended->runtime = quantiles(r->arena, &group->runtime);
        ended->queue_wait = quantiles(r->arena, &group->wait);
        memset(group->counts, 0, sizeof group->counts);
        kn_sketch_clear(&group->runtime);
        kn_sketch_clear(&group->wait);
        group->used = false;
    }
    r->point = point;
    return r->arena->overflow ? KN_NOMEM : KN_OK;
}

/* ---- adding up ----------------------------------------------------------------------- */

static struct group *find_group(const struct rollups *r, int64_t key, uint64_t hash)
{
    size_t at = 0;
    uint32_t i;
    while (hmap_next(&r->map, hash, &at, &i)) {
        if (r->groups[i].key == key)
            return &r->groups[i];
    }
    return NULL;
}

static enum kn_status add_group(struct rollups *r, int64_t key, uint64_t hash, struct group **ret)
{
    if (!kn_array_grow(&r->groups, &r->cap_groups, r->n_groups, sizeof *r->groups) ||
        hmap_add(&r->map, hash, (uint32_t)r->n_groups) != KN_OK)
        return KN_NOMEM;
    struct group *group = &r->groups[r->n_groups];
    *group = (struct group){.key = key};
    r->counting = r->counting || (r->n_groups + 1) * r->n_points > BUCKETS_MAX;
    if (!r->counting)
        group->points = kn_arena_array(r->arena, r->n_points, sizeof *group->points);
    if (!r->counting && !group->points)
        return KN_NOMEM;
    r->n_groups++;
    *ret = group;
    return KN_OK;
}

/* NOT_FOUND when it is none of those that were chosen. */
static enum kn_status group_of(struct rollups *r, int64_t key, struct group **ret)
{
    uint64_t hash = hmap_mix((uint64_t)key);
    struct group *found = find_group(r, key, hash);
    if (found)
        *ret = found;
    return found ? KN_OK : r->closed ? KN_NOT_FOUND : add_group(r, key, hash, ret);
}

static bool is_chosen(const struct choice *choice, int64_t value)
{
    bool found = !choice->set;
    for (size_t i = 0; !found && i < choice->count; i++)
        found = choice->values[i] == value;
    return found;
}

static enum kn_status add_sketch(struct rollups *r, struct kn_sketch *to, struct kn_str bytes)
{
    if (!bytes.len)
        return KN_OK;
    enum kn_status status = kn_sketch_decode(&r->scratch, bytes);
    return status == KN_OK ? kn_sketch_merge(to, &r->scratch) : status;
}

static enum kn_status add_cell(struct rollups *r, const int64_t key[DIMENSIONS],
                               const struct cell *cell)
{
    struct group *group;
    enum kn_status status = group_of(r, r->group_by == BY_NOTHING ? 0 : key[r->group_by], &group);
    if (status != KN_OK)
        return status == KN_NOT_FOUND ? KN_OK : status;
    group->total += cell->count;
    if (r->counting)
        return KN_OK;
    group->used = true;
    group->counts[cell->status] += cell->count;
    status = add_sketch(r, &group->runtime, cell->runtime);
    return status == KN_OK ? add_sketch(r, &group->wait, cell->wait) : status;
}

/* minute, source, name, totals or cells */
static enum kn_status add_row(void *arg, const struct db_value *columns)
{
    struct rollups *r = arg;
    struct cells_reader reader;
    struct cell cell;
    int64_t point = r->step ? (db_as_i64(columns[0]) - r->from) / r->step : 0;
    int64_t key[DIMENSIONS] = {
        [BY_SOURCE] = db_as_i64(columns[1]), [BY_NAME] = db_as_i64(columns[2])};
    if (point < 0 || (size_t)point >= r->n_points ||
        !is_chosen(&r->choices[BY_SOURCE], key[BY_SOURCE]) ||
        !is_chosen(&r->choices[BY_NAME], key[BY_NAME]))
        return KN_OK;
    enum kn_status status = go_to(r, (size_t)point);
    if (status == KN_OK)
        status = cells_open(db_as_str(columns[3]), &reader);
    while (status == KN_OK && (status = cells_next(&reader, &cell)) == KN_OK) {
        key[BY_QUEUE] = cell.queue;
        key[BY_WORKER] = cell.worker;
        if (cell.status < KN_TASK_STATUS_COUNT && is_chosen(&r->choices[BY_QUEUE], cell.queue) &&
            is_chosen(&r->choices[BY_WORKER], cell.worker))
            status = add_cell(r, key, &cell);
    }
    return status == KN_NOT_FOUND ? KN_OK : status;
}

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
    return count ? db_each(keys->r->reader->db, keys->statement, keys->values, count, add_row,
                           keys->r, NULL)
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
        return add_row(page->r, columns);
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
    return db_run(r->reader->db, cells ? SQL_ROLLUPS_CELLS : SQL_ROLLUPS_TOTALS, values, add_row,
                  r);
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

/* ---- answering ----------------------------------------------------------------------- */

static enum kn_status answer_group(struct rollups *r, const struct group *group,
                                   struct kn_msg_series *ret)
{
    static struct kn_msg_event_counts none;
    for (size_t i = 0; i < r->n_points; i++) {
        struct kn_msg_point *point = &group->points[i];
        point->at = (r->from + (int64_t)i * r->step) * KN_MINUTE;
        if (point->counts)
            continue;
        point->counts = &none;
        point->runtime = point->queue_wait = &no_values;
    }
    ret->points.items = group->points;
    ret->points.count = r->n_points;
    return dict_text(r->reader->store->dict, r->reader->db, group->key, r->arena, &ret->key);
}

static int largest_first(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->total != y->total)
        return x->total < y->total ? 1 : -1;
    return (x->key > y->key) - (x->key < y->key);
}

static enum kn_status answer(struct rollups *r, size_t limit, struct kn_msg_series_list *ret)
{
    struct group *only;
    if (r->group_by == BY_NOTHING && group_of(r, 0, &only) != KN_OK)
        return KN_NOMEM;
    if (r->n_groups)
        qsort(r->groups, r->n_groups, sizeof *r->groups, largest_first);
    size_t n = r->n_groups < limit ? r->n_groups : limit;
    if (r->n_seen < r->n_groups)
        r->n_seen = r->n_groups;
    struct kn_msg_series_list list = {.from = r->from * KN_MINUTE,
                                      .to = r->to * KN_MINUTE,
                                      .step = (uint64_t)r->step * 60,
                                      .groups_left_out = r->n_seen - n};
    list.series.items = kn_arena_array(r->arena, n, sizeof *list.series.items);
    list.series.count = n;
    if (n && !list.series.items)
        return KN_NOMEM;
    for (size_t i = 0; i < n; i++) {
        enum kn_status status = answer_group(r, &r->groups[i], &list.series.items[i]);
        if (status != KN_OK)
            return status;
    }
    *ret = list;
    return KN_OK;
}

static void drop_groups(struct rollups *r)
{
    for (size_t g = 0; g < r->n_groups; g++) {
        kn_sketch_fini(&r->groups[g].runtime);
        kn_sketch_fini(&r->groups[g].wait);
    }
    r->n_groups = 0;
    hmap_clear(&r->map);
}

static void rollups_fini(struct rollups *r)
{
    drop_groups(r);
    free(r->groups);
    hmap_fini(&r->map);
    kn_sketch_fini(&r->scratch);
}

/* ---- too many groups: the largest are chosen, and read again, exactly ----------------- */

static enum kn_status choose_groups(struct rollups *r, size_t limit)
{
    struct choice chosen = {.set = true};
    qsort(r->groups, r->n_groups, sizeof *r->groups, largest_first);
    while (chosen.count < limit && chosen.count < r->n_groups) {
        chosen.values[chosen.count] = r->groups[chosen.count].key;
        chosen.count++;
    }
    r->n_seen = r->n_groups;
    drop_groups(r);
    r->counting = r->skipped = false;
    r->point = 0;
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < chosen.count && status == KN_OK; i++) {
        struct group *group;
        status = group_of(r, chosen.values[i], &group);
    }
    r->closed = true;
    if (r->group_by == BY_NAME)
        r->choices[BY_NAME] = chosen;
    return status == KN_OK && r->counting ? KN_TOO_BIG : status;
}

static enum kn_status read_period(struct rollups *r)
{
    enum kn_status status = add_period(r, r->from, r->to, ROLLUP_STEPS - 1);
    return status == KN_OK ? go_to(r, r->n_points) : status;
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
    *ret_why = "group_by is none of name, queue, worker, source";
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
    *ret_why = "limit goes from 1 to 500";
    if (limit > GROUPS_MAX)
        return KN_INVALID;
    enum kn_status status = read_request(&r, get, ret_why);
    if (status == KN_OK)
        status = read_period(&r);
    if (status == KN_OK && (r.counting || r.skipped)) {
        *ret_why = "limit times points is too much";
        status = choose_groups(&r, limit);
        if (status == KN_OK)
            status = read_period(&r);
    }
    if (status == KN_OK)
        status = answer(&r, limit, ret);
    rollups_fini(&r);
    return status;
}
