/* Queries for bulk jobs and their tasks. */
#include "services/storage/read/job_tasks.h"
#include "services/storage/read/read.h"

#include "services/common/text/time.h"
#include "services/storage/jobs/job_row.h"

enum { ITEMS_SEEN = 20000 };     /* looked at for one page */
#define COUNT_US (2 * KN_SECOND) /* how long the new tasks of a list of jobs may be counted */

/* ---- lists --------------------------------------------------------------------------- */

struct jobs_read {
    struct kn_arena *arena;
    struct kn_msg_job *items;
    size_t count, max;
    bool more;
};

static enum kn_status take_job(void *arg, const struct db_value *columns)
{
    struct jobs_read *read = arg;
    int64_t due_at;
    if (read->count == read->max) {
        read->more = true;
        return (enum kn_status)DB_STOP;
    }
    return job_row_read(columns, read->arena, &read->items[read->count++], &due_at);
}

static uint64_t limit_of(const struct kn_msg_jobs_get *get)
{
    return get->limit && get->limit < LIMIT_MAX ? get->limit : LIMIT_MAX;
}

static enum kn_status one_job(struct store_reader *reader, struct kn_str id, struct kn_arena *arena,
                              struct kn_msg_job **ret)
{
    struct jobs_read read = {.arena = arena, .max = 1};
    const struct db_value values[] = {db_text(db_clean_text(arena, id))};
    read.items = kn_arena_array(arena, 1, sizeof *read.items);
    if (!read.items)
        return KN_NOMEM;
    enum kn_status status = db_run(reader->db, SQL_JOB_GET, values, take_job, &read);
    if (status == KN_OK && !read.count)
        return KN_NOT_FOUND;
    *ret = read.items;
    return status;
}

/* Those that take too long stay uncounted. */
static enum kn_status count_new_tasks(struct store_reader *reader, struct kn_arena *arena,
                                      struct kn_msg_job_list *list)
{
    int64_t deadline = kn_time_mono() + COUNT_US;
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < list->items.count; i++)
        status = job_tasks_count(reader, deadline, arena, &list->items.items[i]);
    return status;
}

enum kn_status store_read_jobs(struct store_reader *reader, const struct kn_msg_jobs_get *get,
                               struct kn_arena *arena, struct kn_msg_job_list *ret)
{
    *ret = (struct kn_msg_job_list){0};
    if (get->id.len) {
        enum kn_status status = one_job(reader, get->id, arena, &ret->items.items);
        ret->items.count = status == KN_OK;
        return status == KN_OK ? count_new_tasks(reader, arena, ret) : status;
    }
    struct jobs_read read = {.arena = arena, .max = limit_of(get)};
    const struct db_value values[] = {
        db_i64(get->after && get->after < INT64_MAX ? (int64_t)get->after : INT64_MAX),
        db_i64((int64_t)read.max + 1)};
    read.items = kn_arena_array(arena, read.max, sizeof *read.items);
    if (!read.items)
        return KN_NOMEM;
    enum kn_status status = db_run(reader->db, SQL_JOBS_PAGE, values, take_job, &read);
    ret->items.items = read.items;
    ret->items.count = read.count;
    ret->next = read.more ? read.items[read.count - 1].no : 0;
    return status == KN_OK ? count_new_tasks(reader, arena, ret) : status;
}

struct items_read {
    struct store_reader *reader;
    struct kn_arena *arena;
    struct kn_msg_job_item *items;
    size_t count;
};

static enum kn_status take_item(void *arg, const struct db_value *columns)
{
    struct items_read *read = arg;
    struct store *store = read->reader->store;
    struct kn_msg_job_item *item = &read->items[read->count++];
    *item = (struct kn_msg_job_item){
        .no = (uint64_t)db_as_i64(columns[0]),
        .id = kn_arena_str(read->arena, db_as_str(columns[2])),
        .state = (uint8_t)db_as_i64(columns[3]),
        .at = db_as_i64(columns[4]),
        .text = kn_arena_str(read->arena, db_as_str(columns[5])),
        .new_id = kn_arena_str(read->arena, db_as_str(columns[6])),
    };
    enum kn_status status =
        dict_text(store->dict, read->reader->db, db_as_i64(columns[1]), read->arena, &item->source);
    return status == KN_OK && columns[7].kind != DB_NULL && db_as_i64(columns[7])
               ? dict_text(store->dict, read->reader->db, db_as_i64(columns[7]), read->arena,
                           &item->name)
               : status;
}

static enum kn_status states_of(const struct kn_strs *texts, int64_t *ret)
{
    int64_t bits = texts->count ? 0 : (1 << KN_ITEM_STATE_COUNT) - 1;
    for (size_t i = 0; i < texts->count; i++) {
        unsigned number;
        if (!kn_enum_parse(&kn_enum_item_state, texts->items[i], &number))
            return KN_INVALID;
        bits |= INT64_C(1) << number;
    }
    *ret = bits;
    return KN_OK;
}

static bool is_wanted(const struct kn_msg_jobs_get *get, const struct kn_msg_job_item *item)
{
    struct kn_str status = item->new_status.ptr ? item->new_status : KN_STR("unseen");
    for (size_t i = 0; i < get->new_statuses.count; i++) {
        if (item->new_id.ptr && kn_str_eq(get->new_statuses.items[i], status))
            return true;
    }
    return get->new_statuses.count == 0;
}

/* A page of rows, of which those that are wanted stay. More is asked for until the list is full, or
 * enough was looked at. */
static enum kn_status read_items(struct store_reader *reader, const struct kn_msg_jobs_get *get,
                                 int64_t states, struct kn_arena *arena,
                                 struct kn_msg_job_items *ret)
{
    size_t max = limit_of(get), seen = 0;
    uint64_t after = get->after < INT64_MAX ? get->after : INT64_MAX;
    struct items_read read = {.reader = reader, .arena = arena};
    read.items = kn_arena_array(arena, LIMIT_MAX + 1, sizeof *read.items);
    ret->items.items = kn_arena_array(arena, max, sizeof *ret->items.items);
    if (!read.items || !ret->items.items)
        return KN_NOMEM;
    for (bool more = true; more;) {
        size_t width = get->new_statuses.count ? LIMIT_MAX : max;
        const struct db_value values[] = {db_i64((int64_t)ret->job->no), db_i64((int64_t)after),
                                          db_i64(states), db_i64((int64_t)width + 1)};
        read.count = 0;
        enum kn_status status = db_run(reader->db, SQL_JOB_ITEMS_PAGE, values, take_item, &read);
        more = read.count > width;
        read.count -= more;
        if (status == KN_OK)
            status = job_tasks_status(reader, arena, read.items, read.count);
        if (status != KN_OK)
            return status;
        size_t i = 0;
        for (; i < read.count && ret->items.count < max; i++) {
            after = read.items[i].no;
            if (is_wanted(get, &read.items[i]))
                ret->items.items[ret->items.count++] = read.items[i];
        }
        more = more || i < read.count;
        seen += read.count;
        if (more && (ret->items.count == max || seen >= ITEMS_SEEN)) {
            ret->next = after;
            return KN_OK;
        }
    }
    return KN_OK;
}

enum kn_status store_read_job_items(struct store_reader *reader, const struct kn_msg_jobs_get *get,
                                    struct kn_arena *arena, struct kn_msg_job_items *ret,
                                    const char **ret_why)
{
    int64_t states;
    *ret = (struct kn_msg_job_items){0};
    *ret_why = "state must be waiting, begun, done, refused, failed, uncertain or cancelled";
    enum kn_status status = states_of(&get->states, &states);
    if (status != KN_OK)
        return status;
    *ret_why = "job not found";
    status = one_job(reader, get->id, arena, &ret->job);
    return status == KN_OK ? read_items(reader, get, states, arena, ret) : status;
}
