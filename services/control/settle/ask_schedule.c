#include "services/control/settle/ask_schedule.h"

#include "services/common/data/table.h"
#include "services/common/text/time.h"

#include <stdlib.h>

/* While there are few tasks: how soon an unreported end is noticed. */
static const int64_t PAUSE_MAX_US = 15 * KN_SECOND;

struct task {
    struct kn_table_entry entry; /* "", id */
    int64_t updated_at;
    int64_t next_at;
    int64_t pause;
    int64_t missing_at; /* when its worker first had not got it; 0: it was not said */
    uint64_t lap;
};

struct control_ask_schedule {
    struct control_ask_schedule_options options;
    struct kn_table tasks;
    uint64_t lap;
};

struct control_ask_schedule *
control_ask_schedule_new(const struct control_ask_schedule_options *options)
{
    struct control_ask_schedule *asked = calloc(1, sizeof *asked);
    if (!asked)
        return NULL;
    asked->options = *options;
    kn_table_init(&asked->tasks, sizeof(struct task), options->tasks_max);
    return asked;
}

void control_ask_schedule_free(struct control_ask_schedule *asked)
{
    if (!asked)
        return;
    kn_table_fini(&asked->tasks);
    free(asked);
}

static struct task *find(const struct control_ask_schedule *asked, struct kn_str id)
{
    return (struct task *)kn_table_find(&asked->tasks, KN_STR(""), id);
}

bool control_ask_schedule_due(struct control_ask_schedule *asked, struct kn_str id,
                              int64_t updated_at, int64_t now_us)
{
    struct task *task = (struct task *)kn_table_need(&asked->tasks, KN_STR(""), id);
    if (!task)
        return true;
    task->lap = asked->lap;
    if (task->updated_at != updated_at) {
        task->updated_at = updated_at;
        task->next_at = task->pause = task->missing_at = 0;
    }
    return now_us >= task->next_at;
}

int64_t control_ask_schedule_missing_at(const struct control_ask_schedule *asked, struct kn_str id)
{
    const struct task *task = find(asked, id);
    return task ? task->missing_at : 0;
}

/* Twice the time in which all of them can be asked about. */
static int64_t longest_pause(const struct control_ask_schedule *asked)
{
    int64_t all = (int64_t)(2 * kn_table_count(&asked->tasks) / asked->options.rate) * KN_SECOND;
    return all > PAUSE_MAX_US ? all : PAUSE_MAX_US;
}

static void pause_longer(const struct control_ask_schedule *asked, struct task *task,
                         int64_t now_us)
{
    int64_t longest = longest_pause(asked);
    task->pause = task->pause ? 2 * task->pause : asked->options.first_us;
    if (task->pause > longest)
        task->pause = longest;
    task->next_at = now_us + task->pause;
}

void control_ask_schedule_nothing(struct control_ask_schedule *asked, struct kn_str id,
                                  int64_t now_us)
{
    struct task *task = find(asked, id);
    if (!task)
        return;
    task->missing_at = 0;
    pause_longer(asked, task, now_us);
}

void control_ask_schedule_unknown(struct control_ask_schedule *asked, struct kn_str id,
                                  int64_t now_us)
{
    struct task *task = find(asked, id);
    if (task)
        pause_longer(asked, task, now_us);
}

bool control_ask_schedule_missing(struct control_ask_schedule *asked, struct kn_str id,
                                  int64_t now_us)
{
    struct task *task = find(asked, id);
    if (!task)
        return false;
    if (task->missing_at && now_us - task->missing_at >= asked->options.confirm_us)
        return true;
    if (!task->missing_at)
        task->missing_at = now_us;
    task->next_at = task->missing_at + asked->options.confirm_us;
    return false;
}

void control_ask_schedule_done(struct control_ask_schedule *asked, struct kn_str id)
{
    struct task *task = find(asked, id);
    if (task)
        kn_table_remove(&asked->tasks, &task->entry);
}

void control_ask_schedule_lap(struct control_ask_schedule *asked)
{
    for (struct kn_table_entry *entry = kn_table_first(&asked->tasks), *after; entry;
         entry = after) {
        after = kn_table_next(entry);
        if (((struct task *)entry)->lap != asked->lap)
            kn_table_remove(&asked->tasks, entry);
    }
    asked->lap++;
}

size_t control_ask_schedule_count(const struct control_ask_schedule *asked)
{
    return kn_table_count(&asked->tasks);
}
