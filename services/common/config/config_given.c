/* What the options and the environment say, as settings in the order in which they apply. */
#include "services/common/config/config_foreign.h"
#include "services/common/config/config_internal.h"
#include "services/common/count.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* --- options --- */

static const struct {
    const char *option;
    const char *section;
    const char *name;
} short_options[] = {
    {"data", "", "data"},
    {"listen", "gateway", "listen"},
    {"database", "storage", "database"},
};

static void push(struct config_settings *to, const struct config_row *row, size_t index,
                 const char *text, const char *place)
{
    to->items[to->count++] = (struct config_setting){row, index, text, place};
}

/* "--broker URL" or "--broker name=URL", the next in the list. */
static enum kn_status add_broker(struct config_load *load, const char *text)
{
    size_t index = load->broker_options++;
    if (index >= CONFIG_BROKERS_MAX)
        return config_fail(load, "--broker", "may be repeated at most 256 times");
    size_t len = 0;
    while (config_is_name_char(text[len]))
        len++;
    if (len > 0 && text[len] == '=') {
        struct kn_str name = kn_arena_str(load->arena, (struct kn_str){text, len});
        if (!name.ptr)
            return KN_NOMEM;
        push(&load->options, config_row_find("brokers", KN_STR("name")), index, name.ptr,
             "--broker");
        text += len + 1;
    }
    push(&load->options, config_row_find("brokers", KN_STR("url")), index, text, "--broker");
    return KN_OK;
}

/* "ingestion.inflight", "brokers.0.url", "data". NULL when there is no such key. */
static const struct config_row *find_path(struct kn_str path, size_t *ret_index)
{
    char section[32];
    const char *dot = memchr(path.ptr, '.', path.len);
    if (!dot)
        return config_row_find("", path);
    struct kn_str rest = {dot + 1, path.len - (size_t)(dot + 1 - path.ptr)};
    if ((size_t)(dot - path.ptr) >= sizeof(section))
        return NULL;
    snprintf(section, sizeof(section), "%.*s", (int)(dot - path.ptr), path.ptr);
    if (strcmp(section, "brokers") == 0) {
        uint64_t index;
        const char *next = memchr(rest.ptr, '.', rest.len);
        if (!next || !kn_str_to_u64((struct kn_str){rest.ptr, (size_t)(next - rest.ptr)}, &index) ||
            index >= CONFIG_BROKERS_MAX)
            return NULL;
        *ret_index = (size_t)index;
        rest = (struct kn_str){next + 1, rest.len - (size_t)(next + 1 - rest.ptr)};
    }
    return config_row_find(section, rest);
}

static enum kn_status add_option(struct config_load *load, const char *place, struct kn_str key,
                                 const char *text)
{
    size_t index = 0;
    if (kn_str_eq(key, KN_STR("config"))) {
        load->path = text;
        return KN_OK;
    }
    if (kn_str_eq(key, KN_STR("broker")))
        return add_broker(load, text);
    if (kn_str_eq(key, KN_STR("source"))) {
        push(&load->options, config_row_find("ingestion", key), 0, text, place);
        push(&load->options, config_row_find("control", key), 0, text, place);
        return KN_OK;
    }
    const struct config_row *row = find_path(key, &index);
    for (size_t i = 0; i < KN_COUNT_OF(short_options); i++)
        if (kn_str_eq(key, kn_str_from(short_options[i].option)))
            row = config_row_find(short_options[i].section, kn_str_from(short_options[i].name));
    if (!row)
        return config_fail(load, place, "unknown option; see --help");
    push(&load->options, row, index, text, place);
    return KN_OK;
}

static bool is_flag(const char *arg, const char *name, const char *letter)
{
    return strcmp(arg, name) == 0 || strcmp(arg, letter) == 0;
}

enum kn_status config_read_options(struct config_load *load)
{
    const struct kn_config_from *from = load->from;
    load->options.items =
        kn_arena_array(load->arena, 2 * from->argc + 1, sizeof(*load->options.items));
    if (!load->options.items)
        return KN_NOMEM;
    for (size_t i = 0; i < from->argc; i++) {
        const char *arg = from->argv[i];
        if (is_flag(arg, "--help", "-h")) {
            load->config->help = true;
            continue;
        }
        if (is_flag(arg, "--version", "-V")) {
            load->config->version = true;
            continue;
        }
        if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0')
            return config_fail(load, arg, "unknown argument; see --help");
        struct kn_str key = {arg + 2, strcspn(arg + 2, "=")};
        struct kn_str place = kn_arena_str(load->arena, (struct kn_str){arg, key.len + 2});
        const char *text = arg[2 + key.len] == '=' ? arg + 3 + key.len : NULL;
        if (!text && ++i == from->argc)
            return config_fail(load, arg, "requires a value");
        enum kn_status status =
            place.ptr ? add_option(load, place.ptr, key, text ? text : from->argv[i]) : KN_NOMEM;
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

/* --- environment --- */

/* Whether rest of a variable ("INGESTION_INFLIGHT") is section and name. */
static bool env_matches(const char *rest, size_t len, const char *section, const char *name)
{
    char full[128];
    int n = snprintf(full, sizeof(full), "%s%s%s", section, *section ? "_" : "", name);
    if (n < 0 || (size_t)n != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (toupper((unsigned char)full[i]) != rest[i])
            return false;
    return true;
}

/* BROKER_URL is the first broker's, BROKERS_1_URL the second's. */
static const struct config_row *env_broker(const char *rest, size_t len, size_t *ret_index)
{
    *ret_index = 0;
    if (strncmp(rest, "BROKERS_", 8) == 0) {
        size_t digits = strspn(rest + 8, "0123456789");
        uint64_t index;
        if (!kn_str_to_u64((struct kn_str){rest + 8, digits}, &index) ||
            index >= CONFIG_BROKERS_MAX || rest[8 + digits] != '_')
            return NULL;
        *ret_index = (size_t)index;
        rest += 9 + digits;
        len -= 9 + digits;
    } else if (strncmp(rest, "BROKER_", 7) == 0) {
        rest += 7;
        len -= 7;
    } else {
        return NULL;
    }
    for (size_t i = 0; i < config_n_broker_rows; i++)
        if (env_matches(rest, len, "", config_broker_rows[i].name))
            return &config_broker_rows[i];
    return NULL;
}

static enum kn_status add_env(struct config_load *load, const char *variable)
{
    size_t len = strcspn(variable, "=");
    const char *rest = variable + 7;
    size_t rest_len = len - 7, index = 0;
    if (variable[len] != '=')
        return KN_OK;
    if (config_is_foreign(variable, load->from->env)) {
        load->config->n_foreign++;
        return KN_OK;
    }
    if (env_matches(rest, rest_len, "", "config")) {
        load->path = *load->path ? load->path : variable + len + 1;
        return KN_OK;
    }
    const struct config_row *row = env_broker(rest, rest_len, &index);
    for (size_t i = 0; !row && i < config_n_rows; i++)
        if (env_matches(rest, rest_len, config_rows[i].section, config_rows[i].name))
            row = &config_rows[i];
    struct kn_str place = kn_arena_str(load->arena, (struct kn_str){variable, len});
    if (!place.ptr)
        return KN_NOMEM;
    if (row)
        push(&load->env, row, index, variable + len + 1, place.ptr);
    else
        return config_fail(load, place.ptr, "unknown variable; see --help");
    return KN_OK;
}

enum kn_status config_read_env(struct config_load *load)
{
    size_t count = 0;
    const char *const *env = load->from->env;
    for (size_t i = 0; env && env[i]; i++)
        count += strncmp(env[i], "KANCHI_", 7) == 0;
    load->env.items = kn_arena_array(load->arena, count + 1, sizeof(*load->env.items));
    if (!load->env.items)
        return KN_NOMEM;
    for (size_t i = 0; env && env[i]; i++) {
        enum kn_status status = strncmp(env[i], "KANCHI_", 7) == 0 ? add_env(load, env[i]) : KN_OK;
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}
