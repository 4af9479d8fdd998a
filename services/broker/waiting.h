/* Reads, purges and moves the waiting messages of a queue. Functions of a session (session.h).
 *
 * Redis: the lists of a queue's priorities are read from their right ends, where workers pop, in
 * the order in which kombu polls them. Reading changes nothing. A purge, and each batch of a move,
 * is one script and so atomic; a message that a worker takes meanwhile goes to the worker.
 *
 * RabbitMQ: AMQP cannot read messages without taking them. Messages are fetched, held while they
 * are read, and returned by closing the channel (also if we crash): they keep their places, and are
 * marked as redelivered. A quorum queue would reorder them and count each as delivered, so it is
 * refused, like a stream. A move uses transactions: the broker moves a whole batch or, when the
 * connection ends first, nothing. */
#ifndef BROKER_WAITING_H
#define BROKER_WAITING_H

#include "services/broker/session.h"
#include "services/common/data/arena.h"

enum {
    BROKER_LOOK_MAX = 200, /* messages per call, on RabbitMQ also the maximum that can be read */
    BROKER_CURSOR_MAX = 400
};

struct broker_waiting {
    struct kn_str envelope; /* kombu's; on RabbitMQ built from the message */
    uint64_t size;          /* bytes of the whole message (RabbitMQ: of the body) */
    bool cut;               /* longer than message_max: only the beginning, no envelope */
    bool redelivered;       /* RabbitMQ: delivered before */
};

struct broker_look {
    const char *queue;
    /* "" for the beginning. Redis: where the previous page ended. Remains valid while workers take
     * and clients send messages; after the last page it returns new messages. */
    struct kn_str cursor;
    size_t limit;           /* at most BROKER_LOOK_MAX */
    size_t bytes_max;       /* of a page; it may end early, but has at least one message */
    bool spare_redelivered; /* RabbitMQ: stop at the first one returned before */
};

struct broker_page {
    struct broker_waiting *items; /* next to be delivered first */
    size_t count;
    uint64_t total;       /* waiting messages of all priorities */
    int64_t consumers;    /* RabbitMQ; -1: unknown */
    struct kn_str cursor; /* Redis: for the next page; RabbitMQ: absent */
    bool more;            /* more messages follow the page */
};

/* Texts are in the arena. NOT_FOUND when the queue does not exist (RabbitMQ); INVALID: not our
 * cursor; TOO_BIG: the arena is full; UNSUPPORTED: a quorum queue or a stream, from which nothing
 * was taken. limit 0 only counts. */
enum kn_status broker_session_look(struct broker_session *session, const struct broker_look *look,
                                   struct kn_arena *arena, struct broker_page *ret) KN_MUST_CHECK;

struct broker_unacked {
    size_t bytes_max; /* approximate; nothing beyond is read */
    void (*each)(void *arg, struct kn_str value);
    void *arg;
};
/* Redis: messages that workers took and have not acknowledged, as stored by kombu: a JSON array
 * with the envelope as its first element. FULL: there are more. UNSUPPORTED on RabbitMQ, which does
 * not show them. */
enum kn_status broker_session_unacked(struct broker_session *session,
                                      const struct broker_unacked *unacked) KN_MUST_CHECK;

struct broker_found {
    struct kn_buf value; /* initialised before, and released by the caller */
    struct kn_buf list;  /* its list, for _take_out; empty: unacknowledged */
    bool complete;       /* false: not found among the first max values */
};
/* Searches a queue (absent: none), then (unacked) the unacknowledged messages for the wanted value,
 * up to max values. NOT_FOUND. A value that moves from one to the other meanwhile is rarely missed,
 * and never found twice. UNSUPPORTED by a broker that can't be read in place. */
enum kn_status broker_session_find(struct broker_session *session, struct kn_str queue,
                                   bool unacked, size_t max,
                                   bool (*is)(void *arg, struct kn_str value), void *arg,
                                   struct broker_found *ret) KN_MUST_CHECK;
/* Atomically removes the found value from its list if it is still there, byte for byte.
 * *ret_removed: 1 or 0. */
enum kn_status broker_session_take_out(struct broker_session *session,
                                       const struct broker_found *found,
                                       int64_t *ret_removed) KN_MUST_CHECK;

/* kombu's bindings of an exchange, in the arena: routing key, pattern and queue, with the separator
 * of the options between them. UNSUPPORTED by a broker that routes itself. */
enum kn_status broker_session_bindings(struct broker_session *session, struct kn_str exchange,
                                       struct kn_arena *arena, struct kn_str **ret,
                                       size_t *ret_count) KN_MUST_CHECK;

/* UNSUPPORTED: the queue is a stream of RabbitMQ, which can be neither purged nor moved from or to.
 * NOT_FOUND when it does not exist (RabbitMQ). */
enum kn_status broker_session_no_stream(struct broker_session *session,
                                        const char *queue) KN_MUST_CHECK;

struct broker_purge {
    const char *queue;
    uint64_t expected,
        tolerance;    /* expected number of waiting messages, and the allowed difference */
    uint64_t max;     /* at most this many, oldest first, whatever was expected; 0: all */
    int64_t deadline; /* monotonic: with max, RabbitMQ stops then */
    const char *keep; /* Redis: name of a list that keeps them for a while; NULL: none */
    const char *kept; /* with keep: a set that contains the member until _purged_end */
    struct kn_str member;
};
/* Removes all waiting messages if their number is close to expected; otherwise CONFLICT. With max,
 * removes up to so many. *ret_count is set in both cases: the number of removed messages, or of
 * waiting ones. RabbitMQ compares first and purges afterwards: the count is what was purged; more
 * waiting messages than max are taken one by one. UNSUPPORTED: a stream. */
enum kn_status broker_session_purge(struct broker_session *session,
                                    const struct broker_purge *purge,
                                    uint64_t *ret_count) KN_MUST_CHECK;
/* Takes up to limit of the messages kept by a purge; nobody else gets them. count 0 at the end.
 * Redis only; none on RabbitMQ. */
enum kn_status broker_session_purged(struct broker_session *session, const char *keep, size_t limit,
                                     struct kn_arena *arena, struct broker_page *ret) KN_MUST_CHECK;

/* Gets the members of such a set, as envelopes (none on RabbitMQ), and removes one that is done. */
enum kn_status broker_session_kept(struct broker_session *session, const char *kept,
                                   struct kn_arena *arena, struct broker_page *ret) KN_MUST_CHECK;
enum kn_status broker_session_purged_end(struct broker_session *session, const char *kept,
                                         struct kn_str member) KN_MUST_CHECK;

struct broker_move {
    const char *from, *to;
    uint64_t max;     /* messages; never more than are waiting at the start */
    int64_t deadline; /* monotonic */
    /* Selects messages; NULL for all. RabbitMQ: among the first BROKER_LOOK_MAX. */
    bool (*wanted)(void *arg, struct kn_str envelope);
    void *arg;
};
struct broker_moved {
    uint64_t found; /* waiting at the start */
    uint64_t moved; /* certainly moved, in their order */
    bool late;      /* the deadline passed first */
};
/* Moves messages to the same priority of the other queue. NOT_FOUND when one of them does not exist
 * (RabbitMQ); AGAIN: RabbitMQ blocks publishers; UNSUPPORTED: from or to a stream, or some of a
 * quorum queue; FULL: the other queue accepts nothing, and nothing was changed, except that the
 * first message of a quorum queue is now behind the others; CONFLICT: the other queue refused part
 * of a batch, which is back in its queue, though some of it may be in both. On failure *ret has the
 * messages moved so far. RabbitMQ: drops the headers CC and BCC, and restarts expirations. */
enum kn_status broker_session_move(struct broker_session *session, const struct broker_move *move,
                                   struct broker_moved *ret) KN_MUST_CHECK;

struct broker_removal {
    const char *queue;
    struct kn_str cursor; /* Redis: of the previous call; "" for the beginning */
    uint64_t max;         /* maximum number of messages to remove */
    uint64_t look_max;    /* approximate number of messages to read */
    int64_t deadline;     /* monotonic */
    bool (*wanted)(void *arg, struct kn_str envelope);
    void (*gone)(void *arg); /* called for the last wanted message, unless a worker took it */
    void *arg;
};
struct broker_removed {
    uint64_t removed;
    bool complete;                  /* max messages were removed, or all were read */
    char cursor[BROKER_CURSOR_MAX]; /* Redis: behind the last removed message */
};
/* Removes the wanted messages from a queue, and leaves the others in place. Redis: one LREM of the
 * exact bytes per message. RabbitMQ: the messages before a wanted one are held, and returned to
 * their places. Refused without any change: UNSUPPORTED for queues that do not return messages to
 * their places (quorum queues, streams), CONFLICT when the queue has a consumer, which would get
 * the later messages meanwhile. On any other failure wanted messages may be gone: on Redis as many
 * as *ret says, on RabbitMQ an unknown number. */
enum kn_status broker_session_remove(struct broker_session *session,
                                     const struct broker_removal *removal,
                                     struct broker_removed *ret) KN_MUST_CHECK;

#endif
