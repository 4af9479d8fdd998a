/* Converts the Python literals in Celery's events (args, kwargs, results) to JSON text.
 *
 * Source of these texts: celery/utils/saferepr.py (the same in 4.4, 5.2 and 5.6), called by
 * celery/app/amqp.py (args, kwargs, 1,024 characters) and celery/app/trace.py (result, 1,024).
 * saferepr differs from repr: inside a string it puts a backslash before each ' and changes nothing
 * else, so
 *   'C:\new'   may be  C:\new  (saferepr) or  C:<newline>ew  (Python's repr)
 * and a string with a line break is not a Python literal at all. Such a text is read by Python's
 * rules and reported as ambiguous. */
#ifndef KN_CELERY_PYTHON_PYLITERAL_H
#define KN_CELERY_PYTHON_PYLITERAL_H

#include "services/common/status.h"
#include "services/common/text/buf.h"
#include "services/common/text/str.h"

/* Maximum of celery_literal_limits.depth. */
enum { CELERY_LITERAL_DEPTH_MAX = 200 };

struct celery_literal_limits {
    size_t bytes;   /* of the literal; 0: 1 MiB */
    unsigned depth; /* of nested tuples, lists and dicts; 0: 100 */
};

struct celery_literal_info {
    /* A quoted text has a backslash with different meanings in Python's repr and Celery's saferepr:
     * fine for display, not for running a task again. */
    bool ambiguous;
};

/* Appends the literal to json: numbers with their exact digits (integers of any size), tuples and
 * lists as arrays, dicts with text keys as objects, True, False, None. limits and ret_info may be
 * NULL.
 *
 *   KN_OK
 *   KN_TRUNCATED    saferepr cut it (celery_repr_is_cut)
 *   KN_UNSUPPORTED  a literal that JSON cannot represent: bytes, sets, complex numbers, inf, nan,
 *                   keys that are not text, half a surrogate pair; also \N{…}, whose names are not
 *                   supported
 *   KN_INVALID      not a Python literal: objects, empty text, not UTF-8, f-strings; also comments,
 *                   which repr never writes
 *   KN_TOO_DEEP, KN_TOO_BIG, or the error of json
 *
 * On failure nothing is appended. A duplicate key of a dict is duplicated in the object; the last
 * one counts, in Python and in JSON. */
enum kn_status celery_literal_to_json(struct kn_str text,
                                      const struct celery_literal_limits *limits,
                                      struct kn_buf *json,
                                      struct celery_literal_info *ret_info) KN_MUST_CHECK;

/* Whether saferepr cut the text, or may have:
 *   ('aaa...', ...)    {'k': 'a...', ...}    [1, , ...]    ('a', ...     at the length
 *   'aaa...'    b'aaa...'    <Obj...    12345...                         at the length
 *   [[...], {...}, (...), (...,), frozenset({...})]                      at three levels
 * A text that really ends in "..." looks like a cut one, and counts as cut. Never returns false for
 * a cut text. */
bool celery_repr_is_cut(struct kn_str text);

#endif
