/* Task messages, read from a queue or written to one (celery/app/amqp.py, as_task_v2 and
 * as_task_v1; celery/worker/strategy.py).
 *
 * Protocol 2, since Celery 4: the headers describe the task,
 *   {"lang": "py", "task": "shop.tasks.add", "id": "…", "shadow": null, "eta": null,
 *    "expires": null, "group": null, "group_index": null, "retries": 0,
 *    "timelimit": [null, null], "root_id": "…", "parent_id": null,
 *    "argsrepr": "(1, 2)", "kwargsrepr": "{}", "origin": "gen1@host",
 *    "ignore_result": false, "replaced_task_nesting": 0, "stamped_headers": null, "stamps": {}}
 * and the body is [args, kwargs, {"callbacks", "errbacks", "chain", "chord"}].
 * Protocol 1 has no such headers; its body is {"task", "id", "args", "kwargs", "retries",
 * "eta", "expires", "callbacks", "errbacks", "timelimit", "taskset", "chord"}.
 *
 * Reads JSON and msgpack bodies; not yaml, and never pickle. */
#ifndef KN_CELERY_MESSAGE_TASK_MESSAGE_H
#define KN_CELERY_MESSAGE_TASK_MESSAGE_H

#include "proto/messages.h"
#include "services/celery/event/envelope.h"
#include "services/common/data/arena.h"
#include "services/common/text/buf.h"

/* Texts and numbers missing in the message are absent or unset. Texts point into the message or are
 * in the arena. */
struct celery_task_message {
    unsigned protocol; /* 1 or 2 */
    struct kn_str id, name, root_id, parent_id, group, shadow, origin;
    struct kn_str correlation_id, reply_to;
    struct kn_opt_i64 retries, priority;
    struct kn_str eta, expires;                    /* unchanged, ISO 8601 */
    int64_t eta_us, expires_us;                    /* 0: none, or unreadable */
    struct kn_opt_f64 time_limit, soft_time_limit; /* seconds */
    struct kn_str argsrepr, kwargsrepr;
    struct kn_str content_type, content_encoding, compression;
    struct kn_str headers; /* a JSON object; absent when there are none */
    struct kn_str body;    /* its bytes, whatever they are */
    /* JSON, for a readable body: an array, an object, and (protocol 2) the object of callbacks. For
     * a JSON body these are the original text. */
    struct kn_str args, kwargs, embed;
    const char *unreadable; /* why args, kwargs and embed are absent; static; else NULL */
};

/* Reads a message from RabbitMQ (headers: its table as JSON), or from celery_envelope_decode. A
 * problem with the body is reported in unreadable. Failures:
 *   INVALID   not a task message: no name or no ID, or headers that are not a JSON object
 *   TOO_DEEP, NOMEM */
enum kn_status celery_task_message_decode(const struct celery_message *message,
                                          struct kn_arena *arena,
                                          struct celery_task_message *ret) KN_MUST_CHECK;
/* The same of a value in a list of Redis: envelope and message. *ret_why, on
 * failure: a static text. */
enum kn_status celery_task_message_decode_envelope(struct kn_str payload, struct kn_arena *arena,
                                                   struct celery_task_message *ret,
                                                   const char **ret_why) KN_MUST_CHECK;
/* Reads a value of kombu's hash "unacked" on Redis, [message, exchange, routing key]: returns the
 * message as it was in its list. INVALID and so on. */
enum kn_status celery_unacked_decode(struct kn_str value, struct kn_arena *arena,
                                     struct kn_str *ret_payload, struct kn_str *ret_exchange,
                                     struct kn_str *ret_routing_key) KN_MUST_CHECK;

/* Whether a queue belongs to Celery's native delayed delivery (celery_delayed_0 to _27, maybe after
 * a prefix and "_"). Messages with an ETA wait there; the queue has no consumers. */
bool celery_is_delay_queue(struct kn_str name);

#endif
