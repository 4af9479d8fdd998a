/* Brings the rollup deltas of the feed to storage, each exactly once.
 *
 * What was read from the feed after the stored position is summed up in memory
 * and sent together with the positions before and after it. Storage applies that
 * in one transaction, and only if the position is still the one before. So the
 * sum may be sent again when no answer came, and a process that dies anywhere
 * starts again from the stored position, and nothing is missing or counted twice.
 *
 *   read ──put(from, to)──▶ OK: from = to
 *                           CONFLICT: ask where the position is; at `to`: an
 *                             earlier sending arrived after all; elsewhere:
 *                             forget the sum, and read again from there
 *                           no answer: send the same again
 *
 * No I/O of its own, no clock. One thread. */
#ifndef AGGREGATION_LEDGER_H
#define AGGREGATION_LEDGER_H

#include "services/aggregation/rollups.h"

enum { AGGR_FEED_NAME_MAX = 128 };

struct aggr_position {
    char feed[AGGR_FEED_NAME_MAX]; /* the numbering; "" when there is none yet */
    uint64_t number;               /* the last that is done */
};

/* How the ledger reaches storage; may wait. */
struct aggr_ledger_storage {
    void *arg;
    enum kn_status (*position)(void *arg, struct aggr_position *ret);
    enum kn_status (*put)(void *arg, const struct kn_msg_rollup_put *put);
};

/* What the caller is to do now. */
enum aggr_ledger_next {
    AGGR_LEDGER_READ,  /* give it the next commit of the feed */
    AGGR_LEDGER_RESET, /* read the feed from aggr_ledger_position on */
    AGGR_LEDGER_RETRY, /* storage said no: flush again, after a while */
};

struct aggr_ledger;

/* Bounds: when there is so much to send, aggr_ledger_full says so. Copies storage.
 * reader: static text. NULL when out of memory. Begins without a position: start
 * with aggr_ledger_start. */
struct aggr_ledger *aggr_ledger_new(const char *reader, const struct aggr_ledger_storage *storage,
                                    size_t rows_max, size_t bytes_max);
void aggr_ledger_free(struct aggr_ledger *ledger);

/* Asks for the stored position. RESET or RETRY. */
enum aggr_ledger_next aggr_ledger_start(struct aggr_ledger *ledger);
/* The stored position, then the last commit that is in memory. */
const struct aggr_position *aggr_ledger_position(const struct aggr_ledger *ledger);
uint64_t aggr_ledger_read_to(const struct aggr_ledger *ledger);

/* Adds a commit. Those that are done already are passed over. READ, or RESET when
 * it does not follow the one before or can't be added. */
enum aggr_ledger_next aggr_ledger_add(struct aggr_ledger *ledger, const struct kn_msg_feed *commit);
/* Whether nothing more should be added before a flush. */
bool aggr_ledger_full(const struct aggr_ledger *ledger);

/* Sends what there is, if anything. */
enum aggr_ledger_next aggr_ledger_flush(struct aggr_ledger *ledger);

/* What follows the position is no longer kept, or feed is another numbering: has
 * storage count the rollups anew from its stored events, which also moves the
 * position. newest: of feed. RESET or RETRY. */
enum aggr_ledger_next aggr_ledger_rebuild(struct aggr_ledger *ledger, const char *feed,
                                          uint64_t newest);

/* Times that something was sent, that storage said CONFLICT, that it did not answer
 * or refused, and that it was asked to count anew. */
struct aggr_ledger_counters {
    uint64_t flushes, conflicts, failures, rebuilds;
};
struct aggr_ledger_counters aggr_ledger_counters(const struct aggr_ledger *ledger);

#endif
