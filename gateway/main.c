#include "gateway/gateway.h"
#include "services/common/process/service.h"

int main(int argc, char **argv)
{
    struct kn_service service;
    struct kn_config config;
    struct gateway gateway = {0};
    char *error = NULL;
    int code = KN_EXIT_OK;
    if (!kn_service_init(&service, &config, "kanchi-gateway",
                         "Serve the REST API, the WebSocket and the dashboard", argc, argv, &code))
        return code;
    enum kn_status status = gateway_start(&gateway, &service, &config, &error);
    if (status == KN_OK) {
        kn_service_wait(&service, -1);
        code = kn_service_code();
    } else {
        code = kn_die(service.name, KN_EXIT_FAILED, "%s", error ? error : kn_status_text(status));
    }
    gateway_stop(&gateway);
    free(error);
    kn_config_fini(&config);
    kn_service_fini(&service);
    return code;
}
