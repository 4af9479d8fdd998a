#include "services/storage/requests.h"

#include "services/common/count.h"
#include "services/common/text/time.h"
#include "services/storage/jobs/jobs.h"
#include "services/storage/system.h"
#include "services/storage/write/write.h"

/* ---- queries ------------------------------------------------------------------------- */

/* Another answer than that of the row; false: out of memory. */
static bool answer_with(struct query *q, enum kn_kind kind)
{
    size_t size = kn_msg_size(kind);
    q->kind = kind;
    q->answer = kn_arena_alloc(q->arena, size);
    if (q->answer)
        memset(q->answer, 0, size);
    return q->answer;
}

/* store_read_NAME as called by a row; those with _WHY give a reason. */
#define QUERY(name)                                                                                \
    static enum kn_status query_##name(struct query *q)                                            \
    {                                                                                              \
        return store_read_##name(q->reader, q->msg, q->arena, q->answer);                          \
    }
#define QUERY_WHY(name)                                                                            \
    static enum kn_status query_##name(struct query *q)                                            \
    {                                                                                              \
        return store_read_##name(q->reader, q->msg, q->arena, q->answer, &q->why);                 \
    }
QUERY_WHY(tasks)
QUERY(task)
QUERY_WHY(events)
QUERY(workers)
QUERY(queues)
QUERY(feed)
QUERY_WHY(rollups)
QUERY(overdue)
QUERY(audit)
QUERY_WHY(family)
QUERY_WHY(failures)
QUERY(task_names)
QUERY(worker_life)
QUERY(links)

static enum kn_status query_known_queues(struct query *q)
{
    const struct kn_msg_known_queues_get *get = q->msg;
    return store_read_known_queues(q->reader, get->source, q->arena, q->answer);
}

static enum kn_status query_position(struct query *q)
{
    const struct kn_msg_reader_get *get = q->msg;
    return store_read_position(q->reader, get->reader, q->arena, q->answer);
}

static enum kn_status query_dismissals(struct query *q)
{
    return store_read_dismissals(q->reader, q->arena, q->answer);
}

static enum kn_status query_queue_histories(struct query *q)
{
    return store_read_queue_histories(q->reader, q->msg, q->arena, q->answer, &q->why);
}

static enum kn_status query_pauses(struct query *q)
{
    const struct kn_msg_pauses_get *get = q->msg;
    return store_read_pauses(q->reader, get->source, q->arena, q->answer);
}

static enum kn_status query_jobs(struct query *q)
{
    const struct kn_msg_jobs_get *get = q->msg;
    if (!get->items)
        return store_read_jobs(q->reader, get, q->arena, q->answer);
    if (!answer_with(q, KN_KIND_JOB_ITEMS))
        return KN_NOMEM;
    return store_read_job_items(q->reader, get, q->arena, q->answer, &q->why);
}

static enum kn_status query_system(struct query *q)
{
    return system_read(q->reader, q->registry, q->arena, q->answer);
}

/* ---- changes that are read for first ------------------------------------------------- */

/* The tasks are looked for by a reader, so that nothing else waits meanwhile. */
static enum kn_status plan_job(struct query *q)
{
    const struct kn_msg_job_create *create = q->msg;
    struct store_job *draft = kn_arena_alloc(q->arena, sizeof *draft);
    if (!draft)
        return KN_NOMEM;
    enum kn_status status = store_plan_job(q->reader, create, q->arena, draft, q->answer, &q->why);
    if (!create->dry_run)
        q->answer = NULL;
    q->job = draft;
    return status;
}

/* Nearly always there is nothing to take: then nothing is written. */
static enum kn_status look_for_work(struct query *q)
{
    const struct kn_msg_job_take *take = q->msg;
    struct kn_msg_job_items *nothing = q->answer;
    enum kn_status status = store_read_work(q->reader, take->source, q->arena, &nothing->wait);
    if (status == KN_OK && (take->results.count || !nothing->wait))
        q->answer = NULL;
    else if (nothing->wait > KN_SECOND)
        nothing->wait = KN_SECOND;
    return status;
}

/* ---- what a change must say ---------------------------------------------------------- */

static bool check_batch(const void *msg)
{
    const struct kn_msg_ingest_batch *batch = msg;
    return batch->source.len && batch->seq;
}

static bool check_inspect(const void *msg)
{
    const struct kn_msg_worker_inspect *inspect = msg;
    return inspect->source.len && inspect->hostname.len;
}

static bool check_liveness(const void *msg)
{
    const struct kn_msg_worker_liveness *liveness = msg;
    return liveness->source.len && liveness->hostname.len;
}

static bool check_take(const void *msg)
{
    return ((const struct kn_msg_job_take *)msg)->source.len;
}

static enum kn_status note_service(struct registry *registry, const void *msg)
{
    return registry_put(registry, msg);
}

/* ---- the table ----------------------------------------------------------------------- */

#define READ(kind, answer, read)                                                                   \
    {                                                                                              \
        KN_KIND_##kind, KN_KIND_##answer, read, NULL, NULL, NULL                                   \
    }
#define APPLY(kind, answer, check, apply)                                                          \
    {                                                                                              \
        KN_KIND_##kind, KN_KIND_##answer, NULL, check, apply, NULL                                 \
    }
#define READ_AND_APPLY(kind, answer, read, check, apply)                                           \
    {                                                                                              \
        KN_KIND_##kind, KN_KIND_##answer, read, check, apply, NULL                                 \
    }
#define NOTE(kind, note)                                                                           \
    {                                                                                              \
        KN_KIND_##kind, KN_KIND_DONE, NULL, NULL, NULL, note                                       \
    }

/* clang-format off */
static const struct request requests[] = {
    READ(TASKS_GET, TASK_LIST, query_tasks),
    READ(TASK_GET, TASK, query_task),
    READ(TASK_EVENTS_GET, TASK_EVENT_LIST, query_events),
    READ(WORKERS_GET, WORKER_LIST, query_workers),
    READ(QUEUES_GET, QUEUE_LIST, query_queues),
    READ(QUEUE_HISTORIES_GET, QUEUE_HISTORIES, query_queue_histories),
    READ(KNOWN_QUEUES_GET, KNOWN_QUEUES, query_known_queues),
    READ(FEED_GET, FEED_LIST, query_feed),
    READ(READER_GET, READER_POSITION, query_position),
    READ(ROLLUPS_GET, SERIES_LIST, query_rollups),
    READ(OVERDUE_GET, OVERDUE_LIST, query_overdue),
    READ(AUDIT_GET, AUDIT_LIST, query_audit),
    READ(JOBS_GET, JOB_LIST, query_jobs), /* or JOB_ITEMS */
    READ(FAMILY_GET, TASK_LIST, query_family),
    READ(FAILURES_GET, FAILURE_LIST, query_failures),
    READ(TASK_NAMES_GET, TASK_NAMES, query_task_names),
    READ(WORKER_LIFE_GET, WORKER_LIFE, query_worker_life),
    READ(PAUSES_GET, PAUSE_LIST, query_pauses),
    READ(TASK_LINKS_GET, TASK_LINKS, query_links),
    READ(DISMISSALS_GET, DISMISSAL_LIST, query_dismissals),
    READ(SYSTEM_GET, SYSTEM, query_system),

    APPLY(INGEST_BATCH, INGEST_ACK, check_batch, tx_ingest),
    APPLY(WORKER_INSPECT, DONE, check_inspect, tx_worker_inspect),
    APPLY(WORKER_LIVENESS, DONE, check_liveness, tx_worker_liveness),
    APPLY(ROLLUP_PUT, DONE, NULL, tx_rollup_put),
    APPLY(AUDIT_BEGIN, DONE, NULL, tx_audit_begin),
    APPLY(AUDIT_END, DONE, NULL, tx_audit_end),
    APPLY(TASK_LINK, DONE, NULL, tx_task_link),
    APPLY(PAUSE, DONE, NULL, tx_pause),
    APPLY(RESOLVE, DONE, NULL, tx_task_resolve),
    APPLY(DISMISS, DONE, NULL, tx_dismiss),
    APPLY(JOB_CANCEL, JOB, NULL, tx_job_cancel),
    READ_AND_APPLY(JOB_CREATE, JOB, plan_job, NULL, tx_job_create),
    READ_AND_APPLY(JOB_TAKE, JOB_ITEMS, look_for_work, check_take, tx_job_take),

    NOTE(SERVICE_STATUS, note_service),
};
/* clang-format on */

const struct request *request_of(enum kn_kind kind)
{
    for (size_t i = 0; i < KN_COUNT_OF(requests); i++) {
        if (requests[i].kind == kind)
            return &requests[i];
    }
    return NULL;
}
