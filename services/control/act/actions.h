/* Answers the gateway: questions about one broker and its workers, and actions on
 * them. A request that acts is written to the audit before anything is done, and its
 * outcome after; one that was begun is never begun again, however often it arrives.
 *
 * Each request has a thread, and a hand (connections to the broker) to itself. */
#ifndef CONTROL_ACT_ACTIONS_H
#define CONTROL_ACT_ACTIONS_H

#include "proto/bus/bus.h"
#include "services/broker/settings.h"
#include "services/celery/remote/methods.h"
#include "services/control/ask/pidbox.h"
#include "services/control/settle/result_backend.h"

#include <stdatomic.h>

enum { CONTROL_ACTION_THREADS = 4 };

struct control_actions_options {
    const char *source;
    const struct broker_options *broker;
    struct control_result_settings results;
    int64_t reply_timeout_us;   /* of workers, unless a request says else */
    size_t memory_max;          /* bytes of replies of one request */
    int64_t request_timeout_us; /* of storage */
    struct control *control;    /* gets the events; may be NULL */
    bool look;                  /* into queues, for tasks that wait */
    size_t look_max;            /* maximum number of waiting messages searched for one */
    bool retry_from_repr;       /* whether arguments may be taken from events */
};

struct control_actions;
struct control_learned_sender;
struct control_queues;

/* Binds url. What options point to, bus and storage must outlive it. On failure
 * *ret_error is a sentence to be freed by the caller, or NULL. */
enum kn_status control_actions_start(const struct control_actions_options *options,
                                     struct kn_bus *bus, const char *url,
                                     struct kn_bus_client *storage, struct control_actions **ret,
                                     char **ret_error) KN_MUST_CHECK;
/* Makes requests under way come to an end, and waits for them. NULL is allowed. */
void control_actions_stop(struct control_actions *actions);

/* ---- for the handlers, do_*.c ---------------------------------------------------------- */

/* Connections of one thread; each connects when it is first needed. */
struct control_hand {
    struct control_pidbox *pidbox;
    struct broker_session *session; /* to send messages */
    uint64_t tickets;
};

/* One request. A handler sets answer_kind and answer, or returns a status and may set
 * text to one sentence that says why. */
struct control_call {
    const struct control_actions_options *options;
    struct kn_bus_client *storage;
    struct control_queues *queues;
    struct control_learned_sender *learned; /* to tell storage of tasks */
    struct control_hand *hand;
    struct kn_arena *arena; /* ends with the request */
    const atomic_bool *stopping;
    const struct kn_msg_action *action; /* NULL: a question, or a dry run */
    const void *msg;

    bool began; /* something was handed to the broker or to storage, or may have been */
    enum kn_kind answer_kind;
    const void *answer;
    enum kn_outcome outcome; /* for the audit; UNKNOWN: DONE with OK, UNKNOWN with UNCERTAIN,
                                else FAILED */
    struct kn_str text;      /* in the arena, or static */
};

/* Sets text; returns status. */
enum kn_status control_call_fail(struct control_call *call, enum kn_status status,
                                 const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same, with REFUSED: nothing was changed. */
enum kn_status control_call_refuse(struct control_call *call, enum kn_status status,
                                   const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Asks storage. The answer's texts live as long as the call. */
enum kn_status control_call_ask(struct control_call *call, enum kn_kind kind, const void *msg,
                                enum kn_kind want, const void **ret) KN_MUST_CHECK;

/* Whom a command is for: those that are named, else those online that fit the pattern, all
 * without one; sorted. NOT_FOUND when none fits. */
enum kn_status control_command_asked(struct control_call *call,
                                     const struct kn_msg_command *command,
                                     struct kn_strs *ret) KN_MUST_CHECK;
/* Sends a command to workers, once, and gathers what they answer until all have, or the
 * time is over; the arguments are not looked at. Without workers and pattern it goes to
 * all that listen, known or not. Only when nothing could be sent, or it is not known
 * whether it was (UNCERTAIN; IO if it is a question), it fails; a connection that is lost later
 * makes workers missing. What it lists lies in the arena. */
enum kn_status control_command(struct control_call *call, const struct kn_msg_command *command,
                               struct kn_msg_command_done *ret) KN_MUST_CHECK;

typedef enum kn_status control_handler(struct control_call *call);

control_handler control_do_command;
control_handler control_do_doctor;
control_handler control_do_waiting, control_do_purge, control_do_move, control_do_pause;
control_handler control_do_send; /* retry and apply */
control_handler control_do_revoke;
control_handler control_do_result;

#endif
