/* Queries for workers, queues, the feed and the system. */
#include "services/storage/store_internal.h"

#include "proto/codec.h"
#include "services/common/time.h"

#include <stdlib.h>
#include <strings.h>

enum { HISTORY_POINTS = 500, FEED_MAX = 1000, GAPS_SHOWN = 20, WORKERS_MAX = 100000 };
/* of one answer with commits, and how many are read from the database at once */
enum { FEED_BYTES = 1 << 20, FEED_ROWS = 8 };
#define SIZE_EVERY (10 * KN_SECOND)

/* Adds room for one more to a list in the arena. */
static void *list_add(struct kn_arena *arena, void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return items;
    size_t bigger = *cap ? *cap * 2 : 16;
    char *copy = kn_arena_array(arena, bigger, size);
    if (copy && count)
        memcpy(copy, items, count * size);
    if (copy)
        *cap = bigger;
    return copy;
}

#define LIST_ADD(arena, list, cap)                                                                 \
    (((list).items = list_add(arena, (list).items, (list).count, cap, sizeof *(list).items))       \
         ? &(list).items[(list).count++]                                                           \
         : NULL)

static bool is_in(struct kn_str text, const struct kn_strs *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (kn_str_eq(list->items[i], text))
            return true;
    }
    return list->count == 0;
}

/* ---- workers ------------------------------------------------------------------------- */

struct workers_read {
    const struct kn_msg_workers_get *get;
    struct kn_arena *arena;
    struct kn_msg_worker_list *list;
    size_t cap;
};

static enum kn_status take_worker(void *arg, const struct db_value *columns)
{
    struct workers_read *read = arg;
    struct worker_row row;
    const struct kn_msg_workers_get *get = read->get;
    enum kn_status status = worker_row_read(columns, read->arena, &row);
    if (status == KN_OK)
        status = worker_row_read_answers(db_as_str(columns[WORKER_COLUMNS]), read->arena, &row);
    if (status != KN_OK)
        return status;
    struct kn_str word = kn_str_from(kn_enum_text(&kn_enum_worker_status, row.worker.status));
    if ((get->id.len && !kn_str_eq(get->id, row.worker.id)) ||
        !is_in(row.worker.source, &get->sources) || !is_in(word, &get->statuses))
        return KN_OK;
    if (!get->full && !get->id.len)
        row.worker.stats = row.worker.active_queues = KN_STR_ABSENT;
    if (!get->full && !get->id.len && !get->conf)
        row.worker.conf = KN_STR_ABSENT;
    if (get->conf)
        row.worker.registered.count = 0;
    struct kn_msg_worker *worker = LIST_ADD(read->arena, read->list->items, &read->cap);
    if (!worker)
        return KN_NOMEM;
    *worker = row.worker;
    return read->list->items.count == WORKERS_MAX ? (enum kn_status)DB_STOP : KN_OK;
}

enum kn_status store_read_workers(struct store_reader *reader, const struct kn_msg_workers_get *get,
                                  struct kn_arena *arena, struct kn_msg_worker_list *ret)
{
    struct kn_msg_worker_list list = {0};
    struct workers_read read = {get, arena, &list, 0};
    enum kn_status status = db_run(reader->db, SQL_WORKERS, NULL, take_worker, &read);
    if (status == KN_OK)
        *ret = list;
    return status;
}

/* ---- a worker's life ------------------------------------------------------------------- */

struct life_read {
    const struct kn_msg_worker_life_get *get;
    struct kn_arena *arena;
    struct kn_msg_worker_life *life;
    size_t cap;
};

/* The newest first. */
static enum kn_status take_moment(void *arg, const struct db_value *columns)
{
    struct life_read *read = arg;
    struct kn_msg_worker_moment *moment = LIST_ADD(read->arena, read->life->items, &read->cap);
    if (!moment)
        return KN_NOMEM;
    moment->at = db_as_i64(columns[0]);
    moment->change = (uint8_t)db_as_i64(columns[1]);
    return moment->at < read->get->from ? (enum kn_status)DB_STOP : KN_OK;
}

struct same_worker {
    struct kn_arena *arena;
    const struct kn_msg_worker_life_get *get;
    struct worker_row row;
    bool found;
};

static enum kn_status see_worker(void *arg, const struct db_value *columns)
{
    struct same_worker *same = arg;
    struct worker_row row;
    enum kn_status status = worker_row_read(columns, same->arena, &row);
    if (status != KN_OK || !kn_str_eq(row.worker.id, same->get->id) ||
        (same->get->source.len && !kn_str_eq(row.worker.source, same->get->source)) ||
        (same->found && row.worker.last_seen <= same->row.worker.last_seen))
        return status;
    same->row = row;
    same->found = true;
    return KN_OK;
}

enum kn_status store_read_worker_life(struct store_reader *reader,
                                      const struct kn_msg_worker_life_get *get,
                                      struct kn_arena *arena, struct kn_msg_worker_life *ret)
{
    struct same_worker same = {.arena = arena, .get = get};
    struct kn_msg_worker_life life = {0};
    struct life_read read = {get, arena, &life, 0};
    enum kn_status status = db_run(reader->db, SQL_WORKERS, NULL, see_worker, &same);
    if (status == KN_OK && !same.found)
        return KN_NOT_FOUND;
    const struct db_value values[] = {db_i64(same.row.source), db_i64(same.row.host),
                                      db_i64(get->to)};
    if (status == KN_OK)
        status = db_run(reader->db, SQL_LIFE, values, take_moment, &read);
    if (status != KN_OK)
        return status;
    for (size_t i = 0, n = life.items.count; i < n / 2; i++) {
        struct kn_msg_worker_moment newer = life.items.items[i];
        life.items.items[i] = life.items.items[n - 1 - i];
        life.items.items[n - 1 - i] = newer;
    }
    life.source = same.row.worker.source;
    *ret = life;
    return KN_OK;
}

/* ---- names of tasks --------------------------------------------------------------------- */

enum { NAMES_LOOKED_AT = 20000, NAMES_DEFAULT = 20, NAMES_MAX = 500 };

struct names_read {
    struct kn_arena *arena;
    struct kn_str q;
    size_t limit;
    struct kn_msg_task_names *names;
    size_t cap;
};

static bool has_in_any_case(struct kn_str text, struct kn_str part)
{
    for (size_t i = 0; part.len && i + part.len <= text.len; i++) {
        if (strncasecmp(text.ptr + i, part.ptr, part.len) == 0)
            return true;
    }
    return part.len == 0;
}

static enum kn_status take_name(void *arg, const struct db_value *columns)
{
    struct names_read *read = arg;
    struct kn_str text = db_as_str(columns[1]);
    if (!has_in_any_case(text, read->q))
        return KN_OK;
    struct kn_str *name = LIST_ADD(read->arena, read->names->items, &read->cap);
    if (!name)
        return KN_NOMEM;
    *name = kn_arena_str(read->arena, text);
    if (!name->ptr)
        return KN_NOMEM;
    return read->names->items.count == read->limit ? (enum kn_status)DB_STOP : KN_OK;
}

static int by_text(const void *a, const void *b)
{
    return kn_str_cmp(*(const struct kn_str *)a, *(const struct kn_str *)b);
}

enum kn_status store_read_task_names(struct store_reader *reader,
                                     const struct kn_msg_task_names_get *get,
                                     struct kn_arena *arena, struct kn_msg_task_names *ret)
{
    struct kn_msg_task_names names = {0};
    struct names_read read = {.arena = arena, .q = get->q, .names = &names};
    read.limit = !get->limit ? NAMES_DEFAULT : get->limit < NAMES_MAX ? get->limit : NAMES_MAX;
    const struct db_value values[] = {db_i64(DICT_NAME), db_text(KN_STR("")),
                                      db_i64(NAMES_LOOKED_AT)};
    enum kn_status status = db_run(reader->db, SQL_DICT_OF_KIND, values, take_name, &read);
    if (status != KN_OK)
        return status;
    if (names.items.count)
        qsort(names.items.items, names.items.count, sizeof *names.items.items, by_text);
    *ret = names;
    return KN_OK;
}

enum kn_status store_read_known_queues(struct store_reader *reader, struct kn_str source,
                                       struct kn_arena *arena, struct kn_msg_known_queues *ret)
{
    struct kn_msg_worker_list workers;
    struct kn_str sources[] = {source};
    const struct kn_msg_workers_get get = {.sources = {sources, 1}};
    struct kn_strs names = {0};
    size_t cap = 0;
    enum kn_status status = store_read_workers(reader, &get, arena, &workers);
    for (size_t w = 0; status == KN_OK && w < workers.items.count; w++) {
        const struct kn_strs *queues = &workers.items.items[w].queues;
        for (size_t i = 0; i < queues->count; i++) {
            if (names.count && is_in(queues->items[i], &names))
                continue;
            struct kn_str *name = LIST_ADD(arena, names, &cap);
            if (!name)
                return KN_NOMEM;
            *name = queues->items[i];
        }
    }
    ret->names = names;
    return status;
}

/* ---- queues -------------------------------------------------------------------------- */

struct queues_read {
    struct store_reader *reader;
    const struct kn_msg_queues_get *get;
    struct kn_arena *arena;
    struct kn_msg_queue_list *list;
    size_t cap;
    struct kn_msg_worker_list workers; /* online */
};

static enum kn_status add_consumers(struct queues_read *read, struct kn_msg_queue *queue)
{
    size_t cap = 0;
    for (size_t w = 0; w < read->workers.items.count; w++) {
        const struct kn_msg_worker *worker = &read->workers.items.items[w];
        if (!kn_str_eq(worker->source, queue->source) || !worker->queues.count ||
            !is_in(queue->name, &worker->queues))
            continue;
        struct kn_str *name = LIST_ADD(read->arena, queue->workers, &cap);
        if (!name)
            return KN_NOMEM;
        *name = worker->hostname;
    }
    return KN_OK;
}

/* Points of the history, thinned out: the highest of each bucket of time. */
struct history_read {
    struct kn_msg_queue *queue;
    struct kn_arena *arena;
    size_t cap;
    int64_t from;
    int64_t width;
    int64_t bucket; /* of the last point */
};

static enum kn_status take_point(void *arg, const struct db_value *columns)
{
    struct history_read *read = arg;
    struct kn_msg_queue_point point = {.at = db_as_i64(columns[0]),
                                       .messages = (uint64_t)db_as_i64(columns[1])};
    if (columns[2].kind == DB_I64)
        point.unacked = KN_SOME_I64(columns[2].i64);
    if (columns[3].kind == DB_I64)
        point.consumers = KN_SOME_I64(columns[3].i64);
    int64_t bucket = (point.at - read->from) / read->width;
    size_t n = read->queue->history.count;
    if (n && bucket == read->bucket) {
        struct kn_msg_queue_point *last = &read->queue->history.items[n - 1];
        if (point.messages >= last->messages)
            *last = point;
        return KN_OK;
    }
    read->bucket = bucket;
    struct kn_msg_queue_point *next = LIST_ADD(read->arena, read->queue->history, &read->cap);
    if (!next)
        return KN_NOMEM;
    *next = point;
    return KN_OK;
}

static enum kn_status add_history(struct queues_read *read, struct kn_msg_queue *queue,
                                  struct db_value source, struct db_value number)
{
    int64_t to = read->get->to ? read->get->to : kn_time_now() + 1;
    int64_t from = read->get->from ? read->get->from : to - KN_HOUR;
    if (from >= to)
        return KN_OK;
    struct history_read history = {
        .queue = queue, .arena = read->arena, .from = from, .width = (to - from) / HISTORY_POINTS};
    if (history.width < 1)
        history.width = 1;
    const struct db_value values[] = {source, number, db_i64(from), db_i64(to)};
    return db_run(read->reader->db, SQL_QUEUE_POINTS, values, take_point, &history);
}

static enum kn_status take_queue(void *arg, const struct db_value *columns)
{
    struct queues_read *read = arg;
    struct kn_msg_queue_depth depth;
    struct kn_str body = kn_arena_str(read->arena, db_as_str(columns[3]));
    if (!body.ptr)
        return KN_NOMEM;
    enum kn_status status = kn_msg_decode(body, KN_KIND_QUEUE_DEPTH, read->arena, &depth);
    if (status != KN_OK)
        return status;
    if ((read->get->name.len && !kn_str_eq(read->get->name, depth.name)) ||
        !is_in(depth.source, &read->get->sources))
        return KN_OK;
    struct kn_msg_queue *queue = LIST_ADD(read->arena, read->list->items, &read->cap);
    if (!queue)
        return KN_NOMEM;
    *queue = (struct kn_msg_queue){.name = depth.name,
                                   .source = depth.source,
                                   .messages = KN_SOME_I64((int64_t)depth.messages),
                                   .unacked = depth.unacked,
                                   .consumers = depth.consumers,
                                   .measured_at = depth.at};
    queue->priorities.items = depth.priorities.items;
    queue->priorities.count = depth.priorities.count;
    status = add_consumers(read, queue);
    if (status == KN_OK && read->get->name.len)
        status = add_history(read, queue, columns[0], columns[1]);
    return status;
}

/* Queues that online workers consume but nobody measured yet. */
static enum kn_status add_unmeasured(struct queues_read *read)
{
    for (size_t w = 0; w < read->workers.items.count; w++) {
        const struct kn_msg_worker *worker = &read->workers.items.items[w];
        for (size_t i = 0; i < worker->queues.count; i++) {
            struct kn_str name = worker->queues.items[i];
            bool known = (read->get->name.len && !kn_str_eq(read->get->name, name)) ||
                         !is_in(worker->source, &read->get->sources);
            for (size_t q = 0; !known && q < read->list->items.count; q++)
                known = kn_str_eq(read->list->items.items[q].name, name) &&
                        kn_str_eq(read->list->items.items[q].source, worker->source);
            if (known)
                continue;
            struct kn_msg_queue *queue = LIST_ADD(read->arena, read->list->items, &read->cap);
            if (!queue)
                return KN_NOMEM;
            *queue = (struct kn_msg_queue){.name = name, .source = worker->source};
            enum kn_status status = add_consumers(read, queue);
            if (status != KN_OK)
                return status;
        }
    }
    return KN_OK;
}

static bool is_of(const struct kn_msg_queue *queue, struct kn_str source, struct kn_str name)
{
    return kn_str_eq(queue->source, source) && kn_str_eq(queue->name, name);
}

/* A queue that is paused is one, even when nobody measures or consumes it. */
static enum kn_status add_pauses(struct queues_read *read)
{
    struct kn_msg_pause_list pauses;
    enum kn_status status = store_read_pauses(read->reader, KN_STR(""), read->arena, &pauses);
    for (size_t i = 0; status == KN_OK && i < pauses.items.count; i++) {
        struct kn_msg_pause *pause = &pauses.items.items[i];
        size_t q = 0;
        if (pause->resuming || !is_in(pause->source, &read->get->sources) ||
            (read->get->name.len && !kn_str_eq(read->get->name, pause->queue)))
            continue;
        while (q < read->list->items.count &&
               !is_of(&read->list->items.items[q], pause->source, pause->queue))
            q++;
        struct kn_msg_queue *queue = q < read->list->items.count
                                         ? &read->list->items.items[q]
                                         : LIST_ADD(read->arena, read->list->items, &read->cap);
        if (!queue)
            return KN_NOMEM;
        if (!queue->name.ptr)
            *queue = (struct kn_msg_queue){.name = pause->queue, .source = pause->source};
        pause->consumers = KN_STR_ABSENT;
        queue->pause = pause;
    }
    return status;
}

enum kn_status store_read_queues(struct store_reader *reader, const struct kn_msg_queues_get *get,
                                 struct kn_arena *arena, struct kn_msg_queue_list *ret)
{
    struct kn_str online[] = {KN_STR("online")};
    const struct kn_msg_workers_get workers = {.statuses = {online, 1}};
    struct kn_msg_queue_list list = {0};
    struct queues_read read = {.reader = reader, .get = get, .arena = arena, .list = &list};
    enum kn_status status = store_read_workers(reader, &workers, arena, &read.workers);
    if (status == KN_OK)
        status = db_run(reader->db, SQL_QUEUES, NULL, take_queue, &read);
    if (status == KN_OK)
        status = add_unmeasured(&read);
    if (status == KN_OK)
        status = add_pauses(&read);
    if (status == KN_OK)
        *ret = list;
    return status;
}

/* ---- the feed ------------------------------------------------------------------------ */

struct feed_read {
    struct kn_arena *arena;
    struct kn_msg_feed_list *list;
    size_t cap;
    size_t bytes;
};

static enum kn_status take_commit(void *arg, const struct db_value *columns)
{
    struct feed_read *read = arg;
    struct kn_str body = kn_arena_str(read->arena, db_as_str(columns[1]));
    struct kn_msg_feed *feed = LIST_ADD(read->arena, read->list->items, &read->cap);
    if (!body.ptr || !feed)
        return KN_NOMEM;
    read->bytes += body.len;
    enum kn_status status = kn_msg_decode(body, KN_KIND_FEED, read->arena, feed);
    return status == KN_OK && read->bytes >= FEED_BYTES ? (enum kn_status)DB_STOP : status;
}

/* Few at a time: PostgreSQL has all of them in memory before the first is seen. */
static enum kn_status read_commits(struct store_reader *reader, int64_t feed, int64_t from,
                                   size_t max, struct feed_read *read)
{
    const struct kn_msg_feed_list *list = read->list;
    size_t wanted = 0, before = 0;
    do {
        before = list->items.count;
        wanted = max - before < FEED_ROWS ? max - before : FEED_ROWS;
        if (before)
            from = (int64_t)list->items.items[before - 1].number + 1;
        const struct db_value values[] = {db_i64(feed), db_i64(from), db_i64((int64_t)wanted)};
        enum kn_status status = db_run(reader->db, SQL_FEED_GET, values, take_commit, read);
        if (status != KN_OK)
            return status;
    } while (list->items.count - before == FEED_ROWS && read->bytes < FEED_BYTES);
    return KN_OK;
}

static enum kn_status take_i64(void *arg, const struct db_value *columns)
{
    *(int64_t *)arg = db_as_i64(columns[0]);
    return KN_OK;
}

struct feed_row {
    struct kn_arena *arena;
    int64_t no;
    struct kn_str id;
    int64_t number;
};

static enum kn_status take_feed_row(void *arg, const struct db_value *columns)
{
    struct feed_row *row = arg;
    row->no = db_as_i64(columns[0]);
    row->id = kn_arena_str(row->arena, db_as_str(columns[1]));
    row->number = db_as_i64(columns[2]);
    return KN_OK;
}

enum kn_status store_read_feed(struct store_reader *reader, const struct kn_msg_feed_get *get,
                               struct kn_arena *arena, struct kn_msg_feed_list *ret)
{
    struct feed_row row = {.arena = arena};
    struct kn_msg_feed_list list = {0};
    struct feed_read read = {.arena = arena, .list = &list};
    size_t max = get->max && get->max < FEED_MAX ? (size_t)get->max : FEED_MAX;
    int64_t oldest = 0;
    const struct db_value name[] = {db_text(kn_str_from(reader->store->feed_name))};
    enum kn_status status = db_run(reader->db, SQL_FEED_FIND, name, take_feed_row, &row);
    if (status != KN_OK)
        return status;
    int64_t from = get->from > INT64_MAX ? INT64_MAX : (int64_t)get->from;
    const struct db_value feed[] = {db_i64(row.no)};
    status = read_commits(reader, row.no, from, max, &read);
    if (status == KN_OK)
        status = db_run(reader->db, SQL_FEED_OLDEST, feed, take_i64, &oldest);
    if (status != KN_OK)
        return status;
    list.feed = row.id;
    list.newest = (uint64_t)row.number;
    list.oldest = oldest ? (uint64_t)oldest : list.newest + 1;
    *ret = list;
    return KN_OK;
}

struct position_read {
    struct kn_arena *arena;
    struct kn_msg_reader_position *position;
};

static enum kn_status take_position(void *arg, const struct db_value *columns)
{
    struct position_read *read = arg;
    read->position->feed = kn_arena_str(read->arena, db_as_str(columns[0]));
    read->position->number = (uint64_t)db_as_i64(columns[1]);
    return KN_OK;
}

enum kn_status store_read_position(struct store_reader *reader, struct kn_str name,
                                   struct kn_arena *arena, struct kn_msg_reader_position *ret)
{
    struct kn_msg_reader_position position = {0};
    const struct db_value values[] = {db_text(name.ptr ? name : KN_STR(""))};
    enum kn_status status = db_run(reader->db, SQL_READER_GET, values, take_position,
                                   &(struct position_read){arena, &position});
    if (status == KN_OK)
        *ret = position;
    return status;
}

/* ---- the system ---------------------------------------------------------------------- */

struct system_read {
    struct store_reader *reader;
    struct kn_arena *arena;
    struct kn_msg_system *system;
    size_t cap_sources;
    size_t cap_counts;
    size_t cap_gaps;
    struct kn_msg_source_status *source; /* whose gaps are read */
    uint64_t tasks;
};

static enum kn_status take_gap(void *arg, const struct db_value *columns)
{
    struct system_read *read = arg;
    struct kn_msg_gap *gap = LIST_ADD(read->arena, read->source->gaps, &read->cap_gaps);
    if (!gap)
        return KN_NOMEM;
    *gap = (struct kn_msg_gap){.source = read->source->source,
                               .from = db_as_i64(columns[0]),
                               .to = db_as_i64(columns[1]),
                               .reason = kn_arena_str(read->arena, db_as_str(columns[2]))};
    return KN_OK;
}

static enum kn_status take_counters(void *arg, const struct db_value *columns)
{
    struct system_read *read = arg;
    struct kn_msg_source_status *source =
        LIST_ADD(read->arena, read->system->ingestion, &read->cap_sources);
    if (!source)
        return KN_NOMEM;
    *source = (struct kn_msg_source_status){
        .state = KN_LINK_AWAY,
        .events_received = (uint64_t)db_as_i64(columns[1]),
        .events_invalid = (uint64_t)db_as_i64(columns[2]),
        .events_lost = (uint64_t)db_as_i64(columns[3]),
        .events_stored = (uint64_t)db_as_i64(columns[4]),
        .events_duplicate = (uint64_t)db_as_i64(columns[5]),
    };
    read->system->storage->events += source->events_stored;
    enum kn_status status = dict_text(read->reader->store->dict, read->reader->db,
                                      db_as_i64(columns[0]), read->arena, &source->source);
    if (status != KN_OK)
        return status;
    read->source = source;
    read->cap_gaps = 0;
    const struct db_value values[] = {columns[0], db_i64(GAPS_SHOWN)};
    return db_run(read->reader->db, SQL_GAPS_LATEST, values, take_gap, read);
}

static enum kn_status take_status_count(void *arg, const struct db_value *columns)
{
    struct system_read *read = arg;
    struct kn_msg_status_count *count =
        LIST_ADD(read->arena, read->system->counts, &read->cap_counts);
    if (!count)
        return KN_NOMEM;
    count->status = (uint8_t)db_as_i64(columns[1]);
    count->count = db_as_i64(columns[2]);
    read->system->storage->tasks += (uint64_t)count->count;
    return dict_text(read->reader->store->dict, read->reader->db, db_as_i64(columns[0]),
                     read->arena, &count->source);
}

static enum kn_status take_feed_number(void *arg, const struct db_value *columns)
{
    struct kn_msg_storage_status *storage = arg;
    storage->feed_number = (uint64_t)db_as_i64(columns[2]);
    return KN_OK;
}

/* PostgreSQL looks at every file for it. */
static enum kn_status size_of_database(struct store_reader *reader, uint64_t *ret)
{
    int64_t now = kn_time_mono();
    enum kn_status status = KN_OK;
    if (now >= reader->bytes_until) {
        status = db_size(reader->db, &reader->bytes);
        reader->bytes_until = status == KN_OK ? now + SIZE_EVERY : 0;
    }
    *ret = reader->bytes;
    return status;
}

enum kn_status store_read_system(struct store_reader *reader, struct kn_arena *arena,
                                 struct kn_msg_system *ret)
{
    struct kn_msg_system system = {.at = kn_time_now()};
    struct system_read read = {.reader = reader, .arena = arena, .system = &system};
    const struct store *store = reader->store;
    system.storage = kn_arena_alloc(arena, sizeof *system.storage);
    if (!system.storage)
        return KN_NOMEM;
    system.storage->backend = kn_str_from(db_is_postgres(reader->db) ? "postgresql" : "sqlite");
    system.storage->server_version = kn_arena_str(arena, kn_str_from(db_version(reader->db)));
    system.storage->timescaledb = store->timescaledb;
    system.storage->feed = kn_str_from(store->feed_id);
    system.storage->schema_version = (uint64_t)store->schema_version;
    const struct db_value name[] = {db_text(kn_str_from(store->feed_name))};
    enum kn_status status = db_run(reader->db, SQL_COUNTERS, NULL, take_counters, &read);
    if (status == KN_OK)
        status = db_run(reader->db, SQL_TASK_COUNTS, NULL, take_status_count, &read);
    if (status == KN_OK)
        status = db_run(reader->db, SQL_FEED_FIND, name, take_feed_number, system.storage);
    if (status == KN_OK)
        status = size_of_database(reader, &system.storage->bytes);
    if (status == KN_OK)
        *ret = system;
    return status;
}
