#include "services/control/act/removal.h"

#include "services/common/text/time.h"
#include "services/control/queues/message.h"

struct search {
    const struct control_removal *removal;
    struct control_removal_task *last; /* that was wanted */
    struct kn_arena scratch;           /* of a message */
};

static bool is_wanted(void *arg, struct kn_str envelope)
{
    struct search *search = arg;
    for (size_t i = 0; i < search->removal->count; i++) {
        struct control_removal_task *task = &search->removal->tasks[i];
        if (task->gone || !control_is_message_of(envelope, task->id, &search->scratch))
            continue;
        search->last = task;
        return true;
    }
    return false;
}

static void is_gone(void *arg)
{
    struct search *search = arg;
    search->last->gone = true;
}

enum kn_status control_remove_messages(struct control_call *call,
                                       const struct control_removal *removal, struct kn_str cursor,
                                       struct broker_removed *ret)
{
    struct search search = {.removal = removal};
    struct broker_removal what = {.queue = removal->queue,
                                  .cursor = cursor,
                                  .look_max = removal->look_max,
                                  .deadline = kn_time_mono() + removal->time_us,
                                  .wanted = is_wanted,
                                  .gone = is_gone,
                                  .arg = &search};
    for (size_t i = 0; i < removal->count; i++)
        what.max += !removal->tasks[i].gone;
    kn_arena_init(&search.scratch, 64 << 20);
    enum kn_status status = broker_session_remove(call->hand->session, &what, ret);
    kn_arena_fini(&search.scratch);
    for (size_t i = 0; status != KN_OK && i < removal->count; i++)
        removal->tasks[i].gone =
            removal->tasks[i].gone && broker_traits(call->options->broker->url)->removes_one_by_one;
    return status;
}

enum kn_status control_removal_tell(struct control_call *call,
                                    struct control_learned_sender *learned,
                                    const struct control_removal_task *tasks, size_t count)
{
    struct kn_msg_event *events = kn_arena_array(call->arena, count, sizeof *events);
    size_t told = 0;
    int64_t now = kn_time_now();
    for (size_t i = 0; events && i < count; i++) {
        if (tasks[i].gone)
            events[told++] = (struct kn_msg_event){.type = KN_EVENT_TASK_REVOKED,
                                                   .origin = KN_ORIGIN_BROKER,
                                                   .uuid = tasks[i].id,
                                                   .timestamp = now,
                                                   .received_at = now};
    }
    return events ? control_learned_sender_tell(learned, events, told) : KN_NOMEM;
}
