#include "services/ingestion/settings.h"

#include "services/common/process/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NUMBERS = 64 };

/* The same after a restart, another one for another host, another Kanchi or another number. */
static void make_instance(const struct kn_config *config, const char *source, unsigned number,
                          char *ret, size_t size)
{
    char host[65] = "", suffix[16] = "";
    if (*config->ingestion.instance && number == 0) {
        snprintf(ret, size, "%s", config->ingestion.instance);
        return;
    }
    gethostname(host, sizeof(host) - 1);
    if (number > 1)
        snprintf(suffix, sizeof suffix, "-%u", number);
    uint64_t hash = kn_hash64(0, config->data, strlen(config->data));
    snprintf(ret, size, "%.40s.%s.%08x%s", source, host, (unsigned)(hash ^ hash >> 32), suffix);
}

/* instance "auto": the first number that no other ingestion of this source and data folder
 * has. 0: the instance is given. */
static enum kn_status take_number(const struct kn_config *config, const char *source, unsigned *ret,
                                  int *ret_lock, struct kn_buf *error)
{
    char *path = NULL;
    if (strcmp(config->ingestion.instance, "auto") != 0)
        return KN_OK;
    errno = 0;
    enum kn_status status = kn_service_make_folder(config->data) == KN_OK ? KN_EXISTS : KN_IO;
    for (unsigned number = 1; status == KN_EXISTS && number <= NUMBERS; number++) {
        if (asprintf(&path, "%s/%s-%u.lock", config->data, source, number) < 0)
            return KN_NOMEM;
        status = kn_service_lock(path, ret_lock);
        free(path);
        *ret = number;
    }
    if (status == KN_OK)
        return KN_OK;
    if (status == KN_EXISTS)
        kn_buf_printf(error, "%d ingestions of %s already use %s, the maximum", NUMBERS, source,
                      config->data);
    else
        kn_buf_printf(error, "cannot use %s: %s (data)", config->data,
                      errno ? strerror(errno) : "cannot create it");
    return KN_CONFIG;
}

/* RabbitMQ must have enough under way to fill the batches that wait for storage
 * and the next one, also when each message holds one event. */
static unsigned prefetch_for(const struct kn_config_ingestion *c)
{
    int64_t wanted = c->batch_events * (c->inflight + 1);
    return (unsigned)(wanted < 1000 ? 1000 : wanted > UINT16_MAX ? UINT16_MAX : wanted);
}

/* As the data folder may serve several: one of its own for each. */
static char *spool_dir(const struct kn_config *config, const char *source, unsigned number)
{
    const struct kn_config_ingestion *c = &config->ingestion;
    char *dir = NULL, suffix[16] = "";
    const char *instance = number == 0 ? c->instance : suffix;
    if (number > 1)
        snprintf(suffix, sizeof suffix, "%u", number);
    int n = !*c->spool ? asprintf(&dir, "%s/spool/%s%s%s", config->data, source,
                                  *instance ? "@" : "", instance)
                       : asprintf(&dir, "%s%s%s", c->spool, *suffix ? "@" : "", suffix);
    return n < 0 ? NULL : dir;
}

static enum ingest_spool_sync sync_of(const char *name)
{
    return strcmp(name, "always") == 0  ? INGEST_SYNC_ALWAYS
           : strcmp(name, "never") == 0 ? INGEST_SYNC_NEVER
                                        : INGEST_SYNC_EVERYSEC;
}

static enum kn_status read_spool(struct ingest_settings *ret, const struct kn_config *config,
                                 unsigned number)
{
    const struct kn_config_ingestion *c = &config->ingestion;
    struct ingestion_options *to = &ret->ingestion;
    to->spool_after_us = c->spool_after;
    to->spool.max = (uint64_t)c->spool_max;
    to->spool.age_us = c->spool_age;
    to->spool.sync = sync_of(c->spool_fsync);
    if (c->spool_max == 0)
        return KN_OK;
    ret->spool_dir = spool_dir(config, to->source, number);
    to->spool.dir = ret->spool_dir;
    return ret->spool_dir ? KN_OK : KN_NOMEM;
}

enum kn_status ingest_settings_read(struct ingest_settings *ret, const struct kn_config *config,
                                    struct kn_buf *error)
{
    const struct kn_config_ingestion *c = &config->ingestion;
    const struct kn_config_broker *broker = NULL;
    char instance[129];
    unsigned number = 0;
    ret->lock = -1;
    enum kn_status status = kn_config_broker(config, c->source, &broker, error);
    if (status == KN_OK)
        status = take_number(config, broker->name, &number, &ret->lock, error);
    if (status != KN_OK)
        return status;
    make_instance(config, broker->name, number, instance, sizeof(instance));
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
    return read_spool(ret, config, number);
}

void ingest_settings_fini(struct ingest_settings *settings)
{
    broker_settings_fini(&settings->broker);
    free(settings->spool_dir);
    settings->spool_dir = NULL;
    if (settings->lock > 0)
        close(settings->lock);
    settings->lock = -1;
}
