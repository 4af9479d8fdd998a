/* Findings about receiving and keeping events, each with a remedy. No I/O. */
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
    const char *error; /* why the broker is unavailable; "" or NULL: it is available, or unknown */
    const char *unmeasured; /* why queues can't be measured; "" or NULL: they can */
    const char *alarm;      /* by which the broker blocks publishers; "" or NULL for none */
    const char *dir;        /* of the spool; NULL: there is none */
    struct ingest_spool_status spool;
    struct ingest_unread unread;
    struct ingest_wrong_clocks clocks;
    int64_t now; /* monotonic */
};

/* The list and its strings are in the arena; the list is empty if the arena is full. */
void ingest_findings(const struct ingest_facts *facts, struct kn_arena *arena,
                     struct kn_msg_finding **ret, size_t *ret_count);

#endif
