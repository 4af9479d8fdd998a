/* Internal to the store: shared by queries. */
#ifndef KN_STORAGE_READ_READ_H
#define KN_STORAGE_READ_READ_H

#include "services/storage/state/state.h"

/* Default and maximum number of rows in an answer. */
enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 500 };

/* Makes room for one more item in a message's list, in the arena. Returns the list's items, or
 * NULL. */
void *store_list_add(struct kn_arena *arena, void *items, size_t count, size_t *cap, size_t size);
#define LIST_ADD(arena, list, cap)                                                                 \
    (((list).items = store_list_add(arena, (list).items, (list).count, cap, sizeof *(list).items)) \
         ? &(list).items[(list).count++]                                                           \
         : NULL)

/* The row of a task on one source, or the newest on any source (source absent). */
enum kn_status store_find_task(struct store_reader *reader, struct kn_str id, struct kn_str source,
                               struct kn_arena *arena, struct task_row *ret) KN_MUST_CHECK;
/* The tasks with these numbers, in this order, with the fields of a list; missing tasks are left
 * out. */
enum kn_status store_tasks_by_no(struct store_reader *reader, const int64_t *numbers, size_t count,
                                 struct kn_arena *arena,
                                 struct kn_msg_task_list *ret) KN_MUST_CHECK;

/* The cursor of the row with this number: text, so that its form can change. */
enum kn_status store_make_cursor(struct kn_arena *arena, int64_t no,
                                 struct kn_str *ret) KN_MUST_CHECK;

#endif
