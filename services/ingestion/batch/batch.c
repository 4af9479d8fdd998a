#include "services/ingestion/batch/batch.h"

#include "proto/codec.h"

#include <stdlib.h>

void ingest_batch_free(struct ingest_batch *batch)
{
    if (!batch)
        return;
    free(batch->body);
    free(batch);
}

size_t ingest_batch_weight(const struct ingest_batch *batch)
{
    return sizeof(*batch) + batch->size;
}

enum kn_status ingest_batch_encode(struct ingest_batch *batch,
                                   const struct kn_msg_ingest_batch *message)
{
    struct kn_msg_ingest_batch full = *message;
    struct kn_buf buf;
    size_t size = 0;
    kn_buf_init(&buf, 0);
    full.source = batch->source;
    full.epoch = batch->epoch;
    full.seq = batch->seq;
    kn_msg_encode(&buf, KN_KIND_INGEST_BATCH, &full);
    enum kn_status status = kn_buf_status(&buf);
    char *body = kn_buf_take(&buf, &size);
    if (status != KN_OK || !body)
        return status == KN_OK ? KN_NOMEM : status;
    char *tight = realloc(body, size ? size : 1); /* it may wait for long */
    free(batch->body);
    batch->body = tight ? tight : body;
    batch->size = size;
    return KN_OK;
}

enum kn_status ingest_batch_empty(struct ingest_batch *batch)
{
    struct kn_arena arena;
    struct kn_msg_ingest_batch message = {0};
    struct kn_str body = {batch->body, batch->size};
    kn_arena_init(&arena, 0);
    enum kn_status status =
        batch->body ? kn_msg_decode(body, KN_KIND_INGEST_BATCH, &arena, &message) : KN_TRUNCATED;
    if (status == KN_OK)
        message.lost += message.events.count;
    else
        message = (struct kn_msg_ingest_batch){.received = batch->events, .lost = batch->events};
    message.events.count = 0;
    message.queues.count = 0;
    status = ingest_batch_encode(batch, &message);
    if (status == KN_OK)
        batch->events = 0;
    kn_arena_fini(&arena);
    return status;
}
