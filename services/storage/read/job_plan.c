/* The choice of a new bulk job's tasks, and what a dry run says of them. */
#include "services/storage/read/read.h"
#include "services/storage/write/write.h"

#include "services/common/data/array.h"
#include "services/common/text/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAGE = 500, NAMES_MAX = 256, NAMES_SHOWN = 20, TOLERANCE = 20, SAMPLE_MAX = 1000 };
#define PLAN_US (8 * KN_SECOND) /* how long the tasks of a job may be looked for */

struct plan {
    struct store_reader *reader;
    const struct kn_msg_job_create *create;
    struct kn_arena *arena;
    size_t max;
    int64_t *tasks;
    size_t count;
    int64_t *busy; /* sorted: tasks that a running retry job has not sent yet */
    size_t n_busy, cap_busy;
    size_t retried;     /* left out, because they were retried already */
    uint64_t n_refused; /* by their status */
    struct kn_msg_job_items sample;
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

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* ---- tasks that were retried already ---------------------------------------------------- */

static enum kn_status take_busy(void *arg, const struct db_value *columns)
{
    struct plan *plan = arg;
    if (!kn_array_grow(&plan->busy, &plan->cap_busy, plan->n_busy, sizeof *plan->busy))
        return KN_NOMEM;
    plan->busy[plan->n_busy++] = db_as_i64(columns[0]);
    return KN_OK;
}

static enum kn_status find_busy(struct plan *plan)
{
    const struct db_value values[] = {db_i64(KN_JOB_RETRY)};
    if (plan->create->what != KN_JOB_RETRY || plan->create->again)
        return KN_OK;
    enum kn_status status = db_run(plan->reader->db, SQL_JOBS_TASKS, values, take_busy, plan);
    if (plan->n_busy)
        qsort(plan->busy, plan->n_busy, sizeof *plan->busy, by_number);
    return status;
}

static bool was_retried(const struct plan *plan, const struct kn_msg_task *task)
{
    int64_t no = (int64_t)task->no;
    if (plan->create->what != KN_JOB_RETRY || plan->create->again)
        return false;
    return task->retried_as.count ||
           (plan->n_busy && bsearch(&no, plan->busy, plan->n_busy, sizeof no, by_number));
}

/* ---- what will be refused --------------------------------------------------------------- */

/* As far as the status says. */
static bool is_refused(enum kn_job_action what, enum kn_task_status status)
{
    switch (what) {
    case KN_JOB_RETRY:
        return !kn_task_is_over(status);
    case KN_JOB_REVOKE:
        return kn_task_has_ended(status);
    case KN_JOB_RESOLVE:
        return !may_be_resolved(status);
    default:
        return false;
    }
}

/* Of the same words as the refusal of the item, without what differs from task to task. */
static const char *reason_of(enum kn_job_action what)
{
    return what == KN_JOB_RETRY    ? "the task has not finished"
           : what == KN_JOB_REVOKE ? "the task has already finished"
                                   : "the task has not failed";
}

static enum kn_status judge(struct plan *plan, const struct kn_msg_task *task)
{
    struct kn_msg_job_items *sample = &plan->sample;
    if (is_refused((enum kn_job_action)plan->create->what, (enum kn_task_status)task->status)) {
        plan->n_refused++;
        return KN_OK;
    }
    if (!plan->create->dry_run || plan->create->what != KN_JOB_RETRY ||
        sample->items.count == SAMPLE_MAX)
        return KN_OK;
    if (!sample->items.items)
        sample->items.items = kn_arena_array(plan->arena, SAMPLE_MAX, sizeof *sample->items.items);
    if (!sample->items.items)
        return KN_NOMEM;
    sample->items.items[sample->items.count++] =
        (struct kn_msg_job_item){.no = task->no,
                                 .id = kn_arena_str(plan->arena, task->id),
                                 .source = kn_arena_str(plan->arena, task->source)};
    return plan->arena->overflow ? KN_NOMEM : KN_OK;
}

static enum kn_status choose(struct plan *plan, const struct kn_msg_task *task)
{
    if (was_retried(plan, task)) {
        plan->retried++;
        return KN_OK;
    }
    if (plan->count == plan->max) {
        *plan->why = say(plan->arena, "more than %zu tasks: storage.jobs_tasks_max is %zu",
                         plan->max, plan->max);
        return KN_INVALID;
    }
    plan->tasks[plan->count++] = (int64_t)task->no;
    if (task->status < KN_TASK_STATUS_COUNT)
        plan->statuses[task->status]++;
    count_name(plan, task->name.ptr ? task->name : KN_STR(""));
    return judge(plan, task);
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
        kn_arena_array(plan->arena, KN_TASK_STATUS_COUNT + NAMES_SHOWN + 1, sizeof *items);
    if (!items)
        return KN_NOMEM;
    job->by_status.items = items;
    for (unsigned i = 0; i < KN_TASK_STATUS_COUNT; i++) {
        if (plan->statuses[i])
            items[job->by_status.count++] = (struct kn_msg_job_count){
                kn_str_from(kn_enum_text(&kn_enum_task_status, i)), plan->statuses[i]};
    }
    job->reasons.items = items + KN_TASK_STATUS_COUNT + NAMES_SHOWN;
    job->reasons.count = plan->n_refused > 0;
    job->reasons.items[0] = (struct kn_msg_job_count){
        kn_str_from(reason_of((enum kn_job_action)plan->create->what)), plan->n_refused};
    job->retried = plan->retried;
    job->sample.items = plan->sample.items.items;
    job->sample.count = plan->sample.items.count;
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

/* Why there is nothing to do. */
static const char *nothing(const struct plan *plan)
{
    return plan->retried ? say(plan->arena,
                               "all matching tasks (%zu) were retried already; use again to retry "
                               "them once more",
                               plan->retried)
                         : "no matching tasks";
}

static enum kn_status check_count(struct plan *plan)
{
    const struct kn_msg_job_create *create = plan->create;
    if (!create->dry_run && !plan->count) {
        *plan->why = nothing(plan);
        return KN_CONFLICT;
    }
    if (create->expected.set && differs_too_much(plan->count, create->expected.value)) {
        *plan->why = say(plan->arena, "%zu tasks match now, not about %zu; repeat the dry run",
                         plan->count, (size_t)create->expected.value);
        return KN_CONFLICT;
    }
    return KN_OK;
}

static enum kn_status choose_all(struct plan *plan)
{
    const struct kn_msg_job_create *create = plan->create;
    plan->max = plan->reader->store->options.jobs_tasks_max;
    plan->tasks = kn_arena_array(plan->arena, plan->max, sizeof *plan->tasks);
    if (!plan->tasks)
        return KN_NOMEM;
    enum kn_status status = find_busy(plan);
    if (status == KN_OK)
        status = create->filter ? choose_by_filter(plan, create->filter)
                                : choose_by_ids(plan, &create->ids, create->source);
    free(plan->busy);
    return status;
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
    *plan = (struct plan){.reader = reader, .create = create, .arena = arena, .why = ret_why};
    status = choose_all(plan);
    if (status != KN_OK)
        return status;
    put_in_order(plan);
    status = check_count(plan);
    if (status != KN_OK)
        return status;
    ret->tasks = plan->tasks;
    ret->count = plan->count;
    *ret_job = (struct kn_msg_job){.action = create->what,
                                   .rate = ret->rate,
                                   .options = create->options,
                                   .total = plan->count,
                                   .waiting = plan->count};
    return describe(plan, ret_job);
}
