/* Prepares and sends a task message: shared by retries and new tasks. */
#ifndef CONTROL_ACT_SENDING_H
#define CONTROL_ACT_SENDING_H

#include "services/control/act/outgoing.h"
#include "services/control/act/retry_source.h"

enum { CONTROL_WARNINGS_MAX = 16 };

struct control_sending {
    struct control_call *call;
    const struct kn_msg_task_send *ask;
    struct celery_task_wrap wrap;
    struct kn_str decoded; /* the body as JSON, for display; absent if it is not JSON */
    const char *from;
    struct kn_str warnings[CONTROL_WARNINGS_MAX];
    size_t n_warnings;
    struct kn_str name;
    struct kn_opt_i64 attempt; /* whose arguments are sent */
    struct kn_msg_task_attempt *attempts;
    size_t n_attempts;
};

/* text is static, or in the arena. */
void control_sending_warn(struct control_sending *s, const char *text);

/* ---- sending.c: the message ---------------------------------------------------------- */

/* Copies the waiting message, byte for byte except for replaced parts. */
enum kn_status control_sending_copy(struct control_sending *s,
                                    const struct control_retry_source *o) KN_MUST_CHECK;
/* Writes a new message. */
enum kn_status control_sending_write(struct control_sending *s,
                                     struct celery_task_call *call) KN_MUST_CHECK;
/* Replaces the body by a pickle of a call without arguments. */
void control_sending_pickle_nothing(struct control_sending *s);
/* The message as JSON, for a dry run. */
struct kn_str control_sending_show(struct control_sending *s);

/* ---- do_send.c: the destination ------------------------------------------------------------ */

/* Uses the queue of the request, else the known route. */
enum kn_status control_sending_route(struct control_sending *s,
                                     const struct control_route *known) KN_MUST_CHECK;
/* Uses the priority of the request, else the given one. */
void control_sending_priority(struct control_sending *s, struct kn_opt_i64 priority);
/* Warns if no worker consumes the queue. */
void control_sending_consumers(struct control_sending *s, const struct kn_msg_worker_list *workers);
/* Sends the message, unless it is a dry run, and fills the answer. */
enum kn_status control_sending_deliver(struct control_sending *s) KN_MUST_CHECK;
bool control_sending_registered(const struct kn_msg_worker *worker, struct kn_str name);

/* ---- retry.c ----------------------------------------------------------------------------- */

enum kn_status control_retry(struct control_sending *s,
                             struct control_retry_source *o) KN_MUST_CHECK;

#endif
