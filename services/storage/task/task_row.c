#include "services/storage/task/task_row.h"

#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/data/hmap.h"
#include "services/common/text/time.h"

/* The columns, in the order of the table. */
enum column {
    C_NO,
    C_HASH,
    C_SOURCE,
    C_STATUS,
    C_NAME,
    C_QUEUE,
    C_WORKER,
    C_STARTED_BY,
    C_CLIENT,
    C_FIRST_AT,
    C_LATEST_AT,
    C_TYPES, /* sent_at to retried_at */
    C_ETA = C_TYPES + MERGE_TYPE_COUNT,
    C_EXPIRES,
    C_RETRIES,
    C_RUNTIME,
    C_REVOKED,
    C_ORDERING,
    C_ID,
    C_ARGS,
    C_KWARGS,
    C_ROOT,
    C_PARENT,
    C_EXCHANGE,
    C_ROUTING_KEY,
    C_SIGNUM,
    C_RESULT,
    C_ERROR,
    C_TRACEBACK,
    C_LEARNED,
};
_Static_assert(C_LEARNED + 1 == TASK_COLUMNS, "all columns");

static const struct {
    uint8_t column;
    uint8_t text;
} texts[] = {
    {C_ARGS, MERGE_ARGS},     {C_KWARGS, MERGE_KWARGS},     {C_ROOT, MERGE_ROOT},
    {C_PARENT, MERGE_PARENT}, {C_EXCHANGE, MERGE_EXCHANGE}, {C_ROUTING_KEY, MERGE_ROUTING_KEY},
    {C_RESULT, MERGE_RESULT}, {C_ERROR, MERGE_ERROR},       {C_TRACEBACK, MERGE_TRACEBACK}};

static const struct {
    uint8_t column;
    uint8_t text;
    uint8_t kind;
    uint16_t number; /* offset in struct task_row */
} names[] = {
    {C_NAME, MERGE_NAME, DICT_NAME, offsetof(struct task_row, name)},
    {C_QUEUE, MERGE_QUEUE, DICT_QUEUE, offsetof(struct task_row, queue)},
    {C_WORKER, MERGE_WORKER, DICT_HOST, offsetof(struct task_row, worker)},
    {C_STARTED_BY, MERGE_STARTED_BY, DICT_HOST, offsetof(struct task_row, started_by)},
    {C_CLIENT, MERGE_CLIENT, DICT_HOST, offsetof(struct task_row, client)},
};

static int64_t *number_of(struct task_row *row, size_t i)
{
    return (int64_t *)(void *)((char *)row + names[i].number);
}

uint64_t task_hash(uint64_t key, int64_t source, struct kn_str id)
{
    return hmap_mix(kn_hash64(key ^ hmap_mix((uint64_t)source), id.ptr, id.len));
}

/* ---- from columns -------------------------------------------------------------------- */

void task_row_peek(const struct db_value *columns, struct task_row *ret)
{
    ret->no = db_as_i64(columns[C_NO]);
    ret->hash = (uint64_t)db_as_i64(columns[C_HASH]);
    ret->source = db_as_i64(columns[C_SOURCE]);
    ret->id = db_as_str(columns[C_ID]);
}

int64_t task_row_latest_at(const struct db_value *columns)
{
    return db_as_i64(columns[C_LATEST_AT]);
}

static void read_numbers(const struct db_value *columns, struct merge_task *task)
{
    task->seen = true;
    task->first_at = db_as_i64(columns[C_FIRST_AT]);
    task->latest_at = db_as_i64(columns[C_LATEST_AT]);
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++)
        task->type_key[t].at = db_as_i64(columns[C_TYPES + t]);
    task->eta = db_as_i64(columns[C_ETA]);
    task->expires = db_as_i64(columns[C_EXPIRES]);
    if (columns[C_RETRIES].kind == DB_I64)
        task->retries = KN_SOME_I64(columns[C_RETRIES].i64);
    if (columns[C_RUNTIME].kind == DB_F64)
        task->runtime = KN_SOME_F64(columns[C_RUNTIME].f64);
    task->revoked.terminated = db_as_i64(columns[C_REVOKED]) & 1;
    task->revoked.expired = db_as_i64(columns[C_REVOKED]) & 2;
    task->requeued = db_as_i64(columns[C_REVOKED]) & 4;
}

/* The status and the names' numbers are those of the view: what was learned has
 * filled in some that no event had. */
static enum kn_status read_learned(struct kn_str bytes, struct kn_arena *arena,
                                   struct merge_task *task)
{
    struct kn_msg_task_event_list list;
    struct kn_str copy = kn_arena_str(arena, bytes);
    if (!copy.ptr)
        return KN_NOMEM;
    if (!copy.len)
        return KN_INVALID;
    for (size_t i = 0; i < KN_COUNT_OF(names); i++) {
        if (copy.ptr[0] & 1 << i)
            task->text[names[i].text] = KN_STR_ABSENT;
    }
    copy.ptr++;
    copy.len--;
    enum kn_status status = kn_msg_decode(copy, KN_KIND_TASK_EVENT_LIST, arena, &list);
    for (size_t i = 0; status == KN_OK && i < list.items.count; i++)
        merge_event(task, &list.items.items[i]);
    return status;
}

static void settle_status(struct task_row *row)
{
    struct merge_task room;
    row->status = merge_status(merge_view(&row->task, &room), &row->origin);
}

enum kn_status task_row_read(const struct db_value *columns, struct dict *dict, struct db *db,
                             struct kn_arena *arena, struct task_row *ret)
{
    struct task_row row = {0};
    task_row_peek(columns, &row);
    row.id = kn_arena_str(arena, row.id);
    read_numbers(columns, &row.task);
    row.task.revoked.signum = kn_arena_str(arena, db_as_str(columns[C_SIGNUM]));
    for (size_t i = 0; i < KN_COUNT_OF(texts); i++)
        row.task.text[texts[i].text] = kn_arena_str(arena, db_as_str(columns[texts[i].column]));
    for (size_t i = 0; i < KN_COUNT_OF(names); i++) {
        int64_t *number = number_of(&row, i);
        *number = db_as_i64(columns[names[i].column]);
        enum kn_status status = dict_text(dict, db, *number, arena, &row.task.text[names[i].text]);
        if (status != KN_OK)
            return status;
    }
    if (arena->overflow)
        return KN_NOMEM;
    enum kn_status status = merge_order_decode(db_as_str(columns[C_ORDERING]), &row.task);
    if (status == KN_OK && columns[C_LEARNED].kind == DB_BLOB)
        status = read_learned(db_as_str(columns[C_LEARNED]), arena, &row.task);
    if (status != KN_OK)
        return status;
    settle_status(&row);
    *ret = row;
    return KN_OK;
}

/* ---- to columns ---------------------------------------------------------------------- */

enum kn_status task_row_settle(struct task_row *row, struct dict *dict, struct db *db)
{
    struct merge_task room;
    const struct merge_task *view = merge_view(&row->task, &room);
    row->status = merge_status(view, &row->origin);
    for (size_t i = 0; i < KN_COUNT_OF(names); i++) {
        enum kn_status status = dict_number(dict, db, (enum dict_kind)names[i].kind,
                                            view->text[names[i].text], number_of(row, i));
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

static void write_learned(const struct merge_task *task, struct kn_buf *out)
{
    struct kn_msg_event items[MERGE_LEARNED_COUNT];
    struct kn_msg_task_event_list list = {0};
    struct merge_task room;
    const struct merge_task *view = merge_view(task, &room);
    uint8_t filled = 0;
    list.items.items = items;
    for (unsigned t = 0; t < MERGE_LEARNED_COUNT; t++) {
        if (!task->learned[t])
            continue;
        items[list.items.count] = *task->learned[t];
        items[list.items.count++].uuid = KN_STR_ABSENT;
    }
    if (!list.items.count)
        return;
    for (size_t i = 0; i < KN_COUNT_OF(names); i++) {
        if (!task->text[names[i].text].ptr && view->text[names[i].text].ptr)
            filled |= (uint8_t)(1 << i);
    }
    kn_buf_char(out, (char)filled);
    kn_msg_encode(out, KN_KIND_TASK_EVENT_LIST, &list);
}

void task_row_bytes(const struct task_row *row, struct kn_buf *out, struct task_bytes *ret)
{
    size_t start = out->len;
    merge_order_encode(out, &row->task);
    ret->order.len = out->len - start;
    start = out->len;
    write_learned(&row->task, out);
    ret->learned.len = out->len - start;
}

void task_row_values(const struct task_row *row, const struct task_bytes *bytes,
                     struct db_value ret[TASK_COLUMNS])
{
    const struct merge_task *task = &row->task;
    ret[C_NO] = db_i64(row->no);
    ret[C_HASH] = db_i64((int64_t)row->hash);
    ret[C_SOURCE] = db_i64(row->source);
    ret[C_STATUS] = db_i64(row->status);
    for (size_t i = 0; i < KN_COUNT_OF(names); i++)
        ret[names[i].column] = db_i64(*number_of((struct task_row *)row, i));
    ret[C_FIRST_AT] = db_i64(task->first_at);
    ret[C_LATEST_AT] = db_i64(task->latest_at);
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++)
        ret[C_TYPES + t] = task->types & 1u << t ? db_i64(task->type_key[t].at) : db_null();
    ret[C_ETA] = db_time(task->eta);
    ret[C_EXPIRES] = db_time(task->expires);
    ret[C_RETRIES] = task->retries.set ? db_i64(task->retries.value) : db_null();
    ret[C_RUNTIME] = task->runtime.set ? db_f64(task->runtime.value) : db_null();
    ret[C_REVOKED] =
        db_i64(task->revoked.terminated + task->revoked.expired * 2 + task->requeued * 4);
    ret[C_ORDERING] = db_blob(bytes->order);
    ret[C_LEARNED] = db_blob(bytes->learned);
    ret[C_ID] = db_text(row->id);
    ret[C_SIGNUM] = db_text(task->revoked.signum);
    for (size_t i = 0; i < KN_COUNT_OF(texts); i++)
        ret[texts[i].column] = db_text(task->text[texts[i].text]);
}

size_t task_row_update_values(const struct db_value all[TASK_COLUMNS], bool rest,
                              struct db_value *ret)
{
    size_t n = 0;
    for (unsigned c = 0; c < TASK_COLUMNS; c++) {
        bool fixed = c == C_HASH || c == C_SOURCE || c == C_ID;
        bool names_too = rest && (c == C_NAME || c == C_QUEUE || c == C_WORKER);
        if (!fixed && !names_too)
            ret[n++] = all[c];
    }
    return n;
}

void task_row_advance_values(const struct db_value all[TASK_COLUMNS], struct db_value *ret)
{
    static const uint8_t columns[] = {C_NO,
                                      C_STATUS,
                                      C_STARTED_BY,
                                      C_LATEST_AT,
                                      C_TYPES + MERGE_STARTED,
                                      C_TYPES + MERGE_SUCCEEDED,
                                      C_RUNTIME,
                                      C_ORDERING,
                                      C_RESULT};
    for (size_t i = 0; i < KN_COUNT_OF(columns); i++)
        ret[i] = all[columns[i]];
}

/* ---- as a message -------------------------------------------------------------------- */

static void cut(struct kn_str *text, size_t max)
{
    if (text->len > max)
        *text = kn_utf8_head(*text, max);
}

void task_row_message(const struct task_row *row, struct kn_str source, size_t text_max,
                      struct kn_msg_task *ret)
{
    struct merge_task room;
    const struct merge_task *task = merge_view(&row->task, &room);
    const struct kn_str *text = task->text;
    double wait;
    *ret = (struct kn_msg_task){
        .no = (uint64_t)row->no,
        .id = row->id,
        .source = source,
        .status = (uint8_t)row->status,
        .status_from = (uint8_t)row->origin,
        .name = text[MERGE_NAME],
        .queue = text[MERGE_QUEUE],
        .exchange = text[MERGE_EXCHANGE],
        .routing_key = text[MERGE_ROUTING_KEY],
        .args_repr = text[MERGE_ARGS],
        .kwargs_repr = text[MERGE_KWARGS],
        .result_repr = text[MERGE_RESULT],
        .error = text[MERGE_ERROR],

        .traceback = text_max ? KN_STR_ABSENT : text[MERGE_TRACEBACK],
        .worker_id = text[MERGE_WORKER],
        .client = text[MERGE_CLIENT],
        .root_id = text[MERGE_ROOT],
        .parent_id = text[MERGE_PARENT],
        .retries = task->retries,
        .eta = task->eta,
        .expires = task->expires,
        .sent_at = merge_time(task, MERGE_SENT),
        .received_at = merge_time(task, MERGE_RECEIVED),
        .started_at = merge_time(task, MERGE_STARTED),
        .succeeded_at = merge_time(task, MERGE_SUCCEEDED),
        .failed_at = merge_time(task, MERGE_FAILED),
        .rejected_at = merge_time(task, MERGE_REJECTED),
        .revoked_at = merge_time(task, MERGE_REVOKED),
        .retried_at = merge_time(task, MERGE_RETRIED),
        .completed_at = merge_completed_at(task),
        .updated_at = task->latest_at,
        .runtime = task->runtime,
        .revoked_signum = task->revoked.signum,
        .terminated = task->revoked.terminated,
        .expired = task->revoked.expired,
    };
    if (task->skew)
        ret->clock_skew = KN_SOME_F64((double)task->skew / (double)KN_SECOND);
    if (merge_queue_wait(task, &wait))
        ret->queue_wait = KN_SOME_F64(wait);
    if (text_max) {
        cut(&ret->args_repr, text_max);
        cut(&ret->kwargs_repr, text_max);
        cut(&ret->result_repr, text_max);
        cut(&ret->error, text_max);
    }
}
