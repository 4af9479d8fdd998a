/* Shared by backends.c and its findings. */
#ifndef CONTROL_FIND_BACKENDS_IMPL_H
#define CONTROL_FIND_BACKENDS_IMPL_H

#include "services/broker/values.h"
#include "services/common/process/log.h"
#include "services/control/find/backends.h"

#include <pthread.h>

enum { SHOWN_MAX = 512, PREFIXES_MAX = 3 };

struct backend {
    char *text; /* as reported */
    bool prefixed;
    bool named; /* by an online worker */
    struct control_backend_place place;
    struct broker_options options;
    struct broker_values *values;
    char *completed;                    /* the prefix as Celery completes it; NULL: unchanged */
    const char *prefixes[PREFIXES_MAX]; /* possible prefixes of its keys, the most likely first */
    size_t n_prefixes, prefix;          /* prefix: the one in use */
    bool proved;                        /* something was found in it */
    int64_t retry_at;                   /* monotonic */
    int64_t backoff_us;
};

/* Problems of a backend, for the findings. */
struct trouble {
    enum control_backend_kind kind;
    char shown[SHOWN_MAX]; /* without a password */
    char error[256];       /* "" while it answers */
    bool unreadable;       /* has results with an unsupported serializer */
    bool empty;            /* has no data of ended tasks */
    bool withheld;         /* a task stays unfinished because of it */
};

struct control_backends {
    struct control_result_settings settings;
    const struct broker_options *broker;
    bool configured;
    struct backend *items[CONTROL_BACKENDS_MAX];
    size_t count;
    struct kn_buf key;
    struct kn_log_limit log_limit;

    pthread_mutex_t lock; /* the two below */
    struct trouble troubles[CONTROL_BACKENDS_MAX];
    size_t n_troubles;
};

/* Why no backend can be read. */
struct kn_str control_backends_why_not(const struct control_backends *b);

#endif
