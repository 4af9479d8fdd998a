#include "services/control/find/calls.h"

#include "services/control/find/route.h"

void control_calls_add(struct kn_strs *queues, struct kn_str queue)
{
    for (size_t i = 0; i < queues->count; i++)
        if (kn_str_eq(queues->items[i], queue))
            return;
    if (queue.len)
        queues->items[queues->count++] = queue;
}

static void note(struct control_calls *calls, const struct kn_msg_event *event, bool later,
                 bool routes_known, struct kn_arena *arena)
{
    struct control_route route =
        control_route_of(event->queue, event->exchange, event->routing_key);
    struct kn_str queue = kn_arena_str(arena, route.queue);
    control_calls_add(&calls->sent_to, queue);
    if (!later)
        return;
    if (route.exchange.len && !routes_known)
        calls->unsure = true;
    else
        calls->resent[calls->n_resent++] =
            (struct control_resent){queue, kn_arena_str(arena, event->name)};
}

/* A client tells of its only message when it has sent it, which may be after a worker took it: a
 * single event does not show that the task was sent again. Nor does it show the opposite, as its
 * client may send no events. */
enum kn_status control_calls_read(const struct kn_msg_task_event_list *events, int64_t taken_at,
                                  bool routes_known, struct kn_arena *arena,
                                  struct control_calls *ret)
{
    size_t max = events ? events->items.count : 0, count = 0;
    struct control_calls calls = {.unsure = !events || events->next_cursor.len};
    calls.sent_to.items = kn_arena_array(arena, max + 1, sizeof *calls.sent_to.items);
    calls.resent = kn_arena_array(arena, max + 1, sizeof *calls.resent);
    if (!calls.sent_to.items || !calls.resent)
        return KN_NOMEM;
    for (size_t i = 0; i < max; i++) {
        const struct kn_msg_event *event = &events->items.items[i];
        if (event->type != KN_EVENT_TASK_SENT || event->origin != KN_ORIGIN_EVENTS)
            continue;
        note(&calls, event, event->timestamp > taken_at, routes_known, arena);
        count++;
    }
    if (count < 2)
        calls.n_resent = 0;
    *ret = calls;
    return KN_OK;
}
