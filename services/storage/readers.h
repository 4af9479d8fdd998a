/* The readers of the database, lent to the threads that answer requests. A lock guards them. */
#ifndef KN_STORAGE_READERS_H
#define KN_STORAGE_READERS_H

#include "services/storage/store.h"

enum { READERS_MAX = 64 };

struct readers;

struct readers *readers_new(void);
/* Opens count readers (at most READERS_MAX), in addition to those that are there. On failure
 * error has a sentence, unless it is NOMEM. */
enum kn_status readers_open(struct readers *readers, struct store *store, size_t count,
                            struct kn_buf *error) KN_MUST_CHECK;
/* After readers_end, and when nobody has a reader any more. NULL is allowed. */
void readers_free(struct readers *readers);

/* How many may have a reader or wait for one at the same time. */
void readers_limit(struct readers *readers, size_t queries_max);
/* A reader whose queries end when the caller no longer waits: after patience, in µs; 0: after
 * the usual time. TIMEOUT if none was free in time, AGAIN if too many wait already: the remaining
 * threads are for writing. */
enum kn_status readers_borrow(struct readers *readers, uint64_t patience,
                              struct store_reader **ret) KN_MUST_CHECK;
void readers_give_back(struct readers *readers, struct store_reader *reader);
/* Breaks queries off; from now on nobody waits for a reader. */
void readers_end(struct readers *readers);

#endif
