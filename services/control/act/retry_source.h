/* Finds out how a task was called, if this is certain: from the waiting message, the result
 * backend, or the text in events, in this order. A source is used only if it shows exactly what the
 * task received (services/celery/python/vouch.h). If two sources can be compared and disagree, none
 * is used.
 *
 * On RabbitMQ the message is not read, because reading would take it out of its queue. */
#ifndef CONTROL_ACT_RETRY_SOURCE_H
#define CONTROL_ACT_RETRY_SOURCE_H

#include "services/celery/message/task_message.h"
#include "services/celery/python/vouch.h"
#include "services/control/call/call.h"
#include "services/control/find/attempts.h"
#include "services/control/find/route.h"

struct control_retry_source {
    const struct kn_msg_task *task;
    const struct kn_msg_worker_list *workers; /* from control_workers; maybe long gone */
    enum celery_accepts accepts;              /* of the worker that had the task */
    bool takes_json, takes_pickle;            /* that worker, or the queue's workers */
    bool restarted;                           /* that worker was restarted since then */

    struct control_attempts attempts;
    const struct control_attempt *attempt; /* whose arguments are wanted; one of attempts */
    bool last;                             /* the last attempt was requested */
    struct kn_str choice;                  /* "message", "backend", "events": this source only */

    bool has_message; /* a message waits, or is unacknowledged */
    bool unacked;
    bool looked;           /* searched everywhere; false: some places were skipped */
    struct kn_str suspect; /* RabbitMQ: a queue in which a message may wait; absent: unknown */
    struct celery_task_message message;

    const char *from;           /* "message", "backend", "repr"; NULL: unknown */
    bool hidden;                /* the backend's arguments could not be compared */
    bool untyped;               /* for "repr": they may have been pickled */
    struct kn_str args, kwargs; /* JSON; absent: the message's body, whatever it is */
    struct kn_str name;         /* absent: unknown */
    bool real_name;             /* false: it may be an alias */
    struct control_route route; /* all absent: unknown */
    struct kn_buf why;          /* why each place was skipped */
};

/* Asks storage for the task, its events and the workers. NOT_FOUND for an unknown task. last: use
 * the arguments of the last attempt, not the first. Always call control_retry_source_fini on
 * ret. */
enum kn_status control_retry_source_begin(struct control_call *call, struct kn_str task_id,
                                          bool last,
                                          struct control_retry_source *ret) KN_MUST_CHECK;
/* Where a copy may be. */
enum control_look {
    CONTROL_LOOK_DONE,       /* finished: the queues to which its calls were sent */
    CONTROL_LOOK_UNFINISHED, /* the same; its message is expected there */
    CONTROL_LOOK_LOST,       /* in any known queue */
};
/* Searches these queues and the unacknowledged messages for a message of the task. On RabbitMQ,
 * unless the result is known, looks for a queue that may have one, judging by its depth. */
enum kn_status control_retry_source_look(struct control_call *call,
                                         struct control_retry_source *origin,
                                         enum control_look look) KN_MUST_CHECK;
/* Finds the wanted arguments, the name and the route. CONFLICT, with the difference as the text, if
 * sources disagree. */
enum kn_status control_retry_source_find(struct control_call *call,
                                         struct control_retry_source *origin, bool args,
                                         bool kwargs) KN_MUST_CHECK;
void control_retry_source_fini(struct control_retry_source *origin);

#endif
