#include "services/aggregation/ledger.h"

#include <stdlib.h>

struct aggr_ledger {
    const char *reader;
    struct aggr_ledger_storage storage;
    struct aggr_rollups *rollups;
    struct kn_arena arena;
    struct aggr_position stored;
    uint64_t read_to;
    size_t rows_max, bytes_max;
    struct aggr_ledger_counters counters;
};

struct aggr_ledger *aggr_ledger_new(const char *reader, const struct aggr_ledger_storage *storage,
                                    size_t rows_max, size_t bytes_max)
{
    struct aggr_ledger *ledger = calloc(1, sizeof *ledger);
    if (!ledger)
        return NULL;
    ledger->reader = reader;
    ledger->storage = *storage;
    ledger->rows_max = rows_max;
    ledger->bytes_max = bytes_max;
    kn_arena_init(&ledger->arena, 0);
    ledger->rollups = aggr_rollups_new();
    if (!ledger->rollups) {
        aggr_ledger_free(ledger);
        return NULL;
    }
    return ledger;
}

void aggr_ledger_free(struct aggr_ledger *ledger)
{
    if (!ledger)
        return;
    aggr_rollups_free(ledger->rollups);
    kn_arena_fini(&ledger->arena);
    free(ledger);
}

/* ---- positions ---------------------------------------------------------------- */

static void begin_at(struct aggr_ledger *ledger, const struct aggr_position *position)
{
    aggr_rollups_clear(ledger->rollups);
    ledger->stored = *position;
    ledger->read_to = position->number;
}

enum aggr_ledger_next aggr_ledger_start(struct aggr_ledger *ledger)
{
    struct aggr_position position = {0};
    if (ledger->storage.position(ledger->storage.arg, &position) != KN_OK) {
        ledger->counters.failures++;
        return AGGR_LEDGER_RETRY;
    }
    begin_at(ledger, &position);
    return AGGR_LEDGER_RESET;
}

const struct aggr_position *aggr_ledger_position(const struct aggr_ledger *ledger)
{
    return &ledger->stored;
}

uint64_t aggr_ledger_read_to(const struct aggr_ledger *ledger)
{
    return ledger->read_to;
}

/* ---- reading ------------------------------------------------------------------ */

static bool same_feed(const struct aggr_ledger *ledger, struct kn_str feed)
{
    return kn_str_eq(kn_str_from(ledger->stored.feed), feed);
}

/* The first commit that is ever read names the numbering. */
static bool adopt_feed(struct aggr_ledger *ledger, struct kn_str feed)
{
    if (ledger->stored.feed[0] != '\0')
        return same_feed(ledger, feed);
    if (feed.len >= sizeof ledger->stored.feed)
        return false;
    memcpy(ledger->stored.feed, feed.ptr, feed.len);
    ledger->stored.feed[feed.len] = '\0';
    return true;
}

static enum aggr_ledger_next forget(struct aggr_ledger *ledger)
{
    struct aggr_position position = ledger->stored;
    begin_at(ledger, &position);
    return AGGR_LEDGER_RESET;
}

enum aggr_ledger_next aggr_ledger_add(struct aggr_ledger *ledger, const struct kn_msg_feed *commit)
{
    if (!adopt_feed(ledger, commit->feed))
        return forget(ledger);
    if (commit->number <= ledger->read_to)
        return AGGR_LEDGER_READ;
    if (commit->number != ledger->read_to + 1)
        return forget(ledger);
    for (size_t i = 0; i < commit->deltas.count; i++)
        if (aggr_rollups_add(ledger->rollups, commit->deltas.items + i) != KN_OK)
            return forget(ledger);
    ledger->read_to = commit->number;
    return AGGR_LEDGER_READ;
}

bool aggr_ledger_full(const struct aggr_ledger *ledger)
{
    return aggr_rollups_rows(ledger->rollups) >= ledger->rows_max ||
           aggr_rollups_bytes(ledger->rollups) >= ledger->bytes_max;
}

/* ---- sending ------------------------------------------------------------------ */

static enum kn_status send(struct aggr_ledger *ledger)
{
    struct kn_msg_rollup_put put = {
        .reader = kn_str_from(ledger->reader),
        .feed = kn_str_from(ledger->stored.feed),
        .from = ledger->stored.number,
        .to = ledger->read_to,
    };
    kn_arena_reset(&ledger->arena);
    enum kn_status status = aggr_rollups_rows_get(ledger->rollups, &ledger->arena, &put);
    if (status != KN_OK)
        return status;
    ledger->counters.flushes++;
    return ledger->storage.put(ledger->storage.arg, &put);
}

static enum aggr_ledger_next stored_now(struct aggr_ledger *ledger)
{
    aggr_rollups_clear(ledger->rollups);
    ledger->stored.number = ledger->read_to;
    return AGGR_LEDGER_READ;
}

static enum aggr_ledger_next settle_conflict(struct aggr_ledger *ledger)
{
    struct aggr_position position = {0};
    ledger->counters.conflicts++;
    if (ledger->storage.position(ledger->storage.arg, &position) != KN_OK)
        return AGGR_LEDGER_RETRY;
    if (same_feed(ledger, kn_str_from(position.feed)) && position.number == ledger->read_to)
        return stored_now(ledger);
    begin_at(ledger, &position);
    return AGGR_LEDGER_RESET;
}

enum aggr_ledger_next aggr_ledger_flush(struct aggr_ledger *ledger)
{
    if (ledger->read_to == ledger->stored.number)
        return AGGR_LEDGER_READ;
    enum kn_status status = send(ledger);
    if (status == KN_OK)
        return stored_now(ledger);
    if (status == KN_CONFLICT)
        return settle_conflict(ledger);
    ledger->counters.failures++;
    return AGGR_LEDGER_RETRY;
}

enum aggr_ledger_next aggr_ledger_rebuild(struct aggr_ledger *ledger, const char *feed,
                                          uint64_t newest)
{
    struct kn_msg_rollup_put put = {
        .reader = kn_str_from(ledger->reader),
        .feed = kn_str_from(feed),
        .to = newest,
        .rebuild = true,
    };
    ledger->counters.rebuilds++;
    if (ledger->storage.put(ledger->storage.arg, &put) != KN_OK) {
        ledger->counters.failures++;
        return AGGR_LEDGER_RETRY;
    }
    return aggr_ledger_start(ledger);
}

struct aggr_ledger_counters aggr_ledger_counters(const struct aggr_ledger *ledger)
{
    return ledger->counters;
}
