/* Which tasks are retries of which, shown with the tasks and told to the feed. */
#include "services/storage/write/write.h"

#include "services/storage/state/state.h"

struct links {
    struct kn_msg_task *tasks;
    size_t count;
    struct kn_arena *arena;
};

static bool is_task(const struct kn_msg_task *task, const struct db_value *columns)
{
    return kn_str_eq(task->id, db_as_str(columns[1])) &&
           kn_str_eq(task->source, db_as_str(columns[0]));
}

/* Rows come newest first. */
static enum kn_status take_retry(void *arg, const struct db_value *columns)
{
    struct links *links = arg;
    for (size_t i = 0; i < links->count; i++) {
        struct kn_strs *ids = &links->tasks[i].retried_as;
        if (!is_task(&links->tasks[i], columns) || ids->count == LINKS_SHOWN)
            continue;
        if (!ids->items)
            ids->items = kn_arena_array(links->arena, LINKS_SHOWN, sizeof *ids->items);
        if (!ids->items)
            return KN_NOMEM;
        memmove(ids->items + 1, ids->items, ids->count * sizeof *ids->items);
        ids->items[0] = kn_arena_str(links->arena, db_as_str(columns[2]));
        ids->count++;
    }
    return links->arena->overflow ? KN_NOMEM : KN_OK;
}

static enum kn_status take_original(void *arg, const struct db_value *columns)
{
    struct links *links = arg;
    for (size_t i = 0; i < links->count; i++) {
        if (is_task(&links->tasks[i], columns))
            links->tasks[i].retry_of = kn_arena_str(links->arena, db_as_str(columns[2]));
    }
    return links->arena->overflow ? KN_NOMEM : KN_OK;
}

enum kn_status links_fill(struct db *db, struct kn_arena *arena, struct kn_msg_task *tasks,
                          size_t count)
{
    struct links links = {.tasks = tasks, .count = count, .arena = arena};
    struct db_value *values = kn_arena_array(arena, 2 * count, sizeof *values);
    if (!count)
        return KN_OK;
    if (!values)
        return KN_NOMEM;
    for (size_t i = 0; i < count; i++) {
        values[2 * i] = db_text(tasks[i].source);
        values[2 * i + 1] = db_text(tasks[i].id);
    }
    enum kn_status status = db_each(db, SQL_LINKS_OF, values, count, take_retry, &links, NULL);
    return status == KN_OK ? db_each(db, SQL_LINKS_BACK, values, count, take_original, &links, NULL)
                           : status;
}

/* ---- the feed ------------------------------------------------------------------------ */

struct task_read {
    struct kn_str id;
    int64_t source;
    int64_t no; /* 0: there is none */
    enum kn_task_status status;
};

static enum kn_status see_task(void *arg, const struct db_value *columns)
{
    struct task_read *read = arg;
    struct task_row peek;
    task_row_peek(columns, &peek);
    if (peek.source == read->source && kn_str_eq(peek.id, read->id) && peek.no > read->no) {
        read->no = peek.no;
        read->status = peek.status;
    }
    return KN_OK;
}

enum kn_status tx_find_task(struct tx *tx, int64_t source, struct kn_str id, int64_t *ret_no,
                            enum kn_task_status *ret_status)
{
    struct store *store = tx->store;
    struct task_read read = {.id = tx_clean(tx, id), .source = source};
    const struct db_value hash[] = {db_i64((int64_t)task_hash(store->hash_key, source, read.id))};
    enum kn_status status = db_each(store->db, SQL_TASKS_BY_HASH, hash, 1, see_task, &read, NULL);
    *ret_no = read.no;
    *ret_status = read.status;
    return status;
}

enum kn_status tx_link(struct tx *tx, const struct kn_msg_task_link *link)
{
    const struct db_value values[] = {tx_text(tx, link->source), tx_text(tx, link->task_id),
                                      tx_text(tx, link->new_id), db_i64(link->at)};
    const struct kn_str ids[] = {link->task_id, link->new_id};
    int64_t source, no;
    enum kn_task_status ignored;
    enum kn_status status = db_run(tx->store->db, SQL_LINK_PUT, values, NULL, NULL);
    if (status == KN_OK)
        status = dict_find(tx->store->dict, tx->store->db, DICT_SOURCE, link->source, &source);
    if (status != KN_OK)
        return status == KN_NOT_FOUND ? KN_OK : status;
    for (size_t i = 0; status == KN_OK && i < 2; i++) {
        status = tx_find_task(tx, source, ids[i], &no, &ignored);
        if (status == KN_OK && no)
            status = tx_mark_changed(tx, no);
    }
    return status;
}
