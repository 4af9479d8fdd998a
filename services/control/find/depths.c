#include "services/control/find/depths.h"

#include "services/celery/message/task_message.h"
#include "services/common/text/time.h"

/* It contains at least one measurement, unless queues are measured very rarely. */
static const int64_t BEFORE_US = 10 * KN_MINUTE;
/* Maximum age of a measurement that counts. */
static const int64_t AGE_MAX_US = 30 * KN_SECOND;

struct depth {
    bool known, changed, grown;
    uint64_t messages;
};

const struct kn_msg_queue *control_depths_find(const struct kn_msg_queue_list *queues,
                                               struct kn_str name)
{
    for (size_t i = 0; i < queues->items.count; i++)
        if (kn_str_eq(queues->items.items[i].name, name))
            return &queues->items.items[i];
    return NULL;
}

bool control_depths_parked(const struct kn_msg_queue *queue)
{
    return !queue->workers.count && !(queue->consumers.set && queue->consumers.value > 0);
}

int64_t control_depths_from(int64_t since)
{
    return since > BEFORE_US ? since - BEFORE_US : 0;
}

bool control_depths_counts(const struct kn_msg_queue *queue, int64_t fresh)
{
    return queue->messages.set && queue->measured_at >= fresh;
}

int64_t control_depths_round(const struct kn_msg_queue_list *queues)
{
    int64_t round = 0;
    for (size_t i = 0; i < queues->items.count; i++) {
        int64_t at = queues->items.items[i].measured_at;
        round = at > round ? at : round;
    }
    return round;
}

bool control_depths_left_out(const struct kn_msg_queue *queue, int64_t round)
{
    return queue->messages.set && queue->measured_at < round;
}

int64_t control_depths_fresh(int64_t now, int64_t missing_for)
{
    int64_t from = now - missing_for + KN_CLOCK_UNSURE_US;
    return from > now - AGE_MAX_US ? from : now - AGE_MAX_US;
}

static bool is_even(const struct kn_msg_queue_point *point)
{
    return !point->lowest.set || point->lowest.value == (int64_t)point->messages;
}

/* A queue that was empty had no message before. If there are fewer messages than before, one may
 * have come as several went. */
static void follow(struct depth *depth, uint64_t messages, bool even)
{
    bool first = !depth->known;
    depth->changed = messages && (depth->changed || first || !even || messages != depth->messages);
    depth->grown = messages && (depth->grown || first || messages > depth->messages);
    depth->messages = messages;
    depth->known = true;
}

enum control_depths_say control_depths_say(const struct kn_msg_queue *queue, int64_t since)
{
    struct depth depth = {0};
    for (size_t i = 0; i < queue->history.count; i++) {
        const struct kn_msg_queue_point *point = &queue->history.items[i];
        bool even = is_even(point);
        if (point->at <= since - KN_CLOCK_UNSURE_US)
            depth = (struct depth){.known = true, .changed = !even, .messages = point->messages};
        else
            follow(&depth, point->messages, even);
    }
    if (queue->messages.set)
        follow(&depth, (uint64_t)queue->messages.value, !celery_is_delay_queue(queue->name));
    if (depth.grown)
        return CONTROL_DEPTHS_GREW;
    return depth.changed ? CONTROL_DEPTHS_CHANGED : CONTROL_DEPTHS_SAME;
}

bool control_depths_suspects(enum control_depths_say say, enum kn_task_status status)
{
    bool done = status == KN_TASK_SUCCESS || status == KN_TASK_FAILURE || status == KN_TASK_REVOKED;
    return say == CONTROL_DEPTHS_GREW || (say == CONTROL_DEPTHS_CHANGED && !done);
}
