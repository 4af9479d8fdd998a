/* Batches that storage has not confirmed yet, in order and bounded: in memory, and
 * on disk while storage is slow or unavailable.
 *
 *   put ──▶ [ waiting, in memory ] ──▶ [ under way ] ──▶ answered
 *                     └──▶ [ spool, on disk ] ──▶┘
 *
 * While storage is fast, nothing is written. Batches that stay unconfirmed for a
 * while are written to the spool. Those under way also stay in memory; waiting ones
 * exist only in the spool until their turn. New batches follow them as long as the
 * spool has unread batches, so batches are sent in order.
 *
 * If the spool is full (or there is none, and the memory is full), the oldest batches
 * lose their events (see ingest_batch_empty), or ingest_outbox_put has to wait.
 * Batches under way are never emptied, because storage may already have them. */
#ifndef INGESTION_SEND_OUTBOX_H
#define INGESTION_SEND_OUTBOX_H

#include "services/ingestion/batch/batch.h"
#include "services/ingestion/spool/spool.h"

#include <pthread.h>

struct ingest_list {
    struct ingest_batch *first, *last;
};

struct ingest_outbox_options {
    struct ingest_spool *spool; /* not owned, but used only by the outbox from now on; NULL: none */
    int64_t spool_after_us;     /* batches unconfirmed for this long are written */
    size_t max;                 /* bytes of those that wait in memory */
    bool drop_oldest;           /* rather than to be over the bounds */
};

struct ingest_outbox {
    struct ingest_outbox_options options;
    pthread_mutex_t lock; /* everything below, and the spool */
    pthread_cond_t changed;
    struct ingest_list under_way; /* oldest first */
    struct ingest_batch *again;   /* of these, the next to be sent once more; NULL: none */
    struct ingest_list waiting;
    size_t waiting_bytes;
    size_t bytes;     /* of both */
    size_t events;    /* of those that are in memory alone */
    int64_t retry_at; /* monotonic; the disk failed, not before then again */
    int64_t expired_at;
    bool closed;
};

/* What became of the batches. */
struct ingest_kept {
    uint64_t safe;   /* the broker's tag up to which all is on disk; 0: nothing new */
    uint64_t lost;   /* events that were given up, and whose batches tell of it */
    uint64_t untold; /* events that were lost, and that no batch tells of yet */
};

struct ingest_backlog {
    size_t bytes; /* of memory */
    uint64_t events;
    int64_t oldest_at; /* 0: empty */
};

void ingest_outbox_init(struct ingest_outbox *outbox, const struct ingest_outbox_options *options);
void ingest_outbox_fini(struct ingest_outbox *outbox);

/* Takes ownership of the batch. */
struct ingest_kept ingest_outbox_put(struct ingest_outbox *outbox, struct ingest_batch *batch);
/* Writes batches that have waited long enough; call it several times per second. */
struct ingest_kept ingest_outbox_tend(struct ingest_outbox *outbox);
/* Writes all unconfirmed batches. */
struct ingest_kept ingest_outbox_keep(struct ingest_outbox *outbox);
/* Waits until there is room. False on timeout. */
bool ingest_outbox_await_room(struct ingest_outbox *outbox, int64_t timeout_us);

/* The next batch to send, which is then under way; NULL on timeout. It stays in the
 * outbox. */
struct ingest_batch *ingest_outbox_next(struct ingest_outbox *outbox, int64_t timeout_us);
/* Storage confirmed the oldest batch under way: frees it. */
void ingest_outbox_answered(struct ingest_outbox *outbox);
/* Storage will never accept the oldest batch under way: empties it for another attempt.
 * Returns the number of lost events; 0: it has none, or out of memory. */
size_t ingest_outbox_refused(struct ingest_outbox *outbox);
/* No request is in progress any more: ingest_outbox_next starts again at the oldest. */
void ingest_outbox_rewind(struct ingest_outbox *outbox);

/* No more batches will be added; the spool keeps its contents. */
void ingest_outbox_close(struct ingest_outbox *outbox);
/* Closed, and nothing is in memory. */
bool ingest_outbox_finished(struct ingest_outbox *outbox);
void ingest_outbox_backlog(struct ingest_outbox *outbox, struct ingest_backlog *ret);
/* A period missing from the damaged spool; each is returned once. */
bool ingest_outbox_gap(struct ingest_outbox *outbox, int64_t *ret_from, int64_t *ret_to);
/* Storage is behind: batches wait on disk. */
bool ingest_outbox_lags(struct ingest_outbox *outbox);
/* False when there is no spool. */
bool ingest_outbox_spool(struct ingest_outbox *outbox, struct ingest_spool_status *ret);

#endif
