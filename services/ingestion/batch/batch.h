/* A batch on its way to storage: its name (source, epoch, seq), and an encoded
 * ingest_batch. It always keeps its number: if its events must be dropped, it is
 * emptied and carries their count instead, so storage learns of each loss once and
 * sees no gap in the numbers. */
#ifndef INGESTION_BATCH_BATCH_H
#define INGESTION_BATCH_BATCH_H

#include "proto/messages.h"
#include "services/common/status.h"

#define INGEST_GAPS_MAX 8 /* in one batch */

struct ingest_batch {
    struct ingest_batch *next;
    struct kn_str source; /* not owned */
    uint64_t epoch, seq;
    char *body; /* an encoded ingest_batch */
    size_t size;
    size_t events;
    int64_t oldest_at; /* when its first event was received, or when it was made */
    int64_t put_at;    /* monotonic; when it entered the outbox */
    uint64_t tag;      /* to acknowledge to the broker once it is safe; 0: nothing */
    uint64_t segment;  /* in the spool; 0: in memory only */
    uint64_t received, invalid, lost, gaps; /* what it counts, when it is new */
};

/* Encodes batch->body from the message, whose source, epoch and seq are taken from
 * the batch. */
enum kn_status ingest_batch_encode(struct ingest_batch *batch,
                                   const struct kn_msg_ingest_batch *message) KN_MUST_CHECK;
/* Removes events and measurements from the body; gaps and counters stay, and the
 * removed events are counted as lost. An unreadable body is replaced by one that
 * counts batch->events as lost. NOMEM: unchanged. */
enum kn_status ingest_batch_empty(struct ingest_batch *batch) KN_MUST_CHECK;
/* Bytes of memory. */
size_t ingest_batch_weight(const struct ingest_batch *batch);
/* NULL is allowed. */
void ingest_batch_free(struct ingest_batch *batch);

#endif
