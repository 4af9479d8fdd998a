#include "services/storage/task/merge_key.h"

#include "services/common/data/hmap.h"
#include "services/common/text/time.h"

#include <math.h>

#include <stddef.h>

static const size_t text_offsets[MERGE_TEXT_COUNT] = {
#define F(name, field, of) [MERGE_##name] = offsetof(struct kn_msg_event, field),
    MERGE_TEXT_MAP(F)
#undef F
};

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

bool merge_is_empty(const struct merge_task *task)
{
    return !task->seen;
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
    return *(const struct kn_str *)((const char *)event + text_offsets[i]);
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
        if (merge_text_types[i] & bit)
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

/* The error of an earlier attempt is not the one that a task failed with, even if the backend does
 * not have that. */
static void replace_error(struct merge_task *view, unsigned i, struct kn_str text,
                          struct merge_key key)
{
    if (view->text[i].ptr && key_cmp(key, view->text_key[i]) < 0)
        return;
    view->text[i] = text;
    view->text_key[i] = key;
}

static void view_learned(struct merge_task *view, const struct merge_task *task, unsigned type)
{
    const struct kn_msg_event *event = task->learned[type];
    struct merge_key key = {merge_learned_at(task, (enum merge_type)type), event->clock};
    unsigned bit = 1u << type;
    for (unsigned i = 0; i < MERGE_TEXT_COUNT; i++) {
        if (type == MERGE_FAILED && merge_text_types[i] == (MERGE_OF_ERROR))
            replace_error(view, i, text_of(event, i), key);
        else if (fills_in(i) ? !view->text[i].ptr && text_of(event, i).len
                             : (merge_text_types[i] & bit) != 0)
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
