/* What a broker must be able to do to be used by Kanchi. Private to this room: others use the
 * headers above this folder, and broker_traits.
 *
 * To add a broker:
 * 1. a folder beside redis/ and amqp/, with a `const struct broker_driver` (redis/redis_driver.c);
 * 2. its schemes, errors and traits there. The traits decide how the other services treat it; a new
 *    one is named for what it means to a caller;
 * 3. a row in url/drivers.c, the files in CMakeLists.txt, and the schemes in the setting `url` of a
 *    broker (services/common/config/config.h).
 * Nothing else depends on which brokers exist. A driver's meter or session begins with the struct
 * below, so a pointer to one is a pointer to the other. */
#ifndef BROKER_PORT_DRIVER_H
#define BROKER_PORT_DRIVER_H

#include "services/broker/fault.h"
#include "services/broker/meter.h"
#include "services/broker/net/net.h"
#include "services/broker/receiver.h"
#include "services/broker/session.h"
#include "services/broker/waiting.h"

#include <stdatomic.h>

enum broker_scheme_flags {
    BROKER_SCHEME_TLS = 1,
    BROKER_SCHEME_SOCKET = 2,   /* the path is that of a unix socket */
    BROKER_SCHEME_SENTINEL = 4, /* the hosts are sentinels */
};

/* The first scheme of each combination of flags is the one that is shown. */
struct broker_scheme {
    const char *name; /* what stands before "://" */
    int flags;
    uint16_t port, tls_port; /* without one in the URL; tls_port when an option asks for TLS */
};

/* A remedy that brokers have in common. */
#define BROKER_REMEDY_LOGIN                                                                        \
    "Check the user and password of the broker's URL. A user or password with / ? # @ : ; % in "   \
    "it must be percent-encoded."

/* Both texts must be in the error; also may be NULL. */
struct broker_fault_row {
    const char *has, *also;
    struct broker_fault fault;
};

/* ---- receiving events ---------------------------------------------------------------- */

enum { BROKER_GAPS_MAX = 64 };

struct broker_receiver {
    struct broker_options options;
    struct broker_chunks chunks;
    struct broker_chunk *chunk; /* being filled; the thread's */
    int wake_fd;
    pthread_t thread;
    atomic_bool stopping; /* read no more */
    atomic_bool ending;   /* disconnect */
    _Atomic uint64_t ack_to;

    pthread_mutex_t lock; /* status and gaps */
    struct broker_receiver_status status;
    struct broker_gap gaps[BROKER_GAPS_MAX];
    size_t gap_first, gap_count;

    /* the thread's own */
    unsigned seed;
    /* All that was published before was received, or, from a broker that keeps events, when the
     * last message came or, before the first, when we found our queue empty; 0 before that. */
    int64_t alive_at;
    /* of a broker that keeps events */
    uint64_t base; /* our tags are the broker's plus this */
    uint64_t tag;  /* last one given */
    uint64_t acked;
    bool cancelled; /* the broker ended our subscription */
};

/* A new state; error absent: the last one stays. */
void broker_receiver_state(struct broker_receiver *r, enum broker_state state, struct kn_str error);

/* For the driver, while it receives: */
void broker_receiver_connected(struct broker_receiver *r);
void broker_receiver_note(struct broker_receiver *r, const char *note);
/* Something may have been lost since alive_at; if that was before our time, from now on
 * nothing is. */
void broker_receiver_gap(struct broker_receiver *r);
/* What was received is complete up to alive_at. */
void broker_receiver_complete(struct broker_receiver *r);
void broker_receiver_count(struct broker_receiver *r, uint64_t messages, uint64_t bytes,
                           uint64_t too_big);
/* Hands r->chunk over when it holds messages. */
void broker_receiver_flush(struct broker_receiver *r);

/* ---- measuring queues ---------------------------------------------------------------- */

#define BROKER_QUEUES_MAX 1000

/* The driver's own begins with it. */
struct broker_meter {
    struct broker_options options;
    struct kn_buf error;
    char text[256]; /* the last error */
    char alarm[64]; /* see broker_meter_alarm */
};

/* Adds a queue to be measured, once. */
void broker_depths_add(struct broker_depths *depths, struct kn_arena *arena, struct kn_str name);

/* ---- sessions ------------------------------------------------------------------------- */

/* The driver's own begins with it. */
struct broker_session {
    struct broker_options options;
    struct kn_buf error;
    char text[256]; /* the last error */

    struct { /* the reply queue */
        bool open;
        bool left; /* it was lost with the connection, and may still be on the broker */
        struct kn_buf exchange, routing_key, queue;
    } replies_of;
};

/* ---- the driver ----------------------------------------------------------------------- */

/* What meter.h, session.h and waiting.h say of the function of the same name holds for each, once
 * the caller here has tried again on a connection that was cut. On failure there is a sentence in
 * the error of the meter or session. Functions that may be NULL are marked. */
struct broker_driver {
    struct broker_traits traits;

    const struct broker_scheme *schemes; /* end with a name that is NULL */
    const char *default_login;           /* user and password without any in the URL; NULL: none */
    bool external_login;                 /* login_method=EXTERNAL: a client's certificate */

    /* Errors of this broker only, ending with has NULL: looked up before those that all brokers
     * have in common, and after them. */
    const struct broker_fault_row *faults, *late_faults;

    /* Connects, and receives until the connection is lost or the receiver ends: once for each
     * connection. error gets why; CLOSED when it ends. */
    enum kn_status (*receive)(struct broker_receiver *r, struct kn_buf *error);

    /* Of a meter. meter_new allocates the driver's own, with the base zeroed; NULL: out of memory.
     * meter_fini releases what is in it, before the memory is freed. */
    struct broker_meter *(*meter_new)(void);
    void (*meter_fini)(struct broker_meter *meter);
    bool (*meter_connected)(const struct broker_meter *meter);
    /* depths holds the named queues: adds what can be discovered, and measures all. */
    enum kn_status (*measure)(struct broker_meter *meter, struct kn_arena *arena,
                              struct broker_depths *depths);
    enum kn_status (*places)(struct broker_meter *meter, struct kn_arena *arena, struct kn_str *ret,
                             size_t max, size_t *ret_count);

    /* Of a session: likewise. */
    struct broker_session *(*session_new)(void);
    void (*session_fini)(struct broker_session *s);
    bool (*connected)(const struct broker_session *s);
    enum kn_status (*fanout)(struct broker_session *s, const char *exchange,
                             const struct broker_outgoing *message, int64_t *ret_receivers);
    enum kn_status (*send)(struct broker_session *s, const char *queue,
                           const struct broker_outgoing *message);
    enum kn_status (*replies_open)(struct broker_session *s); /* s->replies_of */
    enum kn_status (*replies_receive)(struct broker_session *s, int64_t timeout_us,
                                      struct broker_message *ret);
    void (*replies_close)(struct broker_session *s);
    enum kn_status (*clock)(struct broker_session *s, int64_t *ret_us); /* NULL: ours */
    enum kn_status (*replies_sweep)(struct broker_session *s, const char *exchange,
                                    const char *prefix,
                                    size_t *ret_count); /* NULL: none are left */

    /* What waits. */
    enum kn_status (*look)(struct broker_session *s, const struct broker_look *look,
                           struct kn_arena *arena, struct broker_page *ret);
    enum kn_status (*no_stream)(struct broker_session *s, const char *queue); /* NULL: never one */
    enum kn_status (*purge)(struct broker_session *s, const struct broker_purge *purge,
                            uint64_t *ret_count);
    enum kn_status (*move)(struct broker_session *s, const struct broker_move *move,
                           struct broker_moved *ret);
    enum kn_status (*remove)(struct broker_session *s, const struct broker_removal *removal,
                             struct broker_removed *ret);

    /* With keeps_purged; else NULL. */
    enum kn_status (*purged)(struct broker_session *s, const char *keep, size_t limit,
                             struct kn_arena *arena, struct broker_page *ret);
    enum kn_status (*kept)(struct broker_session *s, const char *kept, struct kn_arena *arena,
                           struct broker_page *ret);
    enum kn_status (*purged_end)(struct broker_session *s, const char *kept, struct kn_str member);

    /* With reads_in_place; else NULL. */
    enum kn_status (*unacked)(struct broker_session *s, const struct broker_unacked *unacked);
    enum kn_status (*find)(struct broker_session *s, struct kn_str queue, bool unacked, size_t max,
                           bool (*is)(void *arg, struct kn_str value), void *arg,
                           struct broker_found *ret);
    enum kn_status (*take_out)(struct broker_session *s, const struct broker_found *found,
                               int64_t *ret_removed);

    /* With routed_by_kombu; else NULL. */
    enum kn_status (*bindings)(struct broker_session *s, struct kn_str exchange,
                               struct kn_arena *arena, struct kn_str **ret, size_t *ret_count);
};

extern const struct broker_driver broker_amqp_driver, broker_redis_driver;

/* The one with that scheme; NULL if there is none. */
const struct broker_driver *broker_driver_of(struct kn_str scheme,
                                             const struct broker_scheme **ret_scheme);
static inline const struct broker_driver *broker_session_driver(const struct broker_session *s)
{
    return s->options.url->driver;
}
/* Of a session: keeps the error, and hands the status on. */
enum kn_status broker_session_result(struct broker_session *s, enum kn_status status);
bool broker_session_connected(const struct broker_session *s);
/* Whether a call failed on a connection that was cut while it was idle. */
bool broker_session_again(const struct broker_session *s, bool was_connected,
                          enum kn_status status);

/* All schemes, for people: "redis, rediss, …". */
void broker_drivers_schemes(struct kn_buf *out);

#endif
