/* The status codes that all functions of the project return. */
#ifndef KN_COMMON_STATUS_H
#define KN_COMMON_STATUS_H

/* name, text for people */
#define KN_STATUS_MAP(X)                                                                           \
    X(OK, "ok")                                                                                    \
    X(NOMEM, "out of memory")                                                                      \
    X(INVALID, "invalid")                                                                          \
    X(TOO_BIG, "too large")                                                                        \
    X(TOO_DEEP, "nested too deeply")                                                               \
    X(TRUNCATED, "incomplete")                                                                     \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "already exists")                                                                    \
    X(CONFLICT, "conflict")                                                                        \
    X(TIMEOUT, "timed out")                                                                        \
    X(CLOSED, "closed")                                                                            \
    X(AGAIN, "temporarily unavailable, try again")                                                 \
    X(FULL, "full")                                                                                \
    X(DENIED, "not allowed")                                                                       \
    X(IO, "input or output failed")                                                                \
    X(UNSUPPORTED, "not supported")                                                                \
    X(CONFIG, "invalid configuration")                                                             \
    X(VERSION, "incompatible version")                                                             \
    X(INTERNAL, "internal error")                                                                  \
    X(UNCERTAIN, "the outcome is unknown")

enum kn_status {
#define X(name, text) KN_##name,
    KN_STATUS_MAP(X)
#undef X
};

/* Callers must check a returned status. */
#define KN_MUST_CHECK __attribute__((warn_unused_result))

/* "NOT_FOUND"; "?" for an invalid number. Static. */
const char *kn_status_name(enum kn_status status);
/* "not found"; "unknown status" for an invalid number. Static. */
const char *kn_status_text(enum kn_status status);

#endif
