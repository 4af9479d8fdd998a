#include "services/control/control.h"

static enum kn_status check_results(const struct kn_config_broker *broker, struct kn_buf *error)
{
    if (!*broker->result_backend_tls_cert == !*broker->result_backend_tls_key)
        return KN_OK;
    kn_buf_printf(
        error, "broker %s: result_backend_tls_cert and result_backend_tls_key require each other",
        broker->name);
    return KN_CONFIG;
}

enum kn_status control_options_read(const struct kn_config *config,
                                    struct broker_settings *settings, struct control_options *ret,
                                    struct kn_buf *error)
{
    const struct kn_config_broker *broker;
    enum kn_status status = kn_config_broker(config, config->control.source, &broker, error);
    if (status == KN_OK)
        status = broker_settings_read(settings, broker, "control", error);
    if (status == KN_OK)
        status = check_results(broker, error);
    if (status != KN_OK)
        return status;
    settings->options.message_max = (size_t)config->control.reply_max;
    *ret = (struct control_options){
        .source = broker->name,
        .broker = settings->options,
        .enable_events = broker->enable_events,
        .interval_us = config->control.interval,
        .reply_timeout_us = config->control.reply_timeout,
        .workers_max = (size_t)config->control.workers_max,
        .memory_max = (size_t)config->control.memory_max,
        .request_timeout_us = config->bus.request_timeout,
        .reconcile = config->control.reconcile,
        .reconcile_after_us = config->control.reconcile_after,
        .reconcile_rate = (unsigned)config->control.reconcile_rate,
        .reconcile_tasks_max = (size_t)config->control.reconcile_tasks_max,
        .results = {.url = broker->result_backend,
                    .key_prefix = broker->result_key_prefix,
                    .tls_ca = broker->result_backend_tls_ca,
                    .tls_cert = broker->result_backend_tls_cert,
                    .tls_key = broker->result_backend_tls_key},
    };
    return KN_OK;
}
