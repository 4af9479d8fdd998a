/* Shared by roster.c and its findings. */
#ifndef CONTROL_ASK_ROSTER_IMPL_H
#define CONTROL_ASK_ROSTER_IMPL_H

#include "services/common/data/table.h"
#include "services/control/ask/roster.h"

/* A worker is reported after this many rounds without an answer. */
enum { SILENT_ROUNDS = 4 };

struct roster_worker {
    struct kn_table_entry entry; /* "", hostname */
    bool online;
    bool listed;        /* in the list being read */
    bool wanted;        /* to be asked everything … */
    int64_t wanted_at;  /* … from then on */
    int64_t sample_at;  /* when to ask for stats; 0: never */
    uint64_t pid;       /* as known to storage */
    int64_t twins_told; /* as reported by storage */
    int64_t twins_at;   /* our monotonic clock; 0: never */
    int64_t started_at;
    bool asked, answered; /* in the current round */
    unsigned silent;      /* rounds without an answer */
    bool unread;          /* its replies use an unsupported serializer */
    uint64_t cpu_pid;     /* the previous sample */
    double cpu_seconds;
    int64_t cpu_at; /* 0: none */
    bool events_on;
    bool events_known; /* storage has a reply about its events from this connection */
    bool held;         /* a user has disabled its events */
    bool told;         /* held is newer than storage's report */
    struct control_conf conf;
};

struct control_roster {
    struct kn_table workers;
    bool events;
    int64_t findings_at; /* monotonic; of the findings being written */
};

static inline struct roster_worker *roster_first(const struct control_roster *roster)
{
    return (struct roster_worker *)kn_table_first(&roster->workers);
}

static inline struct roster_worker *roster_next(const struct roster_worker *worker)
{
    return (struct roster_worker *)kn_table_next(&worker->entry);
}

bool roster_has_twins(const struct roster_worker *worker, int64_t mono_us);

#endif
