/* Converts a task's data in a result backend, under celery-task-meta-<id> (celery/backends/base.py,
 * Backend._get_result_meta; the same in Celery 4.4, 5.2 and 5.6), to the event that would have
 * reported it:
 *
 *   {"status": "SUCCESS", "result": …, "traceback": null, "children": [],
 *    "date_done": "2026-11-23T10:00:00.123456+00:00", "task_id": "…",
 *    and with result_extended: "name", "args", "kwargs", "worker", "retries", "queue"}
 *
 * Before Celery 5.6 date_done has no zone and is UTC. The result of a failure is {"exc_type":
 * "ValueError", "exc_message": ["why"], "exc_module": "builtins"}. */
#ifndef KN_CELERY_MESSAGE_RESULT_META_H
#define KN_CELERY_MESSAGE_RESULT_META_H

#include "proto/messages.h"
#include "services/common/data/arena.h"

/* The longest result text kept whole, and the length to which longer ones are cut: 1,024
 * characters, as in Celery's own events. */
enum { CELERY_RESULT_WHOLE = 16384, CELERY_RESULT_CUT = 1024 };

/* whole: value is complete, not only the beginning. JSON or msgpack. ret: type, origin, timestamp
 * (0: unknown), hostname, name, args_repr, kwargs_repr, retries, result_repr, exception, traceback,
 * terminated, expired; the caller sets uuid. Texts are in value or in the arena. result_repr is the
 * Python repr of the JSON value, in which tuples have become lists; absent if uncertain. For an
 * unfinished or application-defined state, the type is CUSTOM and type_name is the state.
 *
 *   NOT_FOUND    there is no state
 *   UNSUPPORTED  another serializer (pickle, yaml), never read
 *   INVALID, TOO_DEEP, NOMEM */
enum kn_status celery_result_meta(struct kn_str value, bool whole, struct kn_arena *arena,
                                  struct kn_msg_event *ret) KN_MUST_CHECK;

#endif
