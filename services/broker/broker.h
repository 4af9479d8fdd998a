/* What a connection to a broker is given, and the words that the parts of this
 * library share. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "services/broker/url/url.h"

/* Priorities that have a list of their own on Redis. */
enum { BROKER_STEPS_MAX = 16 };

/* Whether the sentinels speak TLS: as Redis does, or other than it. */
enum broker_sentinel_tls {
    BROKER_SENTINEL_AS_REDIS,
    BROKER_SENTINEL_TLS,
    BROKER_SENTINEL_PLAIN,
};

/* All texts belong to the caller and must outlive what is made with them. */
struct broker_options {
    const struct broker_url *url;
    const char *instance;          /* names our own queue on the broker; [A-Za-z0-9._-] */
    const char *event_exchange;    /* Celery's event_exchange */
    const char *control_exchange;  /* Celery's control_exchange, without ".pidbox" */
    const char *queue_prefix;      /* our queue on RabbitMQ is "<prefix>.<instance>" */
    const char *key_prefix;        /* kombu's global_keyprefix, before every key and channel */
    const char *fanout_prefix;     /* kombu's, "{db}" is replaced; NULL: its default, and none */
    const char *master_name;       /* for sentinels; NULL: as the URL says */
    const char *sentinel_password; /* likewise */
    enum broker_sentinel_tls sentinel_tls;
    const char *management_url; /* of RabbitMQ's HTTP API, with user and password; NULL: none */
    size_t buffer_max;          /* bytes received and not yet taken */
    size_t message_max;         /* bytes; a longer message is skipped and counted */
    unsigned prefetch;          /* RabbitMQ: messages without an ack, 1 to 65535 */
    int64_t queue_expires_us; /* RabbitMQ: our queue expires after this time without us; 0: never */
    int64_t queue_ttl_us;     /* RabbitMQ: messages older than this are dropped; 0: none */
    uint64_t queue_bytes_max; /* RabbitMQ: length of our queue, the oldest go first; 0: none */
    int64_t connect_timeout_us;          /* also for an answer */
    int64_t backoff_max_us;              /* longest pause between two attempts to connect */
    const unsigned char *priority_steps; /* Redis: kombu's priority_steps, ascending from 0 */
    size_t priority_count;               /* at most BROKER_STEPS_MAX */
    const char *separator; /* Redis: kombu's sep: before a priority, and in bindings */
};

/* Sets every default; url stays NULL. */
void broker_options_init(struct broker_options *options);

/* One message as it came. The texts live as long as the chunk it is in. */
struct broker_message {
    struct kn_str channel;          /* Redis: the channel; RabbitMQ: the routing key */
    struct kn_str body;             /* Redis: kombu's envelope; RabbitMQ: the body alone */
    struct kn_str content_type;     /* RabbitMQ; else absent */
    struct kn_str content_encoding; /* RabbitMQ; else absent */
    struct kn_str compression;      /* RabbitMQ: header of that name; else absent */
    struct kn_str ticket;           /* RabbitMQ: header of that name; else absent */
    uint64_t tag;                   /* RabbitMQ: for broker_receiver_ack; else 0 */
    int64_t received_at;
};

/* How a broker differs from others, for callers: they ask for what they need, and never which
 * broker it is. */
struct broker_traits {
    const char *product; /* its name in texts, "Redis" */

    bool enveloped; /* a message is one text, kombu's envelope, without properties beside it */
    bool routed_by_kombu; /* exchanges, bindings and priorities are kombu's own, under keys that its
                             transport options name; so bindings can be read */
    const char *default_vhost; /* NULL: it has numbered databases instead */

    bool keeps_events;      /* they wait in a queue of ours until they are acknowledged; otherwise
                               those are lost that come while we are away, or our buffer is full */
    const char *gap_reason; /* why events are missing, as the gap says */

    bool reads_in_place;  /* waiting and unacknowledged messages can be read without being taken;
                             otherwise only the first ones of a queue, which are marked by it */
    bool declares_queues; /* a queue that was never declared is NOT_FOUND; otherwise it is empty */
    bool keeps_purged;    /* a purge can keep the messages to be read afterwards */
    bool removes_one_by_one; /* after a failure, what was removed before is known and stays removed
                              */
};

/* Static. */
const struct broker_traits *broker_traits(const struct broker_url *url);

enum broker_state { BROKER_CONNECTING, BROKER_CONNECTED, BROKER_AWAY };
/* "connecting", "connected", "away". Static. */
const char *broker_state_name(enum broker_state state);

#endif
