/* Loading: defaults, then the file, then the environment, then the options,
 * each over the one before; then what belongs together is checked. */
#include "services/common/config/config.h"

#include "services/common/config/config_internal.h"
#include "services/common/text/mask.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kn_status config_fail(struct config_load *load, const char *place, const char *what)
{
    kn_buf_printf(load->error, "%s: %s", place, what);
    return KN_CONFIG;
}

bool config_is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

const char **config_text_at(void *base, const struct config_row *row)
{
    return (const char **)((char *)base + row->offset);
}

const char *config_join(struct config_load *load, const char *first, const char *second)
{
    struct kn_buf text;
    kn_buf_init(&text, 0);
    kn_buf_printf(&text, "%s%s", first, second);
    struct kn_str copy = kn_arena_str(load->arena, kn_buf_view(&text));
    kn_buf_fini(&text);
    return copy.ptr;
}

static void *base_of(struct config_load *load, const struct config_row *row, size_t index)
{
    return strcmp(row->section, "brokers") == 0 ? (void *)&load->config->brokers[index]
                                                : (void *)load->config;
}

/* Setting a secret forgets its file from a layer below, and the other way round. */
static void forget_twin(void *base, const struct config_row *row)
{
    char name[64];
    const struct config_row *twin = config_secret_of(row);
    if (!twin) {
        snprintf(name, sizeof(name), "%s_file", row->name);
        twin = config_row_find(row->section, kn_str_from(name));
    }
    if (twin)
        *config_text_at(base, twin) = "";
}

static enum kn_status apply(struct config_load *load, const struct config_row *row, size_t index,
                            const char *text, const char *place)
{
    struct kn_buf why;
    kn_buf_init(&why, 0);
    void *base = base_of(load, row, index);
    enum kn_status status = config_value_set(row, text, base, load->arena, &why);
    if (status == KN_CONFIG)
        kn_buf_printf(load->error, "%s: %.*s", place, KN_STR_ARG(kn_buf_view(&why)));
    else if (status == KN_OK)
        forget_twin(base, row);
    kn_buf_fini(&why);
    return status;
}

static enum kn_status apply_file_text(struct config_load *load, const struct config_row *row,
                                      size_t index, const char *text)
{
    char place[512];
    struct kn_buf why;
    kn_buf_init(&why, 0);
    enum kn_status status =
        config_value_set(row, text, base_of(load, row, index), load->arena, &why);
    if (status == KN_CONFIG) {
        snprintf(place, sizeof(place), "%s:%zu: %s%s%s", load->path,
                 config_file_line(&load->file, row->section, index, row->name), row->section,
                 *row->section ? "." : "", row->name);
        kn_buf_printf(load->error, "%s: %.*s", place, KN_STR_ARG(kn_buf_view(&why)));
    }
    if ((row->type == CONFIG_SECRET && *text) ||
        (row->type == CONFIG_URL && kn_url_has_password(text)))
        load->config->file_has_secret = true;
    kn_buf_fini(&why);
    return status;
}

/* A secret and its file in one layer: which one is meant? */
static enum kn_status check_twins(struct config_load *load, const struct config_row *rows,
                                  size_t count, const char *const *texts, size_t index)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_row *secret = config_secret_of(&rows[i]);
        if (!secret || !texts[i] || !texts[secret - rows])
            continue;
        kn_buf_printf(load->error,
                      "%s:%zu: %s.%s: cannot be combined with %s; set only one of them", load->path,
                      config_file_line(&load->file, rows[i].section, index, rows[i].name),
                      rows[i].section, rows[i].name, secret->name);
        return KN_CONFIG;
    }
    return KN_OK;
}

static enum kn_status apply_file_rows(struct config_load *load, const struct config_row *rows,
                                      size_t count, const char *const *texts, size_t index)
{
    enum kn_status status = check_twins(load, rows, count, texts, index);
    for (size_t i = 0; i < count && status == KN_OK; i++)
        if (texts[i])
            status = apply_file_text(load, &rows[i], index, texts[i]);
    return status;
}

static enum kn_status apply_file(struct config_load *load)
{
    const struct config_file *file = &load->file;
    enum kn_status status =
        file->texts ? apply_file_rows(load, config_rows, config_n_rows, file->texts, 0) : KN_OK;
    if (load->broker_options > 0)
        return status;
    for (size_t i = 0; i < file->n_brokers && status == KN_OK; i++) {
        load->config->brokers[i].queues = file->brokers[i].queues;
        if (file->brokers[i].priority_steps.count)
            load->config->brokers[i].priority_steps = file->brokers[i].priority_steps;
        status = apply_file_rows(load, config_broker_rows, config_n_broker_rows,
                                 file->brokers[i].texts, i);
    }
    return status;
}

static enum kn_status apply_defaults(struct config_load *load, const struct config_row *rows,
                                     size_t count, void *base)
{
    for (size_t i = 0; i < count; i++) {
        enum kn_status status =
            config_value_set(&rows[i], rows[i].fallback, base, load->arena, load->error);
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

static size_t highest_broker(const struct config_settings *settings, size_t so_far)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->items[i].row->section, "brokers") == 0 &&
            settings->items[i].index + 1 > so_far)
            so_far = settings->items[i].index + 1;
    return so_far;
}

static enum kn_status make_brokers(struct config_load *load)
{
    size_t count = load->broker_options ? load->broker_options : load->file.n_brokers;
    count = highest_broker(&load->env, highest_broker(&load->options, count ? count : 1));
    load->config->brokers = kn_arena_array(load->arena, count, sizeof(*load->config->brokers));
    if (!load->config->brokers)
        return KN_NOMEM;
    load->config->n_brokers = count;
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < count && status == KN_OK; i++)
        status = apply_defaults(load, config_broker_rows, config_n_broker_rows,
                                &load->config->brokers[i]);
    return status;
}

static enum kn_status apply_settings(struct config_load *load,
                                     const struct config_settings *settings)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < settings->count && status == KN_OK; i++) {
        const struct config_setting *one = &settings->items[i];
        status = apply(load, one->row, one->index, one->text, one->place);
    }
    return status;
}

static enum kn_status load_layers(struct config_load *load)
{
    enum kn_status status = config_read_options(load);
    if (status != KN_OK || load->config->help || load->config->version)
        return status;
    status = config_read_env(load);
    if (status == KN_OK && *load->path)
        status = config_file_load(&load->file, load->path, load->arena, load->error);
    if (status == KN_OK)
        status = apply_defaults(load, config_rows, config_n_rows, load->config);
    if (status == KN_OK)
        status = make_brokers(load);
    if (status == KN_OK)
        status = apply_file(load);
    if (status == KN_OK)
        status = apply_settings(load, &load->env);
    if (status == KN_OK)
        status = apply_settings(load, &load->options);
    return status == KN_OK ? config_check_all(load) : status;
}

enum kn_status kn_config_load(struct kn_config *config, const struct kn_config_from *from,
                              struct kn_buf *error)
{
    memset(config, 0, sizeof(*config));
    config->file = "";
    kn_arena_init(&config->arena, 0);
    struct config_load load = {
        .config = config, .from = from, .error = error, .arena = &config->arena, .path = ""};
    enum kn_status status = load_layers(&load);
    if (status == KN_OK && *load.path)
        config->file = config_join(&load, load.path, "");
    config_file_fini(&load.file);
    if (status == KN_OK && config->arena.overflow)
        status = KN_NOMEM;
    if (status != KN_OK && status != KN_CONFIG)
        kn_buf_text(error, kn_status_text(status));
    if (status != KN_OK)
        kn_config_fini(config);
    return status;
}

void kn_config_fini(struct kn_config *config)
{
    kn_arena_fini(&config->arena);
    memset(config, 0, sizeof(*config));
}

bool kn_config_is_source(struct kn_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!config_is_name_char(name.ptr[i]))
            return false;
    return name.len > 0 && name.len <= KN_SOURCE_MAX && name.ptr[0] != '.';
}

enum kn_status kn_config_broker(const struct kn_config *config, const char *source,
                                const struct kn_config_broker **ret, struct kn_buf *error)
{
    for (size_t i = 0; i < config->n_brokers; i++)
        if (strcmp(config->brokers[i].name, source) == 0 || (!*source && config->n_brokers == 1)) {
            *ret = &config->brokers[i];
            return KN_OK;
        }
    if (*source)
        kn_buf_printf(error, "\"%s\" is not the name of a broker; allowed:", source);
    else
        kn_buf_text(error, "there are several brokers; choose one with --source:");
    for (size_t i = 0; i < config->n_brokers; i++)
        kn_buf_printf(error, "%s %s", i ? "," : "", config->brokers[i].name);
    return KN_CONFIG;
}

const char *kn_config_control_address(struct kn_config *config, const char *source)
{
    const char *template = config->bus.control;
    const char *mark = strstr(template, "{source}");
    if (!mark)
        return template;
    struct kn_buf text;
    kn_buf_init(&text, 0);
    kn_buf_printf(&text, "%.*s%s%s", (int)(mark - template), template, source, mark + 8);
    struct kn_str copy = kn_arena_str(&config->arena, kn_buf_view(&text));
    kn_buf_fini(&text);
    return copy.ptr;
}

bool kn_config_split_address(const char *address, char *ret_host, size_t size, int *ret_port)
{
    const char *colon = strrchr(address, ':');
    uint64_t port;
    if (!colon || !kn_str_to_u64(kn_str_from(colon + 1), &port) || port > 65535)
        return false;
    size_t len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    } else if (memchr(address, ':', len)) {
        return false;
    }
    if (len >= size)
        return false;
    memcpy(ret_host, address, len);
    ret_host[len] = '\0';
    *ret_port = (int)port;
    return true;
}
