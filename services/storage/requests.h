/* The requests to storage: one row for each kind. */
#ifndef KN_STORAGE_REQUESTS_H
#define KN_STORAGE_REQUESTS_H

#include "services/storage/registry.h"
#include "services/storage/store.h"

struct tx;

/* A request during reading, and its answer. */
struct query {
    const void *msg;
    struct store_reader *reader;
    struct registry *registry;
    struct kn_arena *arena;      /* of the answer */
    enum kn_kind kind;           /* of the answer: from the row, unless read sets another */
    void *answer;                /* zeroed, in the arena; NULL: continue with apply */
    const char *why;             /* explains a status other than OK; may be NULL */
    const struct store_job *job; /* for apply: of JOB_CREATE */
};

/* A request is handled by read, apply (in a transaction of the writer) or note. If both read and
 * apply are set, apply runs when read left no answer. */
struct request {
    enum kn_kind kind;
    enum kn_kind answer;
    /* Uses the thread's own reader. */
    enum kn_status (*read)(struct query *query);
    /* Whether a change is complete enough to be applied; NULL: apply checks it. */
    bool (*check)(const void *msg);
    enum kn_status (*apply)(struct tx *tx, struct store_change *change);
    /* In memory. */
    enum kn_status (*note)(struct registry *registry, const void *msg);
};

/* NULL for kinds that storage does not answer. */
const struct request *request_of(enum kn_kind kind);

#endif
