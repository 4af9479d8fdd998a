/* Queries for bulk jobs, and the choice of a new one's tasks. */
#include "services/storage/read/read.h"

#include "services/common/text/time.h"
#include "services/storage/jobs/job_row.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAGE = 500, NAMES_MAX = 256, NAMES_SHOWN = 20, TOLERANCE = 20 };
#define PLAN_US (8 * KN_SECOND) /* how long the tasks of a job may be looked for */

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

enum kn_status store_read_jobs(struct store_reader *reader, const struct kn_msg_jobs_get *get,
                               struct kn_arena *arena, struct kn_msg_job_list *ret)
{
    *ret = (struct kn_msg_job_list){0};
    if (get->id.len) {
        enum kn_status status = one_job(reader, get->id, arena, &ret->items.items);
        ret->items.count = status == KN_OK;
        return status;
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
    return status;
}

struct items_read {
    struct store_reader *reader;
    struct kn_arena *arena;
    struct kn_msg_job_items *list;
    size_t max;
};

static enum kn_status take_item(void *arg, const struct db_value *columns)
{
    struct items_read *read = arg;
    struct kn_msg_job_items *list = read->list;
    if (list->items.count == read->max) {
        list->next = list->items.items[read->max - 1].no;
        return (enum kn_status)DB_STOP;
    }
    struct kn_msg_job_item *item = &list->items.items[list->items.count++];
    *item = (struct kn_msg_job_item){
        .no = (uint64_t)db_as_i64(columns[0]),
        .id = kn_arena_str(read->arena, db_as_str(columns[2])),
        .state = (uint8_t)db_as_i64(columns[3]),
        .at = db_as_i64(columns[4]),
        .text = kn_arena_str(read->arena, db_as_str(columns[5])),
        .new_id = kn_arena_str(read->arena, db_as_str(columns[6])),
    };
    return dict_text(read->reader->store->dict, read->reader->db, db_as_i64(columns[1]),
                     read->arena, &item->source);
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

enum kn_status store_read_job_items(struct store_reader *reader, const struct kn_msg_jobs_get *get,
                                    struct kn_arena *arena, struct kn_msg_job_items *ret,
                                    const char **ret_why)
{
    struct items_read read = {reader, arena, ret, limit_of(get)};
    int64_t states;
    *ret = (struct kn_msg_job_items){0};
    *ret_why = "state must be waiting, begun, done, refused, failed, uncertain or cancelled";
    enum kn_status status = states_of(&get->states, &states);
    if (status != KN_OK)
        return status;
    *ret_why = "job not found";
    status = one_job(reader, get->id, arena, &ret->job);
    if (status != KN_OK)
        return status;
    ret->items.items = kn_arena_array(arena, read.max, sizeof *ret->items.items);
    if (!ret->items.items)
        return KN_NOMEM;
    const struct db_value values[] = {
        db_i64((int64_t)ret->job->no),
        db_i64(get->after < INT64_MAX ? (int64_t)get->after : INT64_MAX), db_i64(states),
        db_i64((int64_t)read.max + 1)};
    return db_run(reader->db, SQL_JOB_ITEMS_PAGE, values, take_item, &read);
}

/* ---- the choice of tasks ------------------------------------------------------------- */

struct plan {
    struct store_reader *reader;
    struct kn_arena *arena;
    size_t max;
    int64_t *tasks;
    size_t count;
    uint64_t statuses[KN_TASK_STATUS_COUNT];
    struct kn_msg_job_count names[NAMES_MAX];
    size_t n_names;
    const char **why;
};

/* A sentence with numbers in it. */
static const char *say(struct kn_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const char *say(struct kn_arena *arena, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct kn_str copy = kn_arena_str(arena, kn_str_from(text));
    return copy.ptr ? copy.ptr : "too many";
}

static void count_name(struct plan *plan, struct kn_str name)
{
    size_t i = 0;
    while (i < plan->n_names && !kn_str_eq(plan->names[i].name, name))
        i++;
    if (i == NAMES_MAX)
        return;
    if (i == plan->n_names)
        plan->names[plan->n_names++].name = kn_arena_str(plan->arena, name);
    plan->names[i].count++;
}

static enum kn_status choose(struct plan *plan, const struct kn_msg_task *task)
{
    if (plan->count == plan->max) {
        *plan->why = say(plan->arena, "more than %zu tasks: storage.jobs_tasks_max is %zu",
                         plan->max, plan->max);
        return KN_INVALID;
    }
    plan->tasks[plan->count++] = (int64_t)task->no;
    if (task->status < KN_TASK_STATUS_COUNT)
        plan->statuses[task->status]++;
    count_name(plan, task->name.ptr ? task->name : KN_STR(""));
    return KN_OK;
}

static enum kn_status choose_by_filter(struct plan *plan, const struct kn_msg_tasks_get *filter)
{
    struct kn_msg_tasks_get get = *filter;
    int64_t deadline = kn_time_mono() + PLAN_US;
    struct kn_arena arena[2]; /* of the page, and of the one before, which has the cursor */
    unsigned turn = 0;
    enum kn_status status = KN_OK;
    get.limit = PAGE;
    get.cursor = KN_STR_ABSENT;
    kn_arena_init(&arena[0], 0);
    kn_arena_init(&arena[1], 0);
    do {
        struct kn_msg_task_list list;
        kn_arena_reset(&arena[turn]);
        status = store_read_tasks(plan->reader, &get, &arena[turn], &list, plan->why);
        for (size_t i = 0; status == KN_OK && i < list.items.count; i++)
            status = choose(plan, &list.items.items[i]);
        if (status != KN_OK)
            break;
        get.cursor = list.next_cursor;
        turn = !turn;
        if (get.cursor.ptr && kn_time_mono() > deadline) {
            *plan->why = "it takes too long to find all tasks of this filter; narrow it, for "
                         "example by time";
            status = KN_INVALID;
        }
    } while (status == KN_OK && get.cursor.ptr);
    kn_arena_fini(&arena[0]);
    kn_arena_fini(&arena[1]);
    return status;
}

static enum kn_status choose_by_ids(struct plan *plan, const struct kn_strs *ids,
                                    struct kn_str source)
{
    struct kn_arena scratch;
    size_t unknown = 0;
    enum kn_status status = KN_OK;
    kn_arena_init(&scratch, 0);
    for (size_t i = 0; status == KN_OK && i < ids->count; i++) {
        struct kn_msg_task task;
        const struct kn_msg_task_get get = {.id = ids->items[i], .source = source};
        kn_arena_reset(&scratch);
        status = store_read_task(plan->reader, &get, &scratch, &task);
        if (status == KN_OK)
            status = choose(plan, &task);
        else if (status == KN_NOT_FOUND && ++unknown)
            status = KN_OK;
    }
    kn_arena_fini(&scratch);
    if (status == KN_OK && unknown) {
        *plan->why = say(plan->arena, "%zu of the %zu ids are unknown", unknown, ids->count);
        status = KN_NOT_FOUND;
    }
    return status;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* In order of arrival, each once. */
static void put_in_order(struct plan *plan)
{
    size_t n = 0;
    if (!plan->count)
        return;
    qsort(plan->tasks, plan->count, sizeof *plan->tasks, by_number);
    for (size_t i = 0; i < plan->count; i++) {
        if (!n || plan->tasks[n - 1] != plan->tasks[i])
            plan->tasks[n++] = plan->tasks[i];
    }
    plan->count = n;
}

static int by_count(const void *a, const void *b)
{
    const struct kn_msg_job_count *x = a, *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

static enum kn_status describe(struct plan *plan, struct kn_msg_job *job)
{
    struct kn_msg_job_count *items =
        kn_arena_array(plan->arena, KN_TASK_STATUS_COUNT + NAMES_SHOWN, sizeof *items);
    if (!items)
        return KN_NOMEM;
    job->by_status.items = items;
    for (unsigned i = 0; i < KN_TASK_STATUS_COUNT; i++) {
        if (plan->statuses[i])
            items[job->by_status.count++] = (struct kn_msg_job_count){
                kn_str_from(kn_enum_text(&kn_enum_task_status, i)), plan->statuses[i]};
    }
    qsort(plan->names, plan->n_names, sizeof *plan->names, by_count);
    job->by_name.items = items + KN_TASK_STATUS_COUNT;
    job->by_name.count = plan->n_names < NAMES_SHOWN ? plan->n_names : NAMES_SHOWN;
    memcpy(job->by_name.items, plan->names, job->by_name.count * sizeof *items);
    return KN_OK;
}

static bool differs_too_much(size_t count, int64_t expected)
{
    int64_t difference = (int64_t)count - expected;
    return (difference < 0 ? -difference : difference) * TOLERANCE > expected;
}

static enum kn_status check_request(struct store_reader *reader,
                                    const struct kn_msg_job_create *create, struct store_job *ret,
                                    const char **why)
{
    const struct store_options *options = &reader->store->options;
    bool own = create->what == KN_JOB_RESOLVE || create->what == KN_JOB_UNRESOLVE;
    double usual = own ? options->jobs_rate_max : options->jobs_rate;
    ret->create = create;
    ret->rate = create->rate != 0 ? create->rate : usual;
    *why = "rate must be greater than 0 and at most storage.jobs_rate_max";
    if (!(ret->rate >= 0.01) || ret->rate > options->jobs_rate_max)
        return KN_INVALID;
    *why = "either ids or a filter is required";
    if (create->what >= KN_JOB_ACTION_COUNT || !create->filter == !create->ids.count)
        return KN_INVALID;
    *why = "expected is required with a filter: the number of tasks that the dry run counted";
    if (create->filter && !create->dry_run && !create->expected.set)
        return KN_INVALID;
    *why = "expected must not be negative";
    return create->expected.set && create->expected.value < 0 ? KN_INVALID : KN_OK;
}

enum kn_status store_plan_job(struct store_reader *reader, const struct kn_msg_job_create *create,
                              struct kn_arena *arena, struct store_job *ret,
                              struct kn_msg_job *ret_job, const char **ret_why)
{
    struct plan *plan = kn_arena_alloc(arena, sizeof *plan);
    enum kn_status status = check_request(reader, create, ret, ret_why);
    if (status != KN_OK)
        return status;
    if (!plan)
        return KN_NOMEM;
    *plan = (struct plan){.reader = reader, .arena = arena, .why = ret_why};
    plan->max = reader->store->options.jobs_tasks_max;
    plan->tasks = kn_arena_array(arena, plan->max, sizeof *plan->tasks);
    if (!plan->tasks)
        return KN_NOMEM;
    status = create->filter ? choose_by_filter(plan, create->filter)
                            : choose_by_ids(plan, &create->ids, create->source);
    if (status != KN_OK)
        return status;
    put_in_order(plan);
    if (!create->dry_run && !plan->count) {
        *ret_why = "no matching tasks";
        return KN_CONFLICT;
    }
    if (create->expected.set && differs_too_much(plan->count, create->expected.value)) {
        *ret_why = say(arena, "%zu tasks match now, not about %zu; repeat the dry run", plan->count,
                       (size_t)create->expected.value);
        return KN_CONFLICT;
    }
    ret->tasks = plan->tasks;
    ret->count = plan->count;
    *ret_job = (struct kn_msg_job){.action = create->what,
                                   .rate = ret->rate,
                                   .options = create->options,
                                   .total = plan->count,
                                   .waiting = plan->count};
    return describe(plan, ret_job);
}
