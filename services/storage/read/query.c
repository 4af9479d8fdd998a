/* Queries for names, the feed and the system. */
#include "services/storage/read/read.h"

#include "proto/codec.h"
#include "services/common/text/time.h"

#include <stdlib.h>

enum { FEED_MAX = 1000, GAPS_SHOWN = 20 };
/* of one answer with commits, and how many are read from the database at once */
enum { FEED_BYTES = 1 << 20, FEED_ROWS = 8 };
#define SIZE_EVERY (10 * KN_SECOND)

void *store_list_add(struct kn_arena *arena, void *items, size_t count, size_t *cap, size_t size)
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

/* ---- names of tasks --------------------------------------------------------------------- */

enum { NAMES_LOOKED_AT = 20000, NAMES_DEFAULT = 20, NAMES_MAX = 500 };

struct names_read {
    struct kn_arena *arena;
    struct kn_str q;
    size_t limit;
    struct kn_msg_task_names *names;
    size_t cap;
};

static enum kn_status take_name(void *arg, const struct db_value *columns)
{
    struct names_read *read = arg;
    struct kn_str text = db_as_str(columns[1]);
    if (!kn_str_has_nocase(text, read->q))
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
    system.storage->backend = kn_str_from(db_traits(reader->db)->name);
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
