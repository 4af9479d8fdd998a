/* Queues that are paused: what control must know after a restart. */
#include "services/storage/store_internal.h"

#include "proto/codec.h"

enum { PAUSES_MAX = 1000 };

static struct db_value clean(struct tx *tx, struct kn_str text)
{
    return db_text(text.ptr ? db_clean_text(tx->arena, text) : text);
}

/* A paused queue is listed even if nothing measures or consumes it. */
static enum kn_status list_queue(struct tx *tx, const struct kn_msg_pause *pause)
{
    struct store *store = tx->store;
    int64_t source, queue;
    enum kn_status status =
        dict_number(store->dict, store->db, DICT_SOURCE, pause->source, &source);
    if (status == KN_OK)
        status = dict_number(store->dict, store->db, DICT_QUEUE, pause->queue, &queue);
    if (status != KN_OK)
        return status;
    const struct db_value key[] = {db_i64(source), db_i64(queue)};
    return pause->over || pause->resuming ? db_run(store->db, SQL_QUEUE_UNSEEN, key, NULL, NULL)
                                          : tx_queue_seen(tx, source, queue, pause->queue);
}

enum kn_status tx_pause(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_pause *pause = change->msg;
    if (!pause->source.len || !pause->queue.len || (!pause->over && !pause->since)) {
        change->status = KN_INVALID;
        change->why = "a pause needs a source, a queue and a time";
        return KN_OK;
    }
    const struct db_value values[] = {
        clean(tx, pause->source), clean(tx, pause->queue),     db_i64(pause->since),
        clean(tx, pause->by),     clean(tx, pause->consumers), db_i64(pause->resuming),
    };
    enum kn_status status =
        db_run(tx->store->db, pause->over ? SQL_PAUSE_DELETE : SQL_PAUSE_PUT, values, NULL, NULL);
    return status == KN_OK ? list_queue(tx, pause) : status;
}

struct pauses_read {
    struct kn_str source;
    struct kn_arena *arena;
    struct kn_msg_pause_list *list;
};

static enum kn_status take_pause(void *arg, const struct db_value *columns)
{
    struct pauses_read *read = arg;
    const struct kn_msg_pause row = {
        .source = db_as_str(columns[0]),
        .queue = db_as_str(columns[1]),
        .since = db_as_i64(columns[2]),
        .by = db_as_str(columns[3]),
        .consumers = db_as_str(columns[4]),
        .resuming = db_as_i64(columns[5]) != 0,
    };
    if (read->source.len && !kn_str_eq(read->source, row.source))
        return KN_OK;
    if (read->list->items.count == PAUSES_MAX)
        return (enum kn_status)DB_STOP;
    const struct kn_msg_pause *copy = kn_msg_copy(read->arena, KN_KIND_PAUSE, &row);
    if (!copy)
        return KN_NOMEM;
    read->list->items.items[read->list->items.count++] = *copy;
    return KN_OK;
}

enum kn_status store_read_pauses(struct store_reader *reader, struct kn_str source,
                                 struct kn_arena *arena, struct kn_msg_pause_list *ret)
{
    struct kn_msg_pause_list list = {0};
    struct pauses_read read = {.source = source, .arena = arena, .list = &list};
    list.items.items = kn_arena_array(arena, PAUSES_MAX, sizeof *list.items.items);
    if (!list.items.items)
        return KN_NOMEM;
    enum kn_status status = db_run(reader->db, SQL_PAUSES, NULL, take_pause, &read);
    if (status == KN_OK)
        *ret = list;
    return status;
}
