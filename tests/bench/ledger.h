/* What the broker has taken, event by event, and which counts a monitor should
 * have in the end. A message counts when the broker has answered for it; when the
 * connection is lost before, nobody knows, and its events are kept as unsure. */
#ifndef KN_BENCH_LEDGER_H
#define KN_BENCH_LEDGER_H

#include "tests/bench/fleet.h"

struct ledger;

/* each_task: keep in mind what became of each event of each task (two bytes a
 * task), for ledger_expect. NOMEM. */
enum kn_status ledger_new(const struct load_options *options, bool each_task,
                          struct ledger **ret) KN_MUST_CHECK;
/* NULL is allowed. */
void ledger_free(struct ledger *ledger);

/* A message was given to the broker; answers come in the same order. The entries
 * are copied. NOMEM. */
enum kn_status ledger_sent(struct ledger *ledger, const struct load_message *message) KN_MUST_CHECK;
/* How many messages wait for their answer. */
size_t ledger_waiting(const struct ledger *ledger);
/* The oldest ones of them were answered; subscribers: how many got them, or 0. */
void ledger_accepted(struct ledger *ledger, size_t messages, uint64_t subscribers);
/* Nobody will answer for those that wait. */
void ledger_lost(struct ledger *ledger);

struct ledger_totals {
    uint64_t messages, bytes, events; /* accepted */
    uint64_t unsure_messages, unsure_events;
    uint64_t subscribers; /* the least that got a message */
    uint64_t by_type[LOAD_TYPE_COUNT];
    uint64_t unsure_by_type[LOAD_TYPE_COUNT];
};
const struct ledger_totals *ledger_totals(const struct ledger *ledger);

/* Appends a JSON object: "events" and "unsure" by type, "tasks" by the status that
 * they have when all accepted events have arrived (as Kanchi names it) and
 * "tasks_unsure": those with an event of which nobody knows, which are in none of
 * the other counts. */
void ledger_expect(const struct ledger *ledger, struct kn_buf *out);

#endif
