/* One request to control: its resources, its answer, and queries shared by all handlers. Nothing
 * here depends on a handler. */
#ifndef CONTROL_CALL_CALL_H
#define CONTROL_CALL_CALL_H

#include "proto/bus/bus.h"
#include "services/broker/settings.h"
#include "services/common/data/arena.h"

#include <stdatomic.h>

struct control_learned_sender;
struct control_pidbox;
struct control_queues;
struct control_result_settings;

struct control_call_options {
    const char *source;
    const struct broker_options *broker;
    const struct control_result_settings *results;
    int64_t reply_timeout_us;   /* of workers, unless a request has its own */
    size_t memory_max;          /* bytes of replies of one request */
    int64_t request_timeout_us; /* of storage */
    bool look;                  /* search queues for waiting tasks */
    size_t look_max;            /* maximum number of waiting messages searched for a task */
    bool retry_from_repr;       /* whether arguments may be taken from events */

    /* Called when a user disables a worker's events (hold) or enables them again; may be NULL. */
    void (*hold_events)(void *arg, struct kn_str hostname, bool hold);
    void *hold_events_arg;
};

/* Connections of one thread; each connects on first use. */
struct control_hand {
    struct control_pidbox *pidbox;
    struct broker_session *session; /* to send messages */
    uint64_t tickets;
};

/* Data that the calls of a bulk batch request from storage only once; in their shared arena. */
struct control_portion {
    const struct kn_msg_worker_list *workers; /* from control_workers; NULL: not requested yet */
};

/* A handler sets answer_kind and answer, or returns a failure and may set text to a sentence that
 * says why. */
struct control_call {
    const struct control_call_options *options;
    struct kn_bus_client *storage;
    struct control_queues *queues;
    struct control_learned_sender *learned; /* reports tasks to storage */
    struct control_hand *hand;
    struct kn_arena *arena; /* ends with the request */
    const atomic_bool *stopping;
    const struct kn_msg_action *action; /* NULL: a query, or a dry run */
    const void *msg;
    struct control_portion *portion; /* NULL: a single call */

    bool began; /* something was or may have been sent to the broker or to storage */
    enum kn_kind answer_kind;
    const void *answer;
    enum kn_outcome outcome; /* for the audit; UNKNOWN: DONE with OK, UNKNOWN with UNCERTAIN,
                                else FAILED */
    struct kn_str text;      /* in the arena, or static */
    struct kn_msg_task_link
        link; /* for storage, sent by the handler's caller; no task_id: no link */
};

/* Sets text; returns status. */
enum kn_status control_call_fail(struct control_call *call, enum kn_status status,
                                 const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same, with outcome REFUSED: nothing was changed. */
enum kn_status control_call_refuse(struct control_call *call, enum kn_status status,
                                   const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Asks storage. The answer's texts live as long as the call. */
enum kn_status control_call_ask(struct control_call *call, enum kn_kind kind, const void *msg,
                                enum kn_kind want, const void **ret) KN_MUST_CHECK;
/* The workers of the source, with their configuration and registered tasks. */
enum kn_status control_workers(struct control_call *call,
                               const struct kn_msg_worker_list **ret) KN_MUST_CHECK;
/* Sends the link, if any, in a separate request. False: it was not stored. */
bool control_call_link(struct control_call *call) KN_MUST_CHECK;

#endif
