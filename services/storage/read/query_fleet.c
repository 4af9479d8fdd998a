/* Queries for workers and queues. Lists come in pages, in the order of source and name, and cost
 * in proportion to what they show. */
#include "services/storage/read/read.h"

#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdlib.h>

enum {
    HISTORY_POINTS = 500,
    CONSUMERS_SHOWN = 1000, /* workers of one queue */
    WHOLE_MAX = 20000,      /* items of an answer without a limit */
    WHOLE_BYTES = 24 << 20, /* …and what is stored of them */
    ROWS_AT_ONCE = 500,
    KNOWN_MAX = 1000, /* names of queues */
};

static bool is_in(struct kn_str text, const struct kn_strs *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (kn_str_eq(list->items[i], text))
            return true;
    }
    return list->count == 0;
}

/* ---- sources -------------------------------------------------------------------------- */

/* Those that are asked for. */
static enum kn_status choose_sources(struct store_reader *reader, const struct kn_strs *wanted,
                                     struct kn_arena *arena, struct dict_sources *ret)
{
    size_t n = 0;
    enum kn_status status = dict_sources(reader->db, arena, ret);
    for (size_t i = 0; status == KN_OK && i < ret->count; i++)
        if (is_in(ret->items[i].name, wanted))
            ret->items[n++] = ret->items[i];
    ret->count = n;
    return status;
}

/* Where a list continues in a source after a position. False: not in this source. */
static bool goes_on(const struct dict_source *source, struct kn_str after_source,
                    struct kn_str after, struct kn_str *ret)
{
    int order = after_source.len ? kn_str_cmp(source->name, after_source) : 1;
    *ret = order == 0 && after.ptr ? after : KN_STR("");
    return order >= 0;
}

/* ---- workers ------------------------------------------------------------------------- */

struct workers_read {
    struct store_reader *reader;
    const struct kn_msg_workers_get *get;
    struct kn_arena *arena;
    struct kn_msg_worker_list list;
    size_t cap;
    size_t rows, bytes;
    struct kn_str last; /* hostname of the last row */
};

static enum kn_status take_worker(void *arg, const struct db_value *columns)
{
    struct workers_read *read = arg;
    struct worker_row row;
    const struct kn_msg_workers_get *get = read->get;
    read->rows++;
    read->bytes += db_as_str(columns[7]).len + db_as_str(columns[WORKER_COLUMNS]).len;
    enum kn_status status = worker_row_read(columns, read->arena, &row);
    if (status == KN_OK)
        status = worker_row_read_answers(db_as_str(columns[WORKER_COLUMNS]), read->arena, &row);
    if (status != KN_OK)
        return status;
    read->last = row.worker.hostname;
    struct kn_str word = kn_str_from(kn_enum_text(&kn_enum_worker_status, row.worker.status));
    if (!is_in(word, &get->statuses))
        return KN_OK;
    if (!get->full && !get->id.len)
        row.worker.stats = row.worker.active_queues = KN_STR_ABSENT;
    if (!get->full && !get->id.len && !get->conf)
        row.worker.conf = KN_STR_ABSENT;
    if (get->conf)
        row.worker.registered.count = 0;
    struct kn_msg_worker *worker = LIST_ADD(read->arena, read->list.items, &read->cap);
    if (!worker)
        return KN_NOMEM;
    *worker = row.worker;
    return KN_OK;
}

/* Those of a source with this status, after a hostname; at most max rows. */
static enum kn_status read_some(struct workers_read *read, int64_t source, enum kn_worker_status of,
                                struct kn_str after, size_t max)
{
    size_t seen = 0;
    enum kn_status status = KN_OK;
    read->last = after;
    do {
        size_t wanted = max - seen < ROWS_AT_ONCE ? max - seen : ROWS_AT_ONCE;
        const struct db_value values[] = {db_i64(source), db_i64(of), db_text(read->last),
                                          db_i64((int64_t)wanted)};
        read->rows = 0;
        status = db_run(read->reader->db, SQL_WORKERS_PAGE, values, take_worker, read);
        seen += read->rows;
        if (read->rows < wanted)
            break;
    } while (status == KN_OK && seen < max && read->bytes < WHOLE_BYTES);
    return status;
}

static int by_hostname(const void *a, const void *b)
{
    return kn_str_cmp(((const struct kn_msg_worker *)a)->hostname,
                      ((const struct kn_msg_worker *)b)->hostname);
}

static bool wants(const struct kn_msg_workers_get *get, enum kn_worker_status status)
{
    return is_in(kn_str_from(kn_enum_text(&kn_enum_worker_status, status)), &get->statuses);
}

/* A page of one source: as many of each status as are still wanted; the first ones are kept. */
static enum kn_status read_page(struct workers_read *read, int64_t source, struct kn_str after,
                                size_t limit)
{
    size_t first = read->list.items.count;
    enum kn_status status = KN_OK;
    for (unsigned of = 0; status == KN_OK && of < KN_WORKER_STATUS_COUNT; of++)
        if (wants(read->get, of))
            status = read_some(read, source, of, after, limit - first);
    struct kn_msg_worker *added = read->list.items.items + first;
    if (read->list.items.count > first)
        qsort(added, read->list.items.count - first, sizeof *added, by_hostname);
    if (read->list.items.count > limit)
        read->list.items.count = limit;
    return status;
}

static enum kn_status read_pages(struct workers_read *read, const struct dict_sources *sources)
{
    const struct kn_msg_workers_get *get = read->get;
    size_t limit = get->limit < WHOLE_MAX ? (size_t)get->limit : WHOLE_MAX;
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < sources->count && status == KN_OK; i++) {
        struct kn_str after;
        if (read->list.items.count < limit &&
            goes_on(&sources->items[i], get->after_source, get->after, &after))
            status = read_page(read, sources->items[i].number, after, limit);
    }
    return status;
}

/* Offline ones last: if there are too many, offline ones are left out. */
static enum kn_status read_whole(struct workers_read *read, const struct dict_sources *sources)
{
    static const enum kn_worker_status order[] = {KN_WORKER_ONLINE, KN_WORKER_UNKNOWN,
                                                  KN_WORKER_OFFLINE};
    enum kn_status status = KN_OK;
    for (size_t o = 0; o < KN_COUNT_OF(order); o++) {
        for (size_t i = 0; i < sources->count && status == KN_OK && wants(read->get, order[o]);
             i++) {
            size_t n = read->list.items.count;
            if (n < WHOLE_MAX && read->bytes < WHOLE_BYTES)
                status =
                    read_some(read, sources->items[i].number, order[o], KN_STR(""), WHOLE_MAX - n);
        }
    }
    return status;
}

static enum kn_status read_worker(struct workers_read *read, const struct dict_sources *sources)
{
    struct store_reader *reader = read->reader;
    int64_t host;
    enum kn_status status =
        dict_find(reader->store->dict, reader->db, DICT_HOST, read->get->id, &host);
    if (status != KN_OK)
        return status == KN_NOT_FOUND ? KN_OK : status;
    for (size_t i = 0; i < sources->count && status == KN_OK; i++) {
        const struct db_value key[] = {db_i64(sources->items[i].number), db_i64(host)};
        status = db_run(reader->db, SQL_WORKER_OF, key, take_worker, read);
    }
    return status;
}

enum kn_status store_read_workers(struct store_reader *reader, const struct kn_msg_workers_get *get,
                                  struct kn_arena *arena, struct kn_msg_worker_list *ret)
{
    struct dict_sources sources;
    struct workers_read read = {.reader = reader, .get = get, .arena = arena};
    enum kn_status status = choose_sources(reader, &get->sources, arena, &sources);
    if (status != KN_OK)
        return status;
    if (get->id.len)
        status = read_worker(&read, &sources);
    else
        status = get->limit ? read_pages(&read, &sources) : read_whole(&read, &sources);
    if (status == KN_OK)
        *ret = read.list;
    return status;
}

/* ---- a worker's life ------------------------------------------------------------------- */

struct life_read {
    const struct kn_msg_worker_life_get *get;
    struct kn_arena *arena;
    struct kn_msg_worker_life *life;
    size_t cap;
};

/* The newest first. At the same time, silence comes after the heartbeat that it began with. */
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

static enum kn_status find_seen_last(struct store_reader *reader,
                                     const struct kn_msg_worker_life_get *get,
                                     struct kn_arena *arena, struct kn_msg_worker *ret)
{
    struct kn_str sources[] = {get->source};
    const struct kn_msg_workers_get workers = {.id = get->id,
                                               .sources = {sources, get->source.len ? 1 : 0}};
    struct kn_msg_worker_list list = {0};
    enum kn_status status =
        get->id.len ? store_read_workers(reader, &workers, arena, &list) : KN_OK;
    if (status == KN_OK && list.items.count == 0)
        return KN_NOT_FOUND;
    for (size_t i = 0; status == KN_OK && i < list.items.count; i++)
        if (i == 0 || list.items.items[i].last_seen > ret->last_seen)
            *ret = list.items.items[i];
    return status;
}

enum kn_status store_read_worker_life(struct store_reader *reader,
                                      const struct kn_msg_worker_life_get *get,
                                      struct kn_arena *arena, struct kn_msg_worker_life *ret)
{
    struct dict *dict = reader->store->dict;
    struct kn_msg_worker worker = {0};
    struct kn_msg_worker_life life = {0};
    struct life_read read = {get, arena, &life, 0};
    int64_t source = 0, host = 0;
    enum kn_status status = find_seen_last(reader, get, arena, &worker);
    if (status == KN_OK)
        status = dict_find(dict, reader->db, DICT_SOURCE, worker.source, &source);
    if (status == KN_OK)
        status = dict_find(dict, reader->db, DICT_HOST, worker.hostname, &host);
    const struct db_value values[] = {db_i64(source), db_i64(host), db_i64(get->to)};
    if (status == KN_OK)
        status = db_run(reader->db, SQL_LIFE, values, take_moment, &read);
    if (status != KN_OK)
        return status;
    for (size_t i = 0, n = life.items.count; i < n / 2; i++) {
        struct kn_msg_worker_moment newer = life.items.items[i];
        life.items.items[i] = life.items.items[n - 1 - i];
        life.items.items[n - 1 - i] = newer;
    }
    life.source = worker.source;
    *ret = life;
    return KN_OK;
}

/* ---- queues -------------------------------------------------------------------------- */

struct queues_read {
    struct store_reader *reader;
    const struct kn_msg_queues_get *get;
    struct kn_arena *arena;
    struct kn_msg_queue_list list;
    size_t cap;
    size_t rows;
    struct kn_str last;         /* name of the last row */
    struct kn_msg_queue *queue; /* whose consumers are read */
    size_t cap_workers;
};

static enum kn_status take_consumer(void *arg, const struct db_value *columns)
{
    struct queues_read *read = arg;
    struct kn_str *name = LIST_ADD(read->arena, read->queue->workers, &read->cap_workers);
    return name ? dict_text(read->reader->store->dict, read->reader->db, db_as_i64(columns[0]),
                            read->arena, name)
                : KN_NOMEM;
}

static enum kn_status add_consumers(struct queues_read *read, struct kn_msg_queue *queue,
                                    struct db_value source, struct db_value number)
{
    const struct db_value values[] = {source, number, db_i64(CONSUMERS_SHOWN)};
    read->queue = queue;
    read->cap_workers = 0;
    return db_run(read->reader->db, SQL_CONSUMERS, values, take_consumer, read);
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

static int64_t lowest_of(const struct kn_msg_queue_point *point)
{
    return point->lowest.set ? point->lowest.value : (int64_t)point->messages;
}

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
        int64_t lowest = lowest_of(last) < lowest_of(&point) ? lowest_of(last) : lowest_of(&point);
        if (point.messages >= last->messages)
            *last = point;
        last->lowest = KN_SOME_I64(lowest);
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
    struct kn_msg_queue *queue =
        status == KN_OK ? LIST_ADD(read->arena, read->list.items, &read->cap) : NULL;
    if (!queue)
        return status == KN_OK ? KN_NOMEM : status;
    read->rows++;
    read->last = depth.name;
    *queue = (struct kn_msg_queue){.name = depth.name,
                                   .unacked = depth.unacked,
                                   .consumers = depth.consumers,
                                   .measured_at = depth.at};
    if (depth.at)
        queue->messages = KN_SOME_I64((int64_t)depth.messages);
    queue->priorities.items = depth.priorities.items;
    queue->priorities.count = depth.priorities.count;
    status = add_consumers(read, queue, columns[0], columns[1]);
    if (status == KN_OK && read->get->name.len)
        status = add_history(read, queue, columns[0], columns[1]);
    return status;
}

static enum kn_status read_queues(struct queues_read *read, const struct dict_source *source,
                                  struct kn_str after, size_t max)
{
    size_t first = read->list.items.count, seen = 0;
    enum kn_status status = KN_OK;
    read->last = after;
    do {
        size_t wanted = max - seen < ROWS_AT_ONCE ? max - seen : ROWS_AT_ONCE;
        const struct db_value values[] = {db_i64(source->number), db_text(read->last),
                                          db_i64((int64_t)wanted)};
        read->rows = 0;
        status = db_run(read->reader->db, SQL_QUEUES_PAGE, values, take_queue, read);
        seen += read->rows;
        if (read->rows < wanted)
            break;
    } while (status == KN_OK && seen < max);
    for (size_t i = first; i < read->list.items.count; i++)
        read->list.items.items[i].source = source->name;
    return status;
}

static enum kn_status read_queue(struct queues_read *read, const struct dict_source *source)
{
    struct store_reader *reader = read->reader;
    size_t first = read->list.items.count;
    int64_t number;
    enum kn_status status =
        dict_find(reader->store->dict, reader->db, DICT_QUEUE, read->get->name, &number);
    if (status != KN_OK)
        return status == KN_NOT_FOUND ? KN_OK : status;
    const struct db_value key[] = {db_i64(source->number), db_i64(number)};
    status = db_run(reader->db, SQL_QUEUE_OF, key, take_queue, read);
    for (size_t i = first; i < read->list.items.count; i++)
        read->list.items.items[i].source = source->name;
    return status;
}

static int by_queue(const void *a, const void *b)
{
    const struct kn_msg_queue *x = a, *y = b;
    int order = kn_str_cmp(x->source, y->source);
    return order ? order : kn_str_cmp(x->name, y->name);
}

static enum kn_status add_pauses(struct queues_read *read)
{
    struct kn_msg_pause_list pauses;
    enum kn_status status = store_read_pauses(read->reader, KN_STR(""), read->arena, &pauses);
    for (size_t i = 0; status == KN_OK && i < pauses.items.count; i++) {
        struct kn_msg_pause *pause = &pauses.items.items[i];
        const struct kn_msg_queue key = {.source = pause->source, .name = pause->queue};
        struct kn_msg_queue *queue = read->list.items.count && !pause->resuming
                                         ? bsearch(&key, read->list.items.items,
                                                   read->list.items.count, sizeof key, by_queue)
                                         : NULL;
        if (!queue)
            continue;
        pause->consumers = KN_STR_ABSENT;
        queue->pause = pause;
    }
    return status;
}

enum kn_status store_read_queues(struct store_reader *reader, const struct kn_msg_queues_get *get,
                                 struct kn_arena *arena, struct kn_msg_queue_list *ret)
{
    struct dict_sources sources;
    struct queues_read read = {.reader = reader, .get = get, .arena = arena};
    size_t limit = get->limit && get->limit < WHOLE_MAX ? (size_t)get->limit : WHOLE_MAX;
    enum kn_status status = choose_sources(reader, &get->sources, arena, &sources);
    for (size_t i = 0; status == KN_OK && i < sources.count; i++) {
        struct kn_str after;
        if (get->name.len)
            status = read_queue(&read, &sources.items[i]);
        else if (read.list.items.count < limit &&
                 goes_on(&sources.items[i], get->after_source, get->after, &after))
            status = read_queues(&read, &sources.items[i], after, limit - read.list.items.count);
    }
    if (status == KN_OK)
        status = add_pauses(&read);
    if (status == KN_OK)
        *ret = read.list;
    return status;
}

enum kn_status store_read_known_queues(struct store_reader *reader, struct kn_str source,
                                       struct kn_arena *arena, struct kn_msg_known_queues *ret)
{
    struct kn_str sources[] = {source};
    const struct kn_msg_queues_get get = {.sources = {sources, 1}, .limit = KNOWN_MAX};
    struct kn_msg_queue_list queues = {0};
    struct kn_strs names = {0};
    size_t cap = 0;
    enum kn_status status = store_read_queues(reader, &get, arena, &queues);
    for (size_t i = 0; status == KN_OK && i < queues.items.count; i++) {
        struct kn_str *name = LIST_ADD(arena, names, &cap);
        if (!name)
            return KN_NOMEM;
        *name = queues.items.items[i].name;
    }
    ret->names = names;
    return status;
}
