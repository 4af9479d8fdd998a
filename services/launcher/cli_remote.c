/* `kanchi inspect` and `kanchi command`: questions and commands to workers. */
#include "services/celery/remote/methods.h"
#include "services/common/process/service.h"
#include "services/common/text/clean.h"
#include "services/common/text/json.h"
#include "services/launcher/cli.h"
#include "services/launcher/cli_http.h"
#include "services/launcher/cli_internal.h"
#include "services/launcher/cli_show.h"

#include <stdlib.h>

enum { MARGIN_MS = 15000 };

/* "n=3", "task_id=a,b", "headers={...}" as a member; what is no JSON is a text. */
static bool add_argument(json_t *arguments, const struct celery_method *method, const char *word)
{
    const char *sign = strchr(word, '=');
    if (!sign || sign == word)
        return false;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(sign - word), word);
    enum celery_argument_type type = CELERY_ARGUMENT_TEXT;
    for (const struct celery_argument *one = method->arguments; one->name; one++)
        if (strcmp(one->name, name) == 0)
            type = one->type;
    bool text = type == CELERY_ARGUMENT_TEXT || type == CELERY_ARGUMENT_SIGNAL ||
                type == CELERY_ARGUMENT_EXCHANGE_TYPE ||
                (type == CELERY_ARGUMENT_TEXTS && sign[1] != '[');
    json_t *value = text ? NULL : kn_json_load(kn_str_from(sign + 1), JSON_DECODE_ANY);
    if (!value)
        value = json_string(sign + 1);
    return value && json_object_set_new(arguments, name, value) == 0;
}

static int read_arguments(struct cli *cli, bool actions, const struct celery_method **ret_method,
                          json_t **ret)
{
    const struct celery_method *method = celery_method_find(kn_str_from(cli->words[0]));
    struct kn_buf text;
    kn_buf_init(&text, 0);
    if (!method || (method->action && !actions)) {
        kn_buf_printf(&text, "unknown %s \"%s\"; allowed are ", actions ? "command" : "question",
                      cli->words[0]);
        celery_method_names(&text, true, actions);
        int code = cli_complain("", kn_buf_view(&text), KN_EXIT_CONFIG);
        kn_buf_fini(&text);
        return code;
    }
    json_t *arguments = json_object();
    int code = KN_EXIT_OK;
    for (size_t i = 1; i < cli->n_words && code == KN_EXIT_OK; i++)
        if (!add_argument(arguments, method, cli->words[i]))
            code = cli_complain("arguments must be NAME=VALUE: ", kn_str_from(cli->words[i]),
                                KN_EXIT_CONFIG);
    char *json = json_dumps(arguments, JSON_COMPACT);
    struct kn_buf sent;
    kn_buf_init(&sent, 0);
    if (code == KN_EXIT_OK && celery_method_check(method, kn_str_from(json), &sent, &text) != KN_OK)
        code = cli_complain("", kn_buf_view(&text), KN_EXIT_CONFIG);
    kn_buf_fini(&sent);
    kn_buf_fini(&text);
    free(json);
    *ret_method = method;
    *ret = arguments;
    return code;
}

static const struct cli_column reply_columns[] = {
    {"WORKER", "worker", false}, {"OK", "ok", false}, {"ANSWER", "answer", true}, {0}};

/* One row for each worker: its answer, its error, or that there is none. */
static int show_replies(const struct cli *cli, const json_t *json)
{
    const json_t *replies = json_object_get(json, "replies");
    const json_t *missing = json_object_get(json, "missing");
    bool dry_run = json_is_true(json_object_get(json, "dry_run"));
    bool failed = json_array_size(missing) > 0 || (json_array_size(replies) == 0 && !dry_run);
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(replies); i++) {
        json_t *row = json_deep_copy(json_array_get(replies, i));
        bool ok = json_is_true(json_object_get(row, "ok"));
        json_object_set(row, "answer", json_object_get(row, ok ? "value" : "error"));
        json_object_set_new(row, "ok", json_string(ok ? "yes" : "no"));
        json_array_append_new(rows, row);
        failed = failed || !ok;
    }
    const json_t *others = dry_run ? json_object_get(json, "workers") : missing;
    for (size_t i = 0; i < json_array_size(others); i++) {
        json_t *row = json_object();
        json_object_set(row, "worker", json_array_get(others, i));
        json_object_set_new(row, "ok", json_string(dry_run ? "-" : "?"));
        json_object_set_new(row, "answer", json_string(dry_run ? "would be sent" : "no reply"));
        json_array_append_new(rows, row);
    }
    if (!cli_given(cli, "json")) {
        struct kn_buf out;
        kn_buf_init(&out, 0);
        cli_table(&out, rows, reply_columns, cli_width());
        const char *note = json_string_value(json_object_get(json, "note"));
        kn_clean(&out, kn_str_from(note ? note : ""));
        kn_buf_text(&out, note ? "\n" : "");
        cli_flush(stdout, &out);
        kn_buf_fini(&out);
    }
    json_decref(rows);
    return failed ? CLI_PARTLY : KN_EXIT_OK;
}

static long patience_of(const struct cli *cli)
{
    const char *timeout = cli_given(cli, "timeout");
    return timeout ? (long)(strtod(timeout, NULL) * 1000) + MARGIN_MS : TIMEOUT_MS + MARGIN_MS;
}

static int ask_workers(struct cli *cli, const char *method, struct kn_buf *path, const char *body)
{
    int code;
    kn_buf_char(path, '\0');
    json_t *json = cli_ask(cli, method, path->data, body, patience_of(cli), &code);
    if (json)
        code = show_replies(cli, json);
    json_decref(json);
    return code;
}

int cli_run_inspect(struct cli *cli)
{
    const struct celery_method *method;
    json_t *arguments = NULL;
    struct kn_buf path;
    int code = read_arguments(cli, false, &method, &arguments);
    kn_buf_init(&path, 65536);
    if (code == KN_EXIT_OK || (cli_given(cli, "id") && cli->n_words == 1)) {
        struct kn_buf extra;
        kn_buf_init(&extra, 65536);
        if (json_object_size(arguments)) {
            char *json = json_dumps(arguments, JSON_COMPACT);
            kn_buf_text(&extra, "arguments=");
            cli_encode(&extra, json ? json : "");
            free(json);
        }
        kn_buf_char(&extra, '\0');
        kn_buf_printf(&path, "/api/v1/inspect/%s", method->name);
        cli_add_query(cli, &path, extra.data[0] ? extra.data : NULL);
        code = ask_workers(cli, "GET", &path, NULL);
        kn_buf_fini(&extra);
    }
    json_decref(arguments);
    kn_buf_fini(&path);
    return code;
}

/* The body: arguments, source, workers or pattern, timeout. */
static json_t *write_body(const struct cli *cli, json_t *arguments)
{
    json_t *body = json_object(), *workers = json_array();
    for (size_t i = 0; i < cli->n_given; i++)
        if (strcmp(cli->given[i].option->name, "worker") == 0)
            json_array_append_new(workers, json_string(cli->given[i].value));
    if (json_array_size(workers))
        json_object_set(body, "workers", workers);
    json_decref(workers);
    static const char *const texts[] = {"source", "pattern"};
    for (size_t i = 0; i < 2; i++)
        if (cli_given(cli, texts[i]))
            json_object_set_new(body, texts[i], json_string(cli_given(cli, texts[i])));
    if (cli_given(cli, "timeout"))
        json_object_set_new(body, "timeout", json_real(strtod(cli_given(cli, "timeout"), NULL)));
    json_object_set(body, "arguments", arguments);
    return body;
}

int cli_run_command(struct cli *cli)
{
    const struct celery_method *method = NULL;
    json_t *arguments = NULL;
    struct kn_buf path;
    int code = read_arguments(cli, true, &method, &arguments);
    size_t whom =
        !!cli_given(cli, "worker") + !!cli_given(cli, "pattern") + !!cli_given(cli, "all");
    if (code == KN_EXIT_OK && whom != 1)
        code = cli_complain("",
                            KN_STR("choose the workers with --worker (may be repeated), "
                                   "--pattern or --all"),
                            KN_EXIT_CONFIG);
    kn_buf_init(&path, 65536);
    if (code == KN_EXIT_OK && method) {
        json_t *body = write_body(cli, arguments);
        char *text = json_dumps(body, JSON_COMPACT);
        kn_buf_printf(&path, "/api/v1/commands/%s%s", method->name,
                      cli_given(cli, "dry-run") ? "?dry_run=true" : "");
        code = ask_workers(cli, "POST", &path, text ? text : "{}");
        free(text);
        json_decref(body);
    }
    json_decref(arguments);
    kn_buf_fini(&path);
    return code;
}
