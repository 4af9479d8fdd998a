/* The remote control methods that Kanchi sends, and their arguments, named as in
 * celery/worker/control.py. One table is the source of the check of requests, of the allowed
 * values in error messages, and of the list for people. No I/O. */
#ifndef KN_CELERY_REMOTE_METHODS_H
#define KN_CELERY_REMOTE_METHODS_H

#include "services/common/text/buf.h"

enum celery_argument_type {
    CELERY_ARGUMENT_BOOL,
    CELERY_ARGUMENT_INTEGER, /* least to most */
    CELERY_ARGUMENT_SECONDS, /* a number, least to most, or null */
    CELERY_ARGUMENT_TEXT,
    CELERY_ARGUMENT_TEXTS,  /* one, or a list */
    CELERY_ARGUMENT_STAMPS, /* an object: each member is TEXTS */
    CELERY_ARGUMENT_TABLE,  /* an object: each member is a text, a number or a boolean */
    CELERY_ARGUMENT_RATE,   /* "10/m", a number, 0 for no limit */
    CELERY_ARGUMENT_SIGNAL, /* "TERM", "SIGKILL" … */
    CELERY_ARGUMENT_EXCHANGE_TYPE,
};

enum {
    CELERY_ARGUMENTS_MAX = 6,
    CELERY_ARGUMENT_TEXT_MAX = 4096, /* bytes; the maximum length of a task's ID */
    CELERY_ARGUMENT_LIST_MAX = 1000,
    CELERY_ARGUMENTS_BYTES_MAX = 1 << 20,
};

struct celery_argument {
    const char *name; /* NULL ends the list */
    enum celery_argument_type type;
    bool required;
    int64_t least, most;
    const char *fallback; /* JSON to send if it is absent; NULL: nothing */
    const char *help;
};

struct celery_method {
    const char *name;
    bool action; /* an action, which changes something; otherwise a question */
    bool mute;   /* the worker does not reply */
    const char *help;
    struct celery_argument arguments[CELERY_ARGUMENTS_MAX + 1];
};

/* Ends with one without a name. Questions come first. */
extern const struct celery_method celery_methods[];

/* Signals that end a process or that tasks commonly handle. Others, such as STOP, would leave the
 * worker with a process that never ends. Names may have the prefix "SIG". */
#define CELERY_SIGNALS "TERM, INT, QUIT, KILL, HUP, ABRT, USR1 or USR2"
bool celery_signal_known(struct kn_str name);

/* NULL if there is none with that name. */
const struct celery_method *celery_method_find(struct kn_str name);

/* Checks arguments (a JSON object; absent: none), and writes them as they are sent.
 * INVALID: error has a sentence with the error and the allowed values. */
enum kn_status celery_method_check(const struct celery_method *method, struct kn_str arguments,
                                   struct kn_buf *ret_arguments,
                                   struct kn_buf *error) KN_MUST_CHECK;

/* Appends "ping, active, … and shutdown": questions, actions or both. */
void celery_method_names(struct kn_buf *out, bool questions, bool actions);
/* Appends "an integer from 1 to 1000". */
void celery_argument_describe(struct kn_buf *out, const struct celery_argument *argument);
/* The table as JSON: {"items": [{"name", "kind", "help", "arguments": [{"name", "type",
 * "required", "minimum", "maximum", "default", "help"}]}]}. */
void celery_methods_json(struct kn_buf *out);

#endif
