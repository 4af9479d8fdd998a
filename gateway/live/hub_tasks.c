#include "gateway/live/hub_internal.h"

#include <stdlib.h>

enum kn_status pending_tasks_init(struct pending_tasks *tasks, size_t max, size_t bytes)
{
    *tasks = (struct pending_tasks){.max = max, .table_size = 64};
    while (tasks->table_size < max * 2)
        tasks->table_size *= 2;
    kn_arena_init(&tasks->arena, bytes);
    kn_buf_init(&tasks->json, bytes * 4);
    tasks->entries = calloc(max, sizeof *tasks->entries);
    tasks->table = calloc(tasks->table_size, sizeof *tasks->table);
    if (tasks->entries && tasks->table)
        return KN_OK;
    pending_tasks_fini(tasks);
    return KN_NOMEM;
}

void pending_tasks_fini(struct pending_tasks *tasks)
{
    kn_arena_fini(&tasks->arena);
    kn_buf_fini(&tasks->json);
    free(tasks->entries);
    free(tasks->table);
    tasks->entries = NULL;
    tasks->table = NULL;
}

static bool same_task(const struct kn_msg_task *a, const struct kn_msg_task *b)
{
    return kn_str_eq(a->id, b->id) && kn_str_eq(a->source, b->source);
}

/* Where the task is in the table, or would be. */
static uint32_t *slot_of(struct pending_tasks *tasks, const struct kn_msg_task *task, uint64_t hash)
{
    size_t mask = tasks->table_size - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &tasks->table[at];
        if (!*slot)
            return slot;
        const struct task_entry *entry = &tasks->entries[*slot - 1];
        if (entry->hash == hash && same_task(entry->task, task))
            return slot;
    }
}

void pending_tasks_add(struct pending_tasks *tasks, const struct kn_msg_task_change *change)
{
    if (!change->task)
        return;
    uint64_t hash = kn_hash64(0, change->task->source.ptr, change->task->source.len);
    hash = kn_hash64(hash, change->task->id.ptr, change->task->id.len);
    hash ^= hash >> 29;
    uint32_t *slot = slot_of(tasks, change->task, hash);
    if (!*slot && tasks->count == tasks->max) {
        tasks->dropped++;
        return;
    }
    const struct kn_msg_task *copy = kn_msg_copy(&tasks->arena, KN_KIND_TASK, change->task);
    if (!copy) {
        tasks->dropped++;
        return;
    }
    if (!*slot) {
        *slot = (uint32_t)++tasks->count;
        unsigned before = change->created ? KN_TASK_STATUS_COUNT : change->previous_status;
        tasks->entries[*slot - 1] = (struct task_entry){.hash = hash, .previous = before};
    }
    struct task_entry *entry = &tasks->entries[*slot - 1];
    entry->task = copy;
    entry->order = tasks->order++;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = ((const struct task_entry *)a)->order, y = ((const struct task_entry *)b)->order;
    return (x < y) - (x > y);
}

void pending_tasks_sort(struct pending_tasks *tasks)
{
    if (tasks->count)
        qsort(tasks->entries, tasks->count, sizeof *tasks->entries, newest_first);
}

void pending_tasks_clear(struct pending_tasks *tasks)
{
    if (tasks->count)
        memset(tasks->table, 0, tasks->table_size * sizeof *tasks->table);
    tasks->count = 0;
    tasks->dropped = 0;
    kn_arena_reset(&tasks->arena);
    kn_buf_clear(&tasks->json);
}

struct kn_str pending_tasks_json(struct pending_tasks *tasks, struct task_entry *entry)
{
    if (!entry->json_len) {
        entry->json_at = tasks->json.len;
        gw_view_task(&tasks->json, entry->task, GW_VIEW_LIVE);
        if (kn_buf_status(&tasks->json) != KN_OK)
            return KN_STR_ABSENT;
        entry->json_len = tasks->json.len - entry->json_at;
    }
    return (struct kn_str){tasks->json.data + entry->json_at, entry->json_len};
}
