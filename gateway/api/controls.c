#include "gateway/api/controls.h"

#include "services/common/config/config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONTROLS_MAX = 256 };

struct gw_controls {
    struct kn_bus *bus;
    char *address;
    pthread_mutex_t lock; /* of what follows */
    bool stopped;
    size_t count;
    struct control {
        char source[KN_SOURCE_MAX + 1];
        struct kn_bus_client *client;
    } items[CONTROLS_MAX];
};

struct gw_controls *gw_controls_new(struct kn_bus *bus, const char *address)
{
    struct gw_controls *controls = calloc(1, sizeof *controls);
    if (!controls)
        return NULL;
    controls->bus = bus;
    controls->address = strdup(address);
    pthread_mutex_init(&controls->lock, NULL);
    if (controls->address)
        return controls;
    gw_controls_free(controls);
    return NULL;
}

void gw_controls_stop(struct gw_controls *controls)
{
    pthread_mutex_lock(&controls->lock);
    controls->stopped = true;
    for (size_t i = 0; i < controls->count; i++)
        kn_bus_client_stop(controls->items[i].client);
    pthread_mutex_unlock(&controls->lock);
}

void gw_controls_free(struct gw_controls *controls)
{
    if (!controls)
        return;
    for (size_t i = 0; i < controls->count; i++)
        kn_bus_client_free(controls->items[i].client);
    pthread_mutex_destroy(&controls->lock);
    free(controls->address);
    free(controls);
}

static enum kn_status dial(struct gw_controls *controls, struct kn_str source,
                           struct kn_bus_client **ret)
{
    static const char mark[] = "{source}";
    const char *at = strstr(controls->address, mark);
    char *url = NULL;
    int n = at ? asprintf(&url, "%.*s%.*s%s", (int)(at - controls->address), controls->address,
                          KN_STR_ARG(source), at + sizeof mark - 1)
               : asprintf(&url, "%s", controls->address);
    if (n < 0)
        return KN_NOMEM;
    enum kn_status status = kn_bus_client_new(controls->bus, url, ret, NULL);
    free(url);
    return status;
}

static enum kn_status find_or_dial(struct gw_controls *controls, struct kn_str source,
                                   struct kn_bus_client **ret)
{
    for (size_t i = 0; i < controls->count; i++)
        if (kn_str_eq(source, kn_str_from(controls->items[i].source))) {
            *ret = controls->items[i].client;
            return KN_OK;
        }
    if (controls->stopped)
        return KN_CLOSED;
    if (controls->count == CONTROLS_MAX)
        return KN_FULL;
    struct control *control = &controls->items[controls->count];
    enum kn_status status = dial(controls, source, &control->client);
    if (status != KN_OK)
        return status;
    snprintf(control->source, sizeof control->source, "%.*s", KN_STR_ARG(source));
    controls->count++;
    *ret = control->client;
    return KN_OK;
}

enum kn_status gw_controls_get(struct gw_controls *controls, struct kn_str source,
                               struct kn_bus_client **ret)
{
    if (!kn_config_is_source(source))
        return KN_INVALID;
    pthread_mutex_lock(&controls->lock);
    enum kn_status status = find_or_dial(controls, source, ret);
    pthread_mutex_unlock(&controls->lock);
    return status;
}
