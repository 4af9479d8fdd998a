/* What Kanchi needs from a broker. Private to services/broker/: others use the headers in that
 * folder, and broker_traits.
 *
 * To add a broker:
 * 1. a folder beside redis/ and amqp/, with a `const struct broker_driver` (redis/redis_driver.c);
 * 2. its schemes, errors and traits there. The traits decide how the other services treat it; name
 *    a new trait after its meaning for callers;
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
    BROKER_SCHEME_SOCKET = 2,   /* the path is a unix socket */
    BROKER_SCHEME_SENTINEL = 4, /* the hosts are sentinels */
};

/* Of the schemes with the same flags, the first is shown to people. */
struct broker_scheme {
    const char *name; /* the text before "://" */
    int flags;
    uint16_t port, tls_port; /* default ports; tls_port if an option enables TLS */
};

/* A remedy that all brokers share. */
#define BROKER_REMEDY_LOGIN                                                                        \
    "Check the user and password of the broker's URL. A user or password with / ? # @ : ; % in "   \
    "it must be percent-encoded."

/* Matches an error that contains both texts; also may be NULL. */
struct broker_fault_row {
    const char *has, *also;
    struct broker_fault fault;
};

/* ---- receiving events ---------------------------------------------------------------- */

enum { BROKER_GAPS_MAX = 64 };

struct broker_receiver {
    struct broker_options options;
    struct broker_chunks chunks;
    struct broker_chunk *chunk; /* being filled; owned by the thread */
    int wake_fd;
    pthread_t thread;
    atomic_bool stopping; /* stop reading */
    atomic_bool ending;   /* disconnect */
    _Atomic uint64_t ack_to;

    pthread_mutex_t lock; /* status and gaps */
    struct broker_receiver_status status;
    struct broker_gap gaps[BROKER_GAPS_MAX];
    size_t gap_first, gap_count;

    /* used only by the thread */
    unsigned seed;
    /* Everything published before this time was received. For a broker that keeps events: time of
     * the last message or, before the first, when our queue was found empty. 0: neither yet. */
    int64_t alive_at;
    /* for a broker that keeps events */
    uint64_t base; /* our tags are the broker's tags plus this */
    uint64_t tag;  /* last one given */
    uint64_t acked;
    bool quiet;     /* connected, and nothing came for too long */
    bool cancelled; /* the broker ended our subscription */
};

/* Sets the state. If error is absent, the last error stays. */
void broker_receiver_state(struct broker_receiver *r, enum broker_state state, struct kn_str error);

/* For the driver, while it receives: */
void broker_receiver_connected(struct broker_receiver *r);
/* The broker does not respond, or responds again, on a connection that is kept. error: why. */
void broker_receiver_quiet(struct broker_receiver *r, const char *error);
void broker_receiver_heard(struct broker_receiver *r);
void broker_receiver_note(struct broker_receiver *r, const char *note);
/* Records a gap: events since alive_at may be lost. If alive_at is 0, completeness starts
 * now. */
void broker_receiver_gap(struct broker_receiver *r);
/* Everything published up to alive_at was received. */
void broker_receiver_complete(struct broker_receiver *r);
void broker_receiver_count(struct broker_receiver *r, uint64_t messages, uint64_t bytes,
                           uint64_t too_big);
/* Hands over r->chunk if it has messages. */
void broker_receiver_flush(struct broker_receiver *r);

/* ---- measuring queues ---------------------------------------------------------------- */

#define BROKER_QUEUES_MAX 1000

/* The driver's struct begins with it. */
struct broker_meter {
    struct broker_options options;
    struct kn_buf error;
    char text[256]; /* the last error */
    char alarm[64]; /* see broker_meter_alarm */
};

/* Adds a queue to measure, unless it is already there. */
void broker_depths_add(struct broker_depths *depths, struct kn_arena *arena, struct kn_str name);

/* ---- sessions ------------------------------------------------------------------------- */

/* The driver's struct begins with it. */
struct broker_session {
    struct broker_options options;
    struct kn_buf error;
    char text[256]; /* the last error */

    struct { /* the reply queue */
        bool open;
        bool left; /* lost with the connection, but may still exist on the broker */
        struct kn_buf exchange, routing_key, queue;
    } replies_of;
};

/* ---- the driver ----------------------------------------------------------------------- */

/* meter.h, session.h and waiting.h describe the function of the same name. The caller tries again
 * if the connection was cut. On failure, the error of the meter or session has a sentence.
 * Functions that may be NULL are marked. */
struct broker_driver {
    struct broker_traits traits;

    const struct broker_scheme *schemes; /* the last has a NULL name */
    const char *default_login;           /* user and password if the URL has none; NULL: none */
    bool external_login;                 /* supports login_method=EXTERNAL, a client certificate */

    /* This broker's own errors, ending with has NULL: looked up before and after those that all
     * brokers share. */
    const struct broker_fault_row *faults, *late_faults;

    /* Called once for each connection: connects, and receives until the connection is lost (error
     * gets the reason) or the receiver ends (CLOSED). */
    enum kn_status (*receive)(struct broker_receiver *r, struct kn_buf *error);

    /* Meters. meter_new allocates the driver's struct, with the base zeroed; NULL: out of memory.
     * meter_fini releases its contents; the caller frees the memory. */
    struct broker_meter *(*meter_new)(void);
    void (*meter_fini)(struct broker_meter *meter);
    bool (*meter_connected)(const struct broker_meter *meter);
    /* depths has the named queues: adds those that can be discovered, and measures all. */
    enum kn_status (*measure)(struct broker_meter *meter, struct kn_arena *arena,
                              struct broker_depths *depths);
    enum kn_status (*places)(struct broker_meter *meter, struct kn_arena *arena, struct kn_str *ret,
                             size_t max, size_t *ret_count);

    /* Sessions, likewise. */
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
    enum kn_status (*clock)(struct broker_session *s, int64_t *ret_us); /* NULL: our clock */
    enum kn_status (*replies_sweep)(struct broker_session *s, const char *exchange,
                                    const char *prefix,
                                    size_t *ret_count); /* NULL: none are ever left behind */

    /* Waiting messages. */
    enum kn_status (*look)(struct broker_session *s, const struct broker_look *look,
                           struct kn_arena *arena, struct broker_page *ret);
    enum kn_status (*no_stream)(struct broker_session *s,
                                const char *queue); /* NULL: no queue is a stream */
    enum kn_status (*purge)(struct broker_session *s, const struct broker_purge *purge,
                            uint64_t *ret_count);
    enum kn_status (*move)(struct broker_session *s, const struct broker_move *move,
                           struct broker_moved *ret);
    enum kn_status (*remove)(struct broker_session *s, const struct broker_removal *removal,
                             struct broker_removed *ret);

    /* With keeps_purged; otherwise NULL. */
    enum kn_status (*purged)(struct broker_session *s, const char *keep, size_t limit,
                             struct kn_arena *arena, struct broker_page *ret);
    enum kn_status (*kept)(struct broker_session *s, const char *kept, struct kn_arena *arena,
                           struct broker_page *ret);
    enum kn_status (*purged_end)(struct broker_session *s, const char *kept, struct kn_str member);

    /* With reads_in_place; otherwise NULL. */
    enum kn_status (*unacked)(struct broker_session *s, const struct broker_unacked *unacked);
    enum kn_status (*find)(struct broker_session *s, struct kn_str queue, bool unacked, size_t max,
                           bool (*is)(void *arg, struct kn_str value), void *arg,
                           struct broker_found *ret);
    enum kn_status (*take_out)(struct broker_session *s, const struct broker_found *found,
                               int64_t *ret_removed);

    /* With routed_by_kombu; otherwise NULL. */
    enum kn_status (*bindings)(struct broker_session *s, struct kn_str exchange,
                               struct kn_arena *arena, struct kn_str **ret, size_t *ret_count);
};

extern const struct broker_driver broker_amqp_driver, broker_redis_driver;

/* The driver with that scheme; NULL if there is none. */
const struct broker_driver *broker_driver_of(struct kn_str scheme,
                                             const struct broker_scheme **ret_scheme);
static inline const struct broker_driver *broker_session_driver(const struct broker_session *s)
{
    return s->options.url->driver;
}
/* Stores the session's error and returns status. */
enum kn_status broker_session_result(struct broker_session *s, enum kn_status status);
bool broker_session_connected(const struct broker_session *s);
/* True if a call failed because the connection was cut while idle, so it can be repeated. */
bool broker_session_again(const struct broker_session *s, bool was_connected,
                          enum kn_status status);

/* Appends all schemes for display: "redis, rediss, …". */
void broker_drivers_schemes(struct kn_buf *out);

#endif
