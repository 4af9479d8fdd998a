/* Whether arguments as JSON equal their text in Celery's events (celery/utils/saferepr.py). The
 * JSON leads, so even a text that can't be read on its own can be compared: one with a backslash,
 * or a truncated one. */
#ifndef KN_CELERY_PYTHON_REPR_MATCH_H
#define KN_CELERY_PYTHON_REPR_MATCH_H

#include "services/common/data/arena.h"

enum celery_match {
    CELERY_MATCH_SAME,    /* the text is complete, and has the same meaning */
    CELERY_MATCH_OPEN,    /* no difference found; the rest is cut, hidden, or written differently in
                             JSON */
    CELERY_MATCH_NOTHING, /* the text is absent, or not a container: nothing to compare */
    CELERY_MATCH_DIFFERENT,
};

/* text: of an event. json: an array, or (kwargs) an object; members are compared in their
 * order. */
enum celery_match celery_repr_match(struct kn_str text, struct kn_str json, struct kn_arena *arena);

/* Whether two JSON texts are equal, with members in the same order. */
bool celery_json_same(struct kn_str a, struct kn_str b, struct kn_arena *arena);

/* Whether an array or object has nothing that a task could change in place: no array, and no object
 * except those that kombu decodes to other values ("__type__"). */
bool celery_json_is_flat(struct kn_str json, struct kn_arena *arena);

/* Whether the JSON contains a number. */
bool celery_json_has_number(struct kn_str json, struct kn_arena *arena);

#endif
