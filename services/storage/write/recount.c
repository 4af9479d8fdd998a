#include "services/storage/write/recount.h"

#include "proto/codec.h"

struct run {
    struct db *db;
    struct dict *dict;
    struct deltas *deltas;
    int64_t since_at;
    int64_t last;
    struct kn_arena scratch; /* of one task */
    struct task_row row;
};

/* Columns: ident, at, clock, type, host, body. */
static enum kn_status count_event(void *arg, const struct db_value *columns)
{
    struct run *run = arg;
    struct kn_msg_event event;
    enum kn_status status =
        kn_msg_decode(db_as_str(columns[5]), KN_KIND_EVENT, &run->scratch, &event);
    if (status != KN_OK || event.origin != KN_ORIGIN_EVENTS)
        return status;
    const struct delta_event delta = {db_as_i64(columns[1]),
                                      (enum kn_event_type)db_as_i64(columns[3]),
                                      db_as_i64(columns[4]), event.runtime};
    if (delta.at >= run->since_at)
        deltas_event(run->deltas, run->row.source, run->row.name, run->row.queue, &delta, 1);
    return KN_OK;
}

static enum kn_status count_learned(struct run *run)
{
    struct delta_learned *learned;
    enum kn_status status = deltas_learned_of(&run->row, &run->scratch, &learned);
    if (status != KN_OK || !learned)
        return status;
    size_t kept = 0;
    for (size_t i = 0; i < learned->count; i++) {
        if (learned->items[i].key.minute >= run->since_at)
            learned->items[kept++] = learned->items[i];
    }
    learned->count = kept;
    deltas_learned(run->deltas, learned, 1);
    return KN_OK;
}

static enum kn_status count_task(void *arg, const struct db_value *columns)
{
    struct run *run = arg;
    const struct delta_wait none = {0};
    kn_arena_reset(&run->scratch);
    enum kn_status status = task_row_read(columns, run->dict, run->db, &run->scratch, &run->row);
    if (status != KN_OK)
        return status;
    run->last = run->row.no;
    struct delta_wait wait = deltas_wait_of(&run->row);
    if (wait.set && wait.key.minute >= run->since_at)
        deltas_wait(run->deltas, &none, &wait);
    if ((status = count_learned(run)) != KN_OK)
        return status;
    const struct db_value values[] = {db_i64(run->row.no), db_i64(run->row.task.first_at),
                                      db_i64(run->row.task.latest_at)};
    status = db_run(run->db, SQL_EVENTS_OF_TASK, values, count_event, run);
    const struct delta_end not_yet = {0};
    struct delta_end end = deltas_end_of(&run->row);
    end.set = end.set && end.key.minute >= run->since_at;
    deltas_end(run->deltas, &not_yet, &end);
    return status;
}

enum kn_status recount(struct db *db, struct dict *dict, int64_t after, size_t limit,
                       int64_t since_at, struct deltas *deltas, int64_t *ret_last)
{
    struct run run = {.db = db, .dict = dict, .deltas = deltas, .since_at = since_at};
    const struct db_value values[] = {db_i64(after), db_i64((int64_t)limit)};
    kn_arena_init(&run.scratch, 0);
    enum kn_status status = db_run(db, SQL_TASKS_PAGE, values, count_task, &run);
    kn_arena_fini(&run.scratch);
    if (status == KN_OK)
        status = deltas->status;
    if (status == KN_OK)
        *ret_last = run.last;
    return status;
}
