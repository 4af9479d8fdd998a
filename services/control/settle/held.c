#include "services/control/settle/held.h"

#include "services/common/count.h"
#include "services/control/ask/conf.h"

enum { TEXT_MAX = 1024 };

struct writer {
    struct kn_msg_event *items;
    size_t count, tasks;
    struct kn_str hostname;
    int64_t at;
    bool exact; /* arguments of tasks that do not run are as they were sent */
};

/* Workers report the arguments of waiting tasks as JSON, in which pickled values may lose their
 * type (a tuple is a list). */
static bool are_exact(struct kn_str conf)
{
    struct control_conf settings = {0};
    return conf.ptr && control_conf_read(conf, &settings) == KN_OK && !settings.takes_pickle;
}

static void write_task(struct writer *w, const struct celery_held_task *task)
{
    int64_t begin = task->started_at && task->started_at < w->at ? task->started_at : w->at;
    if (!task->id.len || task->id.len > TEXT_MAX || !task->name.len || task->name.len > TEXT_MAX ||
        w->tasks == CONTROL_HELD_MAX)
        return;
    w->tasks++;
    bool tell = w->exact || task->active;
    w->items[w->count++] =
        (struct kn_msg_event){.type = KN_EVENT_TASK_RECEIVED,
                              .origin = KN_ORIGIN_WORKER,
                              .uuid = task->id,
                              .name = task->name,
                              .args_repr = tell ? task->args_repr : KN_STR_ABSENT,
                              .kwargs_repr = tell ? task->kwargs_repr : KN_STR_ABSENT,
                              .eta = task->eta,
                              .hostname = w->hostname,
                              .timestamp = begin,
                              .received_at = w->at};
    if (task->started_at)
        w->items[w->count++] = (struct kn_msg_event){.type = KN_EVENT_TASK_STARTED,
                                                     .origin = KN_ORIGIN_WORKER,
                                                     .uuid = task->id,
                                                     .hostname = w->hostname,
                                                     .timestamp = begin,
                                                     .received_at = w->at};
}

enum kn_status control_held_write(const struct control_answer *answer, int64_t at,
                                  struct kn_arena *arena, struct control_held_events *ret)
{
    const struct celery_held_tasks *lists[] = {&answer->active, &answer->reserved,
                                               &answer->scheduled};
    struct writer w = {
        .hostname = answer->inspect->hostname, .at = at, .exact = are_exact(answer->inspect->conf)};
    size_t count = 0;
    for (size_t l = 0; l < KN_COUNT_OF(lists); l++)
        count += lists[l]->count;
    count = count < CONTROL_HELD_MAX ? count : CONTROL_HELD_MAX;
    w.items = kn_arena_array(arena, 2 * count + 1, sizeof *w.items);
    if (!w.items)
        return KN_NOMEM;
    for (size_t l = 0; l < KN_COUNT_OF(lists); l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            write_task(&w, &lists[l]->items[i]);
    ret->items = w.items;
    ret->count = w.count;
    return KN_OK;
}
