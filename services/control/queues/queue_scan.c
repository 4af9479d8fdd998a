#include "services/control/queues/queue_scan.h"

#include "services/common/data/table.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/control/find/waiting.h"

#include <stdio.h>
#include <stdlib.h>

enum { QUEUES_MAX = 1000, PAGES_A_TICK = 10, PAGE = 100 };
static const size_t PAGE_BYTES = 1 << 20;
static const int64_t NAMES_KEPT_US = 5 * KN_SECOND;

struct queue {
    struct kn_table_entry entry;
    char cursor[BROKER_CURSOR_MAX]; /* behind the last message that was read */
};

struct control_queue_scan {
    struct control_learned_sender *learned;
    struct kn_table queues;
    int64_t named_at;
    size_t first; /* of the next tick, in turn */
    struct kn_log_limit log_limit;
};

enum kn_status control_queue_scan_new(struct control_learned_sender *learned,
                                      struct control_queue_scan **ret)
{
    struct control_queue_scan *scan = calloc(1, sizeof *scan);
    if (!scan)
        return KN_NOMEM;
    scan->learned = learned;
    kn_table_init(&scan->queues, sizeof(struct queue), QUEUES_MAX);
    *ret = scan;
    return KN_OK;
}

void control_queue_scan_free(struct control_queue_scan *scan)
{
    if (!scan)
        return;
    kn_table_fini(&scan->queues);
    free(scan);
}

/* The queues that storage knows. */
static void learn_names(struct control_queue_scan *scan, struct control_call *call)
{
    struct kn_str source = kn_str_from(call->options->source);
    const struct kn_msg_queues_get get = {.sources = {&source, 1}};
    const void *answer;
    if ((scan->named_at && kn_time_mono() < scan->named_at + NAMES_KEPT_US) ||
        control_call_ask(call, KN_KIND_QUEUES_GET, &get, KN_KIND_QUEUE_LIST, &answer) != KN_OK)
        return;
    const struct kn_msg_queue_list *list = answer;
    for (size_t i = 0; i < list->items.count; i++)
        (void)kn_table_need(&scan->queues, KN_STR(""), list->items.items[i].name);
    scan->named_at = kn_time_mono();
}

static enum kn_status tell(struct control_queue_scan *scan, struct control_call *call,
                           struct kn_str queue, const struct broker_page *page)
{
    struct kn_msg_event *events = kn_arena_array(call->arena, page->count, sizeof *events);
    size_t count = 0;
    if (!events)
        return KN_NOMEM;
    for (size_t i = 0; i < page->count; i++) {
        struct kn_msg_waiting waiting;
        control_waiting_show(&page->items[i], call->arena, &waiting);
        count += control_waiting_event(&waiting, queue, kn_time_now(), &events[count]);
    }
    return control_learned_sender_tell(scan->learned, events, count);
}

/* One page. The cursor moves when storage has it. */
static enum kn_status read_on(struct control_queue_scan *scan, struct control_call *call,
                              struct queue *queue, bool *ret_more)
{
    struct broker_page page;
    char name[256];
    snprintf(name, sizeof name, "%.*s", KN_STR_ARG(queue->entry.name));
    const struct broker_look look = {.queue = name,
                                     .cursor = kn_str_from(queue->cursor),
                                     .limit = PAGE,
                                     .bytes_max = PAGE_BYTES};
    enum kn_status status = broker_session_look(call->hand->session, &look, call->arena, &page);
    if (status == KN_INVALID) /* it was not ours, or the priorities have changed */
        queue->cursor[0] = '\0';
    if (status != KN_OK)
        return status;
    if (page.count)
        status = tell(scan, call, queue->entry.name, &page);
    if (status == KN_OK)
        snprintf(queue->cursor, sizeof queue->cursor, "%.*s", KN_STR_ARG(page.cursor));
    *ret_more = page.more && page.count;
    return status;
}

static void look_at(struct control_queue_scan *scan, struct control_call *call, struct queue *queue,
                    int *pages)
{
    bool more = true;
    enum kn_status status = KN_OK;
    while (status == KN_OK && more && *pages > 0 && !atomic_load(call->stopping)) {
        status = read_on(scan, call, queue, &more);
        *pages -= more;
    }
    uint64_t skipped;
    if (status != KN_OK && status != KN_DENIED && kn_log_allow(&scan->log_limit, &skipped))
        KN_WARN("queue_scan.failed", KN_F_STR("queue", queue->entry.name),
                KN_F_TEXT("reason", kn_status_text(status)), KN_F_I64("skipped", skipped));
}

void control_queue_scan_tick(struct control_queue_scan *scan, struct control_call *call)
{
    if (!scan || !broker_traits(call->options->broker->url)->reads_in_place)
        return;
    learn_names(scan, call);
    size_t count = kn_table_count(&scan->queues), i = 0;
    int pages = PAGES_A_TICK;
    size_t first = count ? scan->first++ % count : 0;
    for (int round = 0; round < 2; round++) { /* from the first on, then those before it */
        i = 0;
        for (struct kn_table_entry *entry = kn_table_first(&scan->queues); entry;
             entry = kn_table_next(entry), i++) {
            if ((i >= first) == (round == 0) && entry->name.len < 256)
                look_at(scan, call, (struct queue *)entry, &pages);
        }
    }
}
