/* All that a result backend keeps of a task (result_meta.h shows it), as JSON: what
 * result_meta makes an event of, uncut. */
#ifndef KN_CELERY_MESSAGE_RESULT_PARTS_H
#define KN_CELERY_MESSAGE_RESULT_PARTS_H

#include "services/common/data/arena.h"

struct celery_result_parts {
    struct kn_str status, traceback, date_done, name, worker, queue; /* texts */
    struct kn_str result, args, kwargs, children;                    /* JSON */
    bool unsayable;           /* the result has a value that JSON cannot say; it is absent */
    bool arguments_unsayable; /* the same of args or kwargs */
};

/* value: all of celery-task-meta-<id>, of JSON or msgpack. What is missing is absent.
 * Texts lie in value or in the arena. UNSUPPORTED (pickle, yaml), INVALID, TOO_DEEP,
 * NOMEM. */
enum kn_status celery_result_parts(struct kn_str value, struct kn_arena *arena,
                                   struct celery_result_parts *ret) KN_MUST_CHECK;

#endif
