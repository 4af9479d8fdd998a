/* Bulk jobs: taking some of their tasks, and what became of them. */
#include "services/storage/jobs/jobs.h"
#include "services/storage/write/write.h"

#include "proto/codec.h"
#include "services/common/data/array.h"
#include "services/common/text/time.h"

#include <stdlib.h>

#define LEASE (30 * KN_SECOND) /* how long to wait for the results of taken tasks */
#define IDLE (5 * KN_SECOND)   /* how often storage checks jobs that control carries out */
enum { TAKE_MAX = 500, OPEN_MAX = 1000 };

static const char gone[] = "the process that started it no longer runs, so the outcome is unknown";
static const char again[] = "started again: the process that started it no longer runs";

/* ---- taking, and what became of it --------------------------------------------------- */

struct item_read {
    bool found, mine;
    enum kn_item_state state;
    struct kn_str taker;
};

static enum kn_status take_item_state(void *arg, const struct db_value *columns)
{
    struct item_read *read = arg;
    read->found = true;
    read->state = (enum kn_item_state)db_as_i64(columns[0]);
    read->mine = kn_str_eq(db_as_str(columns[1]), read->taker);
    return KN_OK;
}

static enum kn_status set_item(struct tx *tx, int64_t job, int64_t item, enum kn_item_state state,
                               struct kn_str text, struct kn_str new_id)
{
    const struct db_value values[] = {
        db_i64(job),       db_i64(item),
        db_i64(state),     state == KN_ITEM_WAITING ? db_null() : db_i64(kn_time_now()),
        tx_text(tx, text), tx_text(tx, new_id),
    };
    return db_run(tx->store->db, SQL_JOB_ITEM_SET, values, NULL, NULL);
}

/* A result from the process that started the task counts, even if it is late; it may arrive
 * twice. */
static enum kn_status settle(struct tx *tx, struct job_work *work, struct kn_str taker,
                             const struct kn_msg_job_item *result)
{
    struct item_read read = {.taker = taker};
    struct kn_str text = result->text;
    enum kn_item_state to = (enum kn_item_state)result->state;
    const struct db_value key[] = {db_i64((int64_t)work->job.no), db_i64((int64_t)result->no)};
    enum kn_status status = db_run(tx->store->db, SQL_JOB_ITEM_GET, key, take_item_state, &read);
    if (status != KN_OK || !read.found || !read.mine)
        return status;
    if (read.state != KN_ITEM_BEGUN && read.state != KN_ITEM_UNCERTAIN)
        return KN_OK;
    if (to == KN_ITEM_WAITING && work->job.state != KN_JOB_IS_RUNNING) {
        to = KN_ITEM_CANCELLED;
        text = kn_str_from(job_cancelled_text);
    }
    tx_job_move(tx, work, read.state, to, 1);
    return set_item(tx, (int64_t)work->job.no, (int64_t)result->no, to, text, result->new_id);
}

static enum kn_status take_results(struct tx *tx, const struct kn_msg_job_take *take)
{
    struct job_work *work;
    enum kn_status status = tx_job_open(tx, tx_clean(tx, take->job), &work);
    for (size_t i = 0; work && status == KN_OK && i < take->results.count; i++) {
        const struct kn_msg_job_item *result = &take->results.items[i];
        if (result->state != KN_ITEM_BEGUN && result->state < KN_ITEM_STATE_COUNT &&
            result->no <= INT64_MAX)
            status = settle(tx, work, take->taker, result);
    }
    return status;
}

struct open_jobs {
    struct kn_arena *arena;
    struct job_work *items;
    size_t count;
};

static enum kn_status take_open(void *arg, const struct db_value *columns)
{
    struct open_jobs *open = arg;
    struct job_work *work = &open->items[open->count++];
    return job_row_read(columns, open->arena, &work->job, &work->due_at);
}

static enum kn_status read_open(struct db *db, struct kn_arena *arena, struct open_jobs *ret)
{
    const struct db_value values[] = {db_i64(OPEN_MAX)};
    *ret = (struct open_jobs){.arena = arena};
    ret->items = kn_arena_array(arena, OPEN_MAX, sizeof *ret->items);
    return ret->items ? db_run(db, SQL_JOBS_OPEN, values, take_open, ret) : KN_NOMEM;
}

static enum kn_status take_yes(void *arg, const struct db_value *columns)
{
    (void)columns;
    *(bool *)arg = true;
    return KN_OK;
}

/* Whether control may take tasks of the job for the source, in this state. */
static enum kn_status has_work(struct db *db, const struct kn_msg_job *job, int64_t source,
                               enum kn_item_state state, bool *ret)
{
    const struct db_value values[] = {db_i64((int64_t)job->no), db_i64(source), db_i64(state)};
    *ret = false;
    if (job_is_own(job) || !(state == KN_ITEM_BEGUN ? job->begun : job->waiting))
        return KN_OK;
    if (state == KN_ITEM_WAITING && job->state != KN_JOB_IS_RUNNING)
        return KN_OK;
    return db_run(db, SQL_JOB_HAS, values, take_yes, ret);
}

enum kn_status store_read_work(struct store_reader *reader, struct kn_str source,
                               struct kn_arena *arena, int64_t *ret_wait)
{
    struct open_jobs open;
    int64_t number, now = kn_time_now(), wait = INT64_MAX;
    enum kn_status status =
        dict_find(reader->store->dict, reader->db, DICT_SOURCE, source, &number);
    *ret_wait = INT64_MAX;
    if (status != KN_OK)
        return status == KN_NOT_FOUND ? KN_OK : status;
    status = read_open(reader->db, arena, &open);
    for (size_t i = 0; status == KN_OK && i < open.count; i++) {
        bool waiting, begun = false;
        const struct kn_msg_job *job = &open.items[i].job;
        status = has_work(reader->db, job, number, KN_ITEM_WAITING, &waiting);
        if (status == KN_OK)
            status = has_work(reader->db, job, number, KN_ITEM_BEGUN, &begun);
        if (waiting && open.items[i].due_at - now < wait)
            wait = open.items[i].due_at > now ? open.items[i].due_at - now : 0;
        if (begun) /* maybe by an answer that was lost */
            wait = 0;
    }
    if (status == KN_OK)
        *ret_wait = wait;
    return status;
}

/* How many may be begun now; then none for as long as the rate says. */
static size_t portion(struct tx *tx, struct job_work *work, uint64_t limit, int64_t now)
{
    double rate = work->job.rate;
    size_t n = rate < 1 ? 1 : rate > TAKE_MAX ? TAKE_MAX : (size_t)rate;
    if (n > limit)
        n = (size_t)limit;
    work->due_at = now + (int64_t)((double)n / rate * (double)KN_SECOND);
    tx_job_change(tx, work);
    return n;
}

struct taking {
    struct kn_arena *arena;
    const struct kn_msg_job *job;
    struct kn_str source;
    struct kn_msg_job_items *list;
    size_t max;
};

static enum kn_status take_item(void *arg, const struct db_value *columns)
{
    struct taking *taking = arg;
    if (taking->list->items.count == taking->max)
        return KN_INTERNAL;
    char new_id[JOB_NEW_ID_SIZE];
    job_new_id(taking->job->id, (uint64_t)db_as_i64(columns[0]), new_id);
    taking->list->items.items[taking->list->items.count++] = (struct kn_msg_job_item){
        .no = (uint64_t)db_as_i64(columns[0]),
        .id = kn_arena_str(taking->arena, db_as_str(columns[1])),
        .source = taking->source,
        .state = KN_ITEM_BEGUN,
        .status = (uint8_t)db_as_i64(columns[2]),
        .text = kn_arena_str(taking->arena, db_as_str(columns[3])),
        .new_id = taking->job->action == KN_JOB_RETRY
                      ? kn_arena_str(taking->arena, kn_str_from(new_id))
                      : KN_STR_ABSENT,
    };
    return KN_OK;
}

static enum kn_status begin_items(struct tx *tx, struct job_work *work,
                                  const struct kn_msg_job_take *take, int64_t source,
                                  struct kn_msg_job_items *list)
{
    int64_t now = kn_time_now();
    struct taking taking = {
        .arena = tx->arena, .job = &work->job, .source = take->source, .list = list};
    taking.max = portion(tx, work, take->limit, now);
    list->items.items = kn_arena_array(tx->arena, taking.max, sizeof *list->items.items);
    if (!list->items.items)
        return KN_NOMEM;
    const struct db_value values[] = {db_i64((int64_t)work->job.no), db_i64(source),
                                      db_i64((int64_t)taking.max), db_i64(now),
                                      tx_text(tx, take->taker)};
    enum kn_status status = db_run(tx->store->db, SQL_JOB_TAKE, values, take_item, &taking);
    tx_job_move(tx, work, KN_ITEM_WAITING, KN_ITEM_BEGUN, list->items.count);
    list->job = &work->job;
    return status;
}

/* What the taker began and knows nothing of, for it does one portion after the other: the
 * answer was lost. */
static enum kn_status take_again(struct tx *tx, const struct kn_msg_job_take *take,
                                 const struct kn_msg_job *job, int64_t source,
                                 struct kn_msg_job_items *list)
{
    enum kn_status status;
    bool yes;
    status = has_work(tx->store->db, job, source, KN_ITEM_BEGUN, &yes);
    if (status != KN_OK || !yes)
        return status;
    struct taking taking = {
        .arena = tx->arena, .job = job, .source = take->source, .list = list, .max = TAKE_MAX};
    list->items.items = kn_arena_array(tx->arena, TAKE_MAX, sizeof *list->items.items);
    list->job = kn_msg_copy(tx->arena, KN_KIND_JOB, job);
    if (!list->items.items || !list->job)
        return KN_NOMEM;
    const struct db_value values[] = {db_i64((int64_t)job->no), db_i64(source),
                                      tx_text(tx, take->taker), db_i64(kn_time_now())};
    return db_run(tx->store->db, SQL_JOB_AGAIN, values, take_item, &taking);
}

/* Begins some of the job whose turn it is. */
static enum kn_status take_some(struct tx *tx, const struct kn_msg_job_take *take,
                                struct kn_msg_job_items *ret)
{
    struct open_jobs open;
    int64_t source, now = kn_time_now();
    enum kn_status status =
        dict_number(tx->store->dict, tx->store->db, DICT_SOURCE, take->source, &source);
    if (status == KN_OK)
        status = read_open(tx->store->db, tx->arena, &open);
    for (size_t i = 0; status == KN_OK && i < open.count; i++) {
        status = take_again(tx, take, &open.items[i].job, source, ret);
        if (status != KN_OK || ret->items.count)
            return status;
    }
    ret->wait = KN_SECOND;
    for (size_t i = 0; status == KN_OK && i < open.count; i++) {
        struct job_work *work;
        bool yes;
        status = has_work(tx->store->db, &open.items[i].job, source, KN_ITEM_WAITING, &yes);
        if (status != KN_OK || !yes)
            continue;
        status = tx_job_open(tx, open.items[i].job.id, &work);
        if (status != KN_OK || !work || work->job.state != KN_JOB_IS_RUNNING)
            continue;
        if (work->due_at <= now)
            return begin_items(tx, work, take, source, ret);
        if (work->due_at - now < ret->wait)
            ret->wait = work->due_at - now;
    }
    return status;
}

/* ---- what storage does itself -------------------------------------------------------- */

struct own_item {
    int64_t item, task;
    struct db_value status; /* NULL: the task is gone */
};
struct own_items {
    struct own_item items[TAKE_MAX];
    size_t count;
};

static enum kn_status take_own(void *arg, const struct db_value *columns)
{
    struct own_items *own = arg;
    if (own->count == TAKE_MAX)
        return KN_INTERNAL;
    own->items[own->count++] =
        (struct own_item){db_as_i64(columns[0]), db_as_i64(columns[1]), columns[2]};
    return KN_OK;
}

static enum kn_status resolve_item(struct tx *tx, struct job_work *work,
                                   const struct own_item *item)
{
    static const char no_failure[] = "the task has not failed",
                      unknown[] = "the task no longer exists";
    bool undo = work->job.action == KN_JOB_UNRESOLVE;
    const char *why = NULL;
    if (item->status.kind == DB_NULL)
        why = unknown;
    else if (!undo && !may_be_resolved((enum kn_task_status)item->status.i64))
        why = no_failure;
    enum kn_item_state state = why ? KN_ITEM_REFUSED : KN_ITEM_DONE;
    enum kn_status status = why ? KN_OK : tx_resolve(tx, item->task, undo, work->job.actor);
    tx_job_move(tx, work, KN_ITEM_WAITING, state, 1);
    struct kn_str text = why ? kn_str_from(why) : KN_STR_ABSENT;
    return status == KN_OK
               ? set_item(tx, (int64_t)work->job.no, item->item, state, text, KN_STR_ABSENT)
               : status;
}

static enum kn_status do_own(struct tx *tx, struct job_work *work, int64_t now)
{
    struct own_items *own = kn_arena_alloc(tx->arena, sizeof *own);
    if (!own)
        return KN_NOMEM;
    const struct db_value values[] = {db_i64((int64_t)work->job.no),
                                      db_i64((int64_t)portion(tx, work, TAKE_MAX, now))};
    enum kn_status status = db_run(tx->store->db, SQL_JOB_NEXT, values, take_own, own);
    for (size_t i = 0; status == KN_OK && i < own->count; i++)
        status = resolve_item(tx, work, &own->items[i]);
    return status;
}

struct stale {
    struct own_item *items; /* task: the number of the source */
    size_t count, cap;
};

static enum kn_status take_stale(void *arg, const struct db_value *columns)
{
    struct stale *stale = arg;
    if (!kn_array_grow(&stale->items, &stale->cap, stale->count, sizeof *stale->items))
        return KN_NOMEM;
    stale->items[stale->count++] =
        (struct own_item){db_as_i64(columns[0]), db_as_i64(columns[1]), db_null()};
    return KN_OK;
}

/* A retry without a report may have been sent: it was if its new task is known. */
static enum kn_status judge_retry(struct tx *tx, struct job_work *work, const struct own_item *item)
{
    char new_id[JOB_NEW_ID_SIZE];
    int64_t task;
    enum kn_task_status ignored;
    job_new_id(work->job.id, (uint64_t)item->item, new_id);
    enum kn_status status = tx_find_task(tx, item->task, kn_str_from(new_id), &task, &ignored);
    if (status != KN_OK)
        return status;
    enum kn_item_state to = task ? KN_ITEM_DONE : KN_ITEM_UNCERTAIN;
    tx_job_move(tx, work, KN_ITEM_BEGUN, to, 1);
    return set_item(tx, (int64_t)work->job.no, item->item, to,
                    task ? KN_STR_ABSENT : kn_str_from(gone), kn_str_from(new_id));
}

/* Started tasks without a result. Revoking twice does no harm; a retry is never started again. */
static enum kn_status give_up_stale(struct tx *tx, struct job_work *work, int64_t now)
{
    struct stale stale = {0};
    enum kn_item_state to = KN_ITEM_UNCERTAIN;
    if (work->job.action != KN_JOB_RETRY)
        to = work->job.state == KN_JOB_IS_RUNNING ? KN_ITEM_WAITING : KN_ITEM_CANCELLED;
    bool is_end = to != KN_ITEM_WAITING;
    const struct db_value values[] = {db_i64((int64_t)work->job.no), db_i64(now - LEASE),
                                      db_i64(to), is_end ? db_i64(now) : db_null(),
                                      db_text(kn_str_from(is_end ? gone : again))};
    enum kn_status status = db_run(tx->store->db, SQL_JOB_STALE, values, take_stale, &stale);
    if (status == KN_OK && stale.count && to != KN_ITEM_UNCERTAIN)
        tx_job_move(tx, work, KN_ITEM_BEGUN, to, stale.count);
    for (size_t i = 0; status == KN_OK && to == KN_ITEM_UNCERTAIN && i < stale.count; i++)
        status = judge_retry(tx, work, &stale.items[i]);
    free(stale.items);
    return status;
}

/* One step of the jobs that storage does, and a look after the others; *ret_wait: when
 * the next is due. */
enum kn_status tx_jobs_step(struct tx *tx, int64_t *ret_wait)
{
    struct open_jobs open;
    int64_t now = kn_time_now();
    enum kn_status status = read_open(tx->store->db, tx->arena, &open);
    *ret_wait = IDLE;
    for (size_t i = 0; status == KN_OK && i < open.count; i++) {
        struct job_work *work;
        bool own = job_is_own(&open.items[i].job);
        if (own ? open.items[i].due_at > now : !open.items[i].job.begun) {
            if (own && open.items[i].due_at - now < *ret_wait)
                *ret_wait = open.items[i].due_at - now;
            continue;
        }
        status = tx_job_open(tx, open.items[i].job.id, &work);
        if (status != KN_OK || !work || !job_is_open(&work->job))
            continue;
        status = own ? do_own(tx, work, now) : give_up_stale(tx, work, now);
        if (own && work->job.waiting && work->due_at - now < *ret_wait)
            *ret_wait = work->due_at - now;
    }
    return status;
}

enum kn_status tx_job_take(struct tx *tx, struct store_change *request)
{
    const struct kn_msg_job_take *take = request->msg;
    struct kn_msg_job_items list = {0};
    enum kn_status status = KN_OK;
    if (!take->source.len || !take->taker.len)
        return tx_refuse(request, KN_INVALID, "a source and a taker are required");
    if (take->results.count)
        status = take_results(tx, take);
    if (status == KN_OK && take->limit)
        status = take_some(tx, take, &list);
    if (status != KN_OK)
        return status;
    request->answer = kn_msg_copy(request->arena, KN_KIND_JOB_ITEMS, &list);
    return request->answer ? KN_OK : KN_NOMEM;
}
