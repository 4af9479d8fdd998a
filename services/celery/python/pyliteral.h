/* Python literals, as Celery's events carry them for args, kwargs and results,
 * turned into JSON text.
 *
 * Where these texts come from: celery/utils/saferepr.py (the same in 4.4, 5.2
 * and 5.6), called by celery/app/amqp.py (args, kwargs, 1,024 characters) and
 * celery/app/trace.py (result, 1,024). saferepr is not repr: inside a string it
 * puts a backslash before each ' and leaves everything else as it is, so that
 *   'C:\new'   may be  C:\new  (saferepr) or  C:<newline>ew  (Python's repr)
 * and a string with a line break is no Python literal at all. Such a text is
 * read by Python's rules here, and said to be ambiguous. */
#ifndef KN_CELERY_PYTHON_PYLITERAL_H
#define KN_CELERY_PYTHON_PYLITERAL_H

#include "services/common/status.h"
#include "services/common/text/buf.h"
#include "services/common/text/str.h"

/* The most that celery_literal_limits.depth may say. */
enum { CELERY_LITERAL_DEPTH_MAX = 200 };

struct celery_literal_limits {
    size_t bytes;   /* of the literal; 0: 1 MiB */
    unsigned depth; /* of tuples, lists, dicts in one another; 0: 100 */
};

struct celery_literal_info {
    /* A quoted text holds a backslash that Python's repr and Celery's saferepr
     * mean differently: good enough to show, not good enough to run a task again. */
    bool ambiguous;
};

/* Appends to json what the literal says: numbers digit by digit as they stand
 * (integers of any size), tuples and lists as arrays, dicts with text keys as
 * objects, True, False, None. limits and ret_info may be NULL.
 *
 *   KN_OK
 *   KN_TRUNCATED    saferepr cut it (celery_repr_is_cut)
 *   KN_UNSUPPORTED  a literal, but JSON has no words for it: bytes, sets, complex
 *                   numbers, inf, nan, keys that are no text, half a surrogate
 *                   pair; also \N{…}, whose names are not known here
 *   KN_INVALID      no Python literal: objects, empty text, not UTF-8, f-strings; also
 *                   comments, which no repr writes
 *   KN_TOO_DEEP, KN_TOO_BIG, or the error of json
 *
 * On failure nothing is appended. A key that stands twice in a dict stands
 * twice in the object; the last one counts, in Python and in JSON. */
enum kn_status celery_literal_to_json(struct kn_str text,
                                      const struct celery_literal_limits *limits,
                                      struct kn_buf *json,
                                      struct celery_literal_info *ret_info) KN_MUST_CHECK;

/* Whether the text is, or may be, what saferepr left of a longer one:
 *   ('aaa...', ...)    {'k': 'a...', ...}    [1, , ...]    ('a', ...     at the length
 *   'aaa...'    b'aaa...'    <Obj...    12345...                         at the length
 *   [[...], {...}, (...), (...,), frozenset({...})]                      at three levels
 * A text that really ends in "..." cannot be told from a cut one, and counts as
 * cut, wherever it stands. Never says no to a cut text. */
bool celery_repr_is_cut(struct kn_str text);

#endif
