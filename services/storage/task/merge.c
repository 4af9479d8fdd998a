#include "services/storage/task/merge.h"

#include "services/common/data/hmap.h"
#include "services/common/text/time.h"

#include <math.h>
#include <stddef.h>

static const struct {
    size_t offset; /* in the event */
    uint8_t types;
} texts[MERGE_TEXT_COUNT] = {
#define F(name, field, of) [MERGE_##name] = {offsetof(struct kn_msg_event, field), of},
    MERGE_TEXT_MAP(F)
#undef F
};

/* celery.states.PRECEDENCE, best first. */
static const uint8_t finals[] = {MERGE_SUCCEEDED, MERGE_FAILED, MERGE_REVOKED, MERGE_REJECTED};

static int sign_beyond(int64_t difference, int64_t unsure)
{
    return (difference > unsure) - (difference < -unsure);
}

static int key_cmp(struct merge_key a, struct merge_key b)
{
    if (a.at != b.at)
        return a.at < b.at ? -1 : 1;
    return (a.clock > b.clock) - (a.clock < b.clock);
}

static bool is_standard(const struct kn_msg_event *event)
{
    return event->type >= KN_EVENT_TASK_SENT && event->type <= KN_EVENT_TASK_RETRIED;
}

bool merge_is_learned(const struct kn_msg_event *event)
{
    return event->origin != KN_ORIGIN_EVENTS &&
           (is_standard(event) || event->type == KN_EVENT_TASK_ORPHANED);
}

bool merge_is_task_event(const struct kn_msg_event *event)
{
    return is_standard(event) || merge_is_learned(event) ||
           (event->type == KN_EVENT_CUSTOM && event->uuid.len &&
            kn_str_starts(event->type_name, KN_STR("task-")));
}

enum kn_task_status merge_status_of_type(enum merge_type type)
{
    static const uint8_t statuses[MERGE_LEARNED_COUNT] = {
        [MERGE_SENT] = KN_TASK_PENDING,      [MERGE_RECEIVED] = KN_TASK_RECEIVED,
        [MERGE_STARTED] = KN_TASK_STARTED,   [MERGE_SUCCEEDED] = KN_TASK_SUCCESS,
        [MERGE_FAILED] = KN_TASK_FAILURE,    [MERGE_REJECTED] = KN_TASK_REJECTED,
        [MERGE_REVOKED] = KN_TASK_REVOKED,   [MERGE_RETRIED] = KN_TASK_RETRY,
        [MERGE_ORPHANED] = KN_TASK_ORPHANED,
    };
    return (enum kn_task_status)statuses[type];
}

/* ---- joining ------------------------------------------------------------------------- */

static void join_text(struct merge_task *task, unsigned i, struct kn_str text, struct merge_key key)
{
    if (!text.ptr)
        return;
    if (task->text[i].ptr) {
        int order = key_cmp(key, task->text_key[i]);
        if (order < 0 || (order == 0 && kn_str_cmp(text, task->text[i]) <= 0))
            return;
    }
    task->text[i] = text;
    task->text_key[i] = key;
}

static void join_retries(struct merge_task *task, struct kn_opt_i64 retries, struct merge_key key)
{
    if (!retries.set)
        return;
    int order = task->retries.set ? key_cmp(key, task->retries_key) : 1;
    if (order < 0 || (order == 0 && retries.value <= task->retries.value))
        return;
    task->retries = retries;
    task->retries_key = key;
}

static void join_runtime(struct merge_task *task, struct kn_opt_f64 runtime, struct merge_key key)
{
    if (!runtime.set || !isfinite(runtime.value))
        return;
    int order = task->runtime.set ? key_cmp(key, task->runtime_key) : 1;
    if (order < 0 || (order == 0 && runtime.value <= task->runtime.value))
        return;
    task->runtime = runtime;
    task->runtime_key = key;
}

static int sender_cmp(struct merge_sender a, struct merge_sender b)
{
    if (a.process != b.process)
        return a.process > b.process ? 1 : -1;
    return (a.lag_ms < b.lag_ms) - (a.lag_ms > b.lag_ms); /* it came twice: use the first time */
}

static void join_type(struct merge_task *task, unsigned type, struct merge_key key,
                      struct merge_sender sender, uint8_t origin)
{
    int order = task->types & 1u << type ? key_cmp(key, task->type_key[type]) : 1;
    if (type == MERGE_STARTED &&
        (!(task->types & 1u << type) || key_cmp(key, task->first_started) < 0))
        task->first_started = key;
    if (order == 0)
        order = origin != task->origins[type] ? origin - task->origins[type]
                                              : sender_cmp(sender, task->sender[type]);
    if (order <= 0)
        return;
    task->types |= (uint16_t)(1u << type);
    task->type_key[type] = key;
    task->sender[type] = sender;
    task->origins[type] = origin;
}

static void join_retried(struct merge_retried *retried, uint32_t hash)
{
    size_t i = 0;
    while (i < retried->count && retried->seen[i] < hash)
        i++;
    if (i == MERGE_RETRIED_MAX || (i < retried->count && retried->seen[i] == hash))
        return;
    retried->count += retried->count < MERGE_RETRIED_MAX;
    for (size_t k = retried->count - 1u; k > i; k--)
        retried->seen[k] = retried->seen[k - 1];
    retried->seen[i] = hash;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

static void join_skew(struct merge_task *task, int64_t skew)
{
    if (magnitude(skew) > magnitude(task->skew) ||
        (magnitude(skew) == magnitude(task->skew) && skew > task->skew))
        task->skew = skew;
}

/* Goes together with its event. Called before join_type. */
static void join_requeued(struct merge_task *task, bool requeued, struct merge_key key)
{
    int order =
        task->types & 1u << MERGE_REJECTED ? key_cmp(key, task->type_key[MERGE_REJECTED]) : 1;
    if (order > 0)
        task->requeued = requeued;
    else if (order == 0)
        task->requeued &= requeued;
}

static void join_span(struct merge_task *task, int64_t first_at, int64_t latest_at)
{
    bool first = !task->seen;
    if (first || first_at < task->first_at)
        task->first_at = first_at;
    if (first || latest_at > task->latest_at)
        task->latest_at = latest_at;
    task->seen = true;
}

/* The latest key of the types that were seen. False when none was. */
static bool latest_key(const struct merge_task *task, unsigned types, struct merge_key *ret)
{
    bool found = false;
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) {
        if (!(task->types & types & 1u << t))
            continue;
        if (!found || key_cmp(task->type_key[t], *ret) > 0)
            *ret = task->type_key[t];
        found = true;
    }
    return found;
}

/* eta and expires, terminated and expired go together with their event: a task
 * that is sent again without an eta has none. Called before join_type. */
static void join_message(struct merge_task *task, int64_t eta, int64_t expires,
                         struct merge_key key)
{
    struct merge_key have;
    int order = latest_key(task, MERGE_OF_MESSAGE, &have) ? key_cmp(key, have) : 1;
    if (order == 0)
        order = eta != task->eta ? (eta > task->eta ? 1 : -1)
                                 : (expires > task->expires) - (expires < task->expires);
    if (order > 0) {
        task->eta = eta;
        task->expires = expires;
    }
}

static int revoked_cmp(const struct merge_revoked *a, const struct merge_revoked *b)
{
    if (a->terminated != b->terminated)
        return a->terminated ? 1 : -1;
    if (a->expired != b->expired)
        return a->expired ? 1 : -1;
    if (!a->signum.ptr != !b->signum.ptr)
        return a->signum.ptr ? 1 : -1;
    return kn_str_cmp(a->signum, b->signum);
}

static void join_revoked(struct merge_task *task, const struct merge_revoked *revoked,
                         struct merge_key key)
{
    struct merge_key have;
    int order = latest_key(task, MERGE_OF_REVOKED, &have) ? key_cmp(key, have) : 1;
    if (order > 0 || (order == 0 && revoked_cmp(revoked, &task->revoked) > 0))
        task->revoked = *revoked;
}

static unsigned type_of(const struct kn_msg_event *event)
{
    return event->type == KN_EVENT_TASK_ORPHANED ? MERGE_ORPHANED
                                                 : (unsigned)event->type - KN_EVENT_TASK_SENT;
}

static struct merge_key key_of(const struct kn_msg_event *event)
{
    return (struct merge_key){event->timestamp, event->clock};
}

static struct kn_str text_of(const struct kn_msg_event *event, unsigned i)
{
    return *(const struct kn_str *)((const char *)event + texts[i].offset);
}

/* By the worker's own clock, which every copy of the event has. */
static uint32_t retried_hash(const struct kn_msg_event *event)
{
    uint64_t stamp = (uint64_t)event->timestamp + (uint64_t)event->skew;
    return (uint32_t)hmap_mix(stamp ^ hmap_mix(event->clock));
}

static struct merge_sender sender_of(const struct kn_msg_event *event)
{
    struct merge_sender sender = {0};
    int64_t lag;
    if (event->hostname.len && event->origin == KN_ORIGIN_EVENTS)
        sender.process =
            (uint32_t)kn_hash64(event->pid, event->hostname.ptr, event->hostname.len) | 1;
    if (event->received_at && !__builtin_sub_overflow(event->received_at, event->timestamp, &lag))
        sender.lag_ms = lag / 1000 > INT32_MAX   ? INT32_MAX
                        : lag / 1000 < INT32_MIN ? INT32_MIN
                                                 : (int32_t)(lag / 1000);
    return sender;
}

static struct merge_revoked revoked_of(const struct kn_msg_event *event)
{
    return (struct merge_revoked){event->signum, event->terminated, event->expired};
}

static int opt_cmp(bool a_set, double a, bool b_set, double b)
{
    if (a_set != b_set)
        return a_set ? 1 : -1;
    return a_set ? (a > b) - (a < b) : 0;
}

/* An order over all that a learned event brings into a view. */
static int learned_cmp(const struct kn_msg_event *a, const struct kn_msg_event *b)
{
    struct merge_revoked revoked[] = {revoked_of(a), revoked_of(b)};
    int order = key_cmp(key_of(a), key_of(b));
    if (order == 0)
        order = b->origin - a->origin; /* the backend before a worker */
    for (unsigned i = 0; order == 0 && i < MERGE_TEXT_COUNT; i++) {
        struct kn_str x = text_of(a, i), y = text_of(b, i);
        order = !x.ptr != !y.ptr ? (x.ptr ? 1 : -1) : kn_str_cmp(x, y);
    }
    if (order == 0)
        order = opt_cmp(a->retries.set, (double)a->retries.value, b->retries.set,
                        (double)b->retries.value);
    if (order == 0)
        order = opt_cmp(a->runtime.set && isfinite(a->runtime.value), a->runtime.value,
                        b->runtime.set && isfinite(b->runtime.value), b->runtime.value);
    if (order == 0)
        order = a->eta != b->eta ? (a->eta > b->eta ? 1 : -1)
                                 : (a->expires > b->expires) - (a->expires < b->expires);
    if (order == 0)
        order = sign_beyond(a->received_at - b->received_at, 0);
    if (order == 0)
        order = b->requeue - a->requeue;
    return order ? order : revoked_cmp(&revoked[0], &revoked[1]);
}

static void join_learned(struct merge_task *task, const struct kn_msg_event *event)
{
    const struct kn_msg_event **have = &task->learned[type_of(event)];
    if (!*have || learned_cmp(event, *have) > 0)
        *have = event;
}

/* The backend's times are by the worker's clock; the time we learned it is by ours. */
static int64_t learned_first_at(const struct kn_msg_event *event)
{
    return event->received_at ? event->received_at : event->timestamp;
}

static int64_t learned_latest_at(const struct kn_msg_event *event)
{
    return event->received_at && event->received_at < event->timestamp ? event->received_at
                                                                       : event->timestamp;
}

void merge_event(struct merge_task *task, const struct kn_msg_event *event)
{
    struct merge_key key = key_of(event);
    join_skew(task, event->skew);
    if (merge_is_learned(event)) {
        join_span(task, learned_first_at(event), learned_latest_at(event));
        join_learned(task, event);
        return;
    }
    join_span(task, event->timestamp, event->timestamp);
    if (!is_standard(event)) {
        if (event->hostname.len)
            join_text(task, MERGE_WORKER, event->hostname, key);
        return;
    }
    unsigned type = type_of(event);
    unsigned bit = 1u << type;
    for (unsigned i = 0; i < MERGE_TEXT_COUNT; i++) {
        if (texts[i].types & bit)
            join_text(task, i, text_of(event, i), key);
    }
    if (bit & MERGE_OF_MESSAGE) {
        join_retries(task, event->retries, key);
        join_message(task, event->eta, event->expires, key);
    }
    if (type == MERGE_FAILED && event->name.ptr) /* of a task that no message named */
        join_text(task, MERGE_NAME, event->name, (struct merge_key){0});
    if (type == MERGE_RECEIVED && event->retries.set && event->retries.value > task->attempt)
        task->attempt = event->retries.value;
    if (type == MERGE_RETRIED)
        join_retried(&task->retried, retried_hash(event));
    if (type == MERGE_REJECTED)
        join_requeued(task, event->requeue, key);
    if (bit & MERGE_OF_RESULT)
        join_runtime(task, event->runtime, key);
    if (bit & MERGE_OF_REVOKED)
        join_revoked(
            task, &(struct merge_revoked){event->signum, event->terminated, event->expired}, key);
    join_type(task, type, key, sender_of(event), KN_ORIGIN_EVENTS);
}

void merge_join(struct merge_task *into, const struct merge_task *other)
{
    if (merge_is_empty(other))
        return;
    struct merge_key key;
    join_span(into, other->first_at, other->latest_at);
    for (unsigned i = 0; i < MERGE_TEXT_COUNT; i++)
        join_text(into, i, other->text[i], other->text_key[i]);
    join_retries(into, other->retries, other->retries_key);
    join_runtime(into, other->runtime, other->runtime_key);
    if (latest_key(other, MERGE_OF_MESSAGE, &key))
        join_message(into, other->eta, other->expires, key);
    if (latest_key(other, MERGE_OF_REVOKED, &key))
        join_revoked(into, &other->revoked, key);
    if (other->types & 1u << MERGE_REJECTED)
        join_requeued(into, other->requeued, other->type_key[MERGE_REJECTED]);
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) {
        if (other->types & 1u << t)
            join_type(into, t, other->type_key[t], other->sender[t], other->origins[t]);
    }
    if (other->types & MERGE_OF_STARTED && key_cmp(other->first_started, into->first_started) < 0)
        into->first_started = other->first_started;
    if (other->attempt > into->attempt)
        into->attempt = other->attempt;
    for (size_t i = 0; i < other->retried.count; i++)
        join_retried(&into->retried, other->retried.seen[i]);
    join_skew(into, other->skew);
    for (unsigned t = 0; t < MERGE_LEARNED_COUNT; t++) {
        if (other->learned[t])
            join_learned(into, other->learned[t]);
    }
}

/* ---- what was learned ------------------------------------------------------------------ */

bool merge_learned_counts(const struct merge_task *task, enum merge_type type)
{
    return task->learned[type] && !(task->types & 1u << type);
}

static bool fills_in(unsigned i)
{
    return i == MERGE_NAME || i == MERGE_ARGS || i == MERGE_KWARGS || i == MERGE_WORKER;
}

int64_t merge_learned_at(const struct merge_task *task, enum merge_type type)
{
    const struct kn_msg_event *event = task->learned[type];
    int64_t at = event->timestamp, until = event->received_at;
    struct merge_key taken = {0};
    if (type == MERGE_ORPHANED || event->origin == KN_ORIGIN_BROKER)
        return at; /* our own */
    bool is_taken = latest_key(task, 1u << MERGE_RECEIVED | 1u << MERGE_STARTED, &taken) ||
                    latest_key(task, 1u << MERGE_SENT, &taken);
    if (task->skew) { /* it is most likely by the same clock */
        int64_t corrected = at - task->skew;
        if (corrected >= taken.at && (!until || corrected <= until))
            return corrected;
    }
    if (until && at > until)
        at = until;
    return is_taken && at < taken.at && (!until || taken.at <= until) ? taken.at : at;
}

static void view_learned(struct merge_task *view, const struct merge_task *task, unsigned type)
{
    const struct kn_msg_event *event = task->learned[type];
    struct merge_key key = {merge_learned_at(task, (enum merge_type)type), event->clock};
    unsigned bit = 1u << type;
    for (unsigned i = 0; i < MERGE_TEXT_COUNT; i++) {
        if (fills_in(i) ? !view->text[i].ptr && text_of(event, i).len : (texts[i].types & bit) != 0)
            join_text(view, i, text_of(event, i), key);
    }
    if (!view->retries.set)
        join_retries(view, event->retries, key);
    if (bit & MERGE_OF_RESULT)
        join_runtime(view, event->runtime, key);
    if (bit & MERGE_OF_REVOKED)
        view->revoked = revoked_of(event);
    if (type == MERGE_REJECTED)
        view->requeued = event->requeue;
    if (bit & MERGE_OF_MESSAGE && !(view->types & MERGE_OF_MESSAGE)) {
        view->eta = event->eta;
        view->expires = event->expires;
    }
    join_type(view, type, key, sender_of(event), event->origin);
}

const struct merge_task *merge_view(const struct merge_task *task, struct merge_task *room)
{
    const struct merge_task *view = task;
    for (unsigned t = 0; t < MERGE_LEARNED_COUNT; t++) {
        if (!merge_learned_counts(task, (enum merge_type)t))
            continue;
        if (view == task)
            *room = *task;
        view = room;
        view_learned(room, task, t);
    }
    return view;
}

/* ---- reading ------------------------------------------------------------------------- */

bool merge_is_empty(const struct merge_task *task)
{
    return !task->seen;
}

static bool has(const struct merge_task *task, unsigned type)
{
    return task->types & 1u << type;
}

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

/* 1: a is later, -1: b is later, 0: unknown. */
static int order_of(const struct merge_task *task, unsigned a, unsigned b)
{
    struct merge_key x = task->type_key[a], y = task->type_key[b];
    if (task->sender[a].process && task->sender[a].process == task->sender[b].process)
        return x.clock && y.clock ? (x.clock > y.clock) - (x.clock < y.clock) : key_cmp(x, y);
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

enum kn_task_status merge_status(const struct merge_task *task, enum kn_origin *ret_origin)
{
    unsigned type = deciding_type(task);
    if (type == NO_TYPE || type == MERGE_SENT) {
        *ret_origin = waits_again(task)       ? KN_ORIGIN_BROKER
                      : has(task, MERGE_SENT) ? (enum kn_origin)task->origins[MERGE_SENT]
                                              : KN_ORIGIN_EVENTS;
        return KN_TASK_PENDING;
    }
    *ret_origin = (enum kn_origin)task->origins[type];
    return merge_status_of_type((enum merge_type)type);
}

int64_t merge_time(const struct merge_task *task, enum merge_type type)
{
    return task->types & 1u << type ? task->type_key[type].at : 0;
}

int64_t merge_completed_at(const struct merge_task *task)
{
    unsigned type = deciding_type(task);
    if (type == NO_TYPE || type == MERGE_ORPHANED ||
        !kn_task_is_over(merge_status_of_type((enum merge_type)type)))
        return 0;
    return task->type_key[type].at;
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

/* ---- the bytes beside the columns ---------------------------------------------------- */

enum { FIELD_RETRIES = MERGE_TEXT_COUNT, FIELD_RUNTIME, FIELD_COUNT };

static void put_varint(struct kn_buf *out, uint64_t value)
{
    char bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (char)(value | 0x80);
    bytes[n++] = (char)value;
    kn_buf_append(out, bytes, n);
}

static bool get_varint(struct kn_str *in, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (!in->len)
            return false;
        uint8_t byte = (uint8_t)*in->ptr;
        in->ptr++;
        in->len--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool get_byte(struct kn_str *in, uint8_t *ret)
{
    if (!in->len)
        return false;
    *ret = (uint8_t)*in->ptr;
    in->ptr++;
    in->len--;
    return true;
}

/* Where the key of field i is, or NULL when the field has no value. */
static struct merge_key *field_key(struct merge_task *task, unsigned i)
{
    if (i < MERGE_TEXT_COUNT)
        return task->text[i].ptr ? &task->text_key[i] : NULL;
    if (i == FIELD_RETRIES)
        return task->retries.set ? &task->retries_key : NULL;
    return task->runtime.set ? &task->runtime_key : NULL;
}

static unsigned field_types(unsigned i)
{
    if (i < MERGE_TEXT_COUNT)
        return texts[i].types;
    return i == FIELD_RETRIES ? MERGE_OF_MESSAGE : MERGE_OF_RESULT;
}

/* What stands beside the clock of each type. */
enum { ORIGIN_BITS = 15, HAS_PROCESS = 16, SAME_PROCESS = 32, HAS_LAG = 64 };
/* Behind the fields. */
enum { PART_ATTEMPT = 128, PART_RETRIED, PART_SKEW, PART_FIRST };

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ -(value & 1));
}

static void put_u32(struct kn_buf *out, uint32_t value)
{
    char bytes[] = {(char)value, (char)(value >> 8), (char)(value >> 16), (char)(value >> 24)};
    kn_buf_append(out, bytes, sizeof bytes);
}

static bool get_u32(struct kn_str *in, uint32_t *ret)
{
    const uint8_t *p = (const uint8_t *)in->ptr;
    if (in->len < 4)
        return false;
    *ret = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    in->ptr += 4;
    in->len -= 4;
    return true;
}

static void put_sender(struct kn_buf *out, uint8_t origin, struct merge_sender sender,
                       uint32_t *last)
{
    bool same = sender.process && sender.process == *last;
    uint8_t flags = (uint8_t)(origin & ORIGIN_BITS);
    if (sender.process)
        flags |= same ? SAME_PROCESS : HAS_PROCESS;
    if (sender.lag_ms)
        flags |= HAS_LAG;
    kn_buf_char(out, (char)flags);
    if (flags & HAS_PROCESS)
        put_u32(out, *last = sender.process);
    if (sender.lag_ms)
        put_varint(out, zigzag(sender.lag_ms));
}

static bool get_sender(struct kn_str *in, uint8_t *ret_origin, struct merge_sender *ret,
                       uint32_t *last)
{
    uint8_t flags;
    uint64_t lag = 0;
    if (!get_byte(in, &flags) || (flags & HAS_PROCESS && !get_u32(in, last)) ||
        (flags & HAS_LAG && !get_varint(in, &lag)))
        return false;
    *ret_origin = flags & ORIGIN_BITS;
    ret->process = flags & (HAS_PROCESS | SAME_PROCESS) ? *last : 0;
    ret->lag_ms = (int32_t)unzigzag(lag);
    return true;
}

static void put_parts(struct kn_buf *out, const struct merge_task *task)
{
    if (task->attempt) {
        kn_buf_char(out, (char)PART_ATTEMPT);
        put_varint(out, (uint64_t)task->attempt);
    }
    if (task->retried.count) {
        kn_buf_char(out, (char)PART_RETRIED);
        kn_buf_char(out, (char)task->retried.count);
        for (size_t i = 0; i < task->retried.count; i++)
            put_u32(out, task->retried.seen[i]);
    }
    if (task->skew) {
        kn_buf_char(out, (char)PART_SKEW);
        put_varint(out, zigzag(task->skew));
    }
    if (task->types & MERGE_OF_STARTED &&
        key_cmp(task->first_started, task->type_key[MERGE_STARTED]) != 0) {
        kn_buf_char(out, (char)PART_FIRST);
        put_varint(out, zigzag(task->first_started.at));
        put_varint(out, task->first_started.clock);
    }
}

static bool get_part(struct kn_str *in, uint8_t part, struct merge_task *task)
{
    uint64_t number;
    if (part == PART_RETRIED) {
        if (!get_byte(in, &task->retried.count) || task->retried.count > MERGE_RETRIED_MAX)
            return false;
        for (size_t i = 0; i < task->retried.count; i++) {
            if (!get_u32(in, &task->retried.seen[i]))
                return false;
        }
        return true;
    }
    if (!get_varint(in, &number))
        return false;
    if (part == PART_ATTEMPT) {
        task->attempt = (int64_t)number;
    } else if (part == PART_SKEW) {
        task->skew = unzigzag(number);
    } else {
        task->first_started.at = unzigzag(number);
        return part == PART_FIRST && get_varint(in, &task->first_started.clock);
    }
    return true;
}

void merge_order_encode(struct kn_buf *out, const struct merge_task *task)
{
    uint32_t last = 0;
    kn_buf_char(out, (char)task->types);
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) {
        if (task->types & 1u << t) {
            put_varint(out, task->type_key[t].clock);
            put_sender(out, task->origins[t], task->sender[t], &last);
        }
    }
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct merge_key *key = field_key((struct merge_task *)task, i);
        struct merge_key usual;
        if (!key || (latest_key(task, field_types(i), &usual) && key_cmp(usual, *key) == 0))
            continue;
        kn_buf_char(out, (char)(i + 1));
        put_varint(out, zigzag(key->at));
        put_varint(out, key->clock);
    }
    put_parts(out, task);
}

/* Sets the keys that are not written: those of the latest event that could bring
 * the field. */
static void set_usual_keys(struct merge_task *task)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        struct merge_key *key = field_key(task, i), usual;
        if (key && latest_key(task, field_types(i), &usual))
            *key = usual;
    }
}

static bool get_field(struct kn_str *in, uint8_t field, struct merge_task *task)
{
    uint64_t at, clock;
    if (field == 0 || field > FIELD_COUNT || !get_varint(in, &at) || !get_varint(in, &clock))
        return false;
    struct merge_key *key = field_key(task, field - 1u);
    if (key)
        *key = (struct merge_key){unzigzag(at), clock};
    return key != NULL;
}

enum kn_status merge_order_decode(struct kn_str order, struct merge_task *task)
{
    uint8_t byte;
    uint32_t last = 0;
    if (!get_byte(&order, &byte))
        return KN_INVALID;
    task->types = byte;
    task->seen = true;
    task->attempt = task->skew = 0;
    task->retried.count = 0;
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) {
        if ((task->types & 1u << t) &&
            (!get_varint(&order, &task->type_key[t].clock) ||
             !get_sender(&order, &task->origins[t], &task->sender[t], &last)))
            return KN_INVALID;
    }
    task->first_started = task->type_key[MERGE_STARTED];
    set_usual_keys(task);
    while (order.len) {
        if (!get_byte(&order, &byte) ||
            !(byte < PART_ATTEMPT ? get_field(&order, byte, task) : get_part(&order, byte, task)))
            return KN_INVALID;
    }
    return KN_OK;
}
