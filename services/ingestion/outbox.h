/* Batches that storage has not answered yet, in order, encoded, bounded.
 *
 *   put ──▶ [ answered first | … started … | … waiting … ] ◀── dropped here when full
 *
 * A batch keeps its number (seq) whatever happens: one that had to be dropped is
 * replaced by an empty one that carries its counters, so that storage sees no
 * hole. What has been started is never dropped: storage may have it already.
 *
 * This is also where a spool on disk will stand: behind ingest_outbox_put, when
 * the memory is full, and before ingest_outbox_next. */
#ifndef INGESTION_OUTBOX_H
#define INGESTION_OUTBOX_H

#include "proto/messages.h"
#include "services/common/status.h"

#include <pthread.h>

#define INGEST_GAPS_MAX 8 /* in one batch */

struct ingest_batch {
    struct ingest_batch *next;
    struct kn_str source; /* not owned */
    uint64_t epoch, seq;
    char *body; /* an encoded ingest_batch */
    size_t size;
    size_t events;
    int64_t oldest_at; /* when its first event was received, or when it was made */
    uint64_t tag;      /* to acknowledge to the broker when it is stored; 0: nothing */
    uint64_t received, invalid, lost;
    struct kn_msg_gap gaps[INGEST_GAPS_MAX]; /* texts are static or live as long as source */
    size_t gap_count;
    bool started;
};

struct ingest_outbox {
    pthread_mutex_t lock; /* everything below */
    pthread_cond_t changed;
    struct ingest_batch *first, *last;
    struct ingest_batch *waiting; /* the first that is not under way; NULL: none */
    size_t max;                   /* bytes */
    size_t bytes;
    size_t events;
    bool closed;
};

struct ingest_backlog {
    size_t bytes, events;
    int64_t oldest_at; /* 0: empty */
};

void ingest_outbox_init(struct ingest_outbox *outbox, size_t max);
void ingest_outbox_fini(struct ingest_outbox *outbox);

/* Encodes batch->body from the message, whose source, epoch, seq, counters and
 * gaps are taken from the batch. */
enum kn_status ingest_batch_encode(struct ingest_batch *batch,
                                   const struct kn_msg_ingest_batch *message) KN_MUST_CHECK;
/* NULL is allowed. */
void ingest_batch_free(struct ingest_batch *batch);

/* Takes the batch over. While it is over its bound it empties the oldest batches
 * that were not started; returns how many events were lost by that. */
size_t ingest_outbox_put(struct ingest_outbox *outbox, struct ingest_batch *batch);
/* Waits until there is room. False when there is none in time. */
bool ingest_outbox_await_room(struct ingest_outbox *outbox, int64_t timeout_us);

/* The next batch to send, which is under way from now on; NULL when there is
 * none in time. It stays in the outbox. */
struct ingest_batch *ingest_outbox_next(struct ingest_outbox *outbox, int64_t timeout_us);
/* The oldest batch under way was answered: frees it. */
void ingest_outbox_answered(struct ingest_outbox *outbox);
/* Nothing is under way any more: ingest_outbox_next begins again at the oldest. */
void ingest_outbox_rewind(struct ingest_outbox *outbox);

void ingest_outbox_close(struct ingest_outbox *outbox);
/* Closed and empty. */
bool ingest_outbox_finished(struct ingest_outbox *outbox);
void ingest_outbox_backlog(struct ingest_outbox *outbox, struct ingest_backlog *ret);

#endif
