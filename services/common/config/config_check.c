/* What belongs together: secrets and their files, names of brokers, paths, addresses. */
#include "services/common/config/config_internal.h"
#include "services/common/text/loopback.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECRET_FILE_MAX 65536

static enum kn_status read_secret(struct config_load *load, void *base,
                                  const struct config_row *row)
{
    const struct config_row *secret = config_secret_of(row);
    if (!secret || !*config_text_at(base, row)[0])
        return KN_OK;
    const char *path = *config_text_at(base, row);
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

static enum kn_status read_secrets(struct config_load *load)
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

static enum kn_status check_brokers(struct config_load *load)
{
    struct kn_config *config = load->config;
    for (size_t i = 0; i < config->n_brokers; i++) {
        struct kn_config_broker *broker = &config->brokers[i];
        char number[32];
        snprintf(number, sizeof(number), "broker-%zu", i + 1);
        if (!*broker->name)
            broker->name = i == 0 ? "default" : config_join(load, number, "");
        if (!broker->name)
            return KN_NOMEM;
        if (!kn_config_is_source(kn_str_from(broker->name)))
            return config_fail(load, "brokers.name",
                               "is not allowed; a name has up to 64 letters, "
                               "digits, \"-\", \"_\" and \".\"");
        for (size_t k = 0; k < i; k++)
            if (strcmp(config->brokers[k].name, broker->name) == 0) {
                kn_buf_printf(load->error, "brokers.name: \"%s\" is given twice", broker->name);
                return KN_CONFIG;
            }
        if (!*broker->url)
            return config_fail(load, "brokers.url", "is empty");
        if (!*broker->tls_cert != !*broker->tls_key)
            return config_fail(load, "brokers.tls_cert", "requires tls_key, and the reverse");
        if (!are_steps(&broker->priority_steps))
            return config_fail(load, "brokers.priority_steps",
                               "is not allowed; it takes up to 16 numbers from 0 to 255, ascending "
                               "from 0, such as [0, 3, 6, 9]");
        if (strncmp(broker->url, "sentinel:", 9) == 0 && !*broker->sentinel_master &&
            !strstr(broker->url, "master_name="))
            return config_fail(load, "brokers.sentinel_master",
                               "is required for a sentinel:// URL");
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

static enum kn_status check_address(struct config_load *load, const char *key, const char *address,
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
                   : config_fail(load, key, "tls+tcp:// requires bus.ca, bus.cert and bus.key");
    if (strncmp(address, "tcp://", 6) != 0)
        return config_fail(load, key,
                           "is not a bus address; allowed: ipc://, tcp:// or tls+tcp://");
    if (!tcp_is_local(address) && !bus->insecure)
        return config_fail(load, key,
                           "tcp:// beyond this machine is unprotected; allowed: "
                           "tls+tcp://, or bus.insecure: true");
    return KN_OK;
}

static enum kn_status resolve_address(struct config_load *load, const char *key, const char *file,
                                      const char **address)
{
    if (!**address) {
        const char *folder = config_join(load, "ipc://", load->config->data);
        *address = folder ? config_join(load, folder, file) : NULL;
    }
    return *address ? check_address(load, key, *address, 0) : KN_NOMEM;
}

static enum kn_status resolve_control(struct config_load *load)
{
    struct kn_config *config = load->config;
    if (!*config->bus.control) {
        const char *folder = config_join(load, "ipc://", config->data);
        config->bus.control =
            folder ? config_join(load, folder, "/bus/control-{source}.ipc") : NULL;
    }
    if (!config->bus.control)
        return KN_NOMEM;
    if (config->n_brokers > 1 && !strstr(config->bus.control, "{source}"))
        return config_fail(load, "bus.control",
                           "must contain {source}, as there are several brokers");
    enum kn_status status = KN_OK;
    for (size_t i = 0; i < config->n_brokers && status == KN_OK; i++) {
        const char *address = kn_config_control_address(config, config->brokers[i].name);
        status = address ? check_address(load, "bus.control", address, 0) : KN_NOMEM;
    }
    return status;
}

static enum kn_status resolve_bus(struct config_load *load)
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

static enum kn_status resolve_paths(struct config_load *load)
{
    struct kn_config *config = load->config;
    char folder[4096];
    if (!*config->data)
        return config_fail(load, "data", "is empty");
    if (config->data[0] != '/') {
        if (!getcwd(folder, sizeof(folder)))
            return config_fail(load, "data", "cannot determine the working directory");
        const char *base = config_join(load, folder, "/");
        config->data = base ? config_join(load, base, config->data) : NULL;
    }
    if (config->data && !*config->storage.database) {
        const char *scheme = config_join(load, "sqlite:", config->data);
        config->storage.database = scheme ? config_join(load, scheme, "/kanchi.db") : NULL;
    }
    return config->data && config->storage.database ? KN_OK : KN_NOMEM;
}

static enum kn_status check_source(struct config_load *load, const char *key, const char *source)
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

enum kn_status config_check_all(struct config_load *load)
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
