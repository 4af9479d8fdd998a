#include "services/launcher/cli.h"

#include "proto/enums.h"
#include "services/celery/remote/methods.h"
#include "services/common/count.h"
#include "services/common/process/service.h"
#include "services/common/text/clean.h"
#include "services/common/text/json.h"
#include "services/launcher/cli_http.h"
#include "services/launcher/cli_internal.h"
#include "services/launcher/cli_show.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME "kanchi"
#define DEFAULT_URL "http://127.0.0.1:8080"

/* ---- options --------------------------------------------------------------------------- */

/* name, sets of commands that take it, whether it has a value, help */
enum {
    FOR_TASKS = 1,
    FOR_WORKERS = 2,
    FOR_QUEUES = 4,
    FOR_RETRY = 8,
    FOR_REVOKE = 16,
    FOR_INSPECT = 32,
    FOR_COMMAND = 64,
    FOR_JOBS = 128,
    FOR_AUDIT = 256,
    FOR_ALL = 511,
    FOR_LISTS = FOR_TASKS | FOR_WORKERS | FOR_QUEUES | FOR_JOBS | FOR_AUDIT,
};
static const struct cli_option options[] = {
    {"url", FOR_ALL, true, false, "Address of the gateway; default: KANCHI_URL or " DEFAULT_URL},
    {"json", FOR_ALL, false, false, "Print the answer as JSON"},
    {"source", FOR_ALL, true, true, "Name of the broker, if there are several"},
    {"limit", FOR_LISTS, true, true, "Maximum number of items"},
    {"cursor", FOR_LISTS, true, true, "Show the next page; standard error names its cursor"},
    {"status", FOR_TASKS | FOR_WORKERS, true, true, "Only with this status; may be repeated"},
    {"name", FOR_TASKS, true, true, "Only tasks with this name; may be repeated"},
    {"worker", FOR_TASKS | FOR_INSPECT | FOR_COMMAND, true, true,
     "Host name of a worker; may be repeated"},
    {"queue", FOR_TASKS | FOR_REVOKE, true, true,
     "Tasks in this queue; may be repeated. With revoke: the queue to search for the task's "
     "message"},
    {"q", FOR_TASKS, true, true, "Only tasks that contain this text"},
    {"from", FOR_TASKS, true, true, "Start of the period (2026-11-23T10:00:00Z)"},
    {"to", FOR_TASKS, true, true, "End of the period"},
    {"time", FOR_TASKS, true, true, "Whether tasks were seen (default) or ended in the period"},
    {"sort", FOR_TASKS, true, true,
     "Order: -received_at (default), received_at, -ended_at, ended_at, -runtime, -queue_wait or "
     "-retries"},
    {"messages", FOR_QUEUES, false, false, "Show waiting messages"},
    {"pattern", FOR_INSPECT | FOR_COMMAND, true, true, "Workers whose host name matches this glob"},
    {"all", FOR_COMMAND, false, false, "All workers"},
    {"timeout", FOR_INSPECT | FOR_COMMAND, true, true, "Seconds to wait for replies"},
    {"id", FOR_INSPECT, true, true, "Task ID, for query_task; may be repeated"},
    {"terminate", FOR_REVOKE, false, true, "If the task is running, terminate its process"},
    {"signal", FOR_REVOKE, true, true, "Signal for --terminate; default TERM"},
    {"remove", FOR_REVOKE, false, true, "RabbitMQ: also remove the task's message from its queue"},
    {"force", FOR_RETRY, false, true,
     "Retry even if the task may run twice (it is unfinished, or its message is queued)"},
    {"attempt", FOR_RETRY, true, true,
     "If attempts had different arguments, use those of the first (default) or last"},
    {"arguments", FOR_RETRY, true, true,
     "Take the arguments only from here, unchecked: message, backend or events"},
    {"args", FOR_RETRY, true, false, "Positional arguments to use instead (JSON array)"},
    {"kwargs", FOR_RETRY, true, false, "Keyword arguments to use instead (JSON object)"},
    {"dry-run", FOR_RETRY | FOR_REVOKE | FOR_COMMAND, false, false,
     "Show what would be done without doing it"},
};
enum { OPTIONS = KN_COUNT_OF(options) };

const char *cli_given(const struct cli *cli, const char *name)
{
    for (size_t i = cli->n_given; i-- > 0;)
        if (strcmp(cli->given[i].option->name, name) == 0)
            return cli->given[i].value ? cli->given[i].value : "";
    return NULL;
}

/* ---- the commands ---------------------------------------------------------------------- */

static int run_list(struct cli *cli);
static int run_retry(struct cli *cli);
static int run_revoke(struct cli *cli);

static const struct cli_column task_columns[] = {{"STATUS", "status", false},
                                                 {"NAME", "name", true},
                                                 {"ID", "id", false},
                                                 {"QUEUE", "queue", true},
                                                 {"RECEIVED", "received_at", true},
                                                 {"RUNTIME", "runtime", false},
                                                 {"ERROR", "error", true},
                                                 {0}};
static const struct cli_column worker_columns[] = {{"STATUS", "status", false},
                                                   {"HOSTNAME", "hostname", true},
                                                   {"POOL", "pool", false},
                                                   {"N", "concurrency", false},
                                                   {"ACTIVE", "active", false},
                                                   {"PROCESSED", "processed", false},
                                                   {"QUEUES", "queues", true},
                                                   {"LAST SEEN", "last_seen", true},
                                                   {0}};
static const struct cli_column queue_columns[] = {{"NAME", "name", true},
                                                  {"SOURCE", "source", false},
                                                  {"MESSAGES", "depth", false},
                                                  {"UNACKED", "unacked", false},
                                                  {"CONSUMERS", "consumers", false},
                                                  {"WORKERS", "workers", true},
                                                  {0}};
static const struct cli_column message_columns[] = {
    {"NAME", "name", true}, {"ID", "id", false}, {"ETA", "eta", true}, {"ARGS", "args", true}, {0}};
static const struct cli_column job_columns[] = {{"ID", "id", false},
                                                {"ACTION", "action", false},
                                                {"STATE", "state", false},
                                                {"TOTAL", "total", false},
                                                {"DONE", "done", false},
                                                {"REFUSED", "refused", false},
                                                {"FAILED", "failed", false},
                                                {"NEW TASKS", "new_tasks", true},
                                                {0}};
static const struct cli_column audit_columns[] = {
    {"STARTED", "begun_at", false}, {"VERB", "verb", false},
    {"METHOD", "method", false},    {"TARGET", "target", true},
    {"OUTCOME", "outcome", false},  {"ACTOR", "actor", true},
    {"TEXT", "text", true},         {0}};

static const struct command {
    const char *name;
    unsigned bit;
    const char *usage, *help;
    int (*run)(struct cli *cli);
    const struct cli_column *columns;
    size_t words_least, words_most;
} commands[] = {
    {"tasks", FOR_TASKS, "[ID]", "List tasks, or show one", run_list, task_columns, 0, 1},
    {"workers", FOR_WORKERS, "[HOSTNAME]", "List workers, or show one", run_list, worker_columns, 0,
     1},
    {"queues", FOR_QUEUES, "[NAME]", "List queues, or show one", run_list, queue_columns, 0, 1},
    {"retry", FOR_RETRY, "ID", "Send a task again with the same arguments", run_retry, NULL, 1, 1},
    {"revoke", FOR_REVOKE, "ID", "Keep a task from running", run_revoke, NULL, 1, 1},
    {"inspect", FOR_INSPECT, "QUESTION [NAME=VALUE]...", "Query workers: ping, active, stats ...",
     cli_run_inspect, NULL, 1, WORDS_MAX},
    {"command", FOR_COMMAND, "METHOD [NAME=VALUE]...",
     "Control workers: pool_grow, rate_limit, shutdown ...", cli_run_command, NULL, 1, WORDS_MAX},
    {"jobs", FOR_JOBS, "[ID]", "List bulk jobs, or show one", run_list, job_columns, 0, 1},
    {"audit", FOR_AUDIT, "", "List actions: who did what, and the outcome", run_list, audit_columns,
     0, 0},
};
enum { COMMANDS = KN_COUNT_OF(commands) };

const char *cli_command_name(unsigned i)
{
    return i < COMMANDS ? commands[i].name : NULL;
}

const char *cli_command_help(unsigned i)
{
    return i < COMMANDS ? commands[i].help : NULL;
}

/* ---- asking and telling ---------------------------------------------------------------- */

void cli_flush(FILE *to, struct kn_buf *text)
{
    fwrite(text->data, 1, text->len, to);
    kn_buf_clear(text);
}

int cli_complain(const char *head, struct kn_str text, int code)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    kn_buf_printf(&out, NAME ": %s", head);
    kn_clean(&out, text);
    kn_buf_char(&out, '\n');
    cli_flush(stderr, &out);
    kn_buf_fini(&out);
    return code;
}

/* A problem document, or whatever else it is. */
static int complain_of(long code, struct kn_str body)
{
    char head[64];
    json_t *problem = kn_json_load(body, 0);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    snprintf(head, sizeof head, "%ld: ", code);
    int ret = cli_complain(head, detail ? kn_str_from(detail) : KN_STR("no details"), CLI_REFUSED);
    json_decref(problem);
    return ret;
}

json_t *cli_ask(const struct cli *cli, const char *method, const char *path, const char *body,
                long timeout_ms, int *ret_code)
{
    const struct cli_request request = {
        .method = method, .base = cli->url, .path = path, .body = body, .timeout_ms = timeout_ms};
    struct kn_buf answer, error;
    long code = 0;
    json_t *json = NULL;
    kn_buf_init(&answer, 0);
    kn_buf_init(&error, 0);
    *ret_code = KN_EXIT_OK;
    if (cli_request(&request, &code, &answer, &error) != KN_OK)
        *ret_code = cli_complain("", kn_buf_view(&error), CLI_UNREACHABLE);
    else if (code >= 300)
        *ret_code = complain_of(code, kn_buf_view(&answer));
    else if (!(json = kn_json_load(kn_buf_view(&answer), JSON_ALLOW_NUL)))
        *ret_code =
            cli_complain("", KN_STR("the answer is not JSON; check that --url is Kanchi's gateway"),
                         CLI_UNREACHABLE);
    else if (cli_given(cli, "json")) {
        struct kn_buf out;
        kn_buf_init(&out, 0);
        kn_clean_json(&out, kn_buf_view(&answer));
        kn_buf_char(&out, '\n');
        cli_flush(stdout, &out);
        kn_buf_fini(&out);
    }
    kn_buf_fini(&answer);
    kn_buf_fini(&error);
    return json;
}

/* The status of a task may be given in the API's words or in those of the tables. */
static const char *value_of(const struct cli_given *given)
{
    const char *status = NULL;
    if (given->value && strcmp(given->option->name, "status") == 0)
        status = kn_task_status_of_label(kn_str_from(given->value));
    return status ? status : given->value ? given->value : "true";
}

void cli_add_query(const struct cli *cli, struct kn_buf *path, const char *extra)
{
    char sign = '?';
    for (size_t i = 0; i < cli->n_given; i++) {
        if (!cli->given[i].option->query)
            continue;
        kn_buf_printf(path, "%c%s=", sign, cli->given[i].option->name);
        cli_encode(path, value_of(&cli->given[i]));
        sign = '&';
    }
    if (extra)
        kn_buf_printf(path, "%c%s", sign, extra);
}

static void show(const struct cli *cli, const json_t *json, const struct cli_column *columns)
{
    struct kn_buf out;
    const json_t *items = json_object_get(json, "items");
    if (cli_given(cli, "json"))
        return;
    kn_buf_init(&out, 0);
    if (json_is_array(items) && columns)
        cli_table(&out, items, columns, cli_width());
    else
        cli_members(&out, json);
    cli_flush(stdout, &out);
    if (items && json_is_string(json_object_get(json, "next_cursor")))
        cli_complain("next page: --cursor ",
                     kn_str_from(json_string_value(json_object_get(json, "next_cursor"))), 0);
    kn_buf_fini(&out);
}

static int request(struct cli *cli, const char *method, struct kn_buf *path,
                   const struct cli_column *columns, const char *body)
{
    int code;
    kn_buf_char(path, '\0');
    if (kn_buf_status(path) != KN_OK)
        return cli_complain("", KN_STR("the request is too long"), KN_EXIT_CONFIG);
    json_t *json = cli_ask(cli, method, path->data, body, TIMEOUT_MS, &code);
    if (json)
        show(cli, json, columns);
    json_decref(json);
    return code;
}

static int run_list(struct cli *cli)
{
    struct kn_buf path;
    bool messages = cli_given(cli, "messages");
    if (messages && cli->n_words == 0)
        return cli_complain("", KN_STR("--messages requires the name of a queue"), KN_EXIT_CONFIG);
    kn_buf_init(&path, 65536);
    kn_buf_printf(&path, "/api/v1/%s", cli->command->name);
    if (cli->n_words) {
        kn_buf_char(&path, '/');
        cli_encode(&path, cli->words[0]);
    }
    kn_buf_text(&path, messages ? "/messages" : "");
    cli_add_query(cli, &path, NULL);
    int code = request(cli, "GET", &path, messages ? message_columns : cli->command->columns, NULL);
    kn_buf_fini(&path);
    return code;
}

/* Adds "name":TEXT as the option has it: its numbers are not read and written again. */
static bool add_json(struct cli *cli, struct kn_buf *body, const char *name)
{
    const char *text = cli_given(cli, name);
    /* as real numbers: an integer of any size is allowed */
    json_t *value = text ? json_loads(text, JSON_DECODE_INT_AS_REAL, NULL) : NULL;
    if (value)
        kn_buf_printf(body, "%s\"%s\":%s", body->len > 1 ? "," : "", name, text);
    else if (text)
        cli_complain(name, KN_STR(" must be JSON, such as [1, \"a\"] or {\"n\": 1}"),
                     KN_EXIT_CONFIG);
    json_decref(value);
    return value || !text;
}

static int run_retry(struct cli *cli)
{
    struct kn_buf path, body;
    kn_buf_init(&path, 65536);
    kn_buf_init(&body, 0);
    kn_buf_text(&path, "/api/v1/tasks/");
    cli_encode(&path, cli->words[0]);
    kn_buf_text(&path, "/retry");
    cli_add_query(cli, &path, cli_given(cli, "dry-run") ? "dry_run=true" : NULL);
    kn_buf_char(&body, '{');
    int code = KN_EXIT_CONFIG;
    if (add_json(cli, &body, "args") && add_json(cli, &body, "kwargs")) {
        kn_buf_char(&body, '}');
        char *text = kn_buf_take(&body, NULL);
        if (text)
            code = request(cli, "POST", &path, NULL, text);
        free(text);
    }
    kn_buf_fini(&path);
    kn_buf_fini(&body);
    return code;
}

static int run_revoke(struct cli *cli)
{
    struct kn_buf path;
    kn_buf_init(&path, 65536);
    kn_buf_text(&path, "/api/v1/tasks/");
    cli_encode(&path, cli->words[0]);
    cli_add_query(cli, &path, cli_given(cli, "dry-run") ? "dry_run=true" : NULL);
    int code = request(cli, "DELETE", &path, NULL, NULL);
    kn_buf_fini(&path);
    return code;
}

/* ---- the command line ------------------------------------------------------------------ */

static int help(const struct command *command)
{
    printf("Usage: kanchi %s %s%s[options]\n\n%s\n\n", command->name, command->usage,
           *command->usage ? " " : "", command->help);
    for (size_t i = 0; i < OPTIONS; i++)
        if (options[i].commands & command->bit)
            printf("  --%-10s %-6s %s\n", options[i].name, options[i].value ? "VALUE" : "",
                   options[i].help);
    if (command->bit & (FOR_INSPECT | FOR_COMMAND)) {
        struct kn_buf text;
        kn_buf_init(&text, 0);
        for (const struct celery_method *one = celery_methods; one->name; one++) {
            if (one->action != (command->bit == FOR_COMMAND))
                continue;
            kn_buf_printf(&text, "\n  %s: %s\n", one->name, one->help);
            for (const struct celery_argument *a = one->arguments; a->name; a++) {
                kn_buf_printf(&text, "      %s=", a->name);
                celery_argument_describe(&text, a);
                kn_buf_printf(&text, "%s; %s\n", a->required ? " (required)" : "", a->help);
            }
        }
        cli_flush(stdout, &text);
        kn_buf_fini(&text);
    }
    printf("\nExit codes: 0 success, 1 refused, 2 invalid command line, 3 failed on some workers,\n"
           "4 no answer from the gateway.\n");
    return KN_EXIT_OK;
}

static const struct cli_option *find_option(const struct command *command, struct kn_str name)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (kn_str_eq(name, kn_str_from(options[i].name)) && options[i].commands & command->bit)
            return &options[i];
    return NULL;
}

static int read_option(struct cli *cli, int argc, char **argv, int *at)
{
    const char *word = argv[*at] + 2, *sign = strchr(word, '=');
    struct kn_str name = {word, sign ? (size_t)(sign - word) : strlen(word)};
    const struct cli_option *option = find_option(cli->command, name);
    if (!option)
        return cli_complain("unknown option; see --help: ", kn_str_from(argv[*at]), KN_EXIT_CONFIG);
    const char *value = sign ? sign + 1 : NULL;
    if (option->value && !value)
        value = *at + 1 < argc ? argv[++*at] : NULL;
    if (option->value != (value != NULL) || cli->n_given == WORDS_MAX)
        return cli_complain(option->value ? "option requires a value: " : "option takes no value: ",
                            name, KN_EXIT_CONFIG);
    cli->given[cli->n_given].option = option;
    cli->given[cli->n_given++].value = value;
    return KN_EXIT_OK;
}

static int complain_of_usage(const struct command *command)
{
    char usage[128];
    snprintf(usage, sizeof usage, "%s%s%s", command->name, *command->usage ? " " : "",
             command->usage);
    return cli_complain("usage: kanchi ", kn_str_from(usage), KN_EXIT_CONFIG);
}

static int read_line(struct cli *cli, int argc, char **argv)
{
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        int code = KN_EXIT_OK;
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (!only_words && strncmp(argv[i], "--", 2) == 0)
            code = read_option(cli, argc, argv, &i);
        else if (cli->n_words < WORDS_MAX)
            cli->words[cli->n_words++] = argv[i];
        if (code != KN_EXIT_OK)
            return code;
    }
    if (cli->n_words < cli->command->words_least || cli->n_words > cli->command->words_most)
        return complain_of_usage(cli->command);
    cli->url = cli_given(cli, "url");
    if (!cli->url)
        cli->url = getenv("KANCHI_URL");
    if (!cli->url || !*cli->url)
        cli->url = DEFAULT_URL;
    return KN_EXIT_OK;
}

int launcher_cli(int argc, char **argv)
{
    struct cli *cli = calloc(1, sizeof *cli);
    if (!cli)
        return CLI_REFUSED;
    setlocale(LC_CTYPE, "C.UTF-8"); /* for the width of characters */
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, argv[0]) == 0)
            cli->command = &commands[i];
    int code = KN_EXIT_OK;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            code = help(cli->command);
            free(cli);
            return code;
        }
    code = read_line(cli, argc, argv);
    if (code == KN_EXIT_OK)
        code = cli->command->run(cli);
    free(cli);
    return code;
}
