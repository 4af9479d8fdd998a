/* One round of questions to workers: replies come one by one, from anybody, in any
 * order, and are put together to one worker_inspect for each worker. Bounded in
 * workers and bytes. No I/O; one thread. */
#ifndef CONTROL_ASK_ROUND_H
#define CONTROL_ASK_ROUND_H

#include "services/celery/remote/remote.h"
#include "services/control/ask/roster.h"

struct control_round;

struct control_round_options {
    struct kn_str source;
    unsigned questions; /* set of bits */
    int64_t at;         /* wall clock, when it was asked */
    size_t workers_max; /* replies of more workers are passed over and counted */
    size_t bytes_max;   /* of what is kept at once */
};

/* NULL when out of memory. source must outlive it. */
struct control_round *control_round_new(const struct control_round_options *options);
void control_round_free(struct control_round *round);

/* "stats"; its arguments as JSON. Static. */
const char *control_question_method(enum control_question question);
const char *control_question_arguments(enum control_question question);

/* Takes a reply to a question. INVALID: it is not what the question asks for, or
 * was not asked; FULL: a bound was reached. It is counted then. */
enum kn_status control_round_reply(struct control_round *round, enum control_question question,
                                   const struct celery_reply *reply) KN_MUST_CHECK;

/* How many replies came to the question that has the fewest. */
size_t control_round_answered(const struct control_round *round);

/* The next worker that answered all (or, with rest, any) of the questions, once
 * each. What it points to lives until the next call of anything with this round. */
struct control_answer {
    struct kn_msg_worker_inspect *inspect;
    unsigned answered; /* set of bits */
    struct celery_held_tasks active, reserved, scheduled;
};
bool control_round_take(struct control_round *round, bool rest, struct control_answer *ret);

/* The next name to which two processes answered, once each; "" when there is none. Lives as
 * long as the round. */
struct kn_str control_round_twins(struct control_round *round);

struct control_round_counters {
    uint64_t replies, refused, left_out;
};
struct control_round_counters control_round_counters(const struct control_round *round);

/* What a question of a round is recognised by in its replies: "<round>.<question>". */
enum { CONTROL_TICKET_MAX = 64 };
void control_ticket_write(char ret[CONTROL_TICKET_MAX], uint64_t round, unsigned question);
/* False: it is of another round, or of nobody. */
bool control_ticket_read(struct kn_str ticket, uint64_t round, enum control_question *ret);

#endif
