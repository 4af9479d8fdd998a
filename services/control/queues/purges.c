/* Purges a queue, and reports to storage the tasks whose messages are gone. On Redis the messages
 * are set aside first, so that they are reported even if control is killed meanwhile. */
#include "services/control/queues/queues.h"

#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/control/find/waiting.h"

#include <stdio.h>

static const char kept[] = "kanchi.purged"; /* purges that may not be completely reported */
enum { PURGED_AT_ONCE = 100 };

/* Tells of each task in a page of what was purged. */
static enum kn_status tell_purged(struct control_call *call, const struct broker_page *page,
                                  struct kn_str queue, struct kn_arena *arena)
{
    struct kn_msg_event *events = kn_arena_array(arena, 2 * page->count, sizeof *events);
    size_t count = 0;
    int64_t now = kn_time_now();
    for (size_t i = 0; events && i < page->count; i++) {
        struct kn_msg_waiting waiting;
        control_waiting_show(&page->items[i], arena, &waiting);
        if (!control_waiting_event(&waiting, queue, now, &events[count]))
            continue;
        events[count + 1] = (struct kn_msg_event){.type = KN_EVENT_TASK_REVOKED,
                                                  .origin = KN_ORIGIN_BROKER,
                                                  .uuid = waiting.id,
                                                  .timestamp = now,
                                                  .received_at = now};
        count += 2;
    }
    return events ? control_learned_sender_tell(call->learned, events, count) : KN_NOMEM;
}

/* The messages are gone from the queue already; only what is known of them is at stake. */
static bool tell_all_purged(struct control_call *call, const char *keep, struct kn_str queue)
{
    struct kn_arena arena;
    struct broker_page page = {0};
    kn_arena_init(&arena, 0);
    enum kn_status status;
    do {
        kn_arena_reset(&arena);
        status = broker_session_purged(call->hand->session, keep, PURGED_AT_ONCE, &arena, &page);
        if (status == KN_OK && page.count)
            status = tell_purged(call, &page, queue, &arena);
    } while (status == KN_OK && page.count && !atomic_load(call->stopping));
    kn_arena_fini(&arena);
    return status == KN_OK && page.count == 0;
}

static void end_purge(struct control_call *call, struct kn_str member)
{
    enum kn_status status = broker_session_purged_end(call->hand->session, kept, member);
    if (status != KN_OK) /* it is looked at again until it expires, and empty */
        KN_DEBUG("purge.not_ended", KN_F_TEXT("reason", kn_status_text(status)));
}

enum kn_status control_purge_and_tell(struct control_call *call, struct broker_purge purge,
                                      uint64_t *ret_count, bool *ret_told)
{
    char member[64 + CONTROL_QUEUE_NAME_MAX + 1] = "";
    if (purge.keep) /* as finish_purge reads it */
        snprintf(member, sizeof member, "%s %s", purge.keep, purge.queue);
    purge.member = kn_str_from(member);
    purge.kept = kept;
    enum kn_status status = broker_session_purge(call->hand->session, &purge, ret_count);
    if (status != KN_OK || !purge.keep)
        return status;
    *ret_told = tell_all_purged(call, purge.keep, kn_str_from(purge.queue));
    if (*ret_told)
        end_purge(call, purge.member);
    return KN_OK;
}

static void finish_purge(struct control_call *call, struct kn_str member)
{
    char keep[64];
    const char *space = memchr(member.ptr, ' ', member.len);
    size_t len = space ? (size_t)(space - member.ptr) : sizeof keep;
    if (len >= sizeof keep)
        return;
    snprintf(keep, sizeof keep, "%.*s", (int)len, member.ptr);
    struct kn_str queue = {space + 1, member.len - len - 1};
    if (tell_all_purged(call, keep, queue))
        end_purge(call, member);
}

void control_purges_finish(struct control_call *call)
{
    struct broker_page members;
    if (!broker_traits(call->options->broker->url)->keeps_purged ||
        broker_session_kept(call->hand->session, kept, call->arena, &members) != KN_OK)
        return;
    for (size_t i = 0; i < members.count && !atomic_load(call->stopping); i++)
        finish_purge(call, members.items[i].envelope);
}
