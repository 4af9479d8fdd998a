#include "gateway/live/frame.h"

#include "gateway/http/params.h"
#include "services/common/count.h"
#include "services/common/text/json.h"
#include "services/common/text/time.h"

#include <jansson.h>
#include <stdlib.h>

static const struct {
    const char *name;
    unsigned topic;
} topics[] = {
    {"tasks", GW_TOPIC_TASKS},     {"workers", GW_TOPIC_WORKERS}, {"queues", GW_TOPIC_QUEUES},
    {"metrics", GW_TOPIC_METRICS}, {"system", GW_TOPIC_SYSTEM},   {"jobs", GW_TOPIC_JOBS},
};
enum { N_TOPICS = KN_COUNT_OF(topics) };

void gw_topics_json(struct kn_buf *out, unsigned set)
{
    const char *comma = "";
    kn_buf_char(out, '[');
    for (int i = 0; i < N_TOPICS; i++) {
        if (!(set & topics[i].topic))
            continue;
        kn_buf_printf(out, "%s\"%s\"", comma, topics[i].name);
        comma = ",";
    }
    kn_buf_char(out, ']');
}

static unsigned read_topics(const json_t *list, struct gw_problem *problem)
{
    unsigned set = 0;
    size_t n;
    json_t *item;
    if (!json_is_array(list))
        gw_problem_set(problem, 400, "topics", "topics: must be a list");
    json_array_foreach((json_t *)list, n, item)
    {
        const char *name = json_string_value(item);
        unsigned topic = 0;
        for (int i = 0; name && i < N_TOPICS; i++)
            if (strcmp(name, topics[i].name) == 0)
                topic = topics[i].topic;
        if (!topic)
            gw_problem_set(problem, 400, "topics",
                           "topics: tasks, workers, queues, metrics, system and jobs are known");
        set |= topic;
    }
    return set;
}

static struct kn_str copy_text(const json_t *value, const char *key, struct kn_arena *arena,
                               struct gw_problem *problem)
{
    struct kn_str text = {json_string_value(value), json_string_length(value)};
    if (!text.ptr || text.len == 0 || text.len > GW_PARAM_MAX) {
        gw_problem_set(problem, 400, key, "%s: texts of 1 to %d bytes are expected", key,
                       GW_PARAM_MAX);
        return KN_STR_ABSENT;
    }
    return kn_arena_str(arena, text);
}

/* A text, or a list of them. */
static struct kn_strs read_texts(const json_t *value, const char *key, struct kn_arena *arena,
                                 struct gw_problem *problem)
{
    struct kn_strs list = {0};
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    if (count > GW_REPEAT_MAX)
        gw_problem_set(problem, 400, key, "%s: may have at most %d values", key, GW_REPEAT_MAX);
    if (problem->status || count == 0)
        return list;
    list.items = kn_arena_array(arena, count, sizeof *list.items);
    for (size_t i = 0; list.items && i < count && !problem->status; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        list.items[list.count++] = copy_text(item, key, arena, problem);
    }
    return list;
}

static int64_t read_time(const json_t *value, const char *key, struct gw_problem *problem)
{
    int64_t us = 0;
    struct kn_str text = {json_string_value(value), json_string_length(value)};
    if (!text.ptr || !kn_time_parse(text, &us))
        gw_problem_set(problem, 400, key, "%s: must be a time such as 2026-11-23T10:00:00Z", key);
    return us;
}

static struct kn_opt_i64 read_flag(const json_t *value, const char *key, struct gw_problem *problem)
{
    if (!json_is_boolean(value))
        gw_problem_set(problem, 400, key, "%s: must be true or false", key);
    return KN_SOME_I64(json_is_true(value));
}

/* True: the time of the end. */
static bool read_axis(const json_t *value, const char *key, struct gw_problem *problem)
{
    const char *text = json_string_value(value);
    bool ended = text && strcmp(text, "ended") == 0;
    if (!ended && (!text || strcmp(text, "seen") != 0))
        gw_problem_set(problem, 400, key, "%s: must be one of seen, ended", key);
    return ended;
}

static void check_statuses(const struct kn_strs *list, struct gw_problem *problem)
{
    unsigned status;
    for (size_t i = 0; i < list->count && !problem->status; i++)
        if (!kn_enum_parse(&kn_enum_task_status, list->items[i], &status))
            gw_problem_set(problem, 400, "status", "status: unknown status");
}

static void read_filter(const json_t *object, struct kn_arena *arena, struct kn_msg_tasks_get *ret,
                        struct gw_problem *problem)
{
    const struct {
        const char *key;
        struct kn_strs *to;
    } lists[] = {{"status", &ret->statuses},
                 {"name", &ret->names},
                 {"worker", &ret->workers},
                 {"queue", &ret->queues},
                 {"source", &ret->sources}};
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        gw_problem_set(problem, 400, "filter", "filter: must be an object");
    json_object_foreach((json_t *)object, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < KN_COUNT_OF(lists); i++) {
            if (strcmp(key, lists[i].key) != 0)
                continue;
            *lists[i].to = read_texts(value, key, arena, problem);
            known = true;
        }
        if (strcmp(key, "q") == 0)
            ret->q = copy_text(value, key, arena, problem);
        else if (strcmp(key, "from") == 0)
            ret->from = read_time(value, key, problem);
        else if (strcmp(key, "to") == 0)
            ret->to = read_time(value, key, problem);
        else if (strcmp(key, "time") == 0)
            ret->by_end = read_axis(value, key, problem);
        else if (strcmp(key, "resolved") == 0)
            ret->resolved = read_flag(value, key, problem);
        else if (!known)
            gw_problem_set(problem, 400, "filter", "filter: unknown key %.60s", key);
    }
    check_statuses(&ret->statuses, problem);
}

void gw_frame_filter(struct kn_str json, struct kn_arena *arena, struct kn_msg_tasks_get *ret,
                     struct gw_problem *problem)
{
    json_t *object = kn_json_load(json, JSON_REJECT_DUPLICATES);
    *ret = (struct kn_msg_tasks_get){0};
    read_filter(object, arena, ret, problem);
    json_decref(object);
    if (arena->overflow)
        gw_problem_set(problem, 400, "filter", "filter: too long");
}

static void read_id(const json_t *value, struct kn_arena *arena, struct gw_command *ret,
                    struct gw_problem *problem)
{
    if (!value)
        return;
    if (!json_is_string(value) && !json_is_number(value)) {
        gw_problem_set(problem, 400, "id", "id: must be a string or a number");
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    if (!text || strlen(text) > 256)
        gw_problem_set(problem, 400, "id", "id: too long");
    else
        ret->id = kn_arena_str(arena, kn_str_from(text));
    free(text);
}

static void read_command(const json_t *root, struct kn_arena *arena, struct gw_command *ret,
                         struct gw_problem *problem)
{
    const char *type = json_string_value(json_object_get(root, "type"));
    const json_t *list = json_object_get(root, "topics");
    const json_t *filter = json_object_get(root, "filter");
    if (type && strcmp(type, "subscribe") == 0) {
        ret->type = GW_COMMAND_SUBSCRIBE;
        ret->topics = read_topics(list, problem);
        if (filter && !json_is_null(filter))
            read_filter(filter, arena, &ret->filter, problem);
    } else if (type && strcmp(type, "unsubscribe") == 0) {
        ret->type = GW_COMMAND_UNSUBSCRIBE;
        ret->topics = list ? read_topics(list, problem) : GW_TOPICS_ALL;
    } else if (type && strcmp(type, "ping") == 0) {
        ret->type = GW_COMMAND_PING;
        read_id(json_object_get(root, "id"), arena, ret, problem);
    } else {
        gw_problem_set(problem, 400, "type", "type: must be one of subscribe, unsubscribe, ping");
    }
}

enum kn_status gw_frame_parse(struct kn_str text, struct kn_arena *arena, struct gw_command *ret,
                              struct gw_problem *problem)
{
    struct gw_command command = {0};
    if (text.len > GW_FRAME_MAX) {
        gw_problem_set(problem, 400, NULL, "a frame may have at most %d bytes", GW_FRAME_MAX);
        return KN_INVALID;
    }
    json_t *root = kn_json_load(text, JSON_REJECT_DUPLICATES);
    if (!json_is_object(root))
        gw_problem_set(problem, 400, NULL, "a frame must be one JSON object");
    else
        read_command(root, arena, &command, problem);
    json_decref(root);
    if (arena->overflow)
        gw_problem_set(problem, 400, NULL, "the frame is too long");
    if (problem->status)
        return KN_INVALID;
    *ret = command;
    return KN_OK;
}
