#include "services/storage/read/job_tasks.h"

#include "services/common/text/time.h"

#include <stdlib.h>

enum { PAGE = 500, KEEP_FACTOR = 20 };
#define KEEP_MIN (KN_SECOND / 2)

/* A task that is looked for, by the hash of its source and ID. */
struct sought {
    uint64_t hash;
    int64_t source;
    struct kn_str id;
    int64_t no; /* 0: not found */
    bool maybe; /* it may not have been sent */
    enum kn_task_status status;
};

struct search {
    struct store_reader *reader;
    struct kn_arena *arena;
    struct sought *items;
    size_t count;
    uint64_t last; /* item of the job */
};

static int by_hash(const void *a, const void *b)
{
    const struct sought *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

/* Items are sorted by hash. */
static enum kn_status take_status(void *arg, const struct db_value *columns)
{
    struct search *search = arg;
    const struct sought key = {.hash = (uint64_t)db_as_i64(columns[0])};
    const struct sought *found =
        bsearch(&key, search->items, search->count, sizeof *search->items, by_hash);
    size_t i = found ? (size_t)(found - search->items) : search->count;
    while (found && i > 0 && search->items[i - 1].hash == key.hash)
        i--;
    for (; i < search->count && search->items[i].hash == key.hash; i++) {
        struct sought *one = &search->items[i];
        if (one->source != db_as_i64(columns[1]) || !kn_str_eq(one->id, db_as_str(columns[2])) ||
            one->no > db_as_i64(columns[3]))
            continue;
        one->no = db_as_i64(columns[3]);
        one->status = (enum kn_task_status)db_as_i64(columns[4]);
    }
    return KN_OK;
}

static enum kn_status find(struct search *search)
{
    struct db_value *values = kn_arena_array(search->arena, search->count, sizeof *values);
    if (!search->count)
        return KN_OK;
    if (!values)
        return KN_NOMEM;
    qsort(search->items, search->count, sizeof *search->items, by_hash);
    for (size_t i = 0; i < search->count; i++)
        values[i] = db_i64((int64_t)search->items[i].hash);
    return db_each(search->reader->db, SQL_TASKS_STATUS, values, search->count, take_status, search,
                   NULL);
}

static struct sought sought_of(const struct store_reader *reader, int64_t source, struct kn_str id)
{
    return (struct sought){
        .hash = task_hash(reader->store->hash_key, source, id), .source = source, .id = id};
}

/* ---- of some items -------------------------------------------------------------------- */

static void set_status(const struct search *search, struct kn_msg_job_item *item)
{
    for (size_t i = 0; i < search->count; i++) {
        const struct sought *one = &search->items[i];
        if (one->no && one->id.ptr == item->new_id.ptr)
            item->new_status = kn_str_from(kn_enum_text(&kn_enum_task_status, one->status));
    }
}

enum kn_status job_tasks_status(struct store_reader *reader, struct kn_arena *arena,
                                struct kn_msg_job_item *items, size_t count)
{
    struct search search = {.reader = reader, .arena = arena};
    enum kn_status status = KN_OK;
    search.items = kn_arena_array(arena, count + 1, sizeof *search.items);
    if (!search.items)
        return KN_NOMEM;
    for (size_t i = 0; i < count; i++) {
        int64_t source;
        if (!items[i].new_id.len)
            continue;
        status = dict_find(reader->store->dict, reader->db, DICT_SOURCE, items[i].source, &source);
        if (status != KN_OK)
            return status;
        search.items[search.count++] = sought_of(reader, source, items[i].new_id);
    }
    status = find(&search);
    for (size_t i = 0; status == KN_OK && i < count; i++) {
        if (items[i].new_id.len)
            set_status(&search, &items[i]);
    }
    return status;
}

/* ---- of a whole job ------------------------------------------------------------------- */

static enum kn_status take_new(void *arg, const struct db_value *columns)
{
    struct search *search = arg;
    struct kn_str id = kn_arena_str(search->arena, db_as_str(columns[2]));
    if (!id.ptr || search->count == PAGE)
        return KN_NOMEM;
    search->last = (uint64_t)db_as_i64(columns[0]);
    search->items[search->count] = sought_of(search->reader, db_as_i64(columns[1]), id);
    search->items[search->count++].maybe = db_as_i64(columns[3]) == KN_ITEM_UNCERTAIN;
    return KN_OK;
}

/* Adds a page of the job's new tasks to the counts, of which the last one is of unseen tasks. */
static enum kn_status count_page(struct search *search, uint64_t job,
                                 uint64_t counts[KN_NEW_TASK_COUNT])
{
    const struct db_value values[] = {db_i64((int64_t)job), db_i64((int64_t)search->last),
                                      db_i64(PAGE)};
    search->count = 0;
    search->items = kn_arena_array(search->arena, PAGE, sizeof *search->items);
    if (!search->items)
        return KN_NOMEM;
    enum kn_status status = db_run(search->reader->db, SQL_JOB_NEW_TASKS, values, take_new, search);
    if (status == KN_OK)
        status = find(search);
    for (size_t i = 0; status == KN_OK && i < search->count; i++) {
        const struct sought *one = &search->items[i];
        if (one->no && one->status < KN_TASK_STATUS_COUNT)
            counts[one->status]++;
        else if (!one->maybe)
            counts[KN_NEW_TASK_UNSEEN]++;
    }
    return status;
}

static enum kn_status show(const uint64_t counts[KN_NEW_TASK_COUNT], struct kn_arena *arena,
                           struct kn_msg_job *job)
{
    struct kn_msg_job_count *items = kn_arena_array(arena, KN_NEW_TASK_COUNT, sizeof *items);
    if (!items)
        return KN_NOMEM;
    job->new_tasks.items = items;
    job->new_tasks.count = 0;
    job->counted = true;
    for (unsigned i = 0; i < KN_NEW_TASK_COUNT; i++) {
        const char *name = kn_enum_text(&kn_enum_new_task, i);
        if (counts[i])
            items[job->new_tasks.count++] = (struct kn_msg_job_count){kn_str_from(name), counts[i]};
    }
    return KN_OK;
}

static bool is_known(const struct known_job *known, const struct kn_msg_job *job)
{
    return known->job == job->no && known->settled == job->total - job->waiting - job->begun &&
           kn_time_mono() < known->until;
}

enum kn_status job_tasks_count(struct store_reader *reader, int64_t deadline,
                               struct kn_arena *arena, struct kn_msg_job *job)
{
    struct known_job *known = &reader->jobs[job->no % KNOWN_JOBS];
    uint64_t counts[KN_NEW_TASK_COUNT] = {0};
    struct kn_arena page;
    struct search search = {.reader = reader, .arena = &page};
    int64_t begun = kn_time_mono(), cost;
    enum kn_status status = KN_OK;
    if (job->action != KN_JOB_RETRY)
        return KN_OK;
    if (is_known(known, job))
        return show(known->counts, arena, job);
    kn_arena_init(&page, 0);
    do {
        kn_arena_reset(&page);
        status = kn_time_mono() < deadline ? count_page(&search, job->no, counts) : KN_TIMEOUT;
    } while (status == KN_OK && search.count == PAGE);
    kn_arena_fini(&page);
    if (status != KN_OK)
        return status == KN_TIMEOUT ? KN_OK : status;
    cost = (kn_time_mono() - begun) * KEEP_FACTOR;
    *known = (struct known_job){.job = job->no,
                                .settled = job->total - job->waiting - job->begun,
                                .until = kn_time_mono() + (cost > KEEP_MIN ? cost : 0)};
    memcpy(known->counts, counts, sizeof counts);
    return show(counts, arena, job);
}
