#include "services/launcher/screen.h"
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

static void show_brokers(const struct kn_config *config, const json_t *system)
{
    const json_t *ingestion = json_object_get(system, "ingestion");
    for (size_t i = 0; i < config->n_brokers; i++) {
        const struct kn_config_broker *broker = &config->brokers[i];
        const json_t *source = json_object_get(ingestion, broker->name);
        const char *state = text_of(source, "state"), *error = text_of(source, "error");
        struct kn_buf url;
        kn_buf_init(&url, 0);
        kn_config_url_shown(broker->url, &url);
        printf("  %-10s %s at %.*s: %s%s%s\n", i == 0 ? "Watching" : "", broker->name,
               KN_STR_ARG(kn_buf_view(&url)),
               strcmp(state, "away") == 0 ? "cannot be reached, trying again"
               : *state                   ? state
                                          : "connecting",
               *error ? ": " : "", error);
        kn_buf_fini(&url);
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

static void show_found(const struct kn_config *config, const json_t *system)
{
    size_t workers = count_of(config, "/api/v1/workers?limit=500");
    size_t queues = count_of(config, "/api/v1/queues?limit=500");
    long long tasks = sum_of(json_object_get(system, "tasks"));
    printf("  %-10s %zu worker%s, %zu queue%s, %lld task%s kept\n", "Found", workers,
           workers == 1 ? "" : "s", queues, queues == 1 ? "" : "s", tasks, tasks == 1 ? "" : "s");
}

static void show_findings(const json_t *system)
{
    const json_t *findings = json_object_get(system, "findings");
    for (size_t i = 0; i < json_array_size(findings) && i < 5; i++) {
        const json_t *finding = json_array_get(findings, i);
        printf("  %-10s %s\n", i == 0 ? "Noticed" : "", text_of(finding, "text"));
        if (*text_of(finding, "remedy"))
            printf("  %-10s   %s\n", "", text_of(finding, "remedy"));
    }
}

void screen_show(const struct kn_config *config, bool ready)
{
    char url[512];
    struct kn_buf database;
    json_t *system = NULL;
    ask_url(config->gateway.listen, url, sizeof(url));
    if (ask_gateway(config->gateway.listen, "/api/v1/system", &system) != KN_OK)
        system = NULL;
    kn_buf_init(&database, 0);
    kn_config_url_shown(config->storage.database, &database);
    printf("\n  Kanchi %s\n\n", KANCHI_VERSION);
    printf("  %-10s %s%s\n", "Dashboard", url, ready ? "" : " (not ready yet)");
    show_brokers(config, system);
    printf("  %-10s %.*s\n", "Data", KN_STR_ARG(kn_buf_view(&database)));
    if (system)
        show_found(config, system);
    show_findings(system);
    printf("\n  Ctrl-C stops it.\n\n");
    fflush(stdout);
    kn_buf_fini(&database);
    json_decref(system);
}
