#include "services/broker/settings.h"

#include <ctype.h>
#include <strings.h>

/* RabbitMQ allows 255 bytes for a name; ours are longer by prefix and suffix. */
enum { EXCHANGE_MAX = 128 };

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

/* What the configuration says of TLS goes over what the URL says. */
static void apply_tls(struct broker_tls_options *tls, const struct kn_config_broker *config)
{
    if (*config->tls_ca)
        tls->ca_file = config->tls_ca;
    if (*config->tls_cert)
        tls->cert_file = config->tls_cert;
    if (*config->tls_key)
        tls->key_file = config->tls_key;
    if (!config->tls_verify)
        tls->verify = BROKER_TLS_NONE;
}

/* As Celery has it: False is no prefix at all, True and nothing its default. */
static const char *read_fanout_prefix(const char *text)
{
    if (strcasecmp(text, "false") == 0)
        return "";
    return *text && strcasecmp(text, "true") != 0 ? text : NULL;
}

static enum broker_sentinel_tls read_sentinel_tls(const char *text)
{
    if (strcmp(text, "on") == 0)
        return BROKER_SENTINEL_TLS;
    return strcmp(text, "off") == 0 ? BROKER_SENTINEL_PLAIN : BROKER_SENTINEL_AS_REDIS;
}

static enum kn_status check(const struct broker_settings *s, const struct kn_config_broker *config,
                            struct kn_buf *error)
{
    for (size_t i = 0; i < s->url->host_count; i++) {
        const struct broker_host *host = &s->url->hosts[i];
        if (!host->tls.cert_file != !host->tls.key_file) {
            kn_buf_printf(error, "broker %s: tls_cert and tls_key require each other",
                          config->name);
            return KN_CONFIG;
        }
        if (host->external && !host->tls.cert_file) {
            kn_buf_printf(error,
                          "broker %s: login_method=EXTERNAL uses a certificate to log in: set "
                          "tls_cert and tls_key, or ssl_certfile and ssl_keyfile in the URL",
                          config->name);
            return KN_CONFIG;
        }
    }
    size_t exchange = strlen(config->control_exchange);
    if (exchange == 0 || exchange > EXCHANGE_MAX) {
        kn_buf_printf(error, "broker %s: control_exchange has %zu bytes; allowed: 1 to %d",
                      config->name, exchange, EXCHANGE_MAX);
        return KN_CONFIG;
    }
    if (s->url->sentinel && !s->options.master_name && !s->url->master_name) {
        kn_buf_printf(error,
                      "broker %s: Sentinel requires the name of the master "
                      "(sentinel_master, or ?master_name= in the URL)",
                      config->name);
        return KN_CONFIG;
    }
    return KN_OK;
}

_Static_assert((int)KN_CONFIG_STEPS_MAX == (int)BROKER_STEPS_MAX, "what is allowed fits");

/* The configuration has been checked. */
static void set_priority_steps(struct broker_settings *s, const struct kn_config_list *list)
{
    for (size_t i = 0; i < list->count && i < BROKER_STEPS_MAX; i++) {
        uint64_t step = 0;
        (void)kn_str_to_u64(kn_str_from(list->items[i]), &step);
        s->priority_steps[i] = (unsigned char)step;
    }
    s->options.priority_steps = s->priority_steps;
    s->options.priority_count = list->count;
}

static void set_instance(struct broker_settings *s, const char *instance)
{
    size_t n = 0;
    for (; instance[n] && n < sizeof(s->instance) - 1; n++) {
        unsigned char c = (unsigned char)instance[n];
        s->instance[n] = (char)(isalnum(c) || strchr("._-", c) ? c : '-');
    }
    s->instance[n] = '\0';
    s->options.instance = s->instance;
}

enum kn_status broker_settings_read(struct broker_settings *ret,
                                    const struct kn_config_broker *config, const char *instance,
                                    struct kn_buf *error)
{
    struct kn_buf why;
    kn_buf_init(&why, 0);
    enum kn_status status = broker_url_parse(kn_str_from(config->url), &ret->url, &why);
    if (status != KN_OK) {
        kn_buf_printf(error, "broker %s: url: %.*s", config->name, (int)why.len, why.data);
        kn_buf_fini(&why);
        return KN_CONFIG;
    }
    kn_buf_fini(&why);
    broker_options_init(&ret->options);
    ret->options.url = ret->url;
    ret->options.key_prefix = config->key_prefix;
    if (*config->separator)
        ret->options.separator = config->separator;
    ret->options.event_exchange = config->event_exchange;
    ret->options.control_exchange = config->control_exchange;
    ret->options.fanout_prefix = read_fanout_prefix(config->fanout_prefix);
    ret->options.management_url = or_null(config->management_url);
    ret->options.master_name = or_null(config->sentinel_master);
    ret->options.sentinel_password = or_null(config->sentinel_password);
    set_instance(ret, instance);
    for (size_t i = 0; i < ret->url->host_count; i++)
        apply_tls(&ret->url->hosts[i].tls, config);
    ret->options.sentinel_tls = read_sentinel_tls(config->sentinel_tls);
    set_priority_steps(ret, &config->priority_steps);
    return check(ret, config, error);
}

void broker_settings_fini(struct broker_settings *settings)
{
    broker_url_free(settings->url);
    settings->url = NULL;
}
