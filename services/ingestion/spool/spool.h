/* Batches that storage has not confirmed yet, on disk: a queue of records in
 * numbered files ("00000000000000000001.spool", see segment.h) in a locked folder,
 * bounded in bytes and in age. Records found at startup come first.
 *
 * A file is deleted when all of its records are confirmed. Confirmed records in a
 * remaining file are sent again after a restart; storage knows their names. Records
 * that must be dropped (full, too old) are emptied, not deleted: their names and the
 * count of lost events stay and are sent to storage in turn.
 *
 * Not thread-safe: the outbox's lock guards it. */
#ifndef INGESTION_SPOOL_SPOOL_H
#define INGESTION_SPOOL_SPOOL_H

#include "services/common/text/buf.h"
#include "services/ingestion/batch/batch.h"

struct ingest_spool;

/* When what was written is brought to the disk itself: what a killed process wrote is
 * safe in any case, what was written before a power cut only then. */
enum ingest_spool_sync { INGEST_SYNC_NEVER, INGEST_SYNC_EVERYSEC, INGEST_SYNC_ALWAYS };

struct ingest_spool_options {
    const char *dir; /* created if missing */
    struct kn_str source;
    uint64_t max;   /* bytes of all files */
    int64_t age_us; /* older batches are dropped; 0: none */
    enum ingest_spool_sync sync;
};

struct ingest_spool_status {
    uint64_t bytes, max;
    uint64_t events;   /* not answered yet */
    uint64_t dropped;  /* events that were given up since the start */
    uint64_t damaged;  /* records that could not be read since the start */
    int64_t oldest_at; /* of what is not answered; 0: nothing */
    bool full;         /* it was, within the last minute */
    int error;         /* errno of the last write, 0: it went well */
};

/* dir and source must outlive it. On failure error gets one sentence: EXISTS when another
 * process has it, IO for everything else. */
enum kn_status ingest_spool_open(const struct ingest_spool_options *options,
                                 struct ingest_spool **ret, struct kn_buf *error) KN_MUST_CHECK;
/* Keeps all unconfirmed batches for the next start. NULL is allowed. */
void ingest_spool_close(struct ingest_spool *spool);

/* Writes a batch behind the others and notes it in batch->segment. started: storage is being
 * asked already, so that it is not read again; only when nothing is unread. FULL, TOO_BIG; IO:
 * nothing was written. */
enum kn_status ingest_spool_append(struct ingest_spool *spool, struct ingest_batch *batch,
                                   bool started) KN_MUST_CHECK;
/* There is something to read. */
bool ingest_spool_unread(const struct ingest_spool *spool);
/* The next batch; a damaged one says that its events are lost. NOT_FOUND: none. */
enum kn_status ingest_spool_read(struct ingest_spool *spool,
                                 struct ingest_batch **ret) KN_MUST_CHECK;
/* A batch with batch->segment set was answered. */
void ingest_spool_answered(struct ingest_spool *spool, const struct ingest_batch *batch);

/* Drops the events of the oldest file that is not being sent. False: there is none. */
bool ingest_spool_drop(struct ingest_spool *spool) KN_MUST_CHECK;
/* Drops batches that are too old. */
void ingest_spool_expire(struct ingest_spool *spool);

/* Events that were lost and that no batch in the spool tells of, since it was asked last. */
uint64_t ingest_spool_take_lost(struct ingest_spool *spool);
/* When it was opened, files in it were damaged: events of this time may be missing. */
bool ingest_spool_take_gap(struct ingest_spool *spool, int64_t *ret_from, int64_t *ret_to);

/* What is to be synchronised now: descriptors of the caller's, -1 for none. */
struct ingest_spool_dirty {
    int fds[2];
};
struct ingest_spool_dirty ingest_spool_take_dirty(struct ingest_spool *spool);
/* Synchronises and closes them. Needs no lock. */
void ingest_spool_sync(struct ingest_spool_dirty *dirty);

void ingest_spool_status(const struct ingest_spool *spool, struct ingest_spool_status *ret);

#endif
