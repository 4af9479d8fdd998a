/* What is in memory of the database, and of the transaction. */
#include "services/storage/state/state.h"

#include "services/common/data/array.h"
#include "services/common/text/time.h"

#include <stdlib.h>

/* ---- a transaction ------------------------------------------------------------------- */

struct tx *tx_new(struct store *store)
{
    struct tx *tx = calloc(1, sizeof *tx);
    if (tx) {
        tx->store = store;
        tx->arena = &store->arena;
    }
    return tx;
}

void tx_free(struct tx *tx)
{
    if (!tx)
        return;
    deltas_fini(&tx->deltas);
    hmap_fini(&tx->task_map);
    hmap_fini(&tx->event_map);
    hmap_fini(&tx->worker_map);
    free(tx->tasks);
    free(tx->events);
    free(tx->workers);
    free(tx->queues);
    free(tx->gaps);
    free(tx->marked);
    free(tx);
}

void tx_begin(struct tx *tx)
{
    kn_arena_reset(tx->arena);
    deltas_fini(&tx->deltas);
    deltas_init(&tx->deltas, tx->arena);
    hmap_clear(&tx->task_map);
    hmap_clear(&tx->event_map);
    hmap_clear(&tx->worker_map);
    tx->n_tasks = tx->n_events = tx->n_queues = tx->n_gaps = 0;
    tx->n_workers = tx->n_workers_read = 0;
    tx->n_marked = 0;
    tx->jobs = NULL;
    tx->jobs_changed = false;
    tx->feed = (struct kn_msg_feed){0};
}

enum kn_status tx_refuse(struct store_change *change, enum kn_status status, const char *why)
{
    change->status = status;
    change->why = why;
    return KN_OK;
}

struct kn_str tx_clean(struct tx *tx, struct kn_str text)
{
    return text.ptr ? db_clean_text(tx->arena, text) : text;
}

struct db_value tx_text(struct tx *tx, struct kn_str text)
{
    return db_text(tx_clean(tx, text));
}

static void keep_error(struct store *store, const char *text)
{
    free(store->error);
    store->error = strdup(text);
}

void store_abandon(struct store *store)
{
    keep_error(store, db_error(store->db));
    db_rollback(store->db);
    for (size_t i = 0; i < store->n_counts; i++)
        store->counts[i].delta = 0;
    store->next_no = store->end_no = 0;
    store->n_sources = 0;
    task_cache_clear(&store->tasks);
    memset(store->days, 0, sizeof store->days);
    dict_forget(store->dict);
}

void store_settle(struct store *store)
{
    for (size_t i = 0; i < store->n_counts; i++) {
        store->counts[i].count += store->counts[i].delta;
        store->counts[i].delta = 0;
    }
}

/* ---- counts -------------------------------------------------------------------------- */

enum kn_status store_note_changes(struct store *store, int64_t source, int64_t changes)
{
    for (size_t i = 0; i < store->n_sources; i++) {
        struct source_changes *known = &store->sources[i];
        if (known->source == source)
            return ++known->changes == changes ? KN_OK : KN_CONFLICT;
    }
    if (!kn_array_grow(&store->sources, &store->cap_sources, store->n_sources,
                       sizeof *store->sources))
        return KN_NOMEM;
    store->sources[store->n_sources++] = (struct source_changes){source, changes};
    return KN_OK;
}

enum kn_status store_count(struct store *store, int64_t source, enum kn_task_status status,
                           int64_t add)
{
    for (size_t i = 0; i < store->n_counts; i++) {
        struct status_count *count = &store->counts[i];
        if (count->source == source && count->status == status) {
            count->delta += add;
            return KN_OK;
        }
    }
    if (!kn_array_grow(&store->counts, &store->cap_counts, store->n_counts, sizeof *store->counts))
        return KN_NOMEM;
    store->counts[store->n_counts++] = (struct status_count){source, (uint8_t)status, 0, add};
    return KN_OK;
}

enum kn_status store_write_counts(struct store *store)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < store->n_counts; i++) {
        const struct status_count *count = &store->counts[i];
        const struct db_value values[] = {db_i64(count->source), db_i64(count->status),
                                          db_i64(count->delta)};
        if (count->delta)
            status = db_each(store->db, SQL_TASK_COUNT_ADD, values, 1, NULL, NULL, NULL);
    }
    return status;
}

/* ---- what retention has deleted ------------------------------------------------------ */

int64_t store_cutoff(int64_t keep_us)
{
    return keep_us ? kn_time_now() - keep_us : 0;
}

/* Clocks of several machines differ. */
int64_t store_deleted_to(const struct store *store)
{
    int64_t before = store_cutoff(store->options.retention_tasks_us);
    if (before < store->retain.before)
        before = store->retain.before;
    return before ? before + KN_HOUR : INT64_MIN;
}

/* Events without their task are of no use. */
int64_t store_events_cutoff(const struct store *store)
{
    int64_t events = store_cutoff(store->options.retention_events_us);
    int64_t tasks = store_cutoff(store->options.retention_tasks_us);
    return events > tasks ? events : tasks;
}
