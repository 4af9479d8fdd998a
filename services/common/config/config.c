/* Loading: defaults, then the file, then the environment, then the options,
 * each over the one before; then what belongs together is checked. */
#include "services/common/config/config.h"

#include "services/common/config/config_foreign.h"
#include "services/common/config/config_table.h"
#include "services/common/count.h"
#include "services/common/text/loopback.h"
#include "services/common/text/mask.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET_FILE_MAX 65536
#define BROKERS_MAX 256

/* A value from the environment or the options. */
struct setting {
    const struct config_row *row;
    size_t index; /* of the broker */
    const char *text;
    const char *place; /* "--data", "KANCHI_DATA" */
};

struct settings {
    struct setting *items;
    size_t count;
};

struct load {
    struct kn_config *config;
    const struct kn_config_from *from;
    struct kn_buf *error;
    struct kn_arena *arena;
    struct config_file file;
    struct settings env;
    struct settings options;
    const char *path;      /* of the file; "" for none */
    size_t broker_options; /* how many --broker there are */
};

static enum kn_status fail(struct load *load, const char *place, const char *what)
{
    kn_buf_printf(load->error, "%s: %s", place, what);
    return KN_CONFIG;
}

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

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static void push(struct settings *to, const struct config_row *row, size_t index, const char *text,
                 const char *place)
{
    to->items[to->count++] = (struct setting){row, index, text, place};
}

/* "--broker URL" or "--broker name=URL", the next in the list. */
static enum kn_status add_broker(struct load *load, const char *text)
{
    size_t index = load->broker_options++;
    if (index >= BROKERS_MAX)
        return fail(load, "--broker", "may be repeated at most 256 times");
    size_t len = 0;
    while (is_name_char(text[len]))
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
            index >= BROKERS_MAX)
            return NULL;
        *ret_index = (size_t)index;
        rest = (struct kn_str){next + 1, rest.len - (size_t)(next + 1 - rest.ptr)};
    }
    return config_row_find(section, rest);
}

static enum kn_status add_option(struct load *load, const char *place, struct kn_str key,
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
        return fail(load, place, "unknown option; see --help");
    push(&load->options, row, index, text, place);
    return KN_OK;
}

static bool is_flag(const char *arg, const char *name, const char *letter)
{
    return strcmp(arg, name) == 0 || strcmp(arg, letter) == 0;
}

static enum kn_status read_options(struct load *load)
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
            return fail(load, arg, "unknown argument; see --help");
        struct kn_str key = {arg + 2, strcspn(arg + 2, "=")};
        struct kn_str place = kn_arena_str(load->arena, (struct kn_str){arg, key.len + 2});
        const char *text = arg[2 + key.len] == '=' ? arg + 3 + key.len : NULL;
        if (!text && ++i == from->argc)
            return fail(load, arg, "requires a value");
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
        if (!kn_str_to_u64((struct kn_str){rest + 8, digits}, &index) || index >= BROKERS_MAX ||
            rest[8 + digits] != '_')
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

static enum kn_status add_env(struct load *load, const char *variable)
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
        return fail(load, place.ptr, "unknown variable; see --help");
    return KN_OK;
}

static enum kn_status read_env(struct load *load)
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

/* --- one over the other --- */

static const char **text_at(void *base, const struct config_row *row)
{
    return (const char **)((char *)base + row->offset);
}

static void *base_of(struct load *load, const struct config_row *row, size_t index)
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
        *text_at(base, twin) = "";
}

static enum kn_status apply(struct load *load, const struct config_row *row, size_t index,
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

static enum kn_status apply_file_text(struct load *load, const struct config_row *row, size_t index,
                                      const char *text)
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
static enum kn_status check_twins(struct load *load, const struct config_row *rows, size_t count,
                                  const char *const *texts, size_t index)
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

static enum kn_status apply_file_rows(struct load *load, const struct config_row *rows,
                                      size_t count, const char *const *texts, size_t index)
{
    enum kn_status status = check_twins(load, rows, count, texts, index);
    for (size_t i = 0; i < count && status == KN_OK; i++)
        if (texts[i])
            status = apply_file_text(load, &rows[i], index, texts[i]);
    return status;
}

static enum kn_status apply_file(struct load *load)
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

static enum kn_status apply_defaults(struct load *load, const struct config_row *rows, size_t count,
                                     void *base)
{
    for (size_t i = 0; i < count; i++) {
        enum kn_status status =
            config_value_set(&rows[i], rows[i].fallback, base, load->arena, load->error);
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

static size_t highest_broker(const struct settings *settings, size_t so_far)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->items[i].row->section, "brokers") == 0 &&
            settings->items[i].index + 1 > so_far)
            so_far = settings->items[i].index + 1;
    return so_far;
}

static enum kn_status make_brokers(struct load *load)
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

static enum kn_status apply_settings(struct load *load, const struct settings *settings)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < settings->count && status == KN_OK; i++) {
        const struct setting *one = &settings->items[i];
        status = apply(load, one->row, one->index, one->text, one->place);
    }
    return status;
}

/* --- what belongs together --- */

static const char *join(struct load *load, const char *first, const char *second)
{
    struct kn_buf text;
    kn_buf_init(&text, 0);
    kn_buf_printf(&text, "%s%s", first, second);
    struct kn_str copy = kn_arena_str(load->arena, kn_buf_view(&text));
    kn_buf_fini(&text);
    return copy.ptr;
}

static enum kn_status read_secret(struct load *load, void *base, const struct config_row *row)
{
    const struct config_row *secret = config_secret_of(row);
    if (!secret || !*text_at(base, row)[0])
        return KN_OK;
    const char *path = *text_at(base, row);
    char content[SECRET_FILE_MAX];
    FILE *in = fopen(path, "re");
    size_t len = in ? fread(content, 1, sizeof(content) - 1, in) : 0;
    bool failed = !in || ferror(in) || len == sizeof(content) - 1;
    if (failed)
        kn_buf_printf(load->error, "%s.%s: cannot read %s: %s", row->section, row->name, path,
                      in ? "not a regular file, or 64 KB or larger" : strerror(errno));
    if (in)
        fclose(in);
    if (failed)
        return KN_CONFIG;
    while (len > 0 && isspace((unsigned char)content[len - 1]))
        len--;
    content[len] = '\0';
    struct kn_buf why;
    kn_buf_init(&why, 0);
    enum kn_status status = config_value_set(secret, content, base, load->arena, &why);
    if (status == KN_CONFIG)
        kn_buf_printf(load->error, "%s: %.*s", path, KN_STR_ARG(kn_buf_view(&why)));
    kn_buf_fini(&why);
    explicit_bzero(content, sizeof(content));
    return status;
}

static enum kn_status read_secrets(struct load *load)
{
    struct kn_config *config = load->config;
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < config_n_rows && status == KN_OK; i++)
        status = read_secret(load, config, &config_rows[i]);
    for (size_t b = 0; b < config->n_brokers; b++)
        for (size_t i = 0; i < config_n_broker_rows && status == KN_OK; i++)
            status = read_secret(load, &config->brokers[b], &config_broker_rows[i]);
    return status;
}

bool kn_config_is_source(struct kn_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_char(name.ptr[i]))
            return false;
    return name.len > 0 && name.len <= KN_SOURCE_MAX && name.ptr[0] != '.';
}

static bool are_steps(const struct kn_config_list *list)
{
    bool good = list->count >= 1 && list->count <= KN_CONFIG_STEPS_MAX;
    uint64_t before = 0;
    for (size_t i = 0; good && i < list->count; i++) {
        uint64_t step = 0;
        good = kn_str_to_u64(kn_str_from(list->items[i]), &step) && step <= UINT8_MAX &&
               (i == 0 ? step == 0 : step > before);
        before = step;
    }
    return good;
}

static enum kn_status check_brokers(struct load *load)
{
    struct kn_config *config = load->config;
    for (size_t i = 0; i < config->n_brokers; i++) {
        struct kn_config_broker *broker = &config->brokers[i];
        char number[32];
        snprintf(number, sizeof(number), "broker-%zu", i + 1);
        if (!*broker->name)
            broker->name = i == 0 ? "default" : join(load, number, "");
        if (!broker->name)
            return KN_NOMEM;
        if (!kn_config_is_source(kn_str_from(broker->name)))
            return fail(load, "brokers.name",
                        "is not allowed; a name has up to 64 letters, "
                        "digits, \"-\", \"_\" and \".\"");
        for (size_t k = 0; k < i; k++)
            if (strcmp(config->brokers[k].name, broker->name) == 0) {
                kn_buf_printf(load->error, "brokers.name: \"%s\" is given twice", broker->name);
                return KN_CONFIG;
            }
        if (!*broker->url)
            return fail(load, "brokers.url", "is empty");
        if (!*broker->tls_cert != !*broker->tls_key)
            return fail(load, "brokers.tls_cert", "requires tls_key, and the reverse");
        if (!are_steps(&broker->priority_steps))
            return fail(load, "brokers.priority_steps",
                        "is not allowed; it takes up to 16 numbers from 0 to 255, ascending "
                        "from 0, such as [0, 3, 6, 9]");
        if (strncmp(broker->url, "sentinel:", 9) == 0 && !*broker->sentinel_master &&
            !strstr(broker->url, "master_name="))
            return fail(load, "brokers.sentinel_master", "is required for a sentinel:// URL");
    }
    return KN_OK;
}

/* The longest path that a unix socket can have, without its NUL. */
#define SOCKET_PATH_MAX ((size_t)107)

static bool tcp_is_local(const char *address)
{
    const char *host = strstr(address, "://") + 3;
    return kn_address_is_loopback(kn_str_from(host));
}

static enum kn_status check_address(struct load *load, const char *key, const char *address,
                                    size_t extra)
{
    const struct kn_config_bus *bus = &load->config->bus;
    if (strncmp(address, "ipc://", 6) == 0) {
        size_t len = strlen(address) - 6 + extra;
        if (len > SOCKET_PATH_MAX) {
            kn_buf_printf(load->error,
                          "%s: the path %s has %zu bytes; a socket allows %zu: choose a "
                          "shorter --data",
                          key, address + 6, len, SOCKET_PATH_MAX);
            return KN_CONFIG;
        }
        return KN_OK;
    }
    if (strncmp(address, "tls+tcp://", 10) == 0)
        return *bus->ca && *bus->cert && *bus->key
                   ? KN_OK
                   : fail(load, key, "tls+tcp:// requires bus.ca, bus.cert and bus.key");
    if (strncmp(address, "tcp://", 6) != 0)
        return fail(load, key, "is not a bus address; allowed: ipc://, tcp:// or tls+tcp://");
    if (!tcp_is_local(address) && !bus->insecure)
        return fail(load, key,
                    "tcp:// beyond this machine is unprotected; allowed: "
                    "tls+tcp://, or bus.insecure: true");
    return KN_OK;
}

static enum kn_status resolve_address(struct load *load, const char *key, const char *file,
                                      const char **address)
{
    if (!**address) {
        const char *folder = join(load, "ipc://", load->config->data);
        *address = folder ? join(load, folder, file) : NULL;
    }
    return *address ? check_address(load, key, *address, 0) : KN_NOMEM;
}

static enum kn_status resolve_control(struct load *load)
{
    struct kn_config *config = load->config;
    if (!*config->bus.control) {
        const char *folder = join(load, "ipc://", config->data);
        config->bus.control = folder ? join(load, folder, "/bus/control-{source}.ipc") : NULL;
    }
    if (!config->bus.control)
        return KN_NOMEM;
    if (config->n_brokers > 1 && !strstr(config->bus.control, "{source}"))
        return fail(load, "bus.control", "must contain {source}, as there are several brokers");
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < config->n_brokers && status == KN_OK; i++) {
        const char *address = kn_config_control_address(config, config->brokers[i].name);
        status = address ? check_address(load, "bus.control", address, 0) : KN_NOMEM;
    }
    return status;
}

static enum kn_status resolve_bus(struct load *load)
{
    struct kn_config_bus *bus = &load->config->bus;
    enum kn_status status = resolve_address(load, "bus.storage", "/bus/storage.ipc", &bus->storage);
    if (status == KN_OK)
        status =
            resolve_address(load, "bus.storage_feed", "/bus/storage-feed.ipc", &bus->storage_feed);
    if (status == KN_OK)
        status = resolve_address(load, "bus.metrics", "/bus/metrics.ipc", &bus->metrics);
    return status == KN_OK ? resolve_control(load) : status;
}

static enum kn_status resolve_paths(struct load *load)
{
    struct kn_config *config = load->config;
    char folder[4096];
    if (!*config->data)
        return fail(load, "data", "is empty");
    if (config->data[0] != '/') {
        if (!getcwd(folder, sizeof(folder)))
            return fail(load, "data", "cannot determine the working directory");
        const char *base = join(load, folder, "/");
        config->data = base ? join(load, base, config->data) : NULL;
    }
    if (config->data && !*config->storage.database) {
        const char *scheme = join(load, "sqlite:", config->data);
        config->storage.database = scheme ? join(load, scheme, "/kanchi.db") : NULL;
    }
    return config->data && config->storage.database ? KN_OK : KN_NOMEM;
}

static enum kn_status check_source(struct load *load, const char *key, const char *source)
{
    const struct kn_config_broker *broker;
    if (!*source)
        return KN_OK;
    struct kn_buf why;
    kn_buf_init(&why, 0);
    enum kn_status status = kn_config_broker(load->config, source, &broker, &why);
    if (status != KN_OK)
        kn_buf_printf(load->error, "%s: %.*s", key, KN_STR_ARG(kn_buf_view(&why)));
    kn_buf_fini(&why);
    return status;
}

static enum kn_status check_all(struct load *load)
{
    struct kn_config *config = load->config;
    enum kn_status status = read_secrets(load);
    if (status == KN_OK)
        status = check_brokers(load);
    if (status == KN_OK)
        status = resolve_paths(load);
    if (status == KN_OK)
        status = resolve_bus(load);
    if (status == KN_OK)
        status = check_source(load, "ingestion.source", config->ingestion.source);
    if (status == KN_OK)
        status = check_source(load, "control.source", config->control.source);
    return status;
}

static enum kn_status load_layers(struct load *load)
{
    enum kn_status status = read_options(load);
    if (status != KN_OK || load->config->help || load->config->version)
        return status;
    status = read_env(load);
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
    return status == KN_OK ? check_all(load) : status;
}

enum kn_status kn_config_load(struct kn_config *config, const struct kn_config_from *from,
                              struct kn_buf *ret_error)
{
    memset(config, 0, sizeof(*config));
    config->file = "";
    kn_arena_init(&config->arena, 0);
    struct load load = {
        .config = config, .from = from, .error = ret_error, .arena = &config->arena, .path = ""};
    enum kn_status status = load_layers(&load);
    if (status == KN_OK && *load.path)
        config->file = join(&load, load.path, "");
    config_file_fini(&load.file);
    if (status == KN_OK && config->arena.overflow)
        status = KN_NOMEM;
    if (status != KN_OK && status != KN_CONFIG)
        kn_buf_text(ret_error, kn_status_text(status));
    if (status != KN_OK)
        kn_config_fini(config);
    return status;
}

void kn_config_fini(struct kn_config *config)
{
    kn_arena_fini(&config->arena);
    memset(config, 0, sizeof(*config));
}

enum kn_status kn_config_broker(const struct kn_config *config, const char *source,
                                const struct kn_config_broker **ret, struct kn_buf *ret_error)
{
    for (size_t i = 0; i < config->n_brokers; i++)
        if (strcmp(config->brokers[i].name, source) == 0 || (!*source && config->n_brokers == 1)) {
            *ret = &config->brokers[i];
            return KN_OK;
        }
    if (*source)
        kn_buf_printf(ret_error, "\"%s\" is not the name of a broker; allowed:", source);
    else
        kn_buf_text(ret_error, "there are several brokers; choose one with --source:");
    for (size_t i = 0; i < config->n_brokers; i++)
        kn_buf_printf(ret_error, "%s %s", i ? "," : "", config->brokers[i].name);
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
