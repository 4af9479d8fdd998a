/* Measures the clocks of workers and clients by the arrival of their events, and corrects the
 * times of the events.
 *
 * An event from the future proves that its sender's clock is ahead. An event from the past may
 * simply have been delayed. But if the broker had no further messages since the event's own time,
 * the event can't have waited there; only its sender, or a relay before the broker, can have
 * delayed it. So a clock is behind if two such events, 1.5 seconds or more apart, are late by the
 * same amount: the delays of a backlog get shorter. If the first event of a sender is more than
 * five minutes late, it is enough, until an event with a smaller delay disproves it.
 *
 * A sender's correction stays the same until it is off by more than half a second, so that the
 * times of one sender keep their distances. Two events, 1.5 seconds apart, are required to accept
 * that a known sender's clock was set. Names longer than INGEST_HOSTNAME_MAX bytes are not
 * remembered.
 *
 * No I/O, no clock of its own. Not thread-safe. */
#ifndef INGESTION_BATCH_CLOCKS_H
#define INGESTION_BATCH_CLOCKS_H

#include "proto/messages.h"

struct ingest_clocks;

/* Remembers the last senders_max senders. NULL if out of memory. */
struct ingest_clocks *ingest_clocks_new(size_t senders_max);
/* NULL is allowed. */
void ingest_clocks_free(struct ingest_clocks *clocks);

/* Everything sent before live_at has arrived; 0: unknown. */
void ingest_clocks_live(struct ingest_clocks *clocks, int64_t live_at);
/* Kanchi's clock was set by this much (µs), which changes every sender's difference. */
void ingest_clocks_set(struct ingest_clocks *clocks, int64_t by);
/* Corrects timestamp, and sets skew; received_at must be set. An event is never left with a
 * time that is later than its arrival by more than a second. */
void ingest_clocks_event(struct ingest_clocks *clocks, struct kn_msg_event *event);

enum { INGEST_WRONG_MAX = 8, INGEST_HOSTNAME_MAX = 255 };
struct ingest_wrong_clocks {
    struct {
        char hostname[INGEST_HOSTNAME_MAX + 1];
        int64_t skew; /* µs ahead of ours, negative: behind */
    } items[INGEST_WRONG_MAX];
    size_t count;
    size_t total; /* how many there are */
};
/* Those that were heard since a time (wall), and are wrong. */
void ingest_clocks_wrong(const struct ingest_clocks *clocks, int64_t since,
                         struct ingest_wrong_clocks *ret);

#endif
