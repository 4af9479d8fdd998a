#include "services/broker/meter.h"

#include "services/broker/port/driver.h"

#include <stdio.h>
#include <stdlib.h>

enum kn_status broker_meter_new(const struct broker_options *options, struct broker_meter **ret)
{
    const struct broker_driver *driver = options->url->driver;
    struct broker_meter *meter = driver->meter_new();
    if (!meter)
        return KN_NOMEM;
    meter->options = *options;
    kn_buf_init(&meter->error, 4096);
    *ret = meter;
    return KN_OK;
}

void broker_meter_free(struct broker_meter *meter)
{
    if (!meter)
        return;
    meter->options.url->driver->meter_fini(meter);
    kn_buf_fini(&meter->error);
    free(meter);
}

const char *broker_meter_error(const struct broker_meter *meter)
{
    return meter->text;
}

static void keep_error(struct broker_meter *meter)
{
    snprintf(meter->text, sizeof(meter->text), "%.*s", (int)meter->error.len,
             meter->error.len ? meter->error.data : "");
}

const char *broker_meter_alarm(const struct broker_meter *meter)
{
    return meter->alarm;
}

static enum kn_status measure(struct broker_meter *meter, const struct kn_str *names,
                              size_t name_count, struct kn_arena *arena, struct broker_depths *ret)
{
    struct broker_depths depths = {.unacked_total = -1};
    depths.items = kn_arena_array(arena, BROKER_QUEUES_MAX, sizeof(*depths.items));
    if (!depths.items)
        return KN_NOMEM;
    for (size_t i = 0; i < name_count; i++)
        broker_depths_add(&depths, arena, names[i]);
    kn_buf_clear(&meter->error);
    enum kn_status status = meter->options.url->driver->measure(meter, arena, &depths);
    if (status == KN_OK)
        *ret = depths;
    return status;
}

enum kn_status broker_meter_measure(struct broker_meter *meter, const struct kn_str *names,
                                    size_t name_count, struct kn_arena *arena,
                                    struct broker_depths *ret)
{
    bool stale =
        meter->options.url->driver->meter_connected(meter); /* it may have been cut since */
    enum kn_status status = measure(meter, names, name_count, arena, ret);
    if (status != KN_OK && stale)
        status = measure(meter, names, name_count, arena, ret);
    keep_error(meter);
    return status;
}

enum kn_status broker_meter_places(struct broker_meter *meter, struct kn_arena *arena,
                                   struct kn_str *ret, size_t max, size_t *ret_count)
{
    *ret_count = 0;
    kn_buf_clear(&meter->error);
    enum kn_status status = meter->options.url->driver->places(meter, arena, ret, max, ret_count);
    keep_error(meter);
    return status;
}
