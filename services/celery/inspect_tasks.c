/* What workers answer to query_task, active, and registered with rate limits
 * (celery/worker/control.py; Request.info in celery/worker/request.py). */
#include "services/celery/remote.h"

#include "services/common/time.h"

#include <jansson.h>

static json_t *load(struct kn_str value)
{
    return value.ptr ? json_loadb(value.ptr, value.len, JSON_ALLOW_NUL, NULL) : NULL;
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

enum kn_status celery_inspect_active(struct kn_str value, struct kn_arena *arena,
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
        json_array_foreach(tasks, i, task) held.items[held.count++] =
            (struct celery_held_task){.id = text_of(json_object_get(task, "id"), arena),
                                      .active = true,
                                      .started_at = time_of(json_object_get(task, "time_start"))};
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
