#include "services/broker/meter.h"

#include "services/broker/meter_impl.h"

#include <stdlib.h>

#define BINDINGS_BYTES ((size_t)4 << 20)

enum kn_status broker_meter_new(const struct broker_options *options, struct broker_meter **ret)
{
    struct broker_meter *meter = calloc(1, sizeof(*meter));
    if (!meter)
        return KN_NOMEM;
    meter->options = *options;
    kn_buf_init(&meter->error, 4096);
    kn_buf_init(&meter->cursor, 64);
    kn_arena_init(&meter->known.arena, BINDINGS_BYTES);
    kn_arena_init(&meter->walking.arena, BINDINGS_BYTES);
    broker_amqp_meter_init(meter);
    *ret = meter;
    return KN_OK;
}

void broker_meter_free(struct broker_meter *meter)
{
    if (!meter)
        return;
    broker_redis_close(&meter->redis);
    broker_amqp_close(&meter->amqp, true);
    broker_amqp_close(&meter->alarm, true);
    kn_arena_fini(&meter->known.arena);
    kn_arena_fini(&meter->walking.arena);
    kn_table_fini(&meter->gone);
    kn_buf_fini(&meter->cursor);
    kn_buf_fini(&meter->error);
    free(meter);
}

const char *broker_meter_error(const struct broker_meter *meter)
{
    return meter->text;
}

void broker_meter_keep_error(struct broker_meter *meter)
{
    snprintf(meter->text, sizeof(meter->text), "%.*s", (int)meter->error.len,
             meter->error.len ? meter->error.data : "");
}

const char *broker_meter_alarm(const struct broker_meter *meter)
{
    return meter->alarm.blocked;
}

void broker_depths_add(struct broker_depths *depths, struct kn_arena *arena, struct kn_str name)
{
    if (name.len == 0 || depths->count == BROKER_QUEUES_MAX)
        return;
    for (size_t i = 0; i < depths->count; i++) {
        if (kn_str_eq(depths->items[i].name, name))
            return;
    }
    struct kn_str copy = kn_arena_str(arena, name);
    if (copy.ptr)
        depths->items[depths->count++] =
            (struct broker_depth){.name = copy, .unacked = -1, .consumers = -1};
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
    enum kn_status status = broker_traits(meter->options.url)->enveloped /* TODO */
                                ? broker_redis_measure(meter, arena, &depths)
                                : broker_amqp_measure(meter, arena, &depths);
    if (status == KN_OK)
        *ret = depths;
    return status;
}

enum kn_status broker_meter_measure(struct broker_meter *meter, const struct kn_str *names,
                                    size_t name_count, struct kn_arena *arena,
                                    struct broker_depths *ret)
{
    bool stale = meter->redis.ctx || meter->amqp.conn; /* it may have been cut since */
    enum kn_status status = measure(meter, names, name_count, arena, ret);
    if (status != KN_OK && stale)
        status = measure(meter, names, name_count, arena, ret);
    broker_meter_keep_error(meter);
    return status;
}

enum kn_status broker_meter_places(struct broker_meter *meter, struct kn_arena *arena,
                                   struct kn_str *ret, size_t max, size_t *ret_count)
{
    *ret_count = 0;
    kn_buf_clear(&meter->error);
    enum kn_status status = broker_traits(meter->options.url)->enveloped /* TODO */
                                ? broker_redis_places(meter, arena, ret, max, ret_count)
                                : broker_amqp_places(meter, arena, ret, max, ret_count);
    broker_meter_keep_error(meter);
    return status;
}
