/* The one set of results that functions of the project return. */
#ifndef KN_COMMON_STATUS_H
#define KN_COMMON_STATUS_H

/* name, text for people */
#define KN_STATUS_MAP(X)                                                                           \
    X(OK, "ok")                                                                                    \
    X(NOMEM, "out of memory")                                                                      \
    X(INVALID, "not valid")                                                                        \
    X(TOO_BIG, "too big")                                                                          \
    X(TOO_DEEP, "nested too deep")                                                                 \
    X(TRUNCATED, "ends too early")                                                                 \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "exists already")                                                                    \
    X(CONFLICT, "conflicts with what is there")                                                    \
    X(TIMEOUT, "no answer in time")                                                                \
    X(CLOSED, "closed")                                                                            \
    X(AGAIN, "not now, try again")                                                                 \
    X(FULL, "full")                                                                                \
    X(DENIED, "not allowed")                                                                       \
    X(IO, "input or output failed")                                                                \
    X(UNSUPPORTED, "not supported")                                                                \
    X(CONFIG, "wrong configuration")                                                               \
    X(VERSION, "speaks another version")                                                           \
    X(INTERNAL, "internal error")                                                                  \
    X(UNCERTAIN, "it is unknown whether it was done")

enum kn_status {
#define X(name, text) KN_##name,
    KN_STATUS_MAP(X)
#undef X
};

/* Every function that returns a status must have it looked at. */
#define KN_MUST_CHECK __attribute__((warn_unused_result))

/* "NOT_FOUND"; "?" for a number that is no status. Static. */
const char *kn_status_name(enum kn_status status);
/* "not found"; "unknown status" for a number that is no status. Static. */
const char *kn_status_text(enum kn_status status);

#endif
