/* Inside of ingestion.c, which decodes, and ingestion_status.c, which tells of it. */
#ifndef INGESTION_INGESTION_INTERNAL_H
#define INGESTION_INGESTION_INTERNAL_H

#include "services/broker/receiver.h"
#include "services/common/process/log.h"
#include "services/ingestion/batch/batcher.h"
#include "services/ingestion/findings.h"
#include "services/ingestion/ingestion.h"
#include "services/ingestion/send/sender.h"
#include "services/ingestion/survey.h"

#include <pthread.h>
#include <stdatomic.h>

struct ingestion {
    struct ingestion_options options;
    struct broker_receiver *receiver;
    struct ingest_spool *spool; /* the outbox's; NULL: none */
    struct ingest_outbox outbox;
    struct ingest_batcher *batcher; /* the decoding thread's */
    struct ingest_sender *sender;
    struct ingest_survey *survey;
    bool keeps_events;                 /* see broker_traits */
    char own_queue[BROKER_QUEUE_TEXT]; /* if it does; else "" */
    pthread_t thread;
    bool running; /* the decoding thread was started */
    atomic_bool stopping;

    /* the decoding thread's own */
    uint64_t dropped, too_big, connects; /* of the receiver, that were seen */
    int64_t looked_at, clocks_at;
    int64_t clock_offset;  /* of the wall clock to the monotonic one */
    struct broker_gap gap; /* that found no place in a batch yet */
    bool gap_waits, gap_of_spool;
    int64_t complete_to; /* of what was decoded */
    int64_t received_to; /* of what was received, when last looked */
    enum broker_state state;
    struct kn_log_limit log_limit;

    pthread_mutex_t lock; /* totals */
    struct {
        uint64_t received, invalid, lost, gaps;
        size_t open_events; /* in the batch that is being filled */
        int64_t open_since;
        struct ingest_unread unread;
        struct ingest_wrong_clocks clocks;
    } totals;
};

#endif
