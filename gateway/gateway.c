#include "gateway/gateway.h"

#include "proto/bus/of_service.h"
#include "services/common/count.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <unistd.h>

#define TICK (KN_SECOND / 10)

/* Where the dashboard's files may be, seen from the folder of the program: as
 * installed, and in a build of the repository. */
static const char *const places[] = {"../share/kanchi/dashboard",
                                     "../../../frontend/.output/public"};

static enum kn_status load_beside_program(struct gw_static **ret)
{
    char program[4096], path[4200];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0)
        return KN_NOT_FOUND;
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    *slash = '\0';
    enum kn_status status = KN_NOT_FOUND;
    for (size_t i = 0; i < KN_COUNT_OF(places) && status != KN_OK; i++) {
        snprintf(path, sizeof path, "%s/%s", program, places[i]);
        status = gw_static_load(path, ret);
    }
    return status;
}

static enum kn_status load_files(struct gateway *gateway, const char *dir, struct kn_buf *error)
{
    enum kn_status status =
        dir[0] ? gw_static_load(dir, &gateway->files) : load_beside_program(&gateway->files);
    if (status == KN_OK) {
        KN_INFO("gateway.files_loaded", KN_F_I64("files", gw_static_count(gateway->files)));
        return KN_OK;
    }
    if (!dir[0]) {
        KN_WARN("gateway.no_files",
                KN_F_TEXT("text", "the dashboard is not built; REST and WebSocket work"));
        return KN_OK;
    }
    kn_buf_printf(error, "gateway.static_dir: cannot read %s: %s", dir, kn_status_text(status));
    return status;
}

static enum kn_status start_bus(struct gateway *gateway, const struct kn_service *service,
                                const struct kn_config *config, struct kn_buf *error)
{
    enum kn_status status = kn_bus_of_service(service, config, &gateway->bus, error);
    if (status != KN_OK)
        return status;
    kn_budget_init(&gateway->memory, (size_t)config->gateway.memory_max);
    kn_bus_limit_answers(gateway->bus, &gateway->memory);
    gateway->controls = gw_controls_new(gateway->bus, config->bus.control);
    if (!gateway->controls)
        return KN_NOMEM;
    return kn_bus_client_new(gateway->bus, config->bus.storage, &gateway->storage, error);
}

static enum kn_status start_hub(struct gateway *gateway, const struct kn_config *config)
{
    const struct gw_hub_options options = {
        .clients_max = (size_t)config->gateway.ws_clients_max,
        .client_bytes = (size_t)config->gateway.ws_queue_max,
        .tick_bytes = 16 << 20,
        .tick_changes = 20000,
        .items_max = 200,
        .workers_max = 10000,
        .tick_us = TICK,
    };
    return gw_hub_new(&options, &gateway->hub);
}

static enum kn_status start_live(struct gateway *gateway, const struct kn_service *service,
                                 const struct kn_config *config, struct kn_buf *error)
{
    const struct gw_live_options options = {
        .bus = gateway->bus,
        .storage = gateway->storage,
        .feed_url = config->bus.storage_feed,
        .metrics_url = config->bus.metrics,
        .hub = gateway->hub,
        .tick_us = TICK,
        .id = service->id,
    };
    return gw_live_start(&options, &gateway->live, error);
}

static void fill_app(struct gateway *gateway, const struct kn_config *config)
{
    char host[256];
    int port;
    gateway->app = (struct gw_app){
        .storage = gateway->storage,
        .controls = gateway->controls,
        .live = gateway->live,
        .hub = gateway->hub,
        .files = gateway->files,
        .url_prefix = config->gateway.url_prefix,
        .memory = &gateway->memory,
        .user_header = config->gateway.user_header,
        .may_act = strcmp(config->gateway.actions, "on") == 0,
        .query_timeout = config->gateway.query_timeout,
        .hosts = {.allowed = config->gateway.allowed_hosts},
    };
    if (kn_config_split_address(config->gateway.listen, host, sizeof host, &port))
        gateway->app.hosts.loopback = gw_host_is_loopback(host);
    if (strcmp(config->gateway.actions, "auto") == 0)
        gateway->app.may_act = gateway->app.hosts.loopback;
}

static enum kn_status start_server(struct gateway *gateway, const struct kn_config *config,
                                   struct kn_buf *error)
{
    const struct gw_server_options options = {
        .listen = config->gateway.listen,
        .threads = (unsigned)config->gateway.threads,
        .connections_max = (unsigned)config->gateway.connections_max,
        .ws_clients_max = (unsigned)config->gateway.ws_clients_max,
        .app = &gateway->app,
    };
    return gw_server_start(&options, &gateway->server, error);
}

static void report(void *arg, struct kn_arena *arena, struct kn_msg_service_status *status)
{
    struct gateway *gateway = arg;
    (void)arena;
    if (!gateway->files) {
        status->state = KN_SERVICE_DEGRADED;
        status->detail = KN_STR("The dashboard's files are missing: build them, or set "
                                "gateway.static_dir.");
    } else if (!gw_live_connected(gateway->live)) {
        status->state = KN_SERVICE_DEGRADED;
        status->detail = KN_STR("No connection to storage's change feed.");
    }
}

enum kn_status gateway_start(struct gateway *gateway, const struct kn_service *service,
                             const struct kn_config *config, struct kn_buf *error)
{
    enum kn_status status = start_bus(gateway, service, config, error);
    if (status == KN_OK)
        status = start_hub(gateway, config);
    if (status == KN_OK)
        status = load_files(gateway, config->gateway.static_dir, error);
    if (status == KN_OK)
        status = start_live(gateway, service, config, error);
    if (status == KN_OK) {
        fill_app(gateway, config);
        status = start_server(gateway, config, error);
    }
    if (status == KN_OK)
        status = kn_reporter_new(gateway->storage, "gateway", service->id, report, gateway,
                                 &gateway->reporter);
    if (status == KN_OK)
        KN_INFO("gateway.listening", KN_F_TEXT("address", gw_server_address(gateway->server)));
    return status;
}

void gateway_stop(struct gateway *gateway)
{
    kn_reporter_free(gateway->reporter);
    if (gateway->storage)
        kn_bus_client_stop(gateway->storage);
    if (gateway->controls)
        gw_controls_stop(gateway->controls);
    gw_server_stop(gateway->server);
    gw_live_stop(gateway->live);
    gw_hub_free(gateway->hub);
    gw_static_free(gateway->files);
    gw_controls_free(gateway->controls);
    kn_bus_client_free(gateway->storage);
    kn_bus_free(gateway->bus);
}
