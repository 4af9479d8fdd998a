/* What `kanchi up` tells people. */
#ifndef KN_LAUNCHER_SCREEN_H
#define KN_LAUNCHER_SCREEN_H

#include "services/common/config.h"

#include <stdbool.h>

/* Whether every broker has been connected, or found away, as the gateway sees
 * it: then the screen can say what was found. */
bool screen_can_tell(const struct kn_config *config);

/* Writes the screen to standard output. ready: the gateway answers. */
void screen_show(const struct kn_config *config, bool ready);

#endif
