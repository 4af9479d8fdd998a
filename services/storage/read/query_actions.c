/* Queries for what is kept of people's actions. */
#include "services/storage/read/read.h"

#include "proto/codec.h"

enum { AUDIT_MAX = 500, AUDIT_STEP = 1000, AUDIT_SCAN_MAX = 100000 };

struct audit_read {
    const struct kn_msg_audit_get *get;
    struct kn_arena *arena;
    struct kn_msg_audit_list *list;
    uint64_t limit;
    uint64_t at; /* the number of the last row that was looked at */
    uint64_t seen;
};

static bool is_wanted(struct kn_str text, const struct kn_strs *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (kn_str_eq(list->items[i], text))
            return true;
    return list->count == 0;
}

static bool matches(const struct kn_msg_audit_get *get, const struct kn_msg_audit_entry *entry)
{
    struct kn_str verb = kn_str_from(kn_enum_text(&kn_enum_verb, entry->verb));
    return is_wanted(verb, &get->verbs) && is_wanted(entry->source, &get->sources) &&
           (!get->target.ptr || kn_str_eq(get->target, entry->target)) &&
           (!get->actor.ptr || kn_str_eq(get->actor, entry->actor)) &&
           (!get->from || entry->begun_at >= get->from) && (!get->to || entry->begun_at < get->to);
}

static enum kn_status take_audit(void *arg, const struct db_value *columns)
{
    struct audit_read *read = arg;
    if (read->list->items.count == read->limit)
        return (enum kn_status)DB_STOP;
    struct kn_msg_audit_entry row = {
        .no = (uint64_t)db_as_i64(columns[0]),
        .id = db_as_str(columns[1]),
        .verb = (uint8_t)db_as_i64(columns[2]),
        .method = db_as_str(columns[3]),
        .source = db_as_str(columns[4]),
        .target = db_as_str(columns[5]),
        .actor = db_as_str(columns[6]),
        .remote = db_as_str(columns[7]),
        .agent = db_as_str(columns[8]),
        .request = db_as_str(columns[9]),
        .begun_at = db_as_i64(columns[10]),
        .ended_at = db_as_i64(columns[11]),
        .outcome = (uint8_t)db_as_i64(columns[12]),
        .text = db_as_str(columns[13]),
        .result = db_as_str(columns[14]),
    };
    read->at = row.no;
    read->seen++;
    if (!matches(read->get, &row))
        return KN_OK;
    struct kn_msg_audit_entry *copy = kn_msg_copy(read->arena, KN_KIND_AUDIT_ENTRY, &row);
    if (!copy)
        return KN_NOMEM;
    read->list->items.items[read->list->items.count++] = *copy;
    return KN_OK;
}

enum kn_status store_read_audit(struct store_reader *reader, const struct kn_msg_audit_get *get,
                                struct kn_arena *arena, struct kn_msg_audit_list *ret)
{
    struct kn_msg_audit_list list = {0};
    struct audit_read read = {.get = get, .arena = arena, .list = &list};
    read.limit = get->limit && get->limit < AUDIT_MAX ? get->limit : AUDIT_MAX;
    read.at = get->before && get->before < INT64_MAX ? get->before : INT64_MAX;
    list.items.items = kn_arena_array(arena, (size_t)read.limit, sizeof *list.items.items);
    if (!list.items.items)
        return KN_NOMEM;
    enum sql_id statement = SQL_AUDIT_PAGE;
    struct kn_str key = KN_STR_ABSENT;
    if (get->id.ptr) {
        statement = SQL_AUDIT_OF_ID;
        key = get->id;
    } else if (get->target.ptr) {
        statement = SQL_AUDIT_OF_TARGET;
        key = get->target;
    }
    bool more = true;
    for (uint64_t scanned = 0; more && scanned < AUDIT_SCAN_MAX; scanned += read.seen) {
        const struct db_value values[] = {db_i64((int64_t)read.at), db_i64(AUDIT_STEP),
                                          db_text(key)};
        read.seen = 0;
        enum kn_status status = db_run(reader->db, statement, values, take_audit, &read);
        if (status != KN_OK)
            return status;
        if (read.seen < AUDIT_STEP && list.items.count < read.limit)
            read.at = 0; /* no more entries */
        more = read.at && list.items.count < read.limit;
    }
    list.next = read.at;
    *ret = list;
    return KN_OK;
}

/* ---- links between tasks ------------------------------------------------------------------ */

enum { LINKS_MAX = 100 }; /* as the statement says */

struct links_read {
    struct kn_arena *arena;
    struct kn_strs *ret;
};

static enum kn_status take_link(void *arg, const struct db_value *columns)
{
    struct links_read *read = arg;
    if (read->ret->count == LINKS_MAX)
        return (enum kn_status)DB_STOP;
    struct kn_str id = kn_arena_str(read->arena, db_as_str(columns[0]));
    if (!id.ptr)
        return KN_NOMEM;
    read->ret->items[read->ret->count++] = id;
    return KN_OK;
}

enum kn_status store_read_links(struct store_reader *reader,
                                const struct kn_msg_task_links_get *get, struct kn_arena *arena,
                                struct kn_msg_task_links *ret)
{
    struct kn_str one;
    struct kn_strs of = {&one, 0};
    struct kn_msg_task_links links = {
        .retried_as = {kn_arena_array(arena, LINKS_MAX, sizeof(struct kn_str)), 0}};
    struct links_read read = {.arena = arena, .ret = &links.retried_as};
    const struct db_value values[] = {db_text(db_clean_text(arena, get->source)),
                                      db_text(db_clean_text(arena, get->task_id))};
    if (!links.retried_as.items)
        return KN_NOMEM;
    enum kn_status status = db_run(reader->db, SQL_LINKS_FROM, values, take_link, &read);
    read.ret = &of;
    if (status == KN_OK)
        status = db_run(reader->db, SQL_LINK_TO, values, take_link, &read);
    if (status != KN_OK)
        return status;
    links.retry_of = of.count ? one : KN_STR_ABSENT;
    *ret = links;
    return KN_OK;
}

/* ---- paused queues ------------------------------------------------------------------- */

enum { PAUSES_MAX = 1000 };

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

/* ---- dismissed issues ---------------------------------------------------------------- */

struct dismissals_read {
    struct kn_arena *arena;
    struct kn_msg_dismissal_list *list;
};

static enum kn_status take_dismissal(void *arg, const struct db_value *columns)
{
    struct dismissals_read *read = arg;
    const struct kn_msg_dismissal row = {
        .key = db_as_str(columns[0]),
        .state = db_as_str(columns[1]),
        .at = db_as_i64(columns[2]),
        .actor = db_as_str(columns[3]),
    };
    const struct kn_msg_dismissal *copy = kn_msg_copy(read->arena, KN_KIND_DISMISSAL, &row);
    if (!copy)
        return KN_NOMEM;
    read->list->items.items[read->list->items.count++] = *copy;
    return KN_OK;
}

enum kn_status store_read_dismissals(struct store_reader *reader, struct kn_arena *arena,
                                     struct kn_msg_dismissal_list *ret)
{
    struct kn_msg_dismissal_list list = {0};
    struct dismissals_read read = {.arena = arena, .list = &list};
    const struct db_value most[] = {db_i64(STORE_DISMISSALS_MAX)};
    list.items.items = kn_arena_array(arena, STORE_DISMISSALS_MAX, sizeof *list.items.items);
    if (!list.items.items)
        return KN_NOMEM;
    enum kn_status status = db_run(reader->db, SQL_DISMISSALS, most, take_dismissal, &read);
    if (status == KN_OK)
        *ret = list;
    return status;
}
