/* Creates the bus of a service from its configuration. */
#ifndef KN_PROTO_BUS_OF_SERVICE_H
#define KN_PROTO_BUS_OF_SERVICE_H

#include "proto/bus/bus.h"
#include "services/common/process/service.h"

/* kn_bus_new with config's bus.*; the service fails (kn_service_fail) when the bus gets stuck. */
enum kn_status kn_bus_of_service(const struct kn_service *service, const struct kn_config *config,
                                 struct kn_bus **ret, struct kn_buf *error) KN_MUST_CHECK;

#endif
