/* What `kanchi up` tells people. */
#ifndef KN_LAUNCHER_SCREEN_H
#define KN_LAUNCHER_SCREEN_H

#include "services/common/config/config.h"

#include <stdbool.h>

/* How much there is to tell, as the gateway sees it. */
enum screen_news {
    SCREEN_NOTHING, /* it does not answer yet, or the brokers have not been tried */
    SCREEN_BROKERS, /* each broker was connected or found away; no worker is known */
    SCREEN_WORKERS, /* workers too */
};
enum screen_news screen_news(const struct kn_config *config);

/* Writes the screen to standard output. ready: the gateway answers. */
void screen_show(const struct kn_config *config, bool ready);

#endif
