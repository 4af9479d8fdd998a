/* The start screen of `kanchi up`. */
#ifndef KN_LAUNCHER_SCREEN_H
#define KN_LAUNCHER_SCREEN_H

#include "services/common/config/config.h"

#include <stdbool.h>

/* What the gateway knows so far. */
enum screen_news {
    SCREEN_NOTHING, /* it does not answer yet, or no connection to the brokers was attempted */
    SCREEN_BROKERS, /* each broker is connected or unavailable; no worker is known */
    SCREEN_WORKERS, /* workers too */
};
enum screen_news screen_news(const struct kn_config *config);

/* Writes the screen to standard output. ready: the gateway answers. */
void screen_show(const struct kn_config *config, bool ready);

#endif
