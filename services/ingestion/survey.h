/* Measures the queues of a broker periodically, on its own thread: discovered
 * queues, configured queues, and queues that storage knows consumers of. */
#ifndef INGESTION_SURVEY_H
#define INGESTION_SURVEY_H

#include "proto/bus/bus.h"
#include "services/broker/broker.h"

struct ingest_survey;

struct ingest_survey_options {
    struct kn_str source;
    const char *const *queues; /* of the configuration */
    size_t queue_count;
    struct kn_str own; /* Kanchi's own queue on RabbitMQ, which has no tasks; or absent */
    int64_t interval_us;
    int64_t request_timeout_us;
};

/* One measurement. Owns its texts. */
struct ingest_depths {
    struct kn_arena arena;
    struct kn_msg_queue_depth *items;
    size_t count;
};

/* What options and storage point to must outlive the survey. */
enum kn_status ingest_survey_start(const struct ingest_survey_options *options,
                                   const struct broker_options *broker,
                                   struct kn_bus_client *storage,
                                   struct ingest_survey **ret) KN_MUST_CHECK;
/* Stops it; waits for a measurement in progress. NULL is allowed. */
void ingest_survey_free(struct ingest_survey *survey);

/* The latest measurement that was not yet fetched, or NULL. Any thread. Free it with
 * ingest_depths_free. */
struct ingest_depths *ingest_survey_take(struct ingest_survey *survey);
void ingest_depths_free(struct ingest_depths *depths);
/* Ready messages in Kanchi's own queue at the last measurement. Any thread. */
struct kn_opt_i64 ingest_survey_own(struct ingest_survey *survey);

/* Why the last measurement failed or is incomplete; "" if it is complete. Any thread. */
void ingest_survey_error(struct ingest_survey *survey, char *ret, size_t size);
/* By which alarm RabbitMQ blocks publishers; "" when it does not. Any thread. */
void ingest_survey_alarm(struct ingest_survey *survey, char *ret, size_t size);

#endif
