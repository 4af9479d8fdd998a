/* Measures the clocks of workers and clients by when their events arrive, and corrects the times of
 * the events.
 *
 * An event from the future proves that its sender's clock is ahead. An event from the past may only
 * have been on its way for long. But if the broker had nothing for us after the event's own time,
 * the event can't have waited for us; only its sender, or a relay before our broker, may have held
 * it back. So a clock is behind when two such events, 1.5 seconds or more apart, are late by the
 * same time: the delays of a backlog get shorter. If the first event of a sender is more than five
 * minutes late, it is enough, until one with a smaller delay than it proved comes.
 *
 * A sender's correction stays the same until it is off by more than half a second, so that the
 * times of one sender keep their distances. A known sender is believed to have set its clock only
 * when two events, 1.5 seconds apart, say so. Names longer than INGEST_HOSTNAME_MAX bytes are not
 * remembered.
 *
 * No I/O, no clock of its own. One thread. */
#ifndef INGESTION_BATCH_CLOCKS_H
#define INGESTION_BATCH_CLOCKS_H

#include "proto/messages.h"

struct ingest_clocks;

/* The last senders_max senders are remembered. NULL when memory is out. */
struct ingest_clocks *ingest_clocks_new(size_t senders_max);
/* NULL is allowed. */
void ingest_clocks_free(struct ingest_clocks *clocks);

/* All that was sent before live_at has arrived; 0: not known. */
void ingest_clocks_live(struct ingest_clocks *clocks, int64_t live_at);
/* Our own clock was set by so much (µs): every sender's is off by as much more. */
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
