#include "services/broker/port/chunks.h"

#include "services/common/process/cond.h"
#include "services/common/text/time.h"

#include <stdlib.h>

#define POOL_MAX 4

void broker_chunks_init(struct broker_chunks *chunks, size_t max)
{
    *chunks = (struct broker_chunks){.max = max};
    pthread_mutex_init(&chunks->lock, NULL);
    kn_cond_init(&chunks->filled);
}

static void chunk_free(struct broker_chunk *chunk)
{
    free(chunk->messages);
    free(chunk->data);
    free(chunk);
}

static void list_free(struct broker_chunk *chunk)
{
    while (chunk) {
        struct broker_chunk *next = chunk->next;
        chunk_free(chunk);
        chunk = next;
    }
}

void broker_chunks_fini(struct broker_chunks *chunks)
{
    list_free(chunks->first);
    list_free(chunks->pool);
    pthread_cond_destroy(&chunks->filled);
    pthread_mutex_destroy(&chunks->lock);
}

static struct broker_chunk *chunk_new(size_t size)
{
    struct broker_chunk *chunk = calloc(1, sizeof(*chunk));
    if (!chunk)
        return NULL;
    chunk->cap = size < BROKER_CHUNK_SIZE ? BROKER_CHUNK_SIZE : size;
    chunk->data = malloc(chunk->cap);
    if (!chunk->data) {
        free(chunk);
        return NULL;
    }
    return chunk;
}

struct broker_chunk *broker_chunk_get(struct broker_chunks *chunks, size_t size)
{
    struct broker_chunk *chunk = NULL;
    pthread_mutex_lock(&chunks->lock);
    if (size <= BROKER_CHUNK_SIZE && chunks->pool) {
        chunk = chunks->pool;
        chunks->pool = chunk->next;
        chunks->pooled--;
    }
    pthread_mutex_unlock(&chunks->lock);
    if (!chunk)
        return chunk_new(size);
    chunk->next = NULL;
    chunk->count = 0;
    chunk->used = 0;
    return chunk;
}

void broker_chunk_put(struct broker_chunks *chunks, struct broker_chunk *chunk)
{
    if (!chunk)
        return;
    pthread_mutex_lock(&chunks->lock);
    bool keep = chunk->cap == BROKER_CHUNK_SIZE && chunks->pooled < POOL_MAX;
    if (keep) {
        chunk->next = chunks->pool;
        chunks->pool = chunk;
        chunks->pooled++;
    }
    pthread_mutex_unlock(&chunks->lock);
    if (!keep)
        chunk_free(chunk);
}

bool broker_chunk_add(struct broker_chunk *chunk, const struct broker_message *message)
{
    if (chunk->count == chunk->messages_cap) {
        size_t cap = chunk->messages_cap ? 2 * chunk->messages_cap : 32;
        struct broker_message *more = realloc(chunk->messages, cap * sizeof(*more));
        if (!more)
            return false;
        chunk->messages = more;
        chunk->messages_cap = cap;
    }
    chunk->messages[chunk->count++] = *message;
    return true;
}

struct kn_str broker_chunk_copy(struct broker_chunk *chunk, struct kn_str s)
{
    if (!s.ptr)
        return s;
    char *to = chunk->data + chunk->used;
    if (s.len)
        memcpy(to, s.ptr, s.len);
    chunk->used += s.len;
    return (struct kn_str){to, s.len};
}

static struct broker_chunk *unlink_first(struct broker_chunks *chunks)
{
    struct broker_chunk *chunk = chunks->first;
    chunks->first = chunk->next;
    if (!chunks->first)
        chunks->last = NULL;
    chunks->bytes -= chunk->cap;
    return chunk;
}

size_t broker_chunks_push(struct broker_chunks *chunks, struct broker_chunk *chunk,
                          bool drop_oldest)
{
    struct broker_chunk *dropped = NULL;
    size_t lost = 0;
    chunk->next = NULL;
    pthread_mutex_lock(&chunks->lock);
    while (drop_oldest && chunks->first && chunks->bytes + chunk->cap > chunks->max) {
        struct broker_chunk *old = unlink_first(chunks);
        lost += old->count;
        old->next = dropped;
        dropped = old;
    }
    if (chunks->last)
        chunks->last->next = chunk;
    else
        chunks->first = chunk;
    chunks->last = chunk;
    chunks->bytes += chunk->cap;
    pthread_cond_signal(&chunks->filled);
    pthread_mutex_unlock(&chunks->lock);
    list_free(dropped);
    return lost;
}

bool broker_chunks_idle(struct broker_chunks *chunks)
{
    pthread_mutex_lock(&chunks->lock);
    bool idle = !chunks->first;
    pthread_mutex_unlock(&chunks->lock);
    return idle;
}

void broker_chunks_limit(struct broker_chunks *chunks, size_t max)
{
    pthread_mutex_lock(&chunks->lock);
    chunks->max = max;
    pthread_mutex_unlock(&chunks->lock);
}

bool broker_chunks_full(struct broker_chunks *chunks)
{
    pthread_mutex_lock(&chunks->lock);
    bool full = chunks->bytes + BROKER_CHUNK_SIZE > chunks->max;
    pthread_mutex_unlock(&chunks->lock);
    return full;
}

size_t broker_chunks_bytes(struct broker_chunks *chunks)
{
    pthread_mutex_lock(&chunks->lock);
    size_t bytes = chunks->bytes;
    pthread_mutex_unlock(&chunks->lock);
    return bytes;
}

enum kn_status broker_chunks_take(struct broker_chunks *chunks, int64_t timeout_us,
                                  struct broker_chunk **ret)
{
    int64_t deadline = kn_time_mono() + timeout_us;
    enum kn_status status = KN_OK;
    pthread_mutex_lock(&chunks->lock);
    while (!chunks->first && !chunks->closed &&
           kn_cond_wait_until(&chunks->filled, &chunks->lock, deadline))
        continue;
    if (chunks->first)
        *ret = unlink_first(chunks);
    else
        status = chunks->closed ? KN_CLOSED : KN_TIMEOUT;
    pthread_mutex_unlock(&chunks->lock);
    return status;
}

void broker_chunks_close(struct broker_chunks *chunks)
{
    pthread_mutex_lock(&chunks->lock);
    chunks->closed = true;
    pthread_cond_broadcast(&chunks->filled);
    pthread_mutex_unlock(&chunks->lock);
}
