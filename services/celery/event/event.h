/* Celery's event messages, from bytes to struct kn_msg_event.
 *
 * A message holds one event (an object) or a list of them: workers collect task
 * events and send them as a list under "task.multi" (celery/events/dispatcher.py,
 * EventDispatcher.flush). Serializers: JSON and msgpack. Each event of a list is
 * checked separately, so an invalid one does not affect the others.
 *
 * A field of another type than expected is converted if that loses nothing: a number
 * becomes a text, a list of arguments becomes its Python repr. Unknown fields, and those
 * that can't be converted, are kept in extra. Missing or null fields are absent. */
#ifndef KN_CELERY_EVENT_EVENT_H
#define KN_CELERY_EVENT_EVENT_H

#include "proto/messages.h"
#include "services/celery/event/envelope.h"
#include "services/common/data/arena.h"

/* Why an event, or a whole message, is invalid. name is for counters and logs,
 * text for people. */
#define CELERY_CAUSE_MAP(X)                                                                        \
    X(ENVELOPE, "envelope", "the message is not an envelope of kombu")                             \
    X(SERIALIZER, "serializer", "the serializer is not supported")                                 \
    X(COMPRESSION, "compression", "the message is compressed")                                     \
    X(SYNTAX, "syntax", "the body cannot be parsed")                                               \
    X(UTF8, "utf8", "a text is not UTF-8")                                                         \
    X(TOO_DEEP, "too_deep", "the body is nested too deeply")                                       \
    X(TOO_BIG, "too_big", "more bytes or events than the limit")                                   \
    X(NO_OBJECT, "no_object", "the event is no object")                                            \
    X(NO_TYPE, "no_type", "the event has no type")                                                 \
    X(NO_UUID, "no_uuid", "the task event has no uuid")                                            \
    X(NO_HOSTNAME, "no_hostname", "the worker event has no hostname")                              \
    X(TIMESTAMP, "timestamp", "the timestamp is missing, or is no time between 1970 and 2100")

enum celery_cause {
#define X(name, key, text) CELERY_CAUSE_##name,
    CELERY_CAUSE_MAP(X)
#undef X
        CELERY_CAUSE_COUNT
};

/* "no_uuid"; static. */
const char *celery_cause_name(enum celery_cause cause);
/* "the task event has no uuid"; static. */
const char *celery_cause_text(enum celery_cause cause);

/* 0 means the default. */
struct celery_event_limits {
    size_t body_bytes;  /* of one message, decoded: 64 MiB */
    size_t event_bytes; /* of one event in it: 32 MiB */
    size_t events;      /* in one message: 10,000 */
    size_t id_bytes;    /* of uuid, hostname, type: 4 KiB */
    /* An event with an earlier timestamp, or one further in the future, gets its time of
     * arrival (see skew in proto/messages.h). Defaults: 2000-01-01, and one day. */
    int64_t earliest_us;
    int64_t ahead_us;
};

struct celery_invalid {
    enum celery_cause cause;
    size_t index;         /* of the event in its message */
    struct kn_str detail; /* details for the log: content type, syntax error; may be absent */
};

enum { CELERY_INVALID_MAX = 16 };

struct celery_events {
    struct kn_msg_event *items; /* in the arena, in the order of the message */
    size_t count;
    size_t invalid; /* events not in items; an unreadable message counts as one */
    size_t causes[CELERY_CAUSE_COUNT];
    struct celery_invalid first[CELERY_INVALID_MAX]; /* the first invalid events */
};

/* Decodes a message from RabbitMQ or from celery_envelope_decode. now_us: the wall
 * clock, which limits timestamps and becomes received_at. limits may be NULL. Texts of
 * the events point into message->body or lie in the arena: both must outlive
 * ret_events. Invalid input is not a failure: ret_events describes it. The only failure
 * is NOMEM, which leaves ret_events unchanged: the arena is full. Its limit must be
 * larger than event_bytes, or the message is lost. */
enum kn_status celery_event_decode_message(const struct celery_message *message,
                                           const struct celery_event_limits *limits, int64_t now_us,
                                           struct kn_arena *arena,
                                           struct celery_events *ret_events) KN_MUST_CHECK;

/* The same for a message from Redis pub/sub: envelope and body. */
enum kn_status celery_event_decode_envelope(struct kn_str payload,
                                            const struct celery_event_limits *limits,
                                            int64_t now_us, struct kn_arena *arena,
                                            struct celery_events *ret_events) KN_MUST_CHECK;

/* The channels and the exchange of events. Redis (kombu/transport/redis.py, _get_publish_topic):
 * PSUBSCRIBE to <keyprefix>/<db>.celeryev/<star>, and to <keyprefix>/<db>.celeryev for senders
 * without fanout_patterns; exchange is event_exchange of the configuration. */
#define CELERY_EVENT_EXCHANGE "celeryev"

#endif
