/* One file of the spool: a sequence of batches. Numbers are little-endian.
 *
 *    0  8  "kanchisp"
 *    8  4  version, 1
 *   12  4  low half of XXH64 of the 12 bytes before
 *   16     records
 *
 * A record is a header of 48 bytes, followed by the encoded ingest_batch:
 *
 *    0  4  size of the body
 *    4  4  events in it
 *    8  8  epoch
 *   16  8  seq
 *   24  8  when its first event was received, microseconds since 1970
 *   32  8  XXH64 of the body
 *   40  8  XXH64 of the 40 bytes before
 *   48     body
 *
 * A file ends after its last record with a valid header and a complete body: data after
 * it, left by a crash, is not a record. A damaged body does not affect other
 * records. */
#ifndef INGESTION_SPOOL_SEGMENT_H
#define INGESTION_SPOOL_SEGMENT_H

#include "services/ingestion/batch/batch.h"

#define SEGMENT_START 16  /* bytes of a file before its first record */
#define SEGMENT_HEADER 48 /* bytes of a record before its body */

/* What a file holds. */
struct segment_extent {
    uint64_t size; /* bytes up to the end of the last record */
    uint64_t torn; /* bytes behind it */
    uint64_t records, events;
    int64_t first_at, last_at; /* of the first and the last record; 0: none */
};

/* Writes the start of an empty file. IO: errno says why. */
enum kn_status segment_begin(int fd) KN_MUST_CHECK;
/* Goes through the headers, and the last body. A file that is no segment, or one of
 * another version: INVALID, VERSION. IO: errno says why. */
enum kn_status segment_scan(int fd, struct segment_extent *ret) KN_MUST_CHECK;
/* Writes a record at an offset; *ret_size is how many bytes it takes. IO: errno says
 * why; what is behind the offset is no record then. */
enum kn_status segment_write(int fd, uint64_t at, const struct ingest_batch *batch,
                             uint64_t *ret_size) KN_MUST_CHECK;
/* Reads the record at an offset, which ends before size. Source and tag of the batch are
 * not set. A damaged body is left out (body NULL). INVALID: there is no record; NOMEM;
 * IO: errno says why. */
enum kn_status segment_read(int fd, uint64_t at, uint64_t size, struct ingest_batch **ret,
                            uint64_t *ret_size) KN_MUST_CHECK;

#endif
