/* The batch that is being filled: decodes messages into it, and closes it when
 * it is full or old. One thread. Does no I/O but logging. */
#ifndef INGESTION_BATCH_BATCHER_H
#define INGESTION_BATCH_BATCHER_H

#include "services/broker/broker.h"
#include "services/broker/receiver.h"
#include "services/celery/event/event.h"
#include "services/ingestion/batch/batch.h"
#include "services/ingestion/batch/clocks.h"

struct ingest_batcher_options {
    struct kn_str source; /* must outlive the batches */
    uint64_t epoch;
    bool enveloped; /* messages are: see broker_traits */
    size_t batch_events;
    int64_t batch_age_us;
    size_t event_max; /* bytes of one message */
};

/* Messages whose events are in a serializer that is not read. */
struct ingest_unread {
    char serializer[64]; /* of the last one, UTF-8 */
    uint64_t messages;   /* since the start */
    int64_t last_at;     /* monotonic */
};

struct ingest_batcher;

enum kn_status ingest_batcher_new(const struct ingest_batcher_options *options,
                                  struct ingest_batcher **ret) KN_MUST_CHECK;
/* NULL is allowed. */
void ingest_batcher_free(struct ingest_batcher *batcher);

/* Decodes a message into the open batch. Nothing points into the message after
 * it. What is invalid is counted, and logged with its cause (rate-limited). */
void ingest_batcher_add(struct ingest_batcher *batcher, const struct broker_message *message);
/* Messages that were dropped before they came here. */
void ingest_batcher_lost(struct ingest_batcher *batcher, uint64_t messages);
/* Messages that were skipped because they were too big. */
void ingest_batcher_too_big(struct ingest_batcher *batcher, uint64_t messages);
/* False when the batch has no place for more: close it first. reason: static text. */
bool ingest_batcher_gap(struct ingest_batcher *batcher, const struct broker_gap *gap,
                        struct kn_str reason);

/* What this batch and those before it are complete for (see ingest_batch in proto/messages.h). */
void ingest_batcher_complete(struct ingest_batcher *batcher, int64_t begins_at, int64_t to);
/* When the last event was sent, on our clock; 0: there was none. */
int64_t ingest_batcher_newest(const struct ingest_batcher *batcher);

/* All that was published before live_at (wall) has been added: see ingest_clocks_live. */
void ingest_batcher_live(struct ingest_batcher *batcher, int64_t live_at);
/* Our own clock was set: see ingest_clocks_set. */
void ingest_batcher_clock_set(struct ingest_batcher *batcher, int64_t by);
/* Senders whose clocks are wrong, and that were heard lately. */
void ingest_batcher_wrong_clocks(const struct ingest_batcher *batcher,
                                 struct ingest_wrong_clocks *ret);

/* Of all batches so far. */
const struct ingest_unread *ingest_batcher_unread(const struct ingest_batcher *batcher);

/* It holds as many events (or bytes) as a batch may. */
bool ingest_batcher_full(const struct ingest_batcher *batcher);
/* There is something in it to send. */
bool ingest_batcher_any(const struct ingest_batcher *batcher);
/* Another age at which a batch is closed, from now on. */
void ingest_batcher_age(struct ingest_batcher *batcher, int64_t batch_age_us);
/* How long until it is old enough to be closed; 0: it is. */
int64_t ingest_batcher_time_left(const struct ingest_batcher *batcher);
/* Events in it, and when the first of them came (0: none). */
size_t ingest_batcher_events(const struct ingest_batcher *batcher, int64_t *ret_oldest_at);

/* Ends the batch with these depths of queues (may be NULL, 0), and begins the
 * next. NOMEM: the batch stays open. */
enum kn_status ingest_batcher_close(struct ingest_batcher *batcher,
                                    struct kn_msg_queue_depth *depths, size_t depth_count,
                                    struct ingest_batch **ret) KN_MUST_CHECK;

#endif
