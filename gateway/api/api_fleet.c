#include "gateway/api/handler.h"

#include "proto/codec.h"

#include <stdlib.h>

/* ---- pages of lists: storage gives one row more than is shown --------------------------- */

/* One item, by what it is ordered by and what a cursor names. */
struct row {
    struct kn_str source;
    struct kn_str name;
    const void *item;
};

static int by_source_and_name(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = kn_str_cmp(x->source, y->source);
    return order ? order : kn_str_cmp(x->name, y->name);
}

/* A position is the source and the name of the last row, with a NUL between. */
static void split_position(struct kn_str position, struct kn_str *ret_source,
                           struct kn_str *ret_name)
{
    const char *nul = position.len ? memchr(position.ptr, '\0', position.len) : NULL;
    if (!nul)
        return;
    size_t n = (size_t)(nul - position.ptr);
    *ret_source = (struct kn_str){position.ptr, n};
    *ret_name = (struct kn_str){nul + 1, position.len - n - 1};
}

static bool after(const struct row *row, struct kn_str position)
{
    struct row last = {0};
    split_position(position, &last.source, &last.name);
    return !last.source.ptr || by_source_and_name(row, &last) > 0;
}

static struct kn_str position_of(const struct row *row, struct kn_arena *arena)
{
    char *text = kn_arena_alloc(arena, row->source.len + row->name.len + 1);
    if (!text)
        return KN_STR_ABSENT;
    memcpy(text, row->source.ptr ? row->source.ptr : "", row->source.len);
    memcpy(text + row->source.len + 1, row->name.ptr ? row->name.ptr : "", row->name.len);
    return (struct kn_str){text, row->source.len + row->name.len + 1};
}

typedef void show_row(struct kn_buf *out, const void *item);

static void send_page(struct gw_exchange *x, struct row *rows, size_t count, size_t limit,
                      struct kn_str position, show_row *show)
{
    size_t shown = 0, last = 0, i = 0;
    if (count)
        qsort(rows, count, sizeof *rows, by_source_and_name);
    kn_buf_text(&x->body, "{\"items\":[");
    for (; i < count && shown < limit; i++) {
        if (!after(&rows[i], position))
            continue;
        if (shown++)
            kn_buf_char(&x->body, ',');
        show(&x->body, rows[i].item);
        last = i;
    }
    gw_end_list(x, shown && i < count ? position_of(&rows[last], &x->arena) : KN_STR_ABSENT);
}

/* Several sources may have one of the same name: the one whose time is latest; NULL without any.
 * time_at: where an item has its time, an int64_t. */
static const void *newest_of(const void *items, size_t count, size_t size, size_t time_at)
{
    const char *newest = NULL;
    int64_t latest = 0;
    for (const char *item = items; count; count--, item += size) {
        int64_t time;
        memcpy(&time, item + time_at, sizeof time);
        if (newest && time <= latest)
            continue;
        newest = item;
        latest = time;
    }
    return newest;
}

#define NEWEST(list, time)                                                                         \
    newest_of((list).items, (list).count, sizeof *(list).items,                                    \
              offsetof(__typeof__(*(list).items), time))

/* ---- workers ---------------------------------------------------------------------------- */

static void show_worker(struct kn_buf *out, const void *item)
{
    gw_view_worker(out, item, GW_VIEW_LIST);
}

void gw_api_workers(struct gw_exchange *x)
{
    struct kn_msg_workers_get get = {.statuses = gw_params_texts(&x->params, "status"),
                                     .sources = gw_params_texts(&x->params, "source")};
    uint64_t limit = gw_params_u64(&x->params, "limit");
    struct kn_str position = gw_read_cursor(x);
    if (!gw_params_ok(x))
        return;
    get.limit = limit + 1;
    split_position(position, &get.after_source, &get.after);
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_WORKERS_GET, &get, KN_KIND_WORKER_LIST);
    if (!answer)
        return;
    const struct kn_msg_worker_list *list = answer->msg;
    struct row *rows = kn_arena_array(&x->arena, list->items.count + 1, sizeof *rows);
    for (size_t i = 0; rows && i < list->items.count; i++) {
        const struct kn_msg_worker *worker = &list->items.items[i];
        rows[i] = (struct row){worker->source, worker->hostname, worker};
    }
    if (rows)
        send_page(x, rows, list->items.count, limit, position, show_worker);
    else
        gw_fail(x, 503, "out of memory");
    kn_bus_message_free(answer);
}

/* source: absent for any; a list of one otherwise. */
static struct kn_strs only(struct gw_exchange *x, struct kn_str source)
{
    struct kn_strs list = {0};
    if (!source.ptr)
        return list;
    list.items = kn_arena_array(&x->arena, 1, sizeof *list.items);
    if (list.items)
        list.items[list.count++] = source;
    return list;
}

void gw_api_worker(struct gw_exchange *x)
{
    struct kn_str source = gw_params_text(&x->params, "source");
    struct kn_msg_workers_get get = {.id = x->arg, .sources = only(x, source), .full = true};
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_WORKERS_GET, &get, KN_KIND_WORKER_LIST);
    if (!answer)
        return;
    const struct kn_msg_worker_list *list = answer->msg;
    const struct kn_msg_worker *newest = NEWEST(list->items, last_seen);
    if (newest)
        gw_view_worker(&x->body, newest, GW_VIEW_WHOLE);
    else
        gw_fail(x, 404, "worker not found");
    kn_bus_message_free(answer);
    gw_exchange_tag(x);
}

void gw_api_worker_life(struct gw_exchange *x)
{
    struct kn_msg_worker_life_get get = {.id = x->arg,
                                         .source = gw_params_text(&x->params, "source")};
    gw_params_period(&x->params, &get.from, &get.to);
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_WORKER_LIFE_GET, &get, KN_KIND_WORKER_LIFE);
    if (!answer)
        return;
    const struct kn_msg_worker_life *life = answer->msg;
    kn_buf_text(&x->body, "{\"from\":");
    kn_buf_json_time(&x->body, get.from);
    kn_buf_text(&x->body, ",\"to\":");
    kn_buf_json_time(&x->body, get.to);
    kn_buf_text(&x->body, ",\"source\":");
    kn_buf_json_str(&x->body, life->source);
    kn_buf_text(&x->body, ",\"items\":[");
    for (size_t i = 0; i < life->items.count; i++) {
        if (i)
            kn_buf_char(&x->body, ',');
        kn_msg_json(&x->body, KN_KIND_WORKER_MOMENT, &life->items.items[i]);
    }
    kn_buf_text(&x->body, "]}");
    kn_bus_message_free(answer);
}

/* ---- queues ----------------------------------------------------------------------------- */

static void show_queue(struct kn_buf *out, const void *item)
{
    gw_view_queue(out, item);
}

void gw_api_queues(struct gw_exchange *x)
{
    struct kn_msg_queues_get get = {.sources = gw_params_texts(&x->params, "source")};
    uint64_t limit = gw_params_u64(&x->params, "limit");
    struct kn_str position = gw_read_cursor(x);
    if (!gw_params_ok(x))
        return;
    get.limit = limit + 1;
    split_position(position, &get.after_source, &get.after);
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_QUEUES_GET, &get, KN_KIND_QUEUE_LIST);
    if (!answer)
        return;
    const struct kn_msg_queue_list *list = answer->msg;
    struct row *rows = kn_arena_array(&x->arena, list->items.count + 1, sizeof *rows);
    for (size_t i = 0; rows && i < list->items.count; i++) {
        const struct kn_msg_queue *queue = &list->items.items[i];
        rows[i] = (struct row){queue->source, queue->name, queue};
    }
    if (rows)
        send_page(x, rows, list->items.count, limit, position, show_queue);
    else
        gw_fail(x, 503, "out of memory");
    kn_bus_message_free(answer);
}

void gw_api_queue(struct gw_exchange *x)
{
    struct kn_str source = gw_params_text(&x->params, "source");
    struct kn_msg_queues_get get = {.name = x->arg, .sources = only(x, source)};
    gw_params_period(&x->params, &get.from, &get.to);
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_QUEUES_GET, &get, KN_KIND_QUEUE_LIST);
    if (!answer)
        return;
    const struct kn_msg_queue_list *list = answer->msg;
    const struct kn_msg_queue *newest = NEWEST(list->items, measured_at);
    if (newest)
        gw_view_queue(&x->body, newest);
    else
        gw_fail(x, 404, "queue not found");
    kn_bus_message_free(answer);
    gw_exchange_tag(x);
}
