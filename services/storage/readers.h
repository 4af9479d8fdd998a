/* A pool of database readers for the threads that answer requests. A lock guards them. */
#ifndef KN_STORAGE_READERS_H
#define KN_STORAGE_READERS_H

#include "services/storage/store.h"

enum { READERS_MAX = 64 };

struct readers;

struct readers *readers_new(void);
/* Opens count readers (at most READERS_MAX), in addition to existing ones. On failure error has a
 * sentence, unless it is NOMEM. */
enum kn_status readers_open(struct readers *readers, struct store *store, size_t count,
                            struct kn_buf *error) KN_MUST_CHECK;
/* Call after readers_end, when all readers have been returned. NULL is allowed. */
void readers_free(struct readers *readers);

/* Sets how many threads may hold or wait for a reader at the same time. */
void readers_limit(struct readers *readers, size_t queries_max);
/* Borrows a reader whose queries end when the caller no longer waits: after patience, in µs; 0:
 * after the default time. TIMEOUT if no reader was free in time, AGAIN if too many threads are
 * waiting: the remaining threads are reserved for writing. */
enum kn_status readers_borrow(struct readers *readers, uint64_t patience,
                              struct store_reader **ret) KN_MUST_CHECK;
void readers_give_back(struct readers *readers, struct store_reader *reader);
/* Cancels queries; from now on no thread waits for a reader. */
void readers_end(struct readers *readers);

#endif
