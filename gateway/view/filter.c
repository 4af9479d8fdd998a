#include "gateway/view/filter.h"

#include "services/common/count.h"

void gw_filter_read(struct gw_params *params, struct kn_msg_tasks_get *ret)
{
    ret->statuses = gw_params_texts(params, "status");
    ret->names = gw_params_texts(params, "name");
    ret->workers = gw_params_texts(params, "worker");
    ret->queues = gw_params_texts(params, "queue");
    ret->sources = gw_params_texts(params, "source");
    ret->q = gw_params_text(params, "q");
    ret->from = gw_params_time(params, "from");
    ret->to = gw_params_time(params, "to");
    ret->by_end = strcmp(gw_params_choice(params, "time"), "ended") == 0;
    const char *resolved = gw_params_choice(params, "resolved");
    if (resolved[0])
        ret->resolved = KN_SOME_I64(strcmp(resolved, "true") == 0);
}

struct gw_filter gw_filter_of(const struct kn_msg_tasks_get *get)
{
    struct gw_filter filter = {.get = *get};
    for (size_t i = 0; i < get->statuses.count; i++) {
        unsigned status;
        if (kn_enum_parse(&kn_enum_task_status, get->statuses.items[i], &status))
            filter.statuses |= 1U << status;
    }
    if (get->statuses.count == 0)
        filter.statuses = ~0U;
    return filter;
}

static bool one_of(const struct kn_strs *list, struct kn_str value)
{
    if (list->count == 0)
        return true;
    for (size_t i = 0; i < list->count; i++)
        if (value.ptr && kn_str_eq(list->items[i], value))
            return true;
    return false;
}

static bool text_matches(const struct kn_msg_task *task, struct kn_str q)
{
    const struct kn_str texts[] = {task->id,          task->name,        task->args_repr,
                                   task->kwargs_repr, task->result_repr, task->error};
    for (size_t i = 0; i < KN_COUNT_OF(texts); i++)
        if (texts[i].len && kn_str_has_nocase(texts[i], q))
            return true;
    return false;
}

/* Time of the task's first event, as far as the task shows it. */
static int64_t first_seen(const struct kn_msg_task *task)
{
    const int64_t times[] = {task->sent_at,      task->received_at, task->started_at,
                             task->succeeded_at, task->failed_at,   task->retried_at,
                             task->revoked_at,   task->rejected_at, task->updated_at};
    int64_t first = 0;
    for (size_t i = 0; i < KN_COUNT_OF(times); i++)
        if (times[i] && (!first || times[i] < first))
            first = times[i];
    return first;
}

/* When a task had another status before, it is not known when that was its end. */
static bool is_in_period(const struct kn_msg_tasks_get *get, const struct kn_msg_task *task,
                         unsigned status)
{
    if (get->by_end && status != task->status)
        return kn_task_is_over((enum kn_task_status)status);
    int64_t at = !get->by_end                 ? first_seen(task)
                 : status == KN_TASK_ORPHANED ? task->orphaned_at
                                              : task->completed_at;
    return (!get->by_end || at) && (!get->from || at >= get->from) && (!get->to || at < get->to);
}

bool gw_filter_matches(const struct gw_filter *filter, const struct kn_msg_task *task,
                       unsigned status)
{
    const struct kn_msg_tasks_get *get = &filter->get;
    if (status >= KN_TASK_STATUS_COUNT || !(filter->statuses >> status & 1))
        return false;
    if (!one_of(&get->names, task->name) || !one_of(&get->workers, task->worker_id) ||
        !one_of(&get->queues, task->queue) || !one_of(&get->sources, task->source))
        return false;
    if (!is_in_period(get, task, status))
        return false;
    return !get->q.ptr || text_matches(task, get->q);
}
