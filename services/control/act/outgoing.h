/* Sends a task message to either broker. */
#ifndef CONTROL_ACT_OUTGOING_H
#define CONTROL_ACT_OUTGOING_H

#include "services/broker/session.h"
#include "services/celery/message/task_send.h"

/* Sends the message to its queue. Redis: to the list of its priority. RabbitMQ: with confirmation;
 * NOT_FOUND when the queue does not exist. INVALID when RabbitMQ cannot represent the headers. */
enum kn_status control_send_task(struct broker_session *session,
                                 const struct celery_task_wrap *wrap,
                                 struct kn_arena *arena) KN_MUST_CHECK;

#endif
