/* Whole tasks: by their number, by their id; and the events of one. */
#include "services/storage/read/read.h"
#include "services/storage/state/event_row.h"
#include "services/storage/write/write.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- by number ----------------------------------------------------------------------- */

struct fetch {
    struct store_reader *reader;
    struct kn_arena *arena;
    const int64_t *numbers;
    size_t count;
    struct kn_msg_task *tasks;
};

static enum kn_status take_row(void *arg, const struct db_value *columns)
{
    struct fetch *fetch = arg;
    struct task_row row;
    struct kn_str source;
    enum kn_status status =
        task_row_read(columns, fetch->reader->store->dict, fetch->reader->db, fetch->arena, &row);
    if (status == KN_OK)
        status = dict_text(fetch->reader->store->dict, fetch->reader->db, row.source, fetch->arena,
                           &source);
    for (size_t i = 0; status == KN_OK && i < fetch->count; i++) {
        if (fetch->numbers[i] == row.no)
            task_row_message(&row, source, KN_TASK_TEXT_LIST, &fetch->tasks[i]);
    }
    return status;
}

static enum kn_status fetch_rows(struct fetch *fetch, struct kn_msg_task_list *ret)
{
    struct db_value *values = kn_arena_array(fetch->arena, fetch->count, sizeof *values);
    fetch->tasks = kn_arena_array(fetch->arena, fetch->count, sizeof *fetch->tasks);
    if (fetch->count && (!values || !fetch->tasks))
        return KN_NOMEM;
    for (size_t i = 0; i < fetch->count; i++)
        values[i] = db_i64(fetch->numbers[i]);
    enum kn_status status =
        db_each(fetch->reader->db, SQL_TASKS_BY_NO, values, fetch->count, take_row, fetch, NULL);
    if (status != KN_OK)
        return status;
    size_t n = 0;
    for (size_t i = 0; i < fetch->count; i++) {
        if (fetch->tasks[i].no)
            fetch->tasks[n++] = fetch->tasks[i];
    }
    ret->items.items = fetch->tasks;
    ret->items.count = n;
    status = resolved_fill(fetch->reader->db, fetch->arena, fetch->tasks, n);
    return status == KN_OK ? links_fill(fetch->reader->db, fetch->arena, fetch->tasks, n) : status;
}

enum kn_status store_tasks_by_no(struct store_reader *reader, const int64_t *numbers, size_t count,
                                 struct kn_arena *arena, struct kn_msg_task_list *ret)
{
    struct fetch fetch = {reader, arena, numbers, count, NULL};
    return fetch_rows(&fetch, ret);
}

/* ---- by id --------------------------------------------------------------------------- */

struct lookup {
    struct store_reader *reader;
    struct kn_arena *arena;
    struct kn_str id;
    int64_t source;
    struct task_row row;
    bool found;
};

static enum kn_status see_candidate(void *arg, const struct db_value *columns)
{
    struct lookup *lookup = arg;
    struct task_row peek;
    task_row_peek(columns, &peek);
    if (peek.source != lookup->source || !kn_str_eq(peek.id, lookup->id))
        return KN_OK;
    if (lookup->found && peek.no <= lookup->row.no)
        return KN_OK;
    lookup->found = true;
    return task_row_read(columns, lookup->reader->store->dict, lookup->reader->db, lookup->arena,
                         &lookup->row);
}

struct source_numbers {
    int64_t items[64];
    size_t count;
};

static enum kn_status take_source(void *arg, const struct db_value *columns)
{
    struct source_numbers *sources = arg;
    sources->items[sources->count++] = db_as_i64(columns[0]);
    return sources->count == KN_COUNT_OF(sources->items) ? (enum kn_status)DB_STOP : KN_OK;
}

enum kn_status store_find_task(struct store_reader *reader, struct kn_str id, struct kn_str source,
                               struct kn_arena *arena, struct task_row *ret)
{
    struct source_numbers sources = {0};
    enum kn_status status;
    struct lookup lookup = {.reader = reader, .arena = arena, .id = db_clean_text(arena, id)};
    struct task_row best = {0};
    if (source.len) {
        status = dict_find(reader->store->dict, reader->db, DICT_SOURCE, source, sources.items);
        sources.count = 1;
    } else {
        const struct db_value values[] = {db_i64(DICT_SOURCE), db_text(KN_STR("")), db_i64(64)};
        status = db_run(reader->db, SQL_DICT_OF_KIND, values, take_source, &sources);
    }
    for (size_t i = 0; status == KN_OK && i < sources.count; i++) {
        lookup.source = sources.items[i];
        lookup.found = false;
        const struct db_value hash[] = {
            db_i64((int64_t)task_hash(reader->store->hash_key, lookup.source, lookup.id))};
        status = db_each(reader->db, SQL_TASKS_BY_HASH, hash, 1, see_candidate, &lookup, NULL);
        if (lookup.found && lookup.row.no > best.no)
            best = lookup.row;
    }
    if (status != KN_OK)
        return status;
    if (!best.no)
        return KN_NOT_FOUND;
    *ret = best;
    return KN_OK;
}

static enum kn_status fill_task(struct store_reader *reader, const struct task_row *row,
                                struct kn_arena *arena, struct kn_msg_task *ret)
{
    struct kn_str source;
    enum kn_status status = dict_text(reader->store->dict, reader->db, row->source, arena, &source);
    if (status != KN_OK)
        return status;
    task_row_message(row, source, 0, ret);
    status = resolved_fill(reader->db, arena, ret, 1);
    return status == KN_OK ? links_fill(reader->db, arena, ret, 1) : status;
}

/* Whether its worker is still there. */
static enum kn_status fill_worker(struct store_reader *reader, struct kn_arena *arena,
                                  struct kn_msg_task *ret)
{
    const struct kn_msg_workers_get get = {.id = ret->worker_id, .sources = {&ret->source, 1}};
    struct kn_msg_worker_list list = {0};
    enum kn_status status = get.id.len ? store_read_workers(reader, &get, arena, &list) : KN_OK;
    if (status == KN_OK && list.items.count) {
        const struct kn_msg_worker *worker = &list.items.items[0];
        ret->worker_status = kn_str_from(kn_enum_text(&kn_enum_worker_status, worker->status));
        ret->worker_seen_at = worker->last_seen;
    }
    return status;
}

enum kn_status store_read_task(struct store_reader *reader, const struct kn_msg_task_get *get,
                               struct kn_arena *arena, struct kn_msg_task *ret)
{
    struct task_row row;
    if (!get->id.len)
        return KN_NOT_FOUND;
    enum kn_status status = store_find_task(reader, get->id, get->source, arena, &row);
    if (status == KN_OK)
        status = fill_task(reader, &row, arena, ret);
    return status == KN_OK && !kn_task_has_ended(ret->status) ? fill_worker(reader, arena, ret)
                                                              : status;
}

/* ---- its events ---------------------------------------------------------------------- */

struct event_page {
    struct store_reader *reader;
    struct kn_arena *arena;
    const struct task_row *row;
    struct kn_msg_event *items;
    int64_t (*keys)[3];
    size_t count;
};

/* What the backend has of a worker whose clock is wrong, at the time that it counts with. */
static void correct_learned(const struct merge_task *task, struct kn_msg_event *event)
{
    for (unsigned t = 0; t < MERGE_LEARNED_COUNT; t++) {
        const struct kn_msg_event *learned = task->learned[t];
        if (!learned || learned->type != event->type || learned->origin != event->origin ||
            learned->timestamp != event->timestamp)
            continue;
        event->skew += event->timestamp;
        event->timestamp = merge_learned_at(task, (enum merge_type)t);
        event->skew -= event->timestamp;
    }
}

/* Rows have the time of the backend, which may lie outside the task's. */
static void widen(const struct merge_task *task, int64_t *from, int64_t *to)
{
    for (unsigned t = 0; t < MERGE_LEARNED_COUNT; t++) {
        const struct kn_msg_event *learned = task->learned[t];
        if (learned && learned->timestamp < *from)
            *from = learned->timestamp;
        if (learned && learned->timestamp > *to)
            *to = learned->timestamp;
    }
}

static enum kn_status take_event(void *arg, const struct db_value *columns)
{
    struct event_page *page = arg;
    struct kn_msg_event *event = &page->items[page->count];
    page->keys[page->count][0] = db_as_i64(columns[1]);
    page->keys[page->count][1] = db_as_i64(columns[2]);
    page->keys[page->count][2] = db_as_i64(columns[0]);
    enum kn_status status =
        event_from_row(columns, page->reader->store->dict, page->reader->db, page->arena, event);
    event->uuid = page->row->id;
    if (status == KN_OK && merge_is_learned(event))
        correct_learned(&page->row->task, event);
    page->count++;
    return status;
}

static bool read_cursor(struct kn_str cursor, int64_t key[3])
{
    for (size_t i = 0; i < 3; i++) {
        const char *comma = cursor.len ? memchr(cursor.ptr, ',', cursor.len) : NULL;
        size_t len = comma ? (size_t)(comma - cursor.ptr) : cursor.len;
        if (!kn_str_to_i64((struct kn_str){cursor.ptr, len}, &key[i]))
            return false;
        len += comma != NULL;
        cursor.ptr += len;
        cursor.len -= len;
    }
    return cursor.len == 0;
}

static enum kn_status add_workers(struct store_reader *reader, struct kn_str source,
                                  struct kn_arena *arena, struct kn_msg_task_event_list *list)
{
    const struct kn_msg_workers_get get = {.sources = {&source, 1}, .full = true};
    struct kn_msg_worker_list *workers = kn_arena_alloc(arena, sizeof *workers);
    if (!workers)
        return KN_NOMEM;
    enum kn_status status = store_read_workers(reader, &get, arena, workers);
    for (size_t i = 0; status == KN_OK && i < workers->items.count; i++)
        workers->items.items[i].stats = workers->items.items[i].active_queues = KN_STR_ABSENT;
    list->workers = workers;
    return status;
}

/* What else was asked for: the task, the workers of its source. */
static enum kn_status add_company(struct store_reader *reader,
                                  const struct kn_msg_task_events_get *get,
                                  const struct task_row *row, struct kn_arena *arena,
                                  struct kn_msg_task_event_list *list)
{
    if (!get->with_task && !get->with_workers)
        return KN_OK;
    struct kn_msg_task *task = kn_arena_alloc(arena, sizeof *task);
    enum kn_status status = task ? fill_task(reader, row, arena, task) : KN_NOMEM;
    if (status == KN_OK && get->with_task)
        list->task = task;
    if (status == KN_OK && get->with_workers)
        status = add_workers(reader, task->source, arena, list);
    return status;
}

enum kn_status store_read_events(struct store_reader *reader,
                                 const struct kn_msg_task_events_get *get, struct kn_arena *arena,
                                 struct kn_msg_task_event_list *ret, const char **ret_why)
{
    struct task_row row;
    size_t limit = get->limit ? get->limit : LIMIT_DEFAULT;
    int64_t after[3] = {INT64_MIN, INT64_MIN, INT64_MIN};
    *ret_why = "limit must be from 1 to 500";
    if (limit > LIMIT_MAX)
        return KN_INVALID;
    *ret_why = "cursor: not issued by this list";
    if (get->cursor.len && !read_cursor(get->cursor, after))
        return KN_INVALID;
    *ret_why = NULL;
    enum kn_status status = store_find_task(reader, get->id, get->source, arena, &row);
    if (status != KN_OK)
        return status;
    struct event_page page = {.reader = reader, .arena = arena, .row = &row};
    int64_t from = row.task.first_at, to = row.task.latest_at;
    widen(&row.task, &from, &to);
    page.items = kn_arena_array(arena, limit + 1, sizeof *page.items);
    page.keys = kn_arena_array(arena, limit + 1, sizeof *page.keys);
    if (!page.items || !page.keys)
        return KN_NOMEM;
    const struct db_value values[] = {
        db_i64(row.no),   db_i64(after[0]),           db_i64(after[1]),
        db_i64(after[2]), db_i64((int64_t)limit + 1), db_i64(from),
        db_i64(to)};
    status = db_run(reader->db, SQL_EVENTS_PAGE, values, take_event, &page);
    if (status != KN_OK)
        return status;
    *ret = (struct kn_msg_task_event_list){0};
    ret->items.items = page.items;
    ret->items.count = page.count > limit ? limit : page.count;
    if (page.count > limit) {
        const int64_t *key = page.keys[limit - 1];
        char text[80];
        snprintf(text, sizeof text, "%lld,%lld,%lld", (long long)key[0], (long long)key[1],
                 (long long)key[2]);
        ret->next_cursor = kn_arena_str(arena, kn_str_from(text));
    }
    return add_company(reader, get, &row, arena, ret);
}
