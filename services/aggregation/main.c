/* kanchi-aggregation: counts, percentiles, and which workers live. */
#include "proto/bus/of_service.h"
#include "proto/bus/reporter.h"
#include "services/aggregation/aggregation.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"

#include <stdlib.h>

static const char *const NAME = "kanchi-aggregation";

struct parts {
    struct kn_bus *bus;
    struct kn_bus_client *storage;
    struct aggregation *aggregation;
    struct kn_reporter *reporter;
};

static void stop(struct parts *p)
{
    kn_reporter_free(p->reporter);
    aggregation_stop(p->aggregation);
    kn_bus_client_free(p->storage);
    kn_bus_free(p->bus);
}

static enum kn_status start(struct parts *p, const struct kn_service *service,
                            const struct kn_config *config, struct kn_buf *error)
{
    enum kn_status status = kn_service_make_socket_folder(config->bus.metrics, error);
    if (status == KN_OK)
        status = kn_bus_of_service(service, config, &p->bus, error);
    if (status == KN_OK)
        status = kn_bus_client_new(p->bus, config->bus.storage, &p->storage, error);
    if (status == KN_OK)
        status = aggregation_start(p->bus, p->storage, config, &p->aggregation, error);
    if (status == KN_OK)
        status = kn_reporter_new(p->storage, "aggregation", service->id, aggregation_report,
                                 p->aggregation, &p->reporter);
    return status;
}

int main(int argc, char **argv)
{
    struct kn_service service;
    struct kn_config config;
    struct parts parts = {0};
    struct kn_buf error;
    int code = KN_EXIT_OK;
    if (!kn_service_init(&service, &config, NAME,
                         "Compute counts and percentiles, and track which workers are online", argc,
                         argv, &code))
        return code;
    kn_buf_init(&error, 0);
    enum kn_status status = start(&parts, &service, &config, &error);
    if (status == KN_OK) {
        KN_INFO("service.ready", KN_F_TEXT("metrics", config.bus.metrics));
        kn_service_wait(&service, -1);
        code = kn_service_code();
        KN_INFO("service.stopping");
    } else {
        code = kn_die(NAME, KN_EXIT_FAILED, "%s",
                      kn_buf_cstr(&error) ? kn_buf_cstr(&error) : kn_status_text(status));
    }
    stop(&parts);
    kn_buf_fini(&error);
    kn_config_fini(&config);
    kn_service_fini(&service);
    return code;
}
