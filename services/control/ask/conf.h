/* Reads a worker's configuration (its reply to "conf"), and masks the secrets in it and in
 * its stats. No I/O. */
#ifndef CONTROL_ASK_CONF_H
#define CONTROL_ASK_CONF_H

#include "services/broker/broker.h"
#include "services/common/data/arena.h"

struct control_conf {
    bool known; /* the worker answered */
    bool send_task_events;
    bool send_sent_event;
    bool result_extended;
    bool track_started;
    bool takes_pickle; /* pickle is sent or accepted */
    bool has_backend;
    /* Redis: priority_steps of broker_transport_options; none: not set or not readable */
    unsigned char priority_steps[BROKER_STEPS_MAX];
    size_t priority_count;
};

/* conf: a JSON object, otherwise INVALID. */
enum kn_status control_conf_read(struct kn_str conf, struct control_conf *ret) KN_MUST_CHECK;

/* The worker's result backend as Celery shows it (without the password), or ""; in the
 * arena. *ret_prefixed: its keys have a prefix, which Celery does not show. */
enum kn_status control_conf_backend(struct kn_str conf, struct kn_arena *arena,
                                    struct kn_str *ret_url, bool *ret_prefixed) KN_MUST_CHECK;

/* The same JSON with every secret as "********": passwords in all URLs, and the values of
 * keys whose names suggest a secret. Celery masks most secrets itself
 * (celery/app/utils.py, filter_hidden_settings), but not in all replies. In the arena; absent
 * if value is not JSON or memory is exhausted. */
struct kn_str control_masked(struct kn_str value, struct kn_arena *arena);

#endif
