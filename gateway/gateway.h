/* The service: all its parts, in order of dependence. */
#ifndef KN_GATEWAY_GATEWAY_H
#define KN_GATEWAY_GATEWAY_H

#include "gateway/api/app.h"
#include "gateway/server/server.h"
#include "proto/bus/reporter.h"
#include "services/common/process/service.h"

#include <stdlib.h>

struct gateway {
    struct kn_bus *bus;
    struct kn_bus_client *storage;
    struct gw_controls *controls;
    struct gw_hub *hub;
    struct gw_static *files;
    struct gw_live *live;
    struct gw_server *server;
    struct kn_reporter *reporter;
    struct kn_budget memory; /* for making answers */
    struct gw_app app;
};

/* gateway is zeroed. config must outlive it. On failure gateway_stop must still
 * be called, and error may have a sentence. */
enum kn_status gateway_start(struct gateway *gateway, const struct kn_service *service,
                             const struct kn_config *config, struct kn_buf *error) KN_MUST_CHECK;
void gateway_stop(struct gateway *gateway);

#endif
