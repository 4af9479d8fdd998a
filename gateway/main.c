#include "gateway/gateway.h"
#include "services/common/service.h"

int main(int argc, char **argv)
{
    struct kn_service service;
    struct kn_config config;
    struct gateway gateway = {0};
    char *error = NULL;
    int code = KN_EXIT_OK;
    if (!kn_service_init(&service, &config, "kanchi-gateway",
                         "REST, WebSocket and the dashboard, over storage's answers", argc, argv,
                         &code))
        return code;
    if (gateway_start(&gateway, &service, &config, &error) == KN_OK)
        kn_service_wait(&service, -1);
    else
        code = kn_die(service.name, KN_EXIT_FAILED, "%s", error ? error : "cannot start");
    gateway_stop(&gateway);
    free(error);
    kn_config_fini(&config);
    kn_service_fini(&service);
    return code;
}
