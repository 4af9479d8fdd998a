/* kanchi-ingestion: reads the events of one broker and hands them to storage. */
#include "proto/bus/of_service.h"
#include "proto/bus/reporter.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/ingestion/ingestion.h"
#include "services/ingestion/settings.h"

#include <stdlib.h>

#define NAME "kanchi-ingestion"
#define ABOUT "Read events from one broker and send them to storage"

struct process {
    struct kn_service service;
    struct kn_config config;
    struct ingest_settings settings;
    struct kn_bus *bus;
    struct kn_bus_client *storage;
    struct ingestion *ingestion;
    struct kn_reporter *reporter;
};

static int start(struct process *p)
{
    struct kn_buf error;
    int code = KN_EXIT_OK;
    kn_buf_init(&error, 0);
    enum kn_status status =
        ingestion_start(&p->settings.ingestion, p->storage, &error, &p->ingestion);
    if (status == KN_OK)
        status = kn_reporter_new(p->storage, "ingestion", p->service.id, ingestion_fill_status,
                                 p->ingestion, &p->reporter);
    if (status != KN_OK)
        code = error.len ? kn_die(NAME, KN_EXIT_FAILED, "%.*s", (int)error.len, error.data)
                         : kn_die(NAME, KN_EXIT_FAILED, "cannot start: %s", kn_status_text(status));
    kn_buf_fini(&error);
    return code;
}

static int run(struct process *p)
{
    struct kn_buf error;
    kn_buf_init(&error, 0);
    enum kn_status status = kn_bus_of_service(&p->service, &p->config, &p->bus, &error);
    if (status == KN_OK)
        status = kn_bus_client_new(p->bus, p->config.bus.storage, &p->storage, &error);
    int code = KN_EXIT_OK;
    if (status != KN_OK)
        code = kn_die(NAME, KN_EXIT_CONFIG, "cannot use the bus: %s",
                      kn_buf_cstr(&error) ? kn_buf_cstr(&error) : kn_status_text(status));
    kn_buf_fini(&error);
    if (code == KN_EXIT_OK)
        code = start(p);
    if (code != KN_EXIT_OK)
        return code;
    KN_INFO("ingestion.started", KN_F_TEXT("source", p->settings.ingestion.source));
    kn_service_wait(&p->service, -1);
    return kn_service_code();
}

int main(int argc, char **argv)
{
    struct process p = {0};
    struct kn_buf error;
    int code = KN_EXIT_CONFIG;
    if (!kn_service_init(&p.service, &p.config, NAME, ABOUT, argc, argv, &code))
        return code;
    kn_buf_init(&error, 0);
    if (ingest_settings_read(&p.settings, &p.config, &error) == KN_OK)
        code = run(&p);
    else
        code = kn_die(NAME, KN_EXIT_CONFIG, "%.*s", (int)error.len, error.data);
    kn_reporter_free(p.reporter);
    ingestion_free(p.ingestion);
    kn_bus_client_free(p.storage);
    kn_bus_free(p.bus);
    ingest_settings_fini(&p.settings);
    kn_buf_fini(&error);
    kn_config_fini(&p.config);
    kn_service_fini(&p.service);
    return code;
}
