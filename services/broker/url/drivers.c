#include "services/broker/port/driver.h"

#include "services/common/count.h"

/* Every broker that Kanchi can use. */
static const struct broker_driver *const drivers[] = {&broker_redis_driver, &broker_amqp_driver};

const struct broker_driver *broker_driver_of(struct kn_str scheme,
                                             const struct broker_scheme **ret_scheme)
{
    for (size_t i = 0; i < KN_COUNT_OF(drivers); i++) {
        for (const struct broker_scheme *s = drivers[i]->schemes; s->name; s++) {
            if (!kn_str_eq(scheme, kn_str_from(s->name)))
                continue;
            *ret_scheme = s;
            return drivers[i];
        }
    }
    return NULL;
}

void broker_drivers_schemes(struct kn_buf *out)
{
    for (size_t i = 0; i < KN_COUNT_OF(drivers); i++)
        for (const struct broker_scheme *s = drivers[i]->schemes; s->name; s++)
            kn_buf_printf(out, "%s%s", i || s != drivers[i]->schemes ? ", " : "", s->name);
}

const struct broker_traits *broker_traits(const struct broker_url *url)
{
    return &url->driver->traits;
}
