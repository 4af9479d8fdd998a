/* Determines the state of unfinished tasks: asks storage which are overdue, the result
 * backends for their results, and their workers whether they still have them. Sends what
 * it learned to storage as events, in numbered batches. See docs/reconcile.md. Runs in its
 * own thread. */
#ifndef CONTROL_SETTLE_RECONCILE_H
#define CONTROL_SETTLE_RECONCILE_H

#include "proto/bus/bus.h"
#include "services/broker/broker.h"
#include "services/control/find/result_backend.h"

struct control_reconcile;

struct control_reconcile_options {
    const char *source;
    const struct broker_options *broker;
    struct control_result_settings results;
    int64_t after_us; /* minimum time without news before a task is overdue */
    unsigned rate;    /* checks per second */
    size_t tasks_max;
    int64_t reply_timeout_us;
    size_t memory_max; /* bytes of replies */
    int64_t request_timeout_us;
    /* True if several workers reply under this name. Called from our thread. */
    bool (*has_twins)(void *arg, struct kn_str hostname);
    void *arg;
};

/* The options are copied; what they point to, and storage, must outlive it. */
enum kn_status control_reconcile_start(const struct control_reconcile_options *options,
                                       struct kn_bus_client *storage,
                                       struct control_reconcile **ret) KN_MUST_CHECK;
/* Stops storage's client, too. NULL is allowed. */
void control_reconcile_stop(struct control_reconcile *reconcile);

/* Adds findings. Any thread. NULL is allowed. */
void control_reconcile_findings(struct control_reconcile *reconcile, struct kn_arena *arena,
                                struct kn_msg_service_status *status);

#endif
