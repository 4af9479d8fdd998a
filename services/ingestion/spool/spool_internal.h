/* The inside of the spool: its files, of which spool.c writes and reads the records and
 * spool_drop.c gives up the oldest. */
#ifndef INGESTION_SPOOL_SPOOL_INTERNAL_H
#define INGESTION_SPOOL_SPOOL_INTERNAL_H

#include "services/common/process/log.h"
#include "services/ingestion/spool/spool.h"

#define SPOOL_NAME_SIZE 32

struct segment {
    uint64_t number;
    uint64_t size;    /* bytes up to the end of its last record */
    uint64_t read_at; /* offset of the next record to read */
    uint64_t records, read, answered;
    uint64_t events, events_read, events_answered;
    int64_t first_at, last_at;
};

struct ingest_spool {
    struct ingest_spool_options options;
    uint64_t segment_max;
    int dir, lock;
    struct segment *segments; /* oldest first */
    size_t count, cap;
    uint64_t next_number;
    uint64_t bytes;
    int write_fd; /* of the last segment; -1: it is not written to any more */
    int old_fd;   /* of the one before, which is not synchronised yet; -1: none */
    int read_fd;
    uint64_t read_number; /* whose segment read_fd is */
    bool dirty;
    int64_t synced_at, full_at; /* monotonic; 0: never */
    uint64_t dropped, damaged, lost;
    int64_t gap_from, gap_to;
    int error;
    struct kn_log_limit log_limit;
};

/* "00000000000000000001.spool" of 1 and "spool". */
void spool_name(uint64_t number, const char *end, char ret[SPOOL_NAME_SIZE]);
/* Closes one that is open; then it is -1. */
void spool_close_fd(int *fd);
/* A descriptor of the caller's, or -1 with errno. */
int spool_open_file(const struct ingest_spool *s, uint64_t number, const char *end, int flags);
void spool_unlink(const struct ingest_spool *s, uint64_t number, const char *end);
void spool_sync_folder(const struct ingest_spool *s);

/* The segments of the folder, as a start finds them. */
enum kn_status spool_open_all(struct ingest_spool *s) KN_MUST_CHECK;
/* A copy of segment behind the others. NULL: no memory. */
struct segment *spool_push(struct ingest_spool *s, const struct segment *segment);
/* The last segment is full: nothing is written to it any more. */
void spool_end_writing(struct ingest_spool *s);
/* Deletes the segment at this place, with its file. */
void spool_forget(struct ingest_spool *s, size_t at);

#endif
