/* What a worker's configuration (the answer to "conf") and its stats say, and
 * how they are made fit to be shown. No I/O. */
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
    bool takes_pickle; /* it is sent, or accepted */
    bool has_backend;
    /* Redis: priority_steps of broker_transport_options; 0 of them: not set, or not readable */
    unsigned char priority_steps[BROKER_STEPS_MAX];
    size_t priority_count;
};

/* conf: a JSON object. INVALID when it is none. */
enum kn_status control_conf_read(struct kn_str conf, struct control_conf *ret) KN_MUST_CHECK;

/* Its result backend, as Celery shows it (without the password), "" when it has none;
 * in the arena. *ret_prefixed: its keys have a prefix, which Celery does not show. */
enum kn_status control_conf_backend(struct kn_str conf, struct kn_arena *arena,
                                    struct kn_str *ret_url, bool *ret_prefixed) KN_MUST_CHECK;

/* The same JSON with every secret as "********": passwords in URLs anywhere, and
 * the values of keys that speak of a secret. Celery masks most of it itself
 * (celery/app/utils.py, filter_hidden_settings), but not in everything that it
 * answers. In the arena; absent when value is no JSON or memory is out. */
struct kn_str control_masked(struct kn_str value, struct kn_arena *arena);

#endif
