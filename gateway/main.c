#include "gateway/gateway.h"
#include "services/common/process/service.h"

int main(int argc, char **argv)
{
    struct kn_service service;
    struct kn_config config;
    struct gateway gateway = {0};
    struct kn_buf error;
    int code = KN_EXIT_OK;
    if (!kn_service_init(&service, &config, "kanchi-gateway",
                         "Serve the REST API, the WebSocket and the dashboard", argc, argv, &code))
        return code;
    kn_buf_init(&error, 0);
    enum kn_status status = gateway_start(&gateway, &service, &config, &error);
    if (status == KN_OK) {
        kn_service_wait(&service, -1);
        code = kn_service_code();
    } else {
        code = kn_die(service.name, KN_EXIT_FAILED, "%s",
                      kn_buf_cstr(&error) ? kn_buf_cstr(&error) : kn_status_text(status));
    }
    gateway_stop(&gateway);
    kn_buf_fini(&error);
    kn_config_fini(&config);
    kn_service_fini(&service);
    return code;
}
