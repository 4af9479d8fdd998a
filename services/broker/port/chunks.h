/* Passes received messages from the thread that reads the socket to the one that decodes: a list of
 * chunks, limited in bytes. One thread puts, one takes.
 *
 * A chunk holds the bytes of many messages, so a message needs neither an allocation nor a lock. */
#ifndef BROKER_PORT_CHUNKS_H
#define BROKER_PORT_CHUNKS_H

#include "services/broker/broker.h"

#include <pthread.h>

#define BROKER_CHUNK_SIZE ((size_t)256 << 10)

struct broker_chunk {
    struct broker_chunk *next; /* of the list or the pool */
    struct broker_message *messages;
    size_t count, messages_cap;
    size_t used, cap; /* of data */
    char *data;
    int64_t complete_to; /* see broker_receiver_status; including this chunk and those before it */
};

struct broker_chunks {
    pthread_mutex_t lock; /* everything below */
    pthread_cond_t filled;
    struct broker_chunk *first, *last; /* waiting to be taken */
    struct broker_chunk *pool;
    size_t pooled;
    size_t bytes; /* in the list */
    size_t max;
    bool closed;
};

void broker_chunks_init(struct broker_chunks *chunks, size_t max);
void broker_chunks_fini(struct broker_chunks *chunks);

/* An empty chunk with room for size bytes; NULL when out of memory. */
struct broker_chunk *broker_chunk_get(struct broker_chunks *chunks, size_t size);
/* Gives a chunk back. NULL is allowed. */
void broker_chunk_put(struct broker_chunks *chunks, struct broker_chunk *chunk);
/* Adds a message whose texts are in the chunk's data. False when out of memory. */
bool broker_chunk_add(struct broker_chunk *chunk, const struct broker_message *message);
/* Copies s into the data. The caller has made sure that it fits. */
struct kn_str broker_chunk_copy(struct broker_chunk *chunk, struct kn_str s);

/* Adds a chunk with messages to the list. With drop_oldest, drops older chunks while the list is
 * over its limit. Returns the number of dropped messages. */
size_t broker_chunks_push(struct broker_chunks *chunks, struct broker_chunk *chunk,
                          bool drop_oldest);
/* Whether the list is empty, so a chunk should be added at once. */
bool broker_chunks_idle(struct broker_chunks *chunks);
/* Changes the limit. */
void broker_chunks_limit(struct broker_chunks *chunks, size_t max);
bool broker_chunks_full(struct broker_chunks *chunks);
size_t broker_chunks_bytes(struct broker_chunks *chunks);
/* OK, TIMEOUT, or CLOSED when the list is closed and empty. */
enum kn_status broker_chunks_take(struct broker_chunks *chunks, int64_t timeout_us,
                                  struct broker_chunk **ret) KN_MUST_CHECK;
/* No more chunks will be added. */
void broker_chunks_close(struct broker_chunks *chunks);

#endif
