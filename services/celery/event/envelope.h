/* A kombu message, as delivered by the broker.
 *
 * RabbitMQ sends content type, encoding and headers alongside the body. Redis has only a value, so
 * kombu puts everything into one JSON object (kombu/transport/virtual/base.py,
 * Channel.prepare_message and _inplace_augment_message):
 *   {"body": "W3sidXVpZCI6…", "content-encoding": "utf-8",
 *    "content-type": "application/json", "headers": {…},
 *    "properties": {"body_encoding": "base64", "delivery_tag": "…",
 *                   "delivery_info": {"exchange": "celeryev", "routing_key": "task.multi"},
 *                   "delivery_mode": 1, "priority": 0, …}} */
#ifndef KN_CELERY_EVENT_ENVELOPE_H
#define KN_CELERY_EVENT_ENVELOPE_H

#include "services/common/data/arena.h"
#include "services/common/status.h"
#include "services/common/text/str.h"

/* Body and properties of a message. On RabbitMQ the caller fills it from the properties that the
 * broker delivers. Absent texts are absent properties. */
struct celery_message {
    struct kn_str body;
    struct kn_str content_type;
    struct kn_str content_encoding;
    struct kn_str compression; /* header "compression" */
    struct kn_str ticket;      /* header "ticket", of replies to remote control */
    struct kn_str exchange;    /* Redis only, from here on */
    struct kn_str routing_key;
    struct kn_str correlation_id;
    struct kn_str reply_to;
    struct kn_str headers;    /* unchanged, a JSON object; a table on RabbitMQ */
    struct kn_str properties; /* the same for kombu's properties */
};

/* Reads a Redis value. Texts point into payload or are in the arena: both must outlive ret_message.
 * On failure *ret_why is a static text that says what is wrong.
 *   INVALID      not JSON, no body, an invalid base64 body, or another text that is not UTF-8 (the
 *                body may be any bytes)
 *   UNSUPPORTED  an unknown body_encoding
 *   TOO_DEEP, NOMEM (the arena is full) */
enum kn_status celery_envelope_decode(struct kn_str payload, struct kn_arena *arena,
                                      struct celery_message *ret_message,
                                      const char **ret_why) KN_MUST_CHECK;

#endif
