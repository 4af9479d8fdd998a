#include "services/control/depths.h"

#include "services/common/time.h"

/* At least one measurement lies in it, unless queues are measured very rarely. */
static const int64_t BEFORE_US = 10 * KN_MINUTE;
/* Clocks that are wrong by less than a second are not corrected. */
static const int64_t UNSURE_US = 2 * KN_SECOND;

struct depth {
    bool known, grown;
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

/* A queue that was empty had no message before. */
static void follow(struct depth *depth, uint64_t messages)
{
    depth->grown = messages && (depth->grown || !depth->known || messages > depth->messages);
    depth->messages = messages;
    depth->known = true;
}

bool control_depths_may_hold(const struct kn_msg_queue *queue, int64_t since)
{
    struct depth depth = {0};
    for (size_t i = 0; i < queue->history.count; i++) {
        const struct kn_msg_queue_point *point = &queue->history.items[i];
        if (point->at <= since - UNSURE_US)
            depth = (struct depth){.known = true, .messages = point->messages};
        else
            follow(&depth, point->messages);
    }
    if (queue->messages.set)
        follow(&depth, (uint64_t)queue->messages.value);
    return depth.grown;
}
