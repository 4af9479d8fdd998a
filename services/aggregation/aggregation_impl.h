/* Internal state of the service, shared by its threads. Others use
 * aggregation.h. */
#ifndef AGGREGATION_AGGREGATION_IMPL_H
#define AGGREGATION_AGGREGATION_IMPL_H

#include "proto/bus/feed_reader.h"
#include "services/aggregation/aggregation.h"
#include "services/aggregation/gauges.h"
#include "services/aggregation/ledger.h"
#include "services/aggregation/liveness.h"
#include "services/aggregation/window.h"
#include "services/common/process/log.h"

#include <pthread.h>
#include <stdatomic.h>

struct aggregation {
    const struct kn_config *config;
    struct kn_bus_client *storage;
    struct kn_bus_publisher *publisher;
    struct kn_feed_reader *reader;
    struct aggr_ledger *ledger; /* the reader's */
    bool refilled, refilling;   /* the window, after a start */
    uint64_t window_to;         /* the last commit that the window has */
    pthread_t reader_thread, publisher_thread;
    unsigned threads; /* started */

    pthread_mutex_t lock; /* what follows, up to stop_lock */
    struct aggr_window *window;
    struct aggr_gauges *gauges;
    struct aggr_liveness *liveness;
    bool away;    /* storage does not answer */
    bool refused; /* storage answers but does not accept the rollups */

    pthread_mutex_t stop_lock; /* stopping, reader_ended */
    pthread_cond_t stop_wake;
    bool stopping, reader_ended;
    atomic_int_fast64_t request_us; /* longest wait for storage */
    struct kn_log_limit log_limit;
};

/* True if it must stop. */
bool aggr_stopping(struct aggregation *a);
/* Waits until then (monotonic), or until it must stop: true. */
bool aggr_sleep_until(struct aggregation *a, int64_t mono_us);
/* Keeps what came of a request to storage. */
void aggr_note_storage(struct aggregation *a, enum kn_status status);

/* The ledger's way to storage; arg is the struct aggregation. */
enum kn_status aggr_ask_position(void *arg, struct aggr_position *ret) KN_MUST_CHECK;
enum kn_status aggr_put_rollups(void *arg, const struct kn_msg_rollup_put *put) KN_MUST_CHECK;

/* The two threads; arg is the struct aggregation. */
void *aggr_read_feed(void *arg);
void *aggr_publish_figures(void *arg);

#endif
