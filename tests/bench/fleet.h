/* Clients and workers that do not exist, and the messages that they send.
 *
 * Clients send tasks ahead of the workers. A worker takes some tasks in advance,
 * runs a few at a time, and puts what happens in one turn of its loop into one
 * message, as Celery's does. Nothing waits: the more messages are asked for, the
 * faster the tasks are done. */
#ifndef KN_BENCH_FLEET_H
#define KN_BENCH_FLEET_H

#include "services/common/status.h"
#include "tests/bench/events.h"

struct load_entry {
    uint64_t task;
    uint8_t type; /* enum load_type */
    uint8_t slot; /* enum load_slot */
};

struct load_message {
    struct kn_str routing_key;
    struct kn_str hostname;
    struct kn_str body; /* JSON; lives until the next message */
    size_t count;
    struct load_entry entries[LOAD_BATCH_MAX];
};

struct fleet;

/* options must outlive it. NOMEM. */
enum kn_status fleet_new(const struct load_options *options, struct fleet **ret) KN_MUST_CHECK;
/* NULL is allowed. */
void fleet_free(struct fleet *fleet);

/* No task begins after this one. */
void fleet_finish(struct fleet *fleet);
/* The next message at this time. False when every task has ended and every worker
 * has said goodbye. */
bool fleet_next(struct fleet *fleet, int64_t now_us, struct load_message *ret);
/* A heartbeat, if one is due. */
bool fleet_beat(struct fleet *fleet, int64_t now_us, struct load_message *ret);

/* How many tasks have begun. */
uint64_t fleet_tasks(const struct fleet *fleet);

#endif
