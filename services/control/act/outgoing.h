/* A task message on its way to either broker. */
#ifndef CONTROL_ACT_OUTGOING_H
#define CONTROL_ACT_OUTGOING_H

#include "services/broker/session.h"
#include "services/celery/message/task_send.h"

/* Sends it to its queue. Redis: to the list of its priority. RabbitMQ: confirmed;
 * NOT_FOUND when there is no such queue. INVALID when the headers can't be said there. */
enum kn_status control_send_task(struct broker_session *session,
                                 const struct celery_task_wrap *wrap,
                                 struct kn_arena *arena) KN_MUST_CHECK;

#endif
