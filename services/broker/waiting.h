/* What waits in a queue: looked at, purged, moved to another queue. Functions of a
 * session (session.h).
 *
 * Redis: the lists of a queue and its priorities are read from their right ends, where
 * workers take from, in the order in which kombu asks for them. Nothing is changed by
 * looking. Purging and each piece of a move are one script, so atomic; a message
 * that a worker takes meanwhile is the worker's.
 *
 * RabbitMQ: AMQP has no way to look without taking. Messages are fetched, held while
 * they are read, and given back by closing the channel (also when we die): they
 * keep their places, and are marked as redelivered. A quorum queue would reorder them and count
 * each as delivered, so it is refused, like a stream. A move is done in transactions: the broker
 * does all of a piece or, when the connection ends before it, nothing.
 */
#ifndef BROKER_WAITING_H
#define BROKER_WAITING_H

#include "services/broker/session.h"
#include "services/common/data/arena.h"

enum {
    BROKER_LOOK_MAX = 200, /* messages at once, on RabbitMQ also the most that can be seen */
    BROKER_CURSOR_MAX = 400
};

struct broker_waiting {
    struct kn_str envelope; /* kombu's; on RabbitMQ made from the message */
    uint64_t size;          /* bytes of the whole message (RabbitMQ: of the body) */
    bool cut;               /* longer than message_max: only its beginning, no envelope */
    bool redelivered;       /* RabbitMQ: somebody has had it before */
};

struct broker_look {
    const char *queue;
    /* "" for the beginning. Redis: where the page before ended. It stays good while
     * workers take and clients send; afterwards it gives what is new. */
    struct kn_str cursor;
    size_t limit;           /* at most BROKER_LOOK_MAX */
    size_t bytes_max;       /* of a page; it ends early, but has one message at least */
    bool spare_redelivered; /* RabbitMQ: stop at the first that was given back before */
};

struct broker_page {
    struct broker_waiting *items; /* next to be delivered first */
    size_t count;
    uint64_t total;       /* that wait, all priorities together */
    int64_t consumers;    /* RabbitMQ; -1: not known */
    struct kn_str cursor; /* Redis: for the next page; RabbitMQ: absent */
    bool more;            /* there are some behind the page */
};

/* Texts lie in the arena. NOT_FOUND when there is no such queue (RabbitMQ); INVALID: not
 * our cursor; TOO_BIG: the arena is full; UNSUPPORTED: a quorum queue or a stream, and
 * nothing was taken. limit 0 only counts. */
enum kn_status broker_session_look(struct broker_session *session, const struct broker_look *look,
                                   struct kn_arena *arena, struct broker_page *ret) KN_MUST_CHECK;

struct broker_unacked {
    size_t bytes_max; /* about; what is beyond is not read */
    void (*each)(void *arg, struct kn_str value);
    void *arg;
};
/* Redis: what workers were given and have not acknowledged, each as kombu keeps it: a JSON
 * array with the envelope as its first element. FULL: there is more. UNSUPPORTED on
 * RabbitMQ, which does not show them. */
enum kn_status broker_session_unacked(struct broker_session *session,
                                      const struct broker_unacked *unacked) KN_MUST_CHECK;

struct broker_found {
    struct kn_buf value; /* to be given back by the caller, initialised before */
    struct kn_buf list;  /* where it is, for _take_out; empty: among the unacknowledged ones */
    bool complete;       /* false: there were more than max values, and it is not found */
};
/* Looks through a queue (absent: none), then (unacked) through what is not acknowledged, for the
 * value that is wanted, at up to max values. NOT_FOUND. A value that moves from one to the other
 * meanwhile is missed rarely, and never found twice. UNSUPPORTED by a broker that can't be read in
 * place. */
enum kn_status broker_session_find(struct broker_session *session, struct kn_str queue,
                                   bool unacked, size_t max,
                                   bool (*is)(void *arg, struct kn_str value), void *arg,
                                   struct broker_found *ret) KN_MUST_CHECK;
/* Takes what was found out of its list, if it is still there, byte for byte: at once.
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
    uint64_t expected, tolerance; /* how many should wait, give or take */
    const char *keep; /* Redis: name of a list to keep them in for a while; NULL: none */
    const char *kept; /* with keep: a set that has the member until _purged_end */
    struct kn_str member;
};
/* Removes all that waits, when that is about as many as expected; else CONFLICT.
 * *ret_count is set in both cases: how many were removed, or are there. RabbitMQ
 * compares first and purges then: the count is what was purged. UNSUPPORTED: a stream. */
enum kn_status broker_session_purge(struct broker_session *session,
                                    const struct broker_purge *purge,
                                    uint64_t *ret_count) KN_MUST_CHECK;
/* Takes up to limit messages out of what a purge kept: nobody else will. count 0 at
 * its end. Redis; nothing on RabbitMQ. */
enum kn_status broker_session_purged(struct broker_session *session, const char *keep, size_t limit,
                                     struct kn_arena *arena, struct broker_page *ret) KN_MUST_CHECK;

/* The members of such a set, as envelopes; none on RabbitMQ. And one of them is done with. */
enum kn_status broker_session_kept(struct broker_session *session, const char *kept,
                                   struct kn_arena *arena, struct broker_page *ret) KN_MUST_CHECK;
enum kn_status broker_session_purged_end(struct broker_session *session, const char *kept,
                                         struct kn_str member) KN_MUST_CHECK;

struct broker_move {
    const char *from, *to;
    uint64_t max;     /* messages; never more than wait at the beginning */
    int64_t deadline; /* monotonic */
    /* Which; NULL for all. RabbitMQ: among the first BROKER_LOOK_MAX. */
    bool (*wanted)(void *arg, struct kn_str envelope);
    void *arg;
};
struct broker_moved {
    uint64_t found; /* that waited at the beginning */
    uint64_t moved; /* for certain; the order among them is kept */
    bool late;      /* the deadline came first */
};
/* To the same priority of the other queue. NOT_FOUND when one of them does not
 * exist (RabbitMQ); AGAIN: RabbitMQ blocks publishers; UNSUPPORTED: from or to a stream, or some of
 * a quorum queue; FULL: the other queue takes nothing, and nothing was changed, except that the
 * first message of a quorum queue is now behind the others; CONFLICT: it refused some of a piece,
 * which is back in its queue then, though some of it may be in both. On failure *ret says what was
 * moved before. RabbitMQ: headers CC and BCC are dropped; an expiration begins again. */
enum kn_status broker_session_move(struct broker_session *session, const struct broker_move *move,
                                   struct broker_moved *ret) KN_MUST_CHECK;

struct broker_removal {
    const char *queue;
    struct kn_str cursor; /* Redis: of the one before; "" for the beginning */
    uint64_t max;         /* messages to be removed */
    uint64_t look_max;    /* messages to be looked at, about */
    int64_t deadline;     /* monotonic */
    bool (*wanted)(void *arg, struct kn_str envelope);
    void (*gone)(void *arg); /* the one that was wanted last; not when somebody else took it */
    void *arg;
};
struct broker_removed {
    uint64_t removed;
    bool complete;                  /* as many as max were removed, or all was looked at */
    char cursor[BROKER_CURSOR_MAX]; /* Redis: behind the last that was removed */
};
/* Takes the messages that are wanted out of a queue, and leaves the others where they are.
 * Redis: each is one LREM of its exact bytes. RabbitMQ: those before it are held, and given
 * back to their places. Refused, and nothing is touched: UNSUPPORTED by queues that do not
 * give back to the place (quorum, streams), CONFLICT when somebody consumes the queue, who
 * would be given the later ones meanwhile. On any other failure wanted messages may be gone:
 * on Redis as many as *ret says, on RabbitMQ nobody knows. */
enum kn_status broker_session_remove(struct broker_session *session,
                                     const struct broker_removal *removal,
                                     struct broker_removed *ret) KN_MUST_CHECK;

#endif
