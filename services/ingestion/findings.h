/* What somebody should know about how events come and are kept, with what to do. No I/O. */
#ifndef INGESTION_FINDINGS_H
#define INGESTION_FINDINGS_H

#include "services/broker/broker.h"
#include "services/common/data/arena.h"
#include "services/ingestion/batch/batcher.h"
#include "services/ingestion/spool/spool.h"

struct ingest_facts {
    struct kn_str source;
    const struct broker_url *url; /* of the broker */
    const char *note;             /* of the receiver; "" for none */
    const char *error;      /* why the broker can't be used; "" or NULL: it can, or it is unknown */
    const char *unmeasured; /* why queues can't be measured; "" or NULL: they can */
    const char *alarm;      /* by which the broker blocks publishers; "" or NULL for none */
    const char *dir;        /* of the spool; NULL: there is none */
    struct ingest_spool_status spool;
    struct ingest_unread unread;
    struct ingest_wrong_clocks clocks;
    int64_t now; /* monotonic */
};

/* The list, and its texts, lie in the arena; it is empty when that is full. */
void ingest_findings(const struct ingest_facts *facts, struct kn_arena *arena,
                     struct kn_msg_finding **ret, size_t *ret_count);

#endif
