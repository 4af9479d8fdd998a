#include "services/control/seek.h"

#include "services/common/table.h"
#include "services/common/time.h"

#include <stdio.h>

enum { PAGE = 200, ID_MAX = 512, QUEUE_NAME_MAX = 512 };
static const size_t PAGE_BYTES = 4 << 20, ARENA_MAX = 32 << 20, BYTES_MAX = 64 << 20;
static const int64_t TIME_US = 3 * KN_SECOND;

struct entry {
    struct kn_table_entry entry; /* "", id */
    struct control_seek_task *task;
};

struct seek {
    struct broker_session *session;
    struct kn_table ids;
    size_t bytes;
    int64_t deadline; /* monotonic */
};

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
            entry->task->found = true;
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
        status = broker_session_look(seek->session, &look, &arena, &page);
        for (size_t i = 0; status == KN_OK && i < page.count; i++) {
            if (page.items[i].cut)
                status = KN_FULL;
            else
                look_at(seek, page.items[i].envelope);
        }
        if (status == KN_OK && (seek->bytes > BYTES_MAX || kn_time_mono() > seek->deadline))
            status = KN_FULL;
        if (status == KN_OK)
            snprintf(cursor, sizeof cursor, "%.*s", KN_STR_ARG(page.cursor));
    }
    kn_arena_fini(&arena);
    return status;
}

static enum kn_status look_into_all(struct seek *seek, const struct kn_msg_queue_list *queues)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < queues->items.count && status == KN_OK; i++) {
        char name[QUEUE_NAME_MAX];
        struct kn_str queue = queues->items.items[i].name;
        if (queue.len >= sizeof name || memchr(queue.ptr, '\0', queue.len))
            return KN_FULL;
        snprintf(name, sizeof name, "%.*s", KN_STR_ARG(queue));
        status = look_into(seek, name);
    }
    return status;
}

/* A message moves from its queue to the unacknowledged ones, and may come back; so these are
 * searched before and after the queues. */
static enum kn_status look_around(struct seek *seek, const struct kn_msg_queue_list *queues)
{
    const struct broker_unacked unacked = {.bytes_max = BYTES_MAX, .each = look_at, .arg = seek};
    enum kn_status status = broker_session_unacked(seek->session, &unacked);
    if (status == KN_OK)
        status = look_into_all(seek, queues);
    return status == KN_OK ? broker_session_unacked(seek->session, &unacked) : status;
}

/* Queues that a worker consumes: messages in others were not sent to it. */
static enum kn_status are_empty(const struct kn_msg_queue_list *queues, int64_t since)
{
    for (size_t i = 0; i < queues->items.count; i++) {
        const struct kn_msg_queue *queue = &queues->items.items[i];
        if (queue->workers.count &&
            (!queue->messages.set || queue->messages.value || queue->measured_at < since))
            return KN_FULL;
    }
    return KN_OK;
}

enum kn_status control_seek(struct broker_session *session, bool redis,
                            const struct kn_msg_queue_list *queues, int64_t since,
                            struct control_seek_task *tasks, size_t count)
{
    struct seek seek = {.session = session, .deadline = kn_time_mono() + TIME_US};
    enum kn_status status = KN_OK;
    if (!redis)
        return are_empty(queues, since);
    kn_table_init(&seek.ids, sizeof(struct entry), CONTROL_SEEK_MAX);
    for (size_t i = 0; i < count && status == KN_OK; i++) {
        struct entry *entry =
            tasks[i].id.len <= ID_MAX
                ? (struct entry *)kn_table_need(&seek.ids, KN_STR(""), tasks[i].id)
                : NULL;
        if (entry)
            entry->task = &tasks[i];
        else
            status = KN_FULL;
    }
    if (status == KN_OK)
        status = look_around(&seek, queues);
    kn_table_fini(&seek.ids);
    return status;
}
