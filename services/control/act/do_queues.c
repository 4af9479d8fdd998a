/* What waits in a queue: shown, purged, moved; and queues that are paused. */
#include "services/control/act/handlers.h"
#include "services/control/act/removal.h"

#include "services/common/text/time.h"
#include "services/control/find/waiting.h"
#include "services/control/queues/message.h"
#include "services/control/queues/queues.h"

#include <stdio.h>

/* A move or a purge must end before its request is sent again by the bus. */
static const int64_t MOVE_US = 45 * KN_SECOND;
static const size_t PAGE_BYTES = 4 << 20;
enum { AGES_MAX = 200 };

static const struct broker_traits *traits_of(const struct control_call *call)
{
    return broker_traits(call->options->broker->url);
}

static enum kn_status broker_failed(struct control_call *call, enum kn_status status)
{
    const char *error = broker_session_error(call->hand->session);
    if (status == KN_UNSUPPORTED)
        return control_call_refuse(call, KN_CONFLICT, "%s", error);
    return control_call_fail(call, status, "broker: %s", *error ? error : kn_status_text(status));
}

/* A queue that workers consume, that was measured, or that is bound: on Redis any list
 * would look like one. A broker that declares queues says itself what there is. */
static enum kn_status check_queue(struct control_call *call, const char *what, struct kn_str name)
{
    struct kn_str source = kn_str_from(call->options->source);
    const struct kn_msg_queues_get get = {.name = name, .sources = {&source, 1}};
    const void *answer;
    if (!name.len || name.len > CONTROL_QUEUE_NAME_MAX || memchr(name.ptr, '\0', name.len))
        return control_call_refuse(call, KN_INVALID, "%s: must have 1 to %d bytes", what,
                                   CONTROL_QUEUE_NAME_MAX);
    if (traits_of(call)->declares_queues)
        return KN_OK;
    enum kn_status status =
        control_call_ask(call, KN_KIND_QUEUES_GET, &get, KN_KIND_QUEUE_LIST, &answer);
    if (status == KN_OK && ((const struct kn_msg_queue_list *)answer)->items.count == 0)
        return control_call_refuse(call, KN_NOT_FOUND, "%s: unknown queue \"%.*s\"", what,
                                   KN_STR_ARG(name));
    return status;
}

static bool is_near(uint64_t expected, uint64_t found)
{
    uint64_t tolerance = expected / 10 > 10 ? expected / 10 : 10;
    uint64_t differs = expected > found ? expected - found : found - expected;
    return differs <= tolerance;
}

/* ---- looking ----------------------------------------------------------------------------- */

/* When a task was sent, as far as its events say. */
static void add_age(struct control_call *call, struct kn_msg_waiting *waiting)
{
    const struct kn_msg_task_get get = {.id = waiting->id,
                                        .source = kn_str_from(call->options->source)};
    const void *answer;
    if (waiting->id.len &&
        control_call_ask(call, KN_KIND_TASK_GET, &get, KN_KIND_TASK, &answer) == KN_OK)
        waiting->sent_at = ((const struct kn_msg_task *)answer)->sent_at;
    call->text = KN_STR_ABSENT;
}

static enum kn_status show(struct control_call *call, const struct broker_page *page,
                           struct kn_msg_waiting_list *list)
{
    list->items.items = kn_arena_array(call->arena, page->count + 1, sizeof *list->items.items);
    if (!list->items.items)
        return KN_NOMEM;
    for (size_t i = 0; i < page->count; i++) {
        struct kn_msg_waiting *waiting = &list->items.items[list->items.count++];
        control_waiting_show(&page->items[i], call->arena, waiting);
        if (i < AGES_MAX)
            add_age(call, waiting);
    }
    return KN_OK;
}

enum kn_status control_do_waiting(struct control_call *call)
{
    const struct kn_msg_waiting_get *get = call->msg;
    struct kn_msg_waiting_list *list = kn_arena_alloc(call->arena, sizeof *list);
    struct broker_page page;
    struct kn_str queue = kn_arena_str(call->arena, get->queue);
    if (!list || !queue.ptr)
        return KN_NOMEM;
    enum kn_status status = check_queue(call, "queue", queue);
    if (status != KN_OK)
        return status;
    bool takes = !traits_of(call)->reads_in_place;
    const struct broker_look look = {.queue = queue.ptr,
                                     .cursor = get->cursor.ptr ? get->cursor : KN_STR(""),
                                     .limit = takes && !get->requeue ? 0 : (size_t)get->limit,
                                     .bytes_max = PAGE_BYTES};
    status = broker_session_look(call->hand->session, &look, call->arena, &page);
    if (status == KN_INVALID)
        return control_call_refuse(call, status, "cursor: not issued by this list");
    if (status != KN_OK)
        return broker_failed(call, status);
    status = show(call, &page, list);
    list->total = page.total;
    list->next = !takes && page.more ? page.cursor : KN_STR_ABSENT;
    list->requeued = takes && get->requeue;
    if (takes && !get->requeue)
        list->note = KN_STR("RabbitMQ can only show messages by requeueing them, which marks them "
                            "as redelivered: use requeue=true to do so");
    else if (takes && page.more)
        list->note = KN_STR("RabbitMQ only shows the first messages of a queue");
    call->answer_kind = KN_KIND_WAITING_LIST;
    call->answer = list;
    return status;
}

/* ---- purging ----------------------------------------------------------------------------- */

static struct kn_msg_queue_changed *answer_of(struct control_call *call)
{
    struct kn_msg_queue_changed *changed = kn_arena_alloc(call->arena, sizeof *changed);
    if (changed && call->action)
        changed->action_id = call->action->id;
    call->answer_kind = KN_KIND_QUEUE_CHANGED;
    call->answer = changed;
    return changed;
}

static enum kn_status differs(struct control_call *call, uint64_t expected, uint64_t found)
{
    return control_call_refuse(call, KN_CONFLICT,
                               "the queue changed: expected %llu messages, found %llu",
                               (unsigned long long)expected, (unsigned long long)found);
}

/* What a dry run would remove. */
static enum kn_status count_purge(struct control_call *call, const char *queue,
                                  struct kn_msg_queue_changed *changed)
{
    const struct kn_msg_queue_purge *msg = call->msg;
    struct broker_page page;
    const struct broker_look count = {.queue = queue};
    enum kn_status status = broker_session_look(call->hand->session, &count, call->arena, &page);
    if (status == KN_OK)
        status = broker_session_no_stream(call->hand->session, queue);
    if (status != KN_OK)
        return broker_failed(call, status);
    changed->waiting = changed->affected = page.total;
    if (msg->max && msg->max < page.total)
        changed->affected = msg->max;
    return msg->max || is_near(msg->expected, page.total)
               ? KN_OK
               : differs(call, msg->expected, page.total);
}

static enum kn_status run_purge(struct control_call *call, const char *queue,
                                struct kn_msg_queue_changed *changed)
{
    const struct kn_msg_queue_purge *msg = call->msg;
    char keep[64];
    bool told = false;
    snprintf(keep, sizeof keep, "kanchi.purged.%.*s", KN_STR_ARG(call->action->id));
    struct broker_purge purge = {.queue = queue,
                                 .expected = msg->expected,
                                 .tolerance = msg->expected / 10 > 10 ? msg->expected / 10 : 10,
                                 .max = msg->max,
                                 .deadline = kn_time_mono() + MOVE_US,
                                 .keep = traits_of(call)->keeps_purged ? keep : NULL};
    uint64_t count = 0;
    control_queues_purging(call->queues, true);
    enum kn_status status = control_purge_and_tell(call, purge, &count, &told);
    control_queues_purging(call->queues, false);
    if (status == KN_CONFLICT)
        return differs(call, msg->expected, count);
    if (status != KN_OK)
        return broker_failed(call, status);
    changed->waiting = changed->affected = count;
    changed->complete = !msg->max || kn_time_mono() < purge.deadline;
    if (!traits_of(call)->keeps_purged)
        changed->note = KN_STR("RabbitMQ does not report which messages were purged, so their "
                               "tasks stay pending");
    else if (!told)
        changed->note = KN_STR("some tasks are not marked as revoked yet");
    return KN_OK;
}

/* ---- removing one ------------------------------------------------------------------------ */

static enum kn_status take_out(struct control_call *call, struct kn_str id,
                               const struct broker_found *found,
                               struct kn_msg_queue_changed *changed)
{
    int64_t removed = 0;
    const struct control_removal_task task = {.id = id, .gone = true};
    call->began = true;
    enum kn_status status = broker_session_take_out(call->hand->session, found, &removed);
    if (status != KN_OK)
        return broker_failed(call, status);
    if (!removed)
        return control_call_refuse(call, KN_CONFLICT,
                                   "the message is no longer in the queue: a worker took it");
    changed->complete = true;
    if (control_removal_tell(call, call->learned, &task, 1) != KN_OK)
        changed->note = KN_STR("the task is not marked as revoked yet");
    return KN_OK;
}

/* On Redis a message is removed byte for byte, so nobody else's is. RabbitMQ gives out only the
 * first one, so all before it would have to be taken. */
static enum kn_status remove_one(struct control_call *call, struct kn_str queue,
                                 struct kn_msg_queue_changed *changed)
{
    const struct kn_msg_queue_purge *msg = call->msg;
    struct broker_found found = {.complete = true};
    if (!traits_of(call)->reads_in_place)
        return control_call_refuse(
            call, KN_CONFLICT,
            "RabbitMQ can't remove a single message without taking those before it from the "
            "queue. Revoke the task instead");
    kn_buf_init(&found.value, 0);
    kn_buf_init(&found.list, 0);
    enum kn_status status = control_message_find(call, msg->id, queue, false, &found);
    if (status == KN_NOT_FOUND)
        status =
            control_call_refuse(call, status,
                                found.complete ? "the message is not in the queue"
                                               : "the message was not found among the first ones "
                                                 "(control.look_max)");
    else if (status != KN_OK)
        status = broker_failed(call, status);
    changed->waiting = changed->affected = status == KN_OK;
    if (status == KN_OK && call->action)
        status = take_out(call, msg->id, &found, changed);
    kn_buf_fini(&found.value);
    kn_buf_fini(&found.list);
    return status;
}

enum kn_status control_do_purge(struct control_call *call)
{
    const struct kn_msg_queue_purge *msg = call->msg;
    struct kn_msg_queue_changed *changed = answer_of(call);
    struct kn_str queue = kn_arena_str(call->arena, msg->queue);
    if (!changed || !queue.ptr)
        return KN_NOMEM;
    enum kn_status status = check_queue(call, "queue", queue);
    if (status != KN_OK)
        return status;
    if (msg->id.len)
        return remove_one(call, queue, changed);
    return call->action ? run_purge(call, queue.ptr, changed)
                        : count_purge(call, queue.ptr, changed);
}

/* ---- moving ------------------------------------------------------------------------------ */

struct wish {
    const struct kn_strs *ids;
    struct kn_arena arena; /* of a message */
};

static bool is_wished(void *arg, struct kn_str envelope)
{
    struct wish *wish = arg;
    struct kn_msg_waiting waiting;
    kn_arena_reset(&wish->arena);
    control_waiting_show(&(struct broker_waiting){.envelope = envelope}, &wish->arena, &waiting);
    for (size_t i = 0; waiting.id.len && i < wish->ids->count; i++)
        if (kn_str_eq(wish->ids->items[i], waiting.id))
            return true;
    return false;
}

/* Counts, and refuses what is not as expected. */
static enum kn_status check_move(struct control_call *call, const char *from, const char *to,
                                 struct kn_msg_queue_changed *changed)
{
    const struct kn_msg_queue_move *msg = call->msg;
    struct broker_page page;
    const char *const queues[] = {to, from};
    for (size_t i = 0; i < 2; i++) {
        const struct broker_look count = {.queue = queues[i]};
        enum kn_status status =
            broker_session_look(call->hand->session, &count, call->arena, &page);
        if (status == KN_OK && !call->action) /* the move itself sees to it, too */
            status = broker_session_no_stream(call->hand->session, queues[i]);
        if (status != KN_OK)
            return broker_failed(call, status);
    }
    changed->waiting = page.total;
    if (msg->expected.set && !is_near((uint64_t)msg->expected.value, page.total))
        return differs(call, (uint64_t)msg->expected.value, page.total);
    changed->affected = msg->max && msg->max < page.total ? msg->max : page.total;
    return KN_OK;
}

static enum kn_status run_move(struct control_call *call, const char *from, const char *to,
                               struct kn_msg_queue_changed *changed)
{
    const struct kn_msg_queue_move *msg = call->msg;
    struct wish wish = {.ids = &msg->ids};
    struct broker_moved moved;
    kn_arena_init(&wish.arena, 0);
    const struct broker_move move = {
        .from = from,
        .to = to,
        .max = msg->max ? msg->max : UINT64_MAX,
        .deadline = kn_time_mono() + MOVE_US,
        .wanted = msg->ids.count ? is_wished : NULL,
        .arg = &wish,
    };
    enum kn_status status = broker_session_move(call->hand->session, &move, &moved);
    kn_arena_fini(&wish.arena);
    changed->waiting = moved.found;
    changed->affected = moved.moved;
    changed->complete = !moved.late;
    if (status == KN_OK) {
        call->outcome = moved.late ? KN_OUTCOME_PARTLY : KN_OUTCOME_DONE;
        return KN_OK;
    }
    const char *error = broker_session_error(call->hand->session);
    bool refused = status == KN_UNSUPPORTED || status == KN_FULL;
    if ((refused || status == KN_AGAIN) && !moved.moved)
        return control_call_refuse(call, refused ? KN_CONFLICT : status, "nothing was moved: %s",
                                   error);
    call->outcome = moved.moved || status == KN_CONFLICT ? KN_OUTCOME_PARTLY : KN_OUTCOME_FAILED;
    return control_call_fail(call, refused ? KN_CONFLICT : status,
                             "%llu messages were moved, then: %s", (unsigned long long)moved.moved,
                             *error ? error : kn_status_text(status));
}

enum kn_status control_do_move(struct control_call *call)
{
    const struct kn_msg_queue_move *msg = call->msg;
    struct kn_msg_queue_changed *changed = answer_of(call);
    struct kn_str from = kn_arena_str(call->arena, msg->queue);
    struct kn_str to = kn_arena_str(call->arena, msg->to);
    if (!changed || !from.ptr || !to.ptr)
        return KN_NOMEM;
    enum kn_status status = check_queue(call, "queue", from);
    if (status == KN_OK)
        status = check_queue(call, "to", to);
    if (status == KN_OK && kn_str_eq(from, to))
        status = control_call_refuse(call, KN_INVALID, "to: must be a different queue");
    if (status == KN_OK)
        status = check_move(call, from.ptr, to.ptr, changed);
    return status == KN_OK && call->action ? run_move(call, from.ptr, to.ptr, changed) : status;
}

/* ---- pausing ----------------------------------------------------------------------------- */

static enum kn_status find_pause(struct control_call *call, struct kn_str queue,
                                 struct kn_msg_pause *ret, bool *ret_found)
{
    const struct kn_msg_pauses_get get = {.source = kn_str_from(call->options->source)};
    const void *answer;
    enum kn_status status =
        control_call_ask(call, KN_KIND_PAUSES_GET, &get, KN_KIND_PAUSE_LIST, &answer);
    const struct kn_msg_pause_list *list = status == KN_OK ? answer : NULL;
    *ret_found = false;
    for (size_t i = 0; list && i < list->items.count; i++) {
        if (!kn_str_eq(list->items.items[i].queue, queue))
            continue;
        *ret = list->items.items[i];
        *ret_found = true;
    }
    return status;
}

static enum kn_status change_pause(struct control_call *call, struct kn_str queue,
                                   struct kn_msg_queue_changed *changed)
{
    const struct kn_msg_queue_pause *msg = call->msg;
    struct kn_msg_pause pause = {.source = kn_str_from(call->options->source), .queue = queue};
    bool found;
    enum kn_status status = find_pause(call, queue, &pause, &found);
    if (status == KN_OK && msg->resume && !found)
        status = control_call_refuse(call, KN_CONFLICT, "the queue is not paused");
    if (status != KN_OK || !call->action)
        return status;
    if (!msg->resume && (!found || pause.resuming)) {
        pause.since = kn_time_now();
        pause.by = call->action->actor;
    }
    pause.resuming = msg->resume;
    status = control_pause_apply(call, &pause, changed);
    if (status == KN_OK && !changed->complete)
        call->outcome = KN_OUTCOME_PARTLY;
    return status;
}

/* Workers would reply that they don't consume it, and the pause would look complete. */
static enum kn_status check_exists(struct control_call *call, const char *queue)
{
    struct broker_page page;
    const struct broker_look count = {.queue = queue};
    if (!traits_of(call)->declares_queues)
        return KN_OK; /* see check_queue */
    enum kn_status status = broker_session_look(call->hand->session, &count, call->arena, &page);
    if (status == KN_NOT_FOUND)
        return control_call_refuse(call, status, "unknown queue \"%s\"", queue);
    return status == KN_OK ? KN_OK : broker_failed(call, status);
}

enum kn_status control_do_pause(struct control_call *call)
{
    const struct kn_msg_queue_pause *msg = call->msg;
    struct kn_msg_queue_changed *changed = answer_of(call);
    struct kn_str queue = kn_arena_str(call->arena, msg->queue);
    if (!changed || !queue.ptr)
        return KN_NOMEM;
    enum kn_status status = check_queue(call, "queue", queue);
    if (status == KN_OK && !msg->resume)
        status = check_exists(call, queue.ptr);
    if (status != KN_OK)
        return status;
    control_queues_lock(call->queues);
    status = change_pause(call, queue, changed);
    control_queues_unlock(call->queues);
    return status;
}
