#include "services/storage/jobs/job_row.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const size_t counts[KN_ITEM_STATE_COUNT] = {
    [KN_ITEM_WAITING] = offsetof(struct kn_msg_job, waiting),
    [KN_ITEM_BEGUN] = offsetof(struct kn_msg_job, begun),
    [KN_ITEM_DONE] = offsetof(struct kn_msg_job, done),
    [KN_ITEM_REFUSED] = offsetof(struct kn_msg_job, refused),
    [KN_ITEM_FAILED] = offsetof(struct kn_msg_job, failed),
    [KN_ITEM_UNCERTAIN] = offsetof(struct kn_msg_job, uncertain),
    [KN_ITEM_CANCELLED] = offsetof(struct kn_msg_job, cancelled),
};

uint64_t *job_count_of(struct kn_msg_job *job, enum kn_item_state state)
{
    return (uint64_t *)(void *)((char *)job + counts[state]);
}

void job_new_id(struct kn_str job, uint64_t item, char ret[JOB_NEW_ID_SIZE])
{
    enum { UUID = 36, HEAD = 24 };
    char tail[UUID - HEAD + 1] = "", *end = tail;
    if (job.len == UUID)
        memcpy(tail, job.ptr + HEAD, UUID - HEAD);
    uint64_t number = strtoull(tail, &end, 16);
    if (end == tail + UUID - HEAD)
        snprintf(ret, JOB_NEW_ID_SIZE, "%.24s%012" PRIx64, job.ptr,
                 (number + item) & 0xffffffffffff);
    else
        snprintf(ret, JOB_NEW_ID_SIZE, "%.64s-%" PRIu64, job.ptr, item);
}

bool job_is_own(const struct kn_msg_job *job)
{
    return job->action == KN_JOB_RESOLVE || job->action == KN_JOB_UNRESOLVE;
}

enum kn_status job_row_read(const struct db_value *columns, struct kn_arena *arena,
                            struct kn_msg_job *ret, int64_t *ret_due_at)
{
    enum { NO, ID, ACTION, STATE, RATE, DUE, CREATED, ENDED, ACTOR, REMOTE, AGENT, OPTIONS };
    enum { REQUEST = OPTIONS + 1, TOTAL, COUNTS };
    *ret = (struct kn_msg_job){
        .no = (uint64_t)db_as_i64(columns[NO]),
        .id = kn_arena_str(arena, db_as_str(columns[ID])),
        .action = (uint8_t)db_as_i64(columns[ACTION]),
        .state = (uint8_t)db_as_i64(columns[STATE]),
        .rate = columns[RATE].kind == DB_F64 ? columns[RATE].f64 : 1,
        .created_at = db_as_i64(columns[CREATED]),
        .ended_at = db_as_i64(columns[ENDED]),
        .actor = kn_arena_str(arena, db_as_str(columns[ACTOR])),
        .remote = kn_arena_str(arena, db_as_str(columns[REMOTE])),
        .agent = kn_arena_str(arena, db_as_str(columns[AGENT])),
        .options = kn_arena_str(arena, db_as_str(columns[OPTIONS])),
        .request = kn_arena_str(arena, db_as_str(columns[REQUEST])),
        .total = (uint64_t)db_as_i64(columns[TOTAL]),
    };
    for (size_t i = 0; i < KN_ITEM_STATE_COUNT; i++)
        *job_count_of(ret, (enum kn_item_state)i) = (uint64_t)db_as_i64(columns[COUNTS + i]);
    *ret_due_at = db_as_i64(columns[DUE]);
    return arena->overflow ? KN_NOMEM : KN_OK;
}
