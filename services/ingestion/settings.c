#include "services/ingestion/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The same after a restart, another one for another host or another Kanchi. */
static void make_instance(const struct kn_config *config, const char *source, char *ret,
                          size_t size)
{
    char host[65] = "";
    if (*config->ingestion.instance) {
        snprintf(ret, size, "%s", config->ingestion.instance);
        return;
    }
    gethostname(host, sizeof(host) - 1);
    uint64_t hash = kn_hash64(0, config->data, strlen(config->data));
    snprintf(ret, size, "%.40s.%s.%08x", source, host, (unsigned)(hash ^ hash >> 32));
}

/* RabbitMQ must have enough under way to fill the batches that wait for storage
 * and the next one, also when each message holds one event. */
static unsigned prefetch_for(const struct kn_config_ingestion *c)
{
    int64_t wanted = c->batch_events * (c->inflight + 1);
    return (unsigned)(wanted < 1000 ? 1000 : wanted > UINT16_MAX ? UINT16_MAX : wanted);
}

/* As the data folder may serve several: one of its own for each. */
static char *spool_dir(const struct kn_config *config, const struct broker_settings *broker,
                       const char *source)
{
    char *dir = NULL;
    const char *instance = *config->ingestion.instance ? broker->options.instance : "";
    int n = *config->ingestion.spool ? asprintf(&dir, "%s", config->ingestion.spool)
                                     : asprintf(&dir, "%s/spool/%s%s%s", config->data, source,
                                                *instance ? "@" : "", instance);
    return n < 0 ? NULL : dir;
}

static enum ingest_spool_sync sync_of(const char *name)
{
    return strcmp(name, "always") == 0  ? INGEST_SYNC_ALWAYS
           : strcmp(name, "never") == 0 ? INGEST_SYNC_NEVER
                                        : INGEST_SYNC_EVERYSEC;
}

static enum kn_status read_spool(struct ingest_settings *ret, const struct kn_config *config)
{
    const struct kn_config_ingestion *c = &config->ingestion;
    struct ingestion_options *to = &ret->ingestion;
    to->spool_after_us = c->spool_after;
    to->spool.max = (uint64_t)c->spool_max;
    to->spool.age_us = c->spool_age;
    to->spool.sync = sync_of(c->spool_fsync);
    if (c->spool_max == 0)
        return KN_OK;
    ret->spool_dir = spool_dir(config, &ret->broker, to->source);
    to->spool.dir = ret->spool_dir;
    return ret->spool_dir ? KN_OK : KN_NOMEM;
}

enum kn_status ingest_settings_read(struct ingest_settings *ret, const struct kn_config *config,
                                    const char *id, struct kn_buf *error)
{
    const struct kn_config_ingestion *c = &config->ingestion;
    const struct kn_config_broker *broker = NULL;
    char instance[129];
    enum kn_status status = kn_config_broker(config, c->source, &broker, error);
    if (status != KN_OK)
        return status;
    make_instance(config, broker->name, instance, sizeof(instance));
    status = broker_settings_read(&ret->broker, broker, instance, error);
    if (status != KN_OK)
        return status;
    struct ingestion_options *to = &ret->ingestion;
    ingestion_options_init(to);
    to->source = broker->name;
    to->broker = ret->broker.options;
    to->broker.prefetch = prefetch_for(c);
    to->broker.queue_bytes_max = (uint64_t)c->queue_max;
    to->broker.queue_ttl_us = c->queue_age;
    to->queues = broker->queues.items;
    to->queue_count = broker->queues.count;
    to->batch_events = (size_t)c->batch_events;
    to->batch_age_us = c->batch_age;
    to->memory_max = (size_t)c->memory_max;
    to->event_max = (size_t)c->event_max;
    to->inflight = (unsigned)c->inflight;
    to->queue_interval_us = c->queue_interval;
    to->request_timeout_us = config->bus.request_timeout;
    ret->bus = (struct kn_bus_options){
        .sender = id,
        .message_max = (size_t)config->bus.message_max,
        .insecure = config->bus.insecure,
        .ca_file = *config->bus.ca ? config->bus.ca : NULL,
        .cert_file = *config->bus.cert ? config->bus.cert : NULL,
        .key_file = *config->bus.key ? config->bus.key : NULL,
    };
    return read_spool(ret, config);
}

void ingest_settings_fini(struct ingest_settings *settings)
{
    broker_settings_fini(&settings->broker);
    free(settings->spool_dir);
    settings->spool_dir = NULL;
}
