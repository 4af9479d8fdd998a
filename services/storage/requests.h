/* What storage is asked for: one row for each kind of request. */
#ifndef KN_STORAGE_REQUESTS_H
#define KN_STORAGE_REQUESTS_H

#include "services/storage/registry.h"
#include "services/storage/store.h"

struct tx;

/* A request that is being read for; its answer. */
struct query {
    const void *msg;
    struct store_reader *reader;
    struct registry *registry;
    struct kn_arena *arena;      /* of the answer */
    enum kn_kind kind;           /* of the answer: the row's, unless read chooses another */
    void *answer;                /* zeroed, in the arena; NULL: the request goes on to apply */
    const char *why;             /* more about a status that is not OK; may be NULL */
    const struct store_job *job; /* for apply: of JOB_CREATE */
};

/* A request is read for, applied in a transaction of the writer, or noted. One with both read and
 * apply is applied when read left no answer. */
struct request {
    enum kn_kind kind;
    enum kn_kind answer;
    /* With a reader of the thread's own. */
    enum kn_status (*read)(struct query *query);
    /* Whether a change says enough to be applied; NULL: apply finds out. */
    bool (*check)(const void *msg);
    enum kn_status (*apply)(struct tx *tx, struct store_change *change);
    /* In memory. */
    enum kn_status (*note)(struct registry *registry, const void *msg);
};

/* NULL when storage does not answer this kind. */
const struct request *request_of(enum kn_kind kind);

#endif
