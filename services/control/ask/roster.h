/* The workers of one broker as control knows them: whom to ask what, what they
 * answered before (for their use of the CPU), and what should be mended. Times are
 * given (monotonic). No I/O; one thread. */
#ifndef CONTROL_ASK_ROSTER_H
#define CONTROL_ASK_ROSTER_H

#include "proto/messages.h"
#include "services/common/data/arena.h"
#include "services/control/ask/conf.h"

/* What a worker is asked, as bits of a set. EVENTS is a command too: it switches
 * them on, and says so. */
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
    /* which tasks it has: only asked of a worker that appears; later, events tell */
    CONTROL_ASK_TASKS =
        1u << CONTROL_ASK_ACTIVE | 1u << CONTROL_ASK_RESERVED | 1u << CONTROL_ASK_SCHEDULED,
};

struct control_roster;

/* workers_max: more are counted and left out. events: whether they may be switched
 * on. NULL when out of memory. */
struct control_roster *control_roster_new(size_t workers_max, bool events);
void control_roster_free(struct control_roster *roster);

/* All workers of the broker as storage has them. One that is new, back online or
 * was restarted must be asked everything; one whose process alternates with another shares its
 * name. Where events were switched off by somebody (events_enabled is 0), they are not switched on.
 */
void control_roster_update(struct control_roster *roster, const struct kn_msg_worker_list *list,
                           int64_t mono_us);

/* Several processes answered to this name. */
void control_roster_note_twins(struct control_roster *roster, struct kn_str hostname,
                               int64_t mono_us);
/* Whether they did so lately. */
bool control_roster_has_twins(const struct control_roster *roster, struct kn_str hostname,
                              int64_t mono_us);

/* Whom to ask now, up to max of them who are to be asked the same. Names lie in
 * the arena. False when nobody is. */
struct control_demand {
    struct kn_str *hostnames;
    size_t count;
    unsigned questions; /* set of bits */
};
bool control_roster_demand(const struct control_roster *roster, int64_t mono_us, size_t max,
                           struct kn_arena *arena, struct control_demand *ret);
/* Of those to be asked (count 0: everybody), who may have events switched on: not where
 * somebody has switched them off. False when all of them may. Names lie in the arena. */
bool control_roster_unheld(const struct control_roster *roster, const struct kn_str *hostnames,
                           size_t count, struct kn_arena *arena, struct control_demand *ret);
/* Somebody switches its events off or on: until storage says so too. */
void control_roster_hold(struct control_roster *roster, struct kn_str hostname, bool hold);
/* The question could not be put, or the answer not be stored: ask again. */
void control_roster_again(struct control_roster *roster, struct kn_str hostname);

/* A round begins: hostnames (count 0: everybody) are being asked. */
void control_roster_asked(struct control_roster *roster, const struct control_demand *demand);
/* What a worker answered (set of bits) in that round. Completes inspect with
 * cpu_percent, and asks for another stats soon when there was none to compare with. */
void control_roster_answer(struct control_roster *roster, struct kn_msg_worker_inspect *inspect,
                           unsigned answered, int64_t mono_us);
/* A reply of that round could not be read: its serializer is not one of ours. The body names
 * the worker. */
void control_roster_unread(struct control_roster *roster, struct kn_str body);
/* The round is over: who was asked everything and did not answer is asked again,
 * after pauses that grow, a few times. */
void control_roster_settle(struct control_roster *roster, int64_t mono_us);

/* How many workers are online. */
size_t control_roster_online(const struct control_roster *roster);
uint64_t control_roster_left_out(const struct control_roster *roster);

/* What should be mended; texts lie in the arena. */
void control_roster_findings(struct control_roster *roster, struct kn_str source, int64_t mono_us,
                             struct kn_arena *arena, struct kn_msg_service_status *status);

#endif
