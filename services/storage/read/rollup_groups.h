/* Groups of a rollup query: adds up its rows, and builds the answer. */
#ifndef KN_STORAGE_READ_ROLLUP_GROUPS_H
#define KN_STORAGE_READ_ROLLUP_GROUPS_H

#include "services/common/data/hmap.h"
#include "services/common/data/sketch.h"
#include "services/storage/read/read.h"

enum { GROUPS_MAX = 1000 };
/* What a query can filter and group by. */
enum dimension { BY_NOTHING = -1, BY_SOURCE, BY_NAME, BY_QUEUE, BY_WORKER, DIMENSIONS };

/* Sketches are kept only for the point in time being read; earlier points are kept as in the
 * answer. */
struct group {
    int64_t key;
    int64_t total;
    struct kn_msg_point *points; /* filled up to the current point */
    bool used;                   /* by the current point, like all that follows */
    int64_t counts[KN_TASK_STATUS_COUNT];
    int64_t extra[KN_TASK_STATUS_COUNT]; /* tasks more than events: see EXTRA_TASKS */
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
    size_t point;  /* the current one */
    bool counting; /* more groups than BUCKETS_MAX: only totals */
    bool skipped;  /* names beyond NAMES_READ */
    bool closed;   /* the groups are chosen: others are skipped */
    struct group *groups;
    size_t n_groups, cap_groups;
    size_t n_seen; /* before the groups were chosen */
    struct hmap map;
    struct kn_sketch scratch;
};

/* Ends the current point for all groups, and begins a later one: rows come in order of time. */
enum kn_status rollups_go_to(struct rollups *r, size_t point) KN_MUST_CHECK;
/* NOT_FOUND when the key is not among the chosen groups. */
enum kn_status rollups_group_of(struct rollups *r, int64_t key, struct group **ret) KN_MUST_CHECK;
/* A db_row_fn for minute, source, name, totals or cells. */
enum kn_status rollups_add_row(void *arg, const struct db_value *columns);
/* An order of groups, for qsort. */
int rollups_largest_first(const void *a, const void *b);
enum kn_status rollups_answer(struct rollups *r, size_t limit,
                              struct kn_msg_series_list *ret) KN_MUST_CHECK;
/* Forgets the groups. */
void rollups_drop(struct rollups *r);
void rollups_fini(struct rollups *r);

#endif
