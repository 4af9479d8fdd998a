#include "services/launcher/screen.h"
#include "services/common/text/clean.h"
#include "services/common/text/mask.h"
#include "services/launcher/ask.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* How many the first page of a list has; at most 500. */
static size_t count_of(const struct kn_config *config, const char *path)
{
    json_t *page = NULL;
    if (ask_gateway(config->gateway.listen, path, &page) != KN_OK)
        return 0;
    size_t count = json_array_size(json_object_get(page, "items"));
    json_decref(page);
    return count;
}

enum screen_news screen_news(const struct kn_config *config)
{
    json_t *system = NULL;
    if (ask_gateway(config->gateway.listen, "/api/v1/system", &system) != KN_OK)
        return SCREEN_NOTHING;
    const json_t *ingestion = json_object_get(system, "ingestion");
    size_t known = 0;
    for (size_t i = 0; i < config->n_brokers; i++) {
        const char *state = text_of(json_object_get(ingestion, config->brokers[i].name), "state");
        known += strcmp(state, "connected") == 0 || strcmp(state, "away") == 0;
    }
    json_decref(system);
    if (known < config->n_brokers)
        return SCREEN_NOTHING;
    return count_of(config, "/api/v1/workers?limit=1") > 0 ? SCREEN_WORKERS : SCREEN_BROKERS;
}

/* A URL as people may see it. */
static void add_url(struct kn_buf *out, const char *url)
{
    struct kn_buf shown;
    kn_buf_init(&shown, 0);
    kn_mask_url(url, &shown);
    kn_clean(out, kn_buf_view(&shown));
    kn_buf_fini(&shown);
}

/* What a broker's state is called here; an unknown one is a text from outside. */
static const char *state_of(const json_t *source)
{
    const char *state = text_of(source, "state");
    if (strcmp(state, "away") == 0)
        return "unreachable, retrying";
    return *state ? state : "connecting";
}

/* Errors are the words of brokers: anybody's. */
static void show_brokers(struct kn_buf *out, const struct kn_config *config, const json_t *system)
{
    const json_t *ingestion = json_object_get(system, "ingestion");
    for (size_t i = 0; i < config->n_brokers; i++) {
        const struct kn_config_broker *broker = &config->brokers[i];
        const json_t *source = json_object_get(ingestion, broker->name);
        const char *error = text_of(source, "error");
        kn_buf_printf(out, "  %-10s %s at ", i == 0 ? "Watching" : "", broker->name);
        add_url(out, broker->url);
        kn_buf_text(out, ": ");
        kn_clean(out, kn_str_from(state_of(source)));
        kn_buf_text(out, *error ? ": " : "");
        kn_clean(out, kn_str_from(error));
        kn_buf_char(out, '\n');
    }
}

static long long sum_of(const json_t *counts)
{
    long long sum = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)counts, key, value) sum += json_integer_value(value);
    return sum;
}

static void show_found(struct kn_buf *out, const struct kn_config *config, const json_t *system)
{
    size_t workers = count_of(config, "/api/v1/workers?limit=500");
    size_t queues = count_of(config, "/api/v1/queues?limit=500");
    long long tasks = sum_of(json_object_get(system, "tasks"));
    kn_buf_printf(out, "  %-10s %zu worker%s, %zu queue%s, %lld task%s kept\n", "Found", workers,
                  workers == 1 ? "" : "s", queues, queues == 1 ? "" : "s", tasks,
                  tasks == 1 ? "" : "s");
}

/* They quote names of workers and queues: anybody's, too. */
static void show_findings(struct kn_buf *out, const json_t *system)
{
    const json_t *findings = json_object_get(system, "findings");
    for (size_t i = 0; i < json_array_size(findings) && i < 5; i++) {
        const json_t *finding = json_array_get(findings, i);
        const char *remedy = text_of(finding, "remedy");
        kn_buf_printf(out, "  %-10s ", i == 0 ? "Noticed" : "");
        kn_clean(out, kn_str_from(text_of(finding, "text")));
        kn_buf_text(out, *remedy ? "\n               " : "");
        kn_clean(out, kn_str_from(remedy));
        kn_buf_char(out, '\n');
    }
}

void screen_show(const struct kn_config *config, bool ready)
{
    char url[512];
    struct kn_buf out;
    json_t *system = NULL;
    ask_url(config->gateway.listen, url, sizeof(url));
    if (ask_gateway(config->gateway.listen, "/api/v1/system", &system) != KN_OK)
        system = NULL;
    kn_buf_init(&out, 0);
    kn_buf_printf(&out, "\n  Kanchi %s\n\n", KANCHI_VERSION);
    kn_buf_printf(&out, "  %-10s %s%s\n", "Dashboard", url, ready ? "" : " (not ready yet)");
    show_brokers(&out, config, system);
    kn_buf_printf(&out, "  %-10s ", "Data");
    add_url(&out, config->storage.database);
    kn_buf_char(&out, '\n');
    if (system)
        show_found(&out, config, system);
    show_findings(&out, system);
    kn_buf_text(&out, "\n  Press Ctrl-C to stop.\n\n");
    fwrite(out.data, 1, out.len, stdout);
    fflush(stdout);
    kn_buf_fini(&out);
    json_decref(system);
}
