/* The state of a task as a function of the set of its events.
 *
 * A record keeps, for each of Celery's eight types of task events, the greatest
 * order key that was seen, and for each field its value with the order key of
 * the event that brought it. An order key is (timestamp, clock); of two values
 * with the same key the greater one stays. So merging is a join: commutative,
 * associative and idempotent, and neither the order of arrival nor repetition
 * matters.
 *
 * Which event is the later one: within a process its own Lamport clock says it.
 * Between processes their arrival decides, or when they arrived within two seconds of
 * one another, their timestamps; where these two contradict each other, an event was
 * late or a clock is wrong, and a final event stands. Attempts are told apart by `retries`: as many
 * task-retried as the latest attempt's number all belong to attempts before it, whatever their
 * time.
 *
 * The status is that of the latest use of the id: a final event stands until the
 * task is received, or sent, again. For events of one use in order it equals
 * celery.events.state.State, but for task-rejected: there the message is gone
 * (rejected), or in its queue again (pending).
 *
 * What control learned (an event whose origin is the result backend or a worker)
 * is kept apart: one for each type, the one with the greatest order key. It counts
 * only while no event of that type was seen, so it never takes anything from what
 * events say: see merge_view.
 *
 * Custom events ("task-progress") count for the worker and the times of the
 * first and latest event; they change no status and no other field.
 *
 * Texts are borrowed: they live as long as the events and rows they came from.
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
    MERGE_ORPHANED = MERGE_TYPE_COUNT, /* only ever learned */
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

/* name, field of the event, types that bring it. Numbers are stored: append. A text that has a
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

/* More about the event that a type_key is of. */
struct merge_sender {
    uint32_t process; /* hash of hostname and pid; 0: not known */
    int32_t lag_ms;   /* from its time to its arrival */
};

/* The smallest hashes of the task-retried that were seen, ascending; once it is full, their number
 * is unknown. */
enum { MERGE_RETRIED_MAX = 8 };
struct merge_retried {
    uint32_t seen[MERGE_RETRIED_MAX];
    uint8_t count;
};

/* All zero: a task of which nothing is known. */
struct merge_task {
    uint16_t types;                       /* 1 << enum merge_type: of which events were seen */
    uint8_t origins[MERGE_LEARNED_COUNT]; /* of these; only a view has others than events */
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
    struct merge_key first_started; /* of the earliest task-started, when there is one */
    int64_t attempt;                /* the greatest `retries` that a worker received */
    struct merge_retried retried;
    int64_t skew; /* µs, of the event whose sender's clock was wrong by most; see kn_msg_event */

    bool requeued; /* of the latest task-rejected */

    /* of the latest event that is of MERGE_OF_MESSAGE: absent there is absent here */
    int64_t eta;
    int64_t expires;
    /* of the latest task-revoked */
    struct merge_revoked {
        struct kn_str signum;
        bool terminated;
        bool expired;
    } revoked;
};

/* Whether the event belongs to a task: a standard type, or a custom "task-…". */
bool merge_is_task_event(const struct kn_msg_event *event);
/* Whether it is one that control learned. */
bool merge_is_learned(const struct kn_msg_event *event);
/* The status that the type brings. */
enum kn_task_status merge_status_of_type(enum merge_type type);

/* Joins an event of this task (merge_is_task_event) into its record. */
void merge_event(struct merge_task *task, const struct kn_msg_event *event);
/* Joins two records of the same task. */
void merge_join(struct merge_task *into, const struct merge_task *other);

bool merge_is_empty(const struct merge_task *task);
/* Whether a learned event counts: no event of its type was seen. */
bool merge_learned_counts(const struct merge_task *task, enum merge_type type);
/* The task with what was learned in its place: task itself when there is nothing,
 * else *room. Fields that events of several types bring (name, worker …) are filled
 * in only where no event has them. For the functions below, and to be shown; not to
 * be merged further. */
const struct merge_task *merge_view(const struct merge_task *task, struct merge_task *room);

/* orphaned: only instead of received and started, and only when neither was seen
 * after it, nor its message waiting. */
enum kn_task_status merge_status(const struct merge_task *task, enum kn_origin *ret_origin);
/* Time of the latest event of a type, 0 when there was none. */
int64_t merge_time(const struct merge_task *task, enum merge_type type);
/* Time of the event that brought the final status, 0 while there is none, and for
 * orphaned, whose end nobody knows. */
int64_t merge_completed_at(const struct merge_task *task);
/* Time of what was learned (task->learned[type]) on our clock: not before the worker took
 * the task, or before it was sent when that is all that was seen, nor after it was learned.
 * The backend has it from the worker's clock. */
int64_t merge_learned_at(const struct merge_task *task, enum merge_type type);
/* Seconds in the queue: from sent to started; from received when sent is missing
 * or later. False when neither is there. Never negative. */
bool merge_queue_wait(const struct merge_task *task, double *ret);

/* What a row needs beside its columns, in a few bytes:
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
 * Nothing of what was learned is in it.
 * Times of the types, texts and numbers are columns of their own. */
void merge_order_encode(struct kn_buf *out, const struct merge_task *task);
/* task has everything that is in columns: type_key[].at, first_at, latest_at,
 * texts, numbers. INVALID when the bytes are damaged. */
enum kn_status merge_order_decode(struct kn_str order, struct merge_task *task) KN_MUST_CHECK;

#endif
