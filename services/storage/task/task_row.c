#include "services/storage/task/task_row.h"

#include "proto/codec.h"
#include "services/common/count.h"
#include "services/common/data/hmap.h"
#include "services/common/text/time.h"

enum column {
    C_NO,
#define C(group, field, NAME, column, type) C_##NAME,
    TASK_COLUMN_MAP(C)
#undef C
};
_Static_assert((int)TASK_COLUMNS <= (int)SQL_COLUMNS_MAX, "a row must fit");
_Static_assert(C_RETRIED_AT - C_SENT_AT == MERGE_RETRIED - MERGE_SENT, "a column for each type");

static const struct {
    uint8_t column;
    uint8_t text;
} texts[] = {
#define TEXTS_TEXT(NAME, column) {C_##NAME, MERGE_##NAME},
#define TEXTS_TASK_NAME(NAME, column)
#define TEXTS_QUEUE(NAME, column)
#define TEXTS_HOST(NAME, column)
#define TEXTS_OTHER(NAME, column)
#define C(group, field, NAME, column, type) TEXTS_##field(NAME, column)
    TASK_COLUMN_MAP(C)
#undef C
};

static const struct {
    uint8_t column;
    uint8_t text;
    uint8_t kind;
    uint16_t number; /* offset in struct task_row */
} names[] = {
#define NAMED(NAME, column, kind) {C_##NAME, MERGE_##NAME, kind, offsetof(struct task_row, column)},
#define NAMES_TEXT(NAME, column)
#define NAMES_TASK_NAME(NAME, column) NAMED(NAME, column, DICT_NAME)
#define NAMES_QUEUE(NAME, column) NAMED(NAME, column, DICT_QUEUE)
#define NAMES_HOST(NAME, column) NAMED(NAME, column, DICT_HOST)
#define NAMES_OTHER(NAME, column)
#define C(group, field, NAME, column, type) NAMES_##field(NAME, column)
    TASK_COLUMN_MAP(C)
#undef C
};
_Static_assert(sizeof names / sizeof *names <= 8, "a bit for each, see write_learned");

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
    ret->status = (enum kn_task_status)db_as_i64(columns[C_STATUS]);
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
        task->type_key[t].at = db_as_i64(columns[C_SENT_AT + t]);
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

static int64_t microseconds(double seconds)
{
    double us = seconds * (double)KN_SECOND;
    return us >= 0 && us < (double)(INT64_MAX / 2) ? (int64_t)(us + 0.5) : -1;
}

/* The runtime as the worker measured it, otherwise from start to end. */
static struct task_end end_of(const struct merge_task *view, const struct merge_state *state)
{
    struct task_end end = {.at = state->ended_at, .runtime = -1, .wait = -1};
    double wait;
    if (!end.at)
        return end;
    int64_t started = merge_time(view, MERGE_STARTED);
    if (view->runtime.set)
        end.runtime = microseconds(view->runtime.value);
    else if (started && started <= end.at && state->status != KN_TASK_ORPHANED)
        end.runtime = end.at - started;
    if (merge_queue_wait(view, &wait))
        end.wait = microseconds(wait);
    return end;
}

static void take_state(struct task_row *row, const struct merge_task *view)
{
    struct merge_state state = merge_state_of(view);
    row->status = state.status;
    row->origin = state.origin;
    row->end = end_of(view, &state);
}

static void settle_status(struct task_row *row)
{
    struct merge_task room;
    take_state(row, merge_view(&row->task, &room));
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
    take_state(row, view);
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
        ret[C_SENT_AT + t] = task->types & 1u << t ? db_i64(task->type_key[t].at) : db_null();
    ret[C_ETA] = db_time(task->eta);
    ret[C_EXPIRES] = db_time(task->expires);
    ret[C_RETRIES] = task->retries.set ? db_i64(task->retries.value) : db_null();
    ret[C_RUNTIME] = task->runtime.set ? db_f64(task->runtime.value) : db_null();
    ret[C_REVOKED] =
        db_i64(task->revoked.terminated + task->revoked.expired * 2 + task->requeued * 4);
    ret[C_ORDERING] = db_blob(bytes->order);
    ret[C_LEARNED] = db_blob(bytes->learned);
    ret[C_LEARNED_END] = row->origin == KN_ORIGIN_EVENTS ? db_null() : db_time(row->end.at);
    ret[C_ID] = db_text(row->id);
    ret[C_SIGNUM] = db_text(task->revoked.signum);
    for (size_t i = 0; i < KN_COUNT_OF(texts); i++)
        ret[texts[i].column] = db_text(task->text[texts[i].text]);
}

/* clang-format off */
static const uint8_t updated[] = {
    C_NO, C_STATUS,
#define C(group, field, NAME, column, type) TASK_IN_UPDATE_##group(C_##NAME, )
    TASK_COLUMN_MAP(C)
#undef C
};
static const uint8_t updated_rest[] = {
    C_NO, C_STATUS,
#define C(group, field, NAME, column, type) TASK_IN_REST_##group(C_##NAME, )
    TASK_COLUMN_MAP(C)
#undef C
};
static const uint8_t advanced[] = {
    C_NO, C_STATUS,
#define C(group, field, NAME, column, type) TASK_IN_ADVANCE_##group(C_##NAME, )
    TASK_COLUMN_MAP(C)
#undef C
};
/* clang-format on */

static void choose(const uint8_t *columns, size_t count, const struct db_value *all,
                   struct db_value *ret)
{
    for (size_t i = 0; i < count; i++)
        ret[i] = all[columns[i]];
}

void task_row_values_of(enum sql_id id, const struct db_value all[TASK_COLUMNS],
                        struct db_value *ret)
{
    if (id == SQL_TASK_ADVANCE)
        choose(advanced, KN_COUNT_OF(advanced), all, ret);
    else if (id == SQL_TASK_UPDATE_REST)
        choose(updated_rest, KN_COUNT_OF(updated_rest), all, ret);
    else if (id == SQL_TASK_UPDATE)
        choose(updated, KN_COUNT_OF(updated), all, ret);
    else
        memcpy(ret, all, TASK_COLUMNS * sizeof *ret);
}

/* ---- as a message -------------------------------------------------------------------- */

static void cut(struct kn_str *text, size_t max)
{
    if (text->len > max)
        *text = kn_utf8_head(*text, max);
}

static void put_texts(const struct kn_str *text, struct kn_msg_task *ret)
{
#define PUT_TEXT(NAME, column) ret->column = text[MERGE_##NAME];
#define PUT_TASK_NAME(NAME, column)
#define PUT_QUEUE(NAME, column)
#define PUT_HOST(NAME, column)
#define PUT_OTHER(NAME, column)
#define C(group, field, NAME, column, type) PUT_##field(NAME, column)
    TASK_COLUMN_MAP(C)
#undef C
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
        .worker_id = text[MERGE_WORKER],
        .client = text[MERGE_CLIENT],
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
        .orphaned_at = merge_time(task, MERGE_ORPHANED),
        .completed_at = row->status == KN_TASK_ORPHANED ? 0 : row->end.at,
        .updated_at = task->latest_at,
        .runtime = task->runtime,
        .revoked_signum = task->revoked.signum,
        .terminated = task->revoked.terminated,
        .expired = task->revoked.expired,
    };
    put_texts(text, ret);
    if (task->skew)
        ret->clock_skew = KN_SOME_F64((double)task->skew / (double)KN_SECOND);
    if (merge_queue_wait(task, &wait))
        ret->queue_wait = KN_SOME_F64(wait);
    if (text_max) {
        cut(&ret->args_repr, text_max);
        cut(&ret->kwargs_repr, text_max);
        cut(&ret->result_repr, text_max);
        cut(&ret->error, text_max);
        ret->traceback = KN_STR_ABSENT;
    }
}
