/* Handlers for each kind of request; see the table in actions.c. */
#ifndef CONTROL_ACT_HANDLERS_H
#define CONTROL_ACT_HANDLERS_H

#include "services/control/call/call.h"

typedef enum kn_status control_handler(struct control_call *call);

control_handler control_do_command;
control_handler control_do_doctor;
control_handler control_do_waiting, control_do_purge, control_do_move, control_do_pause;
control_handler control_do_send; /* retry and apply */
control_handler control_do_check;
control_handler control_do_revoke;
control_handler control_do_result;

/* Warns in the answer that call->link could not be stored. */
void control_send_unlinked(struct control_call *call);

#endif
