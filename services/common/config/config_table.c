/* The rows of the table, made from the lists in config.h. */
#include "services/common/config/config_table.h"

#include "services/common/count.h"

#include <string.h>

#define ROW(section, holder, member, label, row_type, text, range, words)                          \
    {                                                                                              \
        section, label, CONFIG_##row_type, text, range, words, offsetof(holder, member)            \
    }

#define TOP_ROW(name, type, text, allowed, help)                                                   \
    ROW("", struct kn_config, name, #name, type, text, allowed, help),
#define BROKER_ROW(name, type, text, allowed, help)                                                \
    ROW("brokers", struct kn_config_broker, name, #name, type, text, allowed, help),
#define INGESTION_ROW(name, type, text, allowed, help)                                             \
    ROW("ingestion", struct kn_config, ingestion.name, #name, type, text, allowed, help),
#define STORAGE_ROW(name, type, text, allowed, help)                                               \
    ROW("storage", struct kn_config, storage.name, #name, type, text, allowed, help),
#define AGGREGATION_ROW(name, type, text, allowed, help)                                           \
    ROW("aggregation", struct kn_config, aggregation.name, #name, type, text, allowed, help),
#define CONTROL_ROW(name, type, text, allowed, help)                                               \
    ROW("control", struct kn_config, control.name, #name, type, text, allowed, help),
#define GATEWAY_ROW(name, type, text, allowed, help)                                               \
    ROW("gateway", struct kn_config, gateway.name, #name, type, text, allowed, help),
#define BUS_ROW(name, type, text, allowed, help)                                                   \
    ROW("bus", struct kn_config, bus.name, #name, type, text, allowed, help),
#define HEALTH_ROW(name, type, text, allowed, help)                                                \
    ROW("health", struct kn_config, health.name, #name, type, text, allowed, help),
#define LOG_ROW(name, type, text, allowed, help)                                                   \
    ROW("log", struct kn_config, log.name, #name, type, text, allowed, help),

const struct config_row config_rows[] = {
    KN_CONFIG_TOP(TOP_ROW) KN_CONFIG_INGESTION(INGESTION_ROW) KN_CONFIG_STORAGE(STORAGE_ROW)
        KN_CONFIG_AGGREGATION(AGGREGATION_ROW) KN_CONFIG_CONTROL(CONTROL_ROW)
            KN_CONFIG_GATEWAY(GATEWAY_ROW) KN_CONFIG_BUS(BUS_ROW) KN_CONFIG_HEALTH(HEALTH_ROW)
                KN_CONFIG_LOG(LOG_ROW)};
const size_t config_n_rows = KN_COUNT_OF(config_rows);

const struct config_row config_broker_rows[] = {KN_CONFIG_BROKER(BROKER_ROW)};
const size_t config_n_broker_rows = KN_COUNT_OF(config_broker_rows);

#define SECTION(name, table, help) {#name, help},
const struct config_section config_sections[] = {KN_CONFIG_SECTIONS(SECTION)};
const size_t config_n_sections = KN_COUNT_OF(config_sections);

const struct config_row *config_row_find(const char *section, struct kn_str name)
{
    bool broker = strcmp(section, "brokers") == 0;
    const struct config_row *rows = broker ? config_broker_rows : config_rows;
    size_t count = broker ? config_n_broker_rows : config_n_rows;
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].section, section) == 0 && kn_str_eq(kn_str_from(rows[i].name), name))
            return &rows[i];
    return NULL;
}

const struct config_row *config_secret_of(const struct config_row *row)
{
    size_t len = strlen(row->name);
    if (row->type != CONFIG_PATH || len < 6 || strcmp(row->name + len - 5, "_file") != 0)
        return NULL;
    return config_row_find(row->section, (struct kn_str){row->name, len - 5});
}
