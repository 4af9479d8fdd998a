/* Batches that storage has not answered yet, in order and bounded: in memory, and
 * on disk when storage is slow or away.
 *
 *   put ──▶ [ waiting, in memory ] ──▶ [ under way ] ──▶ answered
 *                     └──▶ [ spool, on disk ] ──▶┘
 *
 * While storage answers quickly nothing is written. What it has not answered for
 * a while goes to the spool: those under way too, which stay in memory beside it;
 * those that wait only there, until their turn. New ones follow them as long as
 * the spool has something to read, so that batches are sent in order.
 *
 * When the spool is full (or there is none, and the memory is full) the oldest
 * lose their events, or the one who puts has to wait: see ingest_batch_empty. What
 * is under way is never emptied: storage may have it already. */
#ifndef INGESTION_SEND_OUTBOX_H
#define INGESTION_SEND_OUTBOX_H

#include "services/ingestion/batch/batch.h"
#include "services/ingestion/spool/spool.h"

#include <pthread.h>

struct ingest_list {
    struct ingest_batch *first, *last;
};

struct ingest_outbox_options {
    struct ingest_spool *spool; /* not owned, ours alone from now on; NULL: none */
    int64_t spool_after_us;     /* what is not answered for so long is written */
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

/* Takes the batch over. */
struct ingest_kept ingest_outbox_put(struct ingest_outbox *outbox, struct ingest_batch *batch);
/* Writes what has waited long enough; to be called several times a second. */
struct ingest_kept ingest_outbox_tend(struct ingest_outbox *outbox);
/* Writes everything that is not answered. */
struct ingest_kept ingest_outbox_keep(struct ingest_outbox *outbox);
/* Waits until there is room. False when there is none in time. */
bool ingest_outbox_await_room(struct ingest_outbox *outbox, int64_t timeout_us);

/* The next batch to send, which is under way from now on; NULL when there is
 * none in time. It stays in the outbox. */
struct ingest_batch *ingest_outbox_next(struct ingest_outbox *outbox, int64_t timeout_us);
/* The oldest batch under way was answered: frees it. */
void ingest_outbox_answered(struct ingest_outbox *outbox);
/* Storage will never take the oldest batch under way: empties it, for another try.
 * Returns how many events were lost; 0: it has none, or memory is out. */
size_t ingest_outbox_refused(struct ingest_outbox *outbox);
/* No call is under way any more: ingest_outbox_next begins again at the oldest. */
void ingest_outbox_rewind(struct ingest_outbox *outbox);

/* No more will come: what is in the spool stays there from now on. */
void ingest_outbox_close(struct ingest_outbox *outbox);
/* Closed, and nothing is in memory. */
bool ingest_outbox_finished(struct ingest_outbox *outbox);
void ingest_outbox_backlog(struct ingest_outbox *outbox, struct ingest_backlog *ret);
/* A time that is missing in the spool, as it was damaged: each once. */
bool ingest_outbox_gap(struct ingest_outbox *outbox, int64_t *ret_from, int64_t *ret_to);
/* Storage is behind: batches wait on disk. */
bool ingest_outbox_lags(struct ingest_outbox *outbox);
/* False when there is no spool. */
bool ingest_outbox_spool(struct ingest_outbox *outbox, struct ingest_spool_status *ret);

#endif
