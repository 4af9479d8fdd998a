/* Arguments of a task out of the text that Celery's events have of them: only what is
 * certain to reach the task as it did the first time.
 *
 * celery/utils/saferepr.py writes these texts, and is no repr: numbers are str(value)
 * whatever class they are of, texts have a backslash before each ' and are otherwise
 * raw, namedtuples look like tuples, and what is too long or too deep is cut. So a text
 * alone never says what a pickle had in it: 1 may be an IntEnum or a Fraction. JSON and
 * msgpack have no such values, and make lists of tuples; where nothing else can have
 * come, the text says it all. That is what a worker's accept_content tells. */
#ifndef KN_CELERY_PYTHON_VOUCH_H
#define KN_CELERY_PYTHON_VOUCH_H

#include "services/common/data/arena.h"
#include "services/common/text/buf.h"

enum celery_accepts {
    CELERY_ACCEPTS_UNKNOWN, /* the configuration is not known */
    CELERY_ACCEPTS_ANY,     /* pickle, yaml, or one that is not known */
    CELERY_ACCEPTS_PLAIN,   /* JSON and msgpack */
    CELERY_ACCEPTS_JSON,
};
/* Whether a worker takes pickles; conf as below. */
bool celery_conf_takes_pickle(struct kn_str conf);
/* conf: a worker's answer to "conf", which names only what was changed; absent: UNKNOWN.
 * *ret_json: false when it takes no JSON. */
enum celery_accepts celery_conf_accepts(struct kn_str conf, bool *ret_json);

/* Appends JSON of args (an array) or kwargs (an object) to out. text: as the event has
 * it. UNSUPPORTED, with a sentence in the arena that names the value, when it can't be
 * vouched for; nothing is appended then. NOMEM. */
enum kn_status celery_vouch_repr(struct kn_str text, bool kwargs, enum celery_accepts accepts,
                                 struct kn_arena *arena, struct kn_buf *out,
                                 struct kn_str *ret_reason) KN_MUST_CHECK;

/* Whether JSON that the result backend has of arguments is certain to be what the task
 * got; json is an array or an object. UNSUPPORTED as above. */
enum kn_status celery_vouch_stored(struct kn_str json, enum celery_accepts accepts,
                                   struct kn_str *ret_reason) KN_MUST_CHECK;

/* Whether a text is a placeholder for a hidden value: "***", "<redacted>". */
bool celery_looks_hidden(struct kn_str text);

#endif
