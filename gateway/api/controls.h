/* Connections of the gateway to the controls, one address per source. */
#ifndef KN_GATEWAY_API_CONTROLS_H
#define KN_GATEWAY_API_CONTROLS_H

#include "proto/bus/bus.h"

struct gw_controls;

/* address: bus.control, with "{source}" in it or not; copied. */
struct gw_controls *gw_controls_new(struct kn_bus *bus, const char *address);
/* Makes waiting requests return. */
void gw_controls_stop(struct gw_controls *controls);
/* NULL is allowed. */
void gw_controls_free(struct gw_controls *controls);

/* The control of a source; dials it on first use. It is valid as long as controls.
 * INVALID: not a valid source name. FULL: too many sources. */
enum kn_status gw_controls_get(struct gw_controls *controls, struct kn_str source,
                               struct kn_bus_client **ret) KN_MUST_CHECK;

#endif
