/* Bulk jobs: one action on many tasks. The tasks are chosen when the job is created; then each is
 * started once, at the job's rate, and marked in its row before anything is done. Storage carries
 * out actions that affect only the database (marks); control takes the others, a few at a time.
 * Taken tasks without a result are given up after a while: started again where that does no harm,
 * otherwise uncertain forever. */
#include "services/storage/jobs/jobs.h"
#include "services/storage/write/write.h"

#include "proto/codec.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

enum { NEW_ITEMS = 2000, DROP_ITEMS = 5000 };

const char job_cancelled_text[] = "the job was cancelled first";

struct job_read {
    struct kn_arena *arena;
    struct job_work *work; /* NULL: there is none */
};

static enum kn_status take_job(void *arg, const struct db_value *columns)
{
    struct job_read *read = arg;
    read->work = kn_arena_alloc(read->arena, sizeof *read->work);
    return read->work ? job_row_read(columns, read->arena, &read->work->job, &read->work->due_at)
                      : KN_NOMEM;
}

/* The job, locked until the end of the transaction; NULL when there is none. */
enum kn_status tx_job_open(struct tx *tx, struct kn_str id, struct job_work **ret)
{
    for (*ret = tx->jobs; *ret; *ret = (*ret)->next) {
        if (kn_str_eq((*ret)->job.id, id))
            return KN_OK;
    }
    struct job_read read = {.arena = tx->arena};
    const struct db_value values[] = {db_text(id)};
    enum kn_status status = db_run(tx->store->db, SQL_JOB_LOCK, values, take_job, &read);
    if (status != KN_OK || !read.work)
        return status;
    read.work->next = tx->jobs;
    tx->jobs = *ret = read.work;
    return KN_OK;
}

void tx_job_change(struct tx *tx, struct job_work *work)
{
    work->changed = tx->jobs_changed = true;
}

void tx_job_move(struct tx *tx, struct job_work *work, enum kn_item_state from,
                 enum kn_item_state to, uint64_t n)
{
    *job_count_of(&work->job, from) -= n;
    *job_count_of(&work->job, to) += n;
    tx_job_change(tx, work);
}

bool job_is_open(const struct kn_msg_job *job)
{
    return job->state == KN_JOB_IS_RUNNING || job->state == KN_JOB_IS_CANCELLING;
}

enum kn_status job_count_row(void *arg, const struct db_value *columns)
{
    (void)columns;
    (*(uint64_t *)arg)++;
    return KN_OK;
}

/* The answer is made when the transaction is at its end, and lives in the caller's arena. */
static enum kn_status answer_job(struct store_change *change, const struct job_work *work)
{
    change->answer = kn_msg_copy(change->arena, KN_KIND_JOB, &work->job);
    return change->answer ? KN_OK : KN_NOMEM;
}

/* ---- the audit ----------------------------------------------------------------------- */

static enum kn_outcome outcome_of(const struct kn_msg_job *job)
{
    if (job->done == job->total)
        return KN_OUTCOME_DONE;
    if (job->done)
        return KN_OUTCOME_PARTLY;
    return job->failed || job->uncertain ? KN_OUTCOME_FAILED : KN_OUTCOME_REFUSED;
}

static enum kn_status audit_job(struct tx *tx, const struct kn_msg_job *job)
{
    struct kn_buf text, result;
    kn_buf_init(&text, 1024);
    kn_buf_init(&result, 1024);
    kn_buf_printf(&text, "%llu of %llu tasks done", (unsigned long long)job->done,
                  (unsigned long long)job->total);
    for (unsigned i = 0; i < KN_ITEM_STATE_COUNT; i++) {
        struct kn_msg_job copy = *job;
        unsigned long long n = *job_count_of(&copy, (enum kn_item_state)i);
        const char *name = kn_enum_text(&kn_enum_item_state, i);
        if (n && i != KN_ITEM_DONE)
            kn_buf_printf(&text, ", %llu %s", n, name);
        kn_buf_printf(&result, "%c\"%s\":%llu", i ? ',' : '{', name, n);
    }
    kn_buf_char(&result, '}');
    enum kn_status status = kn_buf_status(&result);
    if (status == KN_OK)
        status = kn_buf_status(&text);
    if (status == KN_OK)
        status =
            tx_action_end(tx, job->id, outcome_of(job), kn_buf_view(&text), kn_buf_view(&result));
    kn_buf_fini(&text);
    kn_buf_fini(&result);
    return status;
}

/* ---- making one ---------------------------------------------------------------------- */

static enum kn_status take_i64(void *arg, const struct db_value *columns)
{
    *(int64_t *)arg = db_as_i64(columns[0]);
    return KN_OK;
}

static enum kn_status put_job(struct tx *tx, const struct store_job *draft, int64_t *ret_no)
{
    const struct kn_msg_job_create *create = draft->create;
    const struct kn_msg_action *action = create->action;
    const struct db_value values[] = {
        tx_text(tx, action->id),
        db_i64(create->what),
        db_i64(KN_JOB_IS_RUNNING),
        db_f64(draft->rate),
        db_i64(0),
        tx_text(tx, action->actor),
        db_i64(kn_time_now()),
        tx_text(tx, action->remote),
        tx_text(tx, action->agent),
        tx_text(tx, create->options),
        tx_text(tx, create->request),
    };
    return db_run(tx->store->db, SQL_JOB_NEW, values, take_i64, ret_no);
}

static enum kn_status put_items(struct tx *tx, const struct store_job *draft, int64_t job,
                                int64_t *ret_count)
{
    enum { WIDTH = 3 };
    enum kn_status status = KN_OK;
    struct db_value *values = calloc(NEW_ITEMS * WIDTH, sizeof *values);
    if (!values)
        return KN_NOMEM;
    for (size_t at = 0; status == KN_OK && at < draft->count;) {
        size_t n = 0;
        for (; n < NEW_ITEMS && at < draft->count; n++, at++) {
            values[n * WIDTH] = db_i64(job);
            values[n * WIDTH + 1] = db_i64((int64_t)at + 1);
            values[n * WIDTH + 2] = db_i64(draft->tasks[at]);
        }
        status = db_each(tx->store->db, SQL_JOB_ITEM_NEW, values, n, NULL, NULL, NULL);
    }
    free(values);
    const struct db_value key[] = {db_i64(job)};
    return status == KN_OK ? db_run(tx->store->db, SQL_JOB_ITEM_COUNT, key, take_i64, ret_count)
                           : status;
}

enum kn_status tx_job_create(struct tx *tx, struct store_change *request)
{
    const struct store_job *draft = request->job;
    const struct kn_msg_job_create *create = draft->create;
    struct job_work *work;
    int64_t no = 0, count = 0;
    bool go;
    if (!create->action || !create->action->id.len || create->what >= KN_JOB_ACTION_COUNT)
        return tx_refuse(request, KN_INVALID, "a job requires an action with an id");
    struct kn_str id = tx_clean(tx, create->action->id);
    enum kn_status status = tx_job_open(tx, id, &work);
    if (status != KN_OK || work) /* the request came twice */
        return status == KN_OK ? answer_job(request, work) : status;
    struct kn_msg_audit_entry entry = {
        .verb = KN_VERB_BULK,
        .method = kn_str_from(kn_enum_text(&kn_enum_job_action, create->what)),
        .source = create->source,
        .request = create->request,
    };
    status = tx_action_begin(tx, request, create->action, entry, &go);
    if (status != KN_OK || !go)
        return status;
    status = put_job(tx, draft, &no);
    if (status == KN_OK)
        status = put_items(tx, draft, no, &count);
    if (status == KN_OK)
        status = tx_job_open(tx, id, &work);
    if (status != KN_OK)
        return status;
    work->job.total = work->job.waiting = (uint64_t)count;
    tx_job_change(tx, work);
    return answer_job(request, work);
}

/* ---- cancelling ---------------------------------------------------------------------- */

static enum kn_status cancel_items(struct tx *tx, struct job_work *work)
{
    uint64_t count = 0;
    const struct db_value values[] = {db_i64((int64_t)work->job.no), db_i64(kn_time_now()),
                                      db_text(kn_str_from(job_cancelled_text))};
    enum kn_status status = db_run(tx->store->db, SQL_JOB_CANCEL, values, job_count_row, &count);
    work->job.state = KN_JOB_IS_CANCELLING;
    tx_job_move(tx, work, KN_ITEM_WAITING, KN_ITEM_CANCELLED, count);
    return status;
}

enum kn_status tx_job_cancel(struct tx *tx, struct store_change *request)
{
    const struct kn_msg_job_cancel *cancel = request->msg;
    struct job_work *work;
    bool go;
    char text[96];
    if (!cancel->action || !cancel->action->id.len || !cancel->id.len)
        return tx_refuse(request, KN_INVALID, "an action and a job's id are required");
    enum kn_status status = tx_job_open(tx, tx_clean(tx, cancel->id), &work);
    if (status != KN_OK)
        return status;
    if (!work)
        return tx_refuse(request, KN_NOT_FOUND, "job not found");
    if (!job_is_open(&work->job))
        return tx_refuse(request, KN_CONFLICT, "the job has already finished");
    struct kn_msg_audit_entry entry = {.verb = KN_VERB_CANCEL, .target = cancel->id};
    status = tx_action_begin(tx, request, cancel->action, entry, &go);
    if (status != KN_OK || !go)
        return status;
    uint64_t before = work->job.cancelled;
    if (work->job.state == KN_JOB_IS_RUNNING)
        status = cancel_items(tx, work);
    snprintf(text, sizeof text, "%llu tasks will not be started",
             (unsigned long long)(work->job.cancelled - before));
    if (status == KN_OK)
        status = tx_action_end(tx, cancel->action->id, KN_OUTCOME_DONE, kn_str_from(text),
                               KN_STR_ABSENT);
    if (status == KN_OK)
        status = tx_jobs_finish(tx);
    return status == KN_OK ? answer_job(request, work) : status;
}

/* ---- one task ------------------------------------------------------------------------ */

enum kn_status tx_task_resolve(struct tx *tx, struct store_change *request)
{
    const struct kn_msg_resolve *msg = request->msg;
    int64_t source, task = 0;
    enum kn_task_status task_status;
    bool go;
    if (!msg->action || !msg->action->id.len || !msg->id.len || !msg->source.len)
        return tx_refuse(request, KN_INVALID, "an action, a task's id and its source are required");
    enum kn_status status =
        dict_number(tx->store->dict, tx->store->db, DICT_SOURCE, msg->source, &source);
    if (status == KN_OK)
        status = tx_find_task(tx, source, msg->id, &task, &task_status);
    if (status != KN_OK)
        return status;
    if (!task)
        return tx_refuse(request, KN_NOT_FOUND, "task not found");
    if (!msg->undo && !may_be_resolved(task_status))
        return tx_refuse(request, KN_CONFLICT, "the task has not failed, so it can't be resolved");
    struct kn_msg_audit_entry entry = {
        .verb = KN_VERB_RESOLVE,
        .source = msg->source,
        .target = msg->id,
        .request = msg->undo ? KN_STR("{\"resolved\":false}") : KN_STR("{\"resolved\":true}"),
    };
    status = tx_action_begin(tx, request, msg->action, entry, &go);
    if (status == KN_OK && go)
        status = tx_resolve(tx, task, msg->undo, tx_clean(tx, msg->action->actor));
    return status == KN_OK && go ? tx_action_end(tx, msg->action->id, KN_OUTCOME_DONE,
                                                 msg->undo ? KN_STR("no longer marked as resolved")
                                                           : KN_STR("marked as resolved"),
                                                 KN_STR_ABSENT)
                                 : status;
}

/* ---- the end of the transaction ------------------------------------------------------ */

static enum kn_status put_changed(struct tx *tx, struct job_work *work)
{
    struct kn_msg_job *job = &work->job;
    bool ends = job_is_open(&work->job) && !job->waiting && !job->begun;
    if (ends) {
        job->state = job->state == KN_JOB_IS_CANCELLING ? KN_JOB_IS_CANCELLED : KN_JOB_IS_DONE;
        job->ended_at = kn_time_now();
    }
    const struct db_value values[] = {
        db_i64((int64_t)job->no),
        db_i64(job->state),
        db_i64(work->due_at),
        db_time(job->ended_at),
        db_i64((int64_t)job->total),
        db_i64((int64_t)job->waiting),
        db_i64((int64_t)job->begun),
        db_i64((int64_t)job->done),
        db_i64((int64_t)job->refused),
        db_i64((int64_t)job->failed),
        db_i64((int64_t)job->uncertain),
        db_i64((int64_t)job->cancelled),
    };
    work->changed = false;
    enum kn_status status = db_run(tx->store->db, SQL_JOB_PUT, values, NULL, NULL);
    return status == KN_OK && ends ? audit_job(tx, job) : status;
}

enum kn_status tx_jobs_finish(struct tx *tx)
{
    size_t n = 0;
    if (!tx->jobs_changed)
        return KN_OK;
    for (struct job_work *work = tx->jobs; work; work = work->next)
        n++;
    struct kn_msg_job *told = kn_arena_array(tx->arena, n, sizeof *told);
    if (!told)
        return KN_NOMEM;
    n = 0;
    for (struct job_work *work = tx->jobs; work; work = work->next) {
        enum kn_status status = work->changed ? put_changed(tx, work) : KN_OK;
        if (status != KN_OK)
            return status;
        told[n] = work->job;
        told[n].options = told[n].request = KN_STR_ABSENT;
        n++;
    }
    tx->feed.jobs.items = told;
    tx->feed.jobs.count = n;
    return KN_OK;
}

/* ---- retention ----------------------------------------------------------------------- */

enum kn_status jobs_drop(struct store *store, int64_t before, bool *ret_done)
{
    int64_t job = 0;
    const struct db_value values[] = {db_i64(before)};
    enum kn_status status = db_run(store->db, SQL_JOBS_OLD, values, take_i64, &job);
    *ret_done = job == 0;
    if (status != KN_OK || !job)
        return status;
    const struct db_value step_values[] = {db_i64(job), db_i64(DROP_ITEMS)};
    status = db_run(store->db, SQL_JOB_ITEMS_DELETE, step_values, NULL, NULL);
    return status == KN_OK ? db_run(store->db, SQL_JOB_DELETE, step_values, NULL, NULL) : status;
}
