/* A task's complete data in a result backend (see result_meta.h), as JSON and untruncated. */
#ifndef KN_CELERY_MESSAGE_RESULT_PARTS_H
#define KN_CELERY_MESSAGE_RESULT_PARTS_H

#include "services/common/data/arena.h"

struct celery_result_parts {
    struct kn_str status, traceback, date_done, name, worker, queue; /* texts */
    struct kn_str result, args, kwargs, children;                    /* JSON */
    bool unsayable;           /* result is absent: JSON cannot represent it */
    bool arguments_unsayable; /* the same for args or kwargs */
};

/* value: the complete celery-task-meta-<id>, JSON or msgpack. Missing fields are absent. Texts are
 * in value or in the arena. UNSUPPORTED (pickle, yaml), INVALID, TOO_DEEP, NOMEM. */
enum kn_status celery_result_parts(struct kn_str value, struct kn_arena *arena,
                                   struct celery_result_parts *ret) KN_MUST_CHECK;

#endif
