#include "services/control/find/seek.h"

#include "services/common/data/table.h"
#include "services/common/text/time.h"
#include "services/control/find/depths.h"
#include "services/control/find/waiting.h"

#include <stdio.h>

enum { PAGE = 200, ID_MAX = 512, QUEUE_NAME_MAX = 512 };
static const size_t PAGE_BYTES = 4 << 20, ARENA_MAX = 32 << 20, BYTES_MAX = 64 << 20;
static const int64_t TIME_US = 3 * KN_SECOND;

struct entry {
    struct kn_table_entry entry; /* "", id */
    struct control_seek_task *task;
};

struct seek {
    const struct control_seek_options *options;
    struct control_seek_task *tasks;
    size_t count;
    const struct kn_msg_queue_list *queues;
    int64_t deadline; /* monotonic */

    /* Redis */
    struct kn_table ids;
    size_t bytes;
    struct kn_str queue;     /* whose messages are looked at; absent: unacknowledged ones */
    struct kn_arena scratch; /* of a message */

    int64_t round; /* RabbitMQ: when the queues were measured last */
};

/* ---- what storage knows -------------------------------------------------------------------- */

/* NULL: it does not answer. */
static struct kn_bus_message *ask_queues(const struct control_seek_options *o, struct kn_str name,
                                         int64_t from)
{
    struct kn_str source = kn_str_from(o->source);
    const struct kn_msg_queues_get get = {.name = name, .sources = {&source, 1}, .from = from};
    return kn_bus_request_kind(o->storage, KN_KIND_QUEUES_GET, &get, o->request_timeout_us,
                               KN_KIND_QUEUE_LIST);
}

/* The queue with its depths from before that time on, in the arena; NULL: unknown. */
static const struct kn_msg_queue *history_of(const struct seek *seek, struct kn_str queue,
                                             int64_t since)
{
    struct kn_arena *arena = seek->options->arena;
    struct kn_bus_message *answer = ask_queues(seek->options, queue, control_depths_from(since));
    const struct kn_msg_queue_list *list = answer ? answer->msg : NULL;
    const struct kn_msg_queue *copy =
        list && list->items.count ? kn_msg_copy(arena, KN_KIND_QUEUE, &list->items.items[0]) : NULL;
    kn_bus_message_free(answer);
    return copy;
}

/* ---- bounds -------------------------------------------------------------------------------- */

static bool is_late(const struct seek *seek)
{
    return kn_time_mono() > seek->deadline;
}

static enum kn_status name_of(struct kn_str queue, char ret[QUEUE_NAME_MAX])
{
    if (queue.len >= QUEUE_NAME_MAX || memchr(queue.ptr, '\0', queue.len))
        return KN_FULL;
    snprintf(ret, QUEUE_NAME_MAX, "%.*s", KN_STR_ARG(queue));
    return KN_OK;
}

/* ---- Redis --------------------------------------------------------------------------------- */

static void find(struct seek *seek, struct control_seek_task *task, struct kn_str envelope)
{
    struct kn_msg_waiting waiting;
    task->found = true;
    if (!seek->queue.ptr) {
        task->unacked = true;
        return;
    }
    kn_arena_reset(&seek->scratch);
    control_waiting_show(&(struct broker_waiting){.envelope = envelope}, &seek->scratch, &waiting);
    if (kn_str_eq(waiting.id, task->id))
        task->queue = seek->queue;
}

/* An envelope has the id as a JSON string, so each text between two quotes is looked up. That may
 * find too many (the id of a parent), never too few. */
static void look_at(void *arg, struct kn_str envelope)
{
    struct seek *seek = arg;
    const char *end = envelope.ptr + envelope.len, *from = envelope.ptr;
    seek->bytes += envelope.len;
    for (const char *quote; from < end && (quote = memchr(from, '"', (size_t)(end - from)));
         from = quote + 1) {
        struct kn_str text = {from, (size_t)(quote - from)};
        struct entry *entry = text.len && text.len <= ID_MAX
                                  ? (struct entry *)kn_table_find(&seek->ids, KN_STR(""), text)
                                  : NULL;
        if (entry)
            find(seek, entry->task, envelope);
    }
}

static enum kn_status look_into(struct seek *seek, const char *queue)
{
    struct broker_page page = {.more = true};
    struct kn_arena arena;
    char cursor[BROKER_CURSOR_MAX] = "";
    enum kn_status status = KN_OK;
    kn_arena_init(&arena, ARENA_MAX);
    while (status == KN_OK && page.more) {
        const struct broker_look look = {
            .queue = queue, .cursor = kn_str_from(cursor), .limit = PAGE, .bytes_max = PAGE_BYTES};
        kn_arena_reset(&arena);
        status = broker_session_look(seek->options->session, &look, &arena, &page);
        for (size_t i = 0; status == KN_OK && i < page.count; i++) {
            if (page.items[i].cut)
                status = KN_FULL;
            else
                look_at(seek, page.items[i].envelope);
        }
        if (status == KN_OK && (seek->bytes > BYTES_MAX || is_late(seek)))
            status = KN_FULL;
        if (status == KN_OK)
            snprintf(cursor, sizeof cursor, "%.*s", KN_STR_ARG(page.cursor));
    }
    kn_arena_fini(&arena);
    return status;
}

static enum kn_status look_into_queue(struct seek *seek, struct kn_str queue)
{
    char name[QUEUE_NAME_MAX];
    enum kn_status status = name_of(queue, name);
    seek->queue = queue;
    if (status == KN_OK)
        status = look_into(seek, name);
    seek->queue = KN_STR_ABSENT;
    return status;
}

/* A queue may be too new to be known. */
static enum kn_status look_into_all(struct seek *seek)
{
    const struct kn_msg_queue_list *queues = seek->queues;
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < seek->count; i++) {
        const struct kn_strs *sent_to = &seek->tasks[i].sent_to;
        for (size_t k = 0; k < sent_to->count && status == KN_OK; k++)
            if (!control_depths_find(queues, sent_to->items[k]))
                status = look_into_queue(seek, sent_to->items[k]);
    }
    for (size_t i = 0; i < queues->items.count && status == KN_OK; i++)
        status = look_into_queue(seek, queues->items.items[i].name);
    return status;
}

/* A message moves from its queue to the unacknowledged ones, and may come back; so these are
 * searched before and after the queues. */
static enum kn_status look_around(struct seek *seek)
{
    const struct broker_unacked unacked = {.bytes_max = BYTES_MAX, .each = look_at, .arg = seek};
    enum kn_status status = broker_session_unacked(seek->options->session, &unacked);
    if (status == KN_OK)
        status = look_into_all(seek);
    return status == KN_OK ? broker_session_unacked(seek->options->session, &unacked) : status;
}

static enum kn_status seek_in_place(struct seek *seek)
{
    enum kn_status status = KN_OK;
    kn_arena_init(&seek->scratch, ARENA_MAX);
    kn_table_init(&seek->ids, sizeof(struct entry), CONTROL_SEEK_MAX);
    for (size_t i = 0; i < seek->count && status == KN_OK; i++) {
        struct control_seek_task *task = &seek->tasks[i];
        struct entry *entry = task->id.len <= ID_MAX
                                  ? (struct entry *)kn_table_need(&seek->ids, KN_STR(""), task->id)
                                  : NULL;
        if (entry)
            entry->task = task;
        else
            status = KN_FULL;
    }
    if (status == KN_OK)
        status = look_around(seek);
    for (size_t i = 0; i < seek->count; i++)
        if (status != KN_OK || seek->tasks[i].unacked)
            seek->tasks[i].queue = KN_STR_ABSENT;
    kn_table_fini(&seek->ids);
    kn_arena_fini(&seek->scratch);
    return status;
}

/* ---- RabbitMQ ------------------------------------------------------------------------------ */

static void suspect(struct control_seek_task *task, struct kn_str queue,
                    enum control_depths_say say)
{
    if (say == CONTROL_DEPTHS_SAME)
        return;
    task->found = true;
    if (task->queue.ptr && (task->grown || say != CONTROL_DEPTHS_GREW))
        return;
    task->queue = queue;
    task->grown = say == CONTROL_DEPTHS_GREW;
}

/* A queue that is gone has none. */
static enum kn_status count(struct seek *seek, struct kn_str queue, struct broker_page *ret)
{
    char name[QUEUE_NAME_MAX];
    *ret = (struct broker_page){0};
    enum kn_status status = is_late(seek) ? KN_FULL : name_of(queue, name);
    if (status == KN_OK)
        status = broker_session_look(seek->options->session, &(struct broker_look){.queue = name},
                                     seek->options->arena, ret);
    return status == KN_NOT_FOUND ? KN_OK : status;
}

/* A queue to which its messages were sent is counted now: the last measurement may be older. */
static enum kn_status count_own(struct seek *seek, struct control_seek_task *task,
                                struct kn_str name)
{
    const struct kn_msg_queue *known = control_depths_find(seek->queues, name);
    struct kn_msg_queue queue = {.name = name};
    struct broker_page page;
    if (known && known->workers.count)
        return KN_OK; /* see are_empty */
    enum kn_status status = count(seek, name, &page);
    if (status != KN_OK || !page.total)
        return status;
    if (page.consumers > 0) { /* depths are no evidence for a queue with a consumer */
        task->found = true;
        return KN_OK;
    }
    const struct kn_msg_queue *past = known ? history_of(seek, name, task->since) : NULL;
    if (past)
        queue.history = past->history;
    queue.messages = KN_SOME_I64((int64_t)page.total);
    suspect(task, name,
            known && !past ? CONTROL_DEPTHS_CHANGED : control_depths_say(&queue, task->since));
    return KN_OK;
}

static enum kn_status count_all_own(struct seek *seek)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < seek->count; i++) {
        struct control_seek_task *task = &seek->tasks[i];
        for (size_t k = 0; k < task->sent_to.count && status == KN_OK; k++)
            status = count_own(seek, task, task->sent_to.items[k]);
    }
    return status;
}

static int64_t earliest(const struct seek *seek)
{
    int64_t since = INT64_MAX;
    for (size_t i = 0; i < seek->count; i++)
        since = seek->tasks[i].since < since ? seek->tasks[i].since : since;
    return since;
}

/* How many messages a queue has, as measured or, if that does not count, now. */
static enum kn_status depth_of(struct seek *seek, const struct kn_msg_queue *queue,
                               struct broker_page *ret)
{
    if (!control_depths_counts(queue, seek->options->fresh))
        return count(seek, queue->name, ret);
    *ret = (struct broker_page){.total = (uint64_t)queue->messages.value};
    return KN_OK;
}

static void compare_depth(struct seek *seek, struct kn_str name, const struct broker_page *page)
{
    const struct kn_msg_queue *past = history_of(seek, name, earliest(seek));
    struct kn_msg_queue queue = {.name = name, .messages = KN_SOME_I64((int64_t)page->total)};
    if (past)
        queue.history = past->history;
    for (size_t i = 0; i < seek->count; i++) {
        struct control_seek_task *task = &seek->tasks[i];
        suspect(task, name,
                past ? control_depths_say(&queue, task->since) : CONTROL_DEPTHS_CHANGED);
    }
}

/* Another consumer is not Celery, so the queue's messages are not Celery's either; but a consumer
 * that started after the measurement may be a worker. */
static enum kn_status compare_depths(struct seek *seek)
{
    const struct kn_msg_queue_list *queues = seek->queues;
    for (size_t i = 0; i < queues->items.count; i++) {
        const struct kn_msg_queue *queue = &queues->items.items[i];
        struct broker_page page;
        if (!control_depths_parked(queue) || control_depths_left_out(queue, seek->round))
            continue;
        enum kn_status status = depth_of(seek, queue, &page);
        if (status == KN_OK && page.total && is_late(seek))
            status = KN_FULL;
        if (status != KN_OK)
            return status;
        for (size_t k = 0; page.total && page.consumers > 0 && k < seek->count; k++)
            seek->tasks[k].found = true;
        if (page.total && page.consumers <= 0)
            compare_depth(seek, queue->name, &page);
    }
    return KN_OK;
}

/* Whether a queue consumed by a worker is not empty, or this is unknown. */
static bool is_known_full(const struct seek *seek)
{
    const struct kn_msg_queue_list *queues = seek->queues;
    for (size_t i = 0; i < queues->items.count; i++) {
        const struct kn_msg_queue *queue = &queues->items.items[i];
        bool full = control_depths_left_out(queue, seek->round) ||
                    (control_depths_counts(queue, seek->options->fresh) && queue->messages.value);
        if (queue->workers.count && full)
            return true;
    }
    return false;
}

/* Queues that a worker consumes. */
static enum kn_status are_empty(struct seek *seek)
{
    const struct kn_msg_queue_list *queues = seek->queues;
    for (size_t i = 0; i < queues->items.count; i++) {
        struct broker_page page = {0};
        enum kn_status status = queues->items.items[i].workers.count
                                    ? depth_of(seek, &queues->items.items[i], &page)
                                    : KN_OK;
        if (status != KN_OK || page.total)
            return status == KN_OK ? KN_FULL : status;
    }
    return KN_OK;
}

static enum kn_status seek_by_depths(struct seek *seek)
{
    seek->round = control_depths_round(seek->queues);
    enum kn_status status = count_all_own(seek);
    if (status != KN_OK)
        return status;
    bool full = is_known_full(seek);
    if (seek->options->own || (full && !seek->options->suspects))
        return KN_FULL;
    status = compare_depths(seek);
    return status != KN_OK ? status : full ? KN_FULL : are_empty(seek);
}

static enum kn_status seek_in(const struct control_seek_options *options,
                              const struct kn_msg_queue_list *queues,
                              struct control_seek_task *tasks, size_t count)
{
    struct seek seek = {.options = options,
                        .tasks = tasks,
                        .count = count,
                        .queues = queues,
                        .deadline = kn_time_mono() + TIME_US};
    return broker_session_traits(options->session)->reads_in_place ? seek_in_place(&seek)
                                                                   : seek_by_depths(&seek);
}

enum kn_status control_seek(const struct control_seek_options *options,
                            struct control_seek_task *tasks, size_t count)
{
    if (options->queues)
        return seek_in(options, options->queues, tasks, count);
    struct kn_bus_message *queues = ask_queues(options, KN_STR_ABSENT, 0);
    enum kn_status status = queues ? seek_in(options, queues->msg, tasks, count) : KN_FULL;
    for (size_t i = 0; i < count; i++)
        if (tasks[i].queue.ptr)
            tasks[i].queue = kn_arena_str(options->arena, tasks[i].queue);
    kn_bus_message_free(queues);
    return status;
}
