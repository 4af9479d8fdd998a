/* Ingestion of one broker, from its socket to storage:
 *
 *   receiver ──chunks──▶ decode, batch ──▶ outbox ──▶ sender ──▶ storage
 *   (services/broker)       ▲    this file   │  ▲         └─ack──▶ broker
 *                    survey ┘ depths     spool on disk
 *
 * Each arrow is a bounded hand-over between two threads. When storage is slow, the
 * decoding thread writes unconfirmed batches to the spool; they are read again in
 * order when storage is back, or after a restart. When the spool is full, RabbitMQ
 * keeps the remaining events, and on Redis the oldest events are dropped and counted. */
#ifndef INGESTION_INGESTION_H
#define INGESTION_INGESTION_H

#include "proto/bus/bus.h"
#include "services/broker/broker.h"
#include "services/ingestion/spool/spool.h"

struct ingestion;

struct ingestion_options {
    const char *source;
    struct broker_options broker;
    const char *const *queues; /* to be measured in any case */
    size_t queue_count;
    size_t batch_events;
    int64_t batch_age_us;
    size_t memory_max;
    size_t event_max;
    unsigned inflight;
    int64_t queue_interval_us;
    int64_t request_timeout_us;
    int64_t grace_us;                  /* time to send the remaining batches when stopping */
    struct ingest_spool_options spool; /* dir NULL: none */
    int64_t spool_after_us;            /* batches unconfirmed for this long are written to it */
};

/* Fills in the defaults. */
void ingestion_options_init(struct ingestion_options *options);

/* Starts the threads. What options and storage point to must outlive it. On failure
 * error may get a message. */
enum kn_status ingestion_start(const struct ingestion_options *options,
                               struct kn_bus_client *storage, struct kn_buf *error,
                               struct ingestion **ret) KN_MUST_CHECK;
/* Stops receiving, sends remaining batches for up to grace_us, leaves the rest in
 * the spool, and stops the storage client. NULL is allowed. */
void ingestion_free(struct ingestion *ingestion);

/* Fills in its state for reports; a kn_reporter_fill. arg is the struct ingestion. */
void ingestion_fill_status(void *arg, struct kn_arena *arena, struct kn_msg_service_status *status);

#endif
