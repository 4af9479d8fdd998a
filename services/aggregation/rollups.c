#include "services/aggregation/rollups.h"

#include "services/common/data/sketch.h"

#include <math.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->linked = false)
#include <uthash.h>

struct row {
    UT_hash_handle hh;
    bool linked;
    struct kn_msg_rollup key; /* texts lie behind key_bytes's fixed part */
    int64_t count;
    struct kn_sketch runtime, wait;
    size_t key_len;
    char key_bytes[]; /* minute, status, lengths, texts */
};

struct aggr_rollups {
    struct row *rows;
    size_t bytes;
    struct kn_buf key; /* of the row that is looked for */
};

struct aggr_rollups *aggr_rollups_new(void)
{
    struct aggr_rollups *rollups = calloc(1, sizeof *rollups);
    if (rollups)
        kn_buf_init(&rollups->key, 0);
    return rollups;
}

void aggr_rollups_free(struct aggr_rollups *rollups)
{
    if (!rollups)
        return;
    aggr_rollups_clear(rollups);
    kn_buf_fini(&rollups->key);
    free(rollups);
}

static void row_free(struct row *row)
{
    kn_sketch_fini(&row->runtime);
    kn_sketch_fini(&row->wait);
    free(row);
}

void aggr_rollups_clear(struct aggr_rollups *rollups)
{
    struct row *row, *next;
    HASH_ITER (hh, rollups->rows, row, next) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow uthash */
        HASH_DEL(rollups->rows, row);
        row_free(row);
    }
    rollups->bytes = 0;
}

/* ---- keys -------------------------------------------------------------------- */

struct key_head {
    int64_t minute;
    uint64_t lengths[4]; /* of the texts, plus 1; 0: absent */
    uint64_t status;
};

static const struct kn_str *text_of(const struct kn_msg_rollup_delta *delta, unsigned i)
{
    const struct kn_str *texts[] = {&delta->source, &delta->name, &delta->queue, &delta->worker};
    return texts[i];
}

static void write_key(struct kn_buf *out, const struct kn_msg_rollup_delta *delta)
{
    struct key_head head = {.minute = delta->minute, .status = delta->status};
    for (unsigned i = 0; i < 4; i++)
        head.lengths[i] = text_of(delta, i)->ptr ? text_of(delta, i)->len + 1 : 0;
    kn_buf_clear(out);
    kn_buf_append(out, &head, sizeof head);
    for (unsigned i = 0; i < 4; i++)
        kn_buf_str(out, *text_of(delta, i));
}

static struct row *row_new(const struct kn_buf *key)
{
    struct row *row = calloc(1, sizeof *row + key->len + 1);
    if (!row)
        return NULL;
    struct key_head head;
    memcpy(&head, key->data, sizeof head);
    memcpy(row->key_bytes, key->data, key->len);
    row->key_len = key->len;
    row->key.minute = head.minute;
    row->key.status = head.status;
    struct kn_str *texts[] = {&row->key.source, &row->key.name, &row->key.queue, &row->key.worker};
    const char *at = row->key_bytes + sizeof head;
    for (unsigned i = 0; i < 4; i++) {
        if (head.lengths[i] == 0)
            continue;
        *texts[i] = (struct kn_str){at, (size_t)head.lengths[i] - 1};
        at += texts[i]->len;
    }
    kn_sketch_init(&row->runtime);
    kn_sketch_init(&row->wait);
    return row;
}

static struct row *find_or_make(struct aggr_rollups *rollups,
                                const struct kn_msg_rollup_delta *delta)
{
    write_key(&rollups->key, delta);
    if (kn_buf_status(&rollups->key) != KN_OK)
        return NULL;
    struct row *row;
    HASH_FIND(hh, rollups->rows, rollups->key.data, rollups->key.len, row);
    if (row)
        return row;
    row = row_new(&rollups->key);
    if (!row)
        return NULL;
    row->linked = true;
    HASH_ADD_KEYPTR(hh, rollups->rows, row->key_bytes, row->key_len, row);
    if (!row->linked) {
        row_free(row);
        return NULL;
    }
    rollups->bytes += sizeof *row + row->key_len;
    return row;
}

/* ---- adding ------------------------------------------------------------------- */

static enum kn_status add_values(struct aggr_rollups *rollups, struct kn_sketch *sketch,
                                 const struct kn_f64s *values, int64_t n)
{
    uint32_t before = sketch->cap;
    for (size_t i = 0; i < values->count; i++) {
        if (isnan(values->items[i]))
            continue;
        enum kn_status status = kn_sketch_add(sketch, values->items[i], n);
        if (status != KN_OK)
            return status;
    }
    rollups->bytes += (sketch->cap - before) * sizeof *sketch->buckets;
    return KN_OK;
}

enum kn_status aggr_rollups_add(struct aggr_rollups *rollups,
                                const struct kn_msg_rollup_delta *delta)
{
    if (delta->minute < 0)
        return KN_OK; /* before 1970: no clock says so, and storage keeps no such rows */
    struct row *row = find_or_make(rollups, delta);
    if (!row)
        return KN_NOMEM;
    if (__builtin_add_overflow(row->count, delta->count, &row->count))
        return KN_TOO_BIG;
    enum kn_status status = add_values(rollups, &row->runtime, &delta->runtimes, 1);
    if (status == KN_OK)
        status = add_values(rollups, &row->runtime, &delta->runtimes_removed, -1);
    if (status == KN_OK)
        status = add_values(rollups, &row->wait, &delta->waits, 1);
    if (status == KN_OK)
        status = add_values(rollups, &row->wait, &delta->waits_removed, -1);
    return status;
}

size_t aggr_rollups_rows(const struct aggr_rollups *rollups)
{
    return HASH_COUNT(rollups->rows);
}

size_t aggr_rollups_bytes(const struct aggr_rollups *rollups)
{
    return rollups->bytes;
}

/* ---- taking ------------------------------------------------------------------- */

static struct kn_str encoded(const struct kn_sketch *sketch, struct kn_buf *scratch,
                             struct kn_arena *arena)
{
    if (kn_sketch_is_zero(sketch))
        return KN_STR_ABSENT;
    kn_buf_clear(scratch);
    kn_sketch_encode(sketch, scratch);
    if (kn_buf_status(scratch) != KN_OK)
        arena->overflow = true;
    return kn_arena_str(arena, kn_buf_view(scratch));
}

enum kn_status aggr_rollups_rows_get(const struct aggr_rollups *rollups, struct kn_arena *arena,
                                     struct kn_msg_rollup_put *put)
{
    struct kn_msg_rollup *rows = kn_arena_array(arena, HASH_COUNT(rollups->rows) + 1, sizeof *rows);
    if (!rows)
        return KN_NOMEM;
    struct kn_buf scratch;
    kn_buf_init(&scratch, 0);
    size_t count = 0;
    for (const struct row *row = rollups->rows; row; row = row->hh.next) {
        if (row->count == 0 && kn_sketch_is_zero(&row->runtime) && kn_sketch_is_zero(&row->wait))
            continue;
        rows[count] = row->key;
        rows[count].count = row->count;
        rows[count].runtime = encoded(&row->runtime, &scratch, arena);
        rows[count].wait = encoded(&row->wait, &scratch, arena);
        count++;
    }
    kn_buf_fini(&scratch);
    if (arena->overflow)
        return KN_NOMEM;
    put->rows.items = rows;
    put->rows.count = count;
    return KN_OK;
}
