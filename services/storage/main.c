#include "services/common/process/log.h"
#include "services/storage/service.h"

#include <stdlib.h>
#include <sys/stat.h>

static bool will_not_pass(enum kn_status status)
{
    return status == KN_CONFIG || status == KN_DENIED || status == KN_VERSION;
}

int main(int argc, char **argv)
{
    struct kn_service service;
    struct kn_config config;
    struct storage *storage;
    struct kn_buf error;
    int code = KN_EXIT_OK;
    umask(S_IRWXG | S_IRWXO);
    if (!kn_service_init(&service, &config, "kanchi-storage",
                         "Store tasks, workers, queues and rollups in the database", argc, argv,
                         &code))
        return code;
    kn_buf_init(&error, 0);
    enum kn_status status = storage_new(&config, &service, &storage, &error);
    if (status == KN_OK) {
        KN_INFO("storage.ready", KN_F_TEXT("address", config.bus.storage));
        storage_run(storage);
        storage_free(storage);
        code = kn_service_code();
        KN_INFO("storage.stopped");
    } else if (!kn_service_stopping(&service)) {
        code = kn_die("kanchi-storage", will_not_pass(status) ? KN_EXIT_CONFIG : KN_EXIT_FAILED,
                      "%s", kn_buf_cstr(&error) ? kn_buf_cstr(&error) : kn_status_text(status));
    }
    kn_buf_fini(&error);
    kn_config_fini(&config);
    kn_service_fini(&service);
    return code;
}
