/* The controls that the gateway talks to, one address for each source. */
#ifndef KN_GATEWAY_API_CONTROLS_H
#define KN_GATEWAY_API_CONTROLS_H

#include "proto/bus/bus.h"

struct gw_controls;

/* address: bus.control, with "{source}" in it or not; copied. */
struct gw_controls *gw_controls_new(struct kn_bus *bus, const char *address);
/* Makes requests that wait return. */
void gw_controls_stop(struct gw_controls *controls);
/* NULL is allowed. */
void gw_controls_free(struct gw_controls *controls);

/* The control of a source; dials it when it is the first time. It lives as long as
 * controls. INVALID for a name that no source can have, FULL when there are too many. */
enum kn_status gw_controls_get(struct gw_controls *controls, struct kn_str source,
                               struct kn_bus_client **ret) KN_MUST_CHECK;

#endif
