/* Builds batches: decodes messages into the open batch, and closes it when it is full
 * or old enough. Not thread-safe. No I/O except logging. */
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

/* Messages whose events use an unsupported serializer. */
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

/* Decodes a message into the open batch and keeps no pointers into the message.
 * Invalid events are counted, and logged with their cause (rate-limited). */
void ingest_batcher_add(struct ingest_batcher *batcher, const struct broker_message *message);
/* Counts messages that were dropped earlier. */
void ingest_batcher_lost(struct ingest_batcher *batcher, uint64_t messages);
/* Counts messages that were skipped because they were too large. */
void ingest_batcher_too_big(struct ingest_batcher *batcher, uint64_t messages);
/* False if the batch has no room: close it first. reason: static string. */
bool ingest_batcher_gap(struct ingest_batcher *batcher, const struct broker_gap *gap,
                        struct kn_str reason);

/* What this batch and those before it are complete for (see ingest_batch in proto/messages.h). */
void ingest_batcher_complete(struct ingest_batcher *batcher, int64_t begins_at, int64_t to);
/* When the last event was sent, on our clock; 0: there was none. */
int64_t ingest_batcher_newest(const struct ingest_batcher *batcher);

/* All that was published before live_at (wall) has been added: see ingest_clocks_live. */
void ingest_batcher_live(struct ingest_batcher *batcher, int64_t live_at);
/* Kanchi's clock was set: see ingest_clocks_set. */
void ingest_batcher_clock_set(struct ingest_batcher *batcher, int64_t by);
/* Recently active senders with wrong clocks. */
void ingest_batcher_wrong_clocks(const struct ingest_batcher *batcher,
                                 struct ingest_wrong_clocks *ret);

/* Of all batches so far. */
const struct ingest_unread *ingest_batcher_unread(const struct ingest_batcher *batcher);

/* True if the batch has reached its maximum number of events or bytes. */
bool ingest_batcher_full(const struct ingest_batcher *batcher);
/* True if there is something to send. */
bool ingest_batcher_any(const struct ingest_batcher *batcher);
/* Sets the age at which batches are closed. */
void ingest_batcher_age(struct ingest_batcher *batcher, int64_t batch_age_us);
/* Time until it is old enough to be closed; 0: now. */
int64_t ingest_batcher_time_left(const struct ingest_batcher *batcher);
/* Number of events, and the arrival of the first one (0: none). */
size_t ingest_batcher_events(const struct ingest_batcher *batcher, int64_t *ret_oldest_at);

/* Closes the batch with these queue depths (may be NULL, 0), and opens the
 * next one. NOMEM: the batch stays open. */
enum kn_status ingest_batcher_close(struct ingest_batcher *batcher,
                                    struct kn_msg_queue_depth *depths, size_t depth_count,
                                    struct ingest_batch **ret) KN_MUST_CHECK;

#endif
