/* Sends the rollup deltas of the feed to storage, each exactly once.
 *
 * Deltas read from the feed after the stored position are summed in memory and sent
 * together with the positions before and after them. Storage applies the sum in one
 * transaction, and only if its position is still the one before. So the sum can be
 * sent again if no answer came, and after a crash the process continues from the
 * stored position; nothing is lost or counted twice.
 *
 *   read ──put(from, to)──▶ OK: from = to
 *                           CONFLICT: ask for the position; at `to`: an
 *                             earlier attempt arrived after all; elsewhere:
 *                             discard the sum, and read again from there
 *                           no answer: send the same again
 *
 * No I/O of its own, no clock. One thread. */
#ifndef AGGREGATION_LEDGER_H
#define AGGREGATION_LEDGER_H

#include "services/aggregation/rollups.h"

enum { AGGR_FEED_NAME_MAX = 128 };

struct aggr_position {
    char feed[AGGR_FEED_NAME_MAX]; /* the numbering; "" if there is none yet */
    uint64_t number;               /* the last that is done */
};

/* How the ledger reaches storage; may wait. */
struct aggr_ledger_storage {
    void *arg;
    enum kn_status (*position)(void *arg, struct aggr_position *ret);
    enum kn_status (*put)(void *arg, const struct kn_msg_rollup_put *put);
};

/* What the caller must do next. */
enum aggr_ledger_next {
    AGGR_LEDGER_READ,  /* give it the next commit of the feed */
    AGGR_LEDGER_RESET, /* read the feed from aggr_ledger_position on */
    AGGR_LEDGER_RETRY, /* storage refused: flush again later */
};

struct aggr_ledger;

/* aggr_ledger_full reports when these limits are reached. Copies storage.
 * reader: static string. NULL if out of memory. Has no position until
 * aggr_ledger_start. */
struct aggr_ledger *aggr_ledger_new(const char *reader, const struct aggr_ledger_storage *storage,
                                    size_t rows_max, size_t bytes_max);
void aggr_ledger_free(struct aggr_ledger *ledger);

/* Asks for the stored position. RESET or RETRY. */
enum aggr_ledger_next aggr_ledger_start(struct aggr_ledger *ledger);
/* The stored position, then the last commit that is in memory. */
const struct aggr_position *aggr_ledger_position(const struct aggr_ledger *ledger);
uint64_t aggr_ledger_read_to(const struct aggr_ledger *ledger);

/* Adds a commit; skips commits that are already done. READ, or RESET if
 * it does not follow the previous one or can't be added. */
enum aggr_ledger_next aggr_ledger_add(struct aggr_ledger *ledger, const struct kn_msg_feed *commit);
/* True if a flush is due before more is added. */
bool aggr_ledger_full(const struct aggr_ledger *ledger);

/* Sends what there is, if anything. */
enum aggr_ledger_next aggr_ledger_flush(struct aggr_ledger *ledger);

/* If the feed no longer has the commits after the position, or has a different numbering:
 * has storage recount the rollups from its stored events, which also moves the
 * position. newest: of feed. RESET or RETRY. */
enum aggr_ledger_next aggr_ledger_rebuild(struct aggr_ledger *ledger, const char *feed,
                                          uint64_t newest);

/* Counts of sends, of CONFLICT answers, of missing answers or refusals, and of
 * requested recounts. */
struct aggr_ledger_counters {
    uint64_t flushes, conflicts, failures, rebuilds;
};
struct aggr_ledger_counters aggr_ledger_counters(const struct aggr_ledger *ledger);

#endif
