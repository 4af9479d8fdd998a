/* What a result backend keeps of a task under celery-task-meta-<id>
 * (celery/backends/base.py, Backend._get_result_meta; the same in Celery 4.4, 5.2
 * and 5.6), as the event that would have told it:
 *
 *   {"status": "SUCCESS", "result": …, "traceback": null, "children": [],
 *    "date_done": "2026-11-23T10:00:00.123456+00:00", "task_id": "…",
 *    and with result_extended: "name", "args", "kwargs", "worker", "retries", "queue"}
 *
 * date_done has no zone before Celery 5.6, and is UTC then. The result of a failure
 * is {"exc_type": "ValueError", "exc_message": ["why"], "exc_module": "builtins"}. */
#ifndef KN_CELERY_MESSAGE_RESULT_META_H
#define KN_CELERY_MESSAGE_RESULT_META_H

#include "proto/messages.h"
#include "services/common/data/arena.h"

/* Longest text of a result that is kept whole. Celery's own events have 1,024
 * characters of it, and so has what is cut here. */
enum { CELERY_RESULT_WHOLE = 16384, CELERY_RESULT_CUT = 1024 };

/* whole: value is all of it, not only its start. JSON or msgpack. ret: type, origin,
 * timestamp (0: not said), hostname, name, args_repr, kwargs_repr, retries,
 * result_repr, exception, traceback, terminated, expired; uuid is the caller's. Texts
 * lie in value or in the arena. result_repr is Python's repr of what the JSON says:
 * a tuple has become a list on its way. It is absent where that is not certain. Of a
 * state that is not final, or one of the application's own, the type is CUSTOM and
 * type_name the state.
 *
 *   NOT_FOUND    there is no state
 *   UNSUPPORTED  another serializer (pickle, yaml): it is never read
 *   INVALID, TOO_DEEP, NOMEM */
enum kn_status celery_result_meta(struct kn_str value, bool whole, struct kn_arena *arena,
                                  struct kn_msg_event *ret) KN_MUST_CHECK;

#endif
