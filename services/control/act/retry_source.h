/* How a task was called, as far as it is certain: from the waiting message, the result backend, or
 * the text in events. In this order, and each only if it shows exactly what the task got
 * (services/celery/python/vouch.h). If two of them can be compared and disagree, none is used.
 *
 * On RabbitMQ a message can't be looked at without taking it out of its queue, so there
 * it is left alone. */
#ifndef CONTROL_ACT_RETRY_SOURCE_H
#define CONTROL_ACT_RETRY_SOURCE_H

#include "services/celery/message/task_message.h"
#include "services/celery/python/vouch.h"
#include "services/control/call/call.h"
#include "services/control/find/attempts.h"
#include "services/control/find/route.h"

struct control_retry_source {
    const struct kn_msg_task *task;
    const struct kn_msg_worker_list *workers; /* as control_workers; maybe long gone */
    enum celery_accepts accepts;              /* of the worker that had it */
    bool takes_json, takes_pickle;            /* it, or the queue's workers */
    bool restarted;                           /* that worker, since */

    struct control_attempts attempts;
    const struct control_attempt *attempt; /* whose arguments are wanted; one of these */
    bool last;                             /* it was asked for the last one */
    struct kn_str choice;                  /* "message", "backend", "events": this source only */

    bool has_message; /* one waits, or is not acknowledged */
    bool unacked;
    bool looked; /* everywhere; false: some places were not searched */
    struct kn_str
        suspect; /* RabbitMQ: a queue in which a message may wait; absent: none is known */
    struct celery_task_message message;

    const char *from;           /* "message", "backend", "repr"; NULL: not known */
    bool hidden;                /* the backend's arguments could not be compared */
    bool untyped;               /* of "repr": they may have been pickled */
    struct kn_str args, kwargs; /* JSON; absent: the message's body, whatever it is */
    struct kn_str name;         /* absent: not known */
    bool real_name;             /* false: it may be an alias */
    struct control_route route; /* all absent: not known */
    struct kn_buf why;          /* why each place was passed over */
};

/* Asks storage for the task, its events and the workers. NOT_FOUND without it. last: the arguments
 * of the last attempt are wanted, not those of the first. ret needs control_retry_source_fini in
 * either case. */
enum kn_status control_retry_source_begin(struct control_call *call, struct kn_str task_id,
                                          bool last,
                                          struct control_retry_source *ret) KN_MUST_CHECK;
/* Where a copy may be. */
enum control_look {
    CONTROL_LOOK_DONE,       /* the result is known: the queues that its calls were sent to */
    CONTROL_LOOK_UNFINISHED, /* the same; its message is expected there */
    CONTROL_LOOK_LOST,       /* in any queue that is known */
};
/* Searches for a message of the task in these queues and among unacknowledged messages. On RabbitMQ
 * it looks for a queue that may have one, by its depth, unless the result is known. */
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
