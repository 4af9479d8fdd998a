/* Asks the workers of unfinished tasks whether they have them. A worker's word that it
 * has not got a task is worth something only when no other process answers to its name,
 * and when the task does not wait there for a rate limit or its eta, which query_task does
 * not tell: so who doubts asks more. One thread. */
#ifndef CONTROL_ASK_INQUIRY_H
#define CONTROL_ASK_INQUIRY_H

#include "services/control/ask/pidbox.h"

enum control_inquiry_answer {
    CONTROL_NOT_SAID,
    CONTROL_HELD,    /* it waits there */
    CONTROL_ACTIVE,  /* it runs */
    CONTROL_MISSING, /* the worker has not got it */
};

struct control_inquiry_task {
    const struct kn_msg_overdue_task *task;
    const struct kn_msg_worker *worker;
    void *owner;  /* the caller's */
    bool started; /* else it was received only */
    bool doubted; /* its worker has said once before that it has not got it */
    enum control_inquiry_answer answer;
    int64_t started_at; /* of an ACTIVE one, when the worker says it */
};

struct control_inquiry_options {
    int64_t reply_timeout_us;
    size_t memory_max;  /* bytes of replies */
    const char *ticket; /* of this inquiry alone */
};

/* Asks about count tasks, and sets their answers; the order of tasks may change. Each
 * worker is asked about so many at most, the others stay NOT_SAID. *stop is looked at
 * while replies are awaited. Fails when the connection was lost. */
enum { CONTROL_INQUIRY_IDS_MAX = 200 };
enum kn_status control_inquire(struct control_pidbox *pidbox,
                               const struct control_inquiry_options *options,
                               struct control_inquiry_task *tasks, size_t count,
                               bool (*stop)(void *arg), void *arg) KN_MUST_CHECK;

#endif
