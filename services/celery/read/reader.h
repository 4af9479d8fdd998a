/* Pull reader over a JSON text or a msgpack body: one token at a time, no tree. JSON follows
 * Python's json module: NaN, Infinity and -Infinity are numbers; half a surrogate pair, which UTF-8
 * cannot represent, becomes U+FFFD.
 *
 * A container is an opening token, its contents, and CELERY_CLOSE. In a map, keys and values
 * alternate, and keys are always CELERY_TEXT.
 *
 * Internal to services/celery. */
#ifndef KN_CELERY_READ_READER_H
#define KN_CELERY_READ_READER_H

#include "services/common/data/arena.h"
#include "services/common/status.h"
#include "services/common/text/buf.h"
#include "services/common/text/str.h"

enum { CELERY_READER_DEPTH = 64 };

enum celery_format { CELERY_JSON, CELERY_MSGPACK };

/* Whether a content type (or encoding) has this name, ignoring parameters ("; charset=…") and
 * case. */
bool celery_type_is(struct kn_str type, const char *name);
/* The format of a content type; an absent type means JSON. False for any other type.
 * kombu/serialization.py registers these names; application/msgpack is msgpack's own. */
bool celery_format_of(struct kn_str type, enum celery_format *ret);

enum celery_kind {
    CELERY_NULL,
    CELERY_BOOL,
    CELERY_INT,   /* JSON: text; msgpack: integer */
    CELERY_FLOAT, /* JSON: text; msgpack: real */
    CELERY_TEXT,
    CELERY_BYTES, /* msgpack bin and ext: text */
    CELERY_LIST,
    CELERY_MAP,
    CELERY_CLOSE,
};

struct celery_token {
    enum celery_kind kind;
    bool boolean;
    bool negative;      /* INT of msgpack: the value is -1 - integer */
    uint64_t integer;   /* INT of msgpack */
    double real;        /* FLOAT of msgpack */
    struct kn_str text; /* in the body, or in the arena if it had escapes */
};

struct celery_reader {
    enum celery_format format;
    const char *start;
    const char *p;
    const char *end;
    struct kn_arena *arena;
    const char *error; /* what is wrong, static */
    bool not_utf8;     /* the error is a msgpack text that is not UTF-8 */
    unsigned depth;    /* open containers */
    struct celery_level {
        bool map;
        bool value_next; /* map: a key was read */
        bool begun;      /* JSON: something was read */
        uint32_t left;   /* msgpack: remaining keys and values */
    } levels[CELERY_READER_DEPTH + 1];
};

/* body and arena must outlive the tokens. JSON: body must be UTF-8. */
void celery_reader_init(struct celery_reader *r, enum celery_format format, struct kn_str body,
                        struct kn_arena *arena);

/* The next token. INVALID, TOO_DEEP (the container is not entered), NOMEM. */
enum kn_status celery_reader_next(struct celery_reader *r, struct celery_token *ret) KN_MUST_CHECK;
/* Skips the rest of the value that begins with token, including its CELERY_CLOSE. */
enum kn_status celery_reader_skip(struct celery_reader *r,
                                  const struct celery_token *token) KN_MUST_CHECK;
/* Recovers from an error inside a container of level depth: skips the value whose first byte is at
 * from, regardless of its nesting and content. The reader is then at level depth again. INVALID
 * when the value has no end. */
enum kn_status celery_reader_recover(struct celery_reader *r, const char *from,
                                     unsigned depth) KN_MUST_CHECK;
/* Whether only white space is left. */
bool celery_reader_at_end(struct celery_reader *r);

/* Writes the value that begins with token as compact JSON: NaN and infinities as null, bytes as
 * text if they are UTF-8, else as null. */
enum kn_status celery_reader_json(struct celery_reader *r, const struct celery_token *token,
                                  struct kn_buf *out) KN_MUST_CHECK;
/* The same, as Python's repr. */
enum kn_status celery_reader_python(struct celery_reader *r, const struct celery_token *token,
                                    struct kn_buf *out) KN_MUST_CHECK;

/* Values of INT and FLOAT tokens; false for another kind, or when the number does not fit. A FLOAT
 * is truncated to an integer; to_f64 rejects inf and nan. */
bool celery_token_i64(const struct celery_token *token, int64_t *ret);
bool celery_token_u64(const struct celery_token *token, uint64_t *ret);
bool celery_token_f64(const struct celery_token *token, double *ret);
/* Seconds since 1970, maybe with a fraction, as µs. */
bool celery_token_seconds(const struct celery_token *token, int64_t *ret_us);
/* BOOL, or a number that is not 0. */
bool celery_token_bool(const struct celery_token *token, bool *ret);

#endif
