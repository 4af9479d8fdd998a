/* Options of a connection to a broker, and types that all parts of this library share. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "services/broker/url/url.h"

/* Maximum number of priorities with their own list on Redis. */
enum { BROKER_STEPS_MAX = 16 };

/* Use of TLS with the sentinels: the same as with Redis, or set separately. */
enum broker_sentinel_tls {
    BROKER_SENTINEL_AS_REDIS,
    BROKER_SENTINEL_TLS,
    BROKER_SENTINEL_PLAIN,
};

/* All texts belong to the caller and must outlive the objects created with the options. */
struct broker_options {
    const struct broker_url *url;
    const char *instance;         /* part of our queue's name on the broker; [A-Za-z0-9._-] */
    const char *event_exchange;   /* Celery's event_exchange */
    const char *control_exchange; /* Celery's control_exchange, without ".pidbox" */
    const char *queue_prefix;     /* our queue on RabbitMQ is "<prefix>.<instance>" */
    const char *key_prefix;       /* kombu's global_keyprefix: prefix of every key and channel */
    const char *fanout_prefix;    /* kombu's, "{db}" is replaced; NULL: both its default and none */
    const char *master_name;      /* for sentinels; NULL: as in the URL */
    const char *sentinel_password; /* likewise */
    enum broker_sentinel_tls sentinel_tls;
    const char *management_url; /* of RabbitMQ's HTTP API, with user and password; NULL: none */
    size_t buffer_max;          /* bytes received but not yet taken */
    size_t message_max;         /* bytes; a longer message is skipped and counted */
    unsigned prefetch;          /* RabbitMQ: maximum unacknowledged messages, 1 to 65535 */
    int64_t queue_expires_us; /* RabbitMQ: our queue expires after this time without us; 0: never */
    int64_t queue_ttl_us;     /* RabbitMQ: messages older than this are dropped; 0: none */
    uint64_t queue_bytes_max; /* RabbitMQ: maximum length of our queue; drops the oldest; 0: none */
    int64_t connect_timeout_us;          /* also of a reply */
    int64_t backoff_max_us;              /* maximum delay between two attempts to connect */
    const unsigned char *priority_steps; /* Redis: kombu's priority_steps, ascending from 0 */
    size_t priority_count;               /* at most BROKER_STEPS_MAX */
    const char *separator;               /* Redis: kombu's sep, before a priority and in bindings */
};

/* Sets every default; url stays NULL. */
void broker_options_init(struct broker_options *options);

/* A received message. The texts are valid as long as its chunk. */
struct broker_message {
    struct kn_str channel;          /* Redis: the channel; RabbitMQ: the routing key */
    struct kn_str body;             /* Redis: kombu's envelope; RabbitMQ: only the body */
    struct kn_str content_type;     /* RabbitMQ; else absent */
    struct kn_str content_encoding; /* RabbitMQ; else absent */
    struct kn_str compression;      /* RabbitMQ: header of that name; else absent */
    struct kn_str ticket;           /* RabbitMQ: header of that name; else absent */
    uint64_t tag;                   /* RabbitMQ: for broker_receiver_ack; else 0 */
    int64_t received_at;
};

/* How a broker differs from others. Callers check the trait that they need, never which broker
 * it is. */
struct broker_traits {
    const char *product; /* its name in messages: "Redis" */

    bool enveloped;       /* a message is one text, kombu's envelope, without separate properties */
    bool routed_by_kombu; /* kombu itself implements exchanges, bindings and priorities, with keys
                             named by transport options; so bindings can be read */
    const char *default_vhost; /* NULL: has numbered databases instead */

    bool keeps_events; /* events wait in our queue until they are acknowledged; otherwise events
                          are lost while we are disconnected or our buffer is full */
    const char *gap_reason; /* the reason given for a gap */

    bool reads_in_place;  /* waiting and unacknowledged messages can be read without fetching them;
                             otherwise only the first of a queue, which flags them as redelivered */
    bool declares_queues; /* an undeclared queue is NOT_FOUND; otherwise it is empty */
    bool keeps_purged;    /* a purge can keep the messages for reading afterwards */
    bool removes_one_by_one; /* after a failure, earlier removals are known and final */
};

/* Static. */
const struct broker_traits *broker_traits(const struct broker_url *url);

enum broker_state { BROKER_CONNECTING, BROKER_CONNECTED, BROKER_AWAY };
/* "connecting", "connected", "away". Static. */
const char *broker_state_name(enum broker_state state);

#endif
