/* Schedules questions about unfinished tasks: when to ask about each again, and the answers so far.
 * The more tasks, the longer the pauses, so that the total stays within a rate. Callers pass the
 * time (monotonic). Limited in size; no I/O; one thread. */
#ifndef CONTROL_SETTLE_ASK_SCHEDULE_H
#define CONTROL_SETTLE_ASK_SCHEDULE_H

#include "services/common/text/str.h"

struct control_ask_schedule;

struct control_ask_schedule_options {
    size_t tasks_max;   /* further tasks are not remembered, and asked about whenever listed */
    unsigned rate;      /* questions a second */
    int64_t first_us;   /* the first pause */
    int64_t confirm_us; /* between two answers that a worker does not have a task */
};

/* NULL when out of memory. */
struct control_ask_schedule *
control_ask_schedule_new(const struct control_ask_schedule_options *options);
void control_ask_schedule_free(struct control_ask_schedule *asked);

/* Storage lists the task as overdue, with its last event at updated_at (wall clock). Returns
 * whether to ask about it now. Events since the previous question shorten the pauses again. */
bool control_ask_schedule_due(struct control_ask_schedule *asked, struct kn_str id,
                              int64_t updated_at, int64_t now_us);
/* When its worker first said that it does not have the task; 0: never. */
int64_t control_ask_schedule_missing_at(const struct control_ask_schedule *asked, struct kn_str id);

/* Records the result of a question. Nothing new: the task is in progress, or its state is
 * unknown. */
void control_ask_schedule_nothing(struct control_ask_schedule *asked, struct kn_str id,
                                  int64_t now_us);
/* Its worker does not have the task. True when it has said so before, long enough ago. */
bool control_ask_schedule_missing(struct control_ask_schedule *asked, struct kn_str id,
                                  int64_t now_us);
/* Its worker does not have the task, but a message may be left. Asks again later, and keeps the
 * time since when the worker does not have it. */
void control_ask_schedule_unknown(struct control_ask_schedule *asked, struct kn_str id,
                                  int64_t now_us);
/* The task has ended. */
void control_ask_schedule_done(struct control_ask_schedule *asked, struct kn_str id);

/* All of storage's lists were read once: forgets tasks no longer listed. */
void control_ask_schedule_lap(struct control_ask_schedule *asked);
size_t control_ask_schedule_count(const struct control_ask_schedule *asked);

#endif
