/* The tasks of one workflow: canvases and tasks that call others have one root. */
#include "services/storage/read/read.h"

#include <stdio.h>

struct numbers {
    int64_t *items;
    size_t count;
};

static enum kn_status take_number(void *arg, const struct db_value *columns)
{
    struct numbers *numbers = arg;
    numbers->items[numbers->count++] = db_as_i64(columns[0]);
    return KN_OK;
}

/* The root's own number comes first; it may be unknown, or of another retention. */
static enum kn_status find_root(struct store_reader *reader, const struct task_row *row,
                                struct kn_str source, struct kn_arena *arena, struct kn_str *ret_id,
                                int64_t *ret_no)
{
    struct task_row root;
    struct kn_msg_task task;
    task_row_message(row, source, 1, &task);
    struct kn_str id = task.root_id;
    *ret_id = row->id;
    *ret_no = row->no;
    if (!id.len || kn_str_eq(id, row->id))
        return KN_OK;
    *ret_id = id;
    *ret_no = 0;
    enum kn_status status = store_find_task(reader, id, source, arena, &root);
    if (status == KN_OK)
        *ret_no = root.no;
    return status == KN_NOT_FOUND ? KN_OK : status;
}

enum kn_status store_read_family(struct store_reader *reader, const struct kn_msg_family_get *get,
                                 struct kn_arena *arena, struct kn_msg_task_list *ret,
                                 const char **ret_why)
{
    size_t limit = get->limit ? get->limit : LIMIT_DEFAULT;
    int64_t after = 0, root_no;
    struct kn_str root, source;
    struct task_row row;
    struct kn_msg_task_list list = {0};
    *ret_why = "limit must be from 1 to 500";
    if (limit > LIMIT_MAX)
        return KN_INVALID;
    *ret_why = "cursor: not issued by this list";
    if (get->cursor.len && (!kn_str_to_i64(get->cursor, &after) || after < 0))
        return KN_INVALID;
    *ret_why = NULL;
    enum kn_status status = store_find_task(reader, get->id, get->source, arena, &row);
    if (status == KN_OK)
        status = dict_text(reader->store->dict, reader->db, row.source, arena, &source);
    if (status == KN_OK)
        status = find_root(reader, &row, source, arena, &root, &root_no);
    if (status != KN_OK)
        return status;
    struct numbers numbers = {.items = kn_arena_array(arena, limit + 2, sizeof(int64_t))};
    if (!numbers.items)
        return KN_NOMEM;
    bool with_root = root_no && !get->cursor.len;
    if (with_root)
        numbers.items[numbers.count++] = root_no;
    const struct db_value values[] = {db_i64(row.source), db_text(root), db_i64(after),
                                      db_i64((int64_t)limit + 1)};
    status = db_run(reader->db, SQL_TASKS_BY_ROOT, values, take_number, &numbers);
    bool more = numbers.count > limit;
    if (more)
        numbers.count = limit;
    if (status == KN_OK)
        status = store_tasks_by_no(reader, numbers.items, numbers.count, arena, &list);
    if (status == KN_OK && more) /* after the root come all others */
        status = store_make_cursor(arena, with_root && limit == 1 ? 0 : numbers.items[limit - 1],
                                   &list.next_cursor);
    if (status == KN_OK)
        *ret = list;
    return status;
}
