/* kanchi-control: asks and commands the workers of one broker, and acts on its queues. */
#include "proto/bus/of_service.h"
#include "proto/bus/reporter.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/control/act/actions.h"
#include "services/control/act/jobs.h"
#include "services/control/control.h"

#include <stdlib.h>

#define NAME "kanchi-control"
#define ABOUT "Inspect and control the workers of one broker"

struct parts {
    struct broker_settings broker;
    struct control_options options;
    struct kn_bus *bus;
    struct kn_bus_client *storage;
    struct control *control;
    struct control_actions *actions;
    struct control_jobs *jobs;
    struct kn_reporter *reporter;
};

static void stop(struct parts *p)
{
    kn_reporter_free(p->reporter);
    control_jobs_stop(p->jobs);
    control_actions_stop(p->actions);
    control_stop(p->control);
    kn_bus_client_free(p->storage);
    kn_bus_free(p->bus);
    broker_settings_fini(&p->broker);
}

static enum kn_status start_actions(struct parts *p, struct kn_config *config, const char *id,
                                    struct kn_buf *error)
{
    const struct control_options *from = &p->options;
    const struct control_call_options options = {
        .source = from->source,
        .broker = &p->broker.options,
        .results = &from->results,
        .reply_timeout_us = from->reply_timeout_us,
        .memory_max = from->memory_max,
        .request_timeout_us = from->request_timeout_us,
        .hold_events = control_hold_events,
        .hold_events_arg = p->control,
        .look = config->control.look_into_queues,
        .look_max = (size_t)config->control.look_max,
        .retry_from_repr = config->control.retry_from_repr,
    };
    const char *url = kn_config_control_address(config, from->source);
    enum kn_status status = url ? kn_service_make_socket_folder(url, error) : KN_NOMEM;
    if (status == KN_OK)
        status = control_actions_start(&options, p->bus, url, p->storage, &p->actions, error);
    return status == KN_OK ? control_jobs_start(&options, id, p->storage, &p->jobs) : status;
}

static enum kn_status start(struct parts *p, const struct kn_service *service,
                            struct kn_config *config, struct kn_buf *error)
{
    enum kn_status status = control_options_read(config, &p->broker, &p->options, error);
    if (status != KN_OK)
        return status;
    status = kn_bus_of_service(service, config, &p->bus, error);
    if (status == KN_OK)
        status = kn_bus_client_new(p->bus, config->bus.storage, &p->storage, error);
    if (status == KN_OK)
        status = control_start(&p->options, p->storage, &p->control);
    if (status == KN_OK)
        status = start_actions(p, config, service->id, error);
    if (status == KN_OK)
        status = kn_reporter_new(p->storage, "control", service->id, control_report, p->control,
                                 &p->reporter);
    if (status != KN_OK && !error->len)
        kn_buf_text(error, kn_status_text(status));
    return status;
}

int main(int argc, char **argv)
{
    struct kn_service service;
    struct kn_config config;
    struct kn_buf error;
    struct parts parts = {0};
    int code = KN_EXIT_OK;
    if (!kn_service_init(&service, &config, NAME, ABOUT, argc, argv, &code))
        return code;
    kn_buf_init(&error, 0);
    enum kn_status status = start(&parts, &service, &config, &error);
    if (status == KN_OK) {
        kn_service_wait(&service, -1);
        code = kn_service_code();
    } else {
        code = kn_die(NAME, status == KN_CONFIG ? KN_EXIT_CONFIG : KN_EXIT_FAILED, "%.*s",
                      KN_STR_ARG(kn_buf_view(&error)));
    }
    stop(&parts);
    kn_buf_fini(&error);
    kn_config_fini(&config);
    kn_service_fini(&service);
    return code;
}
