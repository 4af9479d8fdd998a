/* What workers answer to query_task, active, reserved, scheduled, and registered with rate limits
 * (celery/worker/control.py; Request.info in celery/worker/request.py). */
#include "services/celery/remote/remote.h"

#include "services/celery/read/reader.h"
#include "services/common/text/json.h"
#include "services/common/text/time.h"

#include <jansson.h>
#include <stdlib.h>

enum { REPR_MAX = 1024 }; /* as Celery cuts its own */

static json_t *load(struct kn_str value)
{
    return kn_json_load(value, JSON_ALLOW_NUL);
}

static struct kn_str text_of(const json_t *value, struct kn_arena *arena)
{
    if (!json_is_string(value))
        return KN_STR_ABSENT;
    return kn_arena_str(arena,
                        (struct kn_str){json_string_value(value), json_string_length(value)});
}

static int64_t time_of(const json_t *value)
{
    double seconds = json_is_number(value) ? json_number_value(value) : 0;
    return seconds > 0 && seconds < 1e11 ? (int64_t)(seconds * (double)KN_SECOND) : 0;
}

/* One member: a key, and [state, {"time_start": …}] (a list or, in msgpack, the same). */
static void take_held(const char *id, const json_t *pair, struct kn_arena *arena,
                      struct celery_held_task *ret)
{
    const char *state = json_string_value(json_array_get(pair, 0));
    *ret = (struct celery_held_task){
        .id = kn_arena_str(arena, kn_str_from(id)),
        .active = state && strcmp(state, "active") == 0,
        .started_at = time_of(json_object_get(json_array_get(pair, 1), "time_start")),
    };
}

enum kn_status celery_inspect_query_task(struct kn_str value, struct kn_arena *arena,
                                         struct celery_held_tasks *ret)
{
    json_t *tasks = load(value);
    struct celery_held_tasks held = {0};
    const char *id;
    json_t *pair;
    enum kn_status status = KN_INVALID;
    if (json_is_object(tasks) && !json_is_string(json_object_get(tasks, "error"))) {
        held.items = kn_arena_array(arena, json_object_size(tasks) + 1, sizeof *held.items);
        status = held.items ? KN_OK : KN_NOMEM;
    }
    if (status == KN_OK) {
        json_object_foreach(tasks, id, pair) take_held(id, pair, arena, &held.items[held.count++]);
        status = arena->overflow ? KN_NOMEM : KN_OK;
    }
    if (status == KN_OK)
        *ret = held;
    json_decref(tasks);
    return status;
}

/* kombu writes dates, decimals and the like as {"__type__": …, "__value__": …}. */
static bool is_certain(struct kn_str text)
{
    return !text.len || !memmem(text.ptr, text.len, "'__type__': ", 12);
}

/* Python's repr of JSON; absent when it can't be said. */
static struct kn_str python_of(const json_t *value, struct kn_arena *arena)
{
    struct kn_str ret = KN_STR_ABSENT;
    struct celery_reader reader;
    struct celery_token token;
    struct kn_arena scratch;
    struct kn_buf text;
    char *json = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    kn_arena_init(&scratch, 1 << 20);
    kn_buf_init(&text, 1 << 20);
    if (json)
        celery_reader_init(&reader, CELERY_JSON, kn_str_from(json), &scratch);
    if (json && celery_reader_next(&reader, &token) == KN_OK &&
        celery_reader_python(&reader, &token, &text) == KN_OK && kn_buf_status(&text) == KN_OK &&
        is_certain(kn_buf_view(&text))) {
        if (text.len > REPR_MAX) {
            text.len = kn_utf8_head(kn_buf_view(&text), REPR_MAX).len;
            kn_buf_text(&text, "...");
        }
        ret = kn_arena_str(arena, kn_buf_view(&text));
    }
    kn_buf_fini(&text);
    kn_arena_fini(&scratch);
    free(json);
    return ret;
}

/* "[1, 2]" as "(1, 2)", and "[1]" as "(1,)". */
static struct kn_str tuple_of(const json_t *list, struct kn_arena *arena)
{
    struct kn_str text = python_of(list, arena);
    struct kn_buf out;
    if (text.len < 2 || text.ptr[text.len - 1] != ']') /* it was cut */
        return text;
    kn_buf_init(&out, 0);
    kn_buf_printf(&out, "(%.*s%s)", (int)text.len - 2, text.ptr + 1,
                  json_array_size(list) == 1 ? "," : "");
    struct kn_str ret = kn_arena_str(arena, kn_buf_view(&out));
    kn_buf_fini(&out);
    return ret;
}

static struct kn_str args_of(const json_t *value, struct kn_arena *arena)
{
    if (json_is_array(value))
        return tuple_of(value, arena);
    return json_is_object(value) ? python_of(value, arena) : text_of(value, arena);
}

static int64_t moment_of(const json_t *value)
{
    int64_t at = 0;
    const char *text = json_string_value(value);
    return text && kn_time_parse(kn_str_from(text), &at) ? at : 0;
}

static struct celery_held_task task_of(const json_t *item, struct kn_arena *arena)
{
    const json_t *request = json_object_get(item, "request");
    const json_t *info = request ? request : item;
    int64_t started_at = time_of(json_object_get(info, "time_start"));
    return (struct celery_held_task){
        .id = text_of(json_object_get(info, "id"), arena),
        .name = text_of(json_object_get(info, "name"), arena),
        .args_repr = args_of(json_object_get(info, "args"), arena),
        .kwargs_repr = args_of(json_object_get(info, "kwargs"), arena),
        .active = started_at != 0,
        .started_at = started_at,
        .eta = moment_of(json_object_get(item, "eta")),
    };
}

enum kn_status celery_inspect_tasks(struct kn_str value, struct kn_arena *arena,
                                    struct celery_held_tasks *ret)
{
    json_t *tasks = load(value);
    struct celery_held_tasks held = {0};
    size_t i;
    json_t *task;
    enum kn_status status = KN_INVALID;
    if (json_is_array(tasks)) {
        held.items = kn_arena_array(arena, json_array_size(tasks) + 1, sizeof *held.items);
        status = held.items ? KN_OK : KN_NOMEM;
    }
    if (status == KN_OK) {
        json_array_foreach(tasks, i, task) held.items[held.count++] = task_of(task, arena);
        status = arena->overflow ? KN_NOMEM : KN_OK;
    }
    if (status == KN_OK)
        *ret = held;
    json_decref(tasks);
    return status;
}

enum kn_status celery_inspect_rate_limited(struct kn_str value, struct kn_arena *arena,
                                           struct kn_strs *ret_names)
{
    static const char mark[] = " [rate_limit=";
    json_t *tasks = load(value);
    struct kn_strs names = {0};
    size_t i;
    json_t *task;
    enum kn_status status = KN_INVALID;
    if (json_is_array(tasks)) {
        names.items = kn_arena_array(arena, json_array_size(tasks) + 1, sizeof *names.items);
        status = names.items ? KN_OK : KN_NOMEM;
    }
    if (status == KN_OK) {
        json_array_foreach(tasks, i, task)
        {
            const char *text = json_string_value(task);
            const char *found = text ? strstr(text, mark) : NULL;
            if (found)
                names.items[names.count++] =
                    kn_arena_str(arena, (struct kn_str){text, (size_t)(found - text)});
        }
        status = arena->overflow ? KN_NOMEM : KN_OK;
    }
    if (status == KN_OK)
        *ret_names = names;
    json_decref(tasks);
    return status;
}
