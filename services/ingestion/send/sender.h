/* Sends the batches of an outbox to storage, several at a time, each until it is
 * confirmed, and tells the broker what is safe. Runs on its own thread. */
#ifndef INGESTION_SEND_SENDER_H
#define INGESTION_SEND_SENDER_H

#include "proto/bus/bus.h"
#include "services/broker/receiver.h"
#include "services/ingestion/send/outbox.h"

struct ingest_sender;

#define INGEST_INFLIGHT_MAX 64
#define INGEST_ERROR_TEXT 256

struct ingest_sender_status {
    bool away;                     /* storage did not take the last batch */
    char error[INGEST_ERROR_TEXT]; /* why, or "" */
    uint64_t batches, stored, duplicates;
    uint64_t lost; /* events of batches that storage refuses */
};

/* All three must outlive the sender. It ends when the outbox is closed and empty. */
enum kn_status ingest_sender_start(struct ingest_outbox *outbox, struct kn_bus_client *storage,
                                   struct broker_receiver *receiver, unsigned inflight,
                                   int64_t timeout_us, struct ingest_sender **ret) KN_MUST_CHECK;
void ingest_sender_status(struct ingest_sender *sender, struct ingest_sender_status *ret);
/* Waits for it to end. False on timeout. */
bool ingest_sender_await(struct ingest_sender *sender, int64_t timeout_us);
/* Abandons unconfirmed batches. NULL is allowed. */
void ingest_sender_free(struct ingest_sender *sender);

#endif
