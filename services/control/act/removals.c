#include "services/control/act/removals.h"

#include "services/common/data/table.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/control/find/route.h"
#include "services/control/find/seek.h"

#include <stdio.h>
#include <stdlib.h>

enum { QUEUES_MAX = 1000, LOOK_MAX = 10000 };
static const int64_t TIME_US = 4 * KN_SECOND; /* of a portion: storage waits 30 s for it */

struct walk {
    struct kn_table_entry entry; /* job and queue */
    char cursor[BROKER_CURSOR_MAX];
};

struct control_removals {
    struct control_learned_sender *learned;
    struct kn_table walks;
    struct kn_log_limit limit;
};

struct portion {
    struct control_removals *removals;
    struct control_call *call;
    struct kn_str job;
    struct control_removal_task *tasks;
    struct kn_str *queues; /* of each task; absent: unknown, or not waiting */
    bool *searched;        /* whether its queue was */
    size_t count;
    int64_t until;
};

struct control_removals *control_removals_new(struct control_learned_sender *learned)
{
    struct control_removals *removals = calloc(1, sizeof *removals);
    if (!removals)
        return NULL;
    removals->learned = learned;
    kn_table_init(&removals->walks, sizeof(struct walk), QUEUES_MAX);
    return removals;
}

void control_removals_free(struct control_removals *removals)
{
    if (!removals)
        return;
    kn_table_fini(&removals->walks);
    free(removals);
}

/* Where the last message of a queue was found. The walks of earlier jobs make room. */
static struct walk *walk_of(struct portion *p, struct kn_str queue)
{
    return (struct walk *)kn_table_need_newest(&p->removals->walks, p->job, queue);
}

/* Absent if an exchange leads to several queues, or to none. */
static struct kn_str queue_of(struct portion *p, const struct kn_msg_task *task)
{
    const struct control_route route =
        control_route_of(task->queue, task->exchange, task->routing_key);
    struct kn_strs queues = {0};
    if (control_route_queues(p->call, &route, &queues) != KN_OK || queues.count != 1)
        return KN_STR_ABSENT;
    return queues.items[0];
}

static void find_queues(struct portion *p)
{
    struct kn_str source = kn_str_from(p->call->options->source);
    for (size_t i = 0; i < p->count && !atomic_load(p->call->stopping); i++) {
        const struct kn_msg_task_get get = {.id = p->tasks[i].id, .source = source};
        const void *answer;
        if (control_call_ask(p->call, KN_KIND_TASK_GET, &get, KN_KIND_TASK, &answer) != KN_OK)
            continue;
        const struct kn_msg_task *task = answer;
        if (task->status == KN_TASK_PENDING || task->status == KN_TASK_RETRY)
            p->queues[i] = queue_of(p, task);
    }
    p->call->text = KN_STR_ABSENT;
}

static bool all_gone(const struct control_removal *removal)
{
    for (size_t i = 0; i < removal->count; i++)
        if (!removal->tasks[i].gone)
            return false;
    return true;
}

/* From behind what the portion before found; what is not there may be before it. */
static enum kn_status search(struct portion *p, struct control_removal *removal, struct walk *walk)
{
    enum kn_status status = KN_OK;
    for (int round = 0; status == KN_OK && round < 2 && !all_gone(removal); round++) {
        struct broker_removed removed;
        struct kn_str cursor = kn_arena_str(p->call->arena, kn_str_from(walk->cursor));
        removal->time_us = p->until - kn_time_mono();
        if (!cursor.ptr || removal->time_us <= 0 || (round && !*walk->cursor))
            break;
        status = control_remove_messages(p->call, removal, round ? KN_STR("") : cursor, &removed);
        if (status == KN_INVALID && cursor.len) { /* the priorities have changed */
            walk->cursor[0] = '\0';
            status = KN_OK;
        } else if (round == 0) {
            snprintf(walk->cursor, sizeof walk->cursor, "%s", removed.cursor);
        }
    }
    return status;
}

/* The tasks from the first one on that wait in its queue. */
static enum kn_status take_queue(struct portion *p, size_t first)
{
    struct control_removal_task *tasks = kn_arena_array(p->call->arena, p->count, sizeof *tasks);
    size_t *places = kn_arena_array(p->call->arena, p->count, sizeof *places);
    struct kn_str queue = p->queues[first], name = kn_arena_str(p->call->arena, queue);
    struct control_removal removal = {.queue = name.ptr, .tasks = tasks, .look_max = LOOK_MAX};
    struct walk *walk = walk_of(p, queue);
    if (!tasks || !places || !name.ptr || !walk)
        return KN_NOMEM;
    for (size_t i = first; i < p->count; i++) {
        if (p->searched[i] || !kn_str_eq(p->queues[i], queue))
            continue;
        p->searched[i] = true;
        places[removal.count] = i;
        tasks[removal.count++] = p->tasks[i];
    }
    enum kn_status status = search(p, &removal, walk);
    for (size_t i = 0; i < removal.count; i++)
        p->tasks[places[i]].gone = tasks[i].gone;
    return status;
}

/* What another process began, waits as far as storage knows, and has no message any more: that
 * process removed it, and was killed before it could tell. */
static void seek_missing(struct portion *p)
{
    struct control_seek_task *sought = kn_arena_array(p->call->arena, p->count, sizeof *sought);
    struct kn_msg_queue *items = kn_arena_array(p->call->arena, p->count, sizeof *items);
    size_t *places = kn_arena_array(p->call->arena, p->count, sizeof *places);
    struct kn_msg_queue_list list = {.items = {items, 0}};
    size_t count = 0;
    for (size_t i = 0; sought && items && places && i < p->count && count < CONTROL_SEEK_MAX; i++) {
        if (p->tasks[i].gone || !p->tasks[i].again || !p->queues[i].len)
            continue;
        size_t k = 0;
        while (k < list.items.count && !kn_str_eq(items[k].name, p->queues[i]))
            k++;
        if (k == list.items.count)
            items[list.items.count++] = (struct kn_msg_queue){.name = p->queues[i]};
        places[count] = i;
        sought[count++] = (struct control_seek_task){.id = p->tasks[i].id};
    }
    const struct control_seek_options options = {.session = p->call->hand->session,
                                                 .queues = &list};
    if (!count || control_seek(&options, sought, count) != KN_OK)
        return;
    for (size_t i = 0; i < count; i++)
        p->tasks[places[i]].gone = !sought[i].found;
}

void control_removals_take(struct control_removals *removals, struct control_call *call,
                           struct kn_str job, struct control_removal_task *tasks, size_t count)
{
    struct portion p = {.removals = removals,
                        .call = call,
                        .job = job,
                        .tasks = tasks,
                        .queues = kn_arena_array(call->arena, count, sizeof *p.queues),
                        .searched = kn_arena_array(call->arena, count, sizeof *p.searched),
                        .count = count,
                        .until = kn_time_mono() + TIME_US};
    enum kn_status status = p.queues && p.searched ? KN_OK : KN_NOMEM;
    uint64_t skipped;
    if (!broker_session_traits(call->hand->session)->reads_in_place)
        return;
    if (status == KN_OK)
        find_queues(&p);
    for (size_t i = 0; status == KN_OK && i < count && !atomic_load(call->stopping); i++)
        status = p.queues[i].len && !p.searched[i] ? take_queue(&p, i) : KN_OK;
    if (status == KN_OK)
        seek_missing(&p);
    enum kn_status told = control_removal_tell(call, removals->learned, tasks, count);
    if ((status != KN_OK || told != KN_OK) && kn_log_allow(&removals->limit, &skipped))
        KN_WARN("removal.failed", KN_F_STR("job", job),
                KN_F_TEXT("reason", kn_status_text(status == KN_OK ? told : status)),
                KN_F_I64("skipped", skipped));
}
