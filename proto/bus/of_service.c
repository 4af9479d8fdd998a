#include "proto/bus/of_service.h"

#include "services/common/process/log.h"

static void on_stuck(void *arg)
{
    (void)arg;
    KN_ERROR("bus.stuck", KN_F_TEXT("text", "nng hangs after a connection broke: the service "
                                            "ends, to be started anew"));
    kn_service_fail();
}

enum kn_status kn_bus_of_service(const struct kn_service *service, const struct kn_config *config,
                                 struct kn_bus **ret, struct kn_buf *error)
{
    const struct kn_config_bus *from = &config->bus;
    const struct kn_bus_options options = {
        .sender = service->id,
        .message_max = (size_t)from->message_max,
        .insecure = from->insecure,
        .ca_file = from->ca,
        .cert_file = from->cert,
        .key_file = from->key,
        .on_stuck = on_stuck,
    };
    return kn_bus_new(&options, ret, error);
}
