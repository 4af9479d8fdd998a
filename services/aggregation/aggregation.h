/* The aggregation service: follows storage's feed, brings rollups back to it,
 * publishes the fleet's figures, and tells which workers are dead.
 *
 * Two threads. The reader alone has the feed and the ledger. The publisher wakes
 * up every interval. What both need (window, gauges, liveness) is under one lock. */
#ifndef AGGREGATION_AGGREGATION_H
#define AGGREGATION_AGGREGATION_H

#include "proto/bus/bus.h"
#include "services/common/config/config.h"

struct aggregation;

/* Binds bus.metrics and starts. config and storage must outlive it. On failure
 * *ret_error is a sentence to be freed by the caller, or NULL. */
enum kn_status aggregation_start(struct kn_bus *bus, struct kn_bus_client *storage,
                                 const struct kn_config *config, struct aggregation **ret,
                                 char **ret_error) KN_MUST_CHECK;
/* Stops, brings what it has to storage if that answers, and frees. storage is stopped
 * then. NULL is allowed. */
void aggregation_stop(struct aggregation *aggregation);

/* A kn_reporter_fill; arg is the struct aggregation. */
void aggregation_report(void *arg, struct kn_arena *arena, struct kn_msg_service_status *status);

#endif
