#include "services/storage/read/rollup_groups.h"

#include "services/common/count.h"
#include "services/common/data/array.h"
#include "services/common/text/time.h"
#include "services/storage/task/cells.h"

#include <assert.h>
#include <stdlib.h>

/* Beyond this product of groups and points, groups are only counted, and the largest are read
 * again. */
enum { BUCKETS_MAX = 100000 };

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

/* Of statuses that are final. */
static struct kn_msg_event_counts *task_counts(struct kn_arena *arena, const struct group *group)
{
    int64_t counts[KN_TASK_STATUS_COUNT] = {0};
    for (unsigned i = 0; i < KN_TASK_STATUS_COUNT; i++) {
        int64_t count = group->counts[i] + group->extra[i];
        if (count > 0 && kn_task_is_over((enum kn_task_status)i))
            counts[i] = count;
    }
    return event_counts(arena, counts);
}

enum kn_status rollups_go_to(struct rollups *r, size_t point)
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
        ended->tasks = task_counts(r->arena, group);
        ended->runtime = quantiles(r->arena, &group->runtime);
        ended->queue_wait = quantiles(r->arena, &group->wait);
        memset(group->counts, 0, sizeof group->counts);
        memset(group->extra, 0, sizeof group->extra);
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

enum kn_status rollups_group_of(struct rollups *r, int64_t key, struct group **ret)
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
    enum kn_status status =
        rollups_group_of(r, r->group_by == BY_NOTHING ? 0 : key[r->group_by], &group);
    if (status != KN_OK)
        return status == KN_NOT_FOUND ? KN_OK : status;
    bool is_extra = cell->status >= EXTRA_TASKS;
    group->total += is_extra ? 0 : cell->count;
    if (r->counting)
        return KN_OK;
    group->used = true;
    if (is_extra)
        group->extra[cell->status - EXTRA_TASKS] += cell->count;
    else
        group->counts[cell->status] += cell->count;
    status = add_sketch(r, &group->runtime, cell->runtime);
    return status == KN_OK ? add_sketch(r, &group->wait, cell->wait) : status;
}

enum kn_status rollups_add_row(void *arg, const struct db_value *columns)
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
    enum kn_status status = rollups_go_to(r, (size_t)point);
    if (status == KN_OK)
        status = cells_open(db_as_str(columns[3]), &reader);
    while (status == KN_OK && (status = cells_next(&reader, &cell)) == KN_OK) {
        key[BY_QUEUE] = cell.queue;
        key[BY_WORKER] = cell.worker;
        if (cell.status < EXTRA_TASKS + KN_TASK_STATUS_COUNT &&
            is_chosen(&r->choices[BY_QUEUE], cell.queue) &&
            is_chosen(&r->choices[BY_WORKER], cell.worker))
            status = add_cell(r, key, &cell);
    }
    return status == KN_NOT_FOUND ? KN_OK : status;
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
        point->counts = point->tasks = &none;
        point->runtime = point->queue_wait = &no_values;
    }
    ret->points.items = group->points;
    ret->points.count = r->n_points;
    return dict_text(r->reader->store->dict, r->reader->db, group->key, r->arena, &ret->key);
}

int rollups_largest_first(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->total != y->total)
        return x->total < y->total ? 1 : -1;
    return (x->key > y->key) - (x->key < y->key);
}

enum kn_status rollups_answer(struct rollups *r, size_t limit, struct kn_msg_series_list *ret)
{
    struct group *only;
    if (r->group_by == BY_NOTHING && rollups_group_of(r, 0, &only) != KN_OK)
        return KN_NOMEM;
    if (r->n_groups)
        qsort(r->groups, r->n_groups, sizeof *r->groups, rollups_largest_first);
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

void rollups_drop(struct rollups *r)
{
    for (size_t g = 0; g < r->n_groups; g++) {
        kn_sketch_fini(&r->groups[g].runtime);
        kn_sketch_fini(&r->groups[g].wait);
    }
    r->n_groups = 0;
    hmap_clear(&r->map);
}

void rollups_fini(struct rollups *r)
{
    rollups_drop(r);
    free(r->groups);
    hmap_fini(&r->map);
    kn_sketch_fini(&r->scratch);
}
