/* Writes task messages: protocol 2, as in celery/app/amqp.py (example in task_message.h), and
 * copies of existing ones. */
#ifndef KN_CELERY_MESSAGE_TASK_SEND_H
#define KN_CELERY_MESSAGE_TASK_SEND_H

#include "services/common/data/arena.h"
#include "services/common/text/buf.h"

/* A call of a task. Absent texts become null. */
struct celery_task_call {
    struct kn_str id, name, root_id, parent_id, origin; /* root_id absent: the id */
    struct kn_str shadow, eta, expires;                 /* times as ISO 8601 */
    struct kn_str argsrepr, kwargsrepr;
    struct kn_str time_limit, soft_time_limit; /* JSON */
    struct kn_str args, kwargs;                /* JSON */
    struct kn_str embed;                       /* JSON: callbacks and so on; absent: none */
    int64_t retries;
};

/* Each appends JSON to out. */
void celery_task_headers(struct kn_buf *out, const struct celery_task_call *call);
void celery_task_body(struct kn_buf *out, const struct celery_task_call *call);

/* A member of an object, and its new value as JSON. */
struct celery_json_change {
    const char *name;
    struct kn_str value;
};
/* Appends the object with these members changed or added, and the others copied byte for byte.
 * INVALID when it is not an object. */
enum kn_status celery_json_change(struct kn_buf *out, struct kn_str object,
                                  const struct celery_json_change *changes, size_t count,
                                  struct kn_arena *arena) KN_MUST_CHECK;

/* The properties around headers and body. */
struct celery_task_wrap {
    struct kn_str headers; /* JSON */
    struct kn_str body, content_type, content_encoding;
    struct kn_str correlation_id, reply_to, queue, delivery_tag;
    struct kn_str exchange, routing_key; /* absent: the default exchange, and the queue */
    uint8_t priority;
};
/* Appends the message as kombu's envelope, for a Redis list. */
void celery_task_envelope(struct kn_buf *out, const struct celery_task_wrap *wrap);
/* Appends only its properties, as JSON. */
void celery_task_properties(struct kn_buf *out, const struct celery_task_wrap *wrap);

/* A JSON value as Python's repr writes it, cut as Celery cuts argsrepr. */
enum kn_status celery_json_repr(struct kn_str json, struct kn_arena *arena,
                                struct kn_str *ret) KN_MUST_CHECK;

#endif
