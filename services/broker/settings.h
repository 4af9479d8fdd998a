/* Converts a broker's configuration to the options of this library. */
#ifndef BROKER_SETTINGS_H
#define BROKER_SETTINGS_H

#include "services/broker/broker.h"
#include "services/common/config/config.h"

struct broker_settings {
    struct broker_url *url;
    struct broker_options options; /* options.url is url */
    char instance[129];
    unsigned char priority_steps[BROKER_STEPS_MAX];
};

/* instance: part of our queue's name on the broker; invalid characters become "-". CONFIG: error
 * gets one sentence that names the key. Texts of config must outlive ret. */
enum kn_status broker_settings_read(struct broker_settings *ret,
                                    const struct kn_config_broker *config, const char *instance,
                                    struct kn_buf *error) KN_MUST_CHECK;
/* Safe on a zeroed struct. */
void broker_settings_fini(struct broker_settings *settings);

#endif
