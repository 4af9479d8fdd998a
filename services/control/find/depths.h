/* What a queue's measured depths reveal about its messages, where these can't be read (RabbitMQ).
 * No I/O. */
#ifndef CONTROL_FIND_DEPTHS_H
#define CONTROL_FIND_DEPTHS_H

#include "proto/messages.h"

/* The queue with this name; NULL if there is none. */
const struct kn_msg_queue *control_depths_find(const struct kn_msg_queue_list *queues,
                                               struct kn_str name);

/* Whether the queue has no consumer: neither a worker nor, according to the broker, any other. */
bool control_depths_parked(const struct kn_msg_queue *queue);

/* From when on a measurement counts (wall clock), if a worker said this long ago that it does not
 * have a task: any message it sent for that task has been in its queue since then. */
int64_t control_depths_fresh(int64_t now, int64_t missing_for);
/* Whether the latest measurement of the queue counts. */
bool control_depths_counts(const struct kn_msg_queue *queue, int64_t fresh);

/* When the queues were last measured; all queues of a round have the same time. 0: never. */
int64_t control_depths_round(const struct kn_msg_queue_list *queues);
/* Whether the round left out a previously measured queue: it is gone, or hidden from us. */
bool control_depths_left_out(const struct kn_msg_queue *queue, int64_t round);

enum control_depths_say {
    CONTROL_DEPTHS_SAME,    /* no message was sent to it after since */
    CONTROL_DEPTHS_CHANGED, /* maybe: messages left, and some may have arrived */
    CONTROL_DEPTHS_GREW,    /* maybe: messages arrived, or the depth before is unknown */
};
/* Judges the depths of a parked queue: its history, from before since, and its messages now.
 * Messages leave a queue of delayed delivery by themselves, so it may have a message while it is
 * not empty. */
enum control_depths_say control_depths_say(const struct kn_msg_queue *queue, int64_t since);

/* Whether the depths are a reason to expect a message of a task with this status. Most finished
 * tasks have no message, so for these messages must have arrived. */
bool control_depths_suspects(enum control_depths_say say, enum kn_task_status status);

/* How far before since a history must begin. */
int64_t control_depths_from(int64_t since);

#endif
