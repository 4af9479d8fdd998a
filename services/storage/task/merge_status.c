/* What a record says: its status, and times. */
#include "services/storage/task/merge_key.h"

#include "services/common/text/time.h"

/* celery.states.PRECEDENCE, best first. */
static const uint8_t finals[] = {MERGE_SUCCEEDED, MERGE_FAILED, MERGE_REVOKED, MERGE_REJECTED};

/* When it reached us. */
static int64_t arrived_at(const struct merge_task *task, unsigned type)
{
    return task->type_key[type].at + task->sender[type].lag_ms * (KN_SECOND / 1000);
}

/* When it was true: the backend's word was so when it was asked. */
static int64_t true_at(const struct merge_task *task, unsigned type)
{
    if (task->origins[type] == KN_ORIGIN_BACKEND && task->learned[type]->received_at)
        return task->learned[type]->received_at;
    return task->type_key[type].at;
}

/* 1: x is later, -1: y is later, 0: unknown, of two events of one process. Its threads take the
 * logical clock first and the time after that, so of events that are near each other, the two may
 * disagree. */
static int order_in_process(struct merge_key x, struct merge_key y)
{
    if (!x.clock || !y.clock)
        return key_cmp(x, y);
    int clocked = (x.clock > y.clock) - (x.clock < y.clock);
    bool near = !sign_beyond(x.at - y.at, KN_CLOCK_UNSURE_US);
    return near && clocked == -sign_beyond(x.at - y.at, 0) ? 0 : clocked;
}

/* The same for events of any process. */
static int order_of(const struct merge_task *task, unsigned a, unsigned b)
{
    struct merge_key x = task->type_key[a], y = task->type_key[b];
    if (task->sender[a].process && task->sender[a].process == task->sender[b].process)
        return order_in_process(x, y);
    int64_t arrived = arrived_at(task, a) - arrived_at(task, b);
    int64_t timed = true_at(task, a) - true_at(task, b);
    int order = sign_beyond(arrived, KN_CLOCK_UNSURE_US);
    if (!order) /* events that waited for us in a queue arrive together, but in their order */
        order = sign_beyond(timed, KN_CLOCK_UNSURE_US);
    /* one was late, or has a clock that nobody corrected */
    return order == -sign_beyond(arrived, 0) || order == -sign_beyond(timed, 0) ? 0 : order;
}

/* The same, but if unknown, their times decide. */
static bool is_later(const struct merge_task *task, unsigned a, unsigned b)
{
    int order = order_of(task, a, b);
    return (order ? order : key_cmp(task->type_key[a], task->type_key[b])) > 0;
}

/* Whether a worker's word that it does not know the task is the latest about it. */
static bool is_orphaned(const struct merge_task *task, unsigned type)
{
    return has(task, MERGE_ORPHANED) && (type == MERGE_RECEIVED || type == MERGE_STARTED) &&
           !(has(task, MERGE_RECEIVED) && is_later(task, MERGE_RECEIVED, MERGE_ORPHANED)) &&
           !(has(task, MERGE_STARTED) && is_later(task, MERGE_STARTED, MERGE_ORPHANED));
}

/* Whether its message was seen waiting after a worker had taken it. */
static bool waits_again(const struct merge_task *task)
{
    const struct kn_msg_event *seen = task->learned[MERGE_SENT];
    struct merge_key taken = {0};
    return seen && seen->origin == KN_ORIGIN_BROKER &&
           latest_key(task, 1u << MERGE_RECEIVED | 1u << MERGE_STARTED, &taken) &&
           seen->timestamp > taken.at;
}

/* A later attempt has begun than any that was retried: each retry is of an attempt
 * before it, though its event may be late. Where some were not seen, a late one is
 * taken for its own attempt's. */
static bool is_past_retries(const struct merge_task *task)
{
    const struct merge_retried *retried = &task->retried;
    struct merge_key taken = {0};
    if (!retried->count || retried->count == MERGE_RETRIED_MAX || retried->count > task->attempt)
        return false;
    return retried->count == task->attempt ||
           !latest_key(task, 1u << MERGE_RECEIVED | 1u << MERGE_STARTED, &taken) ||
           true_at(task, MERGE_RETRIED) - taken.at <= KN_CLOCK_UNSURE_US;
}

static bool is_final(const struct merge_task *task, unsigned type)
{
    return has(task, type) && !(type == MERGE_REJECTED && task->requeued);
}

/* Whether the backend still had this end when a worker had taken the message again, and not
 * begun it: a copy that it only threw away. */
static bool is_confirmed(const struct merge_task *task, unsigned final)
{
    const struct kn_msg_event *said = task->learned[final];
    return said && said->origin == KN_ORIGIN_BACKEND && has(task, MERGE_RECEIVED) &&
           said->received_at > arrived_at(task, MERGE_RECEIVED) &&
           !(has(task, MERGE_STARTED) && is_later(task, MERGE_STARTED, MERGE_RECEIVED));
}

/* Whether it was started again after this final event: its message may have been taken
 * before that. A single task-started may be late. */
static bool is_started_again(const struct merge_task *task, unsigned final)
{
    if (!has(task, MERGE_STARTED))
        return false;
    struct merge_key first = task->first_started;
    return key_cmp(first, task->type_key[MERGE_STARTED]) < 0 &&
           key_cmp(first, task->type_key[final]) < 0 && order_of(task, MERGE_STARTED, final) > 0;
}

/* Whether the id was used again after this final event. */
static bool is_used_again(const struct merge_task *task, unsigned final)
{
    if (has(task, MERGE_RECEIVED) && order_of(task, MERGE_RECEIVED, final) > 0)
        return !is_confirmed(task, final);
    if (is_started_again(task, final))
        return true;
    if (has(task, MERGE_SENT) && order_of(task, MERGE_SENT, final) > 0)
        return true;
    return has(task, MERGE_RETRIED) && !is_past_retries(task) &&
           true_at(task, MERGE_RETRIED) - true_at(task, final) > KN_CLOCK_UNSURE_US &&
           order_of(task, MERGE_RETRIED, final) > 0;
}

/* Whether the run that began then has ended since: with a retry, requeued, or for good. */
static bool is_over(const struct merge_task *task, unsigned begun)
{
    bool past = begun == MERGE_RECEIVED && is_past_retries(task);
    if (has(task, MERGE_RETRIED) && !past && is_later(task, MERGE_RETRIED, begun))
        return true;
    for (size_t i = 0; i < sizeof finals; i++) {
        if (has(task, finals[i]) && is_later(task, finals[i], begun))
            return true;
    }
    return false;
}

static bool is_retried(const struct merge_task *task)
{
    return has(task, MERGE_RETRIED) && !is_past_retries(task) &&
           !(has(task, MERGE_STARTED) && is_later(task, MERGE_STARTED, MERGE_RETRIED)) &&
           !(has(task, MERGE_RECEIVED) && is_later(task, MERGE_RECEIVED, MERGE_RETRIED)) &&
           !(has(task, MERGE_SENT) && is_later(task, MERGE_SENT, MERGE_RETRIED)) &&
           !(has(task, MERGE_REJECTED) && is_later(task, MERGE_REJECTED, MERGE_RETRIED));
}

/* The type of an event that decides; MERGE_TYPE_COUNT when there is none. */
static unsigned deciding_event(const struct merge_task *task)
{
    for (size_t i = 0; i < sizeof finals; i++) {
        if (is_final(task, finals[i]) && !is_used_again(task, finals[i]))
            return finals[i];
    }
    if (is_retried(task))
        return MERGE_RETRIED;
    bool received = has(task, MERGE_RECEIVED) && !is_over(task, MERGE_RECEIVED);
    /* it waits in a worker for its next attempt, and the end of the one before was not seen */
    bool waits = received && task->attempt > 0 && order_of(task, MERGE_RECEIVED, MERGE_STARTED) > 0;
    if (has(task, MERGE_STARTED) && !waits &&
        ((received && is_past_retries(task) && is_later(task, MERGE_STARTED, MERGE_RECEIVED)) ||
         !is_over(task, MERGE_STARTED)))
        return MERGE_STARTED;
    if (received)
        return MERGE_RECEIVED;
    return task->types & MERGE_OF_EVENTS ? MERGE_SENT : MERGE_TYPE_COUNT;
}

enum { NO_TYPE = MERGE_LEARNED_COUNT };

/* How an earlier use ended, if the latest one is lost: its worker may have discarded a copy. */
static unsigned latest_final(const struct merge_task *task)
{
    unsigned latest = MERGE_ORPHANED;
    for (size_t i = 0; i < sizeof finals; i++) {
        if (is_final(task, finals[i]) &&
            (latest == MERGE_ORPHANED || is_later(task, finals[i], latest)))
            latest = finals[i];
    }
    return latest;
}

static unsigned deciding_type(const struct merge_task *task)
{
    unsigned type = deciding_event(task);
    if (type == MERGE_TYPE_COUNT)
        return NO_TYPE;
    if (!is_orphaned(task, type))
        return type;
    return waits_again(task) ? MERGE_SENT : latest_final(task);
}

struct merge_state merge_state_of(const struct merge_task *task)
{
    unsigned type = deciding_type(task);
    if (type == NO_TYPE || type == MERGE_SENT)
        return (struct merge_state){.status = KN_TASK_PENDING,
                                    .origin = waits_again(task) ? KN_ORIGIN_BROKER
                                              : has(task, MERGE_SENT)
                                                  ? (enum kn_origin)task->origins[MERGE_SENT]
                                                  : KN_ORIGIN_EVENTS};
    struct merge_state state = {.status = merge_status_of_type((enum merge_type)type),
                                .origin = (enum kn_origin)task->origins[type]};
    if (kn_task_is_over(state.status))
        state.ended_at = task->type_key[type].at;
    return state;
}

enum kn_task_status merge_status(const struct merge_task *task, enum kn_origin *ret_origin)
{
    struct merge_state state = merge_state_of(task);
    *ret_origin = state.origin;
    return state.status;
}

int64_t merge_time(const struct merge_task *task, enum merge_type type)
{
    return task->types & 1u << type ? task->type_key[type].at : 0;
}

int64_t merge_ended_at(const struct merge_task *task)
{
    return merge_state_of(task).ended_at;
}

int64_t merge_completed_at(const struct merge_task *task)
{
    struct merge_state state = merge_state_of(task);
    return state.status == KN_TASK_ORPHANED ? 0 : state.ended_at;
}

bool merge_queue_wait(const struct merge_task *task, double *ret)
{
    if (!(task->types & 1u << MERGE_STARTED))
        return false;
    static const uint8_t begins[] = {MERGE_SENT, MERGE_RECEIVED};
    for (size_t i = 0; i < sizeof begins; i++) {
        int64_t wait;
        if ((task->types & 1u << begins[i]) &&
            !__builtin_sub_overflow(task->type_key[MERGE_STARTED].at, task->type_key[begins[i]].at,
                                    &wait) &&
            wait >= 0) {
            *ret = (double)wait / (double)KN_SECOND;
            return true;
        }
    }
    return false;
}
