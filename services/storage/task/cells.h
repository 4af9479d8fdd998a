/* Rollups of one source and one task name for one minute (or hour, or day), as one database value:
 * a cell for each queue, worker and status.
 *
 * As bytes: version 1, then the cells, ascending by queue, worker, status:
 *   varint queue | varint worker | byte status | varint count (zigzag)
 *   | varint length of the sketch of runtimes | the sketch | the same for waits
 * Varints are LEB128; sketches are those of services/common/data/sketch.h; an empty one has no
 * bytes. No cell has count 0 and two empty sketches.
 *
 * Adding to a value is one pass over both sides; unchanged cells are copied. No I/O. */
#ifndef KN_STORAGE_TASK_CELLS_H
#define KN_STORAGE_TASK_CELLS_H

#include "services/common/text/buf.h"

struct cell {
    int64_t queue; /* numbers of the dictionary, 0: none */
    int64_t worker;
    uint8_t status; /* enum kn_task_status, or EXTRA_TASKS more: see deltas.h */
    int64_t count;
    struct kn_str runtime; /* encoded sketches, borrowed */
    struct kn_str wait;
};

/* The order of cells: by queue, worker, status. */
int cell_cmp(const struct cell *a, const struct cell *b);

struct cells_reader {
    const char *at;
    const char *end;
};

/* Begins reading; empty bytes have no cells. VERSION for bytes of another version. */
enum kn_status cells_open(struct kn_str bytes, struct cells_reader *ret) KN_MUST_CHECK;
/* The next cell, whose sketches point into the bytes. NOT_FOUND after the last
 * one; INVALID when the bytes are damaged. */
enum kn_status cells_next(struct cells_reader *reader, struct cell *ret) KN_MUST_CHECK;

/* Writes the sum of the stored cells and count others, which are sorted by cell_cmp and may have
 * duplicate keys. Writes nothing when the sum is empty. INVALID for damaged bytes, sketches or
 * counts beyond 64 bits. */
enum kn_status cells_add(struct kn_str stored, const struct cell *cells, size_t count,
                         struct kn_buf *out) KN_MUST_CHECK;

#endif
