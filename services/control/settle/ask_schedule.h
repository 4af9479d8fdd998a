/* The unfinished tasks that were asked about: when each is to be asked about again,
 * and what was said of it so far. The more there are, the longer the pauses, so that
 * all of them together stay within a rate. Times are given (monotonic). Bounded; no
 * I/O; one thread. */
#ifndef CONTROL_SETTLE_ASK_SCHEDULE_H
#define CONTROL_SETTLE_ASK_SCHEDULE_H

#include "services/common/text/str.h"

struct control_ask_schedule;

struct control_ask_schedule_options {
    size_t tasks_max;   /* more are not remembered, and asked about whenever they are listed */
    unsigned rate;      /* questions a second */
    int64_t first_us;   /* the first pause */
    int64_t confirm_us; /* between two answers that a worker has not got a task */
};

/* NULL when out of memory. */
struct control_ask_schedule *
control_ask_schedule_new(const struct control_ask_schedule_options *options);
void control_ask_schedule_free(struct control_ask_schedule *asked);

/* Storage lists it as overdue, with news at updated_at (wall clock). Whether it is to
 * be asked about now. News since the question before shorten the pauses again. */
bool control_ask_schedule_due(struct control_ask_schedule *asked, struct kn_str id,
                              int64_t updated_at, int64_t now_us);
/* When its worker said first that it does not have it; 0: it has not said so. */
int64_t control_ask_schedule_missing_at(const struct control_ask_schedule *asked, struct kn_str id);

/* What came of the question. Nothing new: it is under way, or nobody knows. */
void control_ask_schedule_nothing(struct control_ask_schedule *asked, struct kn_str id,
                                  int64_t now_us);
/* Its worker has not got it. True when it has said so before, long enough ago. */
bool control_ask_schedule_missing(struct control_ask_schedule *asked, struct kn_str id,
                                  int64_t now_us);
/* Its worker has not got it, but it is not known whether a message of it is left: asked later,
 * and its worker has still not got it since then. */
void control_ask_schedule_unknown(struct control_ask_schedule *asked, struct kn_str id,
                                  int64_t now_us);
/* It has ended. */
void control_ask_schedule_done(struct control_ask_schedule *asked, struct kn_str id);

/* All of storage's lists were read once: forgets what was not in them any more. */
void control_ask_schedule_lap(struct control_ask_schedule *asked);
size_t control_ask_schedule_count(const struct control_ask_schedule *asked);

#endif
