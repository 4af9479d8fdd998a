/* The depths of all queues over a period. Of each step only the last measurement is looked up, so
 * the cost depends on the number of queues and steps, not on how long the period is. */
#include "services/storage/read/read.h"

#include "services/common/text/time.h"

enum { QUEUES_MAX = 1000, POINTS_MAX = 60 };

struct histories_read {
    struct kn_arena *arena;
    struct kn_msg_queue_histories *ret;
    size_t cap, points;
    struct kn_str source;
};

/* Columns: name of the queue, number of the step, messages. */
static enum kn_status take_step(void *arg, const struct db_value *columns)
{
    struct histories_read *read = arg;
    struct kn_msg_queue_histories *ret = read->ret;
    size_t n = (size_t)db_as_i64(columns[1]);
    if (n == 0) {
        if (ret->items.count == QUEUES_MAX) {
            ret->complete = false;
            return (enum kn_status)DB_STOP;
        }
        struct kn_msg_queue_history *next = LIST_ADD(read->arena, ret->items, &read->cap);
        if (!next)
            return KN_NOMEM;
        *next = (struct kn_msg_queue_history){.source = read->source};
        next->name = kn_arena_str(read->arena, db_as_str(columns[0]));
        next->messages.items =
            kn_arena_array(read->arena, read->points, sizeof *next->messages.items);
        if (!next->name.ptr || !next->messages.items)
            return KN_NOMEM;
        next->messages.count = read->points;
    }
    ret->items.items[ret->items.count - 1].messages.items[n] =
        columns[2].kind == DB_I64 ? (double)columns[2].i64 : -1;
    return KN_OK;
}

static bool is_wanted(struct kn_str source, const struct kn_strs *wanted)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (kn_str_eq(wanted->items[i], source))
            return true;
    return !wanted->count;
}

enum kn_status store_read_queue_histories(struct store_reader *reader,
                                          const struct kn_msg_queue_histories_get *get,
                                          struct kn_arena *arena,
                                          struct kn_msg_queue_histories *ret, const char **ret_why)
{
    struct kn_msg_queue_histories list = {.complete = true};
    struct histories_read read = {.arena = arena, .ret = &list, .points = get->points};
    struct dict_sources sources;
    *ret_why = "points must be from 1 to 60, and from before to";
    if (!get->points || get->points > POINTS_MAX || get->from < 0 || get->from >= get->to)
        return KN_INVALID;
    int64_t points = (int64_t)get->points, width = (get->to - get->from + points - 1) / points;
    enum kn_status status = dict_sources(reader->db, arena, &sources);
    for (size_t i = 0; status == KN_OK && list.complete && i < sources.count; i++) {
        if (!is_wanted(sources.items[i].name, &get->sources))
            continue;
        /* one more than there is room for, to find out whether there are more */
        const struct db_value values[] = {
            db_i64(sources.items[i].number),
            db_i64(get->from),
            db_i64(width),
            db_text(KN_STR("")),
            db_i64((int64_t)(QUEUES_MAX - list.items.count) + 1),
            db_i64(points),
        };
        read.source = sources.items[i].name;
        status = db_run(reader->db, SQL_QUEUE_HISTORIES, values, take_step, &read);
    }
    if (status == KN_OK)
        *ret = list;
    return status;
}
