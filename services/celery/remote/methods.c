#include "services/celery/remote/methods.h"

#include "services/common/count.h"
#include "services/common/text/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#define NONE                                                                                       \
    {                                                                                              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define YES_NO(name_, help_)                                                                       \
    {                                                                                              \
        .name = (name_), .type = CELERY_ARGUMENT_BOOL, .help = (help_)                             \
    }
#define COUNT(name_, least_, most_, fallback_, help_)                                              \
    {                                                                                              \
        .name = (name_), .type = CELERY_ARGUMENT_INTEGER, .least = (least_), .most = (most_),      \
        .fallback = (fallback_), .help = (help_)                                                   \
    }
#define OPTIONAL(kind_, name_, help_)                                                              \
    {                                                                                              \
        .name = (name_), .type = CELERY_ARGUMENT_##kind_, .help = (help_)                          \
    }
#define REQUIRED(kind_, name_, help_)                                                              \
    {                                                                                              \
        .name = (name_), .type = CELERY_ARGUMENT_##kind_, .required = true, .help = (help_)        \
    }
#define LIMIT(name_, help_)                                                                        \
    {                                                                                              \
        .name = (name_), .type = CELERY_ARGUMENT_SECONDS, .most = 100000000, .fallback = "null",   \
        .help = (help_)                                                                            \
    }

#define TERMINATE YES_NO("terminate", "terminate the task's process if it is running")
#define SIGNAL OPTIONAL(SIGNAL, "signal", "signal for terminate; default TERM")
#define TASK_IDS REQUIRED(TEXTS, "task_id", "task IDs")
#define TASK_NAME REQUIRED(TEXT, "task_name", "registered task name")
#define QUEUE REQUIRED(TEXT, "queue", "queue name")

const struct celery_method celery_methods[] = {
    {"ping", false, false, "Check that the worker responds", NONE},
    {"active", false, false, "Running tasks", {YES_NO("safe", "show all arguments as text")}},
    {"reserved", false, false, "Prefetched tasks, not started", NONE},
    {"scheduled", false, false, "Tasks waiting for their ETA", NONE},
    {"revoked", false, false, "IDs of tasks that the worker will discard", NONE},
    {"registered",
     false,
     false,
     "Registered tasks",
     {OPTIONAL(TEXTS, "taskinfoitems", "attributes to show for each task"),
      YES_NO("builtins", "include Celery's built-in tasks")}},
    {"stats", false, false, "Pool, counters and resource usage", NONE},
    {"active_queues", false, false, "Queues that the worker consumes", NONE},
    {"conf",
     false,
     false,
     "The worker's configuration",
     {YES_NO("with_defaults", "include defaults")}},
    {"report", false, false, "Versions and settings, for bug reports", NONE},
    {"query_task",
     false,
     false,
     "What the worker knows about the given tasks",
     {REQUIRED(TEXTS, "ids", "task IDs")}},
    {"clock", false, false, "The worker's logical clock", NONE},
    {"memsample", false, false, "Sample the resident memory (requires psutil)", NONE},
    {"memdump",
     false,
     false,
     "The memory samples taken so far (requires psutil)",
     {COUNT("samples", 1, 1000, NULL, "number of samples")}},
    {"objgraph",
     false,
     false,
     "Write an object graph to a file on the worker's host (requires objgraph)",
     {OPTIONAL(TEXT, "type", "object type; default Request"),
      COUNT("num", 1, 10000, NULL, "number of objects"),
      COUNT("max_depth", 1, 100, NULL, "depth of the graph")}},

    {"revoke", true, false, "Discard tasks instead of running them", {TASK_IDS, TERMINATE, SIGNAL}},
    {"revoke_by_stamped_headers",
     true,
     false,
     "Discard tasks with these stamped headers (Celery 5.3 or later)",
     {REQUIRED(STAMPS, "headers", "stamped headers and their values"), TERMINATE, SIGNAL}},
    {"terminate",
     true,
     false,
     "Terminate the processes running these tasks",
     {TASK_IDS,
      {.name = "signal",
       .type = CELERY_ARGUMENT_SIGNAL,
       .fallback = "\"TERM\"",
       .help = "signal to send"}}},
    {"rate_limit",
     true,
     false,
     "Limit how often the worker starts a task",
     {TASK_NAME, REQUIRED(RATE, "rate_limit", "per second, minute or hour; 0: no limit")}},
    {"time_limit",
     true,
     false,
     "Limit how long a task may run; an omitted limit is removed",
     {TASK_NAME, LIMIT("soft", "time until SoftTimeLimitExceeded is raised"),
      LIMIT("hard", "time until the task's process is killed")}},
    {"pool_grow",
     true,
     false,
     "Add processes or threads to the pool",
     {COUNT("n", 1, 1000, "1", "number of processes or threads")}},
    {"pool_shrink",
     true,
     false,
     "Remove processes or threads from the pool",
     {COUNT("n", 1, 1000, "1", "number of processes or threads")}},
    {"pool_restart",
     true,
     false,
     "Restart the pool (requires worker_pool_restarts)",
     {OPTIONAL(TEXTS, "modules", "modules to import"),
      YES_NO("reload", "also reload modules already imported")}},
    {"autoscale",
     true,
     false,
     "Set the limits of a worker that runs with --autoscale",
     {COUNT("max", 0, 10000, NULL, "maximum number of processes"),
      COUNT("min", 0, 10000, NULL, "minimum number of processes")}},
    {"add_consumer",
     true,
     false,
     "Consume a queue; create it if it does not exist",
     {QUEUE, OPTIONAL(TEXT, "exchange", "default: same as queue"),
      OPTIONAL(EXCHANGE_TYPE, "exchange_type", "default: direct"),
      OPTIONAL(TEXT, "routing_key", "default: same as queue"),
      OPTIONAL(TABLE, "queue_arguments", "RabbitMQ queue arguments such as x-max-priority")}},
    {"cancel_consumer", true, false, "Stop consuming a queue", {QUEUE}},
    {"enable_events", true, false, "Send task events", NONE},
    {"disable_events", true, false, "Stop sending task events", NONE},
    {"shutdown", true, true, "Stop the worker after its running tasks finish", NONE},
    {0},
};

const struct celery_method *celery_method_find(struct kn_str name)
{
    for (const struct celery_method *method = celery_methods; method->name; method++)
        if (kn_str_eq(name, kn_str_from(method->name)))
            return method;
    return NULL;
}

/* ---- what is allowed, in words --------------------------------------------------------- */

static const char *const signals[] = {"TERM", "INT",  "QUIT", "KILL",
                                      "HUP",  "ABRT", "USR1", "USR2"}; /* CELERY_SIGNALS */
static const char *const exchange_types[] = {"direct", "topic", "fanout", "headers"};
enum {
    SIGNALS = KN_COUNT_OF(signals),
    EXCHANGE_TYPES = KN_COUNT_OF(exchange_types),
};

static void describe_choice(struct kn_buf *out, const char *const *choices, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kn_buf_printf(out, "%s%s", i == 0 ? "one of " : ", ", choices[i]);
}

void celery_argument_describe(struct kn_buf *out, const struct celery_argument *argument)
{
    switch (argument->type) {
    case CELERY_ARGUMENT_BOOL:
        kn_buf_text(out, "true or false");
        break;
    case CELERY_ARGUMENT_INTEGER:
        kn_buf_printf(out, "an integer from %" PRId64 " to %" PRId64, argument->least,
                      argument->most);
        break;
    case CELERY_ARGUMENT_SECONDS:
        kn_buf_text(out, "seconds, or null");
        break;
    case CELERY_ARGUMENT_TEXT:
        kn_buf_text(out, "a string");
        break;
    case CELERY_ARGUMENT_TEXTS:
        kn_buf_printf(out, "a string or a list of up to %d", CELERY_ARGUMENT_LIST_MAX);
        break;
    case CELERY_ARGUMENT_STAMPS:
        kn_buf_text(out, "an object; each value a string or a list of strings");
        break;
    case CELERY_ARGUMENT_TABLE:
        kn_buf_text(out, "an object; each value a string, number or boolean");
        break;
    case CELERY_ARGUMENT_RATE:
        kn_buf_text(out, "a number, or a string such as \"10/s\", \"10/m\" or \"10/h\"");
        break;
    case CELERY_ARGUMENT_SIGNAL:
        describe_choice(out, signals, SIGNALS);
        break;
    case CELERY_ARGUMENT_EXCHANGE_TYPE:
        describe_choice(out, exchange_types, EXCHANGE_TYPES);
        break;
    }
}

void celery_method_names(struct kn_buf *out, bool questions, bool actions)
{
    size_t count = 0;
    for (const struct celery_method *method = celery_methods; method->name; method++)
        if (method->action ? actions : questions)
            kn_buf_printf(out, "%s%s", count++ ? ", " : "", method->name);
}

static void describe_method(struct kn_buf *out, const struct celery_method *method)
{
    kn_buf_text(out, method->name);
    kn_buf_text(out, method->arguments[0].name ? " takes " : " takes no arguments");
    for (const struct celery_argument *one = method->arguments; one->name; one++) {
        kn_buf_printf(out, "%s%s (", one == method->arguments ? "" : ", ", one->name);
        celery_argument_describe(out, one);
        kn_buf_text(out, one->required ? ", required)" : ")");
    }
}

static const char *type_name(enum celery_argument_type type)
{
    static const char *const names[] = {
        [CELERY_ARGUMENT_BOOL] = "boolean",    [CELERY_ARGUMENT_INTEGER] = "integer",
        [CELERY_ARGUMENT_SECONDS] = "seconds", [CELERY_ARGUMENT_TEXT] = "text",
        [CELERY_ARGUMENT_TEXTS] = "texts",     [CELERY_ARGUMENT_STAMPS] = "stamps",
        [CELERY_ARGUMENT_TABLE] = "table",     [CELERY_ARGUMENT_RATE] = "rate",
        [CELERY_ARGUMENT_SIGNAL] = "signal",   [CELERY_ARGUMENT_EXCHANGE_TYPE] = "exchange_type",
    };
    return names[type];
}

static void write_argument(struct kn_buf *out, const struct celery_argument *argument)
{
    kn_buf_text(out, "{\"name\":");
    kn_buf_json_str(out, kn_str_from(argument->name));
    kn_buf_printf(out, ",\"type\":\"%s\",\"required\":%s", type_name(argument->type),
                  argument->required ? "true" : "false");
    if (argument->type == CELERY_ARGUMENT_INTEGER)
        kn_buf_printf(out, ",\"minimum\":%" PRId64 ",\"maximum\":%" PRId64, argument->least,
                      argument->most);
    else
        kn_buf_text(out, ",\"minimum\":null,\"maximum\":null");
    kn_buf_printf(out, ",\"default\":%s", argument->fallback ? argument->fallback : "null");
    kn_buf_text(out, ",\"help\":");
    kn_buf_json_str(out, kn_str_from(argument->help));
    kn_buf_char(out, '}');
}

void celery_methods_json(struct kn_buf *out)
{
    kn_buf_text(out, "{\"items\":[");
    for (const struct celery_method *method = celery_methods; method->name; method++) {
        kn_buf_text(out, method == celery_methods ? "{\"name\":" : ",{\"name\":");
        kn_buf_json_str(out, kn_str_from(method->name));
        kn_buf_printf(out, ",\"kind\":\"%s\",\"help\":", method->action ? "action" : "question");
        kn_buf_json_str(out, kn_str_from(method->help));
        kn_buf_text(out, ",\"arguments\":[");
        for (const struct celery_argument *one = method->arguments; one->name; one++) {
            if (one != method->arguments)
                kn_buf_char(out, ',');
            write_argument(out, one);
        }
        kn_buf_text(out, "]}");
    }
    kn_buf_text(out, "]}");
}

/* ---- one value ------------------------------------------------------------------------- */

static bool is_text(const json_t *value)
{
    size_t len = json_string_length(value);
    return json_is_string(value) && len > 0 && len <= CELERY_ARGUMENT_TEXT_MAX &&
           !memchr(json_string_value(value), '\0', len);
}

static bool is_texts(const json_t *value)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value))
        return is_text(value);
    for (size_t i = 0; i < count; i++)
        if (!is_text(json_array_get(value, i)))
            return false;
    return count > 0 && count <= CELERY_ARGUMENT_LIST_MAX;
}

static bool is_plain(const json_t *value)
{
    return is_text(value) || json_is_number(value) || json_is_boolean(value);
}

static bool is_table(const json_t *value, bool (*fits)(const json_t *))
{
    if (json_object_size(value) == 0 || json_object_size(value) > CELERY_ARGUMENT_LIST_MAX)
        return false;
    for (void *i = json_object_iter((json_t *)value); i;
         i = json_object_iter_next((json_t *)value, i))
        if (!fits(json_object_iter_value(i)) || !*json_object_iter_key(i))
            return false;
    return true;
}

/* celery.utils.time.rate: a number, "/" and s, m or h. */
static bool is_rate(const json_t *value)
{
    if (json_is_number(value))
        return json_number_value(value) >= 0 && json_number_value(value) <= 1e9;
    if (!is_text(value))
        return false;
    const char *at = json_string_value(value);
    size_t digits = strspn(at, "0123456789");
    size_t fraction = at[digits] == '.' ? 1 + strspn(at + digits + 1, "0123456789") : 0;
    if (digits == 0 || digits > 9 || fraction == 1 || fraction > 9)
        return false;
    at += digits + fraction;
    return *at == '\0' || (at[0] == '/' && strchr("smh", at[1]) && at[1] && at[2] == '\0');
}

static bool is_one_of(const json_t *value, const char *const *choices, size_t count)
{
    for (size_t i = 0; is_text(value) && i < count; i++)
        if (strcmp(json_string_value(value), choices[i]) == 0)
            return true;
    return false;
}

bool celery_signal_known(struct kn_str name)
{
    if (kn_str_starts(name, KN_STR("SIG")))
        name = (struct kn_str){name.ptr + 3, name.len - 3};
    for (size_t i = 0; i < SIGNALS; i++)
        if (kn_str_eq(name, kn_str_from(signals[i])))
            return true;
    return false;
}

static bool is_signal(const json_t *value)
{
    return celery_signal_known(
        (struct kn_str){json_string_value(value), json_string_length(value)});
}

static bool fits(const struct celery_argument *argument, const json_t *value)
{
    switch (argument->type) {
    case CELERY_ARGUMENT_BOOL:
        return json_is_boolean(value);
    case CELERY_ARGUMENT_INTEGER:
        return json_is_integer(value) && json_integer_value(value) >= argument->least &&
               json_integer_value(value) <= argument->most;
    case CELERY_ARGUMENT_SECONDS:
        return json_is_null(value) || (json_is_number(value) && json_number_value(value) > 0 &&
                                       json_number_value(value) <= (double)argument->most);
    case CELERY_ARGUMENT_TEXT:
        return is_text(value);
    case CELERY_ARGUMENT_TEXTS:
        return is_texts(value);
    case CELERY_ARGUMENT_STAMPS:
        return is_table(value, is_texts);
    case CELERY_ARGUMENT_TABLE:
        return is_table(value, is_plain);
    case CELERY_ARGUMENT_RATE:
        return is_rate(value);
    case CELERY_ARGUMENT_SIGNAL:
        return is_signal(value);
    case CELERY_ARGUMENT_EXCHANGE_TYPE:
        return is_one_of(value, exchange_types, EXCHANGE_TYPES);
    }
    return false;
}

/* ---- all of them ----------------------------------------------------------------------- */

static const struct celery_argument *find_argument(const struct celery_method *method,
                                                   const char *name)
{
    for (const struct celery_argument *one = method->arguments; one->name; one++)
        if (strcmp(one->name, name) == 0)
            return one;
    return NULL;
}

static enum kn_status refuse(const struct celery_method *method, struct kn_buf *error)
{
    kn_buf_text(error, ": ");
    describe_method(error, method);
    return KN_INVALID;
}

static enum kn_status check_given(const struct celery_method *method, const json_t *given,
                                  struct kn_buf *error)
{
    for (void *i = json_object_iter((json_t *)given); i;
         i = json_object_iter_next((json_t *)given, i)) {
        const char *name = json_object_iter_key(i);
        const struct celery_argument *argument = find_argument(method, name);
        if (!argument) {
            kn_buf_printf(error, "unknown argument \"%.64s\"", name);
            return refuse(method, error);
        }
        if (!fits(argument, json_object_iter_value(i))) {
            kn_buf_printf(error, "invalid value of argument %s", argument->name);
            return refuse(method, error);
        }
    }
    return KN_OK;
}

static enum kn_status check_missing(const struct celery_method *method, const json_t *given,
                                    struct kn_buf *error)
{
    for (const struct celery_argument *one = method->arguments; one->name; one++) {
        if (!one->required || json_object_get(given, one->name))
            continue;
        kn_buf_printf(error, "missing argument %s", one->name);
        return refuse(method, error);
    }
    const json_t *most = json_object_get(given, "max"), *least = json_object_get(given, "min");
    if (!strcmp(method->name, "autoscale") && !most && !least) {
        kn_buf_text(error, "max or min is required");
        return refuse(method, error);
    }
    if (most && least && json_integer_value(most) < json_integer_value(least)) {
        kn_buf_text(error, "max is smaller than min");
        return KN_INVALID;
    }
    return KN_OK;
}

static enum kn_status write_arguments(const struct celery_method *method, json_t *given,
                                      struct kn_buf *out)
{
    for (const struct celery_argument *one = method->arguments; one->name; one++) {
        if (!one->fallback || json_object_get(given, one->name))
            continue;
        json_t *value = kn_json_load(kn_str_from(one->fallback), JSON_DECODE_ANY);
        if (json_object_set_new(given, one->name, value) != 0)
            return KN_NOMEM;
    }
    char *text = json_dumps(given, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        return KN_NOMEM;
    kn_buf_text(out, text);
    free(text);
    return kn_buf_status(out);
}

enum kn_status celery_method_check(const struct celery_method *method, struct kn_str arguments,
                                   struct kn_buf *ret_arguments, struct kn_buf *error)
{
    if (arguments.len > CELERY_ARGUMENTS_BYTES_MAX) {
        kn_buf_printf(error, "arguments must have at most %d bytes", CELERY_ARGUMENTS_BYTES_MAX);
        return KN_INVALID;
    }
    json_t *given =
        arguments.len == 0 ? json_object() : kn_json_load(arguments, JSON_REJECT_DUPLICATES);
    enum kn_status status = KN_INVALID;
    if (json_is_object(given)) {
        status = check_given(method, given, error);
    } else {
        kn_buf_text(error, "arguments must be a JSON object");
        status = refuse(method, error);
    }
    if (status == KN_OK)
        status = check_missing(method, given, error);
    if (status == KN_OK)
        status = write_arguments(method, given, ret_arguments);
    json_decref(given);
    return status;
}
