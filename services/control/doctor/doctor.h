/* Checks one broker and its workers, and reports problems and their remedies: for the control
 * service, and for `kanchi doctor`, which needs no running service. Changes nothing. Connects
 * when it is called. One thread. */
#ifndef CONTROL_DOCTOR_DOCTOR_H
#define CONTROL_DOCTOR_DOCTOR_H

#include "proto/messages.h"
#include "services/control/ask/pidbox.h"

struct control_doctor_options {
    const char *source;
    const struct broker_options *broker;
    int64_t reply_timeout_us;
    size_t memory_max; /* bytes of replies */
    /* What storage knows; NULL: storage can't be asked. */
    const struct kn_msg_worker_list *workers;
    const struct kn_msg_known_queues *queues;
};

/* A broker that can't be used is also a finding. The lists of ret lie in the arena. */
enum kn_status control_doctor_look(struct control_pidbox *pidbox,
                                   const struct control_doctor_options *options,
                                   struct kn_arena *arena,
                                   struct kn_msg_doctor_report *ret) KN_MUST_CHECK;

#endif
