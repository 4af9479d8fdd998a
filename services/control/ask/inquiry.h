/* Asks workers whether they still have unfinished tasks. A worker's answer that it does not have a
 * task is reliable only if no other process uses its name, and if the task does not wait there for
 * a rate limit or its ETA, which query_task does not report: so doubted tasks are checked further.
 * One thread. */
#ifndef CONTROL_ASK_INQUIRY_H
#define CONTROL_ASK_INQUIRY_H

#include "services/control/ask/pidbox.h"

enum control_inquiry_answer {
    CONTROL_NOT_SAID,
    CONTROL_HELD,    /* the task waits there */
    CONTROL_ACTIVE,  /* the task is running */
    CONTROL_MISSING, /* the worker does not have the task */
};

struct control_inquiry_task {
    const struct kn_msg_overdue_task *task;
    const struct kn_msg_worker *worker;
    void *owner;  /* the caller's */
    bool started; /* false: only received */
    bool doubted; /* its worker has said before that it does not have the task */
    enum control_inquiry_answer answer;
    int64_t started_at; /* for ACTIVE, if reported by the worker */
};

struct control_inquiry_options {
    int64_t reply_timeout_us;
    size_t memory_max;  /* bytes of replies */
    const char *ticket; /* unique to this inquiry */
};

/* Asks about count tasks, and sets their answers; may reorder the tasks. Each worker is asked about
 * at most this many tasks; the others stay NOT_SAID. Checks *stop while waiting for replies. Fails
 * when the connection was lost. */
enum { CONTROL_INQUIRY_IDS_MAX = 200 };
enum kn_status control_inquire(struct control_pidbox *pidbox,
                               const struct control_inquiry_options *options,
                               struct control_inquiry_task *tasks, size_t count,
                               bool (*stop)(void *arg), void *arg) KN_MUST_CHECK;

#endif
