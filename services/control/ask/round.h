/* One round of questions to workers: replies arrive one by one, from any worker, in any order, and
 * are combined into one worker_inspect per worker. Limited in workers and bytes. No I/O; one
 * thread. */
#ifndef CONTROL_ASK_ROUND_H
#define CONTROL_ASK_ROUND_H

#include "services/celery/remote/remote.h"
#include "services/control/ask/roster.h"

struct control_round;

struct control_round_options {
    struct kn_str source;
    unsigned questions; /* set of bits */
    int64_t at;         /* wall clock, when the question was sent */
    size_t workers_max; /* replies of further workers are skipped and counted */
    size_t bytes_max;   /* kept at the same time */
};

/* NULL when out of memory. source must outlive it. */
struct control_round *control_round_new(const struct control_round_options *options);
void control_round_free(struct control_round *round);

/* "stats"; its arguments as JSON. Static. */
const char *control_question_method(enum control_question question);
const char *control_question_arguments(enum control_question question);

/* Takes a reply to a question. INVALID: the reply does not answer the question, or the question was
 * not asked; FULL: a limit was reached. Such replies are counted. */
enum kn_status control_round_reply(struct control_round *round, enum control_question question,
                                   const struct celery_reply *reply) KN_MUST_CHECK;

/* Number of replies to the question with the fewest replies. */
size_t control_round_answered(const struct control_round *round);

/* The next worker that answered all (or, with rest, any) of the questions. Each is returned once,
 * and stays valid until the next call with this round. */
struct control_answer {
    struct kn_msg_worker_inspect *inspect;
    unsigned answered; /* set of bits */
    struct celery_held_tasks active, reserved, scheduled;
};
bool control_round_take(struct control_round *round, bool rest, struct control_answer *ret);

/* The next name used by two processes; each is returned once. "" if there is none. Lives as long as
 * the round. */
struct kn_str control_round_twins(struct control_round *round);

struct control_round_counters {
    uint64_t replies, refused, left_out;
};
struct control_round_counters control_round_counters(const struct control_round *round);

/* Identifies a question of a round in its replies: "<round>.<question>". */
enum { CONTROL_TICKET_MAX = 64 };
void control_ticket_write(char ret[CONTROL_TICKET_MAX], uint64_t round, unsigned question);
/* False: the ticket belongs to another round, or is not ours. */
bool control_ticket_read(struct kn_str ticket, uint64_t round, enum control_question *ret);

#endif
