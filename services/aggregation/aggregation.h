/* The aggregation service: reads storage's feed, sends rollups back to storage,
 * publishes live figures, and detects offline workers.
 *
 * Two threads. Only the reader uses the feed and the ledger. The publisher wakes
 * up every interval. One lock guards what both use (window, gauges, liveness). */
#ifndef AGGREGATION_AGGREGATION_H
#define AGGREGATION_AGGREGATION_H

#include "proto/bus/bus.h"
#include "services/common/config/config.h"

struct aggregation;

/* Binds bus.metrics and starts. config and storage must outlive it. A failure
 * may have a message in error, which may be NULL. */
enum kn_status aggregation_start(struct kn_bus *bus, struct kn_bus_client *storage,
                                 const struct kn_config *config, struct aggregation **ret,
                                 struct kn_buf *error) KN_MUST_CHECK;
/* Stops, sends its data to storage if storage answers, and frees. storage is stopped
 * afterwards. NULL is allowed. */
void aggregation_stop(struct aggregation *aggregation);

/* A kn_reporter_fill; arg is the struct aggregation. */
void aggregation_report(void *arg, struct kn_arena *arena, struct kn_msg_service_status *status);

#endif
