/* The most recently written rows of tasks, as in the database: a task with an event almost always
 * had another one a moment ago, and need not be read again.
 *
 * A ring of bytes: new rows replace the oldest. One thread. */
#ifndef KN_STORAGE_TASK_TASK_CACHE_H
#define KN_STORAGE_TASK_TASK_CACHE_H

#include "services/storage/task/task_row.h"

struct task_cache {
    char *ring;
    struct task_cache_slot *slots;
    uint64_t head;  /* where the next row goes; total bytes written */
    uint64_t floor; /* rows before it are invalid */
    uint64_t found, missed;
};

enum kn_status task_cache_init(struct task_cache *cache) KN_MUST_CHECK;
void task_cache_fini(struct task_cache *cache);
void task_cache_clear(struct task_cache *cache);

/* Replaces the task's cached row. */
void task_cache_put(struct task_cache *cache, const struct db_value columns[TASK_COLUMNS]);
/* All columns; texts live until the next put. False: ask the database. */
bool task_cache_find(struct task_cache *cache, const struct task_row *key,
                     struct db_value ret[TASK_COLUMNS]);

#endif
