/* The state of a worker, from its own events, its answers to control, and aggregation's verdict on
 * whether it is online. Each part keeps the newest. */
#ifndef KN_STORAGE_STATE_WORKER_ROW_H
#define KN_STORAGE_STATE_WORKER_ROW_H

#include "services/storage/db/db.h"
#include "services/storage/task/merge.h"

/* The source of its online or offline status. */
enum worker_word {
    WORKER_NOBODY,
    WORKER_TASKS,   /* its task events; its own worker events take precedence */
    WORKER_ANSWER,  /* its answer to control */
    WORKER_ITSELF,  /* worker-online, worker-heartbeat, worker-offline */
    WORKER_VERDICT, /* aggregation, from missed heartbeats */
};

struct worker_row {
    int64_t source;
    int64_t host;
    struct merge_key beat;   /* of the latest worker event */
    struct merge_key status; /* of the event that set its status */
    enum worker_word word;
    struct kn_msg_worker worker; /* texts are borrowed */
    /* The last time that it was online and heard of only after a long silence, which nobody
     * judged: Kanchi did not run. Not stored; 0: none. */
    int64_t lapse_from, lapse_to;
};

enum { WORKER_COLUMNS = 8, WORKER_VALUES = 11, WORKER_BODY = 7 };

/* columns: source, host, beat_at, beat_clock, status_at, status_clock, status_by,
 * body. Texts are copied into the arena. */
enum kn_status worker_row_read(const struct db_value *columns, struct kn_arena *arena,
                               struct worker_row *ret) KN_MUST_CHECK;
/* Appends the message to body; of the value WORKER_BODY sets only its length. */
void worker_row_values(const struct worker_row *row, struct kn_buf *body,
                       struct db_value ret[WORKER_VALUES]);

/* Large answers that seldom change (conf, stats, active_queues and registered) are stored
 * separately: worker_row_values leaves them out. */
enum kn_status worker_row_read_answers(struct kn_str answers, struct kn_arena *arena,
                                       struct worker_row *row) KN_MUST_CHECK;
/* Appends these answers. Errors are kept in out. */
void worker_row_answers(const struct worker_row *row, struct kn_buf *out);

/* Applies an event with this worker's hostname. Returns whether readers should be notified: true
 * for all changes except the times of task events within a second. */
bool worker_row_event(struct worker_row *row, const struct kn_msg_event *event);
bool worker_row_inspect(struct worker_row *row, const struct kn_msg_worker_inspect *inspect);
bool worker_row_liveness(struct worker_row *row, const struct kn_msg_worker_liveness *liveness);

#endif
