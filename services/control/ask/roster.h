/* The workers of one broker as control knows them: which to query and for what, their earlier
 * replies (for CPU usage), and findings. The caller passes the time (monotonic). No I/O; one
 * thread. */
#ifndef CONTROL_ASK_ROSTER_H
#define CONTROL_ASK_ROSTER_H

#include "proto/messages.h"
#include "services/common/data/arena.h"
#include "services/control/ask/conf.h"

/* Queries of a worker, as bits of a set. EVENTS is also a command: it enables events, and the
 * reply says so. */
#define CONTROL_QUESTION_MAP(X)                                                                    \
    X(EVENTS, "enable_events", "{}")                                                               \
    X(STATS, "stats", "{}")                                                                        \
    X(QUEUES, "active_queues", "{}")                                                               \
    X(REGISTERED, "registered", "{}")                                                              \
    X(CONF, "conf", "{\"with_defaults\":false}")                                                   \
    X(ACTIVE, "active", "{\"safe\":true}")                                                         \
    X(RESERVED, "reserved", "{}")                                                                  \
    X(SCHEDULED, "scheduled", "{}")

enum control_question {
#define X(name, method, arguments) CONTROL_ASK_##name,
    CONTROL_QUESTION_MAP(X)
#undef X
        CONTROL_QUESTION_COUNT
};

enum {
    CONTROL_ASK_ALL = (1u << CONTROL_QUESTION_COUNT) - 1,
    /* which tasks it has: only when a worker appears; later, events say so */
    CONTROL_ASK_TASKS =
        1u << CONTROL_ASK_ACTIVE | 1u << CONTROL_ASK_RESERVED | 1u << CONTROL_ASK_SCHEDULED,
};

struct control_roster;

/* workers_max: further workers are only counted. events: true if events may be enabled.
 * NULL: out of memory. */
struct control_roster *control_roster_new(size_t workers_max, bool events);
void control_roster_free(struct control_roster *roster);

/* Takes over all workers of the broker from storage. A worker that is new, back online or
 * restarted gets all queries; one whose process alternates with another shares its name. If a
 * user disabled a worker's events (events_enabled is 0), they are not enabled. */
void control_roster_update(struct control_roster *roster, const struct kn_msg_worker_list *list,
                           int64_t mono_us);

/* Several processes replied under this name. */
void control_roster_note_twins(struct control_roster *roster, struct kn_str hostname,
                               int64_t mono_us);
/* True if that happened recently. */
bool control_roster_has_twins(const struct control_roster *roster, struct kn_str hostname,
                              int64_t mono_us);

/* The workers to query now: up to max that get the same queries. Names lie in the arena.
 * False if there are none. */
struct control_demand {
    struct kn_str *hostnames;
    size_t count;
    unsigned questions; /* set of bits */
};
bool control_roster_demand(const struct control_roster *roster, int64_t mono_us, size_t max,
                           struct kn_arena *arena, struct control_demand *ret);
/* Of the workers to query (count 0: all), those whose events may be enabled because no user
 * disabled them. False if that is true of all. Names lie in the arena. */
bool control_roster_unheld(const struct control_roster *roster, const struct kn_str *hostnames,
                           size_t count, struct kn_arena *arena, struct control_demand *ret);
/* A user disables or enables the worker's events; valid until storage reports the same. */
void control_roster_hold(struct control_roster *roster, struct kn_str hostname, bool hold);
/* The query could not be sent, or the reply not be stored: query again. */
void control_roster_again(struct control_roster *roster, struct kn_str hostname);

/* A round begins: these hostnames (count 0: all) are being queried. */
void control_roster_asked(struct control_roster *roster, const struct control_demand *demand);
/* The queries (set of bits) that a worker answered in that round. Sets cpu_percent in inspect;
 * if there was no earlier sample, requests another stats soon. */
void control_roster_answer(struct control_roster *roster, struct kn_msg_worker_inspect *inspect,
                           unsigned answered, int64_t mono_us);
/* A reply of that round could not be read because of its serializer. The body contains the
 * worker's name. */
void control_roster_unread(struct control_roster *roster, struct kn_str body);
/* Ends the round: workers that got all queries and did not reply are queried again a few
 * times, at growing intervals. */
void control_roster_settle(struct control_roster *roster, int64_t mono_us);

/* Number of online workers. */
size_t control_roster_online(const struct control_roster *roster);
uint64_t control_roster_left_out(const struct control_roster *roster);

/* Adds findings; their texts lie in the arena. */
void control_roster_findings(struct control_roster *roster, struct kn_str source, int64_t mono_us,
                             struct kn_arena *arena, struct kn_msg_service_status *status);

#endif
