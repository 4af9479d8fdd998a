#include "services/control/copies.h"

#include "services/common/time.h"
#include "services/control/route.h"

#include <string.h>

enum { EVENTS_MAX = 500 };

static struct kn_bus_message *request(const struct control_copies_options *o, enum kn_kind kind,
                                      const void *msg, enum kn_kind wanted)
{
    struct kn_bus_message *answer;
    if (kn_bus_request(o->storage, kind, msg, o->request_timeout_us, &answer, NULL) != KN_OK)
        return NULL;
    if (answer->kind == wanted)
        return answer;
    kn_bus_message_free(answer);
    return NULL;
}

static const struct kn_msg_queue *history_of(void *arg, struct kn_str queue, int64_t from)
{
    const struct control_copies_options *o = arg;
    struct kn_str source = kn_str_from(o->source);
    const struct kn_msg_queues_get get = {.name = queue, .sources = {&source, 1}, .from = from};
    struct kn_bus_message *answer = request(o, KN_KIND_QUEUES_GET, &get, KN_KIND_QUEUE_LIST);
    const struct kn_msg_queue_list *list = answer ? answer->msg : NULL;
    struct kn_msg_queue *ret =
        list && list->items.count ? kn_arena_alloc(o->arena, sizeof *ret) : NULL;
    struct kn_msg_queue_point *points =
        ret ? kn_arena_array(o->arena, list->items.items[0].history.count + 1, sizeof *points)
            : NULL;
    if (points) {
        const struct kn_msg_queue *found = &list->items.items[0];
        *ret = (struct kn_msg_queue){.messages = found->messages};
        ret->history.items = points;
        ret->history.count = found->history.count;
        memcpy(points, found->history.items, found->history.count * sizeof *points);
    }
    kn_bus_message_free(answer);
    return points ? ret : NULL;
}

/* A message that was sent after a worker took the task. */
struct resent {
    struct kn_str queue, name;
};

struct missing {
    struct control_copy *copy;
    struct resent *resent;
    size_t n_resent;
    bool unsure; /* its message may be in any queue */
};

static void add_queue(struct kn_strs *queues, struct kn_str queue)
{
    for (size_t i = 0; i < queues->count; i++)
        if (kn_str_eq(queues->items[i], queue))
            return;
    if (queue.len)
        queues->items[queues->count++] = queue;
}

static void note_call(const struct control_copies_options *o, struct missing *m,
                      struct kn_strs *sent_to, const struct kn_msg_event *event)
{
    struct control_route route =
        control_route_of(event->queue, event->exchange, event->routing_key);
    struct kn_str queue = kn_arena_str(o->arena, route.queue);
    add_queue(sent_to, queue);
    if (event->timestamp <= m->copy->task->taken_at)
        return;
    if (route.exchange.len && !o->redis) /* Redis lists the queues of an exchange */
        m->unsure = true;
    else
        m->resent[m->n_resent++] = (struct resent){queue, kn_arena_str(o->arena, event->name)};
}

/* Where its messages were sent. A client tells of its only message when it has sent it, which may
 * be after a worker took it. */
static struct kn_strs read_calls(const struct control_copies_options *o, struct missing *m)
{
    const struct kn_msg_overdue_task *task = m->copy->task;
    const struct kn_msg_task_events_get get = {
        .id = task->id, .source = kn_str_from(o->source), .limit = EVENTS_MAX};
    struct kn_bus_message *answer =
        request(o, KN_KIND_TASK_EVENTS_GET, &get, KN_KIND_TASK_EVENT_LIST);
    const struct kn_msg_task_event_list *list = answer ? answer->msg : NULL;
    size_t max = list ? list->items.count : 0, calls = 0;
    struct kn_strs sent_to = {kn_arena_array(o->arena, max + 1, sizeof *sent_to.items), 0};
    m->resent = kn_arena_array(o->arena, max + 1, sizeof *m->resent);
    for (size_t i = 0; sent_to.items && m->resent && i < max; i++) {
        const struct kn_msg_event *event = &list->items.items[i];
        if (event->type != KN_EVENT_TASK_SENT || event->origin != KN_ORIGIN_EVENTS)
            continue;
        note_call(o, m, &sent_to, event);
        calls++;
    }
    if (calls < 2) {
        m->n_resent = 0;
        m->unsure = false;
    }
    m->unsure = m->unsure || !list || list->next_cursor.len;
    kn_bus_message_free(answer);
    return sent_to;
}

static enum kn_status seek(const struct control_copies_options *o, struct control_seek_task *tasks,
                           size_t count)
{
    struct kn_str source = kn_str_from(o->source);
    const struct kn_msg_queues_get get = {.sources = {&source, 1}};
    struct kn_bus_message *queues = request(o, KN_KIND_QUEUES_GET, &get, KN_KIND_QUEUE_LIST);
    const struct control_seek_options options = {.session = o->session,
                                                 .redis = o->redis,
                                                 .queues = queues ? queues->msg : NULL,
                                                 .fresh = kn_time_now() - CONTROL_SEEK_FRESH_US,
                                                 .history = history_of,
                                                 .arg = (void *)o,
                                                 .arena = o->arena};
    enum kn_status status = queues ? control_seek(&options, tasks, count) : KN_FULL;
    for (size_t i = 0; i < count; i++) {
        tasks[i].found = tasks[i].found || status != KN_OK;
        if (tasks[i].queue.ptr)
            tasks[i].queue = kn_arena_str(o->arena, tasks[i].queue);
    }
    kn_bus_message_free(queues);
    return status;
}

/* On RabbitMQ a message must wait in a queue to which it was sent again: without it the queue would
 * be empty, or not have grown. */
static void judge(const struct control_copies_options *o, const struct missing *m,
                  const struct control_seek_task *sought)
{
    struct control_copy *copy = m->copy;
    copy->state = sought->found || m->unsure ? CONTROL_COPY_UNKNOWN : CONTROL_COPY_NONE;
    copy->queue = sought->queue;
    if (sought->queue.ptr && o->redis)
        copy->state = CONTROL_COPY_WAITS;
    for (size_t i = 0; sought->queue.ptr && i < m->n_resent; i++) {
        if (!kn_str_eq(m->resent[i].queue, sought->queue))
            continue;
        copy->state = CONTROL_COPY_WAITS;
        copy->name = m->resent[i].name;
    }
}

enum kn_status control_copies_find(const struct control_copies_options *options,
                                   struct control_copy *copies, size_t count)
{
    struct control_seek_task *tasks = kn_arena_array(options->arena, count, sizeof *tasks);
    struct missing *missing = kn_arena_array(options->arena, count, sizeof *missing);
    if (!tasks || !missing)
        return KN_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct kn_msg_overdue_task *task = copies[i].task;
        missing[i] = (struct missing){.copy = &copies[i]};
        tasks[i] = (struct control_seek_task){.id = task->id, .since = task->taken_at};
        tasks[i].sent_to = read_calls(options, &missing[i]);
    }
    enum kn_status status = seek(options, tasks, count);
    for (size_t i = 0; i < count; i++)
        judge(options, &missing[i], &tasks[i]);
    return status;
}
