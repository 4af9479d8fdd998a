/* The state of a task as a function of the set of its events.
 *
 * For each of Celery's eight types of task events, a record has the greatest order
 * key seen, and for each field its value with the order key of the event that brought
 * it. An order key is (timestamp, clock); of two values with the same key the greater
 * one stays. So merging is a join: commutative, associative and idempotent. Neither
 * the order of arrival nor repetition matters.
 *
 * The later of two events of one process is determined by its Lamport clock, unless the
 * timestamps of events within two seconds contradict it (threads take the clock first and
 * the time afterwards). Between processes the order of arrival decides or, if they arrived within
 * two seconds, their timestamps. If arrival and timestamps contradict each other, an event was late
 * or a clock is wrong, and a final event stands. Attempts are distinguished by `retries`: if the
 * latest attempt has number 2, two task-retried belong to earlier attempts, whatever their time.
 *
 * The status is that of the latest use of the ID: a final event stands until the
 * task is received or sent again. For the events of one use, in order, it equals
 * celery.events.state.State, except for task-rejected: then the message is gone
 * (rejected) or back in its queue (pending).
 *
 * What control learned (an event whose origin is the result backend or a worker) is
 * kept separately: for each type, the event with the greatest order key. It counts only
 * while there is no event of that type, so it never replaces what events say: see
 * merge_view.
 *
 * Custom events ("task-progress") determine only the worker and the times of the
 * first and latest event.
 *
 * Texts are borrowed: they are valid as long as the events and rows they came from.
 * No I/O, no allocation. */
#ifndef KN_STORAGE_TASK_MERGE_H
#define KN_STORAGE_TASK_MERGE_H

#include "proto/messages.h"
#include "services/common/text/buf.h"

/* Types in the order of KN_EVENT_TASK_SENT to KN_EVENT_TASK_RETRIED. */
enum merge_type {
    MERGE_SENT,
    MERGE_RECEIVED,
    MERGE_STARTED,
    MERGE_SUCCEEDED,
    MERGE_FAILED,
    MERGE_REJECTED,
    MERGE_REVOKED,
    MERGE_RETRIED,
    MERGE_TYPE_COUNT,
    MERGE_ORPHANED = MERGE_TYPE_COUNT, /* always learned */
    MERGE_LEARNED_COUNT
};

/* Sets of types, as bits. */
enum {
    MERGE_OF_MESSAGE = 1 << MERGE_SENT | 1 << MERGE_RECEIVED,
    MERGE_OF_SENT = 1 << MERGE_SENT,
    MERGE_OF_STARTED = 1 << MERGE_STARTED,
    MERGE_OF_RESULT = 1 << MERGE_SUCCEEDED,
    MERGE_OF_ERROR = 1 << MERGE_FAILED | 1 << MERGE_RETRIED,
    MERGE_OF_REVOKED = 1 << MERGE_REVOKED,
    MERGE_OF_EVENTS = (1 << MERGE_TYPE_COUNT) - 1,
    MERGE_OF_WORKER = ((1 << MERGE_TYPE_COUNT) - 1) & ~(1 << MERGE_SENT),
};

/* name, field of the event, types of events that have it. Numbers are stored: append. A text with a
 * column needs a row in db/task_columns.h. */
#define MERGE_TEXT_MAP(F)                                                                          \
    F(NAME, name, MERGE_OF_MESSAGE)                                                                \
    F(ARGS, args_repr, MERGE_OF_MESSAGE)                                                           \
    F(KWARGS, kwargs_repr, MERGE_OF_MESSAGE)                                                       \
    F(ROOT, root_id, MERGE_OF_MESSAGE)                                                             \
    F(PARENT, parent_id, MERGE_OF_MESSAGE)                                                         \
    F(QUEUE, queue, MERGE_OF_SENT)                                                                 \
    F(EXCHANGE, exchange, MERGE_OF_SENT)                                                           \
    F(ROUTING_KEY, routing_key, MERGE_OF_SENT)                                                     \
    F(CLIENT, hostname, MERGE_OF_SENT)                                                             \
    F(RESULT, result_repr, MERGE_OF_RESULT)                                                        \
    F(ERROR, exception, MERGE_OF_ERROR)                                                            \
    F(TRACEBACK, traceback, MERGE_OF_ERROR)                                                        \
    F(STARTED_BY, hostname, MERGE_OF_STARTED)                                                      \
    F(WORKER, hostname, MERGE_OF_WORKER)

enum merge_text {
#define F(name, field, types) MERGE_##name,
    MERGE_TEXT_MAP(F)
#undef F
        MERGE_TEXT_COUNT
};

struct merge_key {
    int64_t at; /* µs */
    uint64_t clock;
};

/* The sender of the event that type_key belongs to. */
struct merge_sender {
    uint32_t process; /* hash of hostname and pid; 0: unknown */
    int32_t lag_ms;   /* from its time to its arrival */
};

/* Hashes of the task-retried seen, smallest first, ascending. If the array is full, the number of
 * task-retried is unknown. */
enum { MERGE_RETRIED_MAX = 8 };
struct merge_retried {
    uint32_t seen[MERGE_RETRIED_MAX];
    uint8_t count;
};

/* All zero: a task without events. */
struct merge_task {
    uint16_t types;                       /* 1 << enum merge_type: the types seen */
    uint8_t origins[MERGE_LEARNED_COUNT]; /* of these types; other than EVENTS only in a view */
    struct merge_key type_key[MERGE_LEARNED_COUNT];
    struct merge_sender sender[MERGE_LEARNED_COUNT];         /* likewise */
    const struct kn_msg_event *learned[MERGE_LEARNED_COUNT]; /* borrowed; NULL: none */

    bool seen; /* any event at all */
    int64_t first_at;
    int64_t latest_at;

    struct kn_str text[MERGE_TEXT_COUNT]; /* absent: no event had it */
    struct merge_key text_key[MERGE_TEXT_COUNT];
    struct kn_opt_i64 retries;
    struct merge_key retries_key;
    struct kn_opt_f64 runtime;
    struct merge_key runtime_key;
    struct merge_key first_started; /* of the earliest task-started, if any */
    int64_t attempt;                /* the greatest `retries` received by a worker */
    struct merge_retried retried;
    int64_t skew; /* µs, of the event with the largest clock error; see kn_msg_event */

    bool requeued; /* of the latest task-rejected */

    /* of the latest event in MERGE_OF_MESSAGE; absent if that event has none */
    int64_t eta;
    int64_t expires;
    /* of the latest task-revoked */
    struct merge_revoked {
        struct kn_str signum;
        bool terminated;
        bool expired;
    } revoked;
};

/* True if the event belongs to a task: a standard type, or a custom "task-…". */
bool merge_is_task_event(const struct kn_msg_event *event);
/* True if control learned it. */
bool merge_is_learned(const struct kn_msg_event *event);
/* The status that an event of the type leads to. */
enum kn_task_status merge_status_of_type(enum merge_type type);

/* Joins an event of this task (merge_is_task_event) into its record. */
void merge_event(struct merge_task *task, const struct kn_msg_event *event);
/* Joins two records of the same task. */
void merge_join(struct merge_task *into, const struct merge_task *other);

bool merge_is_empty(const struct merge_task *task);
/* True if a learned event of the type counts: no Celery event of the type was seen. */
bool merge_learned_counts(const struct merge_task *task, enum merge_type type);
/* The task completed with what control learned: task itself if there is nothing to add,
 * otherwise *room. Fields that events of several types bring (name, worker …) are added
 * only if no event has them. For the functions below and for display; do not merge it
 * further. */
const struct merge_task *merge_view(const struct merge_task *task, struct merge_task *room);

/* Orphaned only replaces received and started, and only if afterwards neither was seen and
 * its message was not seen waiting. */
enum kn_task_status merge_status(const struct merge_task *task, enum kn_origin *ret_origin);
/* Status, origin and end at once. */
struct merge_state {
    enum kn_task_status status;
    enum kn_origin origin;
    int64_t ended_at; /* see merge_ended_at */
};
struct merge_state merge_state_of(const struct merge_task *task);
/* Time of the latest event of a type; 0 if there is none. */
int64_t merge_time(const struct merge_task *task, enum merge_type type);
/* Time of the event that led to the final status; 0 if there is none, and for orphaned,
 * because its end is unknown. */
int64_t merge_completed_at(const struct merge_task *task);
/* The same, but for orphaned the time when the task was found to be lost: where figures count it.
 */
int64_t merge_ended_at(const struct merge_task *task);
/* Time of task->learned[type] on Kanchi's clock. The backend has the worker's time, so the
 * result is limited: not before the worker received the task (or before it was sent, if only
 * that was seen), and not after control learned it. */
int64_t merge_learned_at(const struct merge_task *task, enum merge_type type);
/* Seconds in the queue: from sent to started; from received if sent is missing or later.
 * False if it is unknown. Never negative. */
bool merge_queue_wait(const struct merge_task *task, double *ret);

/* Encodes what a row needs in addition to its columns, in a few bytes:
 *   byte    types
 *   then for each type that was seen: varint clock, byte origin | 16 when 4 bytes follow
 *   with the process | 32 when it is that of the type before | 64 when a varint follows
 *   with the lag (zigzag)
 *   then for each field whose key differs from that of the latest event of the
 *   types that bring it: byte 1 + its number (that of enum merge_text, but 14 is retries, 15
 *   is runtime, and texts from 14 on are two further), varint timestamp (zigzag), varint clock
 *   then, each only when it is not 0: byte 128, varint attempt; byte 129, byte count,
 *   4 bytes for each task-retried; byte 130, varint skew (zigzag); byte 131, timestamp
 *   (zigzag) and clock of the first task-started, when there were several
 * What control learned is not included.
 * Times of the types, texts and numbers have their own columns. */
void merge_order_encode(struct kn_buf *out, const struct merge_task *task);
/* Before the call, task must have what the columns hold: type_key[].at, first_at, latest_at,
 * texts, numbers. INVALID: the bytes are damaged. */
enum kn_status merge_order_decode(struct kn_str order, struct merge_task *task) KN_MUST_CHECK;

#endif
