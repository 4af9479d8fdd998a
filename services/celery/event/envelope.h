/* A message of kombu, as the broker gives it.
 *
 * RabbitMQ carries content type, encoding and headers beside the body. Redis has
 * nothing but a value, so kombu puts all of it into one JSON object
 * (kombu/transport/virtual/base.py, Channel.prepare_message and
 * _inplace_augment_message):
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

/* What a broker that carries the properties itself would give: fill it by hand
 * on RabbitMQ. Absent texts are absent properties. */
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
    struct kn_str headers;    /* as they came, a JSON object: what RabbitMQ has as a table */
    struct kn_str properties; /* the same of kombu's properties */
};

/* Reads a value of Redis. Texts point into payload or lie in the arena: both
 * must outlive ret_message. On failure *ret_why is a static text that says
 * what is wrong.
 *   INVALID      no JSON, no body, a body that is no base64, or a text beside the
 *                body that is not UTF-8 (the body may be any bytes)
 *   UNSUPPORTED  a body_encoding that is not known
 *   TOO_DEEP, NOMEM (the arena is full) */
enum kn_status celery_envelope_decode(struct kn_str payload, struct kn_arena *arena,
                                      struct celery_message *ret_message,
                                      const char **ret_why) KN_MUST_CHECK;

#endif
