/* Measures the queues of a broker every so often, on a thread of its own: those
 * that can be discovered, those of the configuration, and those that storage
 * knows workers of. */
#ifndef INGESTION_SURVEY_H
#define INGESTION_SURVEY_H

#include "proto/bus/bus.h"
#include "services/broker/broker.h"

struct ingest_survey;

struct ingest_survey_options {
    struct kn_str source;
    const char *const *queues; /* of the configuration */
    size_t queue_count;
    struct kn_str own; /* our own queue on RabbitMQ, which is no queue of tasks; or absent */
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
/* Ends it; waits for a measurement under way. NULL is allowed. */
void ingest_survey_free(struct ingest_survey *survey);

/* The latest measurement that was not taken yet, or NULL. Any thread. Free it with
 * ingest_depths_free. */
struct ingest_depths *ingest_survey_take(struct ingest_survey *survey);
void ingest_depths_free(struct ingest_depths *depths);
/* Messages that are ready in our own queue, when it was measured last. Any thread. */
struct kn_opt_i64 ingest_survey_own(struct ingest_survey *survey);

/* Why the last measurement failed, or is not complete; "" when it is. Any thread. */
void ingest_survey_error(struct ingest_survey *survey, char *ret, size_t size);
/* By which alarm RabbitMQ blocks publishers; "" when it does not. Any thread. */
void ingest_survey_alarm(struct ingest_survey *survey, char *ret, size_t size);

#endif
