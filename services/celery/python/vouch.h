/* Recovers a task's arguments from their text in Celery's events, but only if they are
 * certain to be the same as in the first call.
 *
 * celery/utils/saferepr.py writes these texts. They are not a Python repr: numbers are the
 * str() of their class, strings are not escaped except for a backslash before each ',
 * namedtuples look like tuples, and long or deeply nested values are truncated. So a text
 * does not tell what a pickle contained: 1 may be an IntEnum or a Fraction. JSON and
 * msgpack have no such values, and turn tuples into lists. If the worker's accept_content
 * allows only these, the text is sufficient. */
#ifndef KN_CELERY_PYTHON_VOUCH_H
#define KN_CELERY_PYTHON_VOUCH_H

#include "services/common/data/arena.h"
#include "services/common/text/buf.h"

enum celery_accepts {
    CELERY_ACCEPTS_UNKNOWN, /* the configuration is unknown */
    CELERY_ACCEPTS_ANY,     /* pickle, yaml, or an unknown serializer */
    CELERY_ACCEPTS_PLAIN,   /* JSON and msgpack */
    CELERY_ACCEPTS_JSON,
};
/* True if a worker accepts pickle; conf as below. */
bool celery_conf_takes_pickle(struct kn_str conf);
/* conf: a worker's reply to "conf", which has only changed settings; absent: UNKNOWN.
 * *ret_json: false if it does not accept JSON. */
enum celery_accepts celery_conf_accepts(struct kn_str conf, bool *ret_json);

/* Appends args (an array) or kwargs (an object) as JSON to out. text: from the event.
 * UNSUPPORTED if a value is not certain: nothing is appended, and ret_reason is a sentence
 * in the arena that names the value. NOMEM. */
enum kn_status celery_vouch_repr(struct kn_str text, bool kwargs, enum celery_accepts accepts,
                                 struct kn_arena *arena, struct kn_buf *out,
                                 struct kn_str *ret_reason) KN_MUST_CHECK;

/* OK if the arguments in the result backend are certain to be those of the call. json is
 * an array or an object. UNSUPPORTED as above. */
enum kn_status celery_vouch_stored(struct kn_str json, enum celery_accepts accepts,
                                   struct kn_str *ret_reason) KN_MUST_CHECK;

/* True if a text is a placeholder for a hidden value: "***", "<redacted>". */
bool celery_looks_hidden(struct kn_str text);

#endif
