#include "services/launcher/health.h"
#include "services/common/process/service.h"
#include "services/launcher/ask.h"

#define NAME "kanchi"
#define PATIENCE_MS 3000L
#define ANSWER_MAX 4096

static int ask(const char *address)
{
    long code = 0;
    struct kn_buf answer;
    kn_buf_init(&answer, ANSWER_MAX);
    enum kn_status status = ask_path(address, "/readyz", PATIENCE_MS, &answer, &code);
    int result = KN_EXIT_OK;
    if (status != KN_OK)
        result = kn_die(NAME, KN_EXIT_FAILED, "no answer from %s", address);
    else if (code != 200)
        result = kn_die(NAME, KN_EXIT_FAILED, "%.*s", KN_STR_ARG(kn_buf_view(&answer)));
    kn_buf_fini(&answer);
    return result;
}

int launcher_health(int argc, char **argv)
{
    struct kn_service service;
    struct kn_config config;
    int code;
    if (!kn_program_init(&service, &config, NAME, "Check whether a service is ready", argc, argv,
                         &code))
        return code;
    code = ask(*config.health.listen ? config.health.listen : config.gateway.listen);
    kn_service_fini(&service);
    kn_config_fini(&config);
    return code;
}
