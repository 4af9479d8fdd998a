#include "services/storage/readers.h"

#include "services/common/process/cond.h"
#include "services/common/text/time.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define QUERY_US (10 * KN_SECOND)     /* if the caller does not say how long it waits */
#define QUERY_US_MAX (10 * KN_MINUTE) /* whatever it says */

struct readers {
    atomic_bool ending;   /* queries are broken off */
    pthread_mutex_t lock; /* what follows */
    pthread_cond_t returned;
    struct store_reader *items[READERS_MAX];
    size_t free;
    size_t count;
    size_t queries; /* that have a reader or wait for one */
    size_t queries_max;
};

struct readers *readers_new(void)
{
    struct readers *readers = calloc(1, sizeof *readers);
    if (readers) {
        pthread_mutex_init(&readers->lock, NULL);
        kn_cond_init(&readers->returned);
    }
    return readers;
}

enum kn_status readers_open(struct readers *readers, struct store *store, size_t count,
                            struct kn_buf *error)
{
    enum kn_status status = KN_OK;
    while (status == KN_OK && readers->count < READERS_MAX && count--) {
        status = store_reader_new(store, &readers->items[readers->count], error);
        if (status == KN_OK)
            readers->free = ++readers->count;
    }
    return status;
}

void readers_free(struct readers *readers)
{
    if (!readers)
        return;
    for (size_t i = 0; i < readers->count; i++)
        store_reader_free(readers->items[i]);
    pthread_cond_destroy(&readers->returned);
    pthread_mutex_destroy(&readers->lock);
    free(readers);
}

void readers_limit(struct readers *readers, size_t queries_max)
{
    readers->queries_max = queries_max;
}

/* Until when the caller waits for the answer, by the monotonic clock. */
static int64_t deadline_of(uint64_t patience)
{
    if (!patience)
        patience = QUERY_US;
    return kn_time_mono() + (int64_t)(patience < QUERY_US_MAX ? patience : QUERY_US_MAX);
}

enum kn_status readers_borrow(struct readers *readers, uint64_t patience, struct store_reader **ret)
{
    int64_t deadline = deadline_of(patience);
    struct store_reader *reader = NULL;
    pthread_mutex_lock(&readers->lock);
    bool many = readers->queries >= readers->queries_max;
    if (!many) {
        readers->queries++;
        while (!readers->free && !atomic_load(&readers->ending) &&
               kn_cond_wait_until(&readers->returned, &readers->lock, deadline))
            continue;
        if (readers->free)
            reader = readers->items[--readers->free];
        else
            readers->queries--;
    }
    pthread_mutex_unlock(&readers->lock);
    if (!reader)
        return many ? KN_AGAIN : KN_TIMEOUT;
    store_reader_revive(reader);
    store_reader_limit(reader, deadline, &readers->ending);
    *ret = reader;
    return KN_OK;
}

void readers_give_back(struct readers *readers, struct store_reader *reader)
{
    pthread_mutex_lock(&readers->lock);
    readers->items[readers->free++] = reader;
    readers->queries--;
    pthread_cond_signal(&readers->returned);
    pthread_mutex_unlock(&readers->lock);
}

void readers_end(struct readers *readers)
{
    atomic_store(&readers->ending, true);
    pthread_mutex_lock(&readers->lock);
    pthread_cond_broadcast(&readers->returned);
    pthread_mutex_unlock(&readers->lock);
}
